/**
 * The head of an HTTP/1.1 request (RFC 9112 §2 to §6, RFC 9110 §5 to §7): a parser that is fed octets and does no I/O.
 *
 * It is strict: what RFC 9112 lets a recipient repair (bare LF, folded lines, spaces around names, several lengths) is
 * refused, because whoever stands between us and the client may repair it differently and see another request.
 */
import { type Fields, isToken } from './fields.ts'
import { type Framing, type FramingProblem, framingOf, isPersistent } from './framing.ts'
import { type FieldsLimits, FieldsParser, type FieldsProblem, LineReader } from './lines.ts'
import { parseTarget } from './target.ts'

/** The head of a request. */
export interface RequestHead {
  readonly method: string
  /** As the client sent it. */
  readonly target: string
  /** The path of the target, percent-encoded; empty for `*` and for CONNECT. */
  readonly path: string
  /** The query of the target with its `?`, or empty. */
  readonly query: string
  /** The host and port the request is for: of the target when it names one, else of the Host field; or empty. */
  readonly authority: string
  /** The minor version: HTTP/1.0 or HTTP/1.1. */
  readonly minor: 0 | 1
  readonly fields: Fields
  /** How the content that follows is delimited. */
  readonly framing: Framing
  /** The client wants the connection to go on after the response (RFC 9112 §9.3). */
  readonly isPersistent: boolean
}

/** Why a request cannot be answered as it is; the connection cannot go on, for its framing is in doubt. */
export type RefusalReason =
  | FieldsProblem
  | FramingProblem
  | 'bad-request-line'
  | 'bad-target'
  | 'bad-host'
  | 'request-line-too-long'
  | 'unsupported-version'

/** The status that tells the client of each reason. */
export const REFUSAL_STATUS: Readonly<Record<RefusalReason, number>> = {
  'bad-request-line': 400,
  'bad-target': 400,
  'bare-lf': 400,
  'bad-octet': 400,
  'folded-line': 400,
  'bad-field-name': 400,
  'bad-host': 400,
  'bad-content-length': 400,
  'length-and-coding': 400,
  'bad-transfer-coding': 400,
  'request-line-too-long': 414,
  'fields-too-large': 431,
  'unknown-transfer-coding': 501,
  'unsupported-version': 505,
}

export interface RequestLimits extends FieldsLimits {
  /** Longest request line. RFC 9112 §3 asks for 8000 at least. */
  readonly requestLineBytes: number
}

export const DEFAULT_REQUEST_LIMITS: RequestLimits = { requestLineBytes: 8192, fieldsBytes: 16384, fieldCount: 100 }

/** RFC 9112 §3. The target is any visible text here. */
const REQUEST_LINE = /^([^ ]+) ([\x21-\x7e]+) HTTP\/(\d)\.(\d)$/

/** RFC 9110 §7.2 and RFC 3986 §3.2.2, loosely: characters of a host and port. May be empty. */
const HOST = /^[A-Za-z0-9\-._~!$&'()*+,;=:%[\]]*$/

/** RFC 9112 §3.2.3. */
const AUTHORITY_FORM = /^[^:[\]]+:\d{1,5}$|^\[[0-9A-Fa-f:.]+\]:\d{1,5}$/

interface RequestLine {
  readonly method: string
  readonly target: string
  readonly minor: 0 | 1
}

/** Reads one request head. */
export class RequestParser {
  /** What has arrived is, once the head is complete or refused. */
  outcome: RequestHead | RefusalReason | undefined
  private readonly limits: RequestLimits
  private readonly lines = new LineReader()
  private readonly fields: FieldsParser
  private hasBlankLine = false
  private requestLine: RequestLine | undefined

  constructor(limits: RequestLimits = DEFAULT_REQUEST_LIMITS) {
    this.limits = limits
    this.fields = new FieldsParser(limits)
  }

  /** Takes octets from `chunk[off..]` until there is an outcome; returns where it stopped. */
  push(chunk: Uint8Array, off: number): number {
    while (off < chunk.length && this.outcome === undefined) {
      if (this.requestLine === undefined) {
        off = this.lines.push(chunk, off, this.limits.requestLineBytes)
        this.outcome = this.takeRequestLine()
      } else {
        off = this.fields.push(chunk, off)
        const fields = this.fields.outcome
        this.outcome = typeof fields === 'object' ? finish(this.requestLine, fields) : fields
      }
    }
    return off
  }

  private takeRequestLine(): RefusalReason | undefined {
    const { outcome, line } = this.lines
    if (outcome === 'more') return undefined
    if (outcome !== 'line') return outcome === 'line-too-long' ? 'request-line-too-long' : outcome
    // RFC 9112 §2.2: ignore an empty line before the request; old clients send one after a body.
    if (line === '' && !this.hasBlankLine) {
      this.hasBlankLine = true
      return undefined
    }
    const [, method = '', target = '', major, minor] = REQUEST_LINE.exec(line) ?? []
    if (!isToken(method)) return 'bad-request-line'
    if (major !== '1') return 'unsupported-version'
    // RFC 9110 §6.2: a higher minor version is processed as the highest one known.
    this.requestLine = { method, target, minor: minor === '0' ? 0 : 1 }
    return undefined
  }
}

/** Checks what the request line and the fields say together. */
function finish({ method, target, minor }: RequestLine, fields: Fields): RequestHead | RefusalReason {
  // RFC 9112 §3.2: HTTP/1.1 has exactly one Host, and none may have several.
  const hosts = fields.all('host')
  if (hosts.length > 1 || (hosts.length === 0 && minor === 1)) return 'bad-host'
  const [host = ''] = hosts
  if (!HOST.test(host)) return 'bad-host'
  const isOther = method === 'CONNECT' || target === '*'
  const parts = isOther ? { authority: undefined, path: '', query: '' } : parseTarget(target)
  // §3.2.3, §3.2.4: the authority form is for CONNECT, `*` for OPTIONS.
  if (parts === undefined || (method === 'CONNECT' ? !AUTHORITY_FORM.test(target) : isOther && method !== 'OPTIONS')) {
    return 'bad-target'
  }
  if (!HOST.test(parts.authority ?? '')) return 'bad-target'
  const framing = framingOf(fields, minor) ?? 0
  if (typeof framing === 'string' && framing !== 'chunked') return framing
  return {
    method,
    target,
    path: parts.path,
    query: parts.query,
    authority: method === 'CONNECT' ? target : (parts.authority ?? host),
    minor,
    fields,
    framing,
    isPersistent: isPersistent(fields, minor),
  }
}
