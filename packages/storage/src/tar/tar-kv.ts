/**
 * A tar archive on a block device as a read-only store: ustar, pax and GNU's long names, plain or in gzip.
 *
 * Opening reads every header once and keeps an index in memory; contents stay where they are. An archive in gzip is
 * inflated into memory as a whole. A later file of the same name takes the place of an earlier one, as when tar extracts.
 * Names that never can be keys (`..`, absolute, not UTF-8) and what is no file (links that are symbolic, devices, sparse
 * files) are left out and counted; hard links are the files they mean.
 */
import { KvError } from '@mirage-ts/core/errors'
import { utf8Decode } from '@mirage-ts/core/utf8'
import type { Block } from '@mirage-ts/signatures/block'
import type { KvRo } from '@mirage-ts/signatures/kv'
import type { WallInstant } from '@mirage-ts/signatures/time'
import { type ByteSource, blockSource, memorySource } from '../byte-source.ts'
import { type Extent, ExtentKv } from '../extent-kv.ts'
import { KvIndex } from '../kv-index.ts'
import { gunzip, isGzip } from './gzip.ts'
import { paddedLen, parsePax, parseTarHeader, TAR_BLOCK, type TarHeader } from './header.ts'

export interface TarOptions {
  /** Files and folders at most; 100,000 by default. */
  readonly maxEntries?: number
  /** Length of an archive that comes in gzip at most; 64 MiB by default. */
  readonly maxInflatedBytes?: number
}

export interface TarKv extends KvRo {
  /** Entries left out. */
  readonly skippedCount: number
  /** Where the last entry ends: the next one goes there. */
  readonly endBytes: number
}

/** Opens the archive on `block`. Rejects with `corrupt` and the sector when it makes no sense. */
export async function createTarKv({ block }: { readonly block: Block }, options: TarOptions = {}): Promise<TarKv> {
  const { maxEntries = 100_000, maxInflatedBytes = 64 * 1024 * 1024 } = options
  let source = blockSource(block)
  const head = await source.read(0, Math.min(TAR_BLOCK, source.lenBytes))
  if (isGzip(head)) source = memorySource(await gunzip(source, maxInflatedBytes))
  const reader = new TarReader(source, maxEntries)
  await reader.scan()
  return new TarStore(source, reader)
}

/** Longer headers for names are not believed. */
const MAX_NAME_BYTES = 65_536

class TarReader {
  readonly index = new KvIndex<Extent>()
  skippedCount = 0
  endBytes = 0
  readonly #source: ByteSource
  readonly #maxEntries: number
  /** What the headers before the next entry say of it. */
  #path: string | undefined
  #link: string | undefined
  #sizeBytes: number | undefined
  #mtime: WallInstant | undefined
  #isSparse = false

  constructor(source: ByteSource, maxEntries: number) {
    this.#source = source
    this.#maxEntries = maxEntries
  }

