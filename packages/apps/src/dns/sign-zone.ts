/**
 * Signing a zone (RFC 4034, RFC 4035 §2): its keys, the chain of NSEC records, a signature for each set that the zone speaks
 * for. No cryptography here: keys come with a {@link ZoneKey}.
 */
import { octetsToText, textToOctets } from '@mirage-ts/core/octets'
import type { WallInstant } from '@mirage-ts/signatures/time'
import type { ZoneKey } from '@mirage-ts/signatures/zone-key'
import { canonicalSet } from './canonical.ts'
import type { Rr } from './message.ts'
import { compareNames, isWithin, labelCount, type NameKey, nameKey, nameToString } from './name.ts'
import { nsecRdata } from './nsec.ts'
import { CLASS, TYPE } from './types.ts'
import { type RrSet, rrsOf, type Zone } from './zone.ts'

export interface SignZoneOptions {
  /** Each algorithm among them signs the whole zone (RFC 4035 §2.2). One key alone, of either role, signs everything. */
  readonly keys: readonly ZoneKey[]
  /** When the signatures begin to hold: an hour ago allows for clocks that are late. */
  readonly inception: WallInstant
  /** When they cease to hold: sign again well before, by more than the longest TTL. */
  readonly expiration: WallInstant
}

/** What signing makes, and so makes anew. */
const MADE: readonly number[] = [TYPE.RRSIG, TYPE.NSEC, TYPE.NSEC3, TYPE.NSEC3PARAM]

/** What the zone above vouches for, and what tells it whom to vouch for (RFC 7344 §4.1). */
const ENTRY_TYPES: readonly number[] = [TYPE.DNSKEY, TYPE.CDS, TYPE.CDNSKEY]

/** RFC 4034 §2.1.1: a key for zones, and the bit of a secure entry point. */
const ZONE_KEY = 256
const ENTRY_POINT = 1

const DNSSEC_PROTOCOL = 3

/** RFC 1982: validity cannot be longer than half the circle of 32 bits. */
const MAX_VALIDITY_SECONDS = 2 ** 31 - 1

/** What a signature says of itself, the same for all that one key makes. */
interface Signer {
  readonly key: ZoneKey
  readonly tag: number
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
  const signers = options.keys.map((key) => signerOf(zone, key, options))
  const names = namesOf(zone, keySet(zone, options.keys))
  const chain = names.filter((name) => name.kind !== 'occluded')
  const nsecTtl = Math.min(zone.soa.minimum, zone.soaSet.ttl)
  const rrs: Rr[] = []
  let place = 0
  for (const { key, kind, sets } of names) {
    if (kind === 'occluded') {
      rrs.push(...sets.flatMap(rrsOf))
      continue
    }
    const spoken = sets.filter(({ type }) => kind !== 'delegation' || type === TYPE.DS)
    const shown = kind === 'delegation' ? [...spoken.map(({ type }) => type), TYPE.NS] : spoken.map(({ type }) => type)
    // RFC 4034 §4.1.1: the last name leads back to the first.
    const next = (chain[++place % chain.length] as ZoneName).key
    // RFC 9077 §3: what is not there is not remembered for longer than the SOA record says.
    const rdata = nsecRdata(next, [...shown, TYPE.RRSIG, TYPE.NSEC])
    const nsec: RrSet = { name: key, type: TYPE.NSEC, ttl: nsecTtl, rdatas: [rdata] }
    rrs.push(...sets.flatMap(rrsOf), ...rrsOf(nsec))
    for (const set of [...spoken, nsec]) {
      for (const signer of signers)
        if (signs(signer.key, set.type, options.keys)) rrs.push(await signature(set, signer))
    }
  }
  return rrs
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

function checkOptions(zone: Zone, { keys, inception, expiration }: SignZoneOptions): void {
  const fail = (why: string): never => {
    throw new TypeError(`Cannot sign ${nameToString(zone.origin)}: ${why}`)
  }
  if (keys.length === 0) fail('there are no keys; expected one at least')
  const seconds = (expiration - inception) / 1e6
  if (!(seconds > 0)) fail('the signatures would end before they begin; expected expiration after inception')
  if (seconds > MAX_VALIDITY_SECONDS) fail('the signatures would hold for more than 68 years; expected less')
  // RFC 4035 §2.2: a zone is signed by every algorithm that it has keys of.
  for (const [, , , algorithm] of zone.apex.set(TYPE.DNSKEY)?.rdatas ?? []) {
    if (keys.some((key) => key.algorithm === algorithm)) continue
    fail(`it has a DNSKEY record of algorithm ${algorithm}; expected a key of it, or no such record`)
  }
}

/** RFC 4034 §3.1.5: times are seconds modulo 2^32. */
function signerOf(zone: Zone, key: ZoneKey, { inception, expiration }: SignZoneOptions): Signer {
  const seconds = (instant: WallInstant): number => Math.floor(instant / 1e6) >>> 0
  const tag = keyTag(dnskeyRdata(key))
  return { key, tag, zone: zone.origin, inception: seconds(inception), expiration: seconds(expiration) }
}

/** True when `key` signs sets of `type`; where an algorithm has keys of one role only, they sign everything. */
function signs(key: ZoneKey, type: number, keys: readonly ZoneKey[]): boolean {
  const role = ENTRY_TYPES.includes(type) ? 'secure-entry-point' : 'zone'
  return key.role === role || !keys.some((other) => other.algorithm === key.algorithm && other.role === role)
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
  /** `occluded`: below a delegation or a DNAME record, where the zone does not speak (RFC 4035 §2.2, RFC 6672 §2.4). */
  readonly kind: 'own' | 'delegation' | 'occluded'
  readonly sets: readonly RrSet[]
}

/** The names that have records, in their order (RFC 4034 §6.1). */
function namesOf(zone: Zone, dnskeys: RrSet): ZoneName[] {
  const byName = new Map<NameKey, RrSet[]>()
  const [soa, ...others] = zone.allSets()
  const replaced = zone.apex.set(TYPE.DNSKEY)
  for (const set of [soa as RrSet, dnskeys, ...others]) {
    if (set === replaced || MADE.includes(set.type)) continue
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
