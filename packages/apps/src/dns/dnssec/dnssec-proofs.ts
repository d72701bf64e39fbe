/**
 * What an authoritative server adds to the answers of a zone that has been signed (RFC 4035 §3.1, RFC 5155 §7.2): signatures, and
 * proofs that there is nothing, by NSEC or NSEC3 records. The zone brings all of them; nothing is signed here.
 */
import { compareNames, isWithin, type NameKey, parentOf, wildcardOf } from '../wire/name.ts'
import { TYPE } from '../wire/types.ts'
import type { RrSet, Zone, ZoneNode } from '../zone/zone.ts'
import { hashingOf, type Nsec3Hashing, nsec3Owner } from './nsec3.ts'

/** True when there is something to prove with: keys at the apex, and NSEC or NSEC3 records. */
export function isSigned(zone: Zone | undefined): boolean {
  const { apex } = zone ?? {}
  return apex?.set(TYPE.DNSKEY) !== undefined && (apex.set(TYPE.NSEC) ?? apex.set(TYPE.NSEC3PARAM)) !== undefined
}

/** The signatures of one set of a node, as a set of the name that it is given out under. */
export function signaturesOf(node: ZoneNode, set: RrSet): RrSet | undefined {
  const all = node.set(TYPE.RRSIG)
  const rdatas = all?.rdatas.filter((rdata) => ((rdata[0] as number) << 8) + (rdata[1] as number) === set.type) ?? []
  // RFC 4034 §3: the TTL of a signature is that of what it signs.
  return rdatas.length === 0 ? undefined : { name: set.name, type: TYPE.RRSIG, ttl: set.ttl, rdatas }
}

/** The NSEC or NSEC3 records of a zone in their order. */
interface Chain {
  /** When it was made: the zone has changed when it has another SOA record. */
  readonly soaSet: RrSet
  /** Nodes with NSEC records, by {@link compareNames}; or with NSEC3 records, by the text of their hash. */
  readonly nodes: readonly ZoneNode[]
  /** How the names of `nodes` are made; `undefined` with NSEC. */
  readonly hashing: Nsec3Hashing | undefined
}

const chains = new WeakMap<Zone, Chain>()

function chainOf(zone: Zone): Chain {
  const known = chains.get(zone)
  if (known?.soaSet === zone.soaSet) return known
  const parameters = zone.apex.set(TYPE.NSEC3PARAM)?.rdatas[0]
  const type = parameters === undefined ? TYPE.NSEC : TYPE.NSEC3
  const nodes = zone.nodesWith(type)
  let hashing: Chain['hashing']
  if (parameters === undefined) {
    nodes.sort((a, b) => compareNames(a.key, b.key))
  } else {
    // Base32hex orders as the octets do (RFC 4648 §7), and all hashes are of one length.
    nodes.sort((a, b) => (a.key < b.key ? -1 : 1))
    hashing = hashingOf(parameters)
  }
  const chain = { soaSet: zone.soaSet, nodes, hashing }
  chains.set(zone, chain)
  return chain
}

/** Puts proofs into an authority section; each record once. */
export class Proofs {
  private readonly authorities: RrSet[]

  constructor(authorities: RrSet[]) {
    this.authorities = authorities
  }

  /** There is no `key`, `encloser` is the longest ancestor that is there, and nothing is below its wildcard. */
  noName(zone: Zone, key: NameKey, encloser: NameKey): void {
    const wildcard = wildcardOf(encloser)
    if (isHashed(zone)) {
      this.encloser(zone, key, encloser)
      if (wildcard !== undefined) this.cover(zone, wildcard)
      return
    }
    this.cover(zone, key)
    if (wildcard !== undefined) this.cover(zone, wildcard)
  }

  /** `key` is there but has nothing of the type asked for. */
  noData(zone: Zone, key: NameKey): void {
    if (this.match(zone, key)) return
    // With NSEC an empty non-terminal has no record; with NSEC3 it is within a span that opts out.
    if (isHashed(zone)) this.encloser(zone, key, this.provableEncloser(zone, key))
    else this.cover(zone, key)
  }

