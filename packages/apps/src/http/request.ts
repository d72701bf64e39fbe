/**
 * The head of an HTTP/1.1 request (RFC 9112 §2 to §6, RFC 9110 §5 to §7): a parser that is fed octets and does no I/O.
 *
 * It is strict: what RFC 9112 lets a recipient repair (bare LF, folded lines, spaces around names, several lengths) is
 * refused, because whoever stands between us and the client may repair it differently and see another request.
 *
 * Not yet here: chunked request bodies (refused with 411).
 */
import { Fields, isFieldValue, isToken, trimOws } from './fields.ts'
import { octetsToText } from './octets.ts'

/** A request whose head is complete. */
export interface Request {
  readonly method: string
  /** As the client sent it. */
  readonly target: string
  /** The minor version: HTTP/1.0 or HTTP/1.1. */
  readonly minor: 0 | 1
  readonly fields: Fields
  /** Octets of content that follow the head. */
  readonly contentLen: number
  /** The client wants the connection to go on after the response (RFC 9112 §9.3). */
  readonly isPersistent: boolean
}

/** Why a request cannot be answered as it is; the connection cannot go on, for its framing is in doubt. */
export type RefusalReason =
  | 'bad-request-line'
  | 'bare-lf'
  | 'bad-octet'
  | 'folded-line'
  | 'bad-field-name'
  | 'bad-host'
  | 'bad-content-length'
  | 'length-and-coding'
  | 'bad-transfer-coding'
  | 'unknown-transfer-coding'
  | 'length-required'
  | 'request-line-too-long'
  | 'fields-too-large'
  | 'unsupported-version'

/** The status that tells the client of each reason. */
export const REFUSAL_STATUS: Readonly<Record<RefusalReason, number>> = {
  'bad-request-line': 400,
  'bare-lf': 400,
  'bad-octet': 400,
  'folded-line': 400,
  'bad-field-name': 400,
  'bad-host': 400,
  'bad-content-length': 400,
  'length-and-coding': 400,
  'bad-transfer-coding': 400,
  'length-required': 411,
  'request-line-too-long': 414,
  'fields-too-large': 431,
  'unknown-transfer-coding': 501,
  'unsupported-version': 505,
}

export interface RequestLimits {
  /** Longest request line. RFC 9112 §3 asks for 8000 at least. */
  readonly requestLineBytes: number
  /** Sum of the field lines. */
  readonly fieldsBytes: number
  readonly fieldCount: number
}

export const DEFAULT_REQUEST_LIMITS: RequestLimits = { requestLineBytes: 8192, fieldsBytes: 16384, fieldCount: 100 }

const LF = 0x0a

/** RFC 9112 §3. The target is any visible text here; `target.ts` looks into it. */
const REQUEST_LINE = /^([^ ]+) ([\x21-\x7e]+) HTTP\/(\d)\.(\d)$/

