/** The zones of a server, found by a name in a message: the nearest one above it, without a string being made. */
import { foldedEqual, foldedHash, octetsToText, textToOctets } from '@mirage-ts/core/octets'
import { MAX_NAME_LEN, type NameKey } from '../wire/name.ts'
import type { Zone } from './zone.ts'

interface Entry {
  readonly origin: Uint8Array
  readonly zone: Zone | undefined
}

export class ZoneDirectory {
  private readonly seed: number
  private readonly entries = new Map<number, Entry[]>()
  /** Whether there is a zone whose name has so many octets. */
  private readonly hasLen = new Uint8Array(MAX_NAME_LEN + 1)

  /** `seed` is secret: whoever does not know it cannot choose names with equal hashes. */
  constructor(seed: number) {
    this.seed = seed | 0
  }

  /** Adds a zone, or puts it in the place of the one of its name; `undefined` for one that is not there yet, or any more. */
  set(key: NameKey, zone: Zone | undefined): void {
    const origin = textToOctets(key)
    const hash = foldedHash(origin, 0, origin.length, this.seed)
    const others = (this.entries.get(hash) ?? []).filter((entry) => octetsToText(entry.origin) !== key)
    this.entries.set(hash, [...others, { origin, zone }])
    this.hasLen[origin.length] = 1
  }

  /** The zone nearest to the name at `[off, end)`; `undefined` when there is none, or it has not been loaded. */
  find(u8: Uint8Array, off: number, end: number): Zone | undefined {
    for (let at = off; at < end; at += 1 + (u8[at] as number)) {
      const len = end - at
      if (this.hasLen[len] === 0) continue
      for (const { origin, zone } of this.entries.get(foldedHash(u8, at, end, this.seed)) ?? []) {
        if (origin.length === len && foldedEqual(u8, at, origin, 0, len)) return zone
      }
    }
    return undefined
  }
}
