/**
 * Signing a zone (RFC 4034, RFC 4035 §2): its keys, the chain of NSEC or NSEC3 records, a signature for each set that the zone
 * speaks for. No cryptography here but the hash of names: keys come with a {@link ZoneKey}. Changes of a zone that is signed are
 * for `resign-zone.ts`.
 */
import { octetsToText, textToOctets } from '@mirage-ts/core/octets'
import type { WallInstant } from '@mirage-ts/signatures/time'
import type { ZoneKey } from '@mirage-ts/signatures/zone-key'
import type { Rr } from '../wire/message.ts'
import { compareNames, isWithin, labelCount, type NameKey, nameKey, nameToString, parentOf } from '../wire/name.ts'
import { CLASS, TYPE } from '../wire/types.ts'
import { type RrSet, rrsOf, type Zone } from '../zone/zone.ts'
import { canonicalSet } from './canonical.ts'
import { Chain, type Denial, isSpokenFor, MADE_TYPES, type NameKind } from './denial.ts'
import { nsec3paramRdata } from './nsec3.ts'

export interface SignZoneOptions {
  /** Each algorithm among them signs the whole zone (RFC 4035 §2.2). One key alone, of either role, signs everything. */
  readonly keys: readonly ZoneKey[]
  /** When the signatures begin to hold: an hour ago allows for clocks that are late. */
  readonly inception: WallInstant
  /** When they cease to hold: sign again well before, by more than the longest TTL. */
  readonly expiration: WallInstant
  /** Default NSEC. */
  readonly denial?: DenialOptions
}

/** How what is not there is proved: by NSEC, which shows all names one after the other, or by NSEC3, which hides them. */
export type DenialOptions =
  | { readonly kind: 'nsec' }
  | {
      readonly kind: 'nsec3'
      /** Hashes beyond the first. Default 0, as RFC 9276 asks; resolvers may take more than 0 for no signature at all. */
      readonly iterations?: number
      /** Default none, as RFC 9276 asks; at most 255 octets. */
      readonly salt?: Uint8Array
      /** Leaves delegations out that are not signed (RFC 5155 §6). Default false. */
      readonly isOptOut?: boolean
    }

const NO_SALT = new Uint8Array(0)
/** RFC 9276 §3.2: beyond, an answer may be an error. */
const MAX_ITERATIONS = 100
const MAX_SALT_BYTES = 255

/** What the zone above vouches for, and what tells it whom to vouch for (RFC 7344 §4.1). */
const ENTRY_TYPES: readonly number[] = [TYPE.DNSKEY, TYPE.CDS, TYPE.CDNSKEY]

/** RFC 4034 §2.1.1: a key for zones, and the bit of a secure entry point. */
const ZONE_KEY = 256
const ENTRY_POINT = 1

const DNSSEC_PROTOCOL = 3

/** RFC 1982: validity cannot be longer than half the circle of 32 bits. */
const MAX_VALIDITY_SECONDS = 2 ** 31 - 1

/** What a signature says of itself, the same for all that one key makes. */
export interface Signer {
  readonly key: ZoneKey
  readonly tag: number
  /** The algorithm has no keys of the other role: this one signs everything. */
  readonly isOnlyRole: boolean
  readonly zone: NameKey
  readonly inception: number
  readonly expiration: number
}

/**
 * The records of `zone` signed, the SOA record first and in the order of DNSSEC, for `buildZone` or a file. Signatures and
 * chains that it had are left out, keys that it had stay; the serial stays: raise it before when secondaries are to notice.
 * Rejects with a `TypeError` when the keys or times cannot sign it, and with what a key throws.
 */
export async function signZone(zone: Zone, options: SignZoneOptions): Promise<Rr[]> {
  checkOptions(zone, options)
  const signers = signersOf(zone.origin, options)
  const denial = denialOf(options.denial)
  const chain = new Chain(zone.origin, denial)
  const nsecTtl = nsecTtlOf(zone)
  const made: RrSet[] = [keySet(zone, options.keys)]
  if (denial.kind === 'nsec3') {
    const rdatas = [nsec3paramRdata(denial.hashing)]
    made.push({ name: zone.soaSet.name, type: TYPE.NSEC3PARAM, ttl: nsecTtl, rdatas })
  }
  const names = namesOf(zone, made)
  const links = linksOf(names, zone.origin, chain, nsecTtl)
  const rrs: Rr[] = []
  for (const { key, kind, sets } of names) {
    const spoken = sets.filter(({ type }) => isSpokenFor(type, kind))
    // A NSEC record is at the name that it is about.
    const link = links.get(key)
    const own = link === undefined ? [] : [link]
    links.delete(key)
    rrs.push(...[...sets, ...own].flatMap(rrsOf))
    for (const set of [...spoken, ...own]) rrs.push(...(await signaturesFor(set, signers)))
  }
  for (const link of links.values()) rrs.push(...rrsOf(link), ...(await signaturesFor(link, signers)))
  return rrs
}

