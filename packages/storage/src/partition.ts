/**
 * Partitions of a disk: GUID partition tables (UEFI 2.10 §5.3) and the older MBR with its chain of logical partitions.
 *
 * What a table says is not trusted: checksums, bounds and the length of chains are checked, and a table that makes no
 * sense is a `BlockError` `corrupt` that names the sector. Not here: changing a table.
 */
import { BlockError } from '@mirage-ts/core/errors'
import type { Block } from '@mirage-ts/signatures/block'
import { crc32 } from '@mirage-ts/storage/crc32'
import { createBlockSlice } from './block-view.ts'

export interface Partition {
  /** From 1, as Linux counts: logical partitions of an MBR begin at 5. */
  readonly number: number
  /** The name in a GPT; empty in an MBR. */
  readonly name: string
  /** The type: a GUID in lowercase, or two hexadecimal digits in an MBR. */
  readonly type: string
  readonly firstSector: number
  readonly sectorCount: number
}

/** One partition of a disk as a device: `partition` is its number, or its name in a GPT. */
export async function createPartition(
  { block }: { readonly block: Block },
  { partition }: { readonly partition: string },
): Promise<Block> {
  const partitions = await readPartitions(block)
  const found =
    partitions.find(({ name }) => name === partition) ?? partitions.find(({ number }) => String(number) === partition)
  if (found === undefined) {
    const known = partitions.map(({ number, name }) => (name === '' ? `${number}` : `${number} (${name})`))
    throw new Error(`Cannot find partition ${partition}: the disk has ${known.join(', ') || 'none'}`)
  }
  return createBlockSlice({ block }, found)
}

const LITTLE = true
const MBR_SIGNATURE_OFF = 510
const MBR_TABLE_OFF = 446
const MBR_ENTRY_LEN = 16
const MBR_PROTECTIVE = 0xee
/** Types of a partition that holds logical ones. */
const MBR_EXTENDED: readonly number[] = [0x05, 0x0f, 0x85]
const MAX_LOGICAL = 128

const GPT_SIGNATURE = 'EFI PART'
const GPT_MIN_HEADER_LEN = 92
const GPT_ENTRY_LEN_MIN = 128
/** 128 is usual; more than this is a lie, or a disk nobody partitions so. */
const GPT_MAX_ENTRIES = 1024

/** The partitions in the table of `block`, by number; none when there is no table. */
export async function readPartitions(block: Block): Promise<readonly Partition[]> {
  const mbr = await readMbr(block, 0)
  if (mbr === undefined) return []
  const entries = mbrEntries(mbr)
  if (entries.some(({ type }) => type === MBR_PROTECTIVE)) return await readGpt(block)
  const partitions: Partition[] = []
  for (const [i, entry] of entries.entries()) {
    if (entry.type === 0) continue
    partitions.push(mbrPartition(block, i + 1, entry, 0, 0))
  }
  const extended = entries.find(({ type }) => MBR_EXTENDED.includes(type))
  if (extended !== undefined) partitions.push(...(await readLogical(block, extended.firstSector)))
  return partitions
}

interface MbrEntry {
  readonly type: number
  readonly firstSector: number
  readonly sectorCount: number
}

/** The sector as an MBR, or `undefined` when it has no signature. */
async function readMbr(block: Block, sector: number): Promise<DataView | undefined> {
  if (sector >= block.sectorCount) throw corrupt(sector, `outside of the disk of ${block.sectorCount} sectors`)
  const octets = new Uint8Array(block.sectorBytes)
  await block.read(sector, octets)
  const view = new DataView(octets.buffer)
  return view.getUint16(MBR_SIGNATURE_OFF, LITTLE) === 0xaa55 ? view : undefined
}

function mbrEntries(view: DataView): readonly MbrEntry[] {
  return [0, 1, 2, 3].map((i) => {
    const off = MBR_TABLE_OFF + i * MBR_ENTRY_LEN
    return {
      type: view.getUint8(off + 4),
      firstSector: view.getUint32(off + 8, LITTLE),
      sectorCount: view.getUint32(off + 12, LITTLE),
    }
  })
}

function mbrPartition(block: Block, number: number, entry: MbrEntry, base: number, sector: number): Partition {
  const firstSector = base + entry.firstSector
  if (firstSector === 0 || firstSector + entry.sectorCount > block.sectorCount) {
    throw corrupt(sector, `partition ${number} is outside of the disk of ${block.sectorCount} sectors`)
  }
  return {
    number,
    name: '',
    type: entry.type.toString(16).padStart(2, '0'),
    firstSector,
    sectorCount: entry.sectorCount,
  }
}

