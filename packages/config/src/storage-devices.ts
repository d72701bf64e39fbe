/**
 * Disks and stores: blocks of sectors, what divides and caches them, and the trees of named values that lie on them or in
 * the image. docs/storage.md tells which to take.
 */
import { bootKey, configureKey, type Device, device, match, string, target } from './config.ts'
import { defaultRandom, defaultWallClock } from './default-devices.ts'

const STORAGE = 'STORAGE'

export interface BlockOptions {
  /** Attached for reading alone: then the file may be one that we cannot write. */
  readonly isReadOnly?: boolean
}

/**
 * The disk called `name`. `mirage run --block NAME=FILE` attaches it; on unix `--block:NAME` is also an argument of the
 * program. Any number may be used, each under a name of its own.
 */
export function block(name: string, { isReadOnly = false }: BlockOptions = {}): Device<'block'> {
  const attach = { type: 'block', name, isReadOnly } as const
  return match(target, {
    unix: device('@mirage-ts/node/block-file', 'createFileBlock', {
      makes: 'block',
      keys: {
        path: bootKey(`block:${name}`, {
          type: string,
          default: `${name}.img`,
          doc: `the file, or block device of the host, that is disk ${name}`,
          section: STORAGE,
        }),
      },
      options: { isReadOnly },
      attach,
    })(),
    spt: device('@mirage-ts/metal/spt/block', 'createBlock', {
      makes: 'block',
      options: { index: { tag: 'attachment-index' } },
      attach,
    })(),
    virtio: device('@mirage-ts/metal/block', 'createBlock', {
      makes: 'block',
      options: { name, index: { tag: 'attachment-index' } },
      attach,
    })(),
  })
}

/** A disk of zeros in memory: `sectorCount` sectors of 512 octets. */
export function ramBlock(sectorCount: number): Device<'block'> {
  return device('@mirage-ts/storage/ram-block', 'createRamBlock', { makes: 'block', options: { sectorCount } })()
}

/** The partition of a disk with this number, or in a GPT with this name. */
export function partition(disk: Device<'block'>, name: string): Device<'block'> {
  return device('@mirage-ts/storage/partition', 'createPartition', {
    takes: { block: 'block' },
    makes: 'block',
    options: { partition: name },
    label: name,
  })({ block: disk })
}

/** A disk that nobody can write to. */
export function readOnlyBlock(disk: Device<'block'>): Device<'block'> {
  return device('@mirage-ts/storage/block-view', 'createReadOnlyBlock', { takes: { block: 'block' }, makes: 'block' })({
    block: disk,
  })
}

/** A disk whose contents only those can read who have the key of `cipher`. */
export function encryptedBlock(disk: Device<'block'>, cipher: Device<'sector-cipher'>): Device<'block'> {
  return device('@mirage-ts/storage/encrypted-block', 'createEncryptedBlock', {
    takes: { block: 'block', cipher: 'sector-cipher' },
    makes: 'block',
  })({ block: disk, cipher })
}

/** AES-XTS with the key in a file of the host: 64 octets. Only where there is a host, for now. */
export function aesXts(): Device<'sector-cipher'> {
  return match(target, {
    unix: device('@mirage-ts/node/aes-xts', 'createAesXtsFromFile', {
      makes: 'sector-cipher',
      keys: {
        keyFile: bootKey('disk-key', {
          type: string,
          default: 'disk.key',
          doc: 'the file with the key of the encrypted disk: 64 octets',
          section: STORAGE,
        }),
      },
    })(),
  })
}

/** A write-back cache in front of a disk. */
export function cachedBlock(disk: Device<'block'>): Device<'block'> {
  return device('@mirage-ts/storage/cached-block', 'createCachedBlock', { takes: { block: 'block' }, makes: 'block' })({
    block: disk,
  })
}

/** A tar archive on a disk, plain or in gzip. */
export function tarKv(disk: Device<'block'>): Device<'kv-ro'> {
  return device('@mirage-ts/storage/tar/tar-kv', 'createTarKv', { takes: { block: 'block' }, makes: 'kv-ro' })({
    block: disk,
  })
}

/** A run of octets of a disk, from `offBytes` on, up to the end of the disk when `lenBytes` is left out. */
export interface Zone {
  readonly key: string
  readonly offBytes: number
  readonly lenBytes?: number
}

/** Zones of a disk without any file system as values. */
export function zoneKv(disk: Device<'block'>, zones: readonly Zone[]): Device<'kv-ro'> {
  return device('@mirage-ts/storage/zone-kv', 'createZoneKv', {
    takes: { block: 'block' },
    makes: 'kv-ro',
    options: { zones: { tag: 'value', value: zones } },
  })({ block: disk })
}

/** A FAT volume on a disk or partition: for what other systems read or write as well. */
export function fatKv(disk: Device<'block'>): Device<'kv-rw'> {
  return device('@mirage-ts/storage/fat/fat-kv', 'createFatKv', {
    takes: { block: 'block', clock: 'wall-clock' },
    makes: 'kv-rw',
  })({ block: disk, clock: defaultWallClock })
}

