/** Lines that end with CR LF, gathered from octets that arrive in pieces (RFC 9112 §2.2), and the fields made of them. */

import { octetsToText } from '@mirage-ts/core/octets'
import { Field, Fields, isFieldValue, isToken, trimOws } from './fields.ts'

/** Why octets are not a line. */
export type LineProblem = 'bare-lf' | 'bad-octet'

const LF = 0x0a

/** Lines remembered, and the longest of them: 64 KiB at most. Beyond, all are forgotten. */
const MAX_REMEMBERED = 128
const MAX_REMEMBERED_LEN = 256

/**
 * What lines seen lately came to. Clients send most of theirs again with each request, and to find one takes a tenth of the time
 * that it takes to check it. For lines that are no secret.
 */
export class LineMemo<T extends object> {
  private readonly lines = new Map<string, T>()

  /** `line` as it arrived, with its CR LF. */
  get(line: string): T | undefined {
    return this.lines.get(line)
  }

  add(line: string, meaning: T): void {
    if (line.length > MAX_REMEMBERED_LEN) return
    if (this.lines.size >= MAX_REMEMBERED) this.lines.clear()
    this.lines.set(line, meaning)
  }
}

/** Reads one line after the other. */
export class LineReader {
  /** What the last `push` found: a line, in `raw`; not yet its end; or that it is too long. */
  outcome: 'line' | 'more' | 'line-too-long' = 'more'
  /** The line so far, with the LF that ends it. */
  raw = ''

  /** Takes octets of `chunk[off, end)` up to the end of the line, of `limitBytes` at most; returns where it stopped. */
  push(chunk: Uint8Array, off: number, end: number, limitBytes: number): number {
    const lfOff = chunk.indexOf(LF, off)
    const isWhole = lfOff >= 0 && lfOff < end
    const stop = isWhole ? lfOff + 1 : end
    const before = this.outcome === 'more' ? this.raw : ''
    if (before.length + stop - off > limitBytes) {
      this.outcome = 'line-too-long'
      return off
    }
    const text = octetsToText(chunk, off, stop)
    this.raw = before === '' ? text : before + text
    this.outcome = isWhole ? 'line' : 'more'
    return stop
  }

  /** Begins anew. */
  reset(): void {
    this.outcome = 'more'
    this.raw = ''
  }
}

/** `raw` without its CR LF, or why it is no line. */
export function checkLine(raw: string): { readonly line: string } | LineProblem {
  // A recipient may take a bare LF for the end of a line; whoever is between us and the client may not have.
  if (!raw.endsWith('\r\n')) return 'bare-lf'
  const line = raw.slice(0, -2)
  return isFieldValue(line) ? { line } : 'bad-octet'
}

/** Why lines are not a section of fields. */
export type FieldsProblem = 'bare-lf' | 'bad-octet' | 'folded-line' | 'bad-field-name' | 'fields-too-large'

export interface FieldsLimits {
  /** Sum of the field lines. */
  readonly fieldsBytes: number
  readonly fieldCount: number
}

/** Fields whose values clients repeat, and that are no secret. */
const REPEATED: readonly string[] = [
  'accept',
  'accept-encoding',
  'accept-language',
  'cache-control',
  'connection',
  'host',
  'pragma',
  'sec-ch-ua',
  'sec-ch-ua-mobile',
  'sec-ch-ua-platform',
  'sec-fetch-dest',
  'sec-fetch-mode',
  'sec-fetch-site',
  'upgrade-insecure-requests',
  'user-agent',
]

/** Reads field lines up to the empty one that ends them: those of a head, or the trailer fields of chunked content. */
export class FieldsParser {
  /** The fields once they are complete, or why they cannot be used. */
  outcome: Fields | FieldsProblem | undefined
  private readonly limits: FieldsLimits
  private readonly memo: LineMemo<Field> | undefined
  private readonly lines = new LineReader()
  private fields = new Fields()
  private leftBytes: number

  constructor(limits: FieldsLimits, memo?: LineMemo<Field>) {
    this.limits = limits
    this.memo = memo
    this.leftBytes = limits.fieldsBytes
  }

  /** Takes octets of `chunk[off, end)` until there is an outcome; returns where it stopped. */
  push(chunk: Uint8Array, off: number, end: number): number {
    const { lines } = this
    while (off < end && this.outcome === undefined) {
      off = lines.push(chunk, off, end, this.leftBytes)
      if (lines.outcome === 'line') this.outcome = this.takeLine(lines.raw)
      else if (lines.outcome === 'line-too-long') this.outcome = 'fields-too-large'
    }
    return off
  }

  /** Begins anew. */
  reset(): void {
    this.outcome = undefined
    this.lines.reset()
    this.fields = new Fields()
    this.leftBytes = this.limits.fieldsBytes
  }

  private takeLine(raw: string): Fields | FieldsProblem | undefined {
    const { fields } = this
    if (raw === '\r\n') return fields
    this.leftBytes -= raw.length
    const field = this.memo?.get(raw) ?? this.parse(raw)
    if (typeof field === 'string') return field
    if (fields.count === this.limits.fieldCount) return 'fields-too-large'
    fields.add(field)
    return undefined
  }

  private parse(raw: string): Field | FieldsProblem {
    const checked = checkLine(raw)
    if (typeof checked === 'string') return checked
    const { line } = checked
    // RFC 9112 §5.2: obs-fold.
    if (line.startsWith(' ') || line.startsWith('\t')) return 'folded-line'
    const colon = line.indexOf(':')
    const name = line.slice(0, Math.max(0, colon))
    // RFC 9112 §5.1: white space between name and colon is refused, too: a space is no token.
    if (!isToken(name)) return 'bad-field-name'
    const field = new Field(name, trimOws(line.slice(colon + 1)))
    if (this.memo !== undefined && REPEATED.includes(field.name)) this.memo.add(raw, field)
    return field
  }
}
