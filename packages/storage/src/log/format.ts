/**
 * The fixed parts of the log store on the disk: superblock, anchors, and the frame of a record. Numbers are big-endian.
 * docs/storage-design.md describes the format octet by octet and says why it is so.
 */
import { KvError } from '@mirage-ts/core/errors'
import type { Block } from '@mirage-ts/signatures/block'
import { crc32c } from '@mirage-ts/storage/crc32'

/** Superblocks and anchors, each in 4 KiB of its own: a torn write damages one of them. Segments begin behind. */
export const HEADER_BYTES = 65_536
export const SUPERBLOCK_OFFS: readonly number[] = [0, 4096]
/** Where anchor 0 is; the others follow 4 KiB apart. */
export const FIRST_ANCHOR_OFF = 8192
const ANCHOR_STEP = 4096
export const ANCHOR_COUNT = 14

const SUPERBLOCK_MAGIC = 'mirageKV'
const ANCHOR_MAGIC = 'mirageAn'
const VERSION = 1
const SUPERBLOCK_LEN = 48
const ANCHOR_LEN = 32

/** What a record is. */
export const SEGMENT = 1
export const NODE = 2
export const VALUE = 3
export const TABLE = 4
export const COMMIT = 5
export const START = 6
export const END = 7

/** Frame of a record: type u8, level u8, units u16, payload length u32, sequence u64, CRC-32C u32. */
export const RECORD_HEADER_LEN = 20
const CRC_OFF = 16

/** Greatest length of a tree node, frame included. */
export const NODE_BYTES = 4096

/** Segments that the store keeps for itself: the head, the next, those of the log since an anchor, room for cleaning. */
export const RESERVED_SEGMENTS = 6
const MIN_SEGMENTS = 16
const MIN_SEGMENT_BYTES = 65_536
const MAX_SEGMENT_BYTES = 4 * 1024 * 1024

/** How a disk is divided. A unit is a sector of the disk; addresses are sector numbers. */
export interface Geometry {
  readonly unitBytes: number
  readonly segmentUnits: number
  readonly segmentCount: number
  /** Values are cut into pieces of this length. */
  readonly chunkBytes: number
  /** The sector where segment 0 begins. */
  readonly firstUnit: number
  /** What every checksum starts from: made of the store's identity, so that what an older store left never looks valid. */
  readonly seed: number
}

/** Where a record is, how long, and its checksum: who follows it knows that it is the very one that was meant. */
export interface Pointer {
  readonly address: number
  readonly units: number
  readonly crc: number
}

export const POINTER_LEN = 12

/** An error about what the disk holds. */
export function corrupt(sector: number, what: string): KvError {
  return new KvError('corrupt', `Cannot read the store, sector ${sector}: ${what}`)
}

/** The geometry that a new store on `block` gets. */
export function chooseGeometry(block: Block, seed: number): Geometry {
  const { sectorBytes, sectorCount } = block
  if (sectorBytes > 4096) {
    throw new Error(`Cannot make a store on sectors of ${sectorBytes} octets: expected at most 4096`)
  }
  const lenBytes = sectorBytes * sectorCount - HEADER_BYTES
  let segmentBytes = MIN_SEGMENT_BYTES
  while (segmentBytes < MAX_SEGMENT_BYTES && lenBytes / segmentBytes > 4096) segmentBytes *= 2
  const segmentCount = Math.floor(lenBytes / segmentBytes)
  if (segmentCount < MIN_SEGMENTS) {
    const wanted = HEADER_BYTES + MIN_SEGMENTS * MIN_SEGMENT_BYTES
    throw new Error(`Cannot make a store on ${sectorBytes * sectorCount} octets: expected at least ${wanted}`)
  }
  return {
    unitBytes: sectorBytes,
    segmentUnits: segmentBytes / sectorBytes,
    segmentCount,
    chunkBytes: segmentBytes >= 131_072 ? 32_768 : 16_384,
    firstUnit: HEADER_BYTES / sectorBytes,
    seed,
  }
}

