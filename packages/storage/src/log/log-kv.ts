/**
 * A store for disks and flash that loses nothing: values and their index in one log with checksums, transactions over
 * several keys, memory bounded however large the store is, space won back while it runs.
 *
 * docs/storage-design.md has the design and the format. A change that has resolved is in memory and in the log; it becomes
 * durable with `flush`, or earlier when much has piled up. After a failure of the device while writing, the store refuses
 * every change until it is opened again: what the disk has then is known only by reading it anew.
 */
import { KvError, messageOf } from '@mirage-ts/core/errors'
import { asKvError, checkPart, compareNames, isBelow, kvError } from '@mirage-ts/core/kv-key'
import { Lock } from '@mirage-ts/core/lock'
import type { Block } from '@mirage-ts/signatures/block'
import type { KvChange, KvEntry, KvTransactional } from '@mirage-ts/signatures/kv'
import type { Random } from '@mirage-ts/signatures/random'
import { Sha256 } from '../sha256.ts'
import { Change } from './change.ts'
import { clean } from './cleaner.ts'
import {
  chooseGeometry,
  emitSuperblock,
  FIRST_ANCHOR_OFF,
  HEADER_BYTES,
  readSuperblock,
  SUPERBLOCK_OFFS,
} from './format.ts'
import { behind, belowPrefix, nameOf, treeKeyOf, writableTreeKey } from './keys.ts'
import { HEAD } from './leaf.ts'
import { Log } from './log.ts'
import { Lookup } from './lookup.ts'
import { recover } from './recover.ts'
import { Tree } from './tree.ts'
import { Values } from './values.ts'

export interface LogKvOptions {
  /** Nodes of the index kept in memory, 4 to 8 KiB each; 1,024 by default. With a million keys all but the leaves fit. */
  readonly cacheNodes?: number
}

export interface LogKvDeps {
  readonly block: Block
  readonly random: Random
}

/** The store with what can be known about its disk. */
export interface LogKv extends KvTransactional {
  readonly stats: LogKvStats
}

export interface LogKvStats {
  readonly keyCount: number
  /** Octets in use, index included, and how many may be. */
  readonly usedBytes: number
  readonly capacityBytes: number
}

/** Opens the store on `block`; a disk whose beginning is all zeros gets an empty one. Rejects when something else is there. */
export async function createLogKv(deps: LogKvDeps, options: LogKvOptions = {}): Promise<LogKv> {
  if (await isBlank(deps.block)) await formatLogKv(deps)
  return await openLogKv(deps, options)
}

/** True when nothing is on the disk, or what a formatting left that a crash has cut short: no superblock, an anchor. */
async function isBlank(block: Block): Promise<boolean> {
  const octets = new Uint8Array(HEADER_BYTES)
  if (octets.length > block.sectorBytes * block.sectorCount) return true
  await block.read(0, octets)
  const anchorOff = FIRST_ANCHOR_OFF
  return octets.every((octet, at) => octet === 0 || (at >= anchorOff && at < anchorOff + block.sectorBytes))
}

/** Makes an empty store on `block`, whatever is there. */
export async function formatLogKv({ block, random }: LogKvDeps): Promise<void> {
  const geometry = chooseGeometry(block, random.u32())
  await block.write(0, new Uint8Array(HEADER_BYTES))
  await block.flush()
  const state = {
    live: new Uint32Array(geometry.segmentCount),
    sequence: 0,
    commitCrc: 0,
    // As if a segment had just been filled: the first record opens segment 0.
    headSegment: geometry.segmentCount - 1,
    headOff: geometry.segmentUnits,
    nextSegment: 0,
    chain: [],
    anchorIndex: 0,
  }
  const log = new Log(block, random, geometry, state)
  const tree = Tree.createEmpty(log, 16)
  await log.checkpoint(await tree.write())
  for (const off of SUPERBLOCK_OFFS) await block.write(off / geometry.unitBytes, emitSuperblock(geometry))
  await block.flush()
}

