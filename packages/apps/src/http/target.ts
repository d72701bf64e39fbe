/** Request targets (RFC 9112 §3.2) and the key of a store that they name. */

/** What a target names. */
export interface Target {
  /** The host and port that an absolute form names; otherwise the Host field does. */
  readonly authority: string | undefined
  /** Begins with `/`; percent-encoded as the client sent it. */
  readonly path: string
  /** With its `?`, or empty. */
  readonly query: string
}

/** RFC 9110 §4.2.1, §4.2.4: no user name, and a host that is not empty. */
const ABSOLUTE = /^https?:\/\/([^/?#@]+)/i

/**
 * Takes a target in origin form (`/where?q`) or absolute form (`http://host/where?q`) apart; `undefined` when it is
 * neither.
 */
export function parseTarget(target: string): Target | undefined {
  const [absolute = '', authority] = target.startsWith('/') ? [] : (ABSOLUTE.exec(target) ?? [])
  const match = /^(\/[^?#]*)?(\?[^#]*)?$/.exec(target.slice(absolute.length))
  if (match === null || (absolute === '' && match[1] === undefined)) return undefined
  return { authority, path: match[1] ?? '/', query: match[2] ?? '' }
}

/**
 * The segments of a path, decoded; `undefined` when one of them could be taken for more than a name.
 *
 * The path is split first and each segment decoded once, so an encoded slash (OSEC-2026-16: `%2f` decoded after dot
 * segments were removed) cannot make segments. Clients remove dot segments before they send (RFC 3986 §5.2.4); one that
 * arrives is refused rather than resolved. The last segment of a path that ends with `/` is empty.
 */
export function pathSegments(path: string): string[] | undefined {
  const segments: string[] = []
  const encoded = path.slice(1).split('/')
  for (const [i, text] of encoded.entries()) {
    const segment = percentDecode(text)
    if (segment === undefined || segment === '.' || segment === '..' || /[/\\\0]/.test(segment)) return undefined
    if (segment === '' && i < encoded.length - 1) return undefined
    segments.push(segment)
  }
  return segments
}

/** Decodes once; `undefined` when an escape is malformed or the octets are not UTF-8. */
function percentDecode(text: string): string | undefined {
  if (!text.includes('%')) return text
  try {
    return decodeURIComponent(text)
  } catch {
    // The only exception it has says that the text is malformed.
    return undefined
  }
}
