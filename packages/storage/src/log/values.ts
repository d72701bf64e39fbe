/** Values in the log: pieces of fixed length, each in a record with the key it belongs to, so that cleaning can ask. */
import { octetsToText, writeText } from '@mirage-ts/core/octets'
import type { Geometry, Pointer, RecordInfo } from './format.ts'
import { corrupt, RECORD_HEADER_LEN, VALUE } from './format.ts'
import { chunkKey } from './keys.ts'
import { CHUNK, Entry, HEAD, INLINE, INLINE_BYTES, NOTHING, NOWHERE } from './leaf.ts'
import type { Log } from './log.ts'
import type { Tree } from './tree.ts'

/** Length of the key, before the key and the octets of the piece. */
const KEY_LEN = 2
/** Octets of one value that are read at once, at most. */
const RUN_BYTES = 262_144

export class Values {
  private readonly log: Log
  private readonly tree: Tree
  private readonly geometry: Geometry

  constructor(log: Log, tree: Tree) {
    this.log = log
    this.tree = tree
    this.geometry = log.geometry
  }

  /** How many pieces a value of this length has, the first included. */
  chunkCount(sizeBytes: number): number {
    return Math.max(1, Math.ceil(sizeBytes / this.geometry.chunkBytes))
  }

  /** Units that writing so many octets below a key of this length takes. */
  unitsOf(keyLen: number, lenBytes: number): number {
    if (lenBytes <= INLINE_BYTES) return 0
    return (
      this.chunkCount(lenBytes) * this.log.unitsOf(KEY_LEN + keyLen + 6 + Math.min(lenBytes, this.geometry.chunkBytes))
    )
  }

  /** Writes one piece. */
  async write(key: string, octets: Uint8Array): Promise<Pointer> {
    const pointer = await this.log.append(VALUE, 0, KEY_LEN + key.length + octets.length, (u8, off) => {
      u8[off] = key.length >>> 8
      u8[off + 1] = key.length & 255
      u8.set(octets, writeText(u8, off + KEY_LEN, key))
    })
    this.log.retain(pointer)
    return pointer
  }

  /** Writes a value and returns the entries that name it: that of its key first. */
  async writeValue(key: string, value: Uint8Array): Promise<Entry[]> {
    if (value.length <= INLINE_BYTES) return [new Entry(key, INLINE, value.slice(), value.length, NOWHERE)]
    const { chunkBytes } = this.geometry
    const entries: Entry[] = []
    for (let i = 0; i < this.chunkCount(value.length); i++) {
      const at = i === 0 ? key : chunkKey(key, i)
      const pointer = await this.write(at, value.subarray(i * chunkBytes, (i + 1) * chunkBytes))
      entries.push(new Entry(at, i === 0 ? HEAD : CHUNK, NOTHING, i === 0 ? value.length : 0, pointer))
    }
    return entries
  }

  /** The octets of piece `number` of the value of `head`. */
  async readChunk(head: Entry, number: number): Promise<Uint8Array> {
    if (head.tag === INLINE) return head.bytes
    const entry = await this.entryOf(head, number)
    const { u8, info } = await this.log.read(entry, VALUE)
    return this.octetsOf(head, number, entry, u8, 0, info)
  }

  /** `[off, end)` of the value of `head`; both are inside of it. */
  async readRange(head: Entry, off: number, end: number): Promise<Uint8Array> {
    if (head.tag === INLINE) return head.bytes.subarray(off, end)
    if (end <= off) return NOTHING
    const { chunkBytes, unitBytes } = this.geometry
    const first = Math.floor(off / chunkBytes)
    if (end <= (first + 1) * chunkBytes) {
      const chunk = await this.readChunk(head, first)
      return chunk.subarray(off - first * chunkBytes, end - first * chunkBytes)
    }
    const octets = new Uint8Array(end - off)
    const place = (number: number, chunk: Uint8Array): void => {
      const from = Math.max(off - number * chunkBytes, 0)
      octets.set(chunk.subarray(from, end - number * chunkBytes), number * chunkBytes + from - off)
    }
    const entries: Entry[] = []
    const endChunk = Math.ceil(end / chunkBytes)
    for (let number = first; number < endChunk; number++) entries.push(await this.entryOf(head, number))
    // Pieces that were written together lie one behind the other: they come in one transfer.
    for (let i = 0; i < entries.length; ) {
      const count = this.log.runLen(entries, i, RUN_BYTES)
      if (count === 1) place(first + i, await this.readChunk(head, first + i))
      else {
        const { address } = entries[i] as Entry
        const last = entries[i + count - 1] as Entry
        const u8 = new Uint8Array((last.address + last.units - address) * unitBytes)
        await this.log.readUnits(address, u8)
        for (let n = i; n < i + count; n++) {
          const entry = entries[n] as Entry
          const recordOff = (entry.address - address) * unitBytes
          const info = this.log.check(entry, VALUE, u8, recordOff)
          place(first + n, this.octetsOf(head, first + n, entry, u8, recordOff, info))
        }
      }
      i += count
    }
    return octets
  }

  private async entryOf(head: Entry, number: number): Promise<Entry> {
    const entry = number === 0 ? head : await this.tree.get(chunkKey(head.key, number))
    if (entry === undefined || entry.tag !== (number === 0 ? HEAD : CHUNK)) {
      throw corrupt(head.address, `piece ${number} of a value is missing`)
    }
    return entry
  }

  /** The octets of a piece in its record at `recordOff`. */
  private octetsOf(
    head: Entry,
    number: number,
    entry: Entry,
    u8: Uint8Array,
    recordOff: number,
    info: RecordInfo,
  ): Uint8Array {
    const payloadOff = recordOff + RECORD_HEADER_LEN
    const off = payloadOff + KEY_LEN + keyLenOf(u8, payloadOff)
    const end = payloadOff + info.payloadLen
    const { chunkBytes } = this.geometry
    if (off > end || end - off !== Math.min(chunkBytes, head.sizeBytes - number * chunkBytes)) {
      throw corrupt(entry.address, `piece ${number} of a value has the wrong length`)
    }
    return u8.subarray(off, end)
  }
}

/** The key in the payload of a value's record at `off`, and where its octets begin. */
export function readOwner(
  u8: Uint8Array,
  off: number,
  payloadLen: number,
): { key: string; octetsOff: number } | undefined {
  const octetsOff = off + KEY_LEN + keyLenOf(u8, off)
  if (octetsOff > off + payloadLen) return undefined
  return { key: octetsToText(u8, off + KEY_LEN, octetsOff), octetsOff }
}

function keyLenOf(u8: Uint8Array, off: number): number {
  return (u8[off] as number) * 256 + (u8[off + 1] as number)
}
