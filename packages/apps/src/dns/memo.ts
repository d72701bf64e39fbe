/**
 * Whole replies to queries that came before, octet for octet but for their identifiers: what most queries of most askers
 * are. A look-up costs a hash and a comparison, a tenth of reading the query.
 */
import { foldedHash, octetsEqual } from '@mirage-ts/core/octets'
import type { ReadyAnswer } from './ready.ts'

const ID_LEN = 2
const FIRST_PLACE_COUNT = 1024
/** Queries beyond this are none that come often. */
const MAX_QUERY_LEN = 128
/** What a memo takes beside its octets, about: objects, and its share of the places. */
const OVERHEAD_BYTES = 300

/** A query and its reply, both without their identifiers. */
export interface Memo {
  readonly hash: number
  readonly query: Uint8Array
  readonly reply: Uint8Array
  /** What the reply was made of. */
  readonly ready: ReadyAnswer
}

/** Replies by query. Bounded in octets: when they are used up, it begins anew. */
export class MemoTable {
  private readonly maxBytes: number
  private readonly seed: number
  private usedBytes = 0
  private count = 0
  /** A memo lies at its hash or, when that is taken, beside it (`^ 1`). A power of two. */
  private places: (Memo | undefined)[] = []
  private mask = 0

  /** `seed` is secret: whoever does not know it cannot choose queries that push each other out. */
  constructor(maxBytes: number, seed: number) {
    this.maxBytes = maxBytes
    this.seed = seed
    this.clear()
  }

  get(query: Uint8Array): Memo | undefined {
    const len = query.length
    if (len > MAX_QUERY_LEN || len < ID_LEN) return undefined
    const hash = foldedHash(query, ID_LEN, len, this.seed)
    const place = hash & this.mask
    const first = this.places[place]
    const memo = first !== undefined && first.hash === hash ? first : this.places[place ^ 1]
    if (memo === undefined || memo.hash !== hash || memo.query.length !== len - ID_LEN) return undefined
    return octetsEqual(query, ID_LEN, memo.query, 0, len - ID_LEN) ? memo : undefined
  }

  /** Keeps copies of both messages. */
  put(query: Uint8Array, reply: Uint8Array, ready: ReadyAnswer): void {
    if (query.length > MAX_QUERY_LEN) return
    const memo = {
      hash: foldedHash(query, ID_LEN, query.length, this.seed),
      query: query.slice(ID_LEN),
      reply: reply.slice(ID_LEN),
      ready,
    }
    if (this.usedBytes + sizeBytes(memo) > this.maxBytes) this.clear()
    if (2 * this.count >= this.places.length) this.grow()
    this.place(memo)
  }

  /** Forgets everything: a zone has changed. */
  clear(): void {
    this.start(FIRST_PLACE_COUNT)
  }

  private start(placeCount: number): void {
    this.places = new Array<undefined>(placeCount).fill(undefined)
    this.mask = placeCount - 1
    this.count = 0
    this.usedBytes = 0
  }

  private grow(): void {
    const old = this.places
    this.start(2 * old.length)
    for (const memo of old) if (memo !== undefined) this.place(memo)
  }

  /** Of two taken places, the second gives way. */
  private place(memo: Memo): void {
    const { places } = this
    let place = memo.hash & this.mask
    if (places[place] !== undefined) place ^= 1
    const old = places[place]
    places[place] = memo
    this.usedBytes += sizeBytes(memo)
    if (old === undefined) this.count++
    else this.usedBytes -= sizeBytes(old)
  }
}

function sizeBytes({ query, reply }: Memo): number {
  return OVERHEAD_BYTES + query.length + reply.length
}
