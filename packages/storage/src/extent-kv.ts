/** Values that lie in one piece each somewhere on a disk, and whose places are known: archives and zones. */
import { asKvError, checkPart } from '@mirage-ts/core/kv-key'
import type { KvEntry, KvRo } from '@mirage-ts/signatures/kv'
import type { WallInstant } from '@mirage-ts/signatures/time'
import type { ByteSource } from './byte-source.ts'
import type { KvIndex } from './kv-index.ts'
import { Sha256 } from './sha256.ts'

/** Where a value is. */
export interface Extent {
  readonly off: number
  readonly sizeBytes: number
  /** Kept from the first time that somebody asks. */
  digest: string | undefined
  readonly lastModified: WallInstant | undefined
}

/** Octets of a value that are in memory at once while its digest is made. */
const PIECE_BYTES = 65_536

export class ExtentKv implements KvRo {
  readonly #source: ByteSource
  readonly #index: KvIndex<Extent>

  /** The extents of `index` must be inside of `source`. */
  constructor(source: ByteSource, index: KvIndex<Extent>) {
    this.#source = source
    this.#index = index
  }

  async exists(key: string): Promise<'value' | 'dictionary' | undefined> {
    return this.#index.exists(key)
  }

  async get(key: string): Promise<Uint8Array> {
    const { off, sizeBytes } = this.#index.value(key)
    return await this.#read(key, off, sizeBytes)
  }

  async getPartial(key: string, offBytes: number, lenBytes: number): Promise<Uint8Array> {
    checkPart(offBytes, lenBytes)
    const { off, sizeBytes } = this.#index.value(key)
    const start = Math.min(offBytes, sizeBytes)
    return await this.#read(key, off + start, Math.min(lenBytes, sizeBytes - start))
  }

  async list(key: string): Promise<readonly KvEntry[]> {
    return this.#index.list(key)
  }

  async sizeBytes(key: string): Promise<number> {
    return this.#index.value(key).sizeBytes
  }

  async digest(key: string): Promise<string> {
    const extent = this.#index.value(key)
    if (extent.digest === undefined) {
      const hash = new Sha256()
      for (let at = 0; at < extent.sizeBytes; at += PIECE_BYTES) {
        hash.update(await this.#read(key, extent.off + at, Math.min(PIECE_BYTES, extent.sizeBytes - at)))
      }
      extent.digest = hash.hex()
    }
    return extent.digest
  }

  async lastModified(key: string): Promise<WallInstant | undefined> {
    return this.#index.valueOrDictionary(key)?.lastModified
  }

  async #read(key: string, off: number, lenBytes: number): Promise<Uint8Array> {
    try {
      return await this.#source.read(off, lenBytes)
    } catch (error) {
      throw asKvError(error, key)
    }
  }
}
