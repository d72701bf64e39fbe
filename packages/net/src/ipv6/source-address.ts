/** Choosing the address to send from (RFC 6724 §5) and ordering those to send to (§6). */
import { isIpv6LinkLocal, isIpv6Multicast, parseIpv6Cidr } from '@mirage-ts/core/addresses'
import type { Ipv6, Ipv6Cidr } from '@mirage-ts/signatures/addresses'

/** An address of ours that may be sent from. */
export interface SourceCandidate {
  readonly address: Ipv6
  /** Better not used for new conversations (RFC 4862 §5.5.4). */
  readonly isDeprecated: boolean
  /** Made to be forgotten (RFC 8981). */
  readonly isTemporary: boolean
}

const LINK_LOCAL = 2
const SITE_LOCAL = 5
const GLOBAL = 14

/** RFC 6724 §3.1; loopback counts as link-local. */
export function scopeOf(address: Ipv6): number {
  if (isIpv6Multicast(address)) return Number((address >> 112n) & 15n)
  if (isIpv6LinkLocal(address) || address === 1n) return LINK_LOCAL
  return address >> 118n === 0x3fbn ? SITE_LOCAL : GLOBAL
}

/** RFC 6724 §2.1, longest prefix first. */
const POLICIES: readonly { readonly network: Ipv6Cidr; readonly precedence: number; readonly label: number }[] = (
  [
    ['::1/128', 50, 0],
    ['::ffff:0:0/96', 35, 4],
    ['::/96', 1, 3],
    ['2001::/32', 5, 5],
    ['2002::/16', 30, 2],
    ['3ffe::/16', 1, 12],
    ['fec0::/10', 1, 11],
    ['fc00::/7', 3, 13],
    ['::/0', 40, 1],
  ] as const
).map(([text, precedence, label]) => ({ network: parseIpv6Cidr(text) as Ipv6Cidr, precedence, label }))

/** Precedence and label of an address in the default policy table. */
export function policyOf(address: Ipv6): { readonly precedence: number; readonly label: number } {
  const found = POLICIES.find(({ network: { address: prefix, prefixBits } }) => {
    return (address ^ prefix) >> BigInt(128 - prefixBits) === 0n
  })
  return found as (typeof POLICIES)[number]
}

/** Bits that two addresses have in common at their beginning, 64 at most (RFC 6724 §2.2). */
export function commonPrefixBits(a: Ipv6, b: Ipv6): number {
  const difference = (a ^ b) >> 64n
  return difference === 0n ? 64 : 64 - difference.toString(2).length
}

/** The best of `candidates` towards `dst`; `undefined` when there is none. */
export function chooseSource(candidates: readonly SourceCandidate[], dst: Ipv6): Ipv6 | undefined {
  let best: SourceCandidate | undefined
  for (const one of candidates) if (best === undefined || isBetter(one, best, dst)) best = one
  return best?.address
}

/** RFC 6724 §5: rules 4 to 5.5 do not apply, as we have one interface and no home address. */
function isBetter(a: SourceCandidate, b: SourceCandidate, dst: Ipv6): boolean {
  // Rule 1: the same address.
  if (a.address === dst || b.address === dst) return a.address === dst
  // Rule 2: the appropriate scope.
  const [scopeA, scopeB, scope] = [scopeOf(a.address), scopeOf(b.address), scopeOf(dst)]
  if (scopeA !== scopeB) return scopeA < scopeB ? scopeA >= scope : scopeB < scope
  // Rule 3: avoid deprecated ones.
  if (a.isDeprecated !== b.isDeprecated) return b.isDeprecated
  // Rule 6: the same label.
  const label = policyOf(dst).label
  const [hasA, hasB] = [policyOf(a.address).label === label, policyOf(b.address).label === label]
  if (hasA !== hasB) return hasA
  // Rule 7: temporary ones.
  if (a.isTemporary !== b.isTemporary) return a.isTemporary
  // Rule 8: the longest common prefix.
  return commonPrefixBits(a.address, dst) > commonPrefixBits(b.address, dst)
}
