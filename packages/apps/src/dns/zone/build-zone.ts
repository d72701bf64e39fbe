/** Builds a zone of records as they come from a file or another server, and says what is wrong with them. */
import type { Rr } from '../wire/message.ts'
import { isWithin, type Name, type NameKey, nameKey, nameToString } from '../wire/name.ts'
import { rdataKey } from '../wire/rdata.ts'
import { CLASS, isMetaType, TYPE, typeToString } from '../wire/types.ts'
import { type RrSet, Zone } from './zone.ts'

/** Types that may stand beside a CNAME (RFC 4034 §3, §4). */
const BESIDE_CNAME: readonly number[] = [TYPE.RRSIG, TYPE.NSEC, TYPE.KEY]

/** Builds a zone. Returns a sentence when the records make none (RFC 1034 §4.2.1, RFC 2181 §6, §10). */
export function buildZone(origin: Name, rrs: Iterable<Rr>, seed?: number): Zone | string {
  const builder = new ZoneBuilder(origin, seed)
  for (const rr of rrs) {
    const problem = builder.add(rr)
    if (problem !== undefined) return problem
  }
  return builder.finish()
}

/**
 * Takes records one by one, so that they need not be in memory together. A name is packed when the next one comes; one that comes
 * again stays an object until the end: many records, added one by one, would be packed again and again.
 */
export class ZoneBuilder {
  private readonly zone: Zone
  private open: CollectedName
  private readonly again = new Map<NameKey, CollectedName>()
  private problem: string | undefined

  /** `seed`: see {@link Zone}. */
  constructor(origin: Name, seed?: number) {
    this.zone = new Zone(origin, seed)
    this.open = new CollectedName(this.zone.origin, [])
    this.again.set(this.zone.origin, this.open)
  }

  /** Returns a sentence when the record cannot be in the zone, or what came before it cannot. */
  add(rr: Rr): string | undefined {
    const key = nameKey(rr.name)
    const problem = recordProblem(this.zone.origin, key, rr)
    if (problem !== undefined) return problem
    if (key !== this.open.key) {
      this.close()
      this.open = this.again.get(key) ?? this.reopened(key)
    }
    this.open.add(rr)
    return this.problem
  }

  /** Returns the zone, or a sentence. */
  finish(): Zone | string {
    const { zone } = this
    this.close()
    for (const name of this.again.values()) this.pack(name)
    if (this.problem !== undefined) return this.problem
    const soa = zone.apex.set(TYPE.SOA)
    if (soa === undefined) return `there is no SOA record for ${nameToString(zone.origin)}`
    if (soa.rdatas.length > 1) return `there is more than one SOA record for ${nameToString(zone.origin)}`
    if (zone.apex.set(TYPE.NS) === undefined) return `there is no NS record for ${nameToString(zone.origin)}`
    zone.names.pack()
    return zone
  }

  private close(): void {
    if (!this.again.has(this.open.key)) this.pack(this.open)
  }

  private reopened(key: NameKey): CollectedName {
    const sets = this.zone.find(key)?.sets ?? []
    const name = new CollectedName(key, sets)
    if (sets.length > 0) this.again.set(key, name)
    return name
  }

  private pack(name: CollectedName): void {
    const sets = name.sets()
    this.problem ??= nameProblem(name.key, sets, this.zone.origin)
    // Those of the apex stay objects: without what was needed to collect them.
    const isApex = name.key === this.zone.origin
    this.zone.putSets(
      name.key,
      isApex ? sets.map(({ name, type, ttl, rdatas }) => ({ name, type, ttl, rdatas })) : sets,
    )
  }
}

/** A name with the records that have come for it so far. */
class CollectedName {
  readonly key: NameKey
  private readonly collected: CollectedSet[] = []

  constructor(key: NameKey, sets: readonly RrSet[]) {
    this.key = key
    for (const set of sets) this.collected.push({ ...set, rdatas: [...set.rdatas], keys: undefined })
  }

  add({ name, type, ttl, rdata }: Rr): void {
    for (const set of this.collected) {
      if (set.type !== type) continue
      // RFC 2181 §5.2: one for all.
      set.ttl = Math.min(set.ttl, ttl)
      set.keys ??= new Set(set.rdatas.map((one) => rdataKey(type, one)))
      const key = rdataKey(type, rdata)
      if (!set.keys.has(key)) set.rdatas.push(rdata)
      set.keys.add(key)
      return
    }
    this.collected.push({ name, type, ttl, rdatas: [rdata], keys: undefined })
  }

  sets(): readonly RrSet[] {
    return this.collected
  }
}

/** A set that is not complete yet. */
interface CollectedSet extends RrSet {
  ttl: number
  readonly rdatas: Uint8Array[]
  /** Of `rdatas`, to see what is there already; made when there is a second one: most sets have one record. */
  keys: Set<string> | undefined
}

/** Why a record cannot be in the zone, or nothing. */
function recordProblem(origin: NameKey, key: NameKey, rr: Rr): string | undefined {
  if (!isWithin(key, origin)) return `${nameToString(rr.name)} is outside of the zone`
  if (rr.class !== CLASS.IN) return `${nameToString(rr.name)} is not of class IN`
  return isMetaType(rr.type) ? `no zone can hold ${typeToString(rr.type)}` : undefined
}

/** What is wrong with the sets of a name, or nothing. */
function nameProblem(key: NameKey, sets: readonly RrSet[], origin: NameKey): string | undefined {
  let cname: RrSet | undefined
  let other: RrSet | undefined
  for (const set of sets) {
    const { name, type, rdatas } = set
    if (type === TYPE.SOA && key !== origin) return `${nameToString(name)} has a SOA record below the zone's own`
    if (type === TYPE.DNAME && rdatas.length > 1) return `${nameToString(name)} has more than one DNAME record`
    if (type === TYPE.CNAME) cname = set
    else if (!BESIDE_CNAME.includes(type)) other = set
  }
  if (cname === undefined) return undefined
  if (cname.rdatas.length > 1) return `${nameToString(cname.name)} has more than one CNAME record`
  if (other === undefined) return undefined
  return `${nameToString(cname.name)} has a CNAME record and ${typeToString(other.type)} besides`
}
