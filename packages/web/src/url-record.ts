/**
 * Parsing and printing of URLs as the WHATWG's URL Standard has them (§4.4, §4.5), by taking the text apart where the
 * standard's state machine would change its state.
 *
 * Deviation: the mapping of names beyond ASCII (UTS #46) is NFKC and lower case, and `xn--` labels are not checked: its
 * tables would be larger than all the rest. Names in ASCII are exact.
 */
import { encodeFragment, encodeOpaque, encodePath, encodeQuery, encodeUserinfo } from './percent.ts'
import { parseHost } from './url-host.ts'

/** The parts of a URL. */
export interface UrlRecord {
  scheme: string
  username: string
  password: string
  host: string | null
  port: number | null
  /** Segments; or text, when the URL cannot be a base (`mailto:a@b`). */
  path: string[] | string
  query: string | null
  fragment: string | null
}

/** Schemes that are special, and the port of each. */
const SPECIAL: Readonly<Record<string, number | null>> = { http: 80, https: 443, ws: 80, wss: 443, ftp: 21, file: null }

export function isSpecial(scheme: string): boolean {
  return Object.hasOwn(SPECIAL, scheme)
}

export function defaultPort(scheme: string): number | null {
  return SPECIAL[scheme] ?? null
}

/** Removes what a URL in running text may have picked up. */
export function withoutTabsAndNewlines(text: string): string {
  return text.replace(/[\t\n\r]/g, '')
}

/** Removes controls and spaces on either side. */
function trimControls(text: string): string {
  let start = 0
  let end = text.length
  while (start < end && text.charCodeAt(start) <= 0x20) start++
  while (end > start && text.charCodeAt(end - 1) <= 0x20) end--
  return text.slice(start, end)
}

/** The parts of the URL `text`, relative to `base` when there is one; `undefined` when it is none. */
export function parseUrl(text: string, base?: UrlRecord): UrlRecord | undefined {
  const input = withoutTabsAndNewlines(trimControls(text.toWellFormed()))
  const [beforeFragment, fragment] = cut(input, '#')
  const [, scheme = '', afterScheme = ''] = /^([a-zA-Z][a-zA-Z0-9+\-.]*):(.*)$/s.exec(beforeFragment) ?? []
  const hasScheme = scheme !== ''
  const [rest, query] = cut(hasScheme ? afterScheme : beforeFragment, '?')
  const url = emptyRecord(hasScheme ? scheme.toLowerCase() : (base?.scheme ?? ''))
  const isRelative = !hasScheme || (base !== undefined && base.scheme === url.scheme && isSpecial(url.scheme))
  const isOpaque = !hasScheme && typeof base?.path === 'string'
  // Only a fragment can be relative to a URL without segments.
  if (isOpaque && (beforeFragment !== '' || fragment === null)) return undefined
  const isParsed = hasScheme
    ? parseAfterScheme(url, rest, isRelative ? base : undefined)
    : parseRelative(url, rest, base)
  if (!isParsed) return undefined
  if (query !== null) url.query = encodeQuery(query, isSpecial(url.scheme))
  else if (rest === '' && isRelative && base !== undefined) url.query = base.query
  url.fragment = fragment === null ? null : encodeFragment(fragment)
  return url
}

function emptyRecord(scheme: string): UrlRecord {
  return { scheme, username: '', password: '', host: null, port: null, path: [], query: null, fragment: null }
}

/** `text` up to `mark` and behind it, `null` without one. */
function cut(text: string, mark: string): [before: string, after: string | null] {
  const at = text.indexOf(mark)
  return at < 0 ? [text, null] : [text.slice(0, at), text.slice(at + 1)]
}

/** `base` is there when it has the same, special scheme: then `http:a` is relative to it. */
function parseAfterScheme(url: UrlRecord, rest: string, base: UrlRecord | undefined): boolean {
  if (url.scheme === 'file') return parseFile(url, rest, base)
  if (isSpecial(url.scheme)) {
    if (base !== undefined && !rest.startsWith('//')) return parseHierarchical(url, rest, base)
    return parseAuthority(url, rest.replace(/^[/\\]+/, ''))
  }
  if (rest.startsWith('//')) return parseAuthority(url, rest.slice(2))
  if (rest.startsWith('/')) parsePath(url, rest)
  else url.path = encodeOpaque(rest)
  return true
}

function parseRelative(url: UrlRecord, rest: string, base: UrlRecord | undefined): boolean {
  if (base === undefined) return false
  if (typeof base.path === 'string') {
    url.path = base.path
    return true
  }
  return base.scheme === 'file' ? parseFile(url, rest, base) : parseHierarchical(url, rest, base)
}

/** §4.4, relative state. */
function parseHierarchical(url: UrlRecord, rest: string, base: UrlRecord): boolean {
  const slash = isSpecial(url.scheme) ? /^[/\\]/ : /^\//
  if (slash.test(rest) && slash.test(rest.slice(1))) {
    return parseAuthority(url, isSpecial(url.scheme) ? rest.replace(/^[/\\]+/, '') : rest.slice(2))
  }
  url.username = base.username
  url.password = base.password
  url.host = base.host
  url.port = base.port
  if (slash.test(rest)) {
    parsePath(url, rest)
    return true
  }
  url.path = [...base.path]
  if (rest !== '') {
    shorten(url)
    appendPath(url, rest)
  }
  return true
}

