/**
 * The memory of all rings of a TCP: one bound for all connections, and spare buffers, so that an idle connection need hold
 * none and a busy one need not allocate.
 */

/** Octets of the smallest buffer: two segments of Ethernet, rounded up. Each size is twice the one before. */
export const MIN_BUFFER_BYTES = 4096
/** Larger buffers leave the last quarter to smaller ones, so that a few fast connections cannot starve the rest. */
const SMALL_BYTES = 16 * 1024
/** Chunks that can be told from those of others when they come back: as many as a user has at a time. */
const HANDED_OVER_COUNT = 8
/** When the machine has no more memory, so much more is taken at most, in small buffers: who waits for one must not wait for ever. */
const LAST_BYTES = 64 * 1024
/** Spare buffers kept, as a share of the bound. */
const SPARE_SHARE = 8

export class RingMemory {
  /** Octets in rings; usedBytes + spareBytes <= maxBytes. */
  usedBytes = 0
  spareBytes = 0
  /** The bound; less when the machine turned out to have less. */
  maxBytes: number
  private readonly allocate: (bytes: number) => Uint8Array
  /** By size: spares[i] holds buffers of MIN_BUFFER_BYTES << i. */
  private readonly spares: Uint8Array[][] = []
  /** The last chunks handed over and not come back: in turn, from nextHandedOver on. */
  private readonly handedOver: (Uint8Array | undefined)[] = new Array<undefined>(HANDED_OVER_COUNT).fill(undefined)
  private nextHandedOver = 0

  constructor(maxBytes: number, allocate: (bytes: number) => Uint8Array = (bytes) => new Uint8Array(bytes)) {
    this.maxBytes = maxBytes
    this.allocate = allocate
  }

  /** Three quarters are in use: windows are kept small and buffers do not grow. */
  get isTight(): boolean {
    return 4 * this.usedBytes > 3 * this.maxBytes
  }

  /** Half is in use: buffers that have served so far must do. */
  get isPlentiful(): boolean {
    return 2 * this.usedBytes < this.maxBytes
  }

  /** A dirty buffer of `bytes`, MIN_BUFFER_BYTES times a power of two; undefined when that is too much. */
  take(bytes: number): Uint8Array | undefined {
    const limit = bytes > SMALL_BYTES ? this.maxBytes - (this.maxBytes >> 2) : this.maxBytes
    if (this.usedBytes + bytes > limit) return undefined
    this.usedBytes += bytes
    const spare = this.spares[sizeIndex(bytes)]?.pop()
    if (spare !== undefined) {
      this.spareBytes -= bytes
      return spare
    }
    if (this.usedBytes + this.spareBytes > this.maxBytes) {
      this.spares.length = 0
      this.spareBytes = 0
    }
    const made = this.make(bytes)
    if (made === undefined) this.usedBytes -= bytes
    return made
  }

  /** Gives `buffer[off, end)` to a user, to keep or to {@link recycle}; from now on it is the user's memory. */
  handOver(buffer: Uint8Array, off: number, end: number): Uint8Array {
    this.usedBytes -= buffer.length
    const chunk = buffer.subarray(off, end)
    this.handedOver[this.nextHandedOver] = chunk
    this.nextHandedOver = (this.nextHandedOver + 1) % HANDED_OVER_COUNT
    return chunk
  }

  /** A chunk for a user, who keeps it: of `bytes`, or of fewer where the machine has no room for so many. Throws when it has none at all. */
  chunk(bytes: number): Uint8Array {
    for (let len = bytes; ; len >>= 1) {
      try {
        return this.allocate(len)
      } catch (error) {
        this.lowerBound(this.usedBytes)
        if (len <= MIN_BUFFER_BYTES) throw error
      }
    }
  }

  /** Takes a chunk back that its user is done with. Ignores one that is not among the last handed over. */
  recycle(chunk: Uint8Array): void {
    const at = this.handedOver.indexOf(chunk)
    if (at < 0) return
    this.handedOver[at] = undefined
    this.keep(new Uint8Array(chunk.buffer))
  }

  /** Takes a buffer of `take` back. */
  give(buffer: Uint8Array): void {
    this.usedBytes -= buffer.length
    this.keep(buffer)
  }

  /** Undefined when the machine has no more. Then the bound is lowered to about what is in use: others need memory, too. */
  private make(bytes: number): Uint8Array | undefined {
    try {
      return this.allocate(bytes)
    } catch {
      // A RangeError of V8, an InternalError of QuickJS: nothing else can be thrown here.
      this.lowerBound(this.usedBytes - bytes)
      return undefined
    }
  }

  private lowerBound(usedBytes: number): void {
    this.spares.length = 0
    this.spareBytes = 0
    this.maxBytes = Math.min(this.maxBytes, usedBytes + LAST_BYTES)
  }

  private keep(buffer: Uint8Array): void {
    const bytes = buffer.length
    if (SPARE_SHARE * (this.spareBytes + bytes) > this.maxBytes) return
    const index = sizeIndex(bytes)
    while (this.spares.length <= index) this.spares.push([])
    this.spares[index]?.push(buffer)
    this.spareBytes += bytes
  }
}

function sizeIndex(bytes: number): number {
  return 31 - Math.clz32(bytes / MIN_BUFFER_BYTES)
}