/** The records of the chain by owner, in their order. */
function linksOf(names: readonly ZoneName[], origin: NameKey, chain: Chain, ttl: number): Map<NameKey, RrSet> {
  const bitMaps = new Map<NameKey, string>()
  for (const { key, kind, sets } of names) {
    const types = sets.map(({ type }) => type)
    if (!chain.includes(kind, types)) continue
    bitMaps.set(chain.ownerOf(key), chain.bitMaps(kind, types))
    if (!chain.hasEmptyNames) continue
    for (let above = key; above !== origin; above = parentOf(above)) {
      const owner = chain.ownerOf(above)
      if (!bitMaps.has(owner)) bitMaps.set(owner, chain.bitMaps('own', []))
    }
  }
  const owners = [...bitMaps.keys()].sort((a, b) => chain.compare(a, b))
  // RFC 4034 §4.1.1: the last leads back to the first.
  return new Map(
    owners.map((name, i) => {
      const next = owners[(i + 1) % owners.length] as NameKey
      return [name, { name, type: chain.type, ttl, rdatas: [chain.rdata(next, bitMaps.get(name) as string)] }]
    }),
  )
}

/** RFC 9077 §3: what is not there is not remembered for longer than the SOA record says. */
export function nsecTtlOf(zone: Zone): number {
  return Math.min(zone.soa.minimum, zone.soaSet.ttl)
}

function denialOf(options: DenialOptions = { kind: 'nsec' }): Denial {
  if (options.kind === 'nsec') return options
  const { iterations = 0, salt = NO_SALT, isOptOut = false } = options
  return { kind: 'nsec3', hashing: { iterations, salt }, isOptOut }
}

/** DNSKEY RDATA (RFC 4034 §2.1). */
export function dnskeyRdata({ algorithm, role, publicKey }: ZoneKey): Uint8Array {
  const flags = role === 'zone' ? ZONE_KEY : ZONE_KEY | ENTRY_POINT
  return new Uint8Array([flags >>> 8, flags & 255, DNSSEC_PROTOCOL, algorithm, ...publicKey])
}

/** The number that signatures and DS records find a key by; not unique (RFC 4034 appendix B). */
export function keyTag(dnskey: Uint8Array): number {
  let sum = 0
  for (const [i, octet] of dnskey.entries()) sum += i & 1 ? octet : octet << 8
  return (sum + (sum >>> 16)) & 0xffff
}

function checkOptions(zone: Zone, { keys, inception, expiration, denial }: SignZoneOptions): void {
  const fail = (why: string): never => {
    throw new TypeError(`Cannot sign ${nameToString(zone.origin)}: ${why}`)
  }
  if (keys.length === 0) fail('there are no keys; expected one at least')
  const seconds = (expiration - inception) / 1e6
  if (!(seconds > 0)) fail('the signatures would end before they begin; expected expiration after inception')
  if (seconds > MAX_VALIDITY_SECONDS) fail('the signatures would hold for more than 68 years; expected less')
  if (denial?.kind === 'nsec3') {
    const { iterations = 0, salt = NO_SALT } = denial
    const isCount = Number.isInteger(iterations) && iterations >= 0 && iterations <= MAX_ITERATIONS
    if (!isCount) fail(`NSEC3 with ${iterations} iterations; expected 0 to ${MAX_ITERATIONS}, 0 best`)
    if (salt.length > MAX_SALT_BYTES)
      fail(`NSEC3 with ${salt.length} octets of salt; expected ${MAX_SALT_BYTES} at most`)
  }
  // RFC 4035 §2.2: a zone is signed by every algorithm that it has keys of.
  for (const [, , , algorithm] of zone.apex.set(TYPE.DNSKEY)?.rdatas ?? []) {
    if (keys.some((key) => key.algorithm === algorithm)) continue
    fail(`it has a DNSKEY record of algorithm ${algorithm}; expected a key of it, or no such record`)
  }
}

