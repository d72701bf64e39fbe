/**
 * The head of an HTTP/1.1 request (RFC 9112 §2 to §6, RFC 9110 §5 to §7): a parser that is fed octets and does no I/O.
 *
 * It is strict: what RFC 9112 lets a recipient repair (bare LF, folded lines, spaces around names, several lengths) is
 * refused, because whoever stands between us and the client may repair it differently and see another request.
 */
import { type Field, type Fields, HAS_HOST, HAS_HOSTS, isToken } from './fields.ts'
import { type Framing, type FramingProblem, framingOf, isPersistent } from './framing.ts'
import { checkLine, type FieldsLimits, FieldsParser, type FieldsProblem, LineMemo, LineReader } from './lines.ts'
import { parseTarget, type Target } from './target.ts'

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
  /** What the target names; `undefined` when it is none. */
  readonly parts: Target | undefined
}

/** Lines of requests seen lately, on all connections of a server. */
export class RequestMemo {
  readonly requestLines: LineMemo<RequestLine> = new LineMemo()
  readonly fields: LineMemo<Field> = new LineMemo()
  /** A value of Host that is fine. */
  host = ''
}

/** Reads request heads, one after the other. */
export class RequestParser {
  /** What has arrived is, once the head is complete or refused. */
  outcome: RequestHead | RefusalReason | undefined
  private readonly limits: RequestLimits
  private readonly memo: RequestMemo | undefined
  private readonly lines = new LineReader()
  private readonly fields: FieldsParser
  private hasBlankLine = false
  private requestLine: RequestLine | undefined

  constructor(limits: RequestLimits = DEFAULT_REQUEST_LIMITS, memo?: RequestMemo) {
    this.limits = limits
    this.memo = memo
    this.fields = new FieldsParser(limits, memo?.fields)
  }

  /** Some of a head has arrived. */
  get hasBegun(): boolean {
    return this.lines.raw !== ''
  }

  /** Begins with the next head. */
  reset(): void {
    this.outcome = undefined
    this.hasBlankLine = false
    this.requestLine = undefined
    this.lines.reset()
    this.fields.reset()
  }

  /** Takes octets of `chunk[off, end)` until there is an outcome; returns where it stopped. */
  push(chunk: Uint8Array, off: number, end: number = chunk.length): number {
    while (off < end && this.outcome === undefined) {
      if (this.requestLine === undefined) {
        off = this.lines.push(chunk, off, end, this.limits.requestLineBytes)
        this.outcome = this.takeRequestLine()
      } else {
        off = this.fields.push(chunk, off, end)
        const fields = this.fields.outcome
        this.outcome = typeof fields === 'object' ? finish(this.requestLine, fields, this.memo) : fields
      }
    }
    return off
  }

  private takeRequestLine(): RefusalReason | undefined {
    const { outcome, raw } = this.lines
    if (outcome !== 'line') return outcome === 'line-too-long' ? 'request-line-too-long' : undefined
    // RFC 9112 §2.2: ignore an empty line before the request; old clients send one after a body.
    if (raw === '\r\n' && !this.hasBlankLine) {
      this.hasBlankLine = true
      return undefined
    }
    const line = this.memo?.requestLines.get(raw) ?? parseRequestLine(raw)
    if (typeof line === 'string') return line
    this.requestLine = line
    // A query may hold what is nobody's business, and is another each time.
    if (line.parts?.query === '') this.memo?.requestLines.add(raw, line)
    return undefined
  }
}

function parseRequestLine(raw: string): RequestLine | RefusalReason {
  const checked = checkLine(raw)
  if (typeof checked === 'string') return checked
  const [, method = '', target = '', major, minor] = REQUEST_LINE.exec(checked.line) ?? []
  if (!isToken(method)) return 'bad-request-line'
  if (major !== '1') return 'unsupported-version'
  // RFC 9110 §6.2: a higher minor version is processed as the highest one known.
  return { method, target, minor: minor === '0' ? 0 : 1, parts: partsOf(method, target) }
}

function partsOf(method: string, target: string): Target | undefined {
  // §3.2.3, §3.2.4: the authority form is for CONNECT, `*` for OPTIONS.
  if (method === 'CONNECT') return AUTHORITY_FORM.test(target) ? { authority: target, path: '', query: '' } : undefined
  if (target === '*') return method === 'OPTIONS' ? { authority: undefined, path: '', query: '' } : undefined
  const parts = parseTarget(target)
  return HOST.test(parts?.authority ?? '') ? parts : undefined
}

/** Checks what the request line and the fields say together. */
function finish(
  { method, target, minor, parts }: RequestLine,
  fields: Fields,
  memo: RequestMemo | undefined,
): RequestHead | RefusalReason {
  // RFC 9112 §3.2: HTTP/1.1 has exactly one Host, and none may have several.
  const { marks } = fields
  if ((marks & HAS_HOSTS) !== 0 || ((marks & HAS_HOST) === 0 && minor === 1)) return 'bad-host'
  const host = fields.get('host') ?? ''
  if (host !== memo?.host) {
    if (!HOST.test(host)) return 'bad-host'
    if (memo !== undefined) memo.host = host
  }
  if (parts === undefined) return 'bad-target'
  const framing = framingOf(fields, minor) ?? 0
  if (typeof framing === 'string' && framing !== 'chunked') return framing
  return {
    method,
    target,
    path: parts.path,
    query: parts.query,
    authority: parts.authority ?? host,
    minor,
    fields,
    framing,
    isPersistent: isPersistent(fields, minor),
  }
}
