/** `URL` and `URLSearchParams` (URL Standard §5, §6). */
import { decodeUtf8Strictly, TextDecoder } from './encoding.ts'
import { encodeFragment, encodeQuery, encodeUserinfo, formEncode } from './percent.ts'
import { parseHost } from './url-host.ts'
import {
  defaultPort,
  isSpecial,
  parsePath,
  parseUrl,
  pathToString,
  type UrlRecord,
  urlToString,
  withoutTabsAndNewlines,
} from './url-record.ts'

/** Tells a URL of changes to its parameters. */
const UPDATE = Symbol('update')

export class URLSearchParams {
  private pairs: [string, string][] = [];
  [UPDATE]: (() => void) | undefined

  constructor(init: string | Iterable<Iterable<string>> | Readonly<Record<string, string>> | URLSearchParams = '') {
    if (typeof init === 'object' && init !== null) {
      if (Symbol.iterator in init) {
        for (const pair of init as Iterable<Iterable<string>>) {
          const [name, value, ...rest] = [...pair]
          if (name === undefined || value === undefined || rest.length > 0) {
            throw new TypeError('Cannot make URLSearchParams: expected pairs of name and value')
          }
          this.pairs.push([toText(name), toText(value)])
        }
      } else {
        for (const [name, value] of Object.entries(init)) this.pairs.push([toText(name), toText(value)])
      }
    } else {
      const text = toText(init)
      this.pairs = parseForm(text.startsWith('?') ? text.slice(1) : text)
    }
  }

  get size(): number {
    return this.pairs.length
  }

  append(name: string, value: string): void {
    this.pairs.push([toText(name), toText(value)])
    this[UPDATE]?.()
  }

  delete(name: string, value?: string): void {
    const wanted = value === undefined ? undefined : toText(value)
    this.pairs = this.pairs.filter(([key, item]) => key !== toText(name) || (wanted !== undefined && item !== wanted))
    this[UPDATE]?.()
  }

  get(name: string): string | null {
    return this.pairs.find(([key]) => key === toText(name))?.[1] ?? null
  }

  getAll(name: string): string[] {
    return this.pairs.flatMap(([key, value]) => (key === toText(name) ? [value] : []))
  }

  has(name: string, value?: string): boolean {
    return this.pairs.some(([key, item]) => key === toText(name) && (value === undefined || item === toText(value)))
  }

  set(name: string, value: string): void {
    const key = toText(name)
    const first = this.pairs.findIndex(([one]) => one === key)
    if (first < 0) this.pairs.push([key, toText(value)])
    else {
      this.pairs = this.pairs.filter(([one], i) => one !== key || i === first)
      this.pairs[first] = [key, toText(value)]
    }
    this[UPDATE]?.()
  }

  sort(): void {
    this.pairs.sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0))
    this[UPDATE]?.()
  }

  toString(): string {
    return this.pairs.map(([name, value]) => `${formEncode(name)}=${formEncode(value)}`).join('&')
  }

  forEach(callback: (value: string, name: string, params: URLSearchParams) => void, thisArg?: unknown): void {
    for (const [name, value] of this) callback.call(thisArg, value, name, this)
  }

  *entries(): IterableIterator<[string, string]> {
    for (let i = 0; i < this.pairs.length; i++) yield [...(this.pairs[i] as [string, string])]
  }

  *keys(): IterableIterator<string> {
    for (const [name] of this.entries()) yield name
  }

  *values(): IterableIterator<string> {
    for (const [, value] of this.entries()) yield value
  }

  [Symbol.iterator](): IterableIterator<[string, string]> {
    return this.entries()
  }

  get [Symbol.toStringTag](): string {
    return 'URLSearchParams'
  }

  /** Takes over the parameters of `query`, as the URL does when it is given another. */
  static replace(params: URLSearchParams, query: string): void {
    params.pairs = parseForm(query)
  }
}

function toText(value: unknown): string {
  return String(value).toWellFormed()
}

/** §5.1. */
function parseForm(text: string): [string, string][] {
  return text
    .split('&')
    .filter((pair) => pair !== '')
    .map((pair) => {
      const at = pair.indexOf('=')
      return at < 0 ? [formDecode(pair), ''] : [formDecode(pair.slice(0, at)), formDecode(pair.slice(at + 1))]
    })
}

const decoder = new TextDecoder('utf-8', { ignoreBOM: true })

function formDecode(text: string): string {
  const spaced = text.replaceAll('+', ' ')
  if (!spaced.includes('%')) return spaced
  return spaced.replace(/(?:%[0-9a-f]{2})+/gi, (escapes) => {
    const octets = Uint8Array.from(escapes.slice(1).split('%'), (hex) => Number.parseInt(hex, 16))
    return decodeUtf8Strictly(octets) ?? decoder.decode(octets)
  })
}

export class URL {
  private url: UrlRecord
  private params: URLSearchParams | undefined

  constructor(text: string | URL, base?: string | URL) {
    const url = parseWithBase(String(text), base === undefined ? undefined : String(base))
    if (url === undefined) throw new TypeError(`Invalid URL: ${String(text)}`)
    this.url = url
  }

  static canParse(text: string | URL, base?: string | URL): boolean {
    return parseWithBase(String(text), base === undefined ? undefined : String(base)) !== undefined
  }

  static parse(text: string | URL, base?: string | URL): URL | null {
    return URL.canParse(text, base) ? new URL(text, base) : null
  }

  get href(): string {
    return urlToString(this.url)
  }

