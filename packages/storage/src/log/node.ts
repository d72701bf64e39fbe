/**
 * Nodes of the tree, in memory and in their records: inner ones here, leaves in leaf.ts. Keys are strings of octets, a
 * character for each, so that the language compares them as octets, and fast.
 */
import { octetsToText, writeText } from '@mirage-ts/core/octets'
import { POINTER_LEN, type Pointer, readPointer, writePointer } from './format.ts'
import { COUNT_LEN, LeafNode } from './leaf.ts'

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

/** What is looked at on the way to many leaves stays longer than they do. */
export const INNER_LIVES = 3

export interface NodeState {
  /** Length of the payload. */
  lenBytes: number
  /** Changed since it was read or written: its record is given up and it will get a new one. */
  isDirty: boolean
  /** The child of the parent that leads here. */
  slot: Child
  /** Times that the hand of the cache passes by before it goes: more when it was looked at since. */
  lives: number
  isCached: boolean
}

export interface InnerNode extends NodeState {
  readonly level: number
  items: Child[]
}

export type Node = LeafNode | InnerNode

export function isLeaf(node: Node): node is LeafNode {
  return node.level === 0
}

export function createInner(level: number, items: Child[], slot: Child): InnerNode {
  return { level, items, lenBytes: lenOf(items), isDirty: false, slot, lives: INNER_LIVES, isCached: false }
}

export function lenOf(items: readonly Child[]): number {
  let lenBytes = COUNT_LEN
  for (const item of items) lenBytes += item.lenBytes
  return lenBytes
}

/** Writes the payload of `node` at `off`. */
export function emitNode(node: Node, u8: Uint8Array, off: number): void {
  if (isLeaf(node)) {
    node.emit(u8, off)
    return
  }
  const view = new DataView(u8.buffer, u8.byteOffset)
  view.setUint16(off, node.items.length)
  let at = off + COUNT_LEN
  for (const child of node.items) {
    view.setUint16(at, child.key.length)
    at = writeText(u8, at + 2, child.key)
    writePointer(view, at, child)
    at += POINTER_LEN
  }
}

/** The node of a payload, or `undefined` when it makes no sense. A leaf keeps `u8`: it must not change any more. */
export function parseNode(level: number, u8: Uint8Array, off: number, lenBytes: number, slot: Child): Node | undefined {
  if (lenBytes < COUNT_LEN || off + lenBytes > 0xffff) return undefined
  if (level === 0) return LeafNode.parse(u8, off, lenBytes, slot)
  const count = (u8[off] as number) * 256 + (u8[off + 1] as number)
  return parseInner(level, count, u8, off + COUNT_LEN, off + lenBytes, slot)
}

function parseInner(
  level: number,
  count: number,
  u8: Uint8Array,
  off: number,
  end: number,
  slot: Child,
): InnerNode | undefined {
  const view = new DataView(u8.buffer, u8.byteOffset)
  const children: Child[] = []
  let at = off
  for (let i = 0; i < count; i++) {
    if (at + 2 > end) return undefined
    const keyEnd = at + 2 + view.getUint16(at)
    if (keyEnd + POINTER_LEN > end) return undefined
    children.push(new Child(octetsToText(u8, at + 2, keyEnd)).point(readPointer(view, keyEnd)))
    at = keyEnd + POINTER_LEN
  }
  return at === end && count > 0 ? createInner(level, children, slot) : undefined
}

/** The first key of a node's payload; `undefined` when it is empty. */
export function firstKeyOf(u8: Uint8Array, off: number): string | undefined {
  const view = new DataView(u8.buffer, u8.byteOffset)
  if (view.getUint16(off) === 0) return undefined
  const keyOff = off + COUNT_LEN + 2
  return octetsToText(u8, keyOff, keyOff + view.getUint16(off + COUNT_LEN))
}

/** The index of the first item whose key is not less than `key`. */
function lowerBound(items: readonly { readonly key: string }[], key: string): number {
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
