/** A folder in memory: its octets, what they say, and the sectors they came from. */
import { ENTRY_LEN } from './boot-sector.ts'
import { type FatEntry, freeEntry, isFreeEntry, parseFolder } from './entries.ts'
import { foldName } from './names.ts'

/** fatgen: a folder has at most 65,536 entries. */
export const MAX_FOLDER_BYTES: number = 65_536 * ENTRY_LEN

export class Folder {
  /** First cluster; 0 for the root of FAT 12 and 16, which has none. */
  readonly cluster: number
  /** Last cluster; new ones are chained to it. */
  lastCluster: number
  octets: Uint8Array
  /** Where each `sectorBytes` of the octets are. */
  readonly sectors: number[]
  readonly #bits: number
  readonly #sectorBytes: number
  readonly #byName = new Map<string, FatEntry>()
  readonly #shortNames = new Set<string>()
  /** Entries up to the one that says that no more follow. */
  #usedCount = 0
  /** No entry before this one is free. */
  #firstFree = 0
  /** An entry is there that cannot be seen: it may be once another one goes. */
  #hasHidden = false

  constructor(
    shape: {
      readonly cluster: number
      readonly lastCluster: number
      readonly bits: number
      readonly sectorBytes: number
    },
    octets: Uint8Array,
    sectors: number[],
  ) {
    this.cluster = shape.cluster
    this.lastCluster = shape.lastCluster
    this.#bits = shape.bits
    this.#sectorBytes = shape.sectorBytes
    this.octets = octets
    this.sectors = sectors
    this.#parse()
  }

  /** Files and folders, in no order. */
  get entries(): Iterable<FatEntry> {
    return this.#byName.values()
  }

  get entryCount(): number {
    return this.#byName.size
  }

  /** The entry of exactly this name. */
  find(name: string): FatEntry | undefined {
    const entry = this.#byName.get(foldName(name))
    return entry?.name === name ? entry : undefined
  }

  /** The entry whose name is this one but for case. */
  findLike(name: string): FatEntry | undefined {
    return this.#byName.get(foldName(name))
  }

  get shortNames(): ReadonlySet<string> {
    return this.#shortNames
  }

  /**
   * Puts the entries of a new file where they fit, in one sector if they fit one, so that a crash keeps all of them or
   * none. Returns the indices of the sectors that changed, or `undefined` when the folder must grow first.
   */
  add(entries: Uint8Array): number[] | undefined {
    const count = entries.length / ENTRY_LEN
    const start = this.#findRoom(count)
    if (start < 0) return undefined
    const changed = new Set<number>()
    // What lies between the end and the new entries is not the end any more.
    for (let index = this.#usedCount; index < start; index++) {
      freeEntry(this.octets, index * ENTRY_LEN)
      changed.add(this.#sectorOf(index))
    }
    this.octets.set(entries, start * ENTRY_LEN)
    for (let index = start; index < start + count; index++) changed.add(this.#sectorOf(index))
    const end = start + count
    if (end > this.#usedCount && end * ENTRY_LEN < this.octets.length && this.octets[end * ENTRY_LEN] !== 0) {
      this.octets[end * ENTRY_LEN] = 0
      changed.add(this.#sectorOf(end))
    }
    this.#usedCount = Math.max(this.#usedCount, end)
    if (start <= this.#firstFree) this.#firstFree = end
    this.#parseRange(start, end)
    return [...changed]
  }

  /** Takes a file out and returns the indices of the sectors that changed. */
  remove(entry: FatEntry): number[] {
    const { first, index } = entry
    const changed = new Set<number>()
    for (let at = first; at <= index; at++) {
      freeEntry(this.octets, at * ENTRY_LEN)
      changed.add(this.#sectorOf(at))
    }
    this.#firstFree = Math.min(this.#firstFree, first)
    if (this.#hasHidden) this.#parse()
    else this.#leave(entry)
    return [...changed]
  }

  /** Changes the short entry of a file and returns the index of its sector. */
  update(entry: FatEntry, change: (octets: Uint8Array, off: number) => void): number {
    const { first, index } = entry
    change(this.octets, index * ENTRY_LEN)
    this.#leave(entry)
    this.#parseRange(first, index + 1)
    return this.#sectorOf(index)
  }

  /** Appends a cluster of zeros. */
  grow(cluster: number, sectors: readonly number[]): void {
    const octets = new Uint8Array(this.octets.length + sectors.length * this.#sectorBytes)
    octets.set(this.octets)
    this.octets = octets
    this.sectors.push(...sectors)
    this.lastCluster = cluster
  }

  #parse(): void {
    const { entries, usedCount } = parseFolder(this.octets, this.#bits)
    this.#usedCount = usedCount
    this.#firstFree = 0
    this.#hasHidden = false
    this.#byName.clear()
    this.#shortNames.clear()
    for (const entry of entries) this.#enter(entry)
  }

  /** Reads the entries `[start, end)` alone: in a folder of thousands of files a change of one is not to cost them all. */
  #parseRange(start: number, end: number): void {
    const octets = this.octets.subarray(start * ENTRY_LEN, end * ENTRY_LEN)
    for (const entry of parseFolder(octets, this.#bits).entries) {
      this.#enter({ ...entry, first: start + entry.first, index: start + entry.index })
    }
  }

  #enter(entry: FatEntry): void {
    const { name, shortName } = entry
    const folded = foldName(name)
    this.#shortNames.add(shortName)
    // Of two files of one name the first counts; what could be no key is not shown.
    const isKey = name !== '' && name !== '.' && name !== '..' && !/[/\0]/.test(name) && name.isWellFormed()
    if (isKey && !this.#byName.has(folded)) this.#byName.set(folded, entry)
    else this.#hasHidden = true
  }

  #leave({ name, shortName }: FatEntry): void {
    this.#byName.delete(foldName(name))
    this.#shortNames.delete(shortName)
  }

  #sectorOf(index: number): number {
    return Math.floor((index * ENTRY_LEN) / this.#sectorBytes)
  }

  /** The index of the first of `count` neighbouring free entries; -1 when there are none. */
  #findRoom(count: number): number {
    const total = this.octets.length / ENTRY_LEN
    const perSector = this.#sectorBytes / ENTRY_LEN
    let start = this.#firstFree - (this.#firstFree % perSector)
    for (let index = start; index < total; index++) {
      if (count <= perSector && index % perSector === 0) start = index
      if (index < this.#usedCount && !isFreeEntry(this.octets, index * ENTRY_LEN)) start = index + 1
      else if (index + 1 - start >= count) return start
    }
    return -1
  }
}
