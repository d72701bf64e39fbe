/** Lines that end with CR LF, gathered from octets that arrive in pieces (RFC 9112 §2.2), and the fields made of them. */

import { octetsToText } from '@mirage-ts/core/octets'
import { Fields, isFieldValue, isToken, trimOws } from './fields.ts'

/** Why octets are not a line. */
export type LineProblem = 'bare-lf' | 'bad-octet' | 'line-too-long'

const LF = 0x0a

/** Reads one line after the other. */
export class LineReader {
  /** What the last `push` found: a line, in `line`; not yet its end; or why it can be none. */
  outcome: 'line' | 'more' | LineProblem = 'more'
  /** The line without its CR LF. */
  line = ''
  /** Octets of the line, with its end, so far. */
  lineBytes = 0
  private text = ''

  /** Takes octets of `chunk[off..]` up to the end of the line, of `limitBytes` at most; returns where it stopped. */
  push(chunk: Uint8Array, off: number, limitBytes: number): number {
    const lfOff = chunk.indexOf(LF, off)
    const end = lfOff < 0 ? chunk.length : lfOff + 1
    if (this.outcome !== 'more') this.text = ''
    this.lineBytes = this.text.length + end - off
    if (this.lineBytes > limitBytes) {
      this.outcome = 'line-too-long'
      return off
    }
    this.text += octetsToText(chunk, off, end)
    this.outcome = lfOff < 0 ? 'more' : this.takeLine()
    return end
  }

  private takeLine(): 'line' | LineProblem {
    // A recipient may take a bare LF for the end of a line; whoever is between us and the client may not have.
    if (!this.text.endsWith('\r\n')) return 'bare-lf'
    this.line = this.text.slice(0, -2)
    return isFieldValue(this.line) ? 'line' : 'bad-octet'
  }
}

/** Why lines are not a section of fields. */
export type FieldsProblem = 'bare-lf' | 'bad-octet' | 'folded-line' | 'bad-field-name' | 'fields-too-large'

export interface FieldsLimits {
  /** Sum of the field lines. */
  readonly fieldsBytes: number
  readonly fieldCount: number
}

/** Reads field lines up to the empty one that ends them: those of a head, or the trailer fields of chunked content. */
export class FieldsParser {
  /** The fields once they are complete, or why they cannot be used. */
  outcome: Fields | FieldsProblem | undefined
  private readonly limits: FieldsLimits
  private readonly lines = new LineReader()
  private readonly fields = new Fields()
  private leftBytes: number

  constructor(limits: FieldsLimits) {
    this.limits = limits
    this.leftBytes = limits.fieldsBytes
  }

  /** Takes octets from `chunk[off..]` until there is an outcome; returns where it stopped. */
  push(chunk: Uint8Array, off: number): number {
    const lines = this.lines
    while (off < chunk.length && this.outcome === undefined) {
      off = lines.push(chunk, off, this.leftBytes)
      if (lines.outcome === 'line') this.outcome = this.takeField(lines.line, lines.lineBytes)
      else if (lines.outcome === 'line-too-long') this.outcome = 'fields-too-large'
      else if (lines.outcome !== 'more') this.outcome = lines.outcome
    }
    return off
  }

  private takeField(line: string, lineBytes: number): Fields | FieldsProblem | undefined {
    if (line === '') return this.fields
    this.leftBytes -= lineBytes
    // RFC 9112 §5.2: obs-fold.
    if (line.startsWith(' ') || line.startsWith('\t')) return 'folded-line'
    if (this.fields.count === this.limits.fieldCount) return 'fields-too-large'
    const colon = line.indexOf(':')
    const name = line.slice(0, Math.max(0, colon))
    // RFC 9112 §5.1: white space between name and colon is refused, too: a space is no token.
    if (!isToken(name)) return 'bad-field-name'
    this.fields.add(name, trimOws(line.slice(colon + 1)))
    return undefined
  }
}
