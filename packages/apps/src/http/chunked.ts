/** Chunked transfer coding (RFC 9112 §7.1): a parser that is fed octets, and the lines around a chunk to send. */

import { writeText } from '@mirage-ts/core/octets'
import type { Fields } from './fields.ts'
import { checkLine, type FieldsLimits, FieldsParser, type FieldsProblem, LineReader } from './lines.ts'

/** Why octets are not chunked content. */
export type ChunkedProblem = FieldsProblem | 'bad-chunk-size' | 'bad-chunk-end' | 'chunk-line-too-long' | 'bad-trailer'

/** Longest line with a chunk's size and its extensions. */
const SIZE_LINE_BYTES = 256
/** Octets of extensions in all: they could be sent for ever, a few with each octet of data (CVE-2023-39326). */
const EXTENSIONS_BYTES = 4096

/**
 * At most 2^52-1, with extensions that are ignored. Deviation: white space around `;` and `=`, which §7.1.1 calls bad and
 * lets a recipient remove, is refused.
 */
const TOKEN = "[!#$%&'*+\\-.^_`|~0-9A-Za-z]+"
const SIZE_LINE = new RegExp(`^([0-9a-fA-F]{1,13})((?:;${TOKEN}(?:=(?:${TOKEN}|"(?:[^"\\\\]|\\\\.)*"))?)*)$`)

/** RFC 9110 §6.5.1: what says where a message ends or whom it is for has no place behind its content. */
const NEVER_TRAILERS = ['content-length', 'transfer-encoding', 'host', 'trailer', 'content-encoding', 'content-type']

const CR = 0x0d
const LF = 0x0a

/** Reads chunked content. */
export class ChunkedParser {
  /** The last `push` found data in `chunk[dataOff, dataEnd)`. */
  dataOff = 0
  dataEnd = 0
  /** The trailer fields once the content is complete, or why it cannot be. */
  outcome: Fields | ChunkedProblem | undefined
  private readonly lines = new LineReader()
  private readonly trailers: FieldsParser
  private state: 'size' | 'data' | 'cr' | 'lf' | 'trailers' = 'size'
  /** Octets of the chunk that have not come yet. */
  private leftBytes = 0
  private extensionsLeftBytes = EXTENSIONS_BYTES

  constructor(limits: FieldsLimits) {
    this.trailers = new FieldsParser(limits)
  }

  /** Takes octets of `chunk[off, end)` until it has found data or there is an outcome; returns where it stopped. */
  push(chunk: Uint8Array, off: number, end: number = chunk.length): number {
    this.dataOff = this.dataEnd = off
    while (off < end && this.outcome === undefined) {
      switch (this.state) {
        case 'size':
          off = this.takeSize(chunk, off, end)
          break
        case 'data':
          this.dataOff = off
          this.dataEnd = Math.min(end, off + this.leftBytes)
          this.leftBytes -= this.dataEnd - off
          if (this.leftBytes === 0) this.state = 'cr'
          return this.dataEnd
        case 'cr':
          if (chunk[off++] === CR) this.state = 'lf'
          else this.outcome = 'bad-chunk-end'
          break
        case 'lf':
          if (chunk[off++] === LF) this.state = 'size'
          else this.outcome = 'bad-chunk-end'
          break
        case 'trailers':
          off = this.trailers.push(chunk, off, end)
          this.outcome = checkTrailers(this.trailers.outcome)
      }
    }
    return off
  }

  private takeSize(chunk: Uint8Array, off: number, end: number): number {
    const stop = this.lines.push(chunk, off, end, SIZE_LINE_BYTES)
    const { outcome, raw } = this.lines
    if (outcome === 'line') this.outcome = this.takeSizeLine(raw)
    else if (outcome === 'line-too-long') this.outcome = 'chunk-line-too-long'
    return stop
  }

  private takeSizeLine(raw: string): ChunkedProblem | undefined {
    const checked = checkLine(raw)
    if (typeof checked === 'string') return checked
    const [, size = '', extensions = ''] = SIZE_LINE.exec(checked.line) ?? []
    this.extensionsLeftBytes -= extensions.length
    this.leftBytes = Number.parseInt(size, 16)
    this.state = this.leftBytes === 0 ? 'trailers' : 'data'
    if (size === '') return 'bad-chunk-size'
    return this.extensionsLeftBytes < 0 ? 'chunk-line-too-long' : undefined
  }
}

function checkTrailers(trailers: Fields | FieldsProblem | undefined): Fields | ChunkedProblem | undefined {
  if (typeof trailers !== 'object') return trailers
  return NEVER_TRAILERS.some((name) => trailers.has(name)) ? 'bad-trailer' : trailers
}

/** Octets around a chunk: the longest size line, and the end of the data. */
const AROUND_BYTES = 16

/** Writes `head` and `data` as one chunk behind it, in a buffer of its own; no chunk when there is no data. */
export function emitChunk(head: string, data: Uint8Array): Uint8Array {
  const u8 = new Uint8Array(head.length + data.length + AROUND_BYTES)
  let off = writeText(u8, 0, head)
  if (data.length > 0) {
    off = writeText(u8, off, `${data.length.toString(16)}\r\n`)
    u8.set(data, off)
    off = writeText(u8, off + data.length, '\r\n')
  }
  return u8.subarray(0, off)
}
