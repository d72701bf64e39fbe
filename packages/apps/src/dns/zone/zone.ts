/**
 * A zone in memory (RFC 1034 §4.2, RFC 2181 §5): sets of records by name, the names between them, and what changed
 * lately. They lie packed (`zone-names.ts`); the objects here are made of them when asked for.
 */
import type { Rr } from '../wire/message.ts'
import { type Name, type NameKey, nameKey, parentOf } from '../wire/name.ts'
import { rdataKey, type Soa, soaOf } from '../wire/rdata.ts'
import { CLASS, TYPE } from '../wire/types.ts'
import { blocksOf, keyAt, type NamesAtOneTime, setsAt, ZoneNames } from './zone-names.ts'

/** All records of one name and type. */
export interface RrSet {
  readonly name: Name
  readonly type: number
  /** Seconds; one for all (RFC 2181 §5.2). */
  readonly ttl: number
  /** At least one; no two are the same data. */
  readonly rdatas: readonly Uint8Array[]
}

/** A name of a zone. One without sets is there because something is below it (an empty non-terminal, RFC 4592 §2.2.2). */
export class ZoneNode {
  readonly key: NameKey
  readonly sets: readonly RrSet[]

  constructor(key: NameKey, sets: readonly RrSet[]) {
    this.key = key
    this.sets = sets
  }

  set(type: number): RrSet | undefined {
    for (const set of this.sets) if (set.type === type) return set
    return undefined
  }
}

/** One step from a serial to the next (RFC 1995 §4): what went, then what came; neither has the SOA record. */
export interface ZoneChange {
  readonly oldSoa: RrSet
  readonly newSoa: RrSet
  readonly removed: readonly Rr[]
  readonly added: readonly Rr[]
}

/** Records of the changes kept for incremental transfers, of all changes of a zone together. */
const MAX_JOURNAL_RECORDS = 10_000

export class Zone {
  readonly origin: NameKey
  /** Its sets are objects that stay the same until they are replaced, unlike those of other names. */
  apex: ZoneNode
  /** Changes made, oldest first: each begins where the one before ended. */
  journal: readonly ZoneChange[] = []
  /** Where the records are. Change them through the zone only. */
  readonly names: ZoneNames
  private journalCount = 0

  /** `seed`: 32 secret bits, so that nobody can choose names that are slow to find. `names` are those of another zone. */
  constructor(origin: Name, seed = 0, names?: ZoneNames) {
    this.origin = nameKey(origin)
    this.names = names ?? new ZoneNames(seed)
    this.apex = new ZoneNode(this.origin, [])
    if (names === undefined) this.names.put(this.origin, [], false)
  }

  /** A zone that has the same records, and from now on changes of its own. */
  clone(): Zone {
    const zone = new Zone(this.origin, 0, this.names.clone())
    zone.apex = this.apex
    zone.journal = this.journal
    zone.journalCount = this.journalCount
    return zone
  }

  /** Names, those without records among them. */
  get nameCount(): number {
    return this.names.count
  }

  find(key: NameKey): ZoneNode | undefined {
    if (key === this.origin) return this.apex
    const block = this.names.findKey(key)
    return block === 0 ? undefined : nodeAt(this.names.now(), block)
  }

  /** True when there are names below `key`. */
  hasBelow(key: NameKey): boolean {
    const block = this.names.findKey(key)
    return block !== 0 && this.names.childCount(block) > 0
  }

  /** The SOA record. Only a zone that `buildZone` made has one for certain. */
  get soaSet(): RrSet {
    return this.apex.set(TYPE.SOA) as RrSet
  }

  get soa(): Soa {
    return soaOf(this.soaSet.rdatas[0] as Uint8Array)
  }

  /** Every set as it is now, the SOA record first, however the zone changes before the last is taken. */
  allSets(): Generator<RrSet> {
    return setsOf(this.names.now(), this.apex, this.soaSet)
  }

  /** The names that have a set of `type`. */
  nodesWith(type: number): ZoneNode[] {
    const nodes: ZoneNode[] = []
    const now = this.names.now()
    for (const block of blocksOf(now)) if (this.names.findSet(block, type)) nodes.push(nodeAt(now, block))
    return nodes
  }