/** RFC 9110 §7.2 and RFC 3986 §3.2.2, loosely: characters of a host and port. May be empty. */
const HOST = /^[A-Za-z0-9\-._~!$&'()*+,;=:%[\]]*$/

/** Reads one request head. */
export class RequestParser {
  /** What has arrived is, once the head is complete or refused. */
  outcome: Request | RefusalReason | undefined
  readonly #limits: RequestLimits
  /** The beginning of a line whose end has not arrived. */
  #line = ''
  /** Octets of the part being read: the request line, then all field lines. */
  #partBytes = 0
  #hasBlankLine = false
  #requestLine: RequestLine | undefined
  readonly #fields = new Fields()

  constructor(limits: RequestLimits = DEFAULT_REQUEST_LIMITS) {
    this.#limits = limits
  }

  /** Takes octets from `chunk[off..]` until there is an outcome; returns where it stopped. */
  push(chunk: Uint8Array, off: number): number {
    while (off < chunk.length && this.outcome === undefined) {
      const lfOff = chunk.indexOf(LF, off)
      const end = lfOff < 0 ? chunk.length : lfOff + 1
      this.#partBytes += end - off
      if (this.#isTooLong()) break
      this.#line += octetsToText(chunk, off, end)
      off = end
      if (lfOff >= 0) this.outcome = this.#takeLine()
    }
    return off
  }

  #isTooLong(): boolean {
    const isRequestLine = this.#requestLine === undefined
    const limitBytes = isRequestLine ? this.#limits.requestLineBytes : this.#limits.fieldsBytes
    if (this.#partBytes <= limitBytes) return false
    this.outcome = isRequestLine ? 'request-line-too-long' : 'fields-too-large'
    return true
  }

  #takeLine(): Request | RefusalReason | undefined {
    if (!this.#line.endsWith('\r\n')) return 'bare-lf'
    const line = this.#line.slice(0, -2)
    this.#line = ''
    if (!isFieldValue(line)) return 'bad-octet'
    if (this.#requestLine === undefined) return this.#takeRequestLine(line)
    if (line === '') return finish(this.#requestLine, this.#fields)
    return this.#takeField(line)
  }

  #takeRequestLine(line: string): RefusalReason | undefined {
    // RFC 9112 §2.2: ignore an empty line before the request; old clients send one after a body.
    if (line === '' && !this.#hasBlankLine) {
      this.#hasBlankLine = true
      return undefined
    }
    const [, method = '', target = '', major, minor] = REQUEST_LINE.exec(line) ?? []
    if (!isToken(method)) return 'bad-request-line'
    if (major !== '1') return 'unsupported-version'
    // RFC 9110 §6.2: a higher minor version is processed as the highest one known.
    this.#requestLine = { method, target, minor: minor === '0' ? 0 : 1 }
    this.#partBytes = 0
    return undefined
  }

  #takeField(line: string): RefusalReason | undefined {
    if (line.startsWith(' ') || line.startsWith('\t')) return 'folded-line'
    if (this.#fields.count === this.#limits.fieldCount) return 'fields-too-large'
    const colon = line.indexOf(':')
    const name = line.slice(0, Math.max(0, colon))
    // RFC 9112 §5.1: white space between name and colon is refused, too: a space is no token.
    if (!isToken(name)) return 'bad-field-name'
    this.#fields.add(name, trimOws(line.slice(colon + 1)))
    return undefined
  }
}

interface RequestLine {
  readonly method: string
  readonly target: string
  readonly minor: 0 | 1
}

/** Checks what the fields say together. */
function finish({ method, target, minor }: RequestLine, fields: Fields): Request | RefusalReason {
  // RFC 9112 §3.2: HTTP/1.1 has exactly one Host, and none may have several.
  const hosts = fields.all('host')
  if (hosts.length > 1 || (hosts.length === 0 && minor === 1)) return 'bad-host'
  if (!HOST.test(hosts[0] ?? '')) return 'bad-host'
  const contentLen = contentLength(fields, minor)
  if (typeof contentLen === 'string') return contentLen
  return { method, target, minor, fields, contentLen, isPersistent: isPersistent(fields, minor) }
}

/** RFC 9112 §6.3: how long the content is. */
function contentLength(fields: Fields, minor: 0 | 1): number | RefusalReason {
  const lengths = fields.all('content-length')
  if (fields.all('transfer-encoding').length > 0) {
    // §6.1: both fields, or a coding in HTTP/1.0, are signs of request smuggling.
    if (lengths.length > 0) return 'length-and-coding'
    const codings = fields.tokens('transfer-encoding')
    if (codings.some((coding) => coding !== 'chunked')) return 'unknown-transfer-coding'
    return codings.length === 1 && minor === 1 ? 'length-required' : 'bad-transfer-coding'
  }
  const [length = '0', ...others] = lengths
  // The same length given twice may be accepted (§6.3), and is refused: nobody needs it.
  if (others.length > 0 || !/^\d{1,15}$/.test(length)) return 'bad-content-length'
  return Number(length)
}

/** RFC 9112 §9.3. */
function isPersistent(fields: Fields, minor: 0 | 1): boolean {
  const options = fields.tokens('connection')
  if (options.includes('close')) return false
  return minor === 1 || options.includes('keep-alive')
}
