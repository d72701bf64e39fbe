/**
 * A virtqueue of single buffers: descriptor `i` always speaks of slot `i`, so there is no chain to build and no free list
 * of descriptors.
 *
 * The device is not trusted. What it writes into the used ring is checked against what we know to be in flight: an id out
 * of range, one that is not in flight, or an index that runs ahead costs a counter; lengths are cut to the slot.
 */
import { FLAG_DEVICE_WRITES, SplitRing } from './split-ring.ts'
import type { DmaMemory } from './transport.ts'

/** Who fills the buffers. */
export type Direction = 'device-reads' | 'device-writes'

export class Virtqueue extends SplitRing {
  /** Octets the device wrote into the slot that {@link takeUsed} returned last. */
  usedLen = 0
  private readonly flags: number
  private readonly slotLen: number
  /** 1 while the device has the slot. */
  private readonly inFlight: Uint8Array

  /** `size` is a power of two (§2.7); each slot holds `slotLen` octets. */
  constructor(memory: DmaMemory, size: number, slotLen: number, direction: Direction, hasEventIdx: boolean) {
    super(memory, size, hasEventIdx)
    this.flags = direction === 'device-writes' ? FLAG_DEVICE_WRITES : 0
    this.slotLen = slotLen
    this.inFlight = new Uint8Array(size)
  }

  /** Makes slot `slot`, the octets at `address`, available to the device. It must not be in flight. */
  offer(slot: number, address: number, lenBytes: number): void {
    this.describe(this.descriptors, slot, address, lenBytes, this.flags, 0)
    this.inFlight[slot] = 1
    this.publish(slot)
  }

  /** Makes the octets available with which slot `slot` was offered before. It must not be in flight. */
  offerAgain(slot: number): void {
    this.inFlight[slot] = 1
    this.publish(slot)
  }

  /** The next slot that the device has finished with, or -1. {@link usedLen} says how much it wrote. */
  takeUsed(): number {
    for (let left = this.usedCount(); left > 0; left--) {
      const at = 2 * (this.usedIdx & (this.size - 1))
      const slot = this.usedEntries[at] as number
      const len = this.usedEntries[at + 1] as number
      this.usedIdx = (this.usedIdx + 1) & 0xffff
      if (slot >= this.size || this.inFlight[slot] === 0) {
        this.badUsedCount++
        continue
      }
      this.inFlight[slot] = 0
      this.usedLen = Math.min(len, this.slotLen)
      return slot
    }
    return -1
  }
}
