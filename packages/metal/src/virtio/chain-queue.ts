/**
 * A virtqueue of requests of three buffers: what the driver asks, the data, what the device says of it. Slot `i` always has
 * descriptors `3 i` to `3 i + 2`, so nothing is allocated and a device that repeats an id frees nothing twice.
 *
 * The device is not trusted, as in `virtqueue.ts`.
 */
import { FLAG_DEVICE_WRITES, FLAG_NEXT, LITTLE, SplitRing } from './split-ring.ts'
import type { DmaMemory } from './transport.ts'

/** Where the buffers of a slot are. */
export interface RequestBuffers {
  readonly header: number
  readonly headerLen: number
  readonly data: number
  readonly status: number
}

export class ChainQueue extends SplitRing {
  readonly slotCount: number
  /** 1 while the device has the slot. */
  private readonly inFlight: Uint8Array

  /** `size` is a power of two (§2.7), at least 4. */
  constructor(memory: DmaMemory, size: number, hasEventIdx: boolean) {
    super(memory, size, hasEventIdx)
    this.slotCount = Math.floor(size / 3)
    this.inFlight = new Uint8Array(this.slotCount)
  }

  /** Makes the request in `slot`, which must not be in flight. Without data there are two buffers. */
  offer(slot: number, buffers: RequestBuffers, dataLen: number, deviceWritesData: boolean): void {
    const head = 3 * slot
    const statusAt = head + 2
    this.describe(head, buffers.header, buffers.headerLen, FLAG_NEXT, dataLen > 0 ? head + 1 : statusAt)
    if (dataLen > 0) {
      const flags = deviceWritesData ? FLAG_NEXT | FLAG_DEVICE_WRITES : FLAG_NEXT
      this.describe(head + 1, buffers.data, dataLen, flags, statusAt)
    }
    this.describe(statusAt, buffers.status, 1, FLAG_DEVICE_WRITES, 0)
    this.inFlight[slot] = 1
    this.publish(head)
  }

  /** The next slot that the device has finished with, or -1. */
  takeUsed(): number {
    while (true) {
      const ahead = ((this.used[1] as number) - this.usedIdx) & 0xffff
      if (ahead === 0) return -1
      if (ahead > this.size) {
        this.badUsedCount++
        this.usedIdx = this.used[1] as number
        return -1
      }
      const head = this.usedView.getUint32(4 + 8 * (this.usedIdx & (this.size - 1)), LITTLE)
      this.usedIdx = (this.usedIdx + 1) & 0xffff
      const slot = head / 3
      if (this.inFlight[slot] !== 1) {
        this.badUsedCount++
        continue
      }
      this.inFlight[slot] = 0
      return slot
    }
  }
}
