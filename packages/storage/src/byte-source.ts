/** A run of octets that can be read at any place: a block device, or memory. What parsers of disk formats read from. */
import type { Block } from '@mirage-ts/signatures/block'

export interface ByteSource {
  readonly lenBytes: number
  /** `[off, off + lenBytes)`, which must be inside; shared, never to be written to. */
  read(off: number, lenBytes: number): Promise<Uint8Array>
  /** The sector that `off` is in, for messages. */
  sectorOf(off: number): number
}

/** Short reads take this much at once: the next one is probably near. */
const WINDOW_BYTES = 32_768

/** Sees a device as octets. */
export function blockSource(block: Block): ByteSource {
  return new BlockSource(block)
}

/** Sees memory as if it were on sectors of 512 octets. */
export function memorySource(octets: Uint8Array): ByteSource {
  return {
    lenBytes: octets.length,
    read: async (off, lenBytes) => octets.subarray(off, off + lenBytes),
    sectorOf: (off) => Math.floor(off / 512),
  }
}

class BlockSource implements ByteSource {
  readonly lenBytes: number
  readonly #block: Block
  #window = new Uint8Array(0)
  #windowOff = 0

  constructor(block: Block) {
    this.#block = block
    this.lenBytes = block.sectorBytes * block.sectorCount
  }

  async read(off: number, lenBytes: number): Promise<Uint8Array> {
    if (off < 0 || off + lenBytes > this.lenBytes) {
      throw new RangeError(`Cannot read ${lenBytes} octets at ${off}: expected at most ${this.lenBytes}`)
    }
    const inWindow = off - this.#windowOff
    if (inWindow >= 0 && inWindow + lenBytes <= this.#window.length) {
      return this.#window.subarray(inWindow, inWindow + lenBytes)
    }
    const { sectorBytes } = this.#block
    const start = off - (off % sectorBytes)
    const wanted = Math.max(off + lenBytes, Math.min(start + WINDOW_BYTES, this.lenBytes)) - start
    const octets = new Uint8Array(Math.ceil(wanted / sectorBytes) * sectorBytes)
    await this.#block.read(start / sectorBytes, octets)
    if (octets.length <= 2 * WINDOW_BYTES) {
      this.#window = octets
      this.#windowOff = start
    }
    return octets.subarray(off - start, off - start + lenBytes)
  }

  sectorOf(off: number): number {
    return Math.floor(off / this.#block.sectorBytes)
  }
}
