/**
 * Whole replies to queries that came before, octet for octet but for their identifiers: what most queries of most askers
 * are. A look-up costs a hash and a comparison, a tenth of reading the query.
 */
import { foldedHash, octetsEqual } from '@mirage-ts/core/octets'
import type { ReadyAnswer } from './ready.ts'

const ID_LEN = 2
const PLACE_COUNT = 16_384
/** Queries beyond this are none that come often. */
const MAX_QUERY_LEN = 128
/** What an entry takes beside its octets, about. */
const OVERHEAD_BYTES = 250

/** A query and its reply, both without their identifiers. */
export interface Memo {
  readonly query: Uint8Array
  readonly reply: Uint8Array
  /** What the reply was made of. */
  readonly ready: ReadyAnswer
}

/** One reply for each value of the hash: the last one. Bounded in octets; when they are used up, it begins anew. */
export class MemoTable {
  private readonly maxBytes: number
  private readonly seed: number
  private usedBytes = 0
  private places: (Memo | undefined)[] = []

  /** `seed` is secret: whoever does not know it cannot choose queries that push each other out. */
  constructor(maxBytes: number, seed: number) {
    this.maxBytes = maxBytes
    this.seed = seed
    this.clear()
  }

  get(query: Uint8Array): Memo | undefined {
    const len = query.length
    if (len > MAX_QUERY_LEN || len < ID_LEN) return undefined
    const memo = this.places[foldedHash(query, ID_LEN, len, this.seed) & (PLACE_COUNT - 1)]
    if (memo === undefined || memo.query.length !== len - ID_LEN) return undefined
    return octetsEqual(query, ID_LEN, memo.query, 0, len - ID_LEN) ? memo : undefined
  }

  /** Keeps copies of both messages. */
  put(query: Uint8Array, reply: Uint8Array, ready: ReadyAnswer): void {
    const sizeBytes = OVERHEAD_BYTES + query.length + reply.length
    if (query.length > MAX_QUERY_LEN || sizeBytes > this.maxBytes) return
    if (this.usedBytes + sizeBytes > this.maxBytes) this.clear()
    const place = foldedHash(query, ID_LEN, query.length, this.seed) & (PLACE_COUNT - 1)
    const old = this.places[place]
    if (old !== undefined) this.usedBytes -= OVERHEAD_BYTES + old.query.length + old.reply.length + 2 * ID_LEN
    this.usedBytes += sizeBytes
    this.places[place] = { query: query.slice(ID_LEN), reply: reply.slice(ID_LEN), ready }
  }

  /** Forgets everything: a zone has changed. */
  clear(): void {
    this.places = new Array<undefined>(PLACE_COUNT).fill(undefined)
    this.usedBytes = 0
  }
}
