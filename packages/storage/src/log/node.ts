/**
 * Nodes of the tree, in memory and in their records. Keys are strings of octets, a character for each, so that the
 * language compares them as octets, and fast.
 */
import { NODE_BYTES, POINTER_LEN, type Pointer, RECORD_HEADER_LEN, readU48, writeU48 } from './format.ts'

/** Greatest payload of a node. */
export const NODE_PAYLOAD = NODE_BYTES - RECORD_HEADER_LEN
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

  get lenBytes(): number {
    const head = 3 + this.key.length
    if (this.tag === INLINE) return head + 2 + this.bytes.length
    return head + POINTER_LEN + (this.tag === HEAD ? 6 : 0)
  }
}

/** An item of an inner node: where a child is, and the node itself while it is in memory. */
export class Child {
  /** No key below the child is less; what is less than the first child's key is looked for there all the same. */
  key: string
  address = 0
  units = 0
  crc = 0
  node: Node | undefined = undefined

  constructor(key: string) {
    this.key = key
  }

  get lenBytes(): number {
    return 2 + this.key.length + POINTER_LEN
  }

  point({ address, units, crc }: Pointer): this {
    this.address = address
    this.units = units
    this.crc = crc
    return this
  }
}

interface NodeState {
  /** Length of the payload. */
  lenBytes: number
  /** Changed since it was read or written: its record is given up and it will get a new one. */
  isDirty: boolean
  /** The child of the parent that leads here. */
  slot: Child
  /** Looked at since the cache last passed by. */
  isUsed: boolean
  isCached: boolean
}

export interface LeafNode extends NodeState {
  readonly level: 0
  items: Entry[]
}

export interface InnerNode extends NodeState {
  readonly level: number
  items: Child[]
}

export type Node = LeafNode | InnerNode

const COUNT_LEN = 2

export function isLeaf(node: Node): node is LeafNode {
  return node.level === 0
}

export function createLeaf(items: Entry[], slot: Child): LeafNode {
  return { level: 0, items, lenBytes: lenOf(items), isDirty: false, slot, isUsed: true, isCached: false }
}

export function createInner(level: number, items: Child[], slot: Child): InnerNode {
  return { level, items, lenBytes: lenOf(items), isDirty: false, slot, isUsed: true, isCached: false }
}

export function lenOf(items: readonly (Entry | Child)[]): number {
  let lenBytes = COUNT_LEN
  for (const item of items) lenBytes += item.lenBytes
  return lenBytes
}

/** Writes the payload of `node` at `off`. */
export function emitNode(node: Node, u8: Uint8Array, off: number): void {
  const view = new DataView(u8.buffer, u8.byteOffset)
  view.setUint16(off, node.items.length)
  let at = off + COUNT_LEN
  for (const item of node.items) {
    view.setUint16(at, item.key.length)
    at += 2
    for (let i = 0; i < item.key.length; i++) u8[at + i] = item.key.charCodeAt(i)
    at += item.key.length
    if (item instanceof Entry) {
      u8[at++] = item.tag
      if (item.tag === INLINE) {
        view.setUint16(at, item.bytes.length)
        u8.set(item.bytes, at + 2)
        at += 2 + item.bytes.length
        continue
      }
      if (item.tag === HEAD) {
        writeU48(view, at, item.sizeBytes)
        at += 6
      }
    }
    writeU48(view, at, item.address)
    view.setUint16(at + 6, item.units)
    view.setUint32(at + 8, item.crc)
    at += POINTER_LEN
  }
}

/** The node of a payload, or `undefined` when it makes no sense. */
export function parseNode(level: number, u8: Uint8Array, off: number, lenBytes: number, slot: Child): Node | undefined {
  const view = new DataView(u8.buffer, u8.byteOffset)
  const end = off + lenBytes
  if (lenBytes < COUNT_LEN) return undefined
  const count = view.getUint16(off)
  const entries: Entry[] = []
  const children: Child[] = []
  let at = off + COUNT_LEN
  for (let i = 0; i < count; i++) {
    if (at + 2 > end) return undefined
    const keyLen = view.getUint16(at)
    at += 2
    if (at + keyLen + 1 > end) return undefined
    const key = octetsToText(u8, at, at + keyLen)
    at += keyLen
    const tag = level === 0 ? (u8[at++] as number) : -1
    if (tag === INLINE) {
      if (at + 2 > end) return undefined
      const len = view.getUint16(at)
      at += 2
      if (at + len > end) return undefined
      entries.push(new Entry(key, INLINE, u8.slice(at, at + len), len, NOWHERE))
      at += len
      continue
    }
    if (tag > CHUNK) return undefined
    let sizeBytes = 0
    if (tag === HEAD) {
      if (at + 6 > end) return undefined
      sizeBytes = readU48(view, at)
      at += 6
    }
    if (at + POINTER_LEN > end) return undefined
    const pointer = { address: readU48(view, at), units: view.getUint16(at + 6), crc: view.getUint32(at + 8) }
    at += POINTER_LEN
    if (level === 0) entries.push(new Entry(key, tag, NOTHING, sizeBytes, pointer))
    else children.push(new Child(key).point(pointer))
  }
  if (at !== end || (level > 0 && count === 0)) return undefined
  return level === 0 ? createLeaf(entries, slot) : createInner(level, children, slot)
}

/** The first key of a node's payload; `undefined` when it is empty. */
export function firstKeyOf(u8: Uint8Array, off: number): string | undefined {
  const view = new DataView(u8.buffer, u8.byteOffset)
  if (view.getUint16(off) === 0) return undefined
  const keyOff = off + COUNT_LEN + 2
  return octetsToText(u8, keyOff, keyOff + view.getUint16(off + COUNT_LEN))
}

export const NOTHING: Uint8Array = new Uint8Array(0)
export const NOWHERE: Pointer = { address: 0, units: 0, crc: 0 }

/** A character for each octet. */
export function octetsToText(u8: Uint8Array, off: number, end: number): string {
  return String.fromCharCode.apply(null, u8.subarray(off, end) as unknown as number[])
}

/** The index of the first item whose key is not less than `key`. */
export function lowerBound(items: readonly { readonly key: string }[], key: string): number {
  let low = 0
  let high = items.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if ((items[middle] as { readonly key: string }).key < key) low = middle + 1
    else high = middle
  }
  return low
}

/** The index of the child below which `key` is, or would be. */
export function childIndex(items: readonly Child[], key: string): number {
  const at = lowerBound(items, key)
  return (items[at] as Child | undefined)?.key === key ? at : Math.max(0, at - 1)
}