  /** Adds a record that belongs into the zone; false when it is there already (its TTL is that of the set then). */
  add(rr: Rr): boolean {
    const node = this.nodeFor(nameKey(rr.name))
    const set = node.set(rr.type)
    if (set === undefined) {
      const { name, type, ttl, rdata } = rr
      this.putSets(node.key, [...node.sets, { name, type, ttl, rdatas: [rdata] }])
      return true
    }
    const key = rdataKey(rr.type, rr.rdata)
    const isThere = set.rdatas.some((rdata) => rdata.length === rr.rdata.length && rdataKey(rr.type, rdata) === key)
    if (isThere && set.ttl === rr.ttl) return false
    // RFC 2181 §5.2: one TTL for all; the one that came last.
    const rdatas = isThere ? set.rdatas : [...set.rdatas, rr.rdata]
    this.replace(node, set, { ...set, ttl: rr.ttl, rdatas })
    return !isThere
  }

  /** Removes one record; false when it is not there. Its TTL does not matter. */
  remove(rr: Rr): boolean {
    const node = this.find(nameKey(rr.name))
    const set = node?.set(rr.type)
    if (node === undefined || set === undefined) return false
    const key = rdataKey(rr.type, rr.rdata)
    const rdatas = set.rdatas.filter((rdata) => rdataKey(rr.type, rdata) !== key)
    if (rdatas.length === set.rdatas.length) return false
    this.replace(node, set, rdatas.length === 0 ? undefined : { ...set, rdatas })
    return true
  }

  /** Puts a set in the place of the one of its name and type. */
  putSet(set: RrSet): void {
    const node = this.nodeFor(nameKey(set.name))
    const old = node.set(set.type)
    if (old === undefined) this.putSets(node.key, [...node.sets, set])
    else this.replace(node, old, set)
  }

  /** Gives a name these sets in the place of those it has; with none, it goes away unless something is below it. */
  putSets(key: NameKey, sets: readonly RrSet[]): void {
    const { names, origin } = this
    const isApex = key === origin
    const known = names.findKey(key)
    if (isApex) this.apex = new ZoneNode(key, sets)
    else if (sets.length === 0 && (known === 0 || names.childCount(known) === 0)) {
      if (known !== 0) this.forget(key)
      return
    }
    let isBoundary = false
    for (const { type } of sets) if (type === TYPE.DNAME || (type === TYPE.NS && !isApex)) isBoundary = true
    names.put(key, sets, isBoundary)
    if (known === 0) this.countBelow(parentOf(key))
  }

  /** Remembers a change that has been made. */
  log(change: ZoneChange): void {
    const journal = [...this.journal, change]
    this.journalCount += recordCount(change)
    while (this.journalCount > MAX_JOURNAL_RECORDS && journal.length > 0) {
      this.journalCount -= recordCount(journal.shift() as ZoneChange)
    }
    this.journal = journal
  }

  private nodeFor(key: NameKey): ZoneNode {
    return this.find(key) ?? new ZoneNode(key, [])
  }

  private replace(node: ZoneNode, old: RrSet, next: RrSet | undefined): void {
    this.putSets(
      node.key,
      next === undefined ? node.sets.filter((set) => set !== old) : node.sets.map((set) => (set === old ? next : set)),
    )
  }

  /** There is one more name directly below `key`, which is there from now on. */
  private countBelow(key: NameKey): void {
    const known = this.names.findKey(key)
    this.names.addChildren(known === 0 ? this.names.put(key, [], false) : known, 1)
    if (known === 0) this.countBelow(parentOf(key))
  }

  /** Forgets a name, and those above that this leaves with nothing at them and nothing below them. */
  private forget(key: NameKey): void {
    const { names, origin } = this
    names.delete(key)
    const above = parentOf(key)
    const block = names.findKey(above)
    names.addChildren(block, -1)
    if (above !== origin && names.childCount(block) === 0 && names.setCount(block) === 0) this.forget(above)
  }
}

function nodeAt(now: NamesAtOneTime, block: number): ZoneNode {
  return new ZoneNode(keyAt(now.octets, block), setsAt(now.octets, now.dv, block))
}

function* setsOf(now: NamesAtOneTime, apex: ZoneNode, soa: RrSet): Generator<RrSet> {
  yield soa
  for (const set of apex.sets) if (set !== soa) yield set
  for (const block of blocksOf(now)) {
    const node = nodeAt(now, block)
    if (node.key !== apex.key) yield* node.sets
  }
}

function recordCount(change: ZoneChange): number {
  return 2 + change.removed.length + change.added.length
}

/** Serial numbers (RFC 1982): true when `a` comes after `b`. */
export function isSerialAfter(a: number, b: number): boolean {
  return ((a - b) | 0) > 0
}

/** The records of a set. */
export function rrsOf(set: RrSet): Rr[] {
  return set.rdatas.map((rdata) => ({ name: set.name, type: set.type, class: CLASS.IN, ttl: set.ttl, rdata }))
}
