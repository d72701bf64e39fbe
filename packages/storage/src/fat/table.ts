/** The file allocation table: which cluster follows which, and which are free. */
import { KvError } from '@mirage-ts/core/errors'
import type { Block } from '@mirage-ts/signatures/block'
import { corruptFat, type Volume } from './boot-sector.ts'

const LITTLE = true
/** fatgen "FAT32 FSInfo Sector Structure" */
const INFO_FREE = 488
const INFO_NEXT = 492
const INFO_LEAD = 0x41615252
const UNKNOWN = 0xffff_ffff

export class FatTable {
  /** Free clusters as the volume says; -1 when it does not. */
  freeCount = -1
  private readonly block: Block
  private readonly volume: Volume
  /** Where the search for a free cluster begins. */
  private hint = 2

  /** `block` has the sectors of the volume, and is a cache: single entries are read and written. */
  constructor(block: Block, volume: Volume) {
    this.block = block
    this.volume = volume
  }

  /** Reads what the volume says of its free clusters. */
  async open(): Promise<void> {
    const info = await this.readInfo()
    if (info === undefined) return
    const free = info.getUint32(INFO_FREE, LITTLE)
    const next = info.getUint32(INFO_NEXT, LITTLE)
    if (free <= this.volume.clusterCount) this.freeCount = free
    if (next >= 2 && next < this.volume.clusterCount + 2) this.hint = next
  }

  /** Writes it. */
  async close(): Promise<void> {
    const info = await this.readInfo()
    if (info === undefined) return
    info.setUint32(INFO_FREE, this.freeCount < 0 ? UNKNOWN : this.freeCount, LITTLE)
    info.setUint32(INFO_NEXT, this.hint, LITTLE)
    await this.block.write(this.volume.infoSector, new Uint8Array(info.buffer))
  }

  /** The cluster behind `cluster`, or `undefined` at the end of the chain. */
  async next(cluster: number): Promise<number | undefined> {
    const value = await this.get(cluster)
    const { bits, clusterCount } = this.volume
    const end = bits === 32 ? 0x0fff_fff8 : bits === 16 ? 0xfff8 : 0xff8
    if (value >= end) return undefined
    if (value < 2 || value > clusterCount + 1) {
      throw corruptFat(this.sectorOf(cluster), `cluster ${cluster} is followed by ${value}, which is none`)
    }
    return value
  }

  /** The clusters of a chain in order, at most `maxCount`: a longer one, or one that goes round, is corrupt. */
  async chain(first: number, maxCount: number): Promise<number[]> {
    const clusters: number[] = []
    this.check(first)
    for (let at: number | undefined = first; at !== undefined; at = await this.next(at)) {
      if (clusters.length >= maxCount) throw corruptFat(this.sectorOf(at), `the chain from ${first} on is too long`)
      clusters.push(at)
    }
    return clusters
  }

  /** Takes `count` free clusters and chains them; as much as possible they lie one behind the other. */
  async allocate(count: number): Promise<number[]> {
    const { clusterCount } = this.volume
    const clusters: number[] = []
    let at = this.hint
    for (let looked = 0; clusters.length < count; looked++, at++) {
      if (looked >= clusterCount) throw new KvError('no-space', 'Cannot write to the FAT volume: it is full')
      if (at >= clusterCount + 2) at = 2
      if ((await this.get(at)) === 0) clusters.push(at)
    }
    for (const [i, cluster] of clusters.entries()) await this.set(cluster, clusters[i + 1])
    this.hint = at >= clusterCount + 2 ? 2 : at
    if (this.freeCount >= 0) this.freeCount -= count
    return clusters
  }

  /** Puts `next` behind `cluster`; `undefined` makes it the last one. */
  async set(cluster: number, next: number | undefined): Promise<void> {
    await this.put(cluster, next ?? 0x0fff_ffff)
  }