/** What signs a zone, and for how long. */
export type SigningOptions = Pick<SignZoneOptions, 'keys' | 'inception' | 'expiration'>

/** Those that sign with the keys of `options`. */
export function signersOf(origin: NameKey, { keys, inception, expiration }: SigningOptions): readonly Signer[] {
  // RFC 4034 §3.1.5: times are seconds modulo 2^32.
  const seconds = (instant: WallInstant): number => Math.floor(instant / 1e6) >>> 0
  return keys.map((key) => {
    const tag = keyTag(dnskeyRdata(key))
    const others = keys.filter(({ algorithm, role }) => algorithm === key.algorithm && role !== key.role)
    const isOnlyRole = others.length === 0
    return { key, tag, isOnlyRole, zone: origin, inception: seconds(inception), expiration: seconds(expiration) }
  })
}

/** The signatures of a set, a record of each key that signs sets of its type. */
export async function signaturesFor(set: RrSet, signers: readonly Signer[]): Promise<Rr[]> {
  const role = ENTRY_TYPES.includes(set.type) ? 'secure-entry-point' : 'zone'
  const rrs: Rr[] = []
  for (const signer of signers) {
    if (signer.key.role === role || signer.isOnlyRole) rrs.push(await signature(set, signer))
  }
  return rrs
}

/** The keys of the zone: those that sign, and those that it had, to be known before or after they do (RFC 7583). */
function keySet(zone: Zone, keys: readonly ZoneKey[]): RrSet {
  const { rdatas = [], ttl = zone.soaSet.ttl } = zone.apex.set(TYPE.DNSKEY) ?? {}
  const all = [...rdatas, ...keys.map(dnskeyRdata)]
  const rdatasByText = new Map(all.map((rdata) => [octetsToText(rdata), rdata]))
  return { name: zone.soaSet.name, type: TYPE.DNSKEY, ttl, rdatas: [...rdatasByText.values()] }
}

interface ZoneName {
  readonly key: NameKey
  readonly kind: NameKind
  readonly sets: readonly RrSet[]
}

/** The names that have records, in their order (RFC 4034 §6.1), the apex with those of `made`. */
function namesOf(zone: Zone, made: readonly RrSet[]): ZoneName[] {
  const byName = new Map<NameKey, RrSet[]>()
  const [soa, ...others] = zone.allSets()
  const replaced = zone.apex.set(TYPE.DNSKEY)
  for (const set of [soa as RrSet, ...made, ...others]) {
    if (set === replaced || (MADE_TYPES.includes(set.type) && !made.includes(set))) continue
    const key = nameKey(set.name)
    const sets = byName.get(key)
    if (sets === undefined) byName.set(key, [set])
    else sets.push(set)
  }
  const sorted = [...byName].sort(([a], [b]) => compareNames(a, b))
  // What is below a name follows it at once.
  let cut: NameKey | undefined
  return sorted.map(([key, sets]) => {
    if (cut !== undefined && isWithin(key, cut)) return { key, kind: 'occluded', sets }
    const isDelegation = key !== zone.origin && sets.some(({ type }) => type === TYPE.NS)
    if (isDelegation || sets.some(({ type }) => type === TYPE.DNAME)) cut = key
    return { key, kind: isDelegation ? 'delegation' : 'own', sets }
  })
}

/** The RRSIG record of a set (RFC 4034 §3.1). */
async function signature(set: RrSet, { key, tag, zone, inception, expiration }: Signer): Promise<Rr> {
  const head = new Uint8Array(18 + zone.length)
  const dv = new DataView(head.buffer)
  dv.setUint16(0, set.type)
  dv.setUint8(2, key.algorithm)
  // RFC 4034 §3.1.3: a wildcard's asterisk does not count.
  dv.setUint8(3, labelCount(set.name) - (set.name.startsWith('\x01*') ? 1 : 0))
  dv.setUint32(4, set.ttl)
  dv.setUint32(8, expiration)
  dv.setUint32(12, inception)
  dv.setUint16(16, tag)
  head.set(textToOctets(zone), 18)
  const rdata = joined(head, await key.sign(joined(head, canonicalSet(set))))
  return { name: set.name, type: TYPE.RRSIG, class: CLASS.IN, ttl: set.ttl, rdata }
}

function joined(first: Uint8Array, second: Uint8Array): Uint8Array {
  const both = new Uint8Array(first.length + second.length)
  both.set(first)
  both.set(second, first.length)
  return both
}
