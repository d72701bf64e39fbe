/**
 * Whole replies to queries that came before, octet for octet but for their identifiers: what most queries of most askers
 * are. A look-up costs a hash and a comparison, a tenth of reading the query.
 *
 * Everything lies in two arrays: an object for each reply would be a dozen places in memory to go to. The octets are written
 * round and round: the oldest replies give way, and their places are known by how far back they point.
 */
import { foldedHash, octetsCopy, octetsEqual } from '@mirage-ts/core/octets'

const ID_LEN = 2
const FIRST_SET_COUNT = 256
const FIRST_BYTES = 64 * 1024
/** Queries beyond this are none that come often. */
const MAX_QUERY_LEN = 128

/** Words of a place: the hash, where query and reply lie one behind the other, their lengths, and the rate limit's hash. */
const PLACE_WORDS = 4
const POSITION = 1
const LENGTHS = 2
const RATE_HASH = 3
/** Places of a set: as many as lie in one line of a processor's cache. */
const SET_WORDS = 4 * PLACE_WORDS
/** Lengths in one word, 0 in a free place: that of the reply takes the low bits. */
const QUERY_LEN_SHIFT = 16
const REPLY_LEN_MASK = 0xffff

/** Queries that came lately, by hash: when all octets are in use, one that has not come twice is not kept. A power of two. */
const LATELY_COUNT = 16_384
/** Positions are 32 bits, signed: before they end, it all begins anew. */
const MAX_POSITION = 2 ** 30

/** Replies by query. Bounded in octets: when they are used up, it begins anew. */
export class MemoTable {
  private readonly maxBytes: number
  private readonly seed: number
  private count = 0
  /** Set by set: a memo is in the set of its hash. A power of two of them. */
  private places = new Int32Array(0)
  private mask = 0
  private readonly lately = new Int32Array(LATELY_COUNT)
  /** Of the query looked for last. */
  private hash = 0
  private octets = new Uint8Array(0)
  /** How many octets have been written, those skipped at the end of the array among them. */
  private position = 0

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
    this.hash = hash
    const { places, octets } = this
    const lenBytes = len - ID_LEN
    const first = SET_WORDS * (hash & this.mask)
    for (let at = first; at < first + SET_WORDS; at += PLACE_WORDS) {
      if (places[at] !== hash || (places[at + LENGTHS] as number) >>> QUERY_LEN_SHIFT !== lenBytes) continue
      const position = places[at + POSITION] as number
      if (this.position - position > octets.length) continue
      if (octetsEqual(query, ID_LEN, octets, position % octets.length, lenBytes)) return at
    }
    return -1
  }

  /** What limits how often the reply at a place is given. */
  rateHash(place: number): number {
    return this.places[place + RATE_HASH] as number
  }

  /** Copies the reply at a place, from behind its identifier, to where it goes in a message; returns the message's length. */
  copy(place: number, message: Uint8Array): number {
    const { places, octets } = this
    const lengths = places[place + LENGTHS] as number
    const off = ((places[place + POSITION] as number) % octets.length) + (lengths >>> QUERY_LEN_SHIFT)
    const len = lengths & REPLY_LEN_MASK
    octetsCopy(octets, off, off + len, message, ID_LEN)
    return ID_LEN + len
  }

  /** Keeps copies of both messages, if it is worth it; the query has been looked for just now. */
  put(query: Uint8Array, message: Uint8Array, messageLen: number, rateHash: number): void {
    const queryLen = query.length - ID_LEN
    const len = queryLen + messageLen - ID_LEN
    if (query.length > MAX_QUERY_LEN || len > this.maxBytes) return
    if (this.position + len > this.octets.length && !this.makeRoom(len)) return
    if (2 * PLACE_WORDS * this.count >= this.places.length) this.growPlaces()
    const { octets } = this
    const leftBytes = octets.length - (this.position % octets.length)
    if (leftBytes < len) this.position += leftBytes
    const off = this.position % octets.length
    octetsCopy(query, ID_LEN, query.length, octets, off)
    octetsCopy(message, ID_LEN, messageLen, octets, off + queryLen)
    this.set(this.hash, this.position, (queryLen << QUERY_LEN_SHIFT) | (messageLen - ID_LEN), rateHash)
    this.position += len
  }

  /** Forgets everything: a zone has changed. */
  clear(): void {
    this.startSets(FIRST_SET_COUNT)
    this.octets = new Uint8Array(Math.min(FIRST_BYTES, this.maxBytes))
    this.position = 0
  }

  private startSets(count: number): void {
    this.places = new Int32Array(SET_WORDS * count)
    this.mask = count - 1
    this.count = 0
  }

  /** Makes the array longer or, when it is as long as it may be, says whether the oldest may go for this query. */
  private makeRoom(lenBytes: number): boolean {
    const { octets, maxBytes, hash, lately } = this
    if (octets.length < maxBytes) {
      const grown = new Uint8Array(Math.min(maxBytes, Math.max(2 * octets.length, this.position + lenBytes)))
      grown.set(octets)
      this.octets = grown
      return true
    }
    if (this.position > MAX_POSITION) this.clear()
    // Bits that the place of a memo is not chosen by.
    const at = (hash >>> 16) & (LATELY_COUNT - 1)
    const isKnown = lately[at] === hash
    lately[at] = hash
    return isKnown
  }

  private growPlaces(): void {
    const old = this.places
    this.startSets((2 * old.length) / SET_WORDS)
    for (let at = 0; at < old.length; at += PLACE_WORDS) {
      const [hash = 0, position = 0, lengths = 0, rateHash = 0] = old.subarray(at, at + PLACE_WORDS)
      if (lengths !== 0 && this.position - position <= this.octets.length) this.set(hash, position, lengths, rateHash)
    }
  }

  /** In a set that is full, one gives way; its octets are lost until their turn comes. */
  private set(hash: number, position: number, lengths: number, rateHash: number): void {
    const { places } = this
    const first = SET_WORDS * (hash & this.mask)
    let at = first
    while (at < first + SET_WORDS && this.isTaken(at)) at += PLACE_WORDS
    if (at === first + SET_WORDS) at = first + PLACE_WORDS * ((hash >>> 30) & 3)
    if (places[at + LENGTHS] === 0) this.count++
    places[at] = hash
    places[at + POSITION] = position
    places[at + LENGTHS] = lengths
    places[at + RATE_HASH] = rateHash
  }

  private isTaken(place: number): boolean {
    if (this.places[place + LENGTHS] === 0) return false
    return this.position - (this.places[place + POSITION] as number) <= this.octets.length
  }
}
