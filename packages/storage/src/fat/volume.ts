/**
 * A FAT volume at work: clusters, folders, and the order of writing that loses no old file.
 *
 * A crash between two flushes of the disk may keep any of the writes between them, so each commit has three steps, a flush
 * behind each: new contents, new folders and their chains, which nothing leads to yet; then the entries of folders that
 * lead to them, one sector each as a rule; then the chains that nothing leads to any more are freed. What a crash leaves
 * at worst are clusters that belong to nobody, which `fsck.vfat` gives back.
 */
import { KvError } from '@mirage-ts/core/errors'
import type { Block } from '@mirage-ts/signatures/block'
import type { WallClock } from '@mirage-ts/signatures/time'
import { createCachedBlock } from '../cached-block.ts'
import { corruptFat, ENTRY_LEN, readVolume, type Volume } from './boot-sector.ts'
import { type FatTime, fatTime } from './entries.ts'
import { Folder, MAX_FOLDER_BYTES } from './folder.ts'
import { FatTable } from './table.ts'

/** Transfers of contents are at most this long. */
export const PIECE_BYTES = 65_536
/** Folders kept in memory, and their octets in all. */
const MAX_FOLDERS = 32
const MAX_FOLDERS_BYTES = 4 * 1024 * 1024
/** Changes after which there is a commit without being asked for. */
const MAX_PENDING_SECTORS = 256
const MAX_PENDING_CHAINS = 4096

export class FatVolume {
  readonly volume: Volume
  readonly table: FatTable
  /** Why writing has failed: what the disk holds is not known any more. */
  failure: unknown
  readonly #block: Block
  readonly #clock: WallClock | undefined
  readonly #folders = new Map<number, Folder>()
  /** Sectors of folders that step two of the next commit writes. */
  readonly #pendingSectors = new Map<number, Uint8Array>()
  /** Chains that step three frees. */
  #pendingChains: number[] = []
  #isChanged = false
  /** The volume was not left in order before: not ours to declare it so. */
  #wasLeftDirty = false

  private constructor(volume: Volume, block: Block, clock: WallClock | undefined) {
    this.volume = volume
    this.#block = block
    this.#clock = clock
    this.table = new FatTable(block, volume)
  }

  static async open(disk: Block, clock: WallClock | undefined): Promise<FatVolume> {
    const volume = await readVolume(disk)
    const block = createCachedBlock({ block: withSectors(disk, volume) }, { lineCount: 256, lineSectors: 8 })
    const self = new FatVolume(volume, block, clock)
    await self.table.open()
    self.#wasLeftDirty = ((await self.#readSector(0))[volume.stateOff] as number) % 2 === 1
    return self
  }

  get isReadOnly(): boolean {
    return this.#block.isReadOnly
  }

