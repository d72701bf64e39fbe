/**
 * A folder of the host as a store that can be written.
 *
 * A value is written to a new file, which is synchronised and then takes the name: after a crash the old value or the new
 * one is there, whole. `flush` synchronises the folders. New files and what is being removed are in a folder `.mirage-tmp`
 * at the root, which no key names and which is emptied when the store is opened. Nobody else may change the folder in the
 * meantime; symbolic links in it are followed for reading only while they stay inside, as `createDirectoryKv` says.
 *
 * Deviation: emptying the root (`remove('')`) takes one entry away after the other, so a crash may leave some of them.
 */
import { copyFile, mkdir, type open as Open, open, readdir, realpath, rename, rm, rmdir, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { KvError, messageOf } from '@mirage-ts/core/errors'
import { checkPart, checkWritableKey, isBelow, joinKey, kvError } from '@mirage-ts/core/kv-key'
import { Lock } from '@mirage-ts/core/lock'
import type { KvEntry, KvRo, KvRw } from '@mirage-ts/signatures/kv'
import type { WallInstant } from '@mirage-ts/signatures/time'
import { createDirectoryKv } from './kv-directory.ts'

/** Where files are before they have a name. */
const TEMPORARY = '.mirage-tmp'

/** Opens the store; rejects when `folder` is not a folder. */
export async function createDirectoryKvRw(
  _deps: Record<never, never>,
  { folder }: { readonly folder: string },
): Promise<KvRw> {
  const reader = await createDirectoryKv({}, { folder })
  const root = await realpath(folder)
  await rm(join(root, TEMPORARY), { recursive: true, force: true })
  await mkdir(join(root, TEMPORARY))
  return new DirectoryKvRw(root, reader)
}

/** What the system says when a name is too long. */
const TOO_LONG = 'ENAMETOOLONG'
/** What it says when a folder still holds something, or somebody was quicker. */
const STILL_NEEDED: readonly string[] = ['ENOTEMPTY', 'EEXIST', 'ENOENT', 'ENOTDIR']

class DirectoryKvRw implements KvRw {
  readonly #root: string
  readonly #reader: KvRo
  readonly #lock = new Lock()
  /** Folders whose entries have changed since the last flush. */
  readonly #changed = new Set<string>()
  #temporaryCount = 0

  constructor(root: string, reader: KvRo) {
    this.#root = root
    this.#reader = reader
  }

  async exists(key: string): Promise<'value' | 'dictionary' | undefined> {
    return isTemporary(key) ? undefined : this.#reader.exists(key)
  }

  async get(key: string): Promise<Uint8Array> {
    return this.#visible(key).get(key)
  }

  async getPartial(key: string, offBytes: number, lenBytes: number): Promise<Uint8Array> {
    return this.#visible(key).getPartial(key, offBytes, lenBytes)
  }

  async sizeBytes(key: string): Promise<number> {
    return this.#visible(key).sizeBytes(key)
  }

  async lastModified(key: string): Promise<WallInstant | undefined> {
    return this.#visible(key).lastModified(key)
  }

  async digest(key: string): Promise<string> {
    return this.#visible(key).digest(key)
  }

  async list(key: string): Promise<readonly KvEntry[]> {
    const entries = await this.#visible(key).list(key)
    return key === '' ? entries.filter(({ name }) => name !== TEMPORARY) : entries
  }

  set(key: string, value: Uint8Array): Promise<void> {
    return this.#changing(key, async () => {
      const path = await this.#checkSettable(key)
      await this.#replace(path, async (handle) => void (await handle.writeFile(value)))
    })
  }

  async setPartial(key: string, offBytes: number, octets: Uint8Array): Promise<void> {
    checkPart(offBytes, octets.length)
    await this.#changing(key, async () => {
      const path = await this.#checkSettable(key)
      const isThere = (await this.exists(key)) === 'value'
      if (isThere && octets.length === 0) return
      await this.#replace(
        path,
        async (handle) => {
          for (let done = 0; done < octets.length; ) {
            done += (await handle.write(octets, done, octets.length - done, offBytes + done)).bytesWritten
          }
        },
        isThere ? path : undefined,
      )
    })
  }

  remove(key: string): Promise<void> {
    return this.#changing(key, async () => {
      if ((await this.exists(key)) === undefined) throw kvError('not-found', key)
      if (key === '') for (const { name } of await this.list('')) await this.#takeAway(join(this.#root, name))
      else await this.#takeAway(join(this.#root, key))
    })
  }

  rename(from: string, to: string): Promise<void> {
    return this.#changing(to, async () => {
      const kind = await this.exists(from)
      if (kind === undefined) throw kvError('not-found', from)
      if (from === to) return
      if (isBelow(to, from)) throw kvError('bad-key', to, `it is below ${from}`)
      const target = await this.exists(to)
      if (target === 'dictionary' || (target === 'value' && kind === 'dictionary')) throw kvError('already-present', to)
      const path = await this.#checkSettable(to)
      await this.#makeFolder(dirname(path))
      await rename(join(this.#root, from), path)
      this.#changed.add(dirname(path))
      await this.#prune(dirname(join(this.#root, from)))
    })
  }

  flush(): Promise<void> {
    return this.#changing('', async () => {
      for (const folder of this.#changed) {
        const handle = await open(folder).catch((error: unknown) => {
          if (hasCode(error, ['ENOENT', 'ENOTDIR'])) return undefined // removed since; its parent has changed too
          throw error
        })
        try {
          await handle?.sync()
        } finally {
          await handle?.close()
        }
        this.#changed.delete(folder)
      }
    })
  }

  #visible(key: string): KvRo {
    if (isTemporary(key)) throw kvError('not-found', key)
    return this.#reader
  }

  #changing(key: string, body: () => Promise<void>): Promise<void> {
    return this.#lock.exclusive(async () => {
      try {
        await body()
      } catch (error) {
        if (error instanceof KvError || error instanceof RangeError) throw error
        if (hasCode(error, [TOO_LONG])) throw kvError('bad-key', key, 'a name in it is too long', error)
        if (hasCode(error, ['ENOSPC', 'EDQUOT'])) throw kvError('no-space', key, messageOf(error), error)
        throw kvError('io', key, messageOf(error), error)
      }
    })
  }

  /** Throws unless a value can be put at `key`; returns the path of its file. */
  async #checkSettable(key: string): Promise<string> {
    checkWritableKey(key)
    if (isTemporary(key)) throw kvError('bad-key', key, `${TEMPORARY} is the store's own`)
    const segments = key.split('/')
    let parent = ''
    for (const name of segments.slice(0, -1)) {
      parent = joinKey(parent, name)
      const kind = await this.exists(parent)
      if (kind === 'value') throw kvError('dictionary-expected', parent)
      // What is there and cannot be seen is a link that leads out, or no file: not ours to write through.
      if (kind === undefined && (await isAnything(join(this.#root, parent)))) throw kvError('bad-key', key)
    }
    if ((await this.exists(key)) === 'dictionary') throw kvError('value-expected', key)
    return join(this.#root, key)
  }

  /** Puts a file that `write` has written in the place of `path`; it begins as a copy of `origin`. */
  async #replace(
    path: string,
    write: (handle: Awaited<ReturnType<typeof Open>>) => Promise<void>,
    origin?: string,
  ): Promise<void> {
    const temporary = this.#temporaryPath()
    try {
      if (origin !== undefined) await copyFile(origin, temporary)
      const handle = await open(temporary, origin === undefined ? 'wx' : 'r+')
      try {
        await write(handle)
        await handle.datasync()
      } finally {
        await handle.close()
      }
      await this.#makeFolder(dirname(path))
      await rename(temporary, path)
    } catch (error) {
      await rm(temporary, { force: true })
      await this.#prune(dirname(path))
      throw error
    }
    this.#changed.add(dirname(path))
  }

  async #takeAway(path: string): Promise<void> {
    const temporary = this.#temporaryPath()
    await rename(path, temporary)
    await this.#prune(dirname(path))
    await rm(temporary, { recursive: true })
  }

  async #makeFolder(folder: string): Promise<void> {
    const first = await mkdir(folder, { recursive: true })
    if (first === undefined) return
    for (let made = folder; made.length >= first.length; made = dirname(made)) this.#changed.add(dirname(made))
  }

  /** Removes folders that have become empty, from `folder` upwards. */
  async #prune(folder: string): Promise<void> {
    this.#changed.add(folder)
    for (let at = folder; at !== this.#root; at = dirname(at)) {
      try {
        if ((await readdir(at)).length > 0) return
        await rmdir(at)
      } catch (error) {
        if (hasCode(error, STILL_NEEDED)) return
        throw error
      }
      this.#changed.delete(at)
      this.#changed.add(dirname(at))
    }
  }

  #temporaryPath(): string {
    return join(this.#root, TEMPORARY, String(this.#temporaryCount++))
  }
}

function isTemporary(key: string): boolean {
  return key === TEMPORARY || key.startsWith(`${TEMPORARY}/`)
}

async function isAnything(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    (error: unknown) => !hasCode(error, ['ENOENT']),
  )
}

function hasCode(error: unknown, codes: readonly string[]): boolean {
  return error instanceof Error && 'code' in error && codes.includes(String(error.code))
}
