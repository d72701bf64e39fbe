/**
 * Driver of the virtio entropy device (Virtual I/O Device 1.2 §5.4): one queue of buffers that the device fills.
 *
 * Randomness is asked for at moments that cannot wait for the run loop, and the device answers within microseconds: so the
 * driver waits for it, with interrupts off. A device that gives nothing for a second is an error, not a machine that hangs.
 */
import {
  type DmaMemory,
  F_RING_EVENT_IDX,
  negotiate,
  startDevice,
  unusable,
  type VirtioTransport,
} from './transport.ts'
import { Virtqueue } from './virtqueue.ts'

export const DEVICE_ID_ENTROPY = 4

const BUFFER_LEN = 256
const PATIENCE_US = 1_000_000

/** Random octets of the hypervisor. */
export class VirtioEntropy {
  private readonly transport: VirtioTransport
  private readonly queue: Virtqueue
  private readonly clock: () => number
  private readonly buffer: Uint8Array
  private readonly address: number
  private isOffered = false
  /** What is left of the buffer: `buffer[next, end)`. */
  private next = 0
  private end = 0

  /** Starts the device; `clock` reads monotonic µs. Throws when it is not one we can drive. */
  constructor(transport: VirtioTransport, memory: DmaMemory, clock: () => number) {
    const features = negotiate(transport, F_RING_EVENT_IDX)
    if (transport.queueMaxSize(0) < 1) throw unusable(transport, 'entropy', 'it has no queue')
    const hasEventIdx = (features & F_RING_EVENT_IDX) !== 0
    const { buffer, address } = memory.alloc(BUFFER_LEN, 16)
    this.transport = transport
    this.clock = clock
    this.buffer = new Uint8Array(buffer)
    this.address = address
    this.queue = new Virtqueue(memory, 1, BUFFER_LEN, 'device-writes', hasEventIdx)
    transport.enableQueue(0, 1, this.queue.addresses)
    startDevice(transport)
  }

  /** Fills `u8[off, end)`. Throws when the device gives nothing for a second. */
  fill(u8: Uint8Array, off: number, end: number): void {
    for (let at = off; at < end; ) {
      if (this.next === this.end) this.refill()
      const lenBytes = Math.min(end - at, this.end - this.next)
      u8.set(this.buffer.subarray(this.next, this.next + lenBytes), at)
      // An octet handed out is not kept.
      this.buffer.fill(0, this.next, this.next + lenBytes)
      this.next += lenBytes
      at += lenBytes
    }
  }

  private refill(): void {
    const limit = this.clock() + PATIENCE_US
    while (this.clock() < limit) {
      if (!this.isOffered) {
        this.queue.offer(0, this.address, BUFFER_LEN)
        this.isOffered = true
        if (this.queue.needsNotification()) this.transport.notify(0)
      }
      if (this.queue.takeUsed() !== 0) continue
      this.isOffered = false
      this.next = 0
      this.end = this.queue.usedLen
      if (this.end > 0) return
    }
    throw new Error(`Cannot get random octets: the entropy device at ${this.transport.name} gave none for a second`)
  }
}
