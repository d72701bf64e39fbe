/** Content as it arrives on a connection. Octets are read when they are asked for: that is the back-pressure. */
import { NetError } from '@mirage-ts/core/errors'
import type { Body } from './body.ts'
import { ChunkedParser } from './chunked.ts'
import { ContentError } from './errors.ts'
import type { FieldLine } from './fields.ts'
import type { Framing } from './framing.ts'
import type { FlowInput } from './input.ts'
import type { FieldsLimits } from './lines.ts'

export interface IncomingOptions {
  /** `close` when the content goes on to the end of the stream (RFC 9112 §6.3). */
  readonly framing: Framing | 'close'
  /** For the trailer fields. */
  readonly limits: FieldsLimits
  /** Chunked content beyond this is refused. */
  readonly contentBytes: number
  /** Before each wait for octets, and after it. */
  readonly onWait: () => Promise<void> | undefined
  readonly onArrived: () => void
}

export class IncomingBody implements Body {
  readonly lenBytes: number | undefined
  /** Octets given so far. */
  readBytes = 0
  private readonly input: FlowInput
  private readonly options: IncomingOptions
  private readonly chunked: ChunkedParser | undefined
  private state: 'open' | 'ended' | 'failed' = 'open'
  private failure: unknown
  private reading: Promise<Uint8Array | undefined> | undefined
  /** The connection has moved on. */
  private isDetached = false

  constructor(input: FlowInput, options: IncomingOptions) {
    this.input = input
    this.options = options
    const { framing, limits } = options
    this.lenBytes = typeof framing === 'number' ? framing : undefined
    this.chunked = framing === 'chunked' ? new ChunkedParser(limits) : undefined
    if (framing === 0) this.state = 'ended'
  }

  /** All of it has arrived and been read. */
  get isEnded(): boolean {
    return this.state === 'ended'
  }

  read(): Promise<Uint8Array | undefined> {
    if (this.isDetached) {
      return Promise.reject(new NetError('closed', 'Cannot read content: its message has been dealt with'))
    }
    if (this.reading !== undefined) return Promise.reject(new TypeError('Cannot read content: another read is pending'))
    return this.next()
  }

  cancel(): void {
    // The connection reads what is left, or ends.
  }

  trailers(): readonly FieldLine[] {
    const trailers = this.chunked?.outcome
    return typeof trailers === 'object' ? trailers.lines() : []
  }

  /**
   * Takes the content away from its reader, and reads what is left of it, up to `limitBytes`: true when that was all, so
   * that another message can follow.
   */
  async drain(limitBytes: number): Promise<boolean> {
    this.isDetached = true
    try {
      await this.reading
      if (this.lenBytes !== undefined && this.lenBytes - this.readBytes > limitBytes) return false
      const endBytes = this.readBytes + limitBytes
      while (!this.isEnded && this.readBytes <= endBytes) await this.next()
    } catch {
      // The reader has been told, and the connection cannot go on.
    }
    return this.isEnded
  }

  private async next(): Promise<Uint8Array | undefined> {
    if (this.state === 'ended') return undefined
    if (this.state === 'failed') throw this.failure
    try {
      this.reading = this.take()
      const piece = await this.reading
      if (piece === undefined) this.state = 'ended'
      else this.readBytes += piece.length
      // Without waiting for the reader to ask: a message that is complete shows it.
      if (this.readBytes === this.lenBytes) this.state = 'ended'
      return piece
    } catch (error) {
      this.state = 'failed'
      this.failure = error
      throw error
    } finally {
      this.reading = undefined
    }
  }

  /** The next octets as they are framed, or `undefined` at the end. */
  private async take(): Promise<Uint8Array | undefined> {
    const input = this.input
    const chunked = this.chunked
    while (true) {
      if (input.isEmpty && !(await this.fill())) {
        if (this.options.framing === 'close') return undefined
        throw new ContentError(400, 'Cannot read content: it ends early')
      }
      if (chunked === undefined) return input.take((this.lenBytes ?? Number.POSITIVE_INFINITY) - this.readBytes)
      input.off = chunked.push(input.chunk, input.off, input.end)
      if (chunked.dataEnd > chunked.dataOff) return this.checked(input.chunk.subarray(chunked.dataOff, chunked.dataEnd))
      if (typeof chunked.outcome === 'string') throw new ContentError(400, `Cannot read content: ${chunked.outcome}`)
      if (chunked.outcome !== undefined) return undefined
    }
  }

  private checked(piece: Uint8Array): Uint8Array {
    const { contentBytes } = this.options
    if (this.readBytes + piece.length <= contentBytes) return piece
    throw new ContentError(413, `Cannot read content: expected at most ${contentBytes} octets`)
  }

  private async fill(): Promise<boolean> {
    await this.options.onWait()
    const isThere = await this.input.fill()
    this.options.onArrived()
    return isThere
  }
}
