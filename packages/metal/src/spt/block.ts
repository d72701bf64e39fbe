/** The disks of a sealed process: files of the host, in the order in which it was given them. */
import { blockCount, blockFlush, blockIsWritable, blockLen, blockRead, blockWrite } from 'mirage:native'
import { BlockError } from '@mirage-ts/core/errors'
import type { Block } from '@mirage-ts/signatures/block'

const SECTOR_BYTES = 512

export interface BlockOptions {
  /** Which disk, from 0. */
  readonly index: number
}

/** The disk. Throws when the process was not given it. A transfer takes place before the call returns. */
export function createBlock(_deps: Readonly<Record<string, never>>, { index }: BlockOptions): Block {
  if (index >= blockCount) {
    throw new Error(`Cannot find disk ${index}: this process was given ${blockCount} (mirage run --block NAME=FILE)`)
  }
  return new HostBlock(index)
}

class HostBlock implements Block {
  readonly sectorBytes = SECTOR_BYTES
  readonly sectorCount: number
  readonly isReadOnly: boolean
  private readonly index: number
  private isClosed = false

  constructor(index: number) {
    this.index = index
    this.sectorCount = Math.floor(blockLen(index) / SECTOR_BYTES)
    this.isReadOnly = !blockIsWritable(index)
  }

  async read(sector: number, into: Uint8Array): Promise<void> {
    this.check(sector, into.length)
    if (!blockRead(this.index, sector * SECTOR_BYTES, into, 0, into.length)) throw this.failure('read', sector)
  }

  async write(sector: number, from: Uint8Array): Promise<void> {
    this.check(sector, from.length)
    this.checkWritable()
    if (!blockWrite(this.index, sector * SECTOR_BYTES, from, 0, from.length)) throw this.failure('write', sector)
  }

  async flush(): Promise<void> {
    this.check(0, 0)
    if (!this.isReadOnly && !blockFlush(this.index)) throw this.failure('flush', 0)
  }

  /** Checks and does nothing: the filter of system calls lets none through that gives a part of a file back. */
  async discard(sector: number, sectorCount: number): Promise<void> {
    this.check(sector, sectorCount * SECTOR_BYTES)
    this.checkWritable()
  }

  async close(): Promise<void> {
    this.isClosed = true
  }

  private check(sector: number, lenBytes: number): void {
    if (this.isClosed) throw new BlockError('closed', `Cannot access disk ${this.index}: it is closed`)
    const count = lenBytes / SECTOR_BYTES
    const isWhole = Number.isSafeInteger(sector) && Number.isSafeInteger(count) && sector >= 0 && count >= 0
    if (!isWhole || sector + count > this.sectorCount) {
      throw new RangeError(
        `Cannot access ${count} sectors from ${sector} on: expected whole ones of ${this.sectorCount}`,
      )
    }
  }

  private checkWritable(): void {
    if (this.isReadOnly) throw new BlockError('read-only', `Cannot write to disk ${this.index}: it is read-only`)
  }

  private failure(verb: string, sector: number): BlockError {
    return new BlockError('io', `Cannot ${verb} sector ${sector} of disk ${this.index}: the host failed`)
  }
}