/** Follows the chain of extended boot records: each holds a logical partition and the place of the next record. */
async function readLogical(block: Block, extendedStart: number): Promise<readonly Partition[]> {
  const partitions: Partition[] = []
  const seen = new Set<number>()
  for (let sector = extendedStart; ; ) {
    if (seen.has(sector) || seen.size >= MAX_LOGICAL)
      throw corrupt(sector, 'the chain of logical partitions has no end')
    seen.add(sector)
    const record = await readMbr(block, sector)
    if (record === undefined) throw corrupt(sector, 'no extended boot record')
    const [entry, next] = mbrEntries(record)
    if (entry !== undefined && entry.type !== 0) {
      partitions.push(mbrPartition(block, 5 + partitions.length, entry, sector, sector))
    }
    if (next === undefined || next.type === 0) return partitions
    sector = extendedStart + next.firstSector
  }
}

/** Reads the table, or its copy at the end of the disk when the first one is damaged. */
async function readGpt(block: Block): Promise<readonly Partition[]> {
  try {
    return await readGptAt(block, 1)
  } catch (error) {
    if (!(error instanceof BlockError && error.code === 'corrupt')) throw error
    try {
      return await readGptAt(block, block.sectorCount - 1)
    } catch (second) {
      // The first table is the one to repair: say what is wrong with it.
      throw second instanceof BlockError && second.code === 'corrupt' ? error : second
    }
  }
}

async function readGptAt(block: Block, sector: number): Promise<readonly Partition[]> {
  const octets = new Uint8Array(block.sectorBytes)
  await block.read(sector, octets)
  const header = new DataView(octets.buffer)
  const signature = String.fromCharCode(...octets.subarray(0, 8))
  const headerLen = header.getUint32(12, LITTLE)
  if (signature !== GPT_SIGNATURE || headerLen < GPT_MIN_HEADER_LEN || headerLen > octets.length) {
    throw corrupt(sector, 'no GPT header')
  }
  const headerCrc = header.getUint32(16, LITTLE)
  header.setUint32(16, 0, LITTLE) // the checksum is made with its own field zero
  if (crc32(octets, 0, headerLen) !== headerCrc) throw corrupt(sector, 'the checksum of the GPT header is wrong')
  if (readU64(header, 24) !== sector) throw corrupt(sector, 'the GPT header says that it is elsewhere')
  const tableSector = readU64(header, 72)
  const entryCount = header.getUint32(80, LITTLE)
  const entryLen = header.getUint32(84, LITTLE)
  if (entryCount > GPT_MAX_ENTRIES || entryLen < GPT_ENTRY_LEN_MIN || entryLen > 4096 || entryLen % 8 !== 0) {
    throw corrupt(sector, `${entryCount} GPT entries of ${entryLen} octets`)
  }
  const tableLen = entryCount * entryLen
  const tableSectors = Math.ceil(tableLen / block.sectorBytes)
  if (!(tableSector + tableSectors <= block.sectorCount)) throw corrupt(sector, 'the GPT is outside of the disk')
  const table = new Uint8Array(tableSectors * block.sectorBytes)
  await block.read(tableSector, table)
  if (crc32(table, 0, tableLen) !== header.getUint32(88, LITTLE)) {
    throw corrupt(tableSector, 'the checksum of the GPT entries is wrong')
  }
  const view = new DataView(table.buffer)
  const partitions: Partition[] = []
  for (let i = 0; i < entryCount; i++) {
    const off = i * entryLen
    const type = readGuid(view, off)
    if (type === '00000000-0000-0000-0000-000000000000') continue
    const firstSector = readU64(view, off + 32)
    const lastSector = readU64(view, off + 40)
    if (!(firstSector <= lastSector && lastSector < block.sectorCount)) {
      throw corrupt(tableSector, `partition ${i + 1} is outside of the disk of ${block.sectorCount} sectors`)
    }
    partitions.push({
      number: i + 1,
      name: readName(view, off + 56, off + GPT_ENTRY_LEN_MIN),
      type,
      firstSector,
      sectorCount: lastSector - firstSector + 1,
    })
  }
  return partitions
}

/** Exact up to 2^53, beyond every disk; a larger number only fails the check of bounds. */
function readU64(view: DataView, off: number): number {
  return view.getUint32(off, LITTLE) + view.getUint32(off + 4, LITTLE) * 0x1_0000_0000
}

/** The first three groups are little-endian (UEFI 2.10 appendix A). */
function readGuid(view: DataView, off: number): string {
  const hex = (value: number, digits: number): string => value.toString(16).padStart(digits, '0')
  const tail = [8, 9, 10, 11, 12, 13, 14, 15].map((at) => hex(view.getUint8(off + at), 2)).join('')
  const head = `${hex(view.getUint32(off, LITTLE), 8)}-${hex(view.getUint16(off + 4, LITTLE), 4)}`
  return `${head}-${hex(view.getUint16(off + 6, LITTLE), 4)}-${tail.slice(0, 4)}-${tail.slice(4)}`
}

/** UTF-16LE up to a NUL. */
function readName(view: DataView, off: number, end: number): string {
  let name = ''
  for (let at = off; at < end; at += 2) {
    const unit = view.getUint16(at, LITTLE)
    if (unit === 0) break
    name += String.fromCharCode(unit)
  }
  return name
}

function corrupt(sector: number, what: string): BlockError {
  return new BlockError('corrupt', `Cannot read the partition table, sector ${sector}: ${what}`)
}
