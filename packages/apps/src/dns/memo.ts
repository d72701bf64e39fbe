/**
 * Whole replies to queries that came before, octet for octet but for their identifiers: what most queries of most askers
 * are. A look-up costs a hash and a comparison, a tenth of reading the query.
 *
 * Everything lies in two arrays: an object for each reply would be a dozen places in memory to go to.
 */
import { foldedHash, octetsCopy, octetsEqual } from '@mirage-ts/core/octets'
import type { ReadyAnswer } from './ready.ts'

const ID_LEN = 2
const FIRST_PLACE_COUNT = 1024
const FIRST_BYTES = 64 * 1024
/** Queries beyond this are none that come often. */
const MAX_QUERY_LEN = 128

/** Words of a place: the hash, where query and reply lie one behind the other, and where the reply begins and ends. */
const PLACE_WORDS = 4
const OFF = 1
const REPLY_OFF = 2
const END = 3

/** Replies by query. Bounded in octets: when they are used up, it begins anew. */
export class MemoTable {
  private readonly maxBytes: number
  private readonly seed: number
  private count = 0
  /** A memo has the place of its hash or, when that is taken, the one beside it (`^ 1`). A power of two of places. */
  private places = new Int32Array(0)
  private mask = 0
  /** What the replies were made of, by place. */
  private readies: (ReadyAnswer | undefined)[] = []
  private octets = new Uint8Array(0)
  private usedBytes = 0

  /** `seed` is secret: whoever does not know it cannot choose queries that push each other out. */
  constructor(maxBytes: number, seed: number) {
    this.maxBytes = maxBytes
    this.seed = seed
    this.clear()
  }

  /** The place of the reply to `query`, or -1. */
  find(query: Uint8Array): number {
    const len = query.length
    if (len > MAX_QUERY_LEN || len <= ID_LEN) return -1
    const hash = foldedHash(query, ID_LEN, len, this.seed)
    const places = this.places
    let place = hash & this.mask
    if (places[PLACE_WORDS * place] !== hash) place ^= 1
    const at = PLACE_WORDS * place
    if (places[at] !== hash) return -1
    const off = places[at + OFF] as number
    if ((places[at + REPLY_OFF] as number) - off !== len - ID_LEN) return -1
    return octetsEqual(query, ID_LEN, this.octets, off, len - ID_LEN) ? place : -1
  }

  /** What the reply at a place was made of. */
  ready(place: number): ReadyAnswer {
    return this.readies[place] as ReadyAnswer
  }

  /** Copies the reply at a place, from behind its identifier, to where it goes in a message; returns the message's length. */
  copy(place: number, message: Uint8Array): number {
    const at = PLACE_WORDS * place
    const off = this.places[at + REPLY_OFF] as number
    const end = this.places[at + END] as number
    octetsCopy(this.octets, off, end, message, ID_LEN)
    return ID_LEN + end - off
  }

  /** Keeps copies of both messages. */
  put(query: Uint8Array, message: Uint8Array, messageLen: number, ready: ReadyAnswer): void {
    const len = query.length + messageLen - 2 * ID_LEN
    if (query.length > MAX_QUERY_LEN || len > this.maxBytes) return
    if (this.usedBytes + len > this.maxBytes) this.clear()
    if (this.usedBytes + len > this.octets.length) this.growOctets(len)
    if (2 * this.count >= this.readies.length) this.growPlaces()
    const off = this.usedBytes
    const replyOff = off + query.length - ID_LEN
    this.usedBytes += len
    octetsCopy(query, ID_LEN, query.length, this.octets, off)
    octetsCopy(message, ID_LEN, messageLen, this.octets, replyOff)
    const hash = foldedHash(query, ID_LEN, query.length, this.seed)
    this.set(hash, off, replyOff, this.usedBytes, ready)
  }

  /** Forgets everything: a zone has changed. */
  clear(): void {
    this.startPlaces(FIRST_PLACE_COUNT)
    this.octets = new Uint8Array(Math.min(FIRST_BYTES, this.maxBytes))
    this.usedBytes = 0
  }

  private startPlaces(count: number): void {
    this.places = new Int32Array(PLACE_WORDS * count)
    this.readies = new Array<undefined>(count).fill(undefined)
    this.mask = count - 1
    this.count = 0
  }

  private growOctets(lenBytes: number): void {
    const grown = new Uint8Array(Math.min(this.maxBytes, Math.max(2 * this.octets.length, this.usedBytes + lenBytes)))
    grown.set(this.octets)
    this.octets = grown
  }

  private growPlaces(): void {
    const { places, readies } = this
    this.startPlaces(2 * readies.length)
    for (const [place, ready] of readies.entries()) {
      const at = PLACE_WORDS * place
      const [hash, off, replyOff, end] = places.subarray(at, at + PLACE_WORDS) as unknown as [
        number,
        number,
        number,
        number,
      ]
      if (ready !== undefined) this.set(hash, off, replyOff, end, ready)
    }
  }

  /** Of two taken places, the second gives way; its octets are lost until it all begins anew. */
  private set(hash: number, off: number, replyOff: number, end: number, ready: ReadyAnswer): void {
    let place = hash & this.mask
    if (this.readies[place] !== undefined) place ^= 1
    if (this.readies[place] === undefined) this.count++
    this.readies[place] = ready
    this.places.set([hash, off, replyOff, end], PLACE_WORDS * place)
  }
}