  async scan(): Promise<void> {
    let entryCount = 0
    for (let off = 0; off + TAR_BLOCK <= this.#source.lenBytes; ) {
      const octets = await this.#source.read(off, TAR_BLOCK)
      const header = parseTarHeader(octets, 0)
      if (header === 'zero') return
      if (typeof header === 'string') throw this.#bad(off, header)
      if (++entryCount > this.#maxEntries) throw this.#bad(off, `more than ${this.#maxEntries} entries`)
      let dataOff = off + TAR_BLOCK
      if (header.type === 'S') dataOff = await this.#skipSparseMap(octets[482] !== 0, dataOff)
      const isMeta = 'xgLK'.includes(header.type)
      const sizeBytes = isMeta ? header.sizeBytes : (this.#sizeBytes ?? header.sizeBytes)
      // Links and folders have no contents, whatever their size says.
      const dataLen = '12345'.includes(header.type) ? 0 : paddedLen(sizeBytes)
      if (dataOff + sizeBytes > this.#source.lenBytes && dataLen > 0) throw this.#bad(off, 'contents beyond the end')
      if (isMeta) await this.#readMeta(header, dataOff, off)
      else this.#add(header, dataOff, sizeBytes)
      off = dataOff + dataLen
      if (!isMeta) this.endBytes = off
    }
  }

  async #readMeta({ type, sizeBytes }: TarHeader, dataOff: number, off: number): Promise<void> {
    if (sizeBytes > MAX_NAME_BYTES) throw this.#bad(off, `a header of ${sizeBytes} octets`)
    const octets = await this.#source.read(dataOff, sizeBytes)
    if (type === 'L' || type === 'K') {
      const end = octets.indexOf(0)
      const name = utf8Decode(octets, 0, end < 0 ? octets.length : end) ?? ''
      if (type === 'L') this.#path = name
      else this.#link = name
      return
    }
    const records = parsePax(octets)
    if (records === undefined) throw this.#bad(dataOff, 'a pax header that makes no sense')
    if (type === 'g') return // defaults for all entries: names and sizes are never among them
    this.#path = records.get('path') ?? this.#path
    this.#link = records.get('linkpath') ?? this.#link
    this.#isSparse = [...records.keys()].some((key) => key.startsWith('GNU.sparse.'))
    this.#mtime = paxTime(records.get('mtime')) ?? this.#mtime
    const size = records.get('size')
    if (size === undefined) return
    if (!/^\d{1,15}$/.test(size)) throw this.#bad(dataOff, 'a pax size that is no number')
    this.#sizeBytes = Number(size)
  }

  #add(header: TarHeader, off: number, sizeBytes: number): void {
    const key = keyOf(this.#path ?? header.path)
    const link = keyOf(this.#link ?? header.link)
    let isAdded = false
    if (key !== undefined && !this.#isSparse) {
      if (header.type === '0' || header.type === '7')
        isAdded = this.index.add(key, { off, sizeBytes, digest: undefined, lastModified: this.#mtime ?? header.mtime })
      else if (header.type === '5') isAdded = this.index.addDictionary(key)
      else if (header.type === '1' && link !== undefined && this.index.exists(link) === 'value') {
        isAdded = this.index.add(key, this.index.value(link))
      }
    }
    if (!isAdded) this.skippedCount++
    this.#path = this.#link = this.#sizeBytes = this.#mtime = undefined
    this.#isSparse = false
  }

  /** Passes the further blocks of an old GNU header of a sparse file. */
  async #skipSparseMap(hasMore: boolean, off: number): Promise<number> {
    let at = off
    for (let more = hasMore; more; at += TAR_BLOCK) {
      if (at + TAR_BLOCK > this.#source.lenBytes) throw this.#bad(at, 'a sparse map beyond the end')
      more = (await this.#source.read(at, TAR_BLOCK))[504] !== 0
    }
    return at
  }

  #bad(off: number, what: string): KvError {
    return new KvError('corrupt', `Cannot read the archive, sector ${this.#source.sectorOf(off)}: ${what}`)
  }
}

/** Seconds with a fraction; nothing when it is no time after 1970. */
function paxTime(text: string | undefined): WallInstant | undefined {
  if (text === undefined || !/^\d{1,10}(\.\d+)?$/.test(text)) return undefined
  return Math.floor(Number(text) * 1e6) as WallInstant
}

/** The key of a path in an archive: `./` in front and `/` behind are how tar writes folders. */
function keyOf(path: string | undefined): string | undefined {
  return path?.replace(/^(\.\/+)+/, '').replace(/\/+$/, '')
}

class TarStore extends ExtentKv implements TarKv {
  readonly skippedCount: number
  readonly endBytes: number

  constructor(source: ByteSource, { index, skippedCount, endBytes }: TarReader) {
    super(source, index)
    this.skippedCount = skippedCount
    this.endBytes = endBytes
  }
}
