/**
 * A bounded ring of octets that costs nothing until it is used and grows by doubling.
 *
 * Offsets count from the first octet held. The receive side writes beyond the octets held, where out-of-order text
 * waits in place until {@link Ring.extend} says that the gap before it has been filled.
 */

/** Smallest allocation: two segments of Ethernet, rounded up. */
const INITIAL_BYTES = 4096
const NO_OCTETS = new Uint8Array(0)

export class Ring {
  /** Octets held; lenBytes <= maxBytes. */
  lenBytes = 0
  /** Bound of growth, a power of two. */
  readonly maxBytes: number
  /** Length is 0 or a power of two, at most maxBytes. */
  private octets: Uint8Array
  /** Index of the first octet held. */
  private start = 0

  constructor(maxBytes: number) {
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

  /** Copies `src[off, end)` to `offset`; the caller has checked `offset + (end - off) <= maxBytes`. */
  write(offset: number, src: Uint8Array, off: number, end: number): void {
    const count = end - off
    if (count <= 0) return
    if (offset + count > this.octets.length) this.grow(offset + count)
    const at = (this.start + offset) & (this.octets.length - 1)
    const first = Math.min(count, this.octets.length - at)
    this.octets.set(src.subarray(off, off + first), at)
    if (first < count) this.octets.set(src.subarray(off + first, end), 0)
  }

  /** Copies `count` octets from `offset` to `dst[dstOff...]`; the caller has checked `offset + count <= lenBytes`. */
  copyTo(offset: number, count: number, dst: Uint8Array, dstOff: number): void {
    if (count <= 0) return
    const at = (this.start + offset) & (this.octets.length - 1)
    const first = Math.min(count, this.octets.length - at)
    dst.set(this.octets.subarray(at, at + first), dstOff)
    if (first < count) dst.set(this.octets.subarray(0, count - first), dstOff + first)
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

  /** Forgets everything and gives the memory back; the ring can be used again. */
  release(): void {
    this.lenBytes = 0
    this.start = 0
    this.octets = NO_OCTETS
  }

  private grow(neededBytes: number): void {
    let capacity = Math.max(INITIAL_BYTES, this.octets.length)
    while (capacity < neededBytes) capacity *= 2
    const grown = new Uint8Array(Math.min(capacity, this.maxBytes))
    // Everything moves, also what waits out of order beyond the octets held.
    const tail = this.octets.length - this.start
    grown.set(this.octets.subarray(this.start), 0)
    grown.set(this.octets.subarray(0, this.start), tail)
    this.octets = grown
    this.start = 0
  }
}

/** The power of two that is `value` or follows it; `value` is 1 to 2^30. */
export function powerOfTwoFrom(value: number): number {
  return value <= 1 ? 1 : 1 << (32 - Math.clz32(value - 1))
}
