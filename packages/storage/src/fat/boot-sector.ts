/**
 * The boot sector of FAT 12, 16 and 32 (Microsoft's FAT specification, "fatgen103", August 2005; cited as fatgen): where
 * the parts of the volume are. Numbers are little-endian.
 */
import { KvError } from '@mirage-ts/core/errors'
import type { Block } from '@mirage-ts/signatures/block'

const LITTLE = true

// fatgen "Boot Sector and BPB Structure"
export const BPB_BYTES_PER_SECTOR = 11
export const BPB_SECTORS_PER_CLUSTER = 13
export const BPB_RESERVED = 14
export const BPB_FAT_COUNT = 16
export const BPB_ROOT_ENTRIES = 17
export const BPB_TOTAL_16 = 19
export const BPB_FAT_SECTORS_16 = 22
export const BPB_TOTAL_32 = 32
export const BPB_FAT_SECTORS_32 = 36
export const BPB_ROOT_CLUSTER = 44
export const BPB_FS_INFO = 48
export const SIGNATURE_OFF = 510
/** Bit 0 of this octet says that the volume was not left in order; Linux and fsck.vfat keep it so. */
const STATE_16 = 37
const STATE_32 = 65

export const ENTRY_LEN = 32

export type FatBits = 12 | 16 | 32

/** A volume. Sectors are those of the volume, which may be larger than those of the disk. */
export interface Volume {
  readonly bits: FatBits
  readonly sectorBytes: number
  readonly sectorCount: number
  readonly clusterSectors: number
  readonly clusterBytes: number
  readonly fatSector: number
  readonly fatSectors: number
  readonly fatCount: number
  /** The root folder of FAT 12 and 16, which has a place of its own; 0 sectors on FAT 32. */
  readonly rootSector: number
  readonly rootSectors: number
  /** The root folder of FAT 32; 0 on the others. */
  readonly rootCluster: number
  /** Sector of cluster 2, the first one. */
  readonly dataSector: number
  /** Clusters are numbered from 2 to `clusterCount + 1`. */
  readonly clusterCount: number
  /** The sector with the count of free clusters, 0 when there is none. */
  readonly infoSector: number
  /** Offset of the state octet in sector 0. */
  readonly stateOff: number
}

/** An error about what the disk holds. */
export function corruptFat(sector: number, what: string): KvError {
  return new KvError('corrupt', `Cannot read the FAT volume, sector ${sector}: ${what}`)
}

/** Reads and checks the boot sector of the volume on `block`. */
export async function readVolume(block: Block): Promise<Volume> {
  const octets = new Uint8Array(Math.max(512, block.sectorBytes))
  if (block.sectorCount * block.sectorBytes < octets.length) throw corruptFat(0, 'the disk is too small')
  await block.read(0, octets)
  return parseBootSector(octets, block)
}

function parseBootSector(octets: Uint8Array, block: Block): Volume {
  const view = new DataView(octets.buffer, octets.byteOffset, octets.byteLength)
  const u16 = (off: number): number => view.getUint16(off, LITTLE)
  const u32 = (off: number): number => view.getUint32(off, LITTLE)
  const sectorBytes = u16(BPB_BYTES_PER_SECTOR)
  const clusterSectors = view.getUint8(BPB_SECTORS_PER_CLUSTER)
  const fatCount = view.getUint8(BPB_FAT_COUNT)
  const rootEntries = u16(BPB_ROOT_ENTRIES)
  const reserved = u16(BPB_RESERVED)
  if (u16(SIGNATURE_OFF) !== 0xaa55) throw corruptFat(0, 'no signature of a boot sector')
  if (![512, 1024, 2048, 4096].includes(sectorBytes) || sectorBytes % block.sectorBytes !== 0) {
    throw corruptFat(0, `sectors of ${sectorBytes} octets on a disk with sectors of ${block.sectorBytes}`)
  }
  if (clusterSectors === 0 || (clusterSectors & (clusterSectors - 1)) !== 0) {
    throw corruptFat(0, `clusters of ${clusterSectors} sectors`)
  }
  if (fatCount === 0 || fatCount > 4 || reserved === 0) {
    throw corruptFat(0, `${fatCount} tables behind ${reserved} reserved sectors`)
  }
  const sectorCount = u16(BPB_TOTAL_16) || u32(BPB_TOTAL_32)
  const fatSectors = u16(BPB_FAT_SECTORS_16) || u32(BPB_FAT_SECTORS_32)
  const rootSectors = Math.ceil((rootEntries * ENTRY_LEN) / sectorBytes)
  const rootSector = reserved + fatCount * fatSectors
  const dataSector = rootSector + rootSectors
  const clusterCount = Math.floor((sectorCount - dataSector) / clusterSectors)
  if (sectorCount * sectorBytes > block.sectorCount * block.sectorBytes) {
    throw corruptFat(0, `the volume has ${sectorCount} sectors, more than the disk`)
  }
  if (clusterCount < 1) throw corruptFat(0, 'no room for a cluster')
  // fatgen "FAT Type Determination": the count of clusters alone says which it is.
  const bits: FatBits = clusterCount < 4085 ? 12 : clusterCount < 65_525 ? 16 : 32
  if (fatSectors * sectorBytes * 8 < (clusterCount + 2) * bits) {
    throw corruptFat(0, `tables of ${fatSectors} sectors are too short for ${clusterCount} clusters`)
  }
  const rootCluster = bits === 32 ? u32(BPB_ROOT_CLUSTER) : 0
  if (bits === 32 ? rootEntries !== 0 || rootCluster < 2 || rootCluster > clusterCount + 1 : rootEntries === 0) {
    throw corruptFat(0, 'no root folder')
  }
  const infoSector = bits === 32 ? u16(BPB_FS_INFO) : 0
  return {
    bits,
    sectorBytes,
    sectorCount,
    clusterSectors,
    clusterBytes: clusterSectors * sectorBytes,
    fatSector: reserved,
    fatSectors,
    fatCount,
    rootSector,
    rootSectors,
    rootCluster,
    dataSector,
    clusterCount,
    infoSector: infoSector > 0 && infoSector < reserved ? infoSector : 0,
    stateOff: bits === 32 ? STATE_32 : STATE_16,
  }
}
