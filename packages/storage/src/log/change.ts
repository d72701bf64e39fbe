/** A change of the tree in several steps, which can be taken back as long as it has not been kept. */
import { chunkKey } from './keys.ts'
import { CHUNK, Entry, HEAD, NOTHING } from './leaf.ts'
import type { Log } from './log.ts'
import type { Tree } from './tree.ts'
import type { Values } from './values.ts'

interface Step {
  readonly key: string
  readonly old: Entry | undefined
  readonly fresh: Entry | undefined
}

export class Change {
  readonly #log: Log
  readonly #tree: Tree
  readonly #values: Values
  readonly #steps: Step[] = []
  /** Before the first step. */
  readonly #keyCount: number

  constructor(log: Log, tree: Tree, values: Values) {
    this.#log = log
    this.#tree = tree
    this.#values = values
    this.#keyCount = tree.keyCount
  }

  /** Nothing has been changed so far. */
  get isEmpty(): boolean {
    return this.#steps.length === 0
  }

  /** Puts the entries of a value, that of its key first, in place of those it has. */
  async put(entries: readonly Entry[]): Promise<void> {
    let old: Entry | undefined
    for (const [i, entry] of entries.entries()) {
      const replaced = await this.#step(entry.key, entry)
      if (i === 0) old = replaced
    }
    if (old === undefined) this.#tree.keyCount++
    else await this.#dropChunks(old, entries.length)
  }

  /** Takes out a value, whose first entry is `head`. */
  async removeValue(head: Entry): Promise<void> {
    await this.#step(head.key, undefined)
    await this.#dropChunks(head, 1)
    this.#tree.keyCount--
  }

  /** Writes a part of a value of several pieces: those that it touches, and those between the old end and the part. */
  async setChunks(
    treeKey: string,
    head: Entry | undefined,
    offBytes: number,
    octets: Uint8Array,
    newSize: number,
  ): Promise<void> {
    const { chunkBytes } = this.#log.geometry
    const oldSize = head?.sizeBytes ?? 0
    // The last old piece grows when the value does.
    const first = Math.floor(Math.min(offBytes, Math.max(0, newSize > oldSize ? oldSize - 1 : offBytes)) / chunkBytes)
    for (let i = first; i * chunkBytes < offBytes + octets.length; i++) {
      const start = i * chunkBytes
      const piece = new Uint8Array(Math.min(chunkBytes, newSize - start))
      if (head !== undefined && start < oldSize) piece.set(await this.#values.readChunk(head, i))
      const from = Math.max(0, start - offBytes)
      const part = octets.subarray(from, Math.max(from, start + piece.length - offBytes))
      if (part.length > 0) piece.set(part, offBytes + from - start)
      const key = i === 0 ? treeKey : chunkKey(treeKey, i)
      const pointer = await this.#values.write(key, piece)
      await this.#step(key, new Entry(key, i === 0 ? HEAD : CHUNK, NOTHING, i === 0 ? newSize : 0, pointer))
    }
    if (first > 0 && head !== undefined && newSize !== oldSize) {
      // Same first piece, new length: the record stays, so it must survive the release of the old entry.
      this.#log.retain(head)
      await this.#step(treeKey, new Entry(treeKey, HEAD, NOTHING, newSize, head))
    }
    if (head === undefined) this.#tree.keyCount++
  }

  /** Takes out the pieces of an old value from number `first` on. */
  async #dropChunks(old: Entry, first: number): Promise<void> {
    if (old.tag !== HEAD) return
    for (let i = Math.max(1, first); i < this.#values.chunkCount(old.sizeBytes); i++) {
      await this.#step(chunkKey(old.key, i), undefined)
    }
  }

  /** Makes one change of the tree; returns what was there. */
  async #step(key: string, fresh: Entry | undefined): Promise<Entry | undefined> {
    const old = await this.#tree.put(key, fresh)
    this.#steps.push({ key, old, fresh })
    return old
  }

  /** Releases what was replaced: there is no way back. */
  keep(): void {
    for (const { old } of this.#steps) if (old !== undefined) this.#log.release(old)
  }

  /** Takes back everything. */
  async undo(): Promise<void> {
    for (const { key, old, fresh } of this.#steps.toReversed()) {
      await this.#tree.put(key, old)
      if (fresh !== undefined) this.#log.release(fresh)
    }
    this.#tree.keyCount = this.#keyCount
  }
}
