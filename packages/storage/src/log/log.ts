/**
 * The log: a disk of segments, written one record behind the other, and which of them are in use.
 *
 * Records become valid together, with the commit record that follows them and holds the checksum of all of them; one flush
 * makes them durable. Recovery begins at the commit that the newest anchor names and follows the log as long as commits
 * are whole. A segment is written again only when the last durable commit needs nothing in it and recovery does not pass
 * through it.
 */
import { KvError } from '@mirage-ts/core/errors'
import type { Block } from '@mirage-ts/signatures/block'
import type { Random } from '@mirage-ts/signatures/random'
import { crc32c } from '@mirage-ts/storage/crc32'
import { type Commit, commitLen, emitCommit, MAX_DELTAS, TABLE_ENTRIES } from './commit.ts'
import {
  anchorSector,
  COMMIT,
  corrupt,
  END,
  emitAnchor,
  type Geometry,
  type Pointer,
  parseRecord,
  RECORD_HEADER_LEN,
  RESERVED_SEGMENTS,
  type RecordInfo,
  SEGMENT,
  START,
  sealRecord,
  TABLE,
  writeU48,
} from './format.ts'

/** Where recovery found the log. */
export interface LogState {
  readonly live: Uint32Array
  /** Sequence and checksum of the last commit. */
  readonly sequence: number
  readonly commitCrc: number
  /** What comes next is written here. */
  readonly headSegment: number
  readonly headOff: number
  readonly nextSegment: number
  /** Segments that recovery passes through. */
  readonly chain: readonly number[]
  /** Number of the next anchor. */
  readonly anchorIndex: number
}

/** The state of the tree that a commit makes durable. */
export interface TreeState {
  readonly root: Pointer
  readonly rootLevel: number
  readonly keyCount: number
}

/** Records are collected and written in transfers of up to this length. */
const BUFFER_BYTES = 262_144
/** Recovery reads at most about this much. */
const CHAIN_BYTES = 4 * 1024 * 1024

export class Log {
  readonly geometry: Geometry
  readonly segmentBytes: number
  /** Units that live data may take. */
  readonly capacityUnits: number
  /** Units of records that the tree refers to, in all and by segment. */
  liveUnits = 0
  readonly live: Uint32Array
  /** Units of the records since the last commit. */
  batchUnits = 0
  /** Why writing has failed: what the disk holds is not known any more. */
  failure: unknown
  /** What makes this run of the program differ from one that a crash has cut short. */
  private readonly random: Random
  private readonly block: Block
  private readonly isFree: Uint8Array
  private freeCount = 0
  /** Segments that have become free and the disk was not told yet. */
  private freed: number[] = []
  private headSegment: number
  private headOff: number
  private nextSegment: number
  private chain: number[]
  private anchorIndex: number
  private sequence: number
  private commitCrc: number
  private batchCount = 0
  private batchCrc = 0
  private batchSegment = 0
  private hasStarted = false
  /** Segments whose count of live units is not what the last commit says. */
  private changed = new Set<number>()
  /** Records that the disk does not have yet: `bufferUnits` units from sector `bufferSector` on. */
  private readonly buffer: Uint8Array
  private bufferSector = 0
  private bufferUnits = 0
  private readonly scratch = new Uint8Array(10)
  private readonly scratchView = new DataView(this.scratch.buffer)

  constructor(block: Block, random: Random, geometry: Geometry, state: LogState) {
    this.block = block
    this.random = random
    this.geometry = geometry
    this.segmentBytes = geometry.segmentUnits * geometry.unitBytes
    this.capacityUnits = Math.floor(((geometry.segmentCount - RESERVED_SEGMENTS) * geometry.segmentUnits * 7) / 8)
    this.buffer = new Uint8Array(Math.min(BUFFER_BYTES, this.segmentBytes))
    this.live = state.live
    this.headSegment = state.headSegment
    this.headOff = state.headOff
    this.nextSegment = state.nextSegment
    this.chain = [...state.chain]
    this.anchorIndex = state.anchorIndex
    this.sequence = state.sequence
    this.commitCrc = state.commitCrc
    this.isFree = new Uint8Array(geometry.segmentCount)
    for (let segment = 0; segment < geometry.segmentCount; segment++) {
      this.liveUnits += this.live[segment] as number
      this.freeIfUnused(segment)
    }
    // What was free before is nothing new to the disk.
    this.freed = []
  }

