/** Request targets (RFC 9112 §3.2) and the key of a store that they name. */

/** The path, without the query, and what follows it. */
export interface Target {
  /** Begins with `/`; percent-encoded as the client sent it. */
  readonly path: string
  /** With its `?`, or empty. */
  readonly query: string
}

/**
 * Takes a target in origin form (`/where?q`) or absolute form (`http://host/where?q`) apart; `undefined` when it is
 * neither. The host of an absolute form is not looked at: this server has one site.
 */
export function parseTarget(target: string): Target | undefined {
  const [authority] = /^https?:\/\/[^/?#]+/i.exec(target) ?? ['']
  const match = /^(\/[^?#]*)?(\?[^#]*)?$/.exec(target.slice(authority.length))
  if (match === null || (authority === '' && match[1] === undefined)) return undefined
  return { path: match[1] ?? '/', query: match[2] ?? '' }
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