export interface LogKvOptions {
  /** Nodes of the index kept in memory, 4 to 8 KiB each: more make look-ups in large stores faster. 1,024 by default. */
  readonly cacheNodes?: number
}

/** Our log-structured store on a disk: loses nothing, with transactions. A disk of zeros gets an empty one. */
export function logKv(disk: Device<'block'>, { cacheNodes }: LogKvOptions = {}): Device<'kv-transactional'> {
  return device('@mirage-ts/storage/log/log-kv', 'createLogKv', {
    takes: { block: 'block', random: 'random' },
    makes: 'kv-transactional',
    options: cacheNodes === undefined ? {} : { cacheNodes },
  })({ block: disk, random: defaultRandom })
}

/** A store in memory, empty at each start. */
export function memoryKv(): Device<'kv-transactional'> {
  return device('@mirage-ts/storage/memory-kv', 'createMemoryKv', { makes: 'kv-transactional' })()
}

/** One read-only store over another. */
export function overlayKv(upper: Device<'kv-ro'>, lower: Device<'kv-ro'>): Device<'kv-ro'> {
  return device('@mirage-ts/storage/overlay-kv', 'createOverlayKv', {
    takes: { upper: 'kv-ro', lower: 'kv-ro' },
    makes: 'kv-ro',
  })({ upper, lower })
}

/** A store that can be written, for those who only read. */
export function readable(kv: Device<'kv-rw'>): Device<'kv-ro'> {
  return device('@mirage-ts/storage/kv-view', 'asKvRo', { takes: { kv: 'kv-rw' }, makes: 'kv-ro' })({ kv })
}

/** A store with transactions, for those who need none. */
export function writable(kv: Device<'kv-transactional'>): Device<'kv-rw'> {
  return device('@mirage-ts/storage/kv-view', 'asKvRw', { takes: { kv: 'kv-transactional' }, makes: 'kv-rw' })({ kv })
}

export interface CrunchOptions {
  /** Carries files that become shorter in brotli and gzip in those as well, beside the plain ones: for sites. */
  readonly isPrecompressed?: boolean
}

/** The files of a folder (relative to config.ts) carried in the image, read-only; equal contents are there once. */
export function crunch(folder: string, { isPrecompressed = false }: CrunchOptions = {}): Device<'kv-ro'> {
  return device('@mirage-ts/storage/crunch', 'createCrunch', {
    makes: 'kv-ro',
    options: { files: { tag: 'folder', folder, isPrecompressed } },
  })()
}

function folderKey(name: string, folder: string) {
  return bootKey(name, {
    type: string,
    default: folder,
    doc: 'the folder of the host with the files',
    section: STORAGE,
  })
}

/** A folder of the host, read anew at each call; only where there is a host, so use it inside `match(target, ...)`. */
export function directoryKv(folder: string): Device<'kv-ro'> {
  return device('@mirage-ts/node/kv-directory', 'createDirectoryKv', {
    makes: 'kv-ro',
    keys: { folder: folderKey('kv-ro-folder', folder) },
  })()
}

/** A folder of the host that is written, too; likewise. */
export function directoryKvRw(folder: string): Device<'kv-rw'> {
  return device('@mirage-ts/node/kv-directory-rw', 'createDirectoryKvRw', {
    makes: 'kv-rw',
    keys: { folder: folderKey('kv-rw-folder', folder) },
  })()
}

/**
 * The files of a folder, from where `--kv-ro` says: `crunch` carries them in the image, `direct` reads the folder itself
 * (where there is a host), `tar` and `fat` read the disk `kv-ro`.
 */
export function genericKvRo(folder: string, options: CrunchOptions = {}): Device<'kv-ro'> {
  const source = configureKey('kv-ro', {
    words: ['crunch', 'direct', 'tar', 'fat'],
    default: 'crunch',
    doc: 'where the files are: in the image, in a folder of the host, or on a disk, as a tar archive or a FAT volume',
  })
  const disk = block('kv-ro', { isReadOnly: true })
  const crunched = crunch(folder, options)
  const onDisk = { tar: tarKv(disk), fat: readable(fatKv(disk)) }
  return match(target, {
    unix: match(source, { crunch: crunched, direct: directoryKv(folder), ...onDisk }),
    spt: match(source, { crunch: crunched, ...onDisk }),
    virtio: match(source, { crunch: crunched, ...onDisk }),
  })
}

/**
 * A store that can be written, where `--kv-rw` says: `log` and `fat` are on the disk `kv-rw`, `direct` is a folder of the
 * host (where there is one), `memory` begins empty at each start.
 */
export function genericKvRw(folder = 'data'): Device<'kv-rw'> {
  const place = configureKey('kv-rw', {
    words: ['log', 'fat', 'direct', 'memory'],
    default: 'log',
    doc: 'where values are kept: on a disk, in our store or a FAT volume, in a folder of the host, or in memory',
  })
  const disk = block('kv-rw')
  const anywhere = { log: writable(logKv(disk)), fat: fatKv(disk), memory: writable(memoryKv()) }
  return match(target, {
    unix: match(place, { ...anywhere, direct: directoryKvRw(folder) }),
    spt: match(place, anywhere),
    virtio: match(place, anywhere),
  })
}
