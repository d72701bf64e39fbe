/**
 * What an authoritative server answers to a question: RFC 1034 §4.3.2 as RFC 4592 (wildcards), RFC 6672 (DNAME),
 * RFC 2308 (negative answers), RFC 8482 (ANY) and RFC 9471 (glue) have made it.
 */

import { textToOctets } from '@mirage-ts/core/octets'
import { isSigned, Proofs, signaturesOf } from '../dnssec/dnssec-proofs.ts'
import { isWithin, type Name, type NameKey, nameKey, parentOf, ROOT, rebase, wildcardOf } from '../wire/name.ts'
import { nameIn, soaOf } from '../wire/rdata.ts'
import { RCODE, TYPE } from '../wire/types.ts'
import type { RrSet, Zone, ZoneNode } from '../zone/zone.ts'

/** How many CNAME and DNAME records are followed for one question. */
const MAX_CHAIN_COUNT = 16
/** Names whose addresses go into one answer besides. */
const MAX_ADDITIONAL_COUNT = 32

/** The zones of a server by name; `undefined` is a zone that it should have but has not (yet, or any more). */
export type ZoneMap = ReadonlyMap<NameKey, Zone | undefined>

/** An answer, as sets. */
export class Resolution {
  rcode: number = RCODE.NOERROR
  isAuthoritative = true
  readonly answers: RrSet[] = []
  readonly authorities: RrSet[] = []
  /** Addresses without which a referral leads nowhere. */
  readonly glue: RrSet[] = []
  readonly additionals: RrSet[] = []
  /** The nearest zone to the first name asked for. */
  zone: Zone | undefined = undefined
  /** True when the name asked for stands in a zone and the answer is data: then there are only so many such answers. */
  isExact = false
  /** Whether the asker wants signatures and proofs (RFC 3225); they are added where a zone has them. */
  readonly wantsProofs: boolean

  constructor(wantsProofs = false) {
    this.wantsProofs = wantsProofs
  }
}

/** Answers the question. `REFUSED` means that no zone has to do with the name. */
export function resolve(zones: ZoneMap, name: Name, type: number, wantsProofs = false): Resolution {
  const resolution = new Resolution(wantsProofs)
  let current = name
  for (let count = 0; count <= MAX_CHAIN_COUNT; count++) {
    const key = nameKey(current)
    const zone = findZone(zones, key, type)
    if (zone === 'none' || zone === 'not-loaded') {
      // A chain that leaves our zones ends there: the asker goes on.
      if (count === 0) {
        resolution.rcode = zone === 'none' ? RCODE.REFUSED : RCODE.SERVFAIL
        resolution.isAuthoritative = false
      }
      break
    }
    if (count === 0) resolution.zone = zone
    const next = resolveIn(zone, current, key, type, resolution, count === 0)
    if (next === undefined) break
    current = next
  }
  addAdditionals(zones, resolution)
  return resolution
}

/** The zone nearest to a name; for DS that is the zone above a cut (RFC 4035 §3.1.4.1). */
function findZone(zones: ZoneMap, key: NameKey, type: number): Zone | 'none' | 'not-loaded' {
  for (let at = type === TYPE.DS && key !== ROOT && zones.has(key) ? parentOf(key) : key; ; at = parentOf(at)) {
    if (zones.has(at)) return zones.get(at) ?? 'not-loaded'
    if (at === ROOT) break
  }
  // DS of a zone whose parent is somewhere else: from the zone itself, it has none.
  return type === TYPE.DS && zones.has(key) ? (zones.get(key) ?? 'not-loaded') : 'none'
}

/** Adds what `zone` says; returns the name to go on with when that is an alias. */
function resolveIn(
  zone: Zone,
  name: Name,
  key: NameKey,
  type: number,
  resolution: Resolution,
  isFirst: boolean,
): Name | undefined {
  let encloser: ZoneNode = zone.apex
  // From the apex down: a cut or a DNAME hides what is below it, and the first name missing ends the way.
  for (let off = key.length - zone.origin.length; ; off = labelBefore(key, off)) {
    const node = zone.find(key.slice(off) as NameKey)
    if (node === undefined) break
    encloser = node
    const isCut = node !== zone.apex && node.set(TYPE.NS) !== undefined
    if (isCut && !(off === 0 && type === TYPE.DS)) return refer(zone, node, resolution, isFirst)
    if (off === 0) return answerFrom(zone, node, name, type, resolution, isFirst)
    const dname = node.set(TYPE.DNAME)
    if (dname !== undefined) return substitute(node, dname, name, type, resolution)
  }
  const wildcard = wildcardOf(encloser.key)
  const source = wildcard === undefined ? undefined : zone.find(wildcard)
  if (source === undefined) {
    resolution.rcode = RCODE.NXDOMAIN
    addSoa(zone, resolution)
    proofsFor(zone, resolution)?.noName(zone, key, encloser.key)
    return undefined
  }
  const answerCount = resolution.answers.length
  const next = answerFrom(zone, source, name, type, resolution, false)
  if (resolution.answers.length > answerCount) proofsFor(zone, resolution)?.wildcardAnswer(zone, key, encloser.key)
  else proofsFor(zone, resolution)?.wildcardNoData(zone, key, encloser.key, source.key)
  return next
}

