/** Entries of a folder: 32 octets each, a short one for a file and long ones in front of it for its long name. */
import type { WallInstant } from '@mirage-ts/signatures/time'
import { ENTRY_LEN } from './boot-sector.ts'
import { parseShortName } from './names.ts'

const LITTLE = true

// fatgen "FAT 32 Byte Directory Entry Structure"
const ATTRIBUTES = 11
const CASE_FLAGS = 12
const CREATED_TIME = 14
const CREATED_DATE = 16
const ACCESSED_DATE = 18
const CLUSTER_HIGH = 20
const WRITTEN_TIME = 22
const WRITTEN_DATE = 24
const CLUSTER_LOW = 26
const SIZE = 28

export const ATTRIBUTE_VOLUME = 0x08
export const ATTRIBUTE_FOLDER = 0x10
export const ATTRIBUTE_ARCHIVE = 0x20
const ATTRIBUTES_LONG = 0x0f

const FREE = 0xe5
const LONG_LAST = 0x40
/** Where the 13 UTF-16 units of a long entry are. */
const LONG_UNITS: readonly number[] = [1, 3, 5, 7, 9, 14, 16, 18, 20, 22, 24, 28, 30]
const LONG_CHECKSUM = 13
const MAX_LONG = 20

/** A file or folder. */
export interface FatEntry {
  readonly name: string
  /** Eleven characters, one for each octet. */
  readonly shortName: string
  readonly isFolder: boolean
  /** First cluster; 0 for an empty file. */
  readonly cluster: number
  readonly sizeBytes: number
  /** When it was last written, read as UTC; `undefined` when that is no date. */
  readonly writtenAt: WallInstant | undefined
  /** Index of its first entry in the folder, that of a long name when it has one. */
  readonly first: number
  /** Index of the short entry. */
  readonly index: number
}

/** What a folder holds. */
export interface ParsedFolder {
  readonly entries: readonly FatEntry[]
  /** Entries in use or freed, before the one that says that no more follow. */
  readonly usedCount: number
}

/** Reads the entries of a folder. Long names that do not belong to what follows them are passed over. */
export function parseFolder(octets: Uint8Array, bits: number): ParsedFolder {
  const view = new DataView(octets.buffer, octets.byteOffset, octets.byteLength)
  const count = Math.floor(octets.length / ENTRY_LEN)
  const entries: FatEntry[] = []
  let long = ''
  let longFirst = -1
  let longNext = 0
  let longChecksum = 0
  for (let index = 0; index < count; index++) {
    const off = index * ENTRY_LEN
    const lead = octets[off] as number
    if (lead === 0) return { entries, usedCount: index }
    const attributes = octets[off + ATTRIBUTES] as number
    if (lead !== FREE && (attributes & 0x3f) === ATTRIBUTES_LONG) {
      const order = lead & 0x3f
      const checksum = octets[off + LONG_CHECKSUM] as number
      if ((lead & LONG_LAST) !== 0 && order >= 1 && order <= MAX_LONG) {
        long = ''
        longFirst = index
        longChecksum = checksum
      } else if (order !== longNext || checksum !== longChecksum) longFirst = -1
      longNext = order - 1
      long = longPart(view, off) + long
      continue
    }
    const isLong = longFirst >= 0 && longNext === 0 && longChecksum === shortChecksum(octets, off)
    if (lead !== FREE && (attributes & ATTRIBUTE_VOLUME) === 0 && lead !== 0x2e) {
      const shortName = String.fromCharCode(...octets.subarray(off, off + 11))
      const high = bits === 32 ? view.getUint16(off + CLUSTER_HIGH, LITTLE) : 0
      entries.push({
        name: isLong ? long : parseShortName(octets, off, octets[off + CASE_FLAGS] as number),
        shortName,
        isFolder: (attributes & ATTRIBUTE_FOLDER) !== 0,
        cluster: high * 0x1_0000 + view.getUint16(off + CLUSTER_LOW, LITTLE),
        sizeBytes: view.getUint32(off + SIZE, LITTLE),
        writtenAt: wallTime(view.getUint16(off + WRITTEN_DATE, LITTLE), view.getUint16(off + WRITTEN_TIME, LITTLE)),
        first: isLong ? longFirst : index,
        index,
      })
    }
    longFirst = -1
  }
  return { entries, usedCount: count }
}

function longPart(view: DataView, off: number): string {
  let text = ''
  for (const at of LONG_UNITS) {
    const unit = view.getUint16(off + at, LITTLE)
    if (unit === 0) break
    text += String.fromCharCode(unit)
  }
  return text
}

/** fatgen "Long Directory Entries": ties a long name to the short one behind it. */
function shortChecksum(u8: Uint8Array, off: number): number {
  let sum = 0
  for (let i = off; i < off + 11; i++) sum = (((sum & 1) << 7) + (sum >>> 1) + (u8[i] as number)) & 0xff
  return sum
}

