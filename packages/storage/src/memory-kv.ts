/** A store in memory: for tests, caches and defaults. It is gone with the program, so `flush` has nothing to do. */

import { checkPart, checkWritableKey, compareNames, isBelow, joinKey, kvError, splitKey } from '@mirage-ts/core/kv-key'
import type { KvChange, KvEntry, KvTransactional } from '@mirage-ts/signatures/kv'
import { sha256Hex } from './sha256.ts'

/** Makes an empty store. */
export function createMemoryKv(): KvTransactional {
  return new MemoryKv()
}

type Kind = 'value' | 'dictionary'

class MemoryKv implements KvTransactional {
  readonly #values = new Map<string, Uint8Array>()
  /** What is in each dictionary; the root is always there, the others are never empty. */
  readonly #dictionaries = new Map<string, Map<string, Kind>>([['', new Map()]])

  async exists(key: string): Promise<Kind | undefined> {
    return this.#kind(key)
  }

  async get(key: string): Promise<Uint8Array> {
    return this.#value(key)
  }

  async getPartial(key: string, offBytes: number, lenBytes: number): Promise<Uint8Array> {
    checkPart(offBytes, lenBytes)
    return this.#value(key).subarray(offBytes, offBytes + lenBytes)
  }

  async list(key: string): Promise<readonly KvEntry[]> {
    const dictionary = this.#dictionaries.get(key)
    if (dictionary === undefined) throw kvError(this.#values.has(key) ? 'dictionary-expected' : 'not-found', key)
    return [...dictionary].map(([name, kind]) => ({ name, kind })).sort(compareNames)
  }

  async sizeBytes(key: string): Promise<number> {
    return this.#value(key).length
  }

  async lastModified(key: string): Promise<undefined> {
    if (this.#kind(key) === undefined) throw kvError('not-found', key)
  }

  async digest(key: string): Promise<string> {
    return sha256Hex(this.#value(key))
  }

  async set(key: string, value: Uint8Array): Promise<void> {
    this.#checkSettable(key)
    this.#put(key, value.slice())
  }

  async setPartial(key: string, offBytes: number, octets: Uint8Array): Promise<void> {
    checkPart(offBytes, octets.length)
    this.#checkSettable(key)
    const old = this.#values.get(key) ?? new Uint8Array(0)
    const value = new Uint8Array(octets.length === 0 ? old.length : Math.max(old.length, offBytes + octets.length))
    value.set(old)
    if (octets.length > 0) value.set(octets, offBytes)
    this.#put(key, value)
  }

  async remove(key: string): Promise<void> {
    this.#remove(key)
  }

  async rename(from: string, to: string): Promise<void> {
    const kind = this.#kind(from)
    if (kind === undefined) throw kvError('not-found', from)
    if (from === to) return
    if (isBelow(to, from)) throw kvError('bad-key', to, `it is below ${from}`)
    const target = this.#kind(to)
    if (target === 'dictionary' || (target === 'value' && kind === 'dictionary')) throw kvError('already-present', to)
    this.#checkSettable(to)
    for (const [key, value] of this.#remove(from)) this.#put(to + key.slice(from.length), value)
  }

  async commit(changes: readonly KvChange[]): Promise<void> {
    const undo: (() => void)[] = []
    try {
      for (const change of changes) undo.push(this.#apply(change))
    } catch (error) {
      for (const step of undo.reverse()) step()
      throw error
    }
  }

  async flush(): Promise<void> {}

  /** Makes a change and returns what takes it back. */
  #apply(change: KvChange): () => void {
    if (change.tag === 'remove') {
      const removed = this.#remove(change.key)
      return () => {
        for (const [key, value] of removed) this.#put(key, value)
      }
    }
    this.#checkSettable(change.key)
    const old = this.#values.get(change.key)
    this.#put(change.key, change.value.slice())
    return () => (old === undefined ? this.#drop(change.key) : this.#put(change.key, old))
  }

  #kind(key: string): Kind | undefined {
    return this.#values.has(key) ? 'value' : this.#dictionaries.has(key) ? 'dictionary' : undefined
  }

  #value(key: string): Uint8Array {
    const value = this.#values.get(key)
    if (value === undefined) throw kvError(this.#dictionaries.has(key) ? 'value-expected' : 'not-found', key)
    return value
  }

  /** Throws unless a value can be put at `key`. */
  #checkSettable(key: string): void {
    checkWritableKey(key)
    for (let slash = key.indexOf('/'); slash >= 0; slash = key.indexOf('/', slash + 1)) {
      if (this.#values.has(key.slice(0, slash))) throw kvError('dictionary-expected', key.slice(0, slash))
    }
    if (this.#dictionaries.has(key)) throw kvError('value-expected', key)
  }

  #put(key: string, value: Uint8Array): void {
    this.#values.set(key, value)
    let kind: Kind = 'value'
    for (let at = key; at !== ''; kind = 'dictionary') {
      const { parent, name } = splitKey(at)
      const dictionary = this.#dictionaries.get(parent)
      if (dictionary !== undefined) {
        dictionary.set(name, kind)
        return
      }
      this.#dictionaries.set(parent, new Map([[name, kind]]))
      at = parent
    }
  }

  /** Takes a value out, and the dictionaries that become empty. */
  #drop(key: string): void {
    this.#values.delete(key)
    for (let at = key; at !== ''; ) {
      const { parent, name } = splitKey(at)
      const dictionary = this.#dictionaries.get(parent)
      dictionary?.delete(name)
      if (parent === '' || (dictionary !== undefined && dictionary.size > 0)) return
      this.#dictionaries.delete(parent)
      at = parent
    }
  }

  /** Removes everything that `key` names and returns it. */
  #remove(key: string): readonly (readonly [string, Uint8Array])[] {
    if (this.#kind(key) === undefined) throw kvError('not-found', key)
    const removed: (readonly [string, Uint8Array])[] = []
    const collect = (at: string): void => {
      const value = this.#values.get(at)
      if (value !== undefined) removed.push([at, value])
      else for (const name of this.#dictionaries.get(at)?.keys() ?? []) collect(joinKey(at, name))
    }
    collect(key)
    for (const [at] of removed) this.#drop(at)
    return removed
  }
}