function proofsFor(zone: Zone, resolution: Resolution): Proofs | undefined {
  return resolution.wantsProofs && isSigned(zone) ? new Proofs(resolution.authorities) : undefined
}

/** Puts a set, of `node`, into a section, and its signatures when they are wanted. */
function push(list: RrSet[], node: ZoneNode, set: RrSet, resolution: Resolution): void {
  list.push(set)
  const signatures = resolution.wantsProofs ? signaturesOf(node, set) : undefined
  if (signatures !== undefined) list.push(signatures)
}

/** Where the label that ends before `off` begins. */
function labelBefore(key: NameKey, off: number): number {
  let at = 0
  for (;;) {
    const next = at + 1 + key.charCodeAt(at)
    if (next >= off) return at
    at = next
  }
}

/** Answers with what `node` has; `name` is the owner asked for, which a wildcard takes on. */
function answerFrom(
  zone: Zone,
  node: ZoneNode,
  name: Name,
  type: number,
  resolution: Resolution,
  isExact: boolean,
): Name | undefined {
  const owned = (set: RrSet): RrSet => (nameKey(name) === node.key ? set : { ...set, name })
  const cname = node.set(TYPE.CNAME)
  if (cname !== undefined && type !== TYPE.CNAME && type !== TYPE.ANY) {
    push(resolution.answers, node, owned(cname), resolution)
    resolution.isExact ||= isExact
    return nameIn(TYPE.CNAME, cname.rdatas[0] as Uint8Array)
  }
  // RFC 8482 §4.1: any one of the sets is an answer to ANY.
  const set = type === TYPE.ANY ? node.sets[0] : node.set(type)
  if (set === undefined) {
    addSoa(zone, resolution)
    if (nameKey(name) === node.key) proofsFor(zone, resolution)?.noData(zone, node.key)
    return undefined
  }
  push(resolution.answers, node, owned(set), resolution)
  resolution.isExact ||= isExact
  return undefined
}

function refer(zone: Zone, cut: ZoneNode, resolution: Resolution, isFirst: boolean): undefined {
  const ns = cut.set(TYPE.NS) as RrSet
  if (isFirst) resolution.isAuthoritative = false
  resolution.authorities.push(ns)
  proofsFor(zone, resolution)?.delegation(zone, cut)
  for (const rdata of ns.rdatas) {
    const target = nameKey(nameIn(TYPE.NS, rdata))
    // RFC 9471 §3: addresses of servers below the cut are needed, others of this zone may help.
    const list = isWithin(target, cut.key) ? resolution.glue : resolution.additionals
    if (isWithin(target, zone.origin)) addAddresses(zone, target, list)
  }
  return undefined
}

/** RFC 6672 §3: the DNAME record, the CNAME record that follows from it, and on with its target. */
function substitute(node: ZoneNode, dname: RrSet, name: Name, type: number, resolution: Resolution): Name | undefined {
  push(resolution.answers, node, dname, resolution)
  const target = rebase(name, dname.name, nameIn(TYPE.DNAME, dname.rdatas[0] as Uint8Array))
  if (target === undefined) {
    resolution.rcode = RCODE.YXDOMAIN
    return undefined
  }
  resolution.answers.push({ name, type: TYPE.CNAME, ttl: dname.ttl, rdatas: [textToOctets(target)] })
  // Whoever asks for an alias has it.
  return type === TYPE.CNAME || type === TYPE.ANY ? undefined : target
}

/** RFC 2308 §3: the SOA record says how long to remember that there is nothing. */
function addSoa(zone: Zone, resolution: Resolution): void {
  const soa = zone.soaSet
  const { minimum } = soaOf(soa.rdatas[0] as Uint8Array)
  push(resolution.authorities, zone.apex, { ...soa, ttl: Math.min(soa.ttl, minimum) }, resolution)
}

/** Addresses of the hosts that the answers name, where we have them (RFC 1034 §4.3.2 step 6, RFC 2782, RFC 9460 §4.1). */
function addAdditionals(zones: ZoneMap, resolution: Resolution): void {
  const seen = new Set<NameKey>()
  for (const set of resolution.answers) {
    if (!NAMES_HOSTS.includes(set.type)) continue
    for (const rdata of set.rdatas) {
      const target = nameKey(nameIn(set.type, rdata))
      if (seen.has(target)) continue
      if (seen.size >= MAX_ADDITIONAL_COUNT) return
      seen.add(target)
      const zone = findZone(zones, target, TYPE.A)
      if (typeof zone === 'object') addAddresses(zone, target, resolution.additionals)
    }
  }
}

const NAMES_HOSTS: readonly number[] = [TYPE.NS, TYPE.MX, TYPE.SRV, TYPE.SVCB, TYPE.HTTPS]

function addAddresses(zone: Zone, name: NameKey, list: RrSet[]): void {
  const node = zone.find(name)
  for (const set of node?.sets ?? []) if (set.type === TYPE.A || set.type === TYPE.AAAA) list.push(set)
}