/** Superblock: magic, version u16, zero u16, unit octets u32, units of a segment u32, segments u32, chunk octets u32, seed u32. */
export function emitSuperblock(geometry: Geometry): Uint8Array {
  const octets = new Uint8Array(geometry.unitBytes)
  const view = new DataView(octets.buffer)
  writeMagic(octets, SUPERBLOCK_MAGIC)
  view.setUint16(8, VERSION)
  view.setUint32(12, geometry.unitBytes)
  view.setUint32(16, geometry.segmentUnits)
  view.setUint32(20, geometry.segmentCount)
  view.setUint32(24, geometry.chunkBytes)
  view.setUint32(28, geometry.seed)
  view.setUint32(SUPERBLOCK_LEN - 4, crc32c(octets, 0, SUPERBLOCK_LEN - 4))
  return octets
}

/** Reads one of the two superblocks of `block`. */
export async function readSuperblock(block: Block): Promise<Geometry> {
  let problem = 'no superblock of a store'
  for (const off of SUPERBLOCK_OFFS) {
    const octets = new Uint8Array(Math.max(block.sectorBytes, 512))
    if (off + octets.length > block.sectorBytes * block.sectorCount) break
    await block.read(off / block.sectorBytes, octets)
    const parsed = parseSuperblock(octets, block)
    if (typeof parsed !== 'string') return parsed
    if (off === 0 || parsed !== 'no superblock of a store') problem = parsed
  }
  throw corrupt(0, problem)
}

function parseSuperblock(octets: Uint8Array, block: Block): Geometry | string {
  const view = new DataView(octets.buffer)
  if (!hasMagic(octets, SUPERBLOCK_MAGIC)) return 'no superblock of a store'
  if (view.getUint32(SUPERBLOCK_LEN - 4) !== crc32c(octets, 0, SUPERBLOCK_LEN - 4)) {
    return 'the checksum of the superblock is wrong'
  }
  const version = view.getUint16(8)
  if (version !== VERSION) return `the store has format ${version}, expected ${VERSION}`
  const geometry: Geometry = {
    unitBytes: view.getUint32(12),
    segmentUnits: view.getUint32(16),
    segmentCount: view.getUint32(20),
    chunkBytes: view.getUint32(24),
    firstUnit: HEADER_BYTES / block.sectorBytes,
    seed: view.getUint32(28),
  }
  if (geometry.unitBytes !== block.sectorBytes) {
    return `the store was made for sectors of ${geometry.unitBytes} octets, the disk has ${block.sectorBytes}`
  }
  const segmentBytes = geometry.segmentUnits * geometry.unitBytes
  const isSane =
    segmentBytes >= MIN_SEGMENT_BYTES &&
    segmentBytes <= MAX_SEGMENT_BYTES &&
    geometry.segmentCount >= MIN_SEGMENTS &&
    geometry.chunkBytes >= 4096 &&
    geometry.chunkBytes <= segmentBytes / 4
  if (!isSane) return 'the superblock makes no sense'
  if (geometry.firstUnit + geometry.segmentUnits * geometry.segmentCount > block.sectorCount) {
    return 'the disk is shorter than the store'
  }
  return geometry
}

/** The full commit that recovery begins at. */
export interface Anchor {
  readonly sequence: number
  readonly commit: Pointer
}

/** The sector of anchor `index`. */
export function anchorSector(geometry: Geometry, index: number): number {
  return (FIRST_ANCHOR_OFF + ANCHOR_STEP * (index % ANCHOR_COUNT)) / geometry.unitBytes
}

/** Anchor: magic, sequence u64, pointer, CRC. */
export function emitAnchor(geometry: Geometry, anchor: Anchor): Uint8Array {
  const octets = new Uint8Array(geometry.unitBytes)
  const view = new DataView(octets.buffer)
  writeMagic(octets, ANCHOR_MAGIC)
  writeU64(view, 8, anchor.sequence)
  writePointer(view, 16, anchor.commit)
  view.setUint32(ANCHOR_LEN - 4, crc32c(octets, 0, ANCHOR_LEN - 4, geometry.seed))
  return octets
}