/** Opens the store that is on `block`. Nothing is written before the first change. */
export async function openLogKv(
  { block, random }: LogKvDeps,
  { cacheNodes = 1024 }: LogKvOptions = {},
): Promise<LogKv> {
  const geometry = await readSuperblock(block)
  const recovered = await recover(block, geometry)
  const log = new Log(block, random, geometry, recovered.log)
  const tree = await Tree.open(log, Math.max(16, cacheNodes), recovered.tree)
  return new LogKvStore(log, tree, Math.max(16, cacheNodes))
}

/** Octets written since the last commit after which there is one without being asked for; fewer on a small disk. */
const BATCH_BYTES = 8 * 1024 * 1024
const NODE_UNITS_BYTES = 4096

class LogKvStore implements LogKv {
  readonly #log: Log
  readonly #tree: Tree
  readonly #values: Values
  readonly #lookup: Lookup
  readonly #lock = new Lock()
  readonly #maxDirty: number
  readonly #maxBatchUnits: number
  #hasChanges = false

  constructor(log: Log, tree: Tree, cacheNodes: number) {
    this.#log = log
    this.#tree = tree
    this.#values = new Values(log, tree)
    this.#lookup = new Lookup(tree)
    this.#maxDirty = Math.max(8, cacheNodes >>> 1)
    this.#maxBatchUnits = Math.min(BATCH_BYTES / log.geometry.unitBytes, log.capacityUnits / 8)
  }

  get stats(): LogKvStats {
    const { unitBytes } = this.#log.geometry
    return {
      keyCount: this.#tree.keyCount,
      usedBytes: this.#log.liveUnits * unitBytes,
      capacityBytes: this.#log.capacityUnits * unitBytes,
    }
  }

