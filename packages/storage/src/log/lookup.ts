/** What is at a key, and what may be put there: questions to the tree, which knows values and their pieces only. */
import { kvError, splitKey } from '@mirage-ts/core/kv-key'
import { belowPrefix, treeKeyOf, writableTreeKey } from './keys.ts'
import { CHUNK, type Entry } from './leaf.ts'
import type { Tree } from './tree.ts'

export class Lookup {
  readonly #tree: Tree

  constructor(tree: Tree) {
    this.#tree = tree
  }

  /** What a key of the tree names. */
  async kind(treeKey: string): Promise<'value' | 'dictionary' | undefined> {
    if (treeKey === '') return 'dictionary'
    if ((await this.#tree.get(treeKey)) !== undefined) return 'value'
    const prefix = belowPrefix(treeKey)
    let isThere = false
    await this.#tree.scan(prefix, (entry) => {
      isThere = entry.key.startsWith(prefix)
      return false
    })
    return isThere ? 'dictionary' : undefined
  }

  /** The first entry of the value at `key`; throws when there is none. */
  async head(key: string): Promise<Entry> {
    const treeKey = treeKeyOf(key)
    const head = treeKey === undefined || treeKey === '' ? undefined : await this.#tree.get(treeKey)
    if (head !== undefined) return head
    const isDictionary = treeKey !== undefined && (await this.kind(treeKey)) === 'dictionary'
    throw kvError(isDictionary ? 'value-expected' : 'not-found', key)
  }

  /** The entries of the values at and below a key. */
  async headsOf(treeKey: string, kind: 'value' | 'dictionary'): Promise<Entry[]> {
    const heads: Entry[] = []
    const prefix = kind === 'value' ? treeKey : belowPrefix(treeKey)
    await this.#tree.scan(prefix, (entry) => {
      if (!entry.key.startsWith(prefix) || (kind === 'value' && entry.key !== treeKey)) return false
      if (entry.tag !== CHUNK) heads.push(entry)
      return true
    })
    return heads
  }

  /** Throws unless a value can be put at `key`; returns the key of the tree. */
  async checkSettable(key: string): Promise<string> {
    const treeKey = writableTreeKey(key)
    const { before, here, behind: next } = await this.#tree.around(treeKey)
    if (here !== undefined) return treeKey
    // What lies beside it in the leaf nearly always tells: a neighbour in the same dictionary, and none below the key.
    const dictionary = treeKey.slice(0, treeKey.lastIndexOf('\0') + 1)
    const isIn = (entry: Entry | undefined): boolean =>
      entry?.tag !== CHUNK && entry?.key.startsWith(dictionary) === true
    if (next !== undefined && (dictionary === '' || isIn(before) || isIn(next))) {
      if (next.key.startsWith(belowPrefix(treeKey))) throw kvError('value-expected', key)
      return treeKey
    }
    for (let at = treeKey.indexOf('\0'); at >= 0; at = treeKey.indexOf('\0', at + 1)) {
      if ((await this.#tree.get(treeKey.slice(0, at))) !== undefined) {
        throw kvError('dictionary-expected', key, `${splitKey(key).parent} is, or is in, a value`)
      }
    }
    if ((await this.kind(treeKey)) === 'dictionary') throw kvError('value-expected', key)
    return treeKey
  }
}
