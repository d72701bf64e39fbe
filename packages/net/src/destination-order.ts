/**
 * The order in which the addresses of a host are tried (RFC 6724 §6): rules 1, 2, 5, 6, 8, 9 and 10. Rule 3 (deprecated sources)
 * would need more than our addresses; rules 4 and 7 are about home addresses and tunnels, which we have none of.
 */
import { isIpv4, isIpv6Multicast } from '@mirage-ts/core/addresses'
import type { IpAddress, Ipv6 } from '@mirage-ts/signatures/addresses'
import { chooseSource, commonPrefixBits, policyOf, scopeOf } from './ipv6/source-address.ts'

const MAPPED: bigint = 0xffffn << 32n

interface Destination {
  readonly address: IpAddress
  /** What we would send from; undefined when there is nothing. */
  readonly source: Ipv6 | undefined
  /** As IPv6: of an IPv4 address the mapped one (§3.2). */
  readonly mapped: Ipv6
  readonly precedence: number
  readonly hasSameLabel: boolean
  readonly scope: number
  readonly hasSameScope: boolean
  readonly prefixBits: number
}

/** `addresses` in the order in which to try them from a host whose own addresses are `own`, which `addresses` need not name. */
export function orderDestinations(addresses: readonly IpAddress[], own: readonly IpAddress[]): readonly IpAddress[] {
  const six = own.flatMap((address) => (isIpv4(address) ? [] : [{ address, isDeprecated: false, isTemporary: false }]))
  const four = own.filter((address) => isIpv4(address)).map(mappedOf)
  const all = addresses.map((address): Destination => {
    const mapped = mappedOf(address)
    const source = isIpv4(address) ? closest(four, mapped) : reaching(chooseSource(six, mapped), mapped)
    const { precedence, label } = policyOf(mapped)
    const scope = mappedScopeOf(mapped)
    return {
      address,
      source,
      mapped,
      precedence,
      hasSameLabel: source !== undefined && policyOf(source).label === label,
      scope,
      hasSameScope: source !== undefined && mappedScopeOf(source) === scope,
      prefixBits: source === undefined || isIpv4(address) ? 0 : commonPrefixBits(source, mapped),
    }
  })
  // Array.sort is stable: rule 10, what came first stays first.
  return all.sort(compare).map(({ address }) => address)
}

/** Below zero when `a` is to be tried before `b`. */
function compare(a: Destination, b: Destination): number {
  // Rule 1: avoid those that we cannot reach.
  if ((a.source === undefined) !== (b.source === undefined)) return a.source === undefined ? 1 : -1
  // Rule 2: the scope of the source.
  if (a.hasSameScope !== b.hasSameScope) return a.hasSameScope ? -1 : 1
  // Rule 5: the label of the source.
  if (a.hasSameLabel !== b.hasSameLabel) return a.hasSameLabel ? -1 : 1
  // Rule 6: the higher precedence.
  if (a.precedence !== b.precedence) return b.precedence - a.precedence
  // Rule 8: the smaller scope.
  if (a.scope !== b.scope) return a.scope - b.scope
  // Rule 9: the longest prefix in common with the source, within a family.
  return isIpv4(a.address) === isIpv4(b.address) ? b.prefixBits - a.prefixBits : 0
}

function mappedOf(address: IpAddress): Ipv6 {
  return isIpv4(address) ? ((MAPPED | BigInt(address >>> 0)) as Ipv6) : address
}

/** §3.2: of IPv4, addresses of one link and of the host itself are link-local, all others global. */
function mappedScopeOf(address: Ipv6): number {
  if (address >> 32n !== 0xffffn) return scopeOf(address)
  const four = Number(address & 0xffffffffn)
  return four >>> 16 === 0xa9fe || four >>> 24 === 127 ? 2 : 14
}

/** Of our IPv4 addresses the one of the same scope, or any. */
function closest(own: readonly Ipv6[], dst: Ipv6): Ipv6 | undefined {
  return own.find((one) => mappedScopeOf(one) === mappedScopeOf(dst)) ?? own[0]
}

/** A source that does not leave the link is none for what lies beyond it (RFC 4007 §9). */
function reaching(source: Ipv6 | undefined, dst: Ipv6): Ipv6 | undefined {
  if (source === undefined || isIpv6Multicast(dst)) return source
  return scopeOf(source) < scopeOf(dst) && scopeOf(source) === 2 ? undefined : source
}
