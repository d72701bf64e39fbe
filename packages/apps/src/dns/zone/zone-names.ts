/**
 * The names of a zone with their records, packed into one array of octets: a million names are two arrays, not ten million
 * objects, and a look-up goes to two places in memory: the name's slot in a table, and its block.
 *
 * Records are held as an answer shows them: behind a pointer to the question, so that a set is copied as it lies there.
 *
 * A block is never changed but for the count of names below it: what is there now is written anew behind everything else,
 * and the old block marked with when it died. So whoever has hold of the array sees the zone as it was. When more is dead than
 * alive, what lives moves to another array.
 */
import { foldedEqual, foldedHash, octetsToText, writeText } from '@mirage-ts/core/octets'
import { MAX_NAME_LEN, type Name, type NameKey } from '../wire/name.ts'
import { CLASS } from '../wire/types.ts'
import type { RrSet } from './zone.ts'

/** A block: its length, when it died (0: it lives), names directly below, sets, flags, the name in lower case, the sets. */
const BLOCK_LEN = 0
const DIED = 4
const CHILD_COUNT = 8
const SET_COUNT = 12
const FLAGS = 14
const KEY_LEN = 15
const KEY = 16

/** A set: type, octets of its records, how many, the owner as it was written when that is not the key, the records. */
const SET_TYPE = 0
const RECORDS_LEN = 2
const RECORD_COUNT = 6
const OWNER_LEN = 10
const OWNER = 11

/** A record: as in a message, its owner a pointer to the question (RFC 1035 §4.1.4). */
const POINTER_TO_QUESTION = 0xc00c
const RECORD_TTL = 6
const RDATA_LEN = 10
const RDATA = 12

/** Words of a slot: the hash of the name, and where its block begins: 0 in a free one. */
const SLOT_WORDS = 2
const FIRST_SLOT_COUNT = 16
const FIRST_BYTES = 1024
/** No block begins at 0. */
const FIRST_OFF = 4
/** Fewer dead octets than this are not worth moving what lives. */
const MIN_DEAD_BYTES = 16 * 1024

/** The blocks at one time. */
export interface NamesAtOneTime {
  readonly octets: Uint8Array
  readonly dv: DataView
  readonly end: number
  readonly version: number
}

export class ZoneNames {
  /** Names that have a block. */
  count = 0
  /** Blocks that are flagged. */
  flaggedCount = 0
  /** The array of all blocks. Another one after a change: do not keep it. */
  octets: Uint8Array = new Uint8Array(FIRST_BYTES)
  private dv = new DataView(this.octets.buffer)
  private end = FIRST_OFF
  private deadBytes = 0
  /** Goes up with each change. */
  private version = 1
  private slots = new Int32Array(SLOT_WORDS * FIRST_SLOT_COUNT)
  private readonly seed: number
  private readonly scratch = new Uint8Array(MAX_NAME_LEN)
  /** After {@link findSet}: where the records begin, where they end, and how many they are. */
  recordsOff = 0
  recordsEnd = 0
  recordCount = 0

  /** `seed` is secret: whoever does not know it cannot choose names with equal hashes. */
  constructor(seed: number) {
    this.seed = seed | 0
  }

  /** Octets of the arrays. */
  get sizeBytes(): number {
    return this.octets.length + this.slots.byteLength
  }

  /** The block of the name at `[off, end)`, in any case, or 0. */
  find(u8: Uint8Array, off: number, end: number): number {
    const slot = this.slotOf(u8, off, end, foldedHash(u8, off, end, this.seed))
    return this.slots[slot + 1] as number
  }

  /** The block of a name, or 0. */
  findKey(key: NameKey): number {
    return this.find(this.scratch, 0, writeText(this.scratch, 0, key))
  }

  /** True when the block is flagged. */
  isFlagged(block: number): boolean {
    return this.octets[block + FLAGS] !== 0
  }

  childCount(block: number): number {
    return this.dv.getUint32(block + CHILD_COUNT)
  }

  addChildren(block: number, count: number): void {
    this.dv.setUint32(block + CHILD_COUNT, this.childCount(block) + count)
  }

  setCount(block: number): number {
    return this.dv.getUint16(block + SET_COUNT)
  }

  /** Looks for the set of `type` in a block; when it is there, its place is in the fields. */
  findSet(block: number, type: number): boolean {
    const { octets, dv } = this
    const count = dv.getUint16(block + SET_COUNT)
    let off = block + KEY + (octets[block + KEY_LEN] as number)
    for (let i = 0; i < count; i++) {
      const recordsOff = off + OWNER + (octets[off + OWNER_LEN] as number)
      const recordsEnd = recordsOff + dv.getUint32(off + RECORDS_LEN)
      if (dv.getUint16(off + SET_TYPE) === type) {
        this.recordsOff = recordsOff
        this.recordsEnd = recordsEnd
        this.recordCount = dv.getUint32(off + RECORD_COUNT)
        return true
      }
      off = recordsEnd
    }
    return false
  }