/** §4.4, file state and those behind it. */
function parseFile(url: UrlRecord, rest: string, base: UrlRecord | undefined): boolean {
  url.host = ''
  if (/^[/\\]{2}/.test(rest)) {
    const [, host = ''] = /^([^/\\]*)/.exec(rest.slice(2)) ?? []
    if (isDriveLetter(host)) {
      parsePath(url, `/${rest.slice(2)}`)
      return true
    }
    if (host !== '') {
      const parsed = parseHost(host, true)
      if (parsed === undefined) return false
      url.host = parsed === 'localhost' ? '' : parsed
    }
    parsePath(url, rest.slice(2 + host.length))
    return true
  }
  if (/^[/\\]/.test(rest)) {
    if (base !== undefined) {
      url.host = base.host
      const [drive] = base.path
      if (!startsWithDriveLetter(rest.slice(1)) && drive !== undefined && isNormalDriveLetter(drive)) url.path = [drive]
    }
    appendPath(url, rest.slice(1))
    return true
  }
  if (base === undefined) {
    parsePath(url, rest)
    return true
  }
  url.host = base.host
  if (rest === '') {
    url.path = [...base.path]
  } else if (startsWithDriveLetter(rest)) {
    appendPath(url, rest)
  } else {
    url.path = [...base.path]
    shorten(url)
    appendPath(url, rest)
  }
  return true
}

/** What follows `//`: user name, password, host, port, and a path. */
function parseAuthority(url: UrlRecord, rest: string): boolean {
  const end = rest.search(isSpecial(url.scheme) ? /[/\\]/ : /\//)
  const authority = end < 0 ? rest : rest.slice(0, end)
  const at = authority.lastIndexOf('@')
  if (at >= 0) {
    const [username, password] = cut(authority.slice(0, at), ':')
    url.username = encodeUserinfo(username)
    url.password = encodeUserinfo(password ?? '')
  }
  const hostAndPort = authority.slice(at + 1)
  if (at >= 0 && hostAndPort === '') return false
  if (!parseHostAndPort(url, hostAndPort)) return false
  parsePath(url, end < 0 ? '' : rest.slice(end))
  return true
}

/** `host:port`; false when it is none. */
function parseHostAndPort(url: UrlRecord, text: string): boolean {
  const match = /^((?:\[[^\]]*\]|[^:[])*)(?::(.*))?$/s.exec(text)
  if (match === null) return false
  const [, hostText = '', portText] = match
  if (hostText === '' && (isSpecial(url.scheme) || portText !== undefined)) return false
  const host = hostText === '' ? '' : parseHost(hostText, isSpecial(url.scheme))
  const port = portText === undefined || portText === '' ? null : parsePort(portText)
  if (host === undefined || port === undefined) return false
  url.host = host
  url.port = port === defaultPort(url.scheme) ? null : port
  return true
}

function parsePort(text: string): number | undefined {
  if (!/^\d+$/.test(text)) return undefined
  const port = Number(text)
  return port <= 0xffff ? port : undefined
}

/** Replaces the path by that of `text`, which begins with a slash or is empty. */
export function parsePath(url: UrlRecord, text: string): void {
  url.path = []
  const hasSlash = isSpecial(url.scheme) ? /^[/\\]/.test(text) : text.startsWith('/')
  if (text === '' && !isSpecial(url.scheme)) return
  appendPath(url, hasSlash ? text.slice(1) : text)
}

/** §4.4, path state. */
function appendPath(url: UrlRecord, text: string): void {
  const path = url.path as string[]
  const segments = text.split(isSpecial(url.scheme) ? /[/\\]/ : '/')
  for (const [i, segment] of segments.entries()) {
    const isLast = i === segments.length - 1
    const dots = segment.replace(/%2e/gi, '.')
    if (dots === '..') {
      shorten(url)
      if (isLast) path.push('')
    } else if (dots === '.') {
      if (isLast) path.push('')
    } else if (url.scheme === 'file' && path.length === 0 && isDriveLetter(segment)) {
      path.push(`${segment.charAt(0)}:`)
    } else {
      path.push(encodePath(segment))
    }
  }
}

function shorten(url: UrlRecord): void {
  const path = url.path as string[]
  if (url.scheme === 'file' && path.length === 1 && isNormalDriveLetter(path[0] as string)) return
  path.pop()
}

function isDriveLetter(text: string): boolean {
  return /^[a-zA-Z][:|]$/.test(text)
}

function isNormalDriveLetter(text: string): boolean {
  return /^[a-zA-Z]:$/.test(text)
}

function startsWithDriveLetter(text: string): boolean {
  return /^[a-zA-Z][:|](?:[/\\]|$)/.test(text)
}

export function pathToString({ path }: UrlRecord): string {
  return typeof path === 'string' ? path : path.map((segment) => `/${segment}`).join('')
}

/** §4.5. */
export function urlToString(url: UrlRecord): string {
  const { scheme, username, password, host, port, path, query, fragment } = url
  let text = `${scheme}:`
  if (host !== null) {
    const credentials = password === '' ? username : `${username}:${password}`
    text += `//${credentials}${credentials === '' ? '' : '@'}${host}${port === null ? '' : `:${port}`}`
  } else if (typeof path !== 'string' && path.length > 1 && path[0] === '') {
    // Without it, the path would read as a host.
    text += '/.'
  }
  text += pathToString(url)
  if (query !== null) text += `?${query}`
  if (fragment !== null) text += `#${fragment}`
  return text
}
