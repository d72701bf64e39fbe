/** Messages on a stream: each behind its length in two octets (RFC 1035 §4.2.2, RFC 7766 §8). */
import { NetError } from '@mirage-ts/core/errors'
import type { Cancellable } from '@mirage-ts/signatures/cancel'
import type { Flow } from '@mirage-ts/signatures/flow'

const EMPTY = new Uint8Array(0)

/** Takes messages off a flow; it owns the reading side. Memory is bounded by the longest message. */
export class MessageReader {
  private readonly flow: Flow
  private chunk: Uint8Array = EMPTY
  private off = 0

  constructor(flow: Flow) {
    this.flow = flow
  }

  /** The next message; `undefined` at the end of the stream, also when that comes in the middle of one. */
  async next(options: Cancellable = {}): Promise<Uint8Array | undefined> {
    const head = await this.take(2, options)
    if (head === undefined) return undefined
    return await this.take(((head[0] as number) << 8) | (head[1] as number), options)
  }

  private async take(lenBytes: number, options: Cancellable): Promise<Uint8Array | undefined> {
    const taken = new Uint8Array(lenBytes)
    for (let len = 0; len < lenBytes; ) {
      if (this.off === this.chunk.length) {
        const chunk = await this.flow.read(options)
        if (chunk === undefined) return undefined
        this.chunk = chunk
        this.off = 0
      }
      const part = this.chunk.subarray(this.off, this.off + lenBytes - len)
      taken.set(part, len)
      len += part.length
      this.off += part.length
    }
    return taken
  }
}

/** The message with its length in front. */
export function framed(message: Uint8Array): Uint8Array {
  if (message.length > 0xffff)
    throw new NetError('message-too-long', `Cannot send a message of ${message.length} octets`)
  const octets = new Uint8Array(2 + message.length)
  octets[0] = message.length >>> 8
  octets[1] = message.length & 255
  octets.set(message, 2)
  return octets
}
