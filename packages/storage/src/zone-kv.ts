/**
 * Zones of a disk as values: for what lies on it without any file system, at places that somebody agreed on. A boot image, a
 * table that another program writes, a disk as a whole.
 */
import { kvError } from '@mirage-ts/core/kv-key'
import type { Block } from '@mirage-ts/signatures/block'
import type { KvRo } from '@mirage-ts/signatures/kv'
import { blockSource } from './byte-source.ts'
import { type Extent, ExtentKv } from './extent-kv.ts'
import { KvIndex } from './kv-index.ts'

/** A run of octets of a disk, and its name. */
export interface Zone {
  readonly key: string
  /** From the beginning of the disk; need not begin a sector. */
  readonly offBytes: number
  /** Up to the end of the disk when left out. */
  readonly lenBytes?: number
}

/**
 * Opens `zones` of `block`, which may overlap. Throws `bad-key` for a name that is no key, or is there twice, and a
 * `RangeError` for a zone that is not on the disk. The digest of a zone is made once: whoever writes to the disk at the
 * same time reads the new octets with the old digest.
 */
export function createZoneKv(
  { block }: { readonly block: Block },
  { zones }: { readonly zones: readonly Zone[] },
): KvRo {
  const source = blockSource(block)
  const index = new KvIndex<Extent>()
  for (const { key, offBytes, lenBytes = source.lenBytes - offBytes } of zones) {
    const isOnDisk = Number.isSafeInteger(offBytes) && Number.isSafeInteger(lenBytes) && offBytes >= 0 && lenBytes >= 0
    if (!isOnDisk || offBytes + lenBytes > source.lenBytes) {
      throw new RangeError(
        `Cannot open zone ${key}, ${lenBytes} octets at ${offBytes}: the disk has ${source.lenBytes}`,
      )
    }
    if (
      index.has(key) ||
      !index.add(key, { off: offBytes, sizeBytes: lenBytes, digest: undefined, lastModified: undefined })
    ) {
      throw kvError('bad-key', key, 'expected a relative path without . and .., once')
    }
  }
  return new ExtentKv(source, index)
}
