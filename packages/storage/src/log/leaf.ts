/**
 * Leaves of the tree. A leaf in memory is what it is on the disk, octets, and where in them each item begins: a look-up makes
 * an object of the one entry that it wants, a change moves octets. An object for every entry would take more memory than
 * the leaf, and more time than reading it.
 */
import { octetsToText, writeText } from '@mirage-ts/core/octets'
import {
  NODE_BYTES,
  POINTER_LEN,
  type Pointer,
  RECORD_HEADER_LEN,
  readPointer,
  readU48,
  writePointer,
  writeU48,
} from './format.ts'
import type { Child, NodeState } from './node.ts'

/** Greatest payload of a node. */
export const NODE_PAYLOAD = NODE_BYTES - RECORD_HEADER_LEN
/** The number of items, with which a payload begins. */
export const COUNT_LEN = 2
/** Values up to this length lie in the leaf itself. */
export const INLINE_BYTES = 256

/** What a leaf has at a key. */
export const INLINE = 0
/** A value in pieces: its length and the first piece. */
export const HEAD = 1
/** One more piece. */
export const CHUNK = 2

/** An item of a leaf; never changed once made, so a look-up may keep it. */
export class Entry {
  readonly key: string
  readonly tag: number
  /** The value when it is inline. */
  readonly bytes: Uint8Array
  readonly sizeBytes: number
  /** The record of the piece; 0 units when inline. */
  readonly address: number
  readonly units: number
  readonly crc: number

  constructor(key: string, tag: number, bytes: Uint8Array, sizeBytes: number, pointer: Pointer) {
    this.key = key
    this.tag = tag
    this.bytes = bytes
    this.sizeBytes = sizeBytes
    this.address = pointer.address
    this.units = pointer.units
    this.crc = pointer.crc
  }

  /** Length of the item. */
  get lenBytes(): number {
    const head = 3 + this.key.length
    if (this.tag === INLINE) return head + 2 + this.bytes.length
    return head + POINTER_LEN + (this.tag === HEAD ? 6 : 0)
  }
}

export const NOTHING: Uint8Array = new Uint8Array(0)
export const NOWHERE: Pointer = { address: 0, units: 0, crc: 0 }

/** A leaf that is being changed has room for one item too many; it is split then. */
const ROOM_BYTES = NODE_PAYLOAD + 1536
const MORE_ITEMS = 32

export class LeafNode implements NodeState {
  readonly level = 0
  /** Length of the payload. */
  lenBytes: number
  isDirty = false
  slot: Child
  lives = 0
  isCached = false
  /** Number of items. */
  count: number
  private u8: Uint8Array
  /** Where the payload begins in `u8`. */
  private off: number
  /** Where the first `count` items begin in `u8`. */
  private offs: Uint16Array

  private constructor(slot: Child, u8: Uint8Array, off: number, lenBytes: number, offs: Uint16Array, count: number) {
    this.slot = slot
    this.u8 = u8
    this.off = off
    this.lenBytes = lenBytes
    this.offs = offs
    this.count = count
  }

  static empty(slot: Child): LeafNode {
    return new LeafNode(slot, new Uint8Array(ROOM_BYTES), 0, COUNT_LEN, new Uint16Array(MORE_ITEMS), 0)
  }

  /** The leaf of a payload, or `undefined` when it makes no sense. It keeps `u8`, which must not change any more. */
  static parse(u8: Uint8Array, off: number, lenBytes: number, slot: Child): LeafNode | undefined {
    const end = off + lenBytes
    const count = (u8[off] as number) * 256 + (u8[off + 1] as number)
    const offs = new Uint16Array(count)
    let at = off + COUNT_LEN
    for (let i = 0; i < count; i++) {
      offs[i] = at
      at = itemEnd(u8, at, end)
      if (at < 0) return undefined
    }
    return at === end ? new LeafNode(slot, u8, off, lenBytes, offs, count) : undefined
  }