  /** Units that can be written before a segment must be cleaned. */
  get roomUnits(): number {
    return this.freeCount * (this.geometry.segmentUnits - 2) + this.geometry.segmentUnits - this.headOff
  }

  /** True when it is time for an anchor. */
  get isChainLong(): boolean {
    const limit = Math.min(CHAIN_BYTES / this.segmentBytes, Math.floor(this.geometry.segmentCount / 8))
    return this.chain.length > Math.max(2, limit)
  }

  /** True when the segment holds old data and the log is not there: it can be cleaned. */
  isCleanable(segment: number): boolean {
    return this.isFree[segment] === 0 && segment !== this.nextSegment && !this.chain.includes(segment)
  }

  sectorOf(segment: number): number {
    return this.geometry.firstUnit + segment * this.geometry.segmentUnits
  }

  segmentOf(sector: number): number {
    return Math.floor((sector - this.geometry.firstUnit) / this.geometry.segmentUnits)
  }

  /** Units that a record with this payload takes. */
  unitsOf(payloadLen: number): number {
    return Math.ceil((RECORD_HEADER_LEN + payloadLen) / this.geometry.unitBytes)
  }

  /** Appends a record; `fill` writes its payload at the offset it is given. */
  async append(
    type: number,
    level: number,
    payloadLen: number,
    fill: (u8: Uint8Array, off: number) => void,
  ): Promise<Pointer> {
    const units = this.unitsOf(payloadLen)
    if (!this.hasStarted) {
      // A crash may have left records of this very sequence number behind the head. What differs from the first record on
      // cannot be taken for the beginning of those.
      this.hasStarted = true
      await this.append(START, 0, 16, (u8, off) => this.random.fill(u8, off, off + 16))
    }
    if (this.headOff + units > this.geometry.segmentUnits) await this.openNextSegment()
    return await this.put(type, level, units, payloadLen, fill)
  }

  /** Counts a record as live. */
  retain({ address, units }: Pointer): void {
    const segment = this.segmentOf(address)
    this.live[segment] = (this.live[segment] as number) + units
    this.liveUnits += units
    this.changed.add(segment)
  }

  /** Counts a record as dead; nothing is written over it before a commit says so. */
  release({ address, units }: Pointer): void {
    if (units === 0) return
    const segment = this.segmentOf(address)
    this.live[segment] = (this.live[segment] as number) - units
    this.liveUnits -= units
    this.changed.add(segment)
  }

  /** Reads a record and checks that it is the one that `pointer` means. The octets are the caller's. */
  async read(pointer: Pointer, type: number): Promise<{ readonly u8: Uint8Array; readonly info: RecordInfo }> {
    const { address, units } = pointer
    const { unitBytes } = this.geometry
    const u8 = new Uint8Array(units * unitBytes)
    const bufferOff = address - this.bufferSector
    if (bufferOff >= 0 && bufferOff + units <= this.bufferUnits) {
      u8.set(this.buffer.subarray(bufferOff * unitBytes, (bufferOff + units) * unitBytes))
    } else await this.readUnits(address, u8)
    return { u8, info: this.check(pointer, type, u8, 0) }
  }

