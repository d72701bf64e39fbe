/**
 * Signing what has changed in a zone that is signed (RFC 4035 §2, RFC 3007): the sets that are other ones, and the records of the
 * chain around names that have come, gone, or have other types. Everything else keeps its signature.
 */

import type { Rr } from '../wire/message.ts'
import { isWithin, labelCount, type NameKey, nameKey, parentOf } from '../wire/name.ts'
import { rdataKey } from '../wire/rdata.ts'
import { TYPE } from '../wire/types.ts'
import type { RrSet, Zone } from '../zone/zone.ts'
import type { ZoneEdit } from '../zone/zone-edit.ts'
import { Chain, type Denial, isSpokenFor, MADE_TYPES, type NameKind } from './denial.ts'
import { hashingOf, isOptOutRecord } from './nsec3.ts'
import { nsecTtlOf, type Signer, type SigningOptions, signaturesFor, signersOf } from './sign-zone.ts'

/**
 * Signs the changes of `edit`, whose zone was signed before it, by `signZone` or another program; the serial goes up first. The
 * zone is not whole until it resolves: do it with a copy. Rejects with what a key throws.
 */
export async function resignZone(edit: ZoneEdit, options: SigningOptions): Promise<void> {
  if (edit.raiseSerial()) await new Resigning(edit, options).run()
}

class Resigning {
  private readonly edit: ZoneEdit
  private readonly zone: Zone
  private readonly signers: readonly Signer[]
  private readonly chain: Chain
  /** Of the records of the chain, in their order. */
  private readonly owners: NameKey[]
  /** Owners whose record must be made anew, and what it says, unless that is what it said before. */
  private readonly dirty = new Map<NameKey, string | undefined>()

  constructor(edit: ZoneEdit, options: SigningOptions) {
    this.edit = edit
    this.zone = edit.zone
    this.signers = signersOf(this.zone.origin, options)
    this.chain = new Chain(this.zone.origin, denialIn(this.zone))
    const owners = new Set(this.zone.nodesWith(this.chain.type).map(({ key }) => key))
    // Deleting everything at a name deletes its record of the chain, too.
    for (const [key, before] of edit.touched) if (before.some(({ type }) => type === this.chain.type)) owners.add(key)
    this.owners = [...owners].sort((a, b) => this.chain.compare(a, b))
  }

  async run(): Promise<void> {
    for (const [key, before] of this.names()) {
      await this.signName(key, before)
      this.putInChain(key)
    }
    for (const [owner, bitMaps] of this.dirty) await this.signLink(owner, bitMaps)
  }

  /** The names to look at, those below others first, with the sets that they had when they were changed. */
  private names(): readonly (readonly [NameKey, readonly RrSet[] | undefined])[] {
    const { zone, edit, chain } = this
    const names = new Map<NameKey, readonly RrSet[] | undefined>(edit.touched)
    for (const [key, before] of edit.touched) {
      // What is below a name that delegates, or does no more, is the zone's no more, or again.
      if (hidesBelow(zone, key, before) !== hidesBelow(zone, key, zone.find(key)?.sets ?? [])) {
        for (const below of namesBelow(zone, key)) if (!names.has(below)) names.set(below, undefined)
      }
    }
    for (const key of chain.hasEmptyNames ? [...names.keys()] : []) {
      for (let above = key; above !== zone.origin; above = parentOf(above)) {
        if (!names.has(above)) names.set(above, undefined)
      }
    }
    return [...names].sort(([a], [b]) => labelCount(b) - labelCount(a))
  }

  /** Signs the sets of a name that are new, and leaves out the signatures of those that are not there any more. */
  private async signName(key: NameKey, before: readonly RrSet[] | undefined): Promise<void> {
    const { zone, signers } = this
    const sets = zone.find(key)?.sets ?? []
    const kind = kindOf(zone, key)
    const spoken = sets.filter(({ type }) => isSpokenFor(type, kind) && (!isMade(type) || type === TYPE.NSEC3PARAM))
    const known = sets.find(({ type }) => type === TYPE.RRSIG)
    const signatures: Uint8Array[] = []
    for (const set of spoken) {
      const kept = before === undefined || isSame(before, set) ? signaturesIn(known, set.type) : []
      const made = kept.length > 0 ? kept : (await signaturesFor(set, signers)).map(({ rdata }) => rdata)
      signatures.push(...made)
    }
    // The name's own record of the chain, if it stays, keeps its signature until the record is made anew.
    const isLinked = sets.some(({ type }) => type === this.chain.type) && this.isInChain(key)
    if (isLinked) signatures.push(...signaturesIn(known, this.chain.type))
    const rest = sets.filter(({ type }) => type !== TYPE.RRSIG && (isLinked || type !== this.chain.type))
    this.putSigned(key, rest, signatures)
  }

  /** Gives a name these sets and, as its set of signatures, these. */
  private putSigned(key: NameKey, sets: readonly RrSet[], signatures: readonly Uint8Array[]): void {
    const [first] = sets
    // RFC 4034 §3: the TTL of a signature is that of what it signs; a server gives it out so.
    const rrsig = { name: first?.name ?? key, type: TYPE.RRSIG, ttl: first?.ttl ?? 0, rdatas: signatures }
    this.edit.putSets(key, signatures.length === 0 ? sets : [...sets, rrsig])
  }

