/**
 * Answers kept as octets, ready to be copied behind a query: what makes a server that is asked the same things again
 * fast. Only answers to names that stand in a zone are kept, so questions for names made up cannot fill the table.
 */
import { foldedEqual } from '@mirage-ts/core/octets'
import { HEADER_LEN } from '../wire/message.ts'
import type { QueryView } from './query-view.ts'

/** Answers that share a place by their hash. */
const WAY_COUNT = 4
const FIRST_SET_COUNT = 64
/** What an answer takes beside its octets, about. */
const OVERHEAD_BYTES = 200

/** The part of an answer behind the question; the same for every asker. */
export class ReadyAnswer {
  /** Authoritative flag and response code. */
  readonly flags: number
  readonly answerCount: number
  readonly authorityCount: number
  /** Additional records that a referral needs, and all of them. */
  readonly glueCount: number
  readonly additionalCount: number
  /** The octets of the records; those up to `neededLen` cannot be left out without a sign. */
  readonly body: Uint8Array
  readonly neededLen: number
  /** What limits how often it is given; see `rate-limit.ts`. */
  readonly rateHash: number

  constructor(
    flags: number,
    counts: readonly [number, number, number, number],
    body: Uint8Array,
    neededLen: number,
    rateHash: number,
  ) {
    this.flags = flags
    this.answerCount = counts[0]
    this.authorityCount = counts[1]
    this.glueCount = counts[2]
    this.additionalCount = counts[3]
    this.body = body
    this.neededLen = neededLen
    this.rateHash = rateHash
  }
}

class Entry {
  readonly hash: number
  readonly kind: number
  readonly name: Uint8Array
  readonly answer: ReadyAnswer

  constructor(octets: Uint8Array, query: QueryView, kind: number, answer: ReadyAnswer) {
    this.hash = query.hash
    this.kind = kind
    this.name = octets.slice(HEADER_LEN, query.end - 4)
    this.answer = answer
  }

  get sizeBytes(): number {
    return OVERHEAD_BYTES + this.name.length + this.answer.body.length
  }
}

/** Answers by query, bounded in octets. */
export class ReadyTable {
  private readonly maxBytes: number
  private usedBytes = 0
  private count = 0
  private setMask = FIRST_SET_COUNT - 1
  /** Set by set, {@link WAY_COUNT} places each. */
  private entries: (Entry | undefined)[] = new Array<undefined>(FIRST_SET_COUNT * WAY_COUNT).fill(undefined)
  /** Which of a full set gives way next. */
  private victim = 0

  constructor(maxBytes: number) {
    this.maxBytes = maxBytes
  }

  /** The answer, with proofs or without, to the question of `query`, which was read from `octets`. All are of class IN. */
  get(octets: Uint8Array, query: QueryView, hasProofs: boolean): ReadyAnswer | undefined {
    const { hash, end } = query
    const kind = kindOf(query, hasProofs)
    const { entries } = this
    let place = (hash & this.setMask) * WAY_COUNT
    for (let way = 0; way < WAY_COUNT; way++, place++) {
      const entry = entries[place]
      if (entry === undefined || entry.hash !== hash || entry.kind !== kind) continue
      const { name } = entry
      const len = name.length
      if (len === end - HEADER_LEN - 4 && foldedEqual(octets, HEADER_LEN, name, 0, len)) return entry.answer
    }
    return undefined
  }

  /** Keeps an answer for the question; one that has no room pushes another out of its set, or is not kept. */
  put(octets: Uint8Array, query: QueryView, hasProofs: boolean, answer: ReadyAnswer): void {
    const entry = new Entry(octets, query, kindOf(query, hasProofs), answer)
    let place = this.freePlace(entry)
    if (place < 0 && 4 * this.count >= this.entries.length) {
      this.grow()
      place = this.freePlace(entry)
    }
    // A full set of a table that is mostly empty: one of it gives way.
    if (place < 0) place = (entry.hash & this.setMask) * WAY_COUNT + (this.victim++ & (WAY_COUNT - 1))
    const old = this.entries[place]
    const usedBytes = this.usedBytes + entry.sizeBytes - (old?.sizeBytes ?? 0)
    if (usedBytes > this.maxBytes) return
    this.usedBytes = usedBytes
    if (old === undefined) this.count++
    this.entries[place] = entry
  }

  /** Forgets everything: a zone has changed. */
  clear(): void {
    if (this.count === 0) return
    this.entries.fill(undefined)
    this.count = 0
    this.usedBytes = 0
  }

  private grow(): void {
    const old = this.entries
    this.setMask = 2 * this.setMask + 1
    this.entries = new Array<undefined>(2 * old.length).fill(undefined)
    this.count = 0
    this.usedBytes = 0
    for (const entry of old) {
      const place = entry === undefined ? -1 : this.freePlace(entry)
      if (entry === undefined || place < 0) continue
      this.entries[place] = entry
      this.count++
      this.usedBytes += entry.sizeBytes
    }
  }

  /** A free place of the set of an entry, or -1. */
  private freePlace(entry: Entry): number {
    const first = (entry.hash & this.setMask) * WAY_COUNT
    for (let place = first; place < first + WAY_COUNT; place++) if (this.entries[place] === undefined) return place
    return -1
  }
}

/** What makes answers to one name differ. */
function kindOf({ type }: QueryView, hasProofs: boolean): number {
  return hasProofs ? 0x1_0000 | type : type
}
