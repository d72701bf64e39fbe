/**
 * The index: a B+tree in the log, copied on write. A node that changes is dirty in memory until the next commit, which
 * writes it, and every node above it, anew. Nodes that are clean are kept in a cache of bounded size.
 */
import { corrupt, NODE, RECORD_HEADER_LEN } from './format.ts'
import { COUNT_LEN, type Entry, LeafNode, NODE_PAYLOAD } from './leaf.ts'
import type { Log, TreeState } from './log.ts'
import {
  Child,
  childIndex,
  createInner,
  emitNode,
  INNER_LIVES,
  type InnerNode,
  isLeaf,
  lenOf,
  type Node,
  parseNode,
} from './node.ts'

/** Entries of one leaf. */
export interface Surroundings {
  readonly before: Entry | undefined
  readonly here: Entry | undefined
  readonly behind: Entry | undefined
}

/** A node smaller than this looks for a neighbour to join. */
const SMALL = NODE_PAYLOAD / 4
/** Two nodes join when they stay below this: the next insertion shall not split them again. */
const JOINED = (NODE_PAYLOAD * 3) / 4

/** A tree deeper than this is no tree: even the longest keys give three children to a node. */
const MAX_LEVEL = 40

export class Tree {
  /** Nodes that the next commit writes. */
  dirtyCount = 0
  keyCount: number
  private readonly log: Log
  private readonly cacheNodes: number
  /** Clean nodes, found again by a hand that goes round: who was not looked at since it passed last goes. */
  private readonly cache: Node[] = []
  private hand = 0
  /** Leads to the root. */
  private rootSlot: Child

  private constructor(log: Log, cacheNodes: number, keyCount: number, rootSlot: Child) {
    this.log = log
    this.cacheNodes = cacheNodes
    this.keyCount = keyCount
    this.rootSlot = rootSlot
  }

  static async open(log: Log, cacheNodes: number, { root, rootLevel, keyCount }: TreeState): Promise<Tree> {
    if (rootLevel > MAX_LEVEL) throw corrupt(root.address, `a root at level ${rootLevel}`)
    const slot = new Child('').point(root)
    const tree = new Tree(log, cacheNodes, keyCount, slot)
    await tree.load(slot, rootLevel)
    return tree
  }

  /** A tree without keys; its root is written with the first commit. */
  static createEmpty(log: Log, cacheNodes: number): Tree {
    const slot = new Child('')
    slot.node = LeafNode.empty(slot)
    slot.node.isDirty = true
    const tree = new Tree(log, cacheNodes, 0, slot)
    tree.dirtyCount = 1
    return tree
  }

  get height(): number {
    return this.root.level + 1
  }

  async get(key: string): Promise<Entry | undefined> {
    return (this.leafInMemory(key) ?? (await this.leafOf(key))).find(key)
  }

  /** What is at `key`; when that is nothing, what is on both sides of there in the same leaf. */
  async around(key: string): Promise<Surroundings> {
    const leaf = this.leafInMemory(key) ?? (await this.leafOf(key))
    const found = leaf.search(key)
    if (found >= 0) return { before: undefined, here: leaf.entryAt(found), behind: undefined }
    return { before: leaf.entryAt(~found - 1), here: undefined, behind: leaf.entryAt(~found) }
  }

  /**
   * Calls `visit` with each entry from `key` on. It returns `true` to go on, `false` to end, or a key to go on from, which
   * must be greater than the entry's.
   */
  async scan(key: string, visit: (entry: Entry) => boolean | string): Promise<void> {
    let from = key
    while (true) {
      const path: InnerNode[] = []
      const leaf = await this.leafOf(from, path)
      // Read before `visit`: nothing awaits in between, so the leaf cannot change.
      const bound = upperBoundOf(path, from)
      let jump: string | undefined
      const found = leaf.search(from)
      for (let i = found < 0 ? ~found : found; i < leaf.count; i++) {
        const entry = leaf.entryAt(i) as Entry
        if (jump !== undefined && entry.key < jump) continue
        jump = undefined
        const wish = visit(entry)
        if (wish === false) return
        if (typeof wish === 'string') jump = wish
      }
      if (bound === undefined) return
      from = jump !== undefined && jump > bound ? jump : bound
    }
  }

  /** Puts `entry` at its key, or nothing there, and returns what was there. */
  async put(key: string, entry: Entry | undefined): Promise<Entry | undefined> {
    const path: InnerNode[] = []
    const leaf = await this.leafOf(key, path)
    const found = leaf.search(key)
    const at = found < 0 ? ~found : found
    const old = found < 0 ? undefined : leaf.entryAt(found)
    if (old === undefined && entry === undefined) return undefined
    for (const node of path) this.makeDirty(node)
    this.makeDirty(leaf)
    leaf.put(at, entry, old !== undefined)
    if (leaf.lenBytes > NODE_PAYLOAD) this.split(leaf, path, at === leaf.count - 1)
    else if (entry === undefined && leaf.lenBytes < SMALL) await this.shrink(leaf, path)
    return old
  }

