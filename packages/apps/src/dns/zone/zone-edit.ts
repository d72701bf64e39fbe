/** Changing a zone so that what changed is known: for its journal, and so that all of it happens or nothing. */
import type { Rr } from '../wire/message.ts'
import { type NameKey, nameKey } from '../wire/name.ts'
import { rdataKey, type Soa, soaRdata } from '../wire/rdata.ts'
import { TYPE } from '../wire/types.ts'
import { type RrSet, rrsOf, type Zone, type ZoneChange } from './zone.ts'

export class ZoneEdit {
  readonly zone: Zone
  private readonly oldSoa: RrSet
  /** Of each name touched, the sets it had. */
  private readonly before = new Map<NameKey, readonly RrSet[]>()

  constructor(zone: Zone) {
    this.zone = zone
    this.oldSoa = zone.soaSet
  }

  add(rr: Rr): void {
    this.touch(nameKey(rr.name))
    this.zone.add(rr)
  }

  remove(rr: Rr): void {
    this.touch(nameKey(rr.name))
    this.zone.remove(rr)
  }

  /** Puts one record in the place of all of its name and type. */
  replace(rr: Rr): void {
    this.touch(nameKey(rr.name))
    this.zone.putSet({ name: rr.name, type: rr.type, ttl: rr.ttl, rdatas: [rr.rdata] })
  }

  removeSet(key: NameKey, type: number): void {
    for (const set of this.zone.find(key)?.sets ?? []) {
      if (set.type === type) for (const rr of rrsOf(set)) this.remove(rr)
    }
  }

  /** Gives a name these sets in the place of those it has. */
  putSets(key: NameKey, sets: readonly RrSet[]): void {
    this.touch(key)
    this.zone.putSets(key, sets)
  }

  /** The names changed so far, or put as they were, with the sets that they had. */
  get touched(): ReadonlyMap<NameKey, readonly RrSet[]> {
    return this.before
  }

  /** Makes the serial go up, unless it has already, when something changed or `isForced`; false when nothing did. */
  raiseSerial(isForced = false): boolean {
    const { zone, oldSoa } = this
    if (zone.soaSet !== oldSoa) return true
    const { removed, added } = this.difference()
    if (removed.length + added.length === 0 && !isForced) return false
    this.touch(zone.origin)
    zone.putSet({ ...oldSoa, rdatas: [soaRdata(withNextSerial(zone.soa))] })
    return true
  }

  /** Ends the edit: when something changed the serial goes up, and the change is logged. */
  commit(): ZoneChange | undefined {
    if (!this.raiseSerial()) return undefined
    const { zone, oldSoa } = this
    const { removed, added } = this.difference()
    const change = { oldSoa, newSoa: zone.soaSet, removed, added }
    zone.log(change)
    return change
  }

  private touch(key: NameKey): void {
    if (!this.before.has(key)) this.before.set(key, this.zone.find(key)?.sets ?? [])
  }

  private difference(): { readonly removed: Rr[]; readonly added: Rr[] } {
    const removed: Rr[] = []
    const added: Rr[] = []
    for (const [key, before] of this.before) {
      const now = this.zone.find(key)?.sets ?? []
      removed.push(...missingFrom(now, before))
      added.push(...missingFrom(before, now))
    }
    return { removed, added }
  }
}

/** Records of `sets`, less the SOA, that `others` does not have with the same TTL. */
function missingFrom(others: readonly RrSet[], sets: readonly RrSet[]): Rr[] {
  const known = new Set(others.flatMap(rrsOf).map(rrKey))
  return sets.flatMap(rrsOf).filter((rr) => rr.type !== TYPE.SOA && !known.has(rrKey(rr)))
}

function rrKey(rr: Rr): string {
  return `${rr.type} ${rr.ttl} ${rdataKey(rr.type, rr.rdata)}`
}

/** RFC 1982, and never 0: some take it for no serial at all (RFC 2136 §7.11). */
function withNextSerial(soa: Soa): Soa {
  const serial = (soa.serial + 1) >>> 0
  return { ...soa, serial: serial === 0 ? 1 : serial }
}
