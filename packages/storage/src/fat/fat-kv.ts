/**
 * A FAT volume (12, 16 or 32, with long names) as a store: for media shared with other systems.
 *
 * What differs from the contract of `KvRw`: names that are equal but for case are one name, and writing under a second
 * spelling is a `bad-key`, as are names that FAT does not take; a value has at most 4 GiB - 1; `rename` copies, so a crash
 * may leave both or a part of the copy; of a change that was not flushed a crash may leave a value under its short name
 * when its long one has more than 195 characters; emptying the root is no single step. A sector that is torn, half old and
 * half new, is beyond FAT: the disk must write each whole or not at all. Everything flushed before survives,
 * whole: `volume.ts` says how.
 */
import { KvError, messageOf } from '@mirage-ts/core/errors'
import {
  asKvError,
  checkPart,
  checkWritableKey,
  compareNames,
  isBelow,
  joinKey,
  kvError,
  segmentsOf,
} from '@mirage-ts/core/kv-key'
import { Lock } from '@mirage-ts/core/lock'
import type { Block } from '@mirage-ts/signatures/block'
import type { KvEntry, KvRw } from '@mirage-ts/signatures/kv'
import type { WallClock, WallInstant } from '@mirage-ts/signatures/time'
import { Sha256 } from '../sha256.ts'
import { corruptFat, ENTRY_LEN } from './boot-sector.ts'
import {
  ATTRIBUTE_ARCHIVE,
  ATTRIBUTE_FOLDER,
  emitDotEntries,
  emitEntries,
  type FatEntry,
  type FatTime,
  updateShortEntry,
} from './entries.ts'
import type { Folder } from './folder.ts'
import { exactShortName, makeShortName, nameProblem } from './names.ts'
import { FatVolume, PIECE_BYTES } from './volume.ts'

export interface FatDeps {
  readonly block: Block
  /** For the times of files; without one they are of 1980. */
  readonly clock?: WallClock
}

/** Opens the volume on `block`. Rejects with `corrupt` when there is none. */
export async function createFatKv({ block, clock }: FatDeps): Promise<KvRw> {
  return new FatKv(await FatVolume.open(block, clock))
}

const MAX_FILE_BYTES = 2 ** 32 - 1
/** Folders in folders beyond this are a damage: a folder that contains itself. */
const MAX_DEPTH = 128

/** A place in the tree. */
interface Found {
  /** The folders from the root to the one the entry is in. */
  readonly folders: readonly Folder[]
  /** The entries that lead to them, one less. */
  readonly path: readonly FatEntry[]
  /** `undefined` for the root itself. */
  readonly entry: FatEntry | undefined
}

/** Where a value is to be written. */
interface Place {
  /** The last folder on the way that exists. */
  readonly folder: Folder
  /** The names from there on, the value's last; none when it is there already. */
  readonly missing: readonly string[]
  readonly entry: FatEntry | undefined
}

class FatKv implements KvRw {
  readonly #volume: FatVolume
  /** Also reads wait for changes: they follow chains that a change may free. */
  readonly #lock = new Lock()

  constructor(volume: FatVolume) {
    this.#volume = volume
  }

