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
  #byName = new Map<string, FatEntry>()
  #usedCount = 0

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

  /** Files and folders, in the order of the disk. */
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

  shortNames(): Set<string> {
    return new Set(Array.from(this.#byName.values(), ({ shortName }) => shortName))
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
    this.#parse()
    return [...changed]
  }

  /** Takes a file out and returns the indices of the sectors that changed. */
  remove({ first, index }: FatEntry): number[] {
    const changed = new Set<number>()
    for (let at = first; at <= index; at++) {
      freeEntry(this.octets, at * ENTRY_LEN)
      changed.add(this.#sectorOf(at))
    }
    this.#parse()
    return [...changed]
  }

  /** Changes the short entry of a file and returns the index of its sector. */
  update({ index }: FatEntry, change: (octets: Uint8Array, off: number) => void): number {
    change(this.octets, index * ENTRY_LEN)
    this.#parse()
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
    this.#byName = new Map()
    for (const entry of entries) {
      const folded = foldName(entry.name)
      // Of two files of one name the first counts; what could be no key is not shown.
      const isKey = entry.name !== '' && entry.name !== '.' && entry.name !== '..' && !/[/\0]/.test(entry.name)
      if (isKey && entry.name.isWellFormed() && !this.#byName.has(folded)) this.#byName.set(folded, entry)
    }
  }

  #sectorOf(index: number): number {
    return Math.floor((index * ENTRY_LEN) / this.#sectorBytes)
  }

  /** The index of the first of `count` neighbouring free entries; -1 when there are none. */
  #findRoom(count: number): number {
    const total = this.octets.length / ENTRY_LEN
    const perSector = this.#sectorBytes / ENTRY_LEN
    let start = 0
    for (let index = 0; index < total; index++) {
      if (count <= perSector && index % perSector === 0) start = index
      if (index < this.#usedCount && !isFreeEntry(this.octets, index * ENTRY_LEN)) start = index + 1
      else if (index + 1 - start >= count) return start
    }
    return -1
  }
}
