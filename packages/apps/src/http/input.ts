/** The reading side of a connection: octets as they arrive, taken by one parser after the other. */
import { promptFlow } from '@mirage-ts/core/prompt-flow'
import type { Flow, PromptFlow } from '@mirage-ts/signatures/flow'

const EMPTY = new Uint8Array(0)

export class FlowInput {
  /** The octets read last, those not yet used in `chunk[off, end)`. */
  chunk: Uint8Array = EMPTY
  off = 0
  end = 0
  private readonly flow: Flow
  private readonly prompt: PromptFlow | undefined
  /** `chunk` is lent: see {@link keep}. */
  private isLent = false
  /** A read that has begun and whose octets nobody has taken. */
  private ahead: Promise<Uint8Array | undefined> | undefined
  /** What it gave: octets, or that `fill` has something else to tell. */
  private arrived: Uint8Array | 'none' | undefined
  private wake: () => void = () => {}

  constructor(flow: Flow) {
    this.flow = flow
    this.prompt = promptFlow(flow)
  }

  get isEmpty(): boolean {
    return this.off === this.end
  }

  /** Makes sure that there are octets to use; false at the end of the stream. */
  async fill(): Promise<boolean> {
    if (!this.isEmpty) return true
    this.ahead ??= this.flow.read()
    const chunk = await this.ahead
    this.use(chunk ?? EMPTY)
    return chunk !== undefined
  }

  /**
   * Gets octets to use if that needs no waiting; they may lie in `buffer` until {@link keep} is called. 0 when there are none,
   * -1 when `fill` tells why there will be none.
   */
  poll(buffer: Uint8Array): number {
    if (this.off < this.end) return this.end - this.off
    if (this.prompt !== undefined && this.ahead === undefined) {
      const lenBytes = this.prompt.tryRead(buffer, 0, buffer.length)
      if (lenBytes <= 0) return lenBytes
      this.chunk = buffer
      this.off = 0
      this.end = lenBytes
      this.isLent = true
      return lenBytes
    }
    const { arrived } = this
    if (arrived === undefined) return 0
    if (arrived === 'none') return -1
    this.use(arrived)
    return arrived.length
  }

  /** What is left of octets that lie in a lent buffer gets memory of its own: the buffer is needed elsewhere. */
  keep(): void {
    if (!this.isLent) return
    this.isLent = false
    this.chunk = this.isEmpty ? EMPTY : this.chunk.slice(this.off, this.end)
    this.end -= this.off
    this.off = 0
  }

  /** Calls `wake` once, when octets arrive, the stream ends or fails. What was there before, `poll` tells. */
  whenReadable(wake: () => void): void {
    if (this.prompt !== undefined && this.ahead === undefined) {
      this.prompt.onReadable(wake)
      return
    }
    this.wake = wake
    if (this.ahead === undefined) void this.readAhead()
  }

  /** Takes all octets that are there, or up to `limitBytes`; at least one. */
  take(limitBytes: number): Uint8Array {
    const end = Math.min(this.end, this.off + limitBytes)
    const piece = this.chunk.subarray(this.off, end)
    this.off = end
    return piece
  }

  /**
   * Reads ahead while nobody reads, so that a peer that goes away is noticed: then `onLost` runs, and `onArrived` when
   * octets or the end of the stream come. These are kept for the next `fill`.
   */
  watch(onLost: (reason: unknown) => void, onArrived: () => void = () => {}): void {
    if (!this.isEmpty) return
    const reading = this.ahead ?? this.readAhead()
    reading.then(onArrived, onLost)
  }

  /** The connection without its protocol: a flow that begins with the octets not yet used. */
  detach(): Flow {
    const flow = this.flow
    return {
      read: async (options) => {
        if (this.isEmpty && this.ahead === undefined) return flow.read(options)
        return (await this.fill()) ? this.take(Number.POSITIVE_INFINITY) : undefined
      },
      write: (bytes, options) => flow.write(bytes, options),
      shutdownWrite: () => flow.shutdownWrite(),
      close: () => flow.close(),
      abort: () => flow.abort(),
    }
  }

  private readAhead(): Promise<Uint8Array | undefined> {
    const reading = this.flow.read()
    this.ahead = reading
    const hasArrived = (octets: Uint8Array | undefined): void => {
      // It may have been taken by `fill` meanwhile.
      if (this.ahead !== reading) return
      this.arrived = octets ?? 'none'
      const { wake } = this
      this.wake = () => {}
      wake()
    }
    reading.then(hasArrived, () => hasArrived(undefined))
    return reading
  }

  private use(chunk: Uint8Array): void {
    this.ahead = undefined
    this.arrived = undefined
    this.chunk = chunk
    this.off = 0
    this.end = chunk.length
    this.isLent = false
  }
}