  exists(key: string): Promise<'value' | 'dictionary' | undefined> {
    return this.#reading(key, async () => {
      const found = await this.#find(key)
      return found === undefined ? undefined : kindOf(found)
    })
  }

  get(key: string): Promise<Uint8Array> {
    return this.#reading(key, async () => {
      const { cluster, sizeBytes } = await this.#file(key)
      return await this.#read(cluster, 0, sizeBytes)
    })
  }

  async getPartial(key: string, offBytes: number, lenBytes: number): Promise<Uint8Array> {
    checkPart(offBytes, lenBytes)
    return await this.#reading(key, async () => {
      const { cluster, sizeBytes } = await this.#file(key)
      const off = Math.min(offBytes, sizeBytes)
      return await this.#read(cluster, off, Math.min(lenBytes, sizeBytes - off))
    })
  }

  sizeBytes(key: string): Promise<number> {
    return this.#reading(key, async () => (await this.#file(key)).sizeBytes)
  }

  lastModified(key: string): Promise<WallInstant | undefined> {
    return this.#reading(key, async () => {
      const found = await this.#find(key)
      if (found === undefined) throw kvError('not-found', key)
      return found.entry?.writtenAt
    })
  }

  digest(key: string): Promise<string> {
    return this.#reading(key, async () => {
      const { cluster, sizeBytes } = await this.#file(key)
      const hash = new Sha256()
      for (let off = 0; off < sizeBytes; off += PIECE_BYTES) {
        hash.update(await this.#read(cluster, off, Math.min(PIECE_BYTES, sizeBytes - off)))
      }
      return hash.hex()
    })
  }

  list(key: string): Promise<readonly KvEntry[]> {
    return this.#reading(key, async () => {
      const found = await this.#find(key)
      if (found === undefined) throw kvError('not-found', key)
      if (kindOf(found) === 'value') throw kvError('dictionary-expected', key)
      const folder = await this.#volume.folder(found.entry?.cluster ?? 0)
      const entries = Array.from(
        folder.entries,
        ({ name, isFolder }): KvEntry => ({ name, kind: isFolder ? 'dictionary' : 'value' }),
      )
      return entries.sort(compareNames)
    })
  }

  set(key: string, value: Uint8Array): Promise<void> {
    return this.#changing(key, () =>
      this.#write(key, value.length, async (into, off) => into.set(value.subarray(off, off + into.length))),
    )
  }

  async setPartial(key: string, offBytes: number, octets: Uint8Array): Promise<void> {
    checkPart(offBytes, octets.length)
    await this.#changing(key, async () => {
      const old = (await this.#checkSettable(key)).entry
      if (old !== undefined && octets.length === 0) return
      const oldSize = old?.sizeBytes ?? 0
      const newSize = octets.length === 0 ? 0 : Math.max(oldSize, offBytes + octets.length)
      await this.#write(key, newSize, async (into, off) => {
        const oldLen = Math.max(0, Math.min(into.length, oldSize - off))
        if (old !== undefined && oldLen > 0) await this.#volume.readFile(old.cluster, off, into.subarray(0, oldLen))
        const from = Math.max(0, off - offBytes)
        const at = Math.max(0, offBytes - off)
        if (at < into.length) into.set(octets.subarray(from, from + into.length - at), at)
      })
    })
  }

  remove(key: string): Promise<void> {
    return this.#changing(key, async () => {
      const found = await this.#find(key)
      if (found === undefined) throw kvError('not-found', key)
      if (found.entry !== undefined) await this.#remove(found)
      else {
        const root = found.folders[0] as Folder
        for (const entry of [...root.entries]) await this.#remove({ folders: [root], path: [], entry })
      }
    })
  }

  rename(from: string, to: string): Promise<void> {
    return this.#changing(to, async () => {
      const found = await this.#find(from)
      if (found === undefined) throw kvError('not-found', from)
      if (from === to) return
      if (isBelow(to, from)) throw kvError('bad-key', to, `it is below ${from}`)
      const target = await this.#find(to)
      if (target !== undefined && (kindOf(target) === 'dictionary' || kindOf(found) === 'dictionary')) {
        throw kvError('already-present', to)
      }
      await this.#checkSettable(to)
      const files: { readonly key: string; readonly entry: FatEntry }[] = []
      await this.#walk(found.entry as FatEntry, '', (below, entry) => {
        if (!entry.isFolder) files.push({ key: below === '' ? to : joinKey(to, below), entry })
      })
      for (const { key } of files) checkWritableKey(key)
      try {
        for (const { key, entry } of files) {
          await this.#write(key, entry.sizeBytes, (into, off) => this.#volume.readFile(entry.cluster, off, into))
        }
      } catch (error) {
        const half = await this.#find(to)
        if (target === undefined && half !== undefined) await this.#remove(half)
        throw error
      }
      // The copy must be on the disk before the original goes.
      await this.#volume.commit()
      const original = await this.#find(from)
      if (original !== undefined) await this.#remove(original)
    })
  }

  flush(): Promise<void> {
    return this.#changing('', () => this.#volume.commit())
  }

  #reading<T>(key: string, body: () => Promise<T>): Promise<T> {
    return this.#lock.exclusive(async () => {
      try {
        return await body()
      } catch (error) {
        throw asKvError(error, key)
      }
    })
  }

  #changing(key: string, body: () => Promise<void>): Promise<void> {
    return this.#lock.exclusive(async () => {
      const { failure } = this.#volume
      if (failure !== undefined) {
        throw kvError('io', key, `writing has failed before: ${messageOf(failure)}`, failure)
      }
      if (this.#volume.isReadOnly) throw kvError('read-only', key)
      try {
        await body()
        if (this.#volume.isMuchPending) await this.#volume.commit()
      } catch (error) {
        if (error instanceof KvError || error instanceof RangeError) throw error
        // Of the device: how much of the change is in its tables is not known.
        this.#volume.failure ??= error
        throw asKvError(error, key)
      }
    })
  }

  /** Where a key leads, or `undefined`. */
  async #find(key: string): Promise<Found | undefined> {
    const segments = segmentsOf(key)
    if (segments === undefined || segments.length > MAX_DEPTH) return undefined
    const folders = [await this.#volume.folder(0)]
    const path: FatEntry[] = []
    for (const [i, name] of segments.entries()) {
      const entry = (folders.at(-1) as Folder).find(name)
      if (entry === undefined) return undefined
      if (i === segments.length - 1) return { folders, path, entry }
      if (!entry.isFolder) return undefined
      path.push(entry)
      folders.push(await this.#volume.folder(entry.cluster))
    }
    return { folders, path, entry: undefined }
  }

  async #file(key: string): Promise<FatEntry> {
    const found = await this.#find(key)
    if (found === undefined) throw kvError('not-found', key)
    if (found.entry === undefined || found.entry.isFolder) throw kvError('value-expected', key)
    return found.entry
  }

  async #read(cluster: number, off: number, lenBytes: number): Promise<Uint8Array> {
    // A length beyond the volume is no length to reserve memory for.
    const { clusterCount, clusterBytes, fatSector } = this.#volume.volume
    if (off + lenBytes > clusterCount * clusterBytes) throw corruptFat(fatSector, 'a file is longer than the volume')
    const octets = new Uint8Array(lenBytes)
    await this.#volume.readFile(cluster, off, octets)
    return octets
  }

  /** Throws unless a value can be put at `key`: says how far its folders exist, and which entry is there. */
  async #checkSettable(key: string): Promise<Place> {
    checkWritableKey(key)
    const segments = key.split('/')
    for (const name of segments) {
      const problem = nameProblem(name)
      if (problem !== undefined) throw kvError('bad-key', key, problem)
    }
    let folder = await this.#volume.folder(0)
    for (const [i, name] of segments.entries()) {
      const like = folder.findLike(name)
      if (like === undefined) return { folder, missing: segments.slice(i), entry: undefined }
      if (like.name !== name) throw kvError('bad-key', key, `${JSON.stringify(like.name)} differs in case only`)
      if (i === segments.length - 1) {
        if (like.isFolder) throw kvError('value-expected', key)
        return { folder, missing: [], entry: like }
      }
      if (!like.isFolder) throw kvError('dictionary-expected', key)
      folder = await this.#volume.folder(like.cluster)
    }
    throw kvError('bad-key', key)
  }

  /** Writes a value, and commits and tries once more when only freed clusters are missing. */
  async #write(key: string, sizeBytes: number, fill: (into: Uint8Array, off: number) => Promise<void>): Promise<void> {
    if (sizeBytes > MAX_FILE_BYTES) throw kvError('no-space', key, 'FAT takes no file of 4 GiB or more')
    const place = await this.#checkSettable(key)
    await this.#volume.begin()
    try {
      await this.#writeAt(place, sizeBytes, fill)
    } catch (error) {
      if (!(error instanceof KvError && error.code === 'no-space' && this.#volume.hasPendingChains)) throw error
      await this.#volume.commit()
      await this.#writeAt(await this.#checkSettable(key), sizeBytes, fill)
    }
  }

  async #writeAt(
    { folder, missing, entry }: Place,
    sizeBytes: number,
    fill: (into: Uint8Array, off: number) => Promise<void>,
  ): Promise<void> {
    const volume = this.#volume
    const time = volume.now()
    const fresh: number[] = []
    try {
      let cluster = await volume.writeNewFile(sizeBytes, fill)
      if (cluster !== 0) fresh.push(cluster)
      if (entry !== undefined) {
        const sector = folder.update(entry, (u8, off) => updateShortEntry(u8, off, { cluster, sizeBytes, time }))
        volume.changeFolder(folder, [sector])
        volume.freeLater(entry.cluster)
        return
      }
      // A new file in new folders: until the last step nothing leads to any of them.
      const names = missing.slice(1)
      const clusters: number[] = []
      for (const name of names) {
        const first = await volume.allocateFolder(2 + entryCountOf(name, new Set()))
        fresh.push(first)
        clusters.push(first)
      }
      for (const [i, name] of names.entries()) {
        const isLast = i === names.length - 1
        const entries = isLast
          ? entriesFor(name, new Set(), { isFolder: false, cluster, sizeBytes, time })
          : entriesFor(name, new Set(), { isFolder: true, cluster: clusters[i + 1] as number, sizeBytes: 0, time })
        const own = clusters[i] as number
        await volume.writeFolder(
          own,
          concat(emitDotEntries(own, clusters[i - 1] ?? volume.numberOf(folder), time), entries),
        )
      }
      const isFolder = names.length > 0
      if (isFolder) cluster = clusters[0] as number
      const shape = { isFolder, cluster, sizeBytes: isFolder ? 0 : sizeBytes, time }
      await volume.addToFolder(folder, entriesFor(missing[0] as string, folder.shortNames, shape))
    } catch (error) {
      for (const first of fresh) await volume.table.free(first)
      throw error
    }
  }

  /** Takes out what was found, and the folders that have nothing else in them. */
  async #remove({ folders, path, entry }: Found): Promise<void> {
    const volume = this.#volume
    let depth = folders.length - 1
    while (depth > 0 && (folders[depth] as Folder).entryCount === 1) depth--
    const top = depth < path.length ? (path[depth] as FatEntry) : (entry as FatEntry)
    const chains: FatEntry[] = []
    await this.#walk(top, '', (_, below) => chains.push(below))
    await volume.begin()
    const folder = folders[depth] as Folder
    volume.changeFolder(folder, folder.remove(top))
    for (const { cluster, isFolder } of chains) {
      if (isFolder) volume.forget(cluster)
      volume.freeLater(cluster)
    }
  }

  /** Calls `visit` with `entry` and everything below it; `key` is relative to `entry`. */
  async #walk(entry: FatEntry, key: string, visit: (key: string, entry: FatEntry) => void, depth = 0): Promise<void> {
    visit(key, entry)
    if (!entry.isFolder) return
    if (depth > MAX_DEPTH) throw corruptFat(this.#volume.sectorOf(entry.cluster), 'folders in folders without end')
    const { entries } = await this.#volume.folder(entry.cluster)
    for (const below of [...entries]) await this.#walk(below, joinKey(key, below.name), visit, depth + 1)
  }
}

