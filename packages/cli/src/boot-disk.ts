/**
 * Disk images that start a virtio image by GRUB, for machines that boot from disks: raw, qcow2 and vmdk start by BIOS and by
 * UEFI, iso by BIOS. Plain files and the tools of mtools, GRUB and QEMU make them: no loop device, no privilege.
 *
 * The layout of all but iso: a partition table, GRUB's core behind it, and one FAT partition with the image, GRUB's
 * configuration and, for UEFI, GRUB as `EFI/BOOT/BOOTX64.EFI`.
 */
import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdir, open, readFile, rename, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { quoteWord } from '@mirage-ts/core/boot-args'
import { UserError } from './errors.ts'
import { sha256 } from './label.ts'
import { withTemporaryFolder } from './temporary.ts'
import { isOnPath } from './toolchain.ts'

/** The formats. */
export const DISK_FORMATS = ['raw', 'qcow2', 'vmdk', 'iso'] as const
export type DiskFormat = (typeof DISK_FORMATS)[number]

const SECTOR_BYTES = 512
const MIB = 1024 * 1024
/** The partition begins here, as on all disks; GRUB's core fits in front of it. */
const PARTITION_START = MIB
const HEADS = 16
const SECTORS_PER_TRACK = 32
/** Room in the partition beside the image: GRUB for UEFI, and the FAT itself. */
const SPARE_BYTES = 3 * MIB
const GRUB_FOLDER = '/usr/lib/grub'
const BIOS = 'i386-pc'
const UEFI = 'x86_64-efi'
const MODULES = ['part_msdos', 'fat', 'multiboot2', 'normal']
/** Files on a disk carry this date, the first that FAT has: so the same image makes the same disk. As `xorriso` wants it, and others. */
const ISO_DATE = '1980010100000000'
const DATE = { TZ: 'UTC', SOURCE_DATE_EPOCH: '315532800' }

/** Writes a disk that starts the image at `image` with the arguments `boot` to `path`. */
export async function makeBootDisk(
  format: DiskFormat,
  image: string,
  boot: readonly string[],
  path: string,
): Promise<void> {
  requirePrograms(format)
  await withTemporaryFolder(async (folder) => {
    const made = join(folder, `disk.${format}`)
    if (format === 'iso') await makeIso(folder, image, boot, made)
    else {
      const raw = join(folder, 'disk.raw')
      await makeRaw(folder, image, boot, raw)
      const options = format === 'vmdk' ? ['-o', 'subformat=streamOptimized'] : []
      if (format !== 'raw') await run('qemu-img', 'convert', '-f', 'raw', '-O', format, ...options, raw, made)
      if (format === 'vmdk') await writeFile(made, withContentId(await readFile(made), sha256(await readFile(raw))))
    }
    // The temporary folder may be on another file system.
    await writeFile(`${path}.tmp`, await readFile(made))
    await rename(`${path}.tmp`, path)
  })
}

/** A vmdk says by a number whether its contents have changed: QEMU draws one, here it comes from the contents. */
function withContentId(vmdk: Buffer, digest: string): Buffer {
  const start = vmdk.indexOf('# Disk DescriptorFile')
  const end = vmdk.indexOf(0, start)
  const text = vmdk.toString('latin1', start, end)
  // The greatest numbers have a meaning of their own. Behind the text are zeros, and room.
  const changed = text.replace(/^CID=[0-9a-f]{1,8}$/m, `CID=1${digest.slice(0, 7)}`)
  if (start < 0 || changed === text) throw new Error('qemu-img made a vmdk without a CID')
  vmdk.write(changed, start, 'latin1')
  return vmdk
}

/** GRUB's configuration: it starts the image at once. */
function grubConfig(boot: readonly string[]): string {
  const words = boot.map((word) => `'${quoteWord(word).replaceAll("'", "'\\''")}'`)
  return `set timeout=0\nmultiboot2 /${['boot/mirage.elf', ...words].join(' ')}\nboot\n`
}

