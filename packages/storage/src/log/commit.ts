/** The payload of a commit record: the state of the store at one moment. */
import { POINTER_LEN, type Pointer, readPointer, readU48, writePointer, writeU48 } from './format.ts'

/** How many segments may be named in a commit; when more have changed, the whole table is written. */
export const MAX_DELTAS = 1024

/** Segments in one table record. */
export const TABLE_ENTRIES = 2048

export interface Commit {
  /** Checksum of the commit record before this one: a chain that nothing stale can continue. */
  readonly previousCrc: number
  /** Number and checksum of the records since that one. */
  readonly batchCount: number
  readonly batchCrc: number
  readonly root: Pointer
  readonly rootLevel: number
  readonly keyCount: number
  /** Where the whole table of live units is; empty when only `deltas` are given. */
  readonly tables: readonly Pointer[]
  /** New counts of live units of the segments where they have changed. */
  readonly deltas: readonly (readonly [segment: number, liveUnits: number])[]
}

const FIXED_LEN = 40

export function commitLen(tableCount: number, deltaCount: number): number {
  return FIXED_LEN + tableCount * POINTER_LEN + deltaCount * 8
}

/** Writes `commit` at `off`: previous u32, count u32, crc u32, root, keys u48, level u8, zero u8, tables u32, deltas u32... */
export function emitCommit(view: DataView, off: number, commit: Commit): void {
  view.setUint32(off, commit.previousCrc)
  view.setUint32(off + 4, commit.batchCount)
  view.setUint32(off + 8, commit.batchCrc)
  writePointer(view, off + 12, commit.root)
  writeU48(view, off + 24, commit.keyCount)
  view.setUint8(off + 30, commit.rootLevel)
  view.setUint8(off + 31, 0)
  view.setUint32(off + 32, commit.tables.length)
  view.setUint32(off + 36, commit.deltas.length)
  let at = off + FIXED_LEN
  for (const table of commit.tables) {
    writePointer(view, at, table)
    at += POINTER_LEN
  }
  for (const [segment, liveUnits] of commit.deltas) {
    view.setUint32(at, segment)
    view.setUint32(at + 4, liveUnits)
    at += 8
  }
}

/** Reads the payload at `off`; `undefined` when its lengths do not add up. */
export function parseCommit(view: DataView, off: number, lenBytes: number): Commit | undefined {
  if (lenBytes < FIXED_LEN) return undefined
  const tableCount = view.getUint32(off + 32)
  const deltaCount = view.getUint32(off + 36)
  if (commitLen(tableCount, deltaCount) !== lenBytes) return undefined
  const deltasOff = off + FIXED_LEN + tableCount * POINTER_LEN
  return {
    previousCrc: view.getUint32(off),
    batchCount: view.getUint32(off + 4),
    batchCrc: view.getUint32(off + 8),
    root: readPointer(view, off + 12),
    rootLevel: view.getUint8(off + 30),
    keyCount: readU48(view, off + 24),
    tables: Array.from({ length: tableCount }, (_, i) => readPointer(view, off + FIXED_LEN + i * POINTER_LEN)),
    deltas: Array.from({ length: deltaCount }, (_, i) => [
      view.getUint32(deltasOff + 8 * i),
      view.getUint32(deltasOff + 8 * i + 4),
    ]),
  }
}
