/** Making an empty FAT volume. */
import type { Block } from '@mirage-ts/signatures/block'
import {
  BPB_BYTES_PER_SECTOR,
  BPB_FAT_COUNT,
  BPB_FAT_SECTORS_16,
  BPB_FAT_SECTORS_32,
  BPB_FS_INFO,
  BPB_RESERVED,
  BPB_ROOT_CLUSTER,
  BPB_ROOT_ENTRIES,
  BPB_SECTORS_PER_CLUSTER,
  BPB_TOTAL_16,
  BPB_TOTAL_32,
  ENTRY_LEN,
  type FatBits,
  SIGNATURE_OFF,
} from './boot-sector.ts'

const LITTLE = true
const FAT_COUNT = 2
const ROOT_ENTRIES = 512
const MEDIA_FIXED = 0xf8
/** fatgen: where FAT 32 keeps its copy of the boot sector. */
const BACKUP_SECTOR = 6

export interface FormatFatOptions {
  /** By the size of the disk when not given: 12 below 4 MiB, 16 below 512 MiB, 32. */
  readonly bits?: FatBits
  /** A number that tells volumes apart. */
  readonly serial?: number
  readonly label?: string
}

interface Layout {
  readonly bits: FatBits
  readonly clusterSectors: number
  readonly reserved: number
  readonly rootSectors: number
  readonly fatSectors: number
}

/** Makes an empty volume on `block`, whatever is there. Throws when the disk is too small or too large for it. */
export async function formatFat({ block }: { readonly block: Block }, options: FormatFatOptions = {}): Promise<void> {
  const { sectorBytes, sectorCount } = block
  const lenBytes = sectorBytes * sectorCount
  const bits = options.bits ?? (lenBytes < 4 * 2 ** 20 ? 12 : lenBytes < 512 * 2 ** 20 ? 16 : 32)
  const layout = chooseLayout(block, bits)
  if (layout === undefined) {
    throw new Error(`Cannot make a FAT ${bits} volume on ${lenBytes} octets: the number of clusters does not fit`)
  }
  const { reserved, fatSectors, rootSectors } = layout
  const metaSectors = reserved + FAT_COUNT * fatSectors + rootSectors + (bits === 32 ? layout.clusterSectors : 0)
  const zeros = new Uint8Array(sectorBytes * Math.min(64, metaSectors))
  for (let sector = 0; sector < metaSectors; sector += 64) {
    await block.write(sector, zeros.subarray(0, sectorBytes * Math.min(64, metaSectors - sector)))
  }
  for (let copy = 0; copy < FAT_COUNT; copy++) {
    await block.write(reserved + copy * fatSectors, firstTableSector(sectorBytes, bits))
  }
  const boot = bootSector(block, layout, options)
  if (bits === 32) {
    const dataSectors = sectorCount - metaSectors + layout.clusterSectors
    const info = infoSector(sectorBytes, Math.floor(dataSectors / layout.clusterSectors) - 1)
    await block.write(1, info)
    await block.write(BACKUP_SECTOR + 1, info)
    await block.write(BACKUP_SECTOR, boot)
  }
  await block.flush()
  await block.write(0, boot)
  await block.flush()
}

/** The smallest clusters with which the volume has as many of them as its kind may have. */
function chooseLayout({ sectorBytes, sectorCount }: Block, bits: FatBits): Layout | undefined {
  const reserved = bits === 32 ? 32 : 1
  const rootSectors = bits === 32 ? 0 : Math.ceil((ROOT_ENTRIES * ENTRY_LEN) / sectorBytes)
  const least = bits === 12 ? 1 : bits === 16 ? 4085 : 65_525
  const most = bits === 12 ? 4084 : bits === 16 ? 65_524 : 0x0fff_fff4
  // Large volumes of FAT 32 have clusters of 4 KiB at least, so that the tables stay short.
  const first = bits === 32 && sectorCount * sectorBytes >= 512 * 2 ** 20 ? Math.max(1, 4096 / sectorBytes) : 1
  for (
    let clusterSectors = first;
    clusterSectors * sectorBytes <= 65_536 && clusterSectors <= 128;
    clusterSectors *= 2
  ) {
    let fatSectors = 1
    let clusterCount = 0
    while (true) {
      const dataSectors = sectorCount - reserved - FAT_COUNT * fatSectors - rootSectors
      clusterCount = Math.floor(dataSectors / clusterSectors)
      const needed = Math.ceil(((clusterCount + 2) * bits) / 8 / sectorBytes)
      if (needed <= fatSectors || dataSectors <= 0) break
      fatSectors = needed
    }
    if (clusterCount >= least && clusterCount <= most)
      return { bits, clusterSectors, reserved, rootSectors, fatSectors }
  }
  return undefined
}