async function makeRaw(folder: string, image: string, boot: readonly string[], disk: string): Promise<void> {
  const { size } = await stat(image)
  const partitionBytes = Math.max(16 * MIB, Math.ceil((size + SPARE_BYTES) / MIB) * MIB)
  const core = join(folder, 'core.img')
  const efi = join(folder, 'BOOTX64.EFI')
  await grub(BIOS, core, '(hd0,msdos1)/boot/grub', 'biosdisk')
  await grub(UEFI, efi, '/boot/grub')
  await writeFile(join(folder, 'grub.cfg'), grubConfig(boot))
  await writeFile(join(folder, 'mirage.elf'), await readFile(image))

  const bootSector = new Uint8Array(SECTOR_BYTES)
  bootSector.set((await readFile(join(GRUB_FOLDER, BIOS, 'boot.img'))).subarray(0, 440))
  bootSector.set(partitionEntry(PARTITION_START / SECTOR_BYTES, partitionBytes / SECTOR_BYTES), 446)
  bootSector.set([0x55, 0xaa], 510)
  const coreBytes = await readFile(core)
  if (SECTOR_BYTES + coreBytes.length > PARTITION_START) throw new Error('GRUB does not fit before the partition')
  const file = await open(disk, 'w')
  await file.truncate(PARTITION_START + partitionBytes)
  await file.write(bootSector, 0, SECTOR_BYTES, 0)
  await file.write(coreBytes, 0, coreBytes.length, SECTOR_BYTES)
  await file.close()

  const at = ['-i', `${disk}@@${PARTITION_START}`]
  const geometry = ['-T', String(partitionBytes / SECTOR_BYTES), '-h', String(HEADS), '-s', String(SECTORS_PER_TRACK)]
  await run('mformat', ...at, ...geometry, '-N', '00000000', '::')
  for (const name of ['boot', 'boot/grub', 'EFI', 'EFI/BOOT']) await run('mmd', ...at, `::/${name}`)
  for (const [name, to] of [
    ['mirage.elf', 'boot'],
    ['grub.cfg', 'boot/grub'],
    ['BOOTX64.EFI', 'EFI/BOOT'],
  ] as const) {
    await run('mcopy', ...at, join(folder, name), `::/${to}/${name}`)
  }
}

/** An entry of the partition table: a FAT partition to boot from, addressed by sectors. */
function partitionEntry(start: number, count: number): Uint8Array {
  const entry = new Uint8Array(16)
  const dv = new DataView(entry.buffer)
  entry.set([0x80, 0xfe, 0xff, 0xff, 0x0e, 0xfe, 0xff, 0xff])
  dv.setUint32(8, start, true)
  dv.setUint32(12, count, true)
  return entry
}

async function makeIso(folder: string, image: string, boot: readonly string[], path: string): Promise<void> {
  const tree = join(folder, 'tree')
  await mkdir(join(tree, 'boot/grub'), { recursive: true })
  await writeFile(join(tree, 'boot/grub/grub.cfg'), grubConfig(boot))
  await writeFile(join(tree, 'boot/mirage.elf'), await readFile(image))
  await grub(`${BIOS}-eltorito`, join(tree, ISO_CORE), '/boot/grub', 'biosdisk', 'iso9660')
  // A disc to boot from (El Torito), and, by GRUB's own first sector, a disk of the same contents.
  const core = ['-b', ISO_CORE, '-no-emul-boot', '-boot-load-size', '4', '-boot-info-table', '--grub2-boot-info']
  const dates = [`--modification-date=${ISO_DATE}`, '--set_all_file_dates', ISO_DATE]
  const mbr = ['--grub2-mbr', join(GRUB_FOLDER, BIOS, 'boot_hybrid.img')]
  await run('xorriso', '-as', 'mkisofs', '-quiet', '-R', '-V', 'MIRAGE', ...core, ...mbr, ...dates, '-o', path, tree)
}

const ISO_CORE = 'boot/grub/core.img'

async function grub(platform: string, path: string, prefix: string, ...modules: readonly string[]): Promise<void> {
  await run('grub-mkimage', '-O', platform, '-o', path, '-p', prefix, ...modules, ...MODULES)
}

async function run(program: string, ...args: readonly string[]): Promise<void> {
  await promisify(execFile)(program, args, { env: { ...process.env, ...DATE } }).catch((error: { stderr?: string }) => {
    throw new UserError(`Cannot make the disk: ${program} says: ${error.stderr?.trim() ?? String(error)}`)
  })
}

/** What a format needs, and the Debian package that has it. */
function requirePrograms(format: DiskFormat): void {
  const grubFor = (platform: string) => existsSync(join(GRUB_FOLDER, platform, 'normal.mod'))
  const needs = [
    { isThere: isOnPath('grub-mkimage'), package: 'grub-common' },
    { isThere: grubFor(BIOS), package: 'grub-pc-bin' },
    { isThere: isOnPath('mcopy'), package: 'mtools' },
    { isThere: format === 'iso' || grubFor(UEFI), package: 'grub-efi-amd64-bin' },
    { isThere: format !== 'iso' || isOnPath('xorriso'), package: 'xorriso' },
    { isThere: format === 'iso' || format === 'raw' || isOnPath('qemu-img'), package: 'qemu-utils' },
  ]
  const missing = needs.filter(({ isThere }) => !isThere).map((need) => need.package)
  if (missing.length > 0) {
    throw new UserError(`Making a disk of format ${format} needs more; on Debian: apt-get install ${missing.join(' ')}`)
  }
}