/** The anchor in a sector, or `undefined` when it holds none: never written, or torn. */
export function parseAnchor(geometry: Geometry, octets: Uint8Array): Anchor | undefined {
  const view = new DataView(octets.buffer, octets.byteOffset)
  if (!hasMagic(octets, ANCHOR_MAGIC)) return undefined
  if (view.getUint32(ANCHOR_LEN - 4) !== crc32c(octets, 0, ANCHOR_LEN - 4, geometry.seed)) return undefined
  return { sequence: readU64(view, 8), commit: readPointer(view, 16) }
}

/** A record found in a buffer. */
export interface RecordInfo {
  readonly type: number
  readonly level: number
  readonly units: number
  readonly payloadLen: number
  readonly sequence: number
  readonly crc: number
}

/** Writes the frame around the payload that lies behind it, zeroes the rest of the units, and returns the checksum. */
export function sealRecord(geometry: Geometry, u8: Uint8Array, off: number, info: Omit<RecordInfo, 'crc'>): number {
  const view = new DataView(u8.buffer, u8.byteOffset)
  view.setUint8(off, info.type)
  view.setUint8(off + 1, info.level)
  view.setUint16(off + 2, info.units)
  view.setUint32(off + 4, info.payloadLen)
  writeU64(view, off + 8, info.sequence)
  const end = off + RECORD_HEADER_LEN + info.payloadLen
  u8.fill(0, end, off + info.units * geometry.unitBytes)
  const crc = recordCrc(geometry, u8, off, end)
  view.setUint32(off + CRC_OFF, crc)
  return crc
}

/** The record at `off` of `u8`, or why there is none. */
export function parseRecord(geometry: Geometry, u8: Uint8Array, off: number): RecordInfo | string {
  const view = new DataView(u8.buffer, u8.byteOffset, u8.byteLength)
  if (off + RECORD_HEADER_LEN > u8.length) return 'a record is cut short'
  const type = view.getUint8(off)
  const units = view.getUint16(off + 2)
  const payloadLen = view.getUint32(off + 4)
  const lenBytes = units * geometry.unitBytes
  if (type < SEGMENT || type > END || RECORD_HEADER_LEN + payloadLen > lenBytes) return 'no record'
  if (off + lenBytes > u8.length) return 'a record is cut short'
  const crc = view.getUint32(off + CRC_OFF)
  if (recordCrc(geometry, u8, off, off + RECORD_HEADER_LEN + payloadLen) !== crc) return 'the checksum is wrong'
  return { type, level: view.getUint8(off + 1), units, payloadLen, sequence: readU64(view, off + 8), crc }
}

function recordCrc(geometry: Geometry, u8: Uint8Array, off: number, end: number): number {
  return crc32c(u8, off + RECORD_HEADER_LEN, end, crc32c(u8, off, off + CRC_OFF, geometry.seed))
}

/** Address u48, units u16, CRC u32. */
export function writePointer(view: DataView, off: number, pointer: Pointer): void {
  writeU48(view, off, pointer.address)
  view.setUint16(off + 6, pointer.units)
  view.setUint32(off + 8, pointer.crc)
}

export function readPointer(view: DataView, off: number): Pointer {
  return { address: readU48(view, off), units: view.getUint16(off + 6), crc: view.getUint32(off + 8) }
}

export function writeU48(view: DataView, off: number, value: number): void {
  view.setUint16(off, Math.floor(value / 0x1_0000_0000))
  view.setUint32(off + 2, value >>> 0)
}

export function readU48(view: DataView, off: number): number {
  return view.getUint16(off) * 0x1_0000_0000 + view.getUint32(off + 2)
}

/** Sequence numbers stay below 2^53: a commit every microsecond for 285 years. */
function writeU64(view: DataView, off: number, value: number): void {
  view.setUint32(off, Math.floor(value / 0x1_0000_0000))
  view.setUint32(off + 4, value >>> 0)
}

function readU64(view: DataView, off: number): number {
  return view.getUint32(off) * 0x1_0000_0000 + view.getUint32(off + 4)
}

function writeMagic(octets: Uint8Array, magic: string): void {
  for (let i = 0; i < magic.length; i++) octets[i] = magic.charCodeAt(i)
}

function hasMagic(octets: Uint8Array, magic: string): boolean {
  for (let i = 0; i < magic.length; i++) if (octets[i] !== magic.charCodeAt(i)) return false
  return true
}
