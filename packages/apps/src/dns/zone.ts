/**
 * A zone in memory (RFC 1034 §4.2, RFC 2181 §5): sets of records by name, the names between them, and what changed
 * lately.
 *
 * Sets are never changed but replaced, so that whoever holds one, a transfer for instance, sees it as it was.
 */
import type { Rr } from './message.ts'
import { isWithin, type Name, type NameKey, nameKey, nameToString, parentOf } from './name.ts'
import { rdataKey, type Soa, soaOf } from './rdata.ts'
import { CLASS, isMetaType, TYPE, typeToString } from './types.ts'

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
  sets: readonly RrSet[] = []
  /** Names directly below this one. */
  childCount = 0

  constructor(key: NameKey) {
    this.key = key
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

/** Types that may stand beside a CNAME (RFC 4034 §3, §4). */
const BESIDE_CNAME: readonly number[] = [TYPE.RRSIG, TYPE.NSEC, TYPE.KEY]

export class Zone {
  readonly origin: NameKey
  readonly apex: ZoneNode
  /** Changes made, oldest first: each begins where the one before ended. */
  journal: readonly ZoneChange[] = []
  private readonly nodes = new Map<NameKey, ZoneNode>()
  private journalCount = 0

  constructor(origin: Name) {
    this.origin = nameKey(origin)
    this.apex = new ZoneNode(this.origin)
    this.nodes.set(this.origin, this.apex)
  }

  /** Names, those without records among them. */
  get nameCount(): number {
    return this.nodes.size
  }

  find(key: NameKey): ZoneNode | undefined {
    return this.nodes.get(key)
  }

  /** The SOA record. Only a zone that {@link zoneProblem} finds nothing wrong with has one for certain. */
  get soaSet(): RrSet {
    return this.apex.set(TYPE.SOA) as RrSet
  }

  get soa(): Soa {
    return soaOf(this.soaSet.rdatas[0] as Uint8Array)
  }

  /** Every set, the SOA record first. Later changes of the zone do not show in it. */
  allSets(): RrSet[] {
    const sets: RrSet[] = [this.soaSet]
    for (const node of this.nodes.values()) {
      for (const set of node.sets) if (set.type !== TYPE.SOA || node !== this.apex) sets.push(set)
    }
    return sets
  }

  /** The names that have a set of `type`. */
  nodesWith(type: number): ZoneNode[] {
    return [...this.nodes.values()].filter((node) => node.set(type) !== undefined)
  }

  /** Adds a record that belongs into the zone; false when it is there already (its TTL is that of the set then). */
  add(rr: Rr): boolean {
    const node = this.nodeFor(nameKey(rr.name))
    const set = node.set(rr.type)
    if (set === undefined) {
      node.sets = [...node.sets, { name: rr.name, type: rr.type, ttl: rr.ttl, rdatas: [rr.rdata] }]
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
    const node = this.nodes.get(nameKey(rr.name))
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
    if (old === undefined) node.sets = [...node.sets, set]
    else this.replace(node, old, set)
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

  /** The node of a name within the zone, made with those between it and the apex when it is not there. */
  private nodeFor(key: NameKey): ZoneNode {
    const known = this.nodes.get(key)
    if (known !== undefined) return known
    const node = new ZoneNode(key)
    this.nodes.set(key, node)
    this.nodeFor(parentOf(key)).childCount++
    return node
  }

  private replace(node: ZoneNode, old: RrSet, next: RrSet | undefined): void {
    node.sets =
      next === undefined ? node.sets.filter((set) => set !== old) : node.sets.map((set) => (set === old ? next : set))
    this.prune(node)
  }

  /** Forgets a name that has nothing at it and nothing below it, and those above that this leaves so. */
  private prune(node: ZoneNode): void {
    if (node.sets.length > 0 || node.childCount > 0 || node === this.apex) return
    this.nodes.delete(node.key)
    const parent = this.nodes.get(parentOf(node.key)) as ZoneNode
    parent.childCount--
    this.prune(parent)
  }
}

function recordCount(change: ZoneChange): number {
  return 2 + change.removed.length + change.added.length
}

/** A set of a zone that is being built. */
interface CollectedSet {
  readonly rr: Rr
  ttl: number
  readonly rdatas: Uint8Array[]
  /** Of `rdatas`, to see what is there already; made when there is a second one: most sets have one record. */
  keys: Set<string> | undefined
}

function collect(set: CollectedSet, rr: Rr): void {
  set.ttl = Math.min(set.ttl, rr.ttl)
  set.keys ??= new Set(set.rdatas.map((rdata) => rdataKey(rr.type, rdata)))
  const key = rdataKey(rr.type, rr.rdata)
  if (set.keys.has(key)) return
  set.keys.add(key)
  set.rdatas.push(rr.rdata)
}

/** Builds a zone. Returns a sentence when the records make none (RFC 1034 §4.2.1, RFC 2181 §6, §10). */
export function buildZone(origin: Name, rrs: Iterable<Rr>): Zone | string {
  const zone = new Zone(origin)
  // A set that many records make is collected first: adding them one by one would copy it again and again.
  const collected = new Map<string, CollectedSet>()
  for (const rr of rrs) {
    const problem = recordProblem(zone, rr)
    if (problem !== undefined) return problem
    const id = `${nameKey(rr.name)}${rr.type}`
    const known = collected.get(id)
    if (known === undefined) collected.set(id, { rr, ttl: rr.ttl, rdatas: [rr.rdata], keys: undefined })
    else collect(known, rr)
  }
  for (const { rr, ttl, rdatas } of collected.values()) zone.putSet({ name: rr.name, type: rr.type, ttl, rdatas })
  return (
    zoneProblem(
      zone,
      [...collected.values()].map(({ rr }) => rr),
    ) ?? zone
  )
}

/** Why a record cannot be in the zone, or nothing. */
export function recordProblem(zone: Zone, rr: Rr): string | undefined {
  if (!isWithin(nameKey(rr.name), zone.origin)) return `${nameToString(rr.name)} is outside of the zone`
  if (rr.class !== CLASS.IN) return `${nameToString(rr.name)} is not of class IN`
  return isMetaType(rr.type) ? `no zone can hold ${typeToString(rr.type)}` : undefined
}

/** What is wrong with a zone as a whole; `changed` are records at the names to look at. */
function zoneProblem(zone: Zone, changed: readonly Rr[]): string | undefined {
  const soa = zone.apex.set(TYPE.SOA)
  if (soa === undefined) return `there is no SOA record for ${nameToString(zone.origin)}`
  if (soa.rdatas.length > 1) return `there is more than one SOA record for ${nameToString(zone.origin)}`
  if (zone.apex.set(TYPE.NS) === undefined) return `there is no NS record for ${nameToString(zone.origin)}`
  for (const { name, type } of changed) {
    const node = zone.find(nameKey(name))
    if (node === undefined) continue
    if (type === TYPE.SOA && node !== zone.apex) return `${nameToString(name)} has a SOA record below the zone's own`
    const [cname, dname] = [node.set(TYPE.CNAME), node.set(TYPE.DNAME)]
    if ((cname?.rdatas.length ?? 0) > 1) return `${nameToString(name)} has more than one CNAME record`
    if ((dname?.rdatas.length ?? 0) > 1) return `${nameToString(name)} has more than one DNAME record`
    const besides = node.sets.find((set) => set.type !== TYPE.CNAME && !BESIDE_CNAME.includes(set.type))
    if (cname !== undefined && besides !== undefined) {
      return `${nameToString(name)} has a CNAME record and ${typeToString(besides.type)} besides`
    }
  }
  return undefined
}

/** Serial numbers (RFC 1982): true when `a` comes after `b`. */
export function isSerialAfter(a: number, b: number): boolean {
  return ((a - b) | 0) > 0
}

/** The records of a set. */
export function rrsOf(set: RrSet): Rr[] {
  return set.rdatas.map((rdata) => ({ name: set.name, type: set.type, class: CLASS.IN, ttl: set.ttl, rdata }))
}