  /** Has the node that lies at `address` written anew with the next commit; `key` is in it. False when it lies elsewhere. */
  async move(level: number, key: string | undefined, address: number): Promise<boolean> {
    const path: Node[] = []
    let node = this.root
    while (node.level > level && !isLeaf(node)) {
      path.push(node)
      const child = node.items[childIndex(node.items, key ?? '')] as Child
      // Do not read what is not wanted.
      if (node.level - 1 === level && child.address !== address) return false
      node = child.node ?? (await this.load(child, node.level - 1))
    }
    if (node.level !== level || node.isDirty || node.slot.address !== address) return false
    for (const above of path) this.makeDirty(above)
    this.makeDirty(node)
    return true
  }

  /** Appends every dirty node to the log, children first. */
  async write(): Promise<TreeState> {
    await this.writeNode(this.root)
    const { address, units, crc } = this.rootSlot
    return { root: { address, units, crc }, rootLevel: this.root.level, keyCount: this.keyCount }
  }

  /** Calls `visit` with each node, parents first; a node that cannot be read goes to `onError`, with all below it. */
  async walk(
    visit: (node: Node, slot: Child) => Promise<void>,
    onError: (error: unknown) => void,
    slot: Child = this.rootSlot,
    level: number = this.root.level,
  ): Promise<void> {
    let node: Node
    try {
      node = slot.node ?? (await this.load(slot, level))
    } catch (error) {
      onError(error)
      return
    }
    await visit(node, slot)
    if (isLeaf(node)) return
    for (const child of node.items) await this.walk(visit, onError, child, level - 1)
  }

  private get root(): Node {
    return this.rootSlot.node as Node
  }

  /** The leaf where `key` is or would be, if everything on the way there is in memory: a promise less for each node. */
  private leafInMemory(key: string): LeafNode | undefined {
    let node = this.root
    while (!isLeaf(node)) {
      const child: Child = node.items[childIndex(node.items, key)] as Child
      if (child.node === undefined) return undefined
      node = child.node
      node.lives = livesOf(node)
    }
    return node
  }

  /** The leaf where `key` is or would be; the nodes above it go to `path`. */
  private async leafOf(key: string, path?: InnerNode[]): Promise<LeafNode> {
    let node = this.root
    while (!isLeaf(node)) {
      path?.push(node)
      const child = node.items[childIndex(node.items, key)] as Child
      if (child.node === undefined) node = await this.load(child, node.level - 1)
      else {
        node = child.node
        node.lives = livesOf(node)
      }
    }
    return node
  }

  private async load(slot: Child, level: number): Promise<Node> {
    const { u8, info } = await this.log.read(slot, NODE)
    const node = parseNode(level, u8, RECORD_HEADER_LEN, info.payloadLen, slot)
    if (node === undefined || info.level !== level) throw corrupt(slot.address, 'a node that makes no sense')
    slot.node = node
    this.keep(node)
    return node
  }

  /** Puts a clean node into the cache; another one may go. */
  private keep(node: Node): void {
    if (node.isCached) return
    node.isCached = true
    if (this.cache.length < this.cacheNodes) {
      this.cache.push(node)
      return
    }
    for (let n = 0; ; n++) {
      this.hand = (this.hand + 1) % this.cache.length
      const old = this.cache[this.hand] as Node
      if (old.lives > 0 && !old.isDirty && n < (INNER_LIVES + 1) * this.cache.length) {
        old.lives--
        continue
      }
      old.isCached = false
      // A dirty node lives on in its parent, and comes back when it is written; so does the root.
      if (!old.isDirty && old.slot !== this.rootSlot && old.slot.node === old) old.slot.node = undefined
      this.cache[this.hand] = node
      return
    }
  }

  private makeDirty(node: Node): void {
    if (node.isDirty) return
    node.isDirty = true
    // The cache may have let go of it while the nodes below were read.
    node.slot.node = node
    this.dirtyCount++
    this.log.release(node.slot)
  }

  /** Takes a node that is in no tree any more out of the count. */
  private forget(node: Node): void {
    if (node.isDirty) this.dirtyCount--
    else this.log.release(node.slot)
    // Whatever the cache does with it, it is not to be written.
    node.isDirty = false
    node.slot.node = undefined
  }