function bootSector(
  { sectorBytes, sectorCount }: Block,
  { bits, clusterSectors, reserved, fatSectors }: Layout,
  { serial = 0, label = 'NO NAME' }: FormatFatOptions,
): Uint8Array {
  const octets = new Uint8Array(sectorBytes)
  const view = new DataView(octets.buffer)
  const put = (off: number, text: string): void => {
    for (let i = 0; i < text.length; i++) octets[off + i] = text.charCodeAt(i)
  }
  octets.set([0xeb, 0xfe, 0x90]) // a jump to itself: there is nothing to boot
  put(3, 'mirage  ')
  view.setUint16(BPB_BYTES_PER_SECTOR, sectorBytes, LITTLE)
  view.setUint8(BPB_SECTORS_PER_CLUSTER, clusterSectors)
  view.setUint16(BPB_RESERVED, reserved, LITTLE)
  view.setUint8(BPB_FAT_COUNT, FAT_COUNT)
  view.setUint8(21, MEDIA_FIXED)
  view.setUint16(24, 32, LITTLE) // sectors of a track and heads: nobody uses them, fsck wants them
  view.setUint16(26, 64, LITTLE)
  if (bits === 32 || sectorCount >= 65_536) view.setUint32(BPB_TOTAL_32, sectorCount, LITTLE)
  else view.setUint16(BPB_TOTAL_16, sectorCount, LITTLE)
  let off = 36
  if (bits === 32) {
    view.setUint32(BPB_FAT_SECTORS_32, fatSectors, LITTLE)
    view.setUint32(BPB_ROOT_CLUSTER, 2, LITTLE)
    view.setUint16(BPB_FS_INFO, 1, LITTLE)
    view.setUint16(50, BACKUP_SECTOR, LITTLE)
    off = 64
  } else {
    view.setUint16(BPB_ROOT_ENTRIES, ROOT_ENTRIES, LITTLE)
    view.setUint16(BPB_FAT_SECTORS_16, fatSectors, LITTLE)
  }
  octets[off] = 0x80
  octets[off + 2] = 0x29
  view.setUint32(off + 3, serial, LITTLE)
  put(off + 7, label.toUpperCase().slice(0, 11).padEnd(11))
  put(off + 18, `FAT${bits}   `)
  view.setUint16(SIGNATURE_OFF, 0xaa55, LITTLE)
  return octets
}

/** The first two entries are no clusters; the root of FAT 32 is cluster 2. */
function firstTableSector(sectorBytes: number, bits: FatBits): Uint8Array {
  const octets = new Uint8Array(sectorBytes)
  if (bits === 12) octets.set([MEDIA_FIXED, 0xff, 0xff])
  else if (bits === 16) octets.set([MEDIA_FIXED, 0xff, 0xff, 0xff])
  else octets.set([MEDIA_FIXED, 0xff, 0xff, 0x0f, 0xff, 0xff, 0xff, 0x0f, 0xff, 0xff, 0xff, 0x0f])
  return octets
}

function infoSector(sectorBytes: number, freeCount: number): Uint8Array {
  const octets = new Uint8Array(sectorBytes)
  const view = new DataView(octets.buffer)
  view.setUint32(0, 0x41615252, LITTLE)
  view.setUint32(484, 0x61417272, LITTLE)
  view.setUint32(488, freeCount, LITTLE)
  view.setUint32(492, 3, LITTLE)
  view.setUint16(SIGNATURE_OFF, 0xaa55, LITTLE)
  return octets
}
