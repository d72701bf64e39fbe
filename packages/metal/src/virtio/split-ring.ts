/**
 * The rings of a split virtqueue (Virtual I/O Device 1.2 §2.7): what is common to queues of single buffers and of chains.
 * Who derives from it says which descriptors a request has, and takes the used ring apart.
 */
import type { DmaMemory, QueueAddresses } from './transport.ts'

export const DESCRIPTOR_LEN = 16
/** A descriptor is so many words of 32 bits: two of its address, its length, and flags below the number of the next. */
export const DESCRIPTOR_WORDS = 4
export const DESC_FLAGS = 3
export const FLAG_NEXT = 1
export const FLAG_DEVICE_WRITES = 2

/** Rings are little-endian (§2.4), as the machines are that we run on: what is in them is read and written as words. */
export class SplitRing {
  /** Descriptors: a power of two. */
  readonly size: number
  /** Give them to the transport. */
  readonly addresses: QueueAddresses
  /** Entries of the used ring that made no sense. */
  badUsedCount = 0
  protected readonly descriptors: Uint32Array
  /** Used ring as 16-bit words: flags, idx, ring of 4 words each, avail_event. */
  protected readonly used: Uint16Array
  /** Its ring alone, two words for an entry: id, length. */
  protected readonly usedEntries: Uint32Array
  protected usedIdx = 0
  private readonly memory: DmaMemory
  private readonly hasEventIdx: boolean
  /** Available ring as 16-bit words: flags, idx, ring, used_event. */
  private readonly available: Uint16Array
  /** Free-running; the low 16 bits are what the ring holds. */
  private availableIdx = 0
  /** Value of `availableIdx` when the device was last told or found not to want to be. */
  private notifiedIdx = 0

  constructor(memory: DmaMemory, size: number, hasEventIdx: boolean) {
    this.size = size
    this.memory = memory
    this.hasEventIdx = hasEventIdx
    const availableOff = DESCRIPTOR_LEN * size
    const usedOff = (availableOff + 6 + 2 * size + 3) & ~3
    const { buffer, address } = memory.alloc(usedOff + 6 + 8 * size, 16)
    this.descriptors = new Uint32Array(buffer, 0, DESCRIPTOR_WORDS * size)
    this.available = new Uint16Array(buffer, availableOff, 3 + size)
    this.used = new Uint16Array(buffer, usedOff, 3 + 4 * size)
    this.usedEntries = new Uint32Array(buffer, usedOff + 4, 2 * size)
    this.addresses = { descriptors: address, available: address + availableOff, used: address + usedOff }
    this.wantNoInterrupt()
  }

  /**
   * Entries of the used ring that are to be taken apart now, `this.size` at most. The index is read here alone: a device that
   * goes on writing while we look keeps nobody looking.
   */
  protected usedCount(): number {
    const count = ((this.used[1] as number) - this.usedIdx) & 0xffff
    if (count <= this.size) return count
    // It claims more than the ring can hold: believe none of it, and catch up so that this ends.
    this.badUsedCount++
    this.usedIdx = (this.usedIdx + count) & 0xffff
    return 0
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

  /** Makes the descriptor `head`, and those chained to it, available to the device. */
  protected publish(head: number): void {
    this.available[2 + (this.availableIdx & (this.size - 1))] = head
    this.availableIdx = (this.availableIdx + 1) & 0xffff
    // The device may look at any time: x86 keeps the order of these two stores, and the engine does too.
    this.available[1] = this.availableIdx
  }

  /** Writes descriptor `index` of a table, the ring's or another; `next` is only looked at with `FLAG_NEXT`. */
  protected describe(
    table: Uint32Array,
    index: number,
    address: number,
    lenBytes: number,
    flags: number,
    next: number,
  ): void {
    const at = index * DESCRIPTOR_WORDS
    // Each takes the low 32 bits of the integral part.
    table[at] = address
    table[at + 1] = address / 0x1_0000_0000
    table[at + 2] = lenBytes
    table[at + DESC_FLAGS] = flags | (next << 16)
  }
}