  /** How many of `pointers` from the first on lie one behind the other on the disk and fit `maxBytes`: one at least. */
  runLen(pointers: readonly Pointer[], first: number, maxBytes: number): number {
    const { address } = pointers[first] as Pointer
    let end = address
    let count = 0
    for (let i = first; i < pointers.length; i++) {
      const next = pointers[i] as Pointer
      const behind = next.address + next.units
      const isInBuffer = behind > this.bufferSector && next.address < this.bufferSector + this.bufferUnits
      if (
        count > 0 &&
        (next.address !== end || (behind - address) * this.geometry.unitBytes > maxBytes || isInBuffer)
      ) {
        break
      }
      end = behind
      count++
      if (isInBuffer) break
    }
    return count
  }

  /** Reads units as they are on the disk; what is in them is for `check`. */
  async readUnits(address: number, into: Uint8Array): Promise<void> {
    if (address + into.length / this.geometry.unitBytes > this.block.sectorCount) {
      throw corrupt(address, 'a pointer leads outside of the disk')
    }
    await this.block.read(address, into)
  }

  /** Makes sure that the record at `off` of `u8` is the one that `pointer` means. */
  check({ address, units, crc }: Pointer, type: number, u8: Uint8Array, off: number): RecordInfo {
    const info = parseRecord(this.geometry, u8, off)
    if (typeof info === 'string') throw corrupt(address, info)
    if (info.crc !== crc || info.type !== type || info.units !== units) {
      throw corrupt(address, 'another record is there')
    }
    return info
  }

  /** Reads a whole segment, for cleaning. */
  async readSegment(segment: number): Promise<Uint8Array> {
    const u8 = new Uint8Array(this.segmentBytes)
    await this.block.read(this.sectorOf(segment), u8)
    return u8
  }

  /** Makes everything appended so far, and `tree`, the state of the store. When it resolves, that is durable. */
  async commit(tree: TreeState): Promise<void> {
    if (this.isChainLong) {
      await this.checkpoint(tree)
      return
    }
    const isFull = this.changed.size > MAX_DELTAS
    await this.writeCommit(tree, isFull)
  }

  /** A commit that recovery can begin at from now on: it frees the log before it. */
  async checkpoint(tree: TreeState): Promise<void> {
    const commit = await this.writeCommit(tree, true)
    const anchor = { sequence: this.sequence, commit }
    await this.write(anchorSector(this.geometry, this.anchorIndex++), emitAnchor(this.geometry, anchor))
    await this.flush()
    const unneeded = this.chain.splice(0, this.chain.indexOf(this.batchSegment))
    for (const segment of unneeded) this.freeIfUnused(segment)
    await this.discardFreed()
  }

  private async writeCommit(tree: TreeState, isFull: boolean): Promise<Pointer> {
    const tables: Pointer[] = []
    const deltas: (readonly [number, number])[] = []
    if (isFull) {
      for (let first = 0; first < this.live.length; first += TABLE_ENTRIES) tables.push(await this.writeTable(first))
    } else for (const segment of this.changed) deltas.push([segment, this.live[segment] as number])
    const pointer = await this.append(COMMIT, 0, commitLen(tables.length, deltas.length), (u8, off) => {
      const commit: Commit = {
        previousCrc: this.commitCrc,
        batchCount: this.batchCount,
        batchCrc: this.batchCrc,
        ...tree,
        tables,
        deltas,
      }
      emitCommit(new DataView(u8.buffer, u8.byteOffset), off, commit)
    })
    await this.drain()
    await this.flush()
    this.sequence++
    this.commitCrc = pointer.crc
    this.batchCount = 0
    this.batchCrc = 0
    this.batchUnits = 0
    const changed = this.changed
    this.changed = new Set()
    for (const segment of changed) this.freeIfUnused(segment)
    await this.discardFreed()
    return pointer
  }

  private writeTable(first: number): Promise<Pointer> {
    const part = this.live.subarray(first, first + TABLE_ENTRIES)
    return this.append(TABLE, 0, 4 * part.length, (u8, off) => {
      const view = new DataView(u8.buffer, u8.byteOffset)
      for (let i = 0; i < part.length; i++) view.setUint32(off + 4 * i, part[i] as number)
    })
  }

