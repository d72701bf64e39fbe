/**
 * What a resolver remembers (RFC 1034 §4.3.4, RFC 2181 §5.4.1, RFC 2308): sets of records, and that there are none.
 * Bounded in entries; the one not used for the longest time goes first.
 */

import type { Instant, MonotonicClock } from '@mirage-ts/signatures/time'
import { type NameKey, parentOf, ROOT } from '../wire/name.ts'
import type { RrSet } from '../zone/zone.ts'

/** How much an answer is worth (RFC 2181 §5.4.1): what came beside a referral is not given to askers. */
export const RANK = { GLUE: 1, ANSWER: 2 } as const

/** A day: what is wrong somewhere should not be wrong here for longer (RFC 8767 §4 has a week as the most). */
const MAX_TTL = 86_400
/** RFC 2308 §5. */
const MAX_NEGATIVE_TTL = 10_800
/** The type under which "there is no such name" is kept: no type is 0. */
const NO_NAME = 0

/** What is remembered of a question. */
export type Remembered =
  | { readonly tag: 'data'; readonly set: RrSet; readonly rank: number; readonly isAgeing: boolean }
  | { readonly tag: 'no-data' | 'no-name'; readonly soa: RrSet | undefined }

interface Entry {
  /** Without one there is nothing. */
  readonly set: RrSet | undefined
  /** Of negative entries: says how long that holds. */
  readonly soa: RrSet | undefined
  readonly rank: number
  readonly ttl: number
  readonly expiresAt: Instant
}

export class DnsCache {
  private readonly clock: MonotonicClock
  private readonly maxCount: number
  private readonly entries = new Map<string, Entry>()

  constructor(clock: MonotonicClock, maxCount: number) {
    this.clock = clock
    this.maxCount = maxCount
  }

  get count(): number {
    return this.entries.size
  }

  /** What is known about a name and type; times to live are what is left of them. */
  get(key: NameKey, type: number, minRank: number = RANK.ANSWER): Remembered | undefined {
    const entry = this.live(idOf(key, type))
    if (entry?.set !== undefined && entry.rank >= minRank) {
      const left = this.leftOf(entry)
      return { tag: 'data', set: { ...entry.set, ttl: left }, rank: entry.rank, isAgeing: 10 * left < entry.ttl }
    }
    if (entry !== undefined && entry.set === undefined) return { tag: 'no-data', soa: this.agedSoa(entry) }
    // RFC 8020: when a name is not there, nothing is below it.
    for (let at = key; ; at = parentOf(at)) {
      const none = this.live(idOf(at, NO_NAME))
      if (none !== undefined) return { tag: 'no-name', soa: this.agedSoa(none) }
      if (at === ROOT) return undefined
    }
  }

  /** Remembers a set, unless something worth more is known. */
  putSet(key: NameKey, set: RrSet, rank: number): void {
    const id = idOf(key, set.type)
    const known = this.live(id)
    if (known !== undefined && known.rank > rank) return
    this.put(id, set, undefined, rank, Math.min(set.ttl, MAX_TTL))
    // What there is proves that the name is there.
    this.entries.delete(idOf(key, NO_NAME))
  }

  /** Remembers that there is nothing of a type, or no such name when `type` is `undefined`, for as long as the SOA says. */
  putNone(key: NameKey, type: number | undefined, soa: RrSet): void {
    this.put(idOf(key, type ?? NO_NAME), undefined, soa, RANK.ANSWER, Math.min(soa.ttl, MAX_NEGATIVE_TTL))
  }

  private put(id: string, set: RrSet | undefined, soa: RrSet | undefined, rank: number, ttl: number): void {
    this.entries.delete(id)
    if (ttl === 0) return
    if (this.entries.size >= this.maxCount) this.entries.delete(this.entries.keys().next().value as string)
    const expiresAt = (this.clock.now() + ttl * 1e6) as Instant
    this.entries.set(id, { set, soa, rank, ttl, expiresAt })
  }

  /** The entry if it has not expired; it becomes the one used last. */
  private live(id: string): Entry | undefined {
    const entry = this.entries.get(id)
    if (entry === undefined) return undefined
    this.entries.delete(id)
    if (entry.expiresAt <= this.clock.now()) return undefined
    this.entries.set(id, entry)
    return entry
  }

  private leftOf(entry: Entry): number {
    return Math.ceil((entry.expiresAt - this.clock.now()) / 1e6)
  }

  private agedSoa(entry: Entry): RrSet | undefined {
    return entry.soa === undefined ? undefined : { ...entry.soa, ttl: this.leftOf(entry) }
  }
}

function idOf(key: NameKey, type: number): string {
  return `${type} ${key}`
}