  /** Cuts a node that is too long in two; when it grew at its end, as when keys come in order, what is there stays full. */
  private split(node: Node, path: readonly InnerNode[], hasGrownAtEnd: boolean): void {
    const slot = new Child('')
    let right: Node
    if (isLeaf(node)) {
      const at = hasGrownAtEnd ? node.count - 1 : node.middle()
      slot.key = separator(node.keyAt(at - 1), node.keyAt(at))
      right = node.splitOff(at, slot)
    } else {
      const { items } = node
      let at = items.length - 1
      if (!hasGrownAtEnd) {
        let lenBytes = 0
        for (at = 0; at < items.length - 1 && lenBytes < node.lenBytes / 2; at++) {
          lenBytes += (items[at] as Child).lenBytes
        }
      }
      slot.key = (items[at] as Child).key
      right = createInner(node.level, items.splice(at), slot)
      node.lenBytes -= right.lenBytes - COUNT_LEN
    }
    slot.node = right
    right.isDirty = true
    this.dirtyCount++
    const parent = path.at(-1)
    if (parent === undefined) {
      this.rootSlot = new Child('')
      node.slot.key = ''
      const root = createInner(node.level + 1, [node.slot, slot], this.rootSlot)
      root.isDirty = true
      this.rootSlot.node = root
      this.dirtyCount++
      return
    }
    const index = parent.items.indexOf(node.slot)
    parent.items.splice(index + 1, 0, slot)
    parent.lenBytes += slot.lenBytes
    if (parent.lenBytes > NODE_PAYLOAD) this.split(parent, path.slice(0, -1), index + 2 === parent.items.length)
  }

  /** Joins a small node with a neighbour, takes an empty one out, and lowers a root with a single child. */
  private async shrink(node: Node, path: readonly InnerNode[]): Promise<void> {
    const parent = path.at(-1)
    if (parent === undefined) {
      await this.lowerRoot()
      return
    }
    const index = parent.items.indexOf(node.slot)
    if (isEmpty(node)) this.takeOut(parent, index)
    else {
      const leftIndex = index > 0 ? index - 1 : 0
      const leftSlot = parent.items[leftIndex] as Child
      const rightSlot = parent.items[leftIndex + 1]
      if (rightSlot === undefined) return
      const left = leftSlot.node ?? (await this.load(leftSlot, node.level))
      const right = rightSlot.node ?? (await this.load(rightSlot, node.level))
      if (left.lenBytes + right.lenBytes > JOINED) return
      this.makeDirty(left)
      if (isLeaf(left) && isLeaf(right)) left.append(right)
      else if (!isLeaf(left) && !isLeaf(right)) {
        // The first key of a node may be less exact than what its parent knows.
        const [first] = right.items
        if (first !== undefined) first.key = rightSlot.key
        left.items.push(...right.items)
        left.lenBytes = lenOf(left.items)
      }
      this.takeOut(parent, leftIndex + 1)
      if (left.lenBytes > NODE_PAYLOAD) this.split(left, path, false)
    }
    if (parent.lenBytes < SMALL || parent.items.length === 0) await this.shrink(parent, path.slice(0, -1))
  }

  private takeOut(parent: InnerNode, index: number): void {
    const [slot] = parent.items.splice(index, 1)
    if (slot === undefined) return
    parent.lenBytes -= slot.lenBytes
    if (slot.node !== undefined) this.forget(slot.node)
  }

  private async lowerRoot(): Promise<void> {
    for (let root = this.root; !isLeaf(root); root = this.root) {
      if (root.items.length > 1) return
      const [slot] = root.items
      this.forget(root)
      if (slot === undefined) {
        this.rootSlot = new Child('')
        const leaf = LeafNode.empty(this.rootSlot)
        leaf.isDirty = true
        this.dirtyCount++
        this.rootSlot.node = leaf
        return
      }
      if (slot.node === undefined) await this.load(slot, root.level - 1)
      this.rootSlot = slot
    }
  }

  private async writeNode(node: Node): Promise<void> {
    if (!node.isDirty) return
    if (!isLeaf(node)) {
      for (const { node: child } of node.items) if (child?.isDirty === true) await this.writeNode(child)
    }
    const pointer = await this.log.append(NODE, node.level, node.lenBytes, (u8, off) => emitNode(node, u8, off))
    node.slot.point(pointer)
    this.log.retain(pointer)
    node.isDirty = false
    this.dirtyCount--
    this.keep(node)
  }
}

function livesOf(node: Node): number {
  return isLeaf(node) ? 1 : INNER_LIVES
}

function isEmpty(node: Node): boolean {
  return isLeaf(node) ? node.count === 0 : node.items.length === 0
}

/** The first key that is surely right of the leaf that `path` and `from` lead to; `undefined` when it is the last one. */
function upperBoundOf(path: readonly InnerNode[], from: string): string | undefined {
  for (const node of path.toReversed()) {
    const next = node.items[childIndex(node.items, from) + 1]
    if (next !== undefined) return next.key
  }
  return undefined
}

/** The shortest text that is greater than `left` and not greater than `right`. */
function separator(left: string, right: string): string {
  let len = 0
  while (len < left.length && left.charCodeAt(len) === right.charCodeAt(len)) len++
  return right.slice(0, len + 1)
}
