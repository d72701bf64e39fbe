/** Datagrams that wait for a reader, a bounded number of them: for programs that would rather wait than be called. */
import { cancellable } from '@mirage-ts/core/cancel'
import type { Endpoint, IpAddress } from '@mirage-ts/signatures/addresses'
import type { Cancellable } from '@mirage-ts/signatures/cancel'
import type { DatagramHandler } from '@mirage-ts/signatures/udp'

const DEFAULT_MAX_COUNT = 64
const DEFAULT_MAX_BYTES = 64 * 1024

export interface Datagram {
  readonly payload: Uint8Array
  readonly from: Endpoint
  readonly to: IpAddress
}

export interface DatagramQueueOptions {
  /** Default 64. */
  readonly maxCount?: number
  /** Octets of payload. Default 64 KiB. */
  readonly maxBytes?: number
}

/** `const queue = new DatagramQueue(); await udp.bind(port, queue.handler); const { payload } = await queue.receive()`. */
export class DatagramQueue {
  /** Datagrams that found the queue full. */
  droppedCount = 0
  private readonly maxCount: number
  private readonly maxBytes: number
  private readonly waiting: Datagram[] = []
  private waitingBytes = 0
  private readonly readers = new Set<(datagram: Datagram) => void>()

  constructor({ maxCount = DEFAULT_MAX_COUNT, maxBytes = DEFAULT_MAX_BYTES }: DatagramQueueOptions = {}) {
    this.maxCount = maxCount
    this.maxBytes = maxBytes
  }

  /** Hand it to `bind`. */
  readonly handler: DatagramHandler = (payload, from, to) => {
    const datagram = { payload, from, to }
    for (const reader of this.readers) {
      this.readers.delete(reader)
      reader(datagram)
      return
    }
    if (this.waiting.length >= this.maxCount || this.waitingBytes + payload.length > this.maxBytes) {
      this.droppedCount++
      return
    }
    this.waitingBytes += payload.length
    this.waiting.push(datagram)
  }

  /** Resolves to the oldest datagram, once there is one. Cancelling loses none. */
  receive({ signal }: Cancellable = {}): Promise<Datagram> {
    if (signal?.aborted === true) return Promise.reject(signal.reason)
    const first = this.waiting.shift()
    if (first !== undefined) {
      this.waitingBytes -= first.payload.length
      return Promise.resolve(first)
    }
    let reader: (datagram: Datagram) => void = () => {}
    return cancellable<Datagram>(
      signal,
      (resolve) => {
        reader = resolve
        this.readers.add(reader)
      },
      () => this.readers.delete(reader),
    )
  }
}
