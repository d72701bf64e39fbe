/**
 * A virtqueue of requests of several buffers: what the driver asks, the data, what the device says of it. A slot always has
 * the same descriptors, so nothing is allocated and a device that repeats an id frees nothing twice: either a table of its
 * own, of which the ring holds one indirect descriptor (§2.7.5.3), or a part of the ring's descriptors.
 *
 * The device is not trusted, as in `virtqueue.ts`.
 */
import { DESC_FLAGS, DESCRIPTOR_LEN, DESCRIPTOR_WORDS, FLAG_DEVICE_WRITES, FLAG_NEXT, SplitRing } from './split-ring.ts'
import type { DmaMemory } from './transport.ts'

const FLAG_INDIRECT = 4

export interface ChainQueueOptions {
  /** Buffers of a request: at most so many. */
  readonly bufferCount: number
  /** `F_RING_INDIRECT_DESC` was agreed: as many requests as the ring has descriptors. */
  readonly isIndirect: boolean
  /** Requests at most. */
  readonly slotCount: number
  readonly hasEventIdx: boolean
}

export class ChainQueue extends SplitRing {
  readonly slotCount: number
  private readonly bufferCount: number
  private readonly isIndirect: boolean
  /** Descriptors of the slots, `bufferCount` each. */
  private readonly chains: Uint32Array
  private readonly chainsAddress: number
  /** 1 while the device has the slot. */
  private readonly inFlight: Uint8Array

  /** `size` is a power of two (§2.7), and room for one request at least. */
  constructor(memory: DmaMemory, size: number, options: ChainQueueOptions) {
    super(memory, size, options.hasEventIdx)
    const { bufferCount, isIndirect } = options
    this.bufferCount = bufferCount
    this.isIndirect = isIndirect
    this.slotCount = Math.min(options.slotCount, isIndirect ? size : Math.floor(size / bufferCount))
    this.inFlight = new Uint8Array(this.slotCount)
    if (isIndirect) {
      const { buffer, address } = memory.alloc(this.slotCount * bufferCount * DESCRIPTOR_LEN, 16)
      this.chains = new Uint32Array(buffer)
      this.chainsAddress = address
    } else {
      this.chains = this.descriptors
      this.chainsAddress = this.addresses.descriptors
    }
  }

  /** Sets buffer `index` of the request in `slot`, which must not be in flight. */
  set(slot: number, index: number, address: number, lenBytes: number, deviceWrites: boolean): void {
    // In a table of its own descriptors are counted from its start.
    const next = (this.isIndirect ? 0 : slot * this.bufferCount) + index + 1
    const flags = deviceWrites ? FLAG_NEXT | FLAG_DEVICE_WRITES : FLAG_NEXT
    this.describe(this.chains, slot * this.bufferCount + index, address, lenBytes, flags, next)
  }

  /** Makes the request in `slot` of the `count` buffers that were set, one at least. */
  offer(slot: number, count: number): void {
    const first = slot * this.bufferCount
    const last = (first + count - 1) * DESCRIPTOR_WORDS + DESC_FLAGS
    this.chains[last] = (this.chains[last] as number) & FLAG_DEVICE_WRITES
    this.inFlight[slot] = 1
    if (this.isIndirect) {
      const address = this.chainsAddress + first * DESCRIPTOR_LEN
      this.describe(this.descriptors, slot, address, count * DESCRIPTOR_LEN, FLAG_INDIRECT, 0)
      this.publish(slot)
    } else this.publish(first)
  }

  /** The next slot that the device has finished with, or -1. */
  takeUsed(): number {
    for (let left = this.usedCount(); left > 0; left--) {
      const head = this.usedEntries[2 * (this.usedIdx & (this.size - 1))] as number
      this.usedIdx = (this.usedIdx + 1) & 0xffff
      const slot = this.isIndirect ? head : head / this.bufferCount
      if (this.inFlight[slot] !== 1) {
        this.badUsedCount++
        continue
      }
      this.inFlight[slot] = 0
      return slot
    }
    return -1
  }
}