  /** Gives a name these sets and this flag, in the place of what it has; the names below it stay counted. Returns its block. */
  put(key: NameKey, sets: readonly RrSet[], isFlagged: boolean): number {
    let len = KEY + key.length
    for (const { name, rdatas } of sets) {
      len += OWNER + (name === key ? 0 : name.length)
      for (const rdata of rdatas) len += RDATA + rdata.length
    }
    this.makeRoom(len)
    const block = this.end
    this.end += len
    this.writeBlock(block, len, key, sets, isFlagged)
    this.place(block, key)
    if (isFlagged) this.flaggedCount++
    this.version++
    return block
  }

  /** Forgets a name. */
  delete(key: NameKey): void {
    const { slots, scratch, seed } = this
    const end = writeText(scratch, 0, key)
    let free = this.slotOf(scratch, 0, end, foldedHash(scratch, 0, end, seed))
    const block = slots[free + 1] as number
    if (block === 0) return
    this.bury(block)
    this.count--
    // Those behind it that would be looked for from here on move up, so that no search ends too early.
    const mask = slots.length - 1
    for (let slot = (free + SLOT_WORDS) & mask; slots[slot + 1] !== 0; slot = (slot + SLOT_WORDS) & mask) {
      const home = (SLOT_WORDS * (slots[slot] as number)) & mask
      const isReachable = free <= slot ? free < home && home <= slot : free < home || home <= slot
      if (isReachable) continue
      slots.copyWithin(free, slot, slot + SLOT_WORDS)
      free = slot
    }
    slots[free + 1] = 0
    this.version++
  }

  /** The same names, which from now on change on their own. */
  clone(): ZoneNames {
    const copy = new ZoneNames(this.seed)
    copy.octets = this.octets.slice()
    copy.dv = new DataView(copy.octets.buffer)
    copy.slots = this.slots.slice()
    copy.end = this.end
    copy.deadBytes = this.deadBytes
    copy.version = this.version
    copy.count = this.count
    copy.flaggedCount = this.flaggedCount
    return copy
  }

  /** The blocks as they are now; later changes do not show in it. */
  now(): NamesAtOneTime {
    return { octets: this.octets, dv: this.dv, end: this.end, version: this.version }
  }

  /** Moves what lives to an array that has no more room than it takes. */
  pack(): void {
    this.moveTo(this.end - this.deadBytes)
  }

  private writeBlock(block: number, len: number, key: NameKey, sets: readonly RrSet[], isFlagged: boolean): void {
    const { octets, dv } = this
    dv.setUint32(block + BLOCK_LEN, len)
    dv.setUint32(block + DIED, 0)
    dv.setUint32(block + CHILD_COUNT, 0)
    dv.setUint16(block + SET_COUNT, sets.length)
    octets[block + FLAGS] = isFlagged ? 1 : 0
    octets[block + KEY_LEN] = key.length
    let off = writeText(octets, block + KEY, key)
    for (const { name, type, ttl, rdatas } of sets) {
      const setOff = off
      const owner = name === key ? '' : name
      dv.setUint16(setOff + SET_TYPE, type)
      dv.setUint32(setOff + RECORD_COUNT, rdatas.length)
      octets[setOff + OWNER_LEN] = owner.length
      off = writeText(octets, setOff + OWNER, owner)
      const recordsOff = off
      for (const rdata of rdatas) {
        dv.setUint32(off, ((POINTER_TO_QUESTION << 16) | type) >>> 0)
        dv.setUint16(off + 4, CLASS.IN)
        dv.setUint32(off + RECORD_TTL, ttl)
        dv.setUint16(off + RDATA_LEN, rdata.length)
        octets.set(rdata, off + RDATA)
        off += RDATA + rdata.length
      }
      dv.setUint32(setOff + RECORDS_LEN, off - recordsOff)
    }
  }

  /** Puts a new block in the table. */
  private place(block: number, key: NameKey): void {
    if (2 * (this.count + 1) * SLOT_WORDS > this.slots.length) this.growSlots()
    const { octets, seed } = this
    const hash = foldedHash(octets, block + KEY, block + KEY + key.length, seed)
    const slot = this.slotOf(octets, block + KEY, block + KEY + key.length, hash)
    const old = this.slots[slot + 1] as number
    if (old === 0) this.count++
    else {
      this.dv.setUint32(block + CHILD_COUNT, this.childCount(old))
      this.bury(old)
    }
    this.slots[slot] = hash
    this.slots[slot + 1] = block
  }

