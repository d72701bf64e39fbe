/** Router advertisements, written (RFC 4861 §4.2, RFC 8106 §5); what reads them is icmpv6.ts. */
import { writeIpv6 } from '@mirage-ts/core/addresses'
import type { Ipv6, Mac } from '@mirage-ts/signatures/addresses'
import type { Frame } from '@mirage-ts/signatures/bytes'
import { writeDomain } from '../dhcp6/domain.ts'
import { emitMacOption, ICMPV6_HEADER_LEN, type PrefixInfo } from './icmpv6.ts'

/** What a router says. Lifetimes are in seconds. */
export interface RouterAdvert {
  /** What hosts put into their packets; 0 to leave it to them. */
  readonly hopLimit: number
  /** Hosts get their addresses by DHCPv6 (flag M). */
  readonly isManaged: boolean
  /** Hosts get other things by DHCPv6 (flag O). */
  readonly hasOther: boolean
  /** For how long we take packets to everywhere else; 0: not at all. */
  readonly routerSeconds: number
  /** 1 high, 0 medium, -1 low (RFC 4191 §2.1). */
  readonly preference: number
  /** Of the link; 0 to leave it out. */
  readonly mtuBytes: number
  readonly prefixes: readonly PrefixInfo[]
  readonly nameservers: readonly Ipv6[]
  /** Domains without a final dot. */
  readonly searchList: readonly string[]
  /** Of resolvers and search list. */
  readonly dnsSeconds: number
}

const FLAG_MANAGED = 0x80
const FLAG_OTHER = 0x40
const REACHABLE_AND_RETRANS_LEN = 8
const MAC_OPTION_LEN = 8
const PREFIX_LEN = 32
const OPTION_PREFIX = 3
const OPTION_MTU = 5
const OPTION_NAMESERVERS = 25
const OPTION_SEARCH_LIST = 31

/** Octets 4 to 7 of the message. */
export function routerAdvertRest(advert: RouterAdvert): number {
  const flags =
    (advert.isManaged ? FLAG_MANAGED : 0) | (advert.hasOther ? FLAG_OTHER : 0) | ((advert.preference & 3) << 3)
  return ((advert.hopLimit << 24) | (flags << 16) | advert.routerSeconds) >>> 0
}

/** Length of the message in octets. */
export function routerAdvertLen(advert: RouterAdvert): number {
  const { nameservers, searchList } = advert
  return (
    ICMPV6_HEADER_LEN +
    REACHABLE_AND_RETRANS_LEN +
    MAC_OPTION_LEN +
    (advert.mtuBytes === 0 ? 0 : 8) +
    PREFIX_LEN * advert.prefixes.length +
    (nameservers.length === 0 ? 0 : 8 + 16 * nameservers.length) +
    (searchList.length === 0 ? 0 : 8 + searchListLen(searchList))
  )
}

/** RFC 8106 §5.2: filled with zeros to a multiple of 8. */
function searchListLen(names: readonly string[]): number {
  return (names.reduce((sum, name) => sum + name.length + 2, 0) + 7) & ~7
}

/** Writes what follows the header of 8 octets of the message at `off`. */
export function fillRouterAdvert(frame: Frame, off: number, advert: RouterAdvert, mac: Mac): void {
  const { dv, u8 } = frame
  const { nameservers, searchList, prefixes, mtuBytes, dnsSeconds } = advert
  let at = off + ICMPV6_HEADER_LEN
  // Times of neighbour discovery: hosts keep theirs.
  dv.setUint32(at, 0)
  dv.setUint32(at + 4, 0)
  at += REACHABLE_AND_RETRANS_LEN
  emitMacOption(frame, at, false, mac)
  at += MAC_OPTION_LEN
  if (mtuBytes !== 0) {
    dv.setUint32(at, (OPTION_MTU << 24) | (1 << 16))
    dv.setUint32(at + 4, mtuBytes)
    at += 8
  }
  for (const { prefix, prefixBits, isOnLink, isAutonomous, validSeconds, preferredSeconds } of prefixes) {
    dv.setUint8(at, OPTION_PREFIX)
    dv.setUint8(at + 1, PREFIX_LEN / 8)
    dv.setUint8(at + 2, prefixBits)
    dv.setUint8(at + 3, (isOnLink ? 0x80 : 0) | (isAutonomous ? 0x40 : 0))
    dv.setUint32(at + 4, validSeconds)
    dv.setUint32(at + 8, preferredSeconds)
    dv.setUint32(at + 12, 0)
    writeIpv6(dv, at + 16, prefix)
    at += PREFIX_LEN
  }
  if (nameservers.length > 0) {
    dv.setUint32(at, (OPTION_NAMESERVERS << 24) | ((1 + 2 * nameservers.length) << 16))
    dv.setUint32(at + 4, dnsSeconds)
    at += 8
    for (const server of nameservers) {
      writeIpv6(dv, at, server)
      at += 16
    }
  }
  if (searchList.length > 0) {
    const len = searchListLen(searchList)
    dv.setUint32(at, (OPTION_SEARCH_LIST << 24) | ((1 + len / 8) << 16))
    dv.setUint32(at + 4, dnsSeconds)
    const end = at + 8 + len
    at += 8
    for (const name of searchList) at = writeDomain(u8, at, name, false)
    u8.fill(0, at, end)
  }
}
