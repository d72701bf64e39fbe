/**
 * A split virtqueue (Virtual I/O Device 1.2 §2.7) of single buffers: descriptor `i` always speaks of slot `i`, so there
 * is no chain to build and no free list of descriptors.
 *
 * The device is not trusted. What it writes into the used ring is checked against what we know to be in flight: an id out
 * of range, one that is not in flight, or an index that runs ahead costs a counter; lengths are cut to the slot.
 */
import type { DmaMemory, QueueAddresses } from './transport.ts'

const DESCRIPTOR_LEN = 16
const DESC_LEN = 8
const DESC_FLAGS = 12
const FLAG_DEVICE_WRITES = 2

/** Rings are little-endian (§2.4). */
const LITTLE = true

/** Who fills the buffers. */
export type Direction = 'device-reads' | 'device-writes'

export class Virtqueue {
  readonly size: number
  /** Give them to the transport. */
  readonly addresses: QueueAddresses
  /** Entries of the used ring that made no sense. */
  badUsedCount = 0
  /** Octets the device wrote into the slot that {@link takeUsed} returned last. */
  usedLen = 0
  private readonly memory: DmaMemory
  private readonly hasEventIdx: boolean
  private readonly flags: number
  private readonly slotLen: number
  private readonly descriptors: DataView
  /** Available ring as 16-bit words: flags, idx, ring, used_event. */
  private readonly available: Uint16Array
  /** Used ring as 16-bit words: flags, idx, ring of 4 words each, avail_event. */
  private readonly used: Uint16Array
  private readonly usedView: DataView
  /** 1 while the device has the slot. */
  private readonly inFlight: Uint8Array
  /** Free-running; the low 16 bits are what the ring holds. */
  private availableIdx = 0
  private usedIdx = 0
  /** Value of `availableIdx` when the device was last told or found not to want to be. */
  private notifiedIdx = 0

  /** `size` is a power of two (§2.7); each slot holds `slotLen` octets. */
  constructor(memory: DmaMemory, size: number, slotLen: number, direction: Direction, hasEventIdx: boolean) {
    this.size = size
    this.memory = memory
    this.hasEventIdx = hasEventIdx
    this.flags = direction === 'device-writes' ? FLAG_DEVICE_WRITES : 0
    this.slotLen = slotLen
    const availableOff = DESCRIPTOR_LEN * size
    const usedOff = (availableOff + 6 + 2 * size + 3) & ~3
    const { buffer, address } = memory.alloc(usedOff + 6 + 8 * size, 16)
    this.descriptors = new DataView(buffer, 0, availableOff)
    this.available = new Uint16Array(buffer, availableOff, 3 + size)
    this.used = new Uint16Array(buffer, usedOff, 3 + 4 * size)
    this.usedView = new DataView(buffer, usedOff)
    this.inFlight = new Uint8Array(size)
    this.addresses = { descriptors: address, available: address + availableOff, used: address + usedOff }
    this.wantNoInterrupt()
  }

  /** Makes slot `slot`, the octets at `address`, available to the device. It must not be in flight. */
  offer(slot: number, address: number, lenBytes: number): void {
    const at = slot * DESCRIPTOR_LEN
    this.descriptors.setUint32(at, address >>> 0, LITTLE)
    this.descriptors.setUint32(at + 4, Math.floor(address / 0x1_0000_0000), LITTLE)
    this.descriptors.setUint32(at + DESC_LEN, lenBytes, LITTLE)
    this.descriptors.setUint32(at + DESC_FLAGS, this.flags, LITTLE) // flags, and next = 0
    this.inFlight[slot] = 1
    this.available[2 + (this.availableIdx & (this.size - 1))] = slot
    this.availableIdx = (this.availableIdx + 1) & 0xffff
    // The device may look at any time: x86 keeps the order of these two stores, and the engine does too.
    this.available[1] = this.availableIdx
  }

  /** True when the device must be told of what was offered (§2.7.10). */
  needsNotification(): boolean {
    if (this.notifiedIdx === this.availableIdx) return false
    this.memory.barrier() // our idx must be visible before we read what the device wants
    const old = this.notifiedIdx
    this.notifiedIdx = this.availableIdx
    if (!this.hasEventIdx) return ((this.used[0] as number) & 1) === 0
    const event = this.used[2 + 4 * this.size] as number
    return ((this.availableIdx - event - 1) & 0xffff) < ((this.availableIdx - old) & 0xffff)
  }

  /** The next slot that the device has finished with, or -1. {@link usedLen} says how much it wrote. */
  takeUsed(): number {
    while (true) {
      const ahead = ((this.used[1] as number) - this.usedIdx) & 0xffff
      if (ahead === 0) return -1
      if (ahead > this.size) {
        // It claims more than the ring can hold: believe none of it, and catch up so that this ends.
        this.badUsedCount++
        this.usedIdx = this.used[1] as number
        return -1
      }
      const at = 4 + 8 * (this.usedIdx & (this.size - 1))
      const slot = this.usedView.getUint32(at, LITTLE)
      const len = this.usedView.getUint32(at + 4, LITTLE)
      this.usedIdx = (this.usedIdx + 1) & 0xffff
      if (slot >= this.size || this.inFlight[slot] === 0) {
        this.badUsedCount++
        continue
      }
      this.inFlight[slot] = 0
      this.usedLen = Math.min(len, this.slotLen)
      return slot
    }
  }

  /** Asks for an interrupt with the next buffer; returns true when one is already there and must be taken first. */
  wantInterrupt(): boolean {
    if (this.hasEventIdx) this.available[2 + this.size] = this.usedIdx
    else this.available[0] = 0
    this.memory.barrier() // the device must see the wish before we look for the last time
    return this.used[1] !== this.usedIdx
  }

  /** Asks for no interrupts: the queue is looked at by those who need its slots. */
  wantNoInterrupt(): void {
    // With EVENT_IDX the interrupt comes when idx passes this value: half the number circle away is "not soon".
    if (this.hasEventIdx) this.available[2 + this.size] = (this.usedIdx + 0x8000) & 0xffff
    else this.available[0] = 1
  }
}