  private bury(block: number): void {
    if (this.isFlagged(block)) this.flaggedCount--
    this.dv.setUint32(block + DIED, this.version)
    this.deadBytes += this.dv.getUint32(block + BLOCK_LEN)
  }

  /** The slot of a name, or the free one where it would be. */
  private slotOf(u8: Uint8Array, off: number, end: number, hash: number): number {
    const { slots, octets } = this
    const len = end - off
    const mask = slots.length - 1
    for (let slot = (SLOT_WORDS * hash) & mask; ; slot = (slot + SLOT_WORDS) & mask) {
      const block = slots[slot + 1] as number
      if (block === 0) return slot
      if (slots[slot] !== hash || octets[block + KEY_LEN] !== len) continue
      if (foldedEqual(u8, off, octets, block + KEY, len)) return slot
    }
  }

  private growSlots(): void {
    const old = this.slots
    this.slots = new Int32Array(2 * old.length)
    for (let at = 0; at < old.length; at += SLOT_WORDS) {
      const block = old[at + 1] as number
      if (block !== 0) enter(this.slots, old[at] as number, block)
    }
  }

  private makeRoom(lenBytes: number): void {
    if (this.end + lenBytes <= this.octets.length) return
    const livingBytes = this.end - this.deadBytes
    if (this.deadBytes > MIN_DEAD_BYTES && this.deadBytes > livingBytes) {
      this.moveTo(livingBytes + Math.max(lenBytes, livingBytes >>> 1))
      return
    }
    const wanted = Math.max(this.end + lenBytes, this.octets.length + (this.octets.length >>> 1))
    const grown = new Uint8Array(wanted)
    grown.set(this.octets.subarray(0, this.end))
    this.octets = grown
    this.dv = new DataView(grown.buffer)
  }

  /** Moves what lives to an array of `sizeBytes`. */
  private moveTo(sizeBytes: number): void {
    const { octets, dv, end } = this
    const to = new Uint8Array(sizeBytes)
    const slots = new Int32Array(this.slots.length)
    let toOff = FIRST_OFF
    for (let block = FIRST_OFF, len = 0; block < end; block += len) {
      len = dv.getUint32(block + BLOCK_LEN)
      if (dv.getUint32(block + DIED) !== 0) continue
      to.set(octets.subarray(block, block + len), toOff)
      const keyOff = block + KEY
      enter(slots, foldedHash(octets, keyOff, keyOff + (octets[block + KEY_LEN] as number), this.seed), toOff)
      toOff += len
    }
    this.octets = to
    this.dv = new DataView(to.buffer)
    this.slots = slots
    this.end = toOff
    this.deadBytes = 0
  }
}

/** Puts a block that is not there into the first free slot for its hash. */
function enter(slots: Int32Array, hash: number, block: number): void {
  let slot = (SLOT_WORDS * hash) & (slots.length - 1)
  while (slots[slot + 1] !== 0) slot = (slot + SLOT_WORDS) & (slots.length - 1)
  slots[slot] = hash
  slots[slot + 1] = block
}

/** The blocks that lived then, in the order in which they were written. */
export function* blocksOf({ dv, end, version }: NamesAtOneTime): Generator<number> {
  for (let block = FIRST_OFF; block < end; block += dv.getUint32(block + BLOCK_LEN)) {
    const died = dv.getUint32(block + DIED)
    if (died === 0 || died >= version) yield block
  }
}

export function keyAt(octets: Uint8Array, block: number): NameKey {
  const off = block + KEY
  return octetsToText(octets, off, off + (octets[block + KEY_LEN] as number)) as NameKey
}

export function setsAt(octets: Uint8Array, dv: DataView, block: number): RrSet[] {
  const key = keyAt(octets, block)
  const sets: RrSet[] = []
  const count = dv.getUint16(block + SET_COUNT)
  let off = block + KEY + key.length
  for (let i = 0; i < count; i++) {
    const type = dv.getUint16(off + SET_TYPE)
    const recordCount = dv.getUint32(off + RECORD_COUNT)
    const recordsOff = off + OWNER + (octets[off + OWNER_LEN] as number)
    const name = recordsOff === off + OWNER ? key : (octetsToText(octets, off + OWNER, recordsOff) as Name)
    const ttl = dv.getUint32(recordsOff + RECORD_TTL)
    const rdatas: Uint8Array[] = []
    off = recordsOff
    for (let j = 0; j < recordCount; j++) {
      const rdataOff = off + RDATA
      off = rdataOff + dv.getUint16(rdataOff - RDATA + RDATA_LEN)
      rdatas.push(octets.slice(rdataOff, off))
    }
    sets.push({ name, type, ttl, rdatas })
  }
  return sets
}
