/** One read-only store over another: what both have is the upper one's; dictionaries are merged. Nest them for more. */

import { compareNames, kvError } from '@mirage-ts/core/kv-key'
import type { KvEntry, KvRo } from '@mirage-ts/signatures/kv'
import type { WallInstant } from '@mirage-ts/signatures/time'

/** Lays `upper` over `lower`. A value in `upper` hides a whole dictionary of that name in `lower`. */
export function createOverlayKv(stores: { readonly upper: KvRo; readonly lower: KvRo }): KvRo {
  return new OverlayKv(stores.upper, stores.lower)
}

class OverlayKv implements KvRo {
  readonly #upper: KvRo
  readonly #lower: KvRo

  constructor(upper: KvRo, lower: KvRo) {
    this.#upper = upper
    this.#lower = lower
  }

  async exists(key: string): Promise<'value' | 'dictionary' | undefined> {
    return (await this.#upper.exists(key)) ?? ((await this.#isHidden(key)) ? undefined : this.#lower.exists(key))
  }

  async get(key: string): Promise<Uint8Array> {
    return (await this.#storeOf(key)).get(key)
  }

  async getPartial(key: string, offBytes: number, lenBytes: number): Promise<Uint8Array> {
    return (await this.#storeOf(key)).getPartial(key, offBytes, lenBytes)
  }

  async sizeBytes(key: string): Promise<number> {
    return (await this.#storeOf(key)).sizeBytes(key)
  }

  async digest(key: string): Promise<string> {
    return (await this.#storeOf(key)).digest(key)
  }

  async lastModified(key: string): Promise<WallInstant | undefined> {
    return (await this.#storeOf(key)).lastModified(key)
  }

  async list(key: string): Promise<readonly KvEntry[]> {
    const store = await this.#storeOf(key)
    const above = await store.list(key)
    if (store === this.#lower || (await this.#isHidden(key)) || (await this.#lower.exists(key)) !== 'dictionary') {
      return above
    }
    const names = new Set(above.map(({ name }) => name))
    const below = (await this.#lower.list(key)).filter(({ name }) => !names.has(name))
    return [...above, ...below].sort(compareNames)
  }

  async #storeOf(key: string): Promise<KvRo> {
    if ((await this.#upper.exists(key)) !== undefined) return this.#upper
    if (await this.#isHidden(key)) throw kvError('not-found', key)
    return this.#lower
  }

  /** True when a value of the upper store is on the way to `key`. */
  async #isHidden(key: string): Promise<boolean> {
    for (let slash = key.indexOf('/'); slash >= 0; slash = key.indexOf('/', slash + 1)) {
      if ((await this.#upper.exists(key.slice(0, slash))) === 'value') return true
    }
    return false
  }
}
