/** Finding the last state of a store: the newest anchor, then the log behind it, commit by commit. */
import type { Block } from '@mirage-ts/signatures/block'
import { type Commit, parseCommit, TABLE_ENTRIES } from './commit.ts'
import {
  ANCHOR_COUNT,
  type Anchor,
  anchorSector,
  COMMIT,
  corrupt,
  END,
  type Geometry,
  type Pointer,
  parseAnchor,
  parseRecord,
  RECORD_HEADER_LEN,
  type RecordInfo,
  SEGMENT,
  TABLE,
} from './format.ts'
import { chainCrc, type LogState, type TreeState } from './log.ts'

export interface Recovered {
  readonly log: LogState
  readonly tree: TreeState
}

/** Reads the last durable state; it writes nothing. */
export async function recover(block: Block, geometry: Geometry): Promise<Recovered> {
  const { anchor, index } = await newestAnchor(block, geometry)
  const recovery = new Recovery(block, geometry)
  await recovery.begin(anchor)
  await recovery.follow()
  return recovery.result(index + 1)
}

async function newestAnchor(block: Block, geometry: Geometry): Promise<{ anchor: Anchor; index: number }> {
  let newest: { anchor: Anchor; index: number } | undefined
  const octets = new Uint8Array(geometry.unitBytes)
  for (let index = 0; index < ANCHOR_COUNT; index++) {
    await block.read(anchorSector(geometry, index), octets)
    const anchor = parseAnchor(geometry, octets)
    if (anchor !== undefined && anchor.sequence > (newest?.anchor.sequence ?? -1)) newest = { anchor, index }
  }
  if (newest === undefined) throw corrupt(anchorSector(geometry, 0), 'no anchor of the log is whole')
  return newest
}

/** A place in the log. */
interface Place {
  segment: number
  off: number
}

class Recovery {
  private readonly block: Block
  private readonly geometry: Geometry
  private readonly live: Uint32Array
  private commit: Commit | undefined
  private sequence = 0
  private commitCrc = 0
  /** Behind the last commit. */
  private head: Place = { segment: 0, off: 0 }
  private nextSegment = 0
  private chain: number[] = []

  constructor(block: Block, geometry: Geometry) {
    this.block = block
    this.geometry = geometry
    this.live = new Uint32Array(geometry.segmentCount)
  }

  /** Takes the state of the commit that `anchor` names. What it says must be there: it was flushed before the anchor. */
  async begin({ sequence, commit: pointer }: Anchor): Promise<void> {
    const { u8, info } = await this.read(pointer, COMMIT)
    const commit = parseCommit(new DataView(u8.buffer), RECORD_HEADER_LEN, info.payloadLen)
    if (commit === undefined || info.sequence !== sequence || commit.tables.length === 0) {
      throw corrupt(pointer.address, 'the anchor names a commit that makes no sense')
    }
    this.take(commit, sequence, info.crc)
    await this.readTables(commit)
    const segment = this.segmentOf(pointer.address)
    this.head = { segment, off: pointer.address + pointer.units - this.sectorOf(segment) }
    this.chain = [...new Set([...commit.tables.map(({ address }) => this.segmentOf(address)), segment])]
    this.nextSegment = await this.readNext(segment)
  }

  /** Follows the log. Where no record is, or not the right one, it ends: there a crash has cut it. */
  async follow(): Promise<void> {
    const scratch = new Uint8Array(10)
    const view = new DataView(scratch.buffer)
    const place = { ...this.head }
    let next = this.nextSegment
    let u8 = await this.readRest(place)
    let base = place.off
    const crossed: number[] = []
    let batchCount = 0
    let batchCrc = 0
    while (true) {
      if (place.off >= this.geometry.segmentUnits) {
        place.segment = next
        place.off = base = 0
        crossed.push(next)
        if (crossed.length > this.geometry.segmentCount) return
        u8 = await this.readRest(place)
      }
      const off = (place.off - base) * this.geometry.unitBytes
      const info = parseRecord(this.geometry, u8, off)
      if (typeof info === 'string' || info.sequence !== this.sequence + 1) return
      const address = this.sectorOf(place.segment) + place.off
      if (info.type === SEGMENT) {
        if (place.off !== 0 || info.payloadLen !== 4) return
        next = new DataView(u8.buffer).getUint32(RECORD_HEADER_LEN)
        if (next >= this.geometry.segmentCount) return
      } else if (place.off === 0) return
      if (info.type === COMMIT) {
        const commit = parseCommit(new DataView(u8.buffer), off + RECORD_HEADER_LEN, info.payloadLen)
        if (commit?.previousCrc !== this.commitCrc) return
        if (commit.batchCount !== batchCount || commit.batchCrc !== batchCrc) return
        if (commit.deltas.some(([segment]) => segment >= this.live.length)) return
        this.take(commit, info.sequence, info.crc)
        if (commit.tables.length > 0) await this.readTables(commit)
        for (const [segment, liveUnits] of commit.deltas) this.live[segment] = liveUnits
        this.chain.push(...crossed.splice(0))
        this.head = { segment: place.segment, off: place.off + info.units }
        this.nextSegment = next
        batchCount = 0
        batchCrc = 0
      } else {
        batchCount++
        batchCrc = chainCrc(scratch, view, batchCrc, address, info.crc)
      }
      place.off = info.type === END ? this.geometry.segmentUnits : place.off + info.units
    }
  }

