/** A disk for tests that remembers every write, so that a test can cut the power, and that fails where it is told to. */
import { BlockError } from '@mirage-ts/core/errors'
import type { Block } from '@mirage-ts/signatures/block'
import type { SeededRandom } from './seeded-random.ts'

interface Write {
  readonly sector: number
  readonly octets: Uint8Array
}

/** How many octets at most are lost or kept together when a sector tears. */
const TORN_BYTES = 8

export class FaultyBlock implements Block {
  readonly sectorBytes: number
  readonly sectorCount: number
  readonly isReadOnly = false
  /** What a reader sees. */
  readonly image: Uint8Array
  /** Sectors whose reading fails. */
  readonly unreadable: Set<number> = new Set()
  /** Writes from now on that succeed; then writing and flushing fail. */
  writesLeft: number = Number.POSITIVE_INFINITY
  /** Called before each write and flush takes effect: a place to stop and look. */
  beforeChange: () => void = () => {}
  /** A crash may leave a sector half old and half new. */
  tearsSectors = true
  writeCount = 0
  flushCount = 0
  readCount = 0
  /** What is surely there after a crash: everything up to the last flush. */
  readonly #durable: Uint8Array
  /** Writes since the last flush, in order. */
  #pending: Write[] = []
  #isClosed = false

  constructor(sectorCount: number, sectorBytes = 512) {
    this.sectorCount = sectorCount
    this.sectorBytes = sectorBytes
    this.image = new Uint8Array(sectorCount * sectorBytes)
    this.#durable = new Uint8Array(this.image.length)
  }

  /** A disk that holds `image`, all of it durable. */
  static of(image: Uint8Array, sectorBytes = 512): FaultyBlock {
    const block = new FaultyBlock(image.length / sectorBytes, sectorBytes)
    block.image.set(image)
    block.#durable.set(image)
    return block
  }

  async read(sector: number, into: Uint8Array): Promise<void> {
    this.#check(sector, into.length)
    this.readCount++
    for (let at = sector; at < sector + into.length / this.sectorBytes; at++) {
      if (this.unreadable.has(at)) throw new BlockError('io', `Cannot read sector ${at}: made to fail`)
    }
    into.set(this.image.subarray(sector * this.sectorBytes, sector * this.sectorBytes + into.length))
  }

  async write(sector: number, from: Uint8Array): Promise<void> {
    this.#check(sector, from.length)
    this.beforeChange()
    if (this.writesLeft <= 0) throw new BlockError('io', `Cannot write sector ${sector}: made to fail`)
    this.writesLeft--
    this.writeCount++
    this.image.set(from, sector * this.sectorBytes)
    this.#pending.push({ sector, octets: from.slice() })
  }

  async flush(): Promise<void> {
    this.#check(0, 0)
    this.beforeChange()
    if (this.writesLeft <= 0) throw new BlockError('io', 'Cannot flush: made to fail')
    this.flushCount++
    this.#apply(this.#durable, () => true)
    this.#pending = []
  }

  async discard(sector: number, sectorCount: number): Promise<void> {
    this.#check(sector, sectorCount * this.sectorBytes)
    const octets = new Uint8Array(sectorCount * this.sectorBytes).fill(0xdd)
    this.beforeChange()
    this.image.set(octets, sector * this.sectorBytes)
    this.#pending.push({ sector, octets })
  }

  async close(): Promise<void> {
    this.#isClosed = true
  }

  get pendingCount(): number {
    return this.#pending.length
  }

  /**
   * What the disk may hold when the power goes now: everything flushed, and of each sector written since then either what
   * was written or not, chosen by `random`; now and then a sector is torn, partly old and partly new. `'all'` and `'none'`
   * keep every write and no write.
   */
  crashImage(choice: SeededRandom | 'all' | 'none'): Uint8Array {
    const image = this.#durable.slice()
    if (choice === 'none') return image
    if (choice === 'all') this.#apply(image, () => true)
    else {
      const keep = choice.u32() / 0x1_0000_0000
      const tearChance = this.tearsSectors ? 0.05 : 0
      this.#apply(image, () => (choice.chance(tearChance) ? choice.below(this.sectorBytes) : choice.chance(keep)))
    }
    return image
  }

  /** Turns a bit over, durably. */
  flipBit(sector: number, bit: number): void {
    const at = sector * this.sectorBytes + (bit >>> 3)
    for (const image of [this.image, this.#durable]) image[at] = (image[at] as number) ^ (1 << (bit & 7))
  }

  /** Puts the pending writes on `image`: of each sector all, nothing, or as many octets as `keep` says. */
  #apply(image: Uint8Array, keep: () => boolean | number): void {
    const { sectorBytes } = this
    for (const { sector, octets } of this.#pending) {
      for (let off = 0; off < octets.length; off += sectorBytes) {
        const kept = keep()
        const len = typeof kept === 'number' ? kept - (kept % TORN_BYTES) : kept ? sectorBytes : 0
        if (len > 0) image.set(octets.subarray(off, off + len), sector * sectorBytes + off)
      }
    }
  }

  #check(sector: number, lenBytes: number): void {
    if (this.#isClosed) throw new BlockError('closed', 'Cannot access the disk: it is closed')
    const count = lenBytes / this.sectorBytes
    const isWhole = Number.isSafeInteger(sector) && Number.isSafeInteger(count) && sector >= 0 && count >= 0
    if (!isWhole || sector + count > this.sectorCount) {
      throw new RangeError(`Cannot access ${count} sectors at ${sector}: expected 0 to ${this.sectorCount}`)
    }
  }
}