/** True when the entry at `off` may be written over. */
export function isFreeEntry(octets: Uint8Array, off: number): boolean {
  return octets[off] === 0 || octets[off] === FREE
}

/** Marks the entry at `off` as free. */
export function freeEntry(octets: Uint8Array, off: number): void {
  octets[off] = FREE
}

/** What is written into a short entry. */
export interface ShortEntry {
  readonly shortName: string
  readonly attributes: number
  readonly cluster: number
  readonly sizeBytes: number
  readonly time: FatTime
}

/** The entries of a new file: those of its long name, if it needs one, and the short one. */
export function emitEntries(name: string, entry: ShortEntry, hasLongName: boolean): Uint8Array {
  const longCount = hasLongName ? Math.ceil(name.length / LONG_UNITS.length) : 0
  const octets = new Uint8Array((longCount + 1) * ENTRY_LEN)
  const view = new DataView(octets.buffer)
  const shortOff = longCount * ENTRY_LEN
  for (let i = 0; i < 11; i++) octets[shortOff + i] = entry.shortName.charCodeAt(i)
  const checksum = shortChecksum(octets, shortOff)
  for (let i = 0; i < longCount; i++) {
    const order = longCount - i
    const off = i * ENTRY_LEN
    octets[off] = order | (i === 0 ? LONG_LAST : 0)
    octets[off + ATTRIBUTES] = ATTRIBUTES_LONG
    octets[off + LONG_CHECKSUM] = checksum
    for (const [n, at] of LONG_UNITS.entries()) {
      const unit = (order - 1) * LONG_UNITS.length + n
      // Behind the name a NUL, and then ones.
      view.setUint16(off + at, unit < name.length ? name.charCodeAt(unit) : unit === name.length ? 0 : 0xffff, LITTLE)
    }
  }
  octets[shortOff + ATTRIBUTES] = entry.attributes
  view.setUint16(shortOff + CREATED_TIME, entry.time.time, LITTLE)
  view.setUint16(shortOff + CREATED_DATE, entry.time.date, LITTLE)
  updateShortEntry(octets, shortOff, entry)
  return octets
}

/** Writes where a file is, its length and its times into the short entry at `off`. */
export function updateShortEntry(
  octets: Uint8Array,
  off: number,
  entry: Omit<ShortEntry, 'shortName' | 'attributes'>,
): void {
  const view = new DataView(octets.buffer, octets.byteOffset)
  view.setUint16(off + CLUSTER_HIGH, entry.cluster >>> 16, LITTLE)
  view.setUint16(off + CLUSTER_LOW, entry.cluster & 0xffff, LITTLE)
  view.setUint32(off + SIZE, entry.sizeBytes, LITTLE)
  view.setUint16(off + WRITTEN_TIME, entry.time.time, LITTLE)
  view.setUint16(off + WRITTEN_DATE, entry.time.date, LITTLE)
  view.setUint16(off + ACCESSED_DATE, entry.time.date, LITTLE)
}

/** A moment as FAT has it: two seconds exact, from 1980 to 2107, without time zone (we write UTC). */
export interface FatTime {
  readonly date: number
  readonly time: number
}

export function fatTime(microseconds: number): FatTime {
  const first = Date.UTC(1980, 0, 1)
  const last = Date.UTC(2107, 11, 31, 23, 59, 58)
  const moment = new Date(Math.min(Math.max(microseconds / 1000, first), last))
  return {
    date: ((moment.getUTCFullYear() - 1980) << 9) | ((moment.getUTCMonth() + 1) << 5) | moment.getUTCDate(),
    time: (moment.getUTCHours() << 11) | (moment.getUTCMinutes() << 5) | (moment.getUTCSeconds() >>> 1),
  }
}

function wallTime(date: number, time: number): WallInstant | undefined {
  const [year, month, day] = [1980 + (date >>> 9), (date >>> 5) & 15, date & 31]
  if (month < 1 || month > 12 || day < 1) return undefined
  return (Date.UTC(year, month - 1, day, time >>> 11, (time >>> 5) & 63, (time & 31) * 2) * 1000) as WallInstant
}

/** The first two entries of a new folder: itself and the one above, whose cluster is 0 when that is the root. */
export function emitDotEntries(cluster: number, parentCluster: number, time: FatTime): Uint8Array {
  const octets = new Uint8Array(2 * ENTRY_LEN)
  for (const [i, [shortName, at]] of (
    [
      ['.', cluster],
      ['..', parentCluster],
    ] as const
  ).entries()) {
    const entry = { shortName: shortName.padEnd(11), attributes: ATTRIBUTE_FOLDER, cluster: at, sizeBytes: 0, time }
    octets.set(emitEntries('', entry, false), i * ENTRY_LEN)
  }
  return octets
}
