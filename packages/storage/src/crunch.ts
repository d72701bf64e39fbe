/** Files that are part of the program: a read-only store whose contents the build put into the image. */
import { checkPart } from '@mirage-ts/core/kv-key'
import type { KvEntry, KvPeek, KvRo } from '@mirage-ts/signatures/kv'
import { KvIndex } from './kv-index.ts'

/** A file as the build describes it. */
export interface CrunchFile {
  /** Its key: relative, `/`-separated. */
  readonly path: string
  /** SHA-256 of the contents in lowercase hexadecimal. */
  readonly sha256: string
  /** The contents, the same octets at each call; lent, never to be written to. */
  readonly bytes: () => Uint8Array
}

/** Makes a store of `files`. Throws a `TypeError` when a path is no key, or is there twice. */
export function createCrunch(_deps: Record<never, never>, { files }: { readonly files: readonly CrunchFile[] }): KvRo {
  const index = new KvIndex<CrunchFile>()
  for (const file of files) {
    if (index.has(file.path) || !index.add(file.path, file)) {
      throw new TypeError(`Cannot crunch ${JSON.stringify(file.path)}: expected a relative path without . and .., once`)
    }
  }
  return new CrunchKv(index)
}

class CrunchKv implements KvRo {
  readonly #index: KvIndex<CrunchFile>
  /** Those asked for, by their keys. */
  readonly #peeks = new Map<string, KvPeek>()

  constructor(index: KvIndex<CrunchFile>) {
    this.#index = index
  }

  async exists(key: string): Promise<'value' | 'dictionary' | undefined> {
    return this.#index.exists(key)
  }

  async get(key: string): Promise<Uint8Array> {
    return this.#index.value(key).bytes()
  }

  async getPartial(key: string, offBytes: number, lenBytes: number): Promise<Uint8Array> {
    checkPart(offBytes, lenBytes)
    return this.#index
      .value(key)
      .bytes()
      .subarray(offBytes, offBytes + lenBytes)
  }

  async list(key: string): Promise<readonly KvEntry[]> {
    return this.#index.list(key)
  }

  async sizeBytes(key: string): Promise<number> {
    return this.#index.value(key).bytes().length
  }

  async lastModified(key: string): Promise<undefined> {
    this.#index.valueOrDictionary(key)
  }

  async digest(key: string): Promise<string> {
    return this.#index.value(key).sha256
  }

  peek(key: string): KvPeek | undefined {
    const known = this.#peeks.get(key)
    if (known !== undefined || this.#index.exists(key) !== 'value') return known
    const file = this.#index.value(key)
    const peek: KvPeek = { octets: file.bytes(), digest: file.sha256, lastModified: undefined }
    this.#peeks.set(key, peek)
    return peek
  }
}