  /** Frees a chain, as far as it makes sense. */
  async free(first: number): Promise<void> {
    let at: number | undefined = first
    for (let count = 0; at !== undefined && count < this.volume.clusterCount; count++) {
      const behind: number | undefined = await this.next(at)
      await this.put(at, 0)
      if (this.freeCount >= 0) this.freeCount++
      at = behind
    }
  }

  /** Counts the free clusters one by one. */
  async countFree(): Promise<number> {
    let count = 0
    for (let cluster = 2; cluster < this.volume.clusterCount + 2; cluster++)
      if ((await this.get(cluster)) === 0) count++
    return count
  }

  /** Throws unless `cluster` is one of the volume. */
  check(cluster: number): void {
    if (cluster < 2 || cluster > this.volume.clusterCount + 1) {
      throw corruptFat(this.volume.fatSector, `cluster ${cluster} is none of the volume`)
    }
  }

  private sectorOf(cluster: number): number {
    const { bits, sectorBytes, fatSector } = this.volume
    return fatSector + Math.floor((cluster * bits) / 8 / sectorBytes)
  }

  private async get(cluster: number): Promise<number> {
    const { bits, sectorBytes } = this.volume
    const off = Math.floor((cluster * bits) / 8)
    const view = await this.sector(Math.floor(off / sectorBytes))
    const at = off % sectorBytes
    if (bits === 32) return view.getUint32(at, LITTLE) & 0x0fff_ffff
    if (bits === 16) return view.getUint16(at, LITTLE)
    const low = view.getUint8(at)
    const high =
      at + 1 < sectorBytes ? view.getUint8(at + 1) : (await this.sector(Math.floor(off / sectorBytes) + 1)).getUint8(0)
    const both = low | (high << 8)
    return (cluster & 1) === 0 ? both & 0xfff : both >>> 4
  }

  /** Writes an entry into every copy of the table. */
  private async put(cluster: number, value: number): Promise<void> {
    const { bits, sectorBytes } = this.volume
    const off = Math.floor((cluster * bits) / 8)
    const sector = Math.floor(off / sectorBytes)
    const at = off % sectorBytes
    const view = await this.sector(sector)
    // fatgen: the upper four bits of an entry of FAT 32 are kept.
    if (bits === 32) view.setUint32(at, (view.getUint32(at, LITTLE) & 0xf000_0000) | (value & 0x0fff_ffff), LITTLE)
    else if (bits === 16) view.setUint16(at, value & 0xffff, LITTLE)
    else {
      const isOdd = (cluster & 1) !== 0
      const low = view.getUint8(at)
      view.setUint8(at, isOdd ? (low & 0x0f) | ((value & 0x0f) << 4) : value & 0xff)
      const isSplit = at + 1 >= sectorBytes
      const highView = isSplit ? await this.sector(sector + 1) : view
      const highAt = isSplit ? 0 : at + 1
      const high = highView.getUint8(highAt)
      highView.setUint8(highAt, isOdd ? (value >>> 4) & 0xff : (high & 0xf0) | ((value >>> 8) & 0x0f))
      if (isSplit) await this.writeSector(sector + 1, highView)
    }
    await this.writeSector(sector, view)
  }

  private async sector(index: number): Promise<DataView> {
    const octets = new Uint8Array(this.volume.sectorBytes)
    await this.block.read(this.volume.fatSector + index, octets)
    return new DataView(octets.buffer)
  }

  private async writeSector(index: number, view: DataView): Promise<void> {
    const { fatCount, fatSector, fatSectors } = this.volume
    for (let copy = 0; copy < fatCount; copy++) {
      await this.block.write(fatSector + copy * fatSectors + index, new Uint8Array(view.buffer))
    }
  }

  private async readInfo(): Promise<DataView | undefined> {
    const { infoSector, sectorBytes } = this.volume
    if (infoSector === 0) return undefined
    const octets = new Uint8Array(sectorBytes)
    await this.block.read(infoSector, octets)
    const view = new DataView(octets.buffer)
    return view.getUint32(0, LITTLE) === INFO_LEAD ? view : undefined
  }
}
