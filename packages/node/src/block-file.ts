/**
 * A file, or a block device of the host, as a disk.
 *
 * Short transfers take place before the call returns, as on spt: what is in the host's memory takes 2 µs so, and 50 by
 * Node.js's pool of threads. A disk that must seek holds the program up for that time; long transfers and flushes do not.
 */
import { readSync, writeSync } from 'node:fs'
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

/** Longer transfers are left to the pool of threads. */
const SHORT_BYTES = 262_144

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
    try {
      for (let done = 0; done < into.length; ) {
        const at = sector * this.sectorBytes + done
        const wanted = into.length - done
        const got =
          wanted <= SHORT_BYTES
            ? readSync(handle.fd, into, done, wanted, at)
            : (await handle.read(into, done, wanted, at)).bytesRead
        if (got === 0) throw new Error('the file has become shorter')
        done += got
      }
    } catch (cause) {
      throw this.#failure('read', sector, cause)
    }
  }

  async write(sector: number, from: Uint8Array): Promise<void> {
    const handle = this.#open()
    if (this.isReadOnly) throw new BlockError('read-only', `Cannot write to ${this.#path}: it was opened read-only`)
    this.#check(sector, from.length)
    try {
      for (let done = 0; done < from.length; ) {
        const at = sector * this.sectorBytes + done
        const wanted = from.length - done
        done +=
          wanted <= SHORT_BYTES
            ? writeSync(handle.fd, from, done, wanted, at)
            : (await handle.write(from, done, wanted, at)).bytesWritten
      }
    } catch (cause) {
      throw this.#failure('write', sector, cause)
    }
  }

  async flush(): Promise<void> {
    const handle = this.#open()
    if (this.isReadOnly) return
    try {
      await handle.datasync()
    } catch (cause) {
      throw this.#failure('flush', 0, cause)
    }
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

  #failure(verb: string, sector: number, cause: unknown): BlockError {
    return new BlockError('io', `Cannot ${verb} sector ${sector} of ${this.#path}: ${messageOf(cause)}`, { cause })
  }
}