  /** The place of the item with this key; where there is none, `~place` of the first one with a greater key. */
  search(key: string): number {
    const { u8, offs } = this
    let low = 0
    let high = this.count
    // Keys of a leaf begin alike: what both bounds share with the key need not be compared again.
    let lowSame = 0
    let highSame = 0
    while (low < high) {
      const middle = (low + high) >>> 1
      const off = offs[middle] as number
      const len = (u8[off] as number) * 256 + (u8[off + 1] as number)
      const end = Math.min(len, key.length)
      let same = lowSame < highSame ? lowSame : highSame
      while (same < end && u8[off + 2 + same] === key.charCodeAt(same)) same++
      if (same === key.length && same === len) return middle
      const isLess = same === end ? len < key.length : (u8[off + 2 + same] as number) < key.charCodeAt(same)
      if (isLess) {
        low = middle + 1
        lowSame = same
      } else {
        high = middle
        highSame = same
      }
    }
    return ~low
  }

  /** The entry with exactly this key. */
  find(key: string): Entry | undefined {
    const at = this.search(key)
    return at < 0 ? undefined : this.entryAt(at)
  }

  /** Entry number `i`; `undefined` when there is none. */
  entryAt(i: number): Entry | undefined {
    return i >= 0 && i < this.count ? readEntry(this.u8, this.offs[i] as number) : undefined
  }

  keyAt(i: number): string {
    const off = this.offs[i] as number
    return octetsToText(this.u8, off + 2, off + 2 + (this.u8[off] as number) * 256 + (this.u8[off + 1] as number))
  }

  /** All entries, in order of their keys. */
  *entries(): Generator<Entry> {
    for (let i = 0; i < this.count; i++) yield readEntry(this.u8, this.offs[i] as number)
  }

  /** Puts `entry` at place `at`: instead of the item that is there when `isReplacing`, else in front of it. */
  put(at: number, entry: Entry | undefined, isReplacing: boolean): void {
    this.own()
    const { u8 } = this
    const from = this.startOf(at)
    const oldLen = isReplacing ? this.startOf(at + 1) - from : 0
    const newLen = entry?.lenBytes ?? 0
    const added = (entry === undefined ? 0 : 1) - (isReplacing ? 1 : 0)
    if (this.count + added > this.offs.length) this.offs = moreOf(this.offs)
    const { offs } = this
    u8.copyWithin(from + newLen, from + oldLen, this.off + this.lenBytes)
    if (added !== 0) offs.copyWithin(at + Math.max(added, 0), at - Math.min(added, 0), this.count)
    this.count += added
    if (entry !== undefined) {
      writeEntry(u8, from, entry)
      offs[at] = from
    }
    const moved = newLen - oldLen
    for (let i = entry === undefined ? at : at + 1; i < this.count; i++) offs[i] = (offs[i] as number) + moved
    this.lenBytes += moved
  }

  /** The place that cuts the leaf in halves: 1 at least, and not behind the last item. */
  middle(): number {
    const half = this.off + this.lenBytes / 2
    let at = 1
    while (at < this.count - 1 && (this.offs[at] as number) < half) at++
    return at
  }

  /** Takes the items from place `at` on out, into a leaf of their own. */
  splitOff(at: number, slot: Child): LeafNode {
    const from = this.startOf(at)
    const end = this.off + this.lenBytes
    const u8 = new Uint8Array(ROOM_BYTES)
    u8.set(this.u8.subarray(from, end), COUNT_LEN)
    const count = this.count - at
    const offs = new Uint16Array(count + MORE_ITEMS)
    for (let i = 0; i < count; i++) offs[i] = (this.offs[at + i] as number) - from + COUNT_LEN
    this.count = at
    this.lenBytes = from - this.off
    return new LeafNode(slot, u8, 0, COUNT_LEN + end - from, offs, count)
  }

