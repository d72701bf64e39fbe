/** A disk in memory: gone with the program, and nothing survives a crash of it. */
import type { Block } from '@mirage-ts/signatures/block'
import { checkRange, checkSectorBytes, checkTransfer, closedError } from './block-range.ts'

export interface RamBlockOptions {
  readonly sectorCount: number
  /** A power of two; 512 by default. */
  readonly sectorBytes?: number
}

/** Makes a disk of zeros. */
export function createRamBlock(
  _deps: Record<never, never>,
  { sectorCount, sectorBytes = 512 }: RamBlockOptions,
): Block {
  checkSectorBytes(sectorBytes)
  if (!(Number.isSafeInteger(sectorCount) && sectorCount > 0)) {
    throw new RangeError(`Cannot make a disk of ${sectorCount} sectors: expected 1 or more`)
  }
  return new RamBlock(new Uint8Array(sectorCount * sectorBytes), sectorBytes)
}

/** Sees `image`, whole sectors of `sectorBytes`, as a disk; the octets are shared, not copied. */
export function ramBlockOf(image: Uint8Array, sectorBytes = 512): Block {
  checkSectorBytes(sectorBytes)
  if (image.length % sectorBytes !== 0) {
    throw new RangeError(`Cannot use an image of ${image.length} octets: expected whole sectors of ${sectorBytes}`)
  }
  return new RamBlock(image, sectorBytes)
}

class RamBlock implements Block {
  readonly sectorBytes: number
  readonly sectorCount: number
  readonly isReadOnly = false
  readonly #image: Uint8Array
  #isClosed = false

  constructor(image: Uint8Array, sectorBytes: number) {
    this.#image = image
    this.sectorBytes = sectorBytes
    this.sectorCount = image.length / sectorBytes
  }

  async read(sector: number, into: Uint8Array): Promise<void> {
    this.#check(sector, into.length)
    const off = sector * this.sectorBytes
    into.set(this.#image.subarray(off, off + into.length))
  }

  async write(sector: number, from: Uint8Array): Promise<void> {
    this.#check(sector, from.length)
    this.#image.set(from, sector * this.sectorBytes)
  }

  async flush(): Promise<void> {
    if (this.#isClosed) throw closedError()
  }

  async discard(sector: number, sectorCount: number): Promise<void> {
    if (this.#isClosed) throw closedError()
    checkRange(this, sector, sectorCount)
    this.#image.fill(0, sector * this.sectorBytes, (sector + sectorCount) * this.sectorBytes)
  }

  async close(): Promise<void> {
    this.#isClosed = true
  }

  #check(sector: number, lenBytes: number): void {
    if (this.#isClosed) throw closedError()
    checkTransfer(this, sector, lenBytes)
  }
}
