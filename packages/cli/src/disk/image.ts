/** Images of disks as `mirage disk` sees them: a file, what is in it, and how to get at it. */
import { messageOf } from '@mirage-ts/core/errors'
import { createFileBlock } from '@mirage-ts/node/block-file'
import { createWallClock } from '@mirage-ts/node/clock'
import { createRandom } from '@mirage-ts/node/random'
import type { Block } from '@mirage-ts/signatures/block'
import type { KvRo, KvRw } from '@mirage-ts/signatures/kv'
import { createFatKv } from '@mirage-ts/storage/fat/fat-kv'
import { openLogKv } from '@mirage-ts/storage/log/log-kv'
import { createPartition, readPartitions } from '@mirage-ts/storage/partition'
import { createTarKv, type TarKv } from '@mirage-ts/storage/tar/tar-kv'
import { UserError } from '../errors.ts'

/** What an image can be. */
export type ImageFormat = 'store' | 'fat' | 'tar'

/** An opened image. */
export type Image =
  | { readonly format: 'store' | 'fat'; readonly block: Block; readonly kv: KvRw }
  | { readonly format: 'tar'; readonly block: Block; readonly kv: TarKv; readonly isPacked: boolean }

export interface OpenOptions {
  readonly path: string
  /** A partition by number or name. */
  readonly partition?: string | undefined
  readonly isReadOnly: boolean
}

/** Opens the disk alone. Sectors are of 512 octets: our stores and volumes made for other ones say so. */
export async function openDisk({ path, partition, isReadOnly }: OpenOptions): Promise<Block> {
  try {
    const disk = await createFileBlock({}, { path, isReadOnly })
    return partition === undefined ? disk : await createPartition({ block: disk }, { partition })
  } catch (cause) {
    throw new UserError(messageOf(cause), { cause })
  }
}

/** Opens an image and what is in it, which its first octets tell. */
export async function openImage(options: OpenOptions): Promise<Image> {
  const block = await openDisk(options)
  const format = await recognise(block)
  const { path } = options
  if (format === undefined) {
    const partitions = await readPartitions(block).catch(() => []) // then it is no partitioned disk either
    const hint = partitions.length > 0 ? `: it has partitions, choose one of ${partitions.length} with --partition` : ''
    throw new UserError(`Cannot tell what is in ${path}${hint || ': no store, FAT volume or tar archive'}`)
  }
  try {
    if (format === 'store') return { format, block, kv: await openLogKv({ block, random: createRandom() }) }
    if (format === 'fat') return { format, block, kv: await createFatKv({ block, clock: createWallClock() }) }
    return { format: 'tar', block, kv: await createTarKv({ block }), isPacked: format === 'gzip' }
  } catch (cause) {
    throw new UserError(`${path}: ${messageOf(cause)}`, { cause })
  }
}

/** What a disk begins like. */
export async function recognise(block: Block): Promise<ImageFormat | 'gzip' | undefined> {
  const octets = new Uint8Array(block.sectorBytes)
  await block.read(0, octets)
  const text = (off: number, end: number): string => String.fromCharCode(...octets.subarray(off, end))
  if (text(0, 8) === 'mirageKV') return 'store'
  if (octets[0] === 0x1f && octets[1] === 0x8b) return 'gzip'
  if (text(257, 262) === 'ustar') return 'tar'
  const isFat = text(54, 57) === 'FAT' || text(82, 85) === 'FAT'
  return isFat && octets[510] === 0x55 && octets[511] === 0xaa ? 'fat' : undefined
}

/** Calls `visit` with the key of every value at and below `key`. */
export async function eachValue(kv: KvRo, key: string, visit: (key: string) => Promise<void>): Promise<void> {
  if ((await kv.exists(key)) === 'value') {
    await visit(key)
    return
  }
  for (const { name, kind } of await kv.list(key)) {
    const below = key === '' ? name : `${key}/${name}`
    if (kind === 'dictionary') await eachValue(kv, below, visit)
    else await visit(below)
  }
}
