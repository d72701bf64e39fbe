/** Dynamic update (RFC 2136 §3): prerequisites, then changes, all of them or none. Who may is for the caller to say. */
import { MADE_TYPES } from '../dnssec/denial.ts'
import type { Message, Rr } from '../wire/message.ts'
import { isWithin, type NameKey, nameKey } from '../wire/name.ts'
import { isRdataWellFormed, rdataKey, soaOf } from '../wire/rdata.ts'
import { CLASS, isMetaType, RCODE, TYPE } from '../wire/types.ts'
import { isSerialAfter, type Zone, type ZoneChange } from '../zone/zone.ts'
import { ZoneEdit } from '../zone/zone-edit.ts'

/** What came of an update. */
export interface UpdateOutcome {
  readonly rcode: number
  /** What changed; `undefined` when nothing did. */
  readonly change: ZoneChange | undefined
}

/** Carries out the update that `message` asks for in the zone that its question names. */
export function applyUpdate(zone: Zone, message: Message): UpdateOutcome {
  const edit = editFor(zone, message)
  return typeof edit === 'number' ? { rcode: edit, change: undefined } : { rcode: RCODE.NOERROR, change: edit.commit() }
}

/** The same without ending the edit; when the update cannot be carried out, nothing has changed, and the code says why. */
export function editFor(zone: Zone, message: Message): ZoneEdit | number {
  const rcode = checkPrerequisites(zone, message.answers) || scanUpdates(zone, message.authorities)
  if (rcode !== RCODE.NOERROR) return rcode
  const edit = new ZoneEdit(zone)
  for (const rr of message.authorities) applyOne(edit, rr)
  return edit
}

/** §3.2. */
function checkPrerequisites(zone: Zone, rrs: readonly Rr[]): number {
  /** Sets that must be there exactly so. */
  const wanted = new Map<string, { readonly key: NameKey; readonly type: number; readonly rdatas: Set<string> }>()
  for (const rr of rrs) {
    const key = nameKey(rr.name)
    if (rr.ttl !== 0) return RCODE.FORMERR
    if (!isWithin(key, zone.origin)) return RCODE.NOTZONE
    const sets = zone.find(key)?.sets ?? []
    const isThere = rr.type === TYPE.ANY ? sets.length > 0 : sets.some((set) => set.type === rr.type)
    switch (rr.class) {
      case CLASS.ANY:
        if (rr.rdata.length > 0) return RCODE.FORMERR
        if (!isThere) return rr.type === TYPE.ANY ? RCODE.NXDOMAIN : RCODE.NXRRSET
        break
      case CLASS.NONE:
        if (rr.rdata.length > 0) return RCODE.FORMERR
        if (isThere) return rr.type === TYPE.ANY ? RCODE.YXDOMAIN : RCODE.YXRRSET
        break
      case CLASS.IN: {
        if (isMetaType(rr.type)) return RCODE.FORMERR
        const id = `${key}${rr.type}`
        const set = wanted.get(id) ?? { key, type: rr.type, rdatas: new Set() }
        wanted.set(id, set)
        set.rdatas.add(rdataKey(rr.type, rr.rdata))
        break
      }
      default:
        return RCODE.FORMERR
    }
  }
  for (const { key, type, rdatas } of wanted.values()) {
    const there = zone.find(key)?.set(type)?.rdatas ?? []
    if (there.length !== rdatas.size) return RCODE.NXRRSET
    if (!there.every((rdata) => rdatas.has(rdataKey(type, rdata)))) return RCODE.NXRRSET
  }
  return RCODE.NOERROR
}

/** §3.4.1: everything that can be wrong is found before anything changes. */
function scanUpdates(zone: Zone, rrs: readonly Rr[]): number {
  for (const rr of rrs) {
    if (!isWithin(nameKey(rr.name), zone.origin)) return RCODE.NOTZONE
    const isMeta = isMetaType(rr.type)
    switch (rr.class) {
      case CLASS.IN:
        if (isMeta || !isRdataWellFormed(rr.type, rr.rdata)) return RCODE.FORMERR
        break
      case CLASS.ANY:
        if (rr.ttl !== 0 || rr.rdata.length > 0 || (isMeta && rr.type !== TYPE.ANY)) return RCODE.FORMERR
        break
      case CLASS.NONE:
        if (rr.ttl !== 0 || isMeta || !isRdataWellFormed(rr.type, rr.rdata)) return RCODE.FORMERR
        break
      default:
        return RCODE.FORMERR
    }
  }
  return RCODE.NOERROR
}

/** §3.4.2. */
function applyOne(edit: ZoneEdit, rr: Rr): void {
  const { zone } = edit
  const key = nameKey(rr.name)
  const isApex = key === zone.origin
  const sets = zone.find(key)?.sets ?? []
  if (rr.class === CLASS.IN) {
    addOne(edit, rr, isApex)
  } else if (rr.class === CLASS.ANY) {
    // §3.4.2.3: a zone never loses its SOA record and all of its servers.
    const isKept = (type: number) => isApex && (type === TYPE.SOA || type === TYPE.NS)
    for (const { type } of sets) {
      if ((rr.type === TYPE.ANY || rr.type === type) && !isKept(type)) edit.removeSet(key, type)
    }
  } else {
    const isLastServer = isApex && rr.type === TYPE.NS && zone.apex.set(TYPE.NS)?.rdatas.length === 1
    if (rr.type !== TYPE.SOA && !isLastServer) edit.remove({ ...rr, class: CLASS.IN })
  }
}

function addOne(edit: ZoneEdit, rr: Rr, isApex: boolean): void {
  const { zone } = edit
  const sets = zone.find(nameKey(rr.name))?.sets ?? []
  if (rr.type === TYPE.SOA) {
    if (isApex && isSerialAfter(soaOf(rr.rdata).serial, zone.soa.serial)) edit.replace(rr)
    return
  }
  // §3.4.2.2: an alias and other data do not come together; the one that is there stays.
  const others = sets.filter(({ type }) => !MADE_TYPES.includes(type))
  const mixes = others.some((set) => (set.type === TYPE.CNAME) !== (rr.type === TYPE.CNAME))
  if (mixes) return
  if (rr.type === TYPE.CNAME || rr.type === TYPE.DNAME) edit.replace(rr)
  else edit.add(rr)
}