  exists(key: string): Promise<'value' | 'dictionary' | undefined> {
    return this.#reading(key, async () => {
      const treeKey = treeKeyOf(key)
      return treeKey === undefined ? undefined : await this.#lookup.kind(treeKey)
    })
  }

  get(key: string): Promise<Uint8Array> {
    return this.#reading(key, async () => {
      const head = await this.#lookup.head(key)
      return await this.#values.readRange(head, 0, head.sizeBytes)
    })
  }

  async getPartial(key: string, offBytes: number, lenBytes: number): Promise<Uint8Array> {
    checkPart(offBytes, lenBytes)
    return await this.#reading(key, async () => {
      const head = await this.#lookup.head(key)
      const off = Math.min(offBytes, head.sizeBytes)
      return await this.#values.readRange(head, off, Math.min(offBytes + lenBytes, head.sizeBytes))
    })
  }

  sizeBytes(key: string): Promise<number> {
    return this.#reading(key, async () => (await this.#lookup.head(key)).sizeBytes)
  }

  /** The store keeps no times. */
  lastModified(key: string): Promise<undefined> {
    return this.#reading(key, async () => {
      const treeKey = treeKeyOf(key)
      if (treeKey === undefined || (await this.#lookup.kind(treeKey)) === undefined) throw kvError('not-found', key)
      return undefined
    })
  }

  digest(key: string): Promise<string> {
    return this.#reading(key, async () => {
      const head = await this.#lookup.head(key)
      const hash = new Sha256()
      for (let i = 0; i < this.#values.chunkCount(head.sizeBytes); i++) {
        hash.update(await this.#values.readChunk(head, i))
      }
      return hash.hex()
    })
  }

  list(key: string): Promise<readonly KvEntry[]> {
    return this.#reading(key, async () => {
      const treeKey = treeKeyOf(key)
      const kind = treeKey === undefined ? undefined : await this.#lookup.kind(treeKey)
      if (treeKey === undefined || kind === undefined) throw kvError('not-found', key)
      if (kind === 'value') throw kvError('dictionary-expected', key)
      const entries: KvEntry[] = []
      const prefix = belowPrefix(treeKey)
      await this.#tree.scan(prefix, (entry) => {
        if (!entry.key.startsWith(prefix)) return false
        const end = entry.key.indexOf('\0', prefix.length)
        const name = nameOf(entry.key.slice(prefix.length, end < 0 ? undefined : end))
        if (name === undefined) throw new KvError('corrupt', `Cannot list ${JSON.stringify(key)}: a name is not UTF-8`)
        entries.push({ name, kind: end < 0 ? 'value' : 'dictionary' })
        // Over the pieces of a value and all that is in a dictionary.
        return end >= 0 ? behind(entry.key.slice(0, end)) : entry.tag === HEAD ? behind(entry.key) : true
      })
      return entries.sort(compareNames)
    })
  }

  set(key: string, value: Uint8Array): Promise<void> {
    return this.commit([{ tag: 'set', key, value }])
  }

  remove(key: string): Promise<void> {
    return this.commit([{ tag: 'remove', key }])
  }

  commit(changes: readonly KvChange[]): Promise<void> {
    return this.#changing(async (change) => {
      let units = 0
      let isGrowing = false
      for (const one of changes) {
        if (one.tag === 'remove') continue
        units += this.#values.unitsOf(writableTreeKey(one.key).length, one.value.length)
        isGrowing = true
      }
      await this.#makeRoom(units, changes.length, isGrowing)
      for (const one of changes) {
        if (one.tag === 'remove') await this.#remove(change, one.key)
        else await this.#set(change, one.key, one.value)
      }
    })
  }

  async setPartial(key: string, offBytes: number, octets: Uint8Array): Promise<void> {
    checkPart(offBytes, octets.length)
    await this.#changing(async (change) => {
      const treeKey = await this.#lookup.checkSettable(key)
      let head = await this.#tree.get(treeKey)
      if (head !== undefined && octets.length === 0) return
      const end = octets.length === 0 ? 0 : offBytes + octets.length
      const oldSize = head?.sizeBytes ?? 0
      const newSize = Math.max(oldSize, end)
      const { chunkBytes } = this.#log.geometry
      const firstOff = Math.min(offBytes, oldSize)
      const units = this.#values.unitsOf(treeKey.length, end - firstOff + 2 * chunkBytes)
      await this.#makeRoom(units, this.#values.chunkCount(end - firstOff) + 2, true)
      head = await this.#tree.get(treeKey) // cleaning may have moved it
      if (newSize <= chunkBytes) {
        const value = new Uint8Array(newSize)
        if (head !== undefined) value.set(await this.#values.readRange(head, 0, oldSize))
        value.set(octets, octets.length === 0 ? 0 : offBytes)
        await change.put(await this.#values.writeValue(treeKey, value))
        return
      }
      await change.setChunks(treeKey, head, offBytes, octets, newSize)
    })
  }

  rename(from: string, to: string): Promise<void> {
    return this.#changing(async (change) => {
      const fromKey = treeKeyOf(from)
      const kind = fromKey === undefined ? undefined : await this.#lookup.kind(fromKey)
      if (fromKey === undefined || kind === undefined) throw kvError('not-found', from)
      if (from === to) return
      if (isBelow(to, from)) throw kvError('bad-key', to, `it is below ${from}`)
      const toKey = treeKeyOf(to)
      const target = toKey === undefined ? undefined : await this.#lookup.kind(toKey)
      if (target === 'dictionary' || (target === 'value' && kind === 'dictionary')) throw kvError('already-present', to)
      const newKey = await this.#lookup.checkSettable(to)
      const heads = await this.#lookup.headsOf(fromKey, kind)
      const units = heads.reduce((sum, head) => sum + this.#values.unitsOf(1024, head.sizeBytes), 0)
      const longest = heads.reduce((max, { key }) => Math.max(max, key.length), 0)
      if (longest - fromKey.length + newKey.length > 1024)
        throw kvError('bad-key', to, 'a key below it would be too long')
      await this.#makeRoom(units, 2 * heads.length, true)
      // Once more: making room may have moved them.
      for (const head of await this.#lookup.headsOf(fromKey, kind)) {
        // A record says whose it is, so a value that is renamed is written anew.
        const value = await this.#values.readRange(head, 0, head.sizeBytes)
        await change.removeValue(head)
        const key = newKey + head.key.slice(fromKey.length)
        await change.put(await this.#values.writeValue(key, value))
      }
    })
  }

  flush(): Promise<void> {
    return this.#lock.exclusive(async () => {
      this.#checkUsable()
      if (this.#hasChanges) await this.#commit()
    })
  }

  async #reading<T>(key: string, body: () => Promise<T>): Promise<T> {
    return await this.#lock.shared(async () => {
      try {
        return await body()
      } catch (error) {
        throw asKvError(error, key)
      }
    })
  }

  /** Runs a change alone. When it fails, what it has done is taken back. */
  #changing(body: (change: Change) => Promise<void>): Promise<void> {
    return this.#lock.exclusive(async () => {
      this.#checkUsable()
      const change = new Change(this.#log, this.#tree, this.#values)
      try {
        await body(change)
      } catch (error) {
        if (!change.isEmpty) {
          await this.#guard(() => change.undo())
          this.#hasChanges = true
        }
        throw asKvError(error, '')
      }
      change.keep()
      if (!change.isEmpty) this.#hasChanges = true
      const isMuch = this.#log.batchUnits > this.#maxBatchUnits
      if (isMuch || this.#tree.dirtyCount > this.#maxDirty) await this.#commit()
    })
  }

  async #commit(): Promise<void> {
    await this.#guard(async () => this.#log.commit(await this.#tree.write()))
    this.#hasChanges = false
  }

  /** Runs what must not stop half-way: after a failure the store takes no more changes. */
  async #guard(body: () => Promise<void>): Promise<void> {
    try {
      await body()
    } catch (error) {
      this.#log.failure ??= error
      throw asKvError(error, '')
    }
  }

  #checkUsable(): void {
    const { failure } = this.#log
    if (failure === undefined) return
    throw new KvError('io', `Cannot change the store, writing has failed before: ${messageOf(failure)}`, {
      cause: failure,
    })
  }

  /**
   * Sees to it that `units` of values and the nodes above `keyCount` keys can be written. Nothing may be pending but whole
   * changes: cleaning commits.
   */
  async #makeRoom(units: number, keyCount: number, isGrowing: boolean): Promise<void> {
    const log = this.#log
    const { segmentUnits, unitBytes } = log.geometry
    const nodeUnits = Math.max(1, NODE_UNITS_BYTES / unitBytes)
    const newNodes = Math.min(keyCount, 64) * (this.#tree.height + 1) + Math.ceil(keyCount / 3)
    const nodesUnits = (): number => (this.#tree.dirtyCount + newNodes) * nodeUnits
    if (isGrowing && log.liveUnits + units + Math.ceil(keyCount / 3) * nodeUnits > log.capacityUnits) {
      throw new KvError('no-space', 'Cannot write to the store: it is full')
    }
    const reserve = (isGrowing ? 3 : 1) * segmentUnits
    // Pieces that do not fit the rest of a segment leave it empty.
    const needed = (): number => Math.ceil(units * 1.35) + nodesUnits() + reserve
    /** Segments that cleaning did not empty: something in them is damaged. */
    const stuck = new Set<number>()
    let isLogTrimmed = false
    for (let round = 0; log.roomUnits < needed(); round++) {
      let victims: number[] = []
      await this.#guard(async () => {
        victims = await clean(log, this.#tree, this.#values, stuck)
        const state = await this.#tree.write()
        // Without anything to clean, the log itself may be what holds the segments.
        if (victims.length === 0) await log.checkpoint(state)
        else await log.commit(state)
      })
      this.#hasChanges = false
      for (const segment of victims) if (log.live[segment] !== 0) stuck.add(segment)
      const isHopeless = victims.length === 0 && isLogTrimmed && log.roomUnits < needed()
      isLogTrimmed = victims.length === 0
      // Data that cannot be packed closer may go round and round.
      if (isHopeless || round > 2 * log.geometry.segmentCount) {
        throw new KvError('no-space', 'Cannot write to the store: it is full, and no segment is worth cleaning')
      }
    }
  }

  async #set(change: Change, key: string, value: Uint8Array): Promise<void> {
    const treeKey = await this.#lookup.checkSettable(key)
    await change.put(await this.#values.writeValue(treeKey, value))
  }

  async #remove(change: Change, key: string): Promise<void> {
    const treeKey = treeKeyOf(key)
    const kind = treeKey === undefined ? undefined : await this.#lookup.kind(treeKey)
    if (treeKey === undefined || kind === undefined) throw kvError('not-found', key)
    for (const head of await this.#lookup.headsOf(treeKey, kind)) await change.removeValue(head)
  }
}