  /** `wildcard` answered in the place of `key`, which is not there. */
  wildcardAnswer(zone: Zone, key: NameKey, encloser: NameKey): void {
    this.cover(zone, isHashed(zone) ? nextCloser(key, encloser) : key)
  }

  /** `wildcard` stands in the place of `key`, but has nothing of the type asked for. */
  wildcardNoData(zone: Zone, key: NameKey, encloser: NameKey, wildcard: NameKey): void {
    if (isHashed(zone)) this.encloser(zone, key, encloser)
    else this.cover(zone, key)
    this.match(zone, wildcard)
  }

  /** The delegation at `cut` is to a zone that is signed, or that it is not. */
  delegation(zone: Zone, cut: ZoneNode): void {
    const ds = cut.set(TYPE.DS)
    if (ds === undefined) this.noData(zone, cut.key)
    else this.add(cut, ds)
  }

  /** RFC 5155 §7.2.1: the record of the closest encloser, and the one that spans the name below it. */
  private encloser(zone: Zone, key: NameKey, encloser: NameKey): void {
    this.match(zone, encloser)
    if (key !== encloser) this.cover(zone, nextCloser(key, encloser))
  }

  /** The nearest name above `key`, or itself, that has an NSEC3 record: others are in spans that opt out (RFC 5155 §6). */
  private provableEncloser(zone: Zone, key: NameKey): NameKey {
    let at = key
    while (at !== zone.origin && findMatch(zone, at) === undefined) at = parentOf(at)
    return at
  }

  /** Adds the record of `key` itself; false when it has none. */
  private match(zone: Zone, key: NameKey): boolean {
    const node = findMatch(zone, key)
    if (node !== undefined) this.addChain(node)
    return node !== undefined
  }

  /** Adds the record whose span `key` is in. */
  private cover(zone: Zone, key: NameKey): void {
    const { nodes, hashing } = chainOf(zone)
    const owner = hashing === undefined ? key : nsec3Owner(key, zone.origin, hashing)
    const isBefore = (i: number): boolean => {
      const { key: other } = nodes[i] as ZoneNode
      return hashing === undefined ? compareNames(other, owner) <= 0 : other <= owner
    }
    let low = 0
    let high = nodes.length
    while (low < high) {
      const middle = (low + high) >> 1
      if (isBefore(middle)) low = middle + 1
      else high = middle
    }
    // The last span goes round to the first name.
    const node = nodes[low === 0 ? nodes.length - 1 : low - 1]
    if (node !== undefined) this.addChain(node)
  }

  private addChain(node: ZoneNode): void {
    const set = node.set(TYPE.NSEC3) ?? node.set(TYPE.NSEC)
    if (set !== undefined) this.add(node, set)
  }

  private add(node: ZoneNode, set: RrSet): void {
    if (this.authorities.some(({ name, type }) => name === set.name && type === set.type)) return
    this.authorities.push(set)
    const signatures = signaturesOf(node, set)
    if (signatures !== undefined) this.authorities.push(signatures)
  }
}

function isHashed(zone: Zone): boolean {
  return chainOf(zone).hashing !== undefined
}

function findMatch(zone: Zone, key: NameKey): ZoneNode | undefined {
  const { hashing } = chainOf(zone)
  const node = zone.find(hashing === undefined ? key : nsec3Owner(key, zone.origin, hashing))
  return node?.set(hashing === undefined ? TYPE.NSEC : TYPE.NSEC3) === undefined ? undefined : node
}

/** The name one label longer than `encloser` on the way to `key` (RFC 5155 §1.3). */
function nextCloser(key: NameKey, encloser: NameKey): NameKey {
  let at = key
  while (parentOf(at) !== encloser && isWithin(parentOf(at), encloser)) at = parentOf(at)
  return at
}