  private async openNextSegment(): Promise<void> {
    if (this.headOff < this.geometry.segmentUnits) await this.put(END, 0, 1, 0, () => {})
    await this.drain()
    const next = this.takeFree()
    this.headSegment = this.nextSegment
    this.headOff = 0
    this.nextSegment = next
    this.chain.push(this.headSegment)
    await this.put(SEGMENT, 0, 1, 4, (u8, off) => new DataView(u8.buffer, u8.byteOffset).setUint32(off, next))
  }

  /** The free segment behind the last one taken: all of them wear alike. */
  private takeFree(): number {
    const { segmentCount } = this.geometry
    for (let i = 1; i <= segmentCount; i++) {
      const segment = (this.nextSegment + i) % segmentCount
      if (this.isFree[segment] === 0) continue
      this.isFree[segment] = 0
      this.freeCount--
      return segment
    }
    // Room is made before a change begins, so this does not happen; if it does, what was written lacks its end.
    this.failure = new KvError('no-space', 'Cannot write to the store: no segment is free')
    throw this.failure
  }

  private freeIfUnused(segment: number): void {
    if (this.live[segment] !== 0 || !this.isCleanable(segment)) return
    this.isFree[segment] = 1
    this.freeCount++
    this.freed.push(segment)
  }

  /** Tells the disk what it need not keep: flash then has room to level wear. Neighbours go together. */
  private async discardFreed(): Promise<void> {
    if (this.freed.length === 0) return
    const freed = this.freed.sort((a, b) => a - b)
    this.freed = []
    for (let i = 0; i < freed.length; ) {
      const first = freed[i] as number
      let count = 1
      while (freed[i + count] === first + count) count++
      i += count
      try {
        await this.block.discard(this.sectorOf(first), count * this.geometry.segmentUnits)
      } catch {
        // A hint that was not taken changes nothing: these segments hold nothing that is needed.
      }
    }
  }

  private async put(
    type: number,
    level: number,
    units: number,
    payloadLen: number,
    fill: (u8: Uint8Array, off: number) => void,
  ): Promise<Pointer> {
    const { geometry, buffer } = this
    if ((this.bufferUnits + units) * geometry.unitBytes > buffer.length) await this.drain()
    const address = this.sectorOf(this.headSegment) + this.headOff
    if (this.bufferUnits === 0) this.bufferSector = address
    const off = this.bufferUnits * geometry.unitBytes
    fill(buffer, off + RECORD_HEADER_LEN)
    const info = { type, level, units, payloadLen, sequence: this.sequence + 1 }
    const crc = sealRecord(geometry, buffer, off, info)
    if (this.batchCount === 0) this.batchSegment = this.headSegment
    this.bufferUnits += units
    this.headOff += units
    this.batchUnits += units
    this.batchCount++
    this.batchCrc = chainCrc(this.scratch, this.scratchView, this.batchCrc, address, crc)
    return { address, units, crc }
  }

  /** Hands what was collected to the disk. */
  private async drain(): Promise<void> {
    if (this.bufferUnits === 0) return
    await this.write(this.bufferSector, this.buffer.subarray(0, this.bufferUnits * this.geometry.unitBytes))
    this.bufferUnits = 0
  }

  private async write(sector: number, octets: Uint8Array): Promise<void> {
    try {
      await this.block.write(sector, octets)
    } catch (error) {
      this.failure = error
      throw error
    }
  }

  private async flush(): Promise<void> {
    try {
      await this.block.flush()
    } catch (error) {
      this.failure = error
      throw error
    }
  }
}

/** The checksum of a batch, one record further. */
export function chainCrc(scratch: Uint8Array, view: DataView, crc: number, address: number, recordCrc: number): number {
  writeU48(view, 0, address)
  view.setUint32(6, recordCrc)
  return crc32c(scratch, 0, 10, crc)
}
