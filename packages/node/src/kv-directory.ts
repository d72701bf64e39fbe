/**
 * A folder of the host as a read-only store, read anew at each call: for development, where files change.
 *
 * Symbolic links that stay inside the folder are followed; one that leaves it is as if it were not there. Whoever may
 * change the folder while it is read could still swap a directory for a link between the check and the reading.
 */
import { createHash } from 'node:crypto'
import { type FileHandle, open, readdir, realpath, stat } from 'node:fs/promises'
import { join, sep } from 'node:path'
import { KvError, type KvErrorCode, messageOf } from '@mirage-ts/core/errors'
import type { KvEntry, KvRo } from '@mirage-ts/signatures/kv'
import type { WallInstant } from '@mirage-ts/signatures/time'

/** What the system says when nothing of that name can be there. */
const NOT_FOUND: ReadonlySet<string> = new Set(['ENOENT', 'ENOTDIR', 'ELOOP', 'ENAMETOOLONG'])

/** Opens the store; rejects when `folder` is not a folder. */
export async function createDirectoryKv(
  _deps: Record<never, never>,
  { folder }: { readonly folder: string },
): Promise<KvRo> {
  const root = await realpath(folder)
  if (!(await stat(root)).isDirectory()) throw new TypeError(`Cannot serve ${folder}: expected a folder`)
  return new DirectoryKv(root)
}

interface Found {
  readonly kind: 'value' | 'dictionary'
  /** Without symbolic links. */
  readonly path: string
  readonly sizeBytes: number
  readonly lastModified: WallInstant
}

class DirectoryKv implements KvRo {
  /** Without symbolic links. */
  readonly #root: string

  constructor(root: string) {
    this.#root = root
  }

  async exists(key: string): Promise<'value' | 'dictionary' | undefined> {
    return (await this.#find(key))?.kind
  }

  get(key: string): Promise<Uint8Array> {
    return this.#withFile(key, async (handle) => plain(await handle.readFile()))
  }

  getPartial(key: string, offBytes: number, lenBytes: number): Promise<Uint8Array> {
    if (!(offBytes >= 0 && lenBytes >= 0)) {
      return Promise.reject(new RangeError(`Cannot read ${lenBytes} octets at ${offBytes}: expected 0 or more`))
    }
    return this.#withFile(key, async (handle, { sizeBytes }) => {
      const buffer = new Uint8Array(Math.max(0, Math.min(lenBytes, sizeBytes - offBytes)))
      let gotBytes = 0
      while (gotBytes < buffer.length) {
        const { bytesRead } = await handle.read(buffer, gotBytes, buffer.length - gotBytes, offBytes + gotBytes)
        if (bytesRead === 0) break
        gotBytes += bytesRead
      }
      return buffer.subarray(0, gotBytes)
    })
  }

  async list(key: string): Promise<readonly KvEntry[]> {
    const found = await this.#need(key, 'dictionary', 'dictionary-expected')
    const names = await readdir(found.path).catch((error: unknown) => {
      throw kvError('io', key, error)
    })
    const entries: KvEntry[] = []
    for (const name of names.sort()) {
      const kind = await this.exists(key === '' ? name : `${key}/${name}`)
      if (kind !== undefined) entries.push({ name, kind })
    }
    return entries
  }

  async sizeBytes(key: string): Promise<number> {
    return (await this.#need(key, 'value', 'value-expected')).sizeBytes
  }

  async lastModified(key: string): Promise<WallInstant> {
    const found = await this.#find(key)
    if (found === undefined) throw kvError('not-found', key)
    return found.lastModified
  }

  digest(key: string): Promise<string> {
    return this.#withFile(key, async (handle) => {
      const hash = createHash('sha256')
      for await (const chunk of handle.createReadStream()) hash.update(chunk)
      return hash.digest('hex')
    })
  }

  /** Calls `body` with the opened file. */
  async #withFile<T>(key: string, body: (handle: FileHandle, found: Found) => Promise<T>): Promise<T> {
    const found = await this.#need(key, 'value', 'value-expected')
    try {
      const handle = await open(found.path)
      try {
        return await body(handle, found)
      } finally {
        await handle.close()
      }
    } catch (error) {
      throw kvError('io', key, error)
    }
  }

  async #need(key: string, kind: Found['kind'], otherwise: KvErrorCode): Promise<Found> {
    const found = await this.#find(key)
    if (found === undefined) throw kvError('not-found', key)
    if (found.kind !== kind) throw kvError(otherwise, key)
    return found
  }

  /** What `key` names: a file or folder inside the root, wherever links lead. */
  async #find(key: string): Promise<Found | undefined> {
    const segments = key === '' ? [] : key.split('/')
    if (segments.some((segment) => segment === '' || segment === '.' || segment === '..' || segment.includes('\0'))) {
      return undefined
    }
    try {
      const path = await realpath(join(this.#root, ...segments))
      if (path !== this.#root && !path.startsWith(this.#root === sep ? sep : this.#root + sep)) return undefined
      const stats = await stat(path)
      const lastModified = Math.max(0, Math.floor(stats.mtimeMs * 1000)) as WallInstant
      if (stats.isDirectory()) return { kind: 'dictionary', path, sizeBytes: 0, lastModified }
      return stats.isFile() ? { kind: 'value', path, sizeBytes: stats.size, lastModified } : undefined
    } catch (error) {
      if (error instanceof Error && 'code' in error && NOT_FOUND.has(String(error.code))) return undefined
      throw kvError('io', key, error)
    }
  }
}

/** Not Node's Buffer, whose slice() shares where Uint8Array's copies. */
function plain(buffer: Uint8Array): Uint8Array {
  return new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.length)
}

function kvError(code: KvErrorCode, key: string, cause?: unknown): KvError {
  const reason = cause === undefined ? code : messageOf(cause)
  return new KvError(code, `Cannot read ${JSON.stringify(key)}: ${reason}`, { cause })
}
