/** A file, or a block device of the host, as a disk. */
import { constants, type FileHandle, open } from 'node:fs/promises'
import { BlockError, messageOf } from '@mirage-ts/core/errors'
import type { Block } from '@mirage-ts/signatures/block'

export interface FileBlockOptions {
  readonly path: string
  /** 512 by default. */
  readonly sectorBytes?: number
  readonly isReadOnly?: boolean
}

/** Opens the disk. Rejects when there is no such file, or its length is not whole sectors. */
export async function createFileBlock(
  _deps: Record<never, never>,
  { path, sectorBytes = 512, isReadOnly = false }: FileBlockOptions,
): Promise<Block> {
  const handle = await open(path, isReadOnly ? constants.O_RDONLY : constants.O_RDWR).catch((cause: unknown) => {
    throw new Error(`Cannot open disk ${path}: ${messageOf(cause)}`, { cause })
  })
  try {
    const lenBytes = await lengthOf(handle)
    if (lenBytes === 0 || lenBytes % sectorBytes !== 0) {
      throw new Error(`Cannot use ${path} as a disk: expected whole sectors of ${sectorBytes}, got ${lenBytes} octets`)
    }
    return new FileBlock(handle, path, sectorBytes, lenBytes / sectorBytes, isReadOnly)
  } catch (error) {
    await handle.close()
    throw error
  }
}

/** The length of a file; a device of the host says 0, and is measured by where reading ends. */
async function lengthOf(handle: FileHandle): Promise<number> {
  const stats = await handle.stat()
  if (!stats.isBlockDevice()) return stats.size
  const octet = new Uint8Array(1)
  const has = async (sectors: number): Promise<boolean> =>
    (await handle.read(octet, 0, 1, sectors * 512 - 1)).bytesRead === 1
  let low = 0
  let high = 1
  while (await has(high)) {
    low = high
    high *= 2
  }
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2)
    if (await has(middle)) low = middle
    else high = middle
  }
  return low * 512
}

class FileBlock implements Block {
  readonly sectorBytes: number
  readonly sectorCount: number
  readonly isReadOnly: boolean
  readonly #path: string
  #handle: FileHandle | undefined

  constructor(handle: FileHandle, path: string, sectorBytes: number, sectorCount: number, isReadOnly: boolean) {
    this.#handle = handle
    this.#path = path
    this.sectorBytes = sectorBytes
    this.sectorCount = sectorCount
    this.isReadOnly = isReadOnly
  }

  async read(sector: number, into: Uint8Array): Promise<void> {
    const handle = this.#open()
    this.#check(sector, into.length)
    await this.#wrap('read', sector, async () => {
      for (let done = 0; done < into.length; ) {
        const at = sector * this.sectorBytes + done
        const { bytesRead } = await handle.read(into, done, into.length - done, at)
        if (bytesRead === 0) throw new Error('the file has become shorter')
        done += bytesRead
      }
    })
  }

  async write(sector: number, from: Uint8Array): Promise<void> {
    const handle = this.#open()
    if (this.isReadOnly) throw new BlockError('read-only', `Cannot write to ${this.#path}: it was opened read-only`)
    this.#check(sector, from.length)
    await this.#wrap('write', sector, async () => {
      for (let done = 0; done < from.length; ) {
        const at = sector * this.sectorBytes + done
        done += (await handle.write(from, done, from.length - done, at)).bytesWritten
      }
    })
  }

  async flush(): Promise<void> {
    const handle = this.#open()
    if (!this.isReadOnly) await this.#wrap('flush', 0, () => handle.datasync())
  }

  /** Checks and does nothing: Node.js has no call that gives a part of a file back. */
  async discard(sector: number, sectorCount: number): Promise<void> {
    this.#open()
    if (this.isReadOnly) throw new BlockError('read-only', `Cannot discard of ${this.#path}: it was opened read-only`)
    this.#check(sector, sectorCount * this.sectorBytes)
  }

  async close(): Promise<void> {
    const handle = this.#handle
    this.#handle = undefined
    await handle?.close()
  }

  #open(): FileHandle {
    if (this.#handle === undefined) throw new BlockError('closed', `Cannot access ${this.#path}: it is closed`)
    return this.#handle
  }

  #check(sector: number, lenBytes: number): void {
    const count = lenBytes / this.sectorBytes
    const isWhole = Number.isSafeInteger(sector) && Number.isSafeInteger(count) && sector >= 0 && count >= 0
    if (!isWhole || sector + count > this.sectorCount) {
      throw new RangeError(
        `Cannot access ${count} sectors from ${sector} on: expected whole ones of ${this.sectorCount}`,
      )
    }
  }

  async #wrap(verb: string, sector: number, body: () => Promise<void>): Promise<void> {
    try {
      await body()
    } catch (cause) {
      throw new BlockError('io', `Cannot ${verb} sector ${sector} of ${this.#path}: ${messageOf(cause)}`, { cause })
    }
  }
}