  private isInChain(key: NameKey): boolean {
    const { zone, chain } = this
    const kind = kindOf(zone, key)
    const types = plainTypes(zone, key)
    if (types.length > 0) return chain.includes(kind, types)
    if (!chain.hasEmptyNames || kind === 'occluded' || !zone.hasBelow(key)) return false
    // One that is there for delegations only that are left out is left out with them (RFC 5155 §7.1).
    if (!chain.isOptOut) return true
    for (const below of namesBelow(zone, key)) {
      if (chain.includes(kindOf(zone, below), plainTypes(zone, below))) return true
    }
    return false
  }

  /** Makes the chain lead to a name, or no more, and notes what has to be made anew for that. */
  private putInChain(key: NameKey): void {
    const { zone, chain, owners, dirty } = this
    const owner = chain.ownerOf(key)
    const at = this.placeOf(owner)
    const isThere = owners[at] === owner
    const before = owners[(at + owners.length - 1) % owners.length] as NameKey
    if (this.isInChain(key)) {
      if (!isThere) {
        owners.splice(at, 0, owner)
        if (!dirty.has(before)) dirty.set(before, undefined)
      }
      const types = plainTypes(zone, key)
      dirty.set(owner, chain.bitMaps(types.length === 0 ? 'own' : kindOf(zone, key), types))
      return
    }
    if (!isThere) return
    owners.splice(at, 1)
    dirty.delete(owner)
    if (!dirty.has(before)) dirty.set(before, undefined)
    if (chain.type === TYPE.NSEC3) this.edit.putSets(owner, [])
  }

  /** The place of an owner in the chain, or where it would be. */
  private placeOf(owner: NameKey): number {
    let low = 0
    let high = this.owners.length
    while (low < high) {
      const middle = (low + high) >> 1
      if (this.chain.compare(this.owners[middle] as NameKey, owner) < 0) low = middle + 1
      else high = middle
    }
    return low
  }

  private async signLink(owner: NameKey, bitMaps: string | undefined): Promise<void> {
    const { zone, chain, owners, signers } = this
    const sets = zone.find(owner)?.sets ?? []
    const old = sets.find(({ type }) => type === chain.type)
    const next = owners[(this.placeOf(owner) + 1) % owners.length] as NameKey
    const rdata = chain.rdata(next, bitMaps ?? chain.bitMapsIn(old?.rdatas[0] as Uint8Array))
    const link: RrSet = { name: owner, type: chain.type, ttl: nsecTtlOf(zone), rdatas: [rdata] }
    if (old !== undefined && isSame([old], link)) return
    const known = sets.find(({ type }) => type === TYPE.RRSIG)
    const others = (known?.rdatas ?? []).filter((one) => coveredBy(one) !== chain.type)
    const made: readonly Rr[] = await signaturesFor(link, signers)
    const rest = sets.filter(({ type }) => type !== TYPE.RRSIG && type !== chain.type)
    this.putSigned(owner, [...rest, link], [...others, ...made.map((rr) => rr.rdata)])
  }
}

/** The names below `key` with records that are not part of the chain. */
function* namesBelow(zone: Zone, key: NameKey): Generator<NameKey> {
  for (const { name, type } of zone.allSets()) {
    const below = nameKey(name)
    if (!isMade(type) && below !== key && isWithin(below, key)) yield below
  }
}

/** How the zone, which is signed, shows what is not there. */
function denialIn(zone: Zone): Denial {
  const parameters = zone.apex.set(TYPE.NSEC3PARAM)?.rdatas[0]
  if (parameters === undefined) return { kind: 'nsec' }
  const [first] = zone.nodesWith(TYPE.NSEC3)
  const record = first?.set(TYPE.NSEC3)?.rdatas[0]
  return {
    kind: 'nsec3',
    hashing: hashingOf(parameters),
    isOptOut: record !== undefined && isOptOutRecord(record),
  }
}

function kindOf(zone: Zone, key: NameKey): NameKind {
  for (let above = key; above !== zone.origin; ) {
    above = parentOf(above)
    if (hidesBelow(zone, above, zone.find(above)?.sets ?? [])) return 'occluded'
  }
  return key !== zone.origin && zone.find(key)?.set(TYPE.NS) !== undefined ? 'delegation' : 'own'
}

function hidesBelow(zone: Zone, key: NameKey, sets: readonly RrSet[]): boolean {
  return sets.some(({ type }) => type === TYPE.DNAME || (type === TYPE.NS && key !== zone.origin))
}

function isMade(type: number): boolean {
  return MADE_TYPES.includes(type)
}

/** The types that a name has, other than those that show what it has. */
function plainTypes(zone: Zone, key: NameKey): number[] {
  const types = (zone.find(key)?.sets ?? []).map(({ type }) => type)
  return types.filter((type) => !isMade(type) || type === TYPE.NSEC3PARAM)
}

function signaturesIn(rrsig: RrSet | undefined, type: number): Uint8Array[] {
  return (rrsig?.rdatas ?? []).filter((rdata) => coveredBy(rdata) === type)
}

/** The type that a signature signs. */
function coveredBy(rrsig: Uint8Array): number {
  return ((rrsig[0] as number) << 8) + (rrsig[1] as number)
}

/** True when `sets` have the set, with the same records and TTL. */
function isSame(sets: readonly RrSet[], { type, ttl, rdatas }: RrSet): boolean {
  const other = sets.find((set) => set.type === type)
  if (other === undefined || other.ttl !== ttl || other.rdatas.length !== rdatas.length) return false
  const keys = new Set(other.rdatas.map((rdata) => rdataKey(type, rdata)))
  return rdatas.every((rdata) => keys.has(rdataKey(type, rdata)))
}