interface EntryShape {
  readonly isFolder: boolean
  readonly cluster: number
  readonly sizeBytes: number
  readonly time: FatTime
}

/** The entries of a new file or folder. */
function entriesFor(
  name: string,
  taken: ReadonlySet<string>,
  { isFolder, cluster, sizeBytes, time }: EntryShape,
): Uint8Array {
  const exact = exactShortName(name)
  const isExact = exact !== undefined && !taken.has(exact)
  const shortName = isExact ? exact : makeShortName(name, taken)
  const attributes = isFolder ? ATTRIBUTE_FOLDER : ATTRIBUTE_ARCHIVE
  return emitEntries(name, { shortName, attributes, cluster, sizeBytes, time }, !isExact)
}

function entryCountOf(name: string, taken: ReadonlySet<string>): number {
  const shape = { isFolder: false, cluster: 0, sizeBytes: 0, time: { date: 0, time: 0 } }
  return entriesFor(name, taken, shape).length / ENTRY_LEN
}

function kindOf({ entry }: Found): 'value' | 'dictionary' {
  return entry === undefined || entry.isFolder ? 'dictionary' : 'value'
}

function concat(a: Uint8Array, b: Uint8Array): Uint8Array {
  const both = new Uint8Array(a.length + b.length)
  both.set(a)
  both.set(b, a.length)
  return both
}
