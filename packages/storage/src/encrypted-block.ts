/**
 * A disk whose sectors are encrypted on the way to another one, by a cipher that is given: this file knows no cryptography.
 *
 * A sector that the disk below has as zeros reads as zeros: a new disk is a blank one, and so is what was discarded. No
 * cipher gives 512 zeros for anything in the life of the universe; who writes zeros to the disk behind our back erases
 * data, which they could do anyway. Which sectors were written at all, their number and when they change shows to whoever
 * sees the disk below.
 */
import type { Block } from '@mirage-ts/signatures/block'
import type { SectorCipher } from '@mirage-ts/signatures/sector-cipher'
import { checkRange, checkTransfer, closedError, readOnlyError } from './block-range.ts'

export interface EncryptedBlockDeps {
  readonly block: Block
  readonly cipher: SectorCipher
}

/** What is encrypted and written at once: memory for it is taken from the call. */
const PIECE_BYTES = 65_536

/**
 * The device that is read and written in clear. Throws a `TypeError` when there is no cipher, or none for sectors of this
 * length. Closing it leaves the disk below open.
 */
export function createEncryptedBlock({ block, cipher }: EncryptedBlockDeps): Block {
  if ((cipher as SectorCipher | undefined) === undefined) {
    throw new TypeError('Cannot encrypt a disk: no cipher was given, and it is not to be written in clear')
  }
  if (block.sectorBytes % cipher.blockBytes !== 0) {
    throw new TypeError(
      `Cannot encrypt sectors of ${block.sectorBytes} octets: the cipher takes whole blocks of ${cipher.blockBytes}`,
    )
  }
  return new EncryptedBlock(block, cipher)
}

class EncryptedBlock implements Block {
  readonly sectorBytes: number
  readonly sectorCount: number
  readonly isReadOnly: boolean
  readonly #block: Block
  readonly #cipher: SectorCipher
  #isClosed = false

  constructor(block: Block, cipher: SectorCipher) {
    this.#block = block
    this.#cipher = cipher
    this.sectorBytes = block.sectorBytes
    this.sectorCount = block.sectorCount
    this.isReadOnly = block.isReadOnly
  }

  async read(sector: number, into: Uint8Array): Promise<void> {
    this.#checkOpen()
    checkTransfer(this, sector, into.length)
    await this.#block.read(sector, into)
    const { sectorBytes } = this
    for (let off = 0; off < into.length; off += sectorBytes) {
      if (isZero(into, off, off + sectorBytes)) continue
      this.#cipher.decrypt(sector + off / sectorBytes, into, off, off + sectorBytes)
    }
  }

  async write(sector: number, from: Uint8Array): Promise<void> {
    this.#checkWritable()
    checkTransfer(this, sector, from.length)
    const { sectorBytes } = this
    const pieceBytes = Math.max(sectorBytes, PIECE_BYTES)
    const piece = new Uint8Array(Math.min(pieceBytes, from.length))
    for (let start = 0; start < from.length; start += pieceBytes) {
      const part = from.subarray(start, start + pieceBytes)
      piece.set(part)
      const first = sector + start / sectorBytes
      for (let off = 0; off < part.length; off += sectorBytes) {
        this.#cipher.encrypt(first + off / sectorBytes, piece, off, off + sectorBytes)
      }
      await this.#block.write(first, piece.subarray(0, part.length))
    }
  }

  async flush(): Promise<void> {
    this.#checkOpen()
    await this.#block.flush()
  }

  async discard(sector: number, sectorCount: number): Promise<void> {
    this.#checkWritable()
    checkRange(this, sector, sectorCount)
    await this.#block.discard(sector, sectorCount)
  }

  async close(): Promise<void> {
    this.#isClosed = true
  }

  #checkOpen(): void {
    if (this.#isClosed) throw closedError()
  }

  #checkWritable(): void {
    this.#checkOpen()
    if (this.isReadOnly) throw readOnlyError()
  }
}

/** Ends at the first octet that is not zero: nearly always the first. */
function isZero(u8: Uint8Array, off: number, end: number): boolean {
  for (let at = off; at < end; at++) if (u8[at] !== 0) return false
  return true
}
