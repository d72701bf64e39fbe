/** The head of an HTTP/1.1 response (RFC 9112 §4): a parser that is fed octets and does no I/O, as strict as that of requests. */
import type { Fields } from './fields.ts'
import { type Framing, type FramingProblem, framingOf, isPersistent } from './framing.ts'
import { checkLine, type FieldsLimits, FieldsParser, type FieldsProblem, LineReader } from './lines.ts'

/** The head of a response. */
export interface ResponseHead {
  readonly status: number
  readonly reason: string
  readonly minor: 0 | 1
  readonly fields: Fields
}

/** Why octets are not the head of a response. */
export type ResponseProblem = FieldsProblem | 'bad-status-line' | 'status-line-too-long'

export interface ResponseLimits extends FieldsLimits {
  /** Longest status line. */
  readonly statusLineBytes: number
}

export const DEFAULT_RESPONSE_LIMITS: ResponseLimits = { statusLineBytes: 8192, fieldsBytes: 65536, fieldCount: 200 }

/** RFC 9112 §4. Deviation: the space in front of a reason that is empty may be missing; common servers leave it out. */
const STATUS_LINE = /^HTTP\/1\.(\d) ([1-9]\d\d)(?: (.*))?$/

/** Reads one response head. */
export class ResponseParser {
  outcome: ResponseHead | ResponseProblem | undefined
  private readonly limits: ResponseLimits
  private readonly lines = new LineReader()
  private readonly fields: FieldsParser
  private statusLine: Omit<ResponseHead, 'fields'> | undefined

  constructor(limits: ResponseLimits = DEFAULT_RESPONSE_LIMITS) {
    this.limits = limits
    this.fields = new FieldsParser(limits)
  }

  /** Takes octets of `chunk[off, end)` until there is an outcome; returns where it stopped. */
  push(chunk: Uint8Array, off: number, end: number = chunk.length): number {
    while (off < end && this.outcome === undefined) {
      if (this.statusLine === undefined) {
        off = this.lines.push(chunk, off, end, this.limits.statusLineBytes)
        this.outcome = this.takeStatusLine()
      } else {
        off = this.fields.push(chunk, off, end)
        const fields = this.fields.outcome
        this.outcome = typeof fields === 'object' ? { ...this.statusLine, fields } : fields
      }
    }
    return off
  }

  private takeStatusLine(): ResponseProblem | undefined {
    const { outcome, raw } = this.lines
    if (outcome !== 'line') return outcome === 'line-too-long' ? 'status-line-too-long' : undefined
    const checked = checkLine(raw)
    if (typeof checked === 'string') return checked
    const [, minor, status, reason = ''] = STATUS_LINE.exec(checked.line) ?? []
    if (status === undefined) return 'bad-status-line'
    this.statusLine = { status: Number(status), reason, minor: minor === '0' ? 0 : 1 }
    return undefined
  }
}

/** Where the content of a response to `method` ends (RFC 9112 §6.3), or why that is in doubt. */
export function responseFraming(head: ResponseHead, method: string): Framing | 'close' | FramingProblem {
  const { status, fields, minor } = head
  if (method === 'HEAD' || status < 200 || status === 204 || status === 304) return 0
  return framingOf(fields, minor) ?? 'close'
}

/** True when another request may follow on the connection. */
export function mayFollow(head: ResponseHead, framing: Framing | 'close'): boolean {
  return framing !== 'close' && isPersistent(head.fields, head.minor)
}