  result(anchorIndex: number): Recovered {
    const { root, rootLevel, keyCount } = this.commit as Commit
    return {
      tree: { root, rootLevel, keyCount },
      log: {
        live: this.live,
        sequence: this.sequence,
        commitCrc: this.commitCrc,
        headSegment: this.head.segment,
        headOff: this.head.off,
        nextSegment: this.nextSegment,
        chain: this.chain,
        anchorIndex,
      },
    }
  }

  private take(commit: Commit, sequence: number, crc: number): void {
    this.commit = commit
    this.sequence = sequence
    this.commitCrc = crc
  }

  private async readTables({ tables }: Commit): Promise<void> {
    const { segmentCount } = this.geometry
    if (tables.length !== Math.ceil(segmentCount / TABLE_ENTRIES)) {
      throw corrupt(tables[0]?.address ?? 0, `${tables.length} tables for ${segmentCount} segments`)
    }
    for (const [t, pointer] of tables.entries()) {
      const { u8, info } = await this.read(pointer, TABLE)
      const first = t * TABLE_ENTRIES
      const count = Math.min(TABLE_ENTRIES, segmentCount - first)
      if (info.payloadLen !== 4 * count) throw corrupt(pointer.address, 'a table of the wrong length')
      const view = new DataView(u8.buffer)
      for (let i = 0; i < count; i++) this.live[first + i] = view.getUint32(RECORD_HEADER_LEN + 4 * i)
    }
  }

  /** Which segment the log goes on in after `segment`. */
  private async readNext(segment: number): Promise<number> {
    const u8 = new Uint8Array(this.geometry.unitBytes)
    await this.block.read(this.sectorOf(segment), u8)
    const info = parseRecord(this.geometry, u8, 0)
    if (typeof info === 'string') throw corrupt(this.sectorOf(segment), info)
    const next = new DataView(u8.buffer).getUint32(RECORD_HEADER_LEN)
    if (info.type !== SEGMENT || next >= this.geometry.segmentCount) {
      throw corrupt(this.sectorOf(segment), 'no record that begins a segment')
    }
    return next
  }

  private async read(pointer: Pointer, type: number): Promise<{ u8: Uint8Array; info: RecordInfo }> {
    const { address, units, crc } = pointer
    const first = this.geometry.firstUnit
    const end = first + this.geometry.segmentCount * this.geometry.segmentUnits
    if (address < first || address + units > end) throw corrupt(address, 'a pointer leads outside of the store')
    const u8 = new Uint8Array(units * this.geometry.unitBytes)
    await this.block.read(address, u8)
    const info = parseRecord(this.geometry, u8, 0)
    if (typeof info === 'string') throw corrupt(address, info)
    if (info.type !== type || info.crc !== crc) throw corrupt(address, 'another record is there')
    return { u8, info }
  }

  /** The rest of a segment. */
  private async readRest({ segment, off }: Place): Promise<Uint8Array> {
    const u8 = new Uint8Array((this.geometry.segmentUnits - off) * this.geometry.unitBytes)
    await this.block.read(this.sectorOf(segment) + off, u8)
    return u8
  }

  private segmentOf(sector: number): number {
    return Math.floor((sector - this.geometry.firstUnit) / this.geometry.segmentUnits)
  }

  private sectorOf(segment: number): number {
    return this.geometry.firstUnit + segment * this.geometry.segmentUnits
  }
}