  now(): FatTime {
    return fatTime(this.#clock?.now() ?? 0)
  }

  /** True when so much is pending that it is time for a commit. */
  get isMuchPending(): boolean {
    return this.#pendingSectors.size > MAX_PENDING_SECTORS || this.#pendingChains.length > MAX_PENDING_CHAINS
  }

  get hasPendingChains(): boolean {
    return this.#pendingChains.length > 0
  }

  /** To be called before the first change. */
  async begin(): Promise<void> {
    if (this.#isChanged) return
    this.#isChanged = true
    await this.#setState(true)
  }

  /** Writes everything, in the order that the head of this file tells. */
  async commit(): Promise<void> {
    if (!this.#isChanged) return
    try {
      await this.#block.flush()
      const sectors = [...this.#pendingSectors].sort(([a], [b]) => a - b)
      for (const [sector, octets] of sectors) await this.#block.write(sector, octets)
      if (sectors.length > 0) await this.#block.flush()
      this.#pendingSectors.clear()
      const chains = this.#pendingChains
      this.#pendingChains = []
      for (const first of chains) await this.table.free(first)
      await this.table.close()
      if (!this.#wasLeftDirty) await this.#setState(false)
      await this.#block.flush()
      this.#isChanged = false
    } catch (error) {
      this.failure = error
      throw error
    }
  }

  /** Frees a chain once nothing on the disk leads to it. */
  freeLater(first: number): void {
    if (first !== 0) this.#pendingChains.push(first)
  }

  /** The folder that begins at `cluster`, 0 for the root. The same object each time, as long as it is kept. */
  async folder(cluster: number): Promise<Folder> {
    const at = cluster === 0 ? this.volume.rootCluster : cluster
    const known = this.#folders.get(at)
    if (known !== undefined) {
      this.#folders.delete(at)
      this.#folders.set(at, known)
      return known
    }
    const folder = at === 0 ? await this.#readFixedRoot() : await this.#readFolder(at)
    this.#keep(folder)
    return folder
  }

  /** Forgets a folder that is removed. */
  forget(cluster: number): void {
    this.#folders.delete(cluster)
  }

  /** Has the sectors of `folder` with these indices written by the next commit. */
  changeFolder(folder: Folder, indices: readonly number[]): void {
    const { sectorBytes } = this.volume
    for (const index of indices) {
      const octets = folder.octets.slice(index * sectorBytes, (index + 1) * sectorBytes)
      this.#pendingSectors.set(folder.sectors[index] as number, octets)
    }
  }

  /** Puts the entries of a new file into `folder`. */
  async addToFolder(folder: Folder, entries: Uint8Array): Promise<void> {
    for (let changed = folder.add(entries); ; changed = folder.add(entries)) {
      if (changed !== undefined) {
        this.changeFolder(folder, changed)
        return
      }
      await this.#growFolder(folder)
    }
  }

  /** Takes clusters for a new folder of so many entries; returns the first. */
  async allocateFolder(entryCount: number): Promise<number> {
    const clusters = await this.table.allocate(Math.ceil((entryCount * ENTRY_LEN) / this.volume.clusterBytes))
    return clusters[0] as number
  }

  /** Writes the entries of a new folder, which nothing leads to yet. */
  async writeFolder(first: number, entries: Uint8Array): Promise<void> {
    const { clusterBytes } = this.volume
    const count = Math.ceil(entries.length / clusterBytes)
    for (const [i, cluster] of (await this.table.chain(first, count)).entries()) {
      const octets = new Uint8Array(clusterBytes)
      octets.set(entries.subarray(i * clusterBytes, (i + 1) * clusterBytes))
      await this.#block.write(this.sectorOf(cluster), octets)
    }
  }

  /** What `..` in a folder inside `folder` says: 0 for the root, also on FAT 32. */
  numberOf(folder: Folder): number {
    return folder.cluster === this.volume.rootCluster ? 0 : folder.cluster
  }

  /** Writes contents into new clusters, which nothing leads to yet; returns the first, 0 when there are none. */
  async writeNewFile(sizeBytes: number, fill: (into: Uint8Array, off: number) => Promise<void>): Promise<number> {
    const { clusterBytes } = this.volume
    if (sizeBytes === 0) return 0
    const clusters = await this.table.allocate(Math.ceil(sizeBytes / clusterBytes))
    const first = clusters[0] as number
    try {
      for (const run of this.#runs(clusters)) {
        const piece = new Uint8Array(run.count * clusterBytes)
        const off = run.index * clusterBytes
        await fill(piece.subarray(0, Math.min(piece.length, sizeBytes - off)), off)
        await this.#block.write(this.sectorOf(run.cluster), piece)
      }
    } catch (error) {
      await this.table.free(first)
      throw error
    }
    return first
  }

  /** Reads `into.length` octets of a file from `off` on; they are inside of it. */
  async readFile(first: number, off: number, into: Uint8Array): Promise<void> {
    const { clusterBytes, sectorBytes } = this.volume
    if (into.length === 0) return
    const startIndex = Math.floor(off / clusterBytes)
    const clusters = await this.#take(first, Math.ceil((off + into.length) / clusterBytes))
    for (const run of this.#runs(clusters.slice(startIndex))) {
      const runOff = (startIndex + run.index) * clusterBytes
      const from = Math.max(off, runOff)
      const end = Math.min(off + into.length, runOff + run.count * clusterBytes)
      const firstSector = Math.floor((from - runOff) / sectorBytes)
      const sectors = Math.ceil((end - runOff) / sectorBytes) - firstSector
      const piece = new Uint8Array(sectors * sectorBytes)
      await this.#block.read(this.sectorOf(run.cluster) + firstSector, piece)
      const skip = from - runOff - firstSector * sectorBytes
      into.set(piece.subarray(skip, skip + end - from), from - off)
    }
  }

  sectorOf(cluster: number): number {
    return this.volume.dataSector + (cluster - 2) * this.volume.clusterSectors
  }

  /** The first `count` clusters of a file. */
  async #take(first: number, count: number): Promise<number[]> {
    this.table.check(first)
    const clusters = [first]
    for (let at = first; clusters.length < count; ) {
      const next = await this.table.next(at)
      if (next === undefined) throw corruptFat(this.sectorOf(at), `a file ends after ${clusters.length} clusters`)
      clusters.push(next)
      at = next
    }
    return clusters
  }

  /** Neighbouring clusters together, up to the length of a piece. */
  *#runs(
    clusters: readonly number[],
  ): Generator<{ readonly cluster: number; readonly index: number; readonly count: number }> {
    const most = Math.max(1, Math.floor(PIECE_BYTES / this.volume.clusterBytes))
    for (let index = 0; index < clusters.length; ) {
      const cluster = clusters[index] as number
      let count = 1
      while (count < most && clusters[index + count] === cluster + count) count++
      yield { cluster, index, count }
      index += count
    }
  }

  async #readFixedRoot(): Promise<Folder> {
    const { rootSector, rootSectors } = this.volume
    return await this.#readSectors(
      0,
      0,
      Array.from({ length: rootSectors }, (_, i) => rootSector + i),
    )
  }

  async #readFolder(cluster: number): Promise<Folder> {
    const { clusterBytes, clusterSectors } = this.volume
    const chain = await this.table.chain(cluster, Math.ceil(MAX_FOLDER_BYTES / clusterBytes))
    const sectors = chain.flatMap((at) => Array.from({ length: clusterSectors }, (_, i) => this.sectorOf(at) + i))
    return await this.#readSectors(cluster, chain.at(-1) as number, sectors)
  }