  /** Appends the items of `right`, whose keys are all greater; both must fit. */
  append(right: LeafNode): void {
    this.own()
    const from = right.off + COUNT_LEN
    const end = this.off + this.lenBytes
    this.u8.set(right.u8.subarray(from, right.off + right.lenBytes), end)
    while (this.count + right.count > this.offs.length) this.offs = moreOf(this.offs)
    for (let i = 0; i < right.count; i++) this.offs[this.count + i] = (right.offs[i] as number) - from + end
    this.count += right.count
    this.lenBytes += right.lenBytes - COUNT_LEN
  }

  /** Writes the payload at `off` of `into`. */
  emit(into: Uint8Array, off: number): void {
    into[off] = this.count >>> 8
    into[off + 1] = this.count & 255
    into.set(this.u8.subarray(this.off + COUNT_LEN, this.off + this.lenBytes), off + COUNT_LEN)
  }

  /** Where item `i` begins, or for the one behind the last, where the payload ends. */
  private startOf(i: number): number {
    return i < this.count ? (this.offs[i] as number) : this.off + this.lenBytes
  }

  /** Sees to it that there is room for one more item. */
  private own(): void {
    const { off, u8 } = this
    if (off === 0 && u8.length >= ROOM_BYTES) return
    const own = new Uint8Array(ROOM_BYTES)
    own.set(u8.subarray(off, off + this.lenBytes))
    const offs = new Uint16Array(this.count + MORE_ITEMS)
    for (let i = 0; i < this.count; i++) offs[i] = (this.offs[i] as number) - off
    this.u8 = own
    this.off = 0
    this.offs = offs
  }
}

function moreOf(offs: Uint16Array): Uint16Array<ArrayBuffer> {
  const more = new Uint16Array(2 * offs.length)
  more.set(offs)
  return more
}

/** Where the item that begins at `at` ends; -1 when it makes no sense. */
function itemEnd(u8: Uint8Array, at: number, end: number): number {
  if (at + 2 > end) return -1
  const tagOff = at + 2 + (u8[at] as number) * 256 + (u8[at + 1] as number)
  // Whatever follows the tag has more than two octets, but for an empty value, which has just those.
  if (tagOff + 3 > end) return -1
  const tag = u8[tagOff] as number
  if (tag > CHUNK) return -1
  const behind =
    tag === INLINE
      ? tagOff + 3 + (u8[tagOff + 1] as number) * 256 + (u8[tagOff + 2] as number)
      : tagOff + 1 + POINTER_LEN + (tag === HEAD ? 6 : 0)
  return behind <= end ? behind : -1
}

/** The item at `off`; `itemEnd` has found that it makes sense. */
function readEntry(u8: Uint8Array, off: number): Entry {
  const view = new DataView(u8.buffer, u8.byteOffset)
  const tagOff = off + 2 + view.getUint16(off)
  const key = octetsToText(u8, off + 2, tagOff)
  const tag = u8[tagOff] as number
  const at = tagOff + 1
  if (tag === INLINE) {
    const len = view.getUint16(at)
    return new Entry(key, INLINE, u8.slice(at + 2, at + 2 + len), len, NOWHERE)
  }
  if (tag === HEAD) return new Entry(key, HEAD, NOTHING, readU48(view, at), readPointer(view, at + 6))
  return new Entry(key, CHUNK, NOTHING, 0, readPointer(view, at))
}

function writeEntry(u8: Uint8Array, off: number, entry: Entry): void {
  const view = new DataView(u8.buffer, u8.byteOffset)
  view.setUint16(off, entry.key.length)
  let at = writeText(u8, off + 2, entry.key)
  u8[at++] = entry.tag
  if (entry.tag === INLINE) {
    view.setUint16(at, entry.bytes.length)
    u8.set(entry.bytes, at + 2)
    return
  }
  if (entry.tag === HEAD) {
    writeU48(view, at, entry.sizeBytes)
    at += 6
  }
  writePointer(view, at, entry)
}