  set href(value: string) {
    const url = parseUrl(String(value))
    if (url === undefined) throw new TypeError(`Invalid URL: ${value}`)
    this.url = url
    this.updateParams()
  }

  get origin(): string {
    const { scheme, path } = this.url
    if (scheme === 'blob' && typeof path === 'string') {
      const inner = parseUrl(path)
      return inner !== undefined && /^https?$/.test(inner.scheme) ? new URL(path).origin : 'null'
    }
    return isSpecial(scheme) && scheme !== 'file' ? `${scheme}://${this.host}` : 'null'
  }

  get protocol(): string {
    return `${this.url.scheme}:`
  }

  set protocol(value: string) {
    const url = this.url
    const [, text] = /^([a-zA-Z][a-zA-Z0-9+\-.]*)(?::|$)/.exec(withoutTabsAndNewlines(String(value))) ?? []
    const scheme = text?.toLowerCase()
    if (scheme === undefined || isSpecial(scheme) !== isSpecial(url.scheme)) return
    if (scheme === 'file' && (url.username !== '' || url.password !== '' || url.port !== null)) return
    if (url.scheme === 'file' && url.host === '') return
    url.scheme = scheme
    if (url.port === defaultPort(scheme)) url.port = null
  }

  get username(): string {
    return this.url.username
  }

  set username(value: string) {
    if (this.canHaveCredentials()) this.url.username = encodeUserinfo(toText(value))
  }

  get password(): string {
    return this.url.password
  }

  set password(value: string) {
    if (this.canHaveCredentials()) this.url.password = encodeUserinfo(toText(value))
  }

  get host(): string {
    const { host, port } = this.url
    return port === null ? (host ?? '') : `${host}:${port}`
  }

  set host(value: string) {
    this.setHost(value, true)
  }

  get hostname(): string {
    return this.url.host ?? ''
  }

  set hostname(value: string) {
    this.setHost(value, false)
  }

  get port(): string {
    return this.url.port === null ? '' : String(this.url.port)
  }

  set port(value: string) {
    if (!this.canHaveCredentials()) return
    const text = withoutTabsAndNewlines(String(value))
    if (text === '') {
      this.url.port = null
      return
    }
    const [digits] = /^\d+/.exec(text) ?? []
    const port = Number(digits)
    if (digits !== undefined && port <= 0xffff) this.url.port = port === defaultPort(this.url.scheme) ? null : port
  }

  get pathname(): string {
    return pathToString(this.url)
  }

  set pathname(value: string) {
    if (typeof this.url.path === 'string') return
    parsePath(this.url, withoutTabsAndNewlines(toText(value)))
    // Without a host, a URL without a path would have no segments.
    if (this.url.host === null && this.url.path.length === 0) this.url.path = ['']
  }

  get search(): string {
    const { query } = this.url
    return query === null || query === '' ? '' : `?${query}`
  }

  set search(value: string) {
    const text = toText(value)
    const query = withoutTabsAndNewlines(text.startsWith('?') ? text.slice(1) : text)
    this.url.query = text === '' ? null : encodeQuery(query, isSpecial(this.url.scheme))
    this.updateParams()
  }

  get searchParams(): URLSearchParams {
    if (this.params === undefined) {
      const params = new URLSearchParams()
      this.params = params
      this.updateParams()
      params[UPDATE] = () => {
        const query = params.toString()
        this.url.query = query === '' ? null : query
      }
    }
    return this.params
  }

  get hash(): string {
    const { fragment } = this.url
    return fragment === null || fragment === '' ? '' : `#${fragment}`
  }

  set hash(value: string) {
    const text = toText(value)
    const fragment = withoutTabsAndNewlines(text.startsWith('#') ? text.slice(1) : text)
    this.url.fragment = text === '' ? null : encodeFragment(fragment)
  }

  toString(): string {
    return this.href
  }

  toJSON(): string {
    return this.href
  }

  get [Symbol.toStringTag](): string {
    return 'URL'
  }

  private setHost(value: string, withPort: boolean): void {
    const url = this.url
    if (typeof url.path === 'string') return
    const text = withoutTabsAndNewlines(toText(value))
    const [host = ''] = text.split(isSpecial(url.scheme) ? /[/\\?#]/ : /[/?#]/, 1)
    const [, name = '', port] = /^((?:\[[^\]]*\]|[^:[])*)(?::(\d*)|$)/.exec(host) ?? []
    if (url.scheme === 'file') {
      const parsed = host === '' ? '' : parseHost(host, true)
      if (parsed !== undefined) url.host = parsed === 'localhost' ? '' : parsed
      return
    }
    // A user name or a port would be left without a host.
    const isBare = url.username !== '' || url.password !== '' || url.port !== null
    if (name === '' && (isSpecial(url.scheme) || isBare)) return
    if (!withPort && host.slice(name.length).startsWith(':')) return
    const parsed = name === '' ? '' : parseHost(name, isSpecial(url.scheme))
    if (parsed === undefined) return
    url.host = parsed
    // A port that is none leaves the old one.
    if (withPort && port !== undefined && port !== '') this.port = port
  }

  private canHaveCredentials(): boolean {
    const { host, scheme } = this.url
    return host !== null && host !== '' && scheme !== 'file'
  }

  private updateParams(): void {
    if (this.params !== undefined) URLSearchParams.replace(this.params, this.url.query ?? '')
  }
}

function parseWithBase(text: string, base: string | undefined): UrlRecord | undefined {
  if (base === undefined) return parseUrl(text)
  const parsed = parseUrl(base)
  return parsed === undefined ? undefined : parseUrl(text, parsed)
}
