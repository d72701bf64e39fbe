/** The reading side of a connection: chunks of octets, taken by one parser after the other. */
import type { Flow } from '@mirage-ts/signatures/flow'

const EMPTY = new Uint8Array(0)

export class FlowInput {
  /** The octets read last, those from `off` on not yet used. */
  chunk: Uint8Array = EMPTY
  off = 0
  private readonly flow: Flow
  /** A read that has begun and whose octets nobody has taken. */
  private ahead: Promise<Uint8Array | undefined> | undefined

  constructor(flow: Flow) {
    this.flow = flow
  }

  get isEmpty(): boolean {
    return this.off === this.chunk.length
  }

  /** Makes sure that there are octets to use; false at the end of the stream. */
  async fill(): Promise<boolean> {
    if (!this.isEmpty) return true
    const reading = this.ahead ?? this.flow.read()
    this.ahead = reading
    const chunk = await reading
    this.ahead = undefined
    this.chunk = chunk ?? EMPTY
    this.off = 0
    return chunk !== undefined
  }

  /** Takes all octets that are there, or up to `limitBytes`; at least one. */
  take(limitBytes: number): Uint8Array {
    const end = Math.min(this.chunk.length, this.off + limitBytes)
    const piece = this.chunk.subarray(this.off, end)
    this.off = end
    return piece
  }

  /**
   * Reads ahead while nobody reads, so that a peer that goes away is noticed: then `onLost` runs, and `onArrived` when
   * octets or the end of the stream come. These are kept for the next `fill`.
   */
  watch(onLost: (reason: unknown) => void, onArrived: () => void = () => {}): void {
    if (!this.isEmpty || this.ahead !== undefined) return
    this.ahead = this.flow.read()
    this.ahead.then(onArrived, onLost)
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
}