  async #readSectors(cluster: number, lastCluster: number, sectors: number[]): Promise<Folder> {
    const { bits, sectorBytes } = this.volume
    const octets = new Uint8Array(sectors.length * sectorBytes)
    for (const [i, sector] of sectors.entries()) {
      const into = octets.subarray(i * sectorBytes, (i + 1) * sectorBytes)
      const pending = this.#pendingSectors.get(sector)
      if (pending === undefined) await this.#block.read(sector, into)
      else into.set(pending)
    }
    return new Folder({ cluster, lastCluster, bits, sectorBytes }, octets, sectors)
  }

  #keep(folder: Folder): void {
    this.#folders.set(folder.cluster, folder)
    let lenBytes = 0
    for (const { octets } of this.#folders.values()) lenBytes += octets.length
    for (const [cluster, old] of this.#folders) {
      if (this.#folders.size <= MAX_FOLDERS && lenBytes <= MAX_FOLDERS_BYTES) return
      if (old === folder) return
      lenBytes -= old.octets.length
      this.#folders.delete(cluster)
    }
  }

  async #growFolder(folder: Folder): Promise<void> {
    const { clusterBytes, clusterSectors } = this.volume
    if (folder.cluster === 0 || folder.octets.length + clusterBytes > MAX_FOLDER_BYTES) {
      throw new KvError('no-space', 'Cannot write to the FAT volume: a folder is full')
    }
    const [cluster] = (await this.table.allocate(1)) as [number]
    const sector = this.sectorOf(cluster)
    await this.#block.write(sector, new Uint8Array(clusterBytes))
    // The zeros first: what the cluster held before must never be read as entries.
    await this.#block.flush()
    await this.table.set(folder.lastCluster, cluster)
    folder.grow(
      cluster,
      Array.from({ length: clusterSectors }, (_, i) => sector + i),
    )
  }

  async #setState(isDirty: boolean): Promise<void> {
    const octets = await this.#readSector(0)
    const at = this.volume.stateOff
    octets[at] = isDirty ? (octets[at] as number) | 1 : (octets[at] as number) & 0xfe
    await this.#block.write(0, octets)
  }

  async #readSector(sector: number): Promise<Uint8Array> {
    const octets = new Uint8Array(this.volume.sectorBytes)
    await this.#block.read(sector, octets)
    return octets
  }
}

/** The disk with the sectors of the volume, which may be larger than its own. */
function withSectors(disk: Block, { sectorBytes, sectorCount }: Volume): Block {
  const scale = sectorBytes / disk.sectorBytes
  return {
    sectorBytes,
    sectorCount,
    isReadOnly: disk.isReadOnly,
    read: (sector, into) => disk.read(sector * scale, into),
    write: (sector, from) => disk.write(sector * scale, from),
    flush: () => disk.flush(),
    discard: (sector, count) => disk.discard(sector * scale, count * scale),
    close: () => disk.close(),
  }
}
