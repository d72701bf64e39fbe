/**
 * A bounded ring of octets that costs nothing while it is empty and grows by doubling.
 *
 * Offsets count from the first octet held. The receive side writes beyond the octets held, where out-of-order text
 * waits in place until {@link Ring.extend} says that the gap before it has been filled.
 */
import { octetsCopy } from '@mirage-ts/core/octets'
import { MIN_BUFFER_BYTES, type RingMemory } from './memory.ts'

const NO_OCTETS = new Uint8Array(0)

export class Ring {
  /** Octets held; lenBytes <= maxBytes. */
  lenBytes = 0
  /** Bound of growth, a power of two; may be raised. */
  maxBytes: number
  private readonly memory: RingMemory
  /** Length is 0 or a power of two, at most maxBytes. */
  private octets: Uint8Array
  /** Index of the first octet held. */
  private start = 0
  /** Octets needed at most since the ring was last empty, and what to begin with next time. */
  private peakBytes = 0
  private firstBytes = MIN_BUFFER_BYTES

  constructor(memory: RingMemory, maxBytes: number) {
    this.memory = memory
    this.maxBytes = maxBytes
    this.octets = NO_OCTETS
  }

  /** Octets that can still be held. */
  get freeBytes(): number {
    return this.maxBytes - this.lenBytes
  }

  /** Octets of memory in use now. */
  get capacityBytes(): number {
    return this.octets.length
  }

  /** Makes room for `neededBytes` octets in all; false when there is no memory for that. `neededBytes <= maxBytes`. */
  reserve(neededBytes: number): boolean {
    if (neededBytes > this.peakBytes) this.peakBytes = neededBytes
    return neededBytes <= this.octets.length || this.grow(neededBytes)
  }

  /** Copies `src[off, end)` to `offset`; the caller has reserved `offset + (end - off)`. */
  write(offset: number, src: Uint8Array, off: number, end: number): void {
    const count = end - off
    if (count <= 0) return
    const at = (this.start + offset) & (this.octets.length - 1)
    const first = Math.min(count, this.octets.length - at)
    octetsCopy(src, off, off + first, this.octets, at)
    if (first < count) octetsCopy(src, off + first, end, this.octets, 0)
  }

  /** Copies `count` octets from `offset` to `dst[dstOff...]`; the caller has checked `offset + count <= lenBytes`. */
  copyTo(offset: number, count: number, dst: Uint8Array, dstOff: number): void {
    if (count <= 0) return
    const at = (this.start + offset) & (this.octets.length - 1)
    const first = Math.min(count, this.octets.length - at)
    octetsCopy(this.octets, at, at + first, dst, dstOff)
    if (first < count) octetsCopy(this.octets, 0, count - first, dst, dstOff + first)
  }

  /** Counts `count` octets written after those held as held too. */
  extend(count: number): void {
    this.lenBytes += count
  }

  /** Forgets the first `count` octets held. */
  consume(count: number): void {
    this.lenBytes -= count
    this.start = this.octets.length === 0 ? 0 : (this.start + count) & (this.octets.length - 1)
  }

  /**
   * Gives away what is held, memory and all: no octet is copied. Undefined when that would be a waste, because the memory is
   * more than twice as much, or impossible, because the octets are in two pieces. Nothing may wait out of order.
   */
  handOver(): Uint8Array | undefined {
    const { octets, start, lenBytes } = this
    if (2 * lenBytes < octets.length || start + lenBytes > octets.length) return undefined
    this.letGo()
    return this.memory.handOver(octets, start, start + lenBytes)
  }

  /** Takes out up to `maxBytes` as a copy; fewer where the machine has no room for so long a one. Something must be held. */
  copyOut(maxBytes: number): Uint8Array {
    const chunk = this.memory.chunk(Math.min(this.lenBytes, maxBytes))
    this.copyTo(0, chunk.length, chunk, 0)
    this.consume(chunk.length)
    return chunk
  }

  /** Forgets everything and gives the memory back; the ring can be used again. */
  release(): void {
    const { octets } = this
    this.letGo()
    if (octets.length > 0) this.memory.give(octets)
  }

  private letGo(): void {
    this.lenBytes = 0
    this.start = 0
    if (this.octets.length === 0) return
    this.octets = NO_OCTETS
    // A stream that needs much now will again; one that did once is forgotten by and by.
    const peak = powerOfTwoFrom(this.peakBytes)
    this.firstBytes = Math.max(MIN_BUFFER_BYTES, peak, this.firstBytes >> 1)
    this.peakBytes = 0
  }

  private grow(neededBytes: number): boolean {
    const { octets, memory } = this
    const least = Math.max(MIN_BUFFER_BYTES, powerOfTwoFrom(neededBytes))
    const wanted = Math.max(least, octets.length === 0 && !memory.isTight ? this.firstBytes : 0)
    const grown = memory.take(wanted) ?? (wanted > least ? memory.take(least) : undefined)
    if (grown === undefined) return false
    if (octets.length > 0) {
      // Everything moves, also what waits out of order beyond the octets held.
      const tail = octets.length - this.start
      grown.set(octets.subarray(this.start), 0)
      grown.set(octets.subarray(0, this.start), tail)
      memory.give(octets)
    }
    this.octets = grown
    this.start = 0
    return true
  }
}

/** The power of two that is `value` or follows it; `value` is 0 to 2^30. */
export function powerOfTwoFrom(value: number): number {
  return value <= 1 ? 1 : 1 << (32 - Math.clz32(value - 1))
}
