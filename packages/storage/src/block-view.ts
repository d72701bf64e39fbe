/** Views of a block device: a run of its sectors, and one that cannot be written. Closing a view leaves the device open. */
import type { Block } from '@mirage-ts/signatures/block'
import { checkRange, checkTransfer, closedError, readOnlyError } from './block-range.ts'

/** The device without the right to write. */
export function createReadOnlyBlock({ block }: { readonly block: Block }): Block {
  return new BlockView(block, 0, block.sectorCount, true)
}

export interface SliceOptions {
  readonly firstSector: number
  readonly sectorCount: number
}

/** `sectorCount` sectors from `firstSector` on, as a device of their own. */
export function createBlockSlice(
  { block }: { readonly block: Block },
  { firstSector, sectorCount }: SliceOptions,
): Block {
  checkRange(block, firstSector, sectorCount)
  return new BlockView(block, firstSector, sectorCount, block.isReadOnly)
}

class BlockView implements Block {
  readonly sectorBytes: number
  readonly sectorCount: number
  readonly isReadOnly: boolean
  readonly #block: Block
  readonly #firstSector: number
  #isClosed = false

  constructor(block: Block, firstSector: number, sectorCount: number, isReadOnly: boolean) {
    this.#block = block
    this.#firstSector = firstSector
    this.sectorBytes = block.sectorBytes
    this.sectorCount = sectorCount
    this.isReadOnly = isReadOnly
  }

  async read(sector: number, into: Uint8Array): Promise<void> {
    if (this.#isClosed) throw closedError()
    checkTransfer(this, sector, into.length)
    await this.#block.read(this.#firstSector + sector, into)
  }

  async write(sector: number, from: Uint8Array): Promise<void> {
    this.#checkWritable()
    checkTransfer(this, sector, from.length)
    await this.#block.write(this.#firstSector + sector, from)
  }

  async flush(): Promise<void> {
    if (this.#isClosed) throw closedError()
    if (!this.isReadOnly) await this.#block.flush()
  }

  async discard(sector: number, sectorCount: number): Promise<void> {
    this.#checkWritable()
    checkRange(this, sector, sectorCount)
    await this.#block.discard(this.#firstSector + sector, sectorCount)
  }

  async close(): Promise<void> {
    this.#isClosed = true
  }

  #checkWritable(): void {
    if (this.#isClosed) throw closedError()
    if (this.isReadOnly) throw readOnlyError()
  }
}
