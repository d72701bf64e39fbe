/** The names of a read-only store: every key in one table, so that a look-up is one step however many there are. */
import { compareNames, isName, joinKey, kvError, segmentsOf, splitKey } from '@mirage-ts/core/kv-key'
import type { KvEntry } from '@mirage-ts/signatures/kv'

class Dictionary {
  readonly entries: KvEntry[] = []
  isSorted = true
}

/** Values of type `T` by key, and the dictionaries they are in. */
export class KvIndex<T extends object> {
  readonly #nodes = new Map<string, T | Dictionary>([['', new Dictionary()]])

  /**
   * Puts `value` at `key`; one that is there already is replaced. False when the key never names anything, or names a
   * dictionary, or leads through a value.
   */
  add(key: string, value: T): boolean {
    const known = this.#nodes.get(key)
    if (known instanceof Dictionary || !this.addDictionary(splitKey(key).parent) || !isName(key)) return false
    if (known === undefined) this.#enter(key, 'value')
    this.#nodes.set(key, value)
    return true
  }

  /** Makes a dictionary, and those on the way to it. False as above. */
  addDictionary(key: string): boolean {
    if (this.#nodes.get(key) instanceof Dictionary) return true
    const segments = segmentsOf(key)
    if (segments === undefined) return false
    let parent = ''
    const missing: string[] = []
    for (const name of segments) {
      parent = joinKey(parent, name)
      const node = this.#nodes.get(parent)
      if (node === undefined) missing.push(parent)
      else if (!(node instanceof Dictionary)) return false
    }
    for (const at of missing) {
      this.#enter(at, 'dictionary')
      this.#nodes.set(at, new Dictionary())
    }
    return true
  }

  has(key: string): boolean {
    return this.#nodes.has(key)
  }

  exists(key: string): 'value' | 'dictionary' | undefined {
    const node = this.#nodes.get(key)
    return node === undefined ? undefined : node instanceof Dictionary ? 'dictionary' : 'value'
  }

  /** The value at `key`; throws what the contract of `KvRo` says. */
  value(key: string): T {
    const node = this.#nodes.get(key)
    if (node === undefined) throw kvError('not-found', key)
    if (node instanceof Dictionary) throw kvError('value-expected', key)
    return node
  }

  /** What `key` names, if that is a value; throws when it names nothing. */
  valueOrDictionary(key: string): T | undefined {
    const node = this.#nodes.get(key)
    if (node === undefined) throw kvError('not-found', key)
    return node instanceof Dictionary ? undefined : node
  }

  list(key: string): readonly KvEntry[] {
    const node = this.#nodes.get(key)
    if (node === undefined) throw kvError('not-found', key)
    if (!(node instanceof Dictionary)) throw kvError('dictionary-expected', key)
    if (!node.isSorted) node.entries.sort(compareNames)
    node.isSorted = true
    return node.entries
  }

  #enter(key: string, kind: KvEntry['kind']): void {
    const { parent, name } = splitKey(key)
    const dictionary = this.#nodes.get(parent) as Dictionary
    dictionary.entries.push({ name, kind })
    dictionary.isSorted = false
  }
}
