/** What a `KvRw` must do, in a few lines over a `Map`: the model that random tests compare stores with. */
import type { KvErrorCode } from '@mirage-ts/core/errors'
import type { KvEntry } from '@mirage-ts/signatures/kv'

export class KvModel {
  values: Map<string, Uint8Array> = new Map()

  kind(key: string): 'value' | 'dictionary' | undefined {
    if (this.values.has(key)) return 'value'
    return key === '' || [...this.values.keys()].some((other) => other.startsWith(`${key}/`)) ? 'dictionary' : undefined
  }

  /** Each change returns the code it must be refused with, and is not made then. */
  set(key: string, value: Uint8Array): KvErrorCode | undefined {
    const code = this.#refusal(key)
    if (code === undefined) this.values.set(key, value)
    return code
  }

  setPartial(key: string, off: number, octets: Uint8Array): KvErrorCode | undefined {
    const code = this.#refusal(key)
    if (code !== undefined) return code
    const old = this.values.get(key) ?? new Uint8Array(0)
    const value = new Uint8Array(octets.length === 0 ? old.length : Math.max(old.length, off + octets.length))
    value.set(old)
    if (octets.length > 0) value.set(octets, off)
    this.values.set(key, value)
    return undefined
  }

  remove(key: string): KvErrorCode | undefined {
    if (this.kind(key) === undefined) return 'not-found'
    for (const other of [...this.values.keys()]) {
      if (key === '' || other === key || other.startsWith(`${key}/`)) this.values.delete(other)
    }
    return undefined
  }

  rename(from: string, to: string): KvErrorCode | undefined {
    const kind = this.kind(from)
    if (kind === undefined) return 'not-found'
    if (from === to) return undefined
    if (from === '' || to.startsWith(`${from}/`)) return 'bad-key'
    const target = this.kind(to)
    if (target === 'dictionary' || (target === 'value' && kind === 'dictionary')) return 'already-present'
    const code = this.#refusal(to)
    if (code !== undefined) return code
    const moved = [...this.values].filter(([key]) => key === from || key.startsWith(`${from}/`))
    for (const [key] of moved) this.values.delete(key)
    for (const [key, value] of moved) this.values.set(to + key.slice(from.length), value)
    return undefined
  }

  list(key: string): KvEntry[] {
    const prefix = key === '' ? '' : `${key}/`
    const kinds = new Map<string, KvEntry['kind']>()
    for (const other of this.values.keys()) {
      if (!other.startsWith(prefix)) continue
      const [name = '', ...rest] = other.slice(prefix.length).split('/')
      kinds.set(name, rest.length === 0 ? 'value' : 'dictionary')
    }
    return [...kinds].map(([name, kind]) => ({ name, kind })).sort((a, b) => (a.name < b.name ? -1 : 1))
  }

  clone(): KvModel {
    const copy = new KvModel()
    copy.values = new Map(this.values)
    return copy
  }

  #refusal(key: string): KvErrorCode | undefined {
    if (key === '') return 'bad-key'
    const segments = key.split('/')
    for (let n = 1; n < segments.length; n++) {
      if (this.values.has(segments.slice(0, n).join('/'))) return 'dictionary-expected'
    }
    return this.kind(key) === 'dictionary' ? 'value-expected' : undefined
  }
}
