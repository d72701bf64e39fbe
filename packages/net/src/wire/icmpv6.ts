/** ICMPv6 messages (RFC 4443) and those of neighbour discovery (RFC 4861 §4, RFC 4191 §2.3, RFC 8106). */
import { readIpv6, readMac, writeIpv6, writeMac } from '@mirage-ts/core/addresses'
import { checksum } from '@mirage-ts/core/checksum'
import type { Ipv6, Mac } from '@mirage-ts/signatures/addresses'
import type { Frame } from '@mirage-ts/signatures/bytes'
import type { IpErrorKind } from '@mirage-ts/signatures/ip'
import { pseudoHeaderSum } from './ipv4.ts'
import { PROTOCOL_ICMPV6 } from './ipv6.ts'

const TYPE = 0
const CODE = 1
const CHECKSUM = 2
const REST = 4
/** Type, code, checksum and four octets whose meaning depends on the type. */
export const ICMPV6_HEADER_LEN = 8

export const ICMPV6_UNREACHABLE = 1
export const ICMPV6_TOO_BIG = 2
export const ICMPV6_TIME_EXCEEDED = 3
export const ICMPV6_PARAMETER_PROBLEM = 4
export const ICMPV6_ECHO_REQUEST = 128
export const ICMPV6_ECHO_REPLY = 129
export const MLD_QUERY = 130
export const MLD_REPORT_V1 = 131
export const MLD_DONE = 132
export const ND_ROUTER_SOLICIT = 133
export const ND_ROUTER_ADVERT = 134
export const ND_SOLICIT = 135
export const ND_ADVERT = 136
export const ND_REDIRECT = 137
export const MLD_REPORT_V2 = 143

export type Icmpv6Reason = 'truncated' | 'bad-checksum'

/** Checks length and checksum of the message at `[off, end)`. Returns why it cannot be used. */
export function checkIcmpv6(frame: Frame, off: number, end: number, src: Ipv6, dst: Ipv6): Icmpv6Reason | undefined {
  if (end - off < ICMPV6_HEADER_LEN) return 'truncated'
  const pseudo = pseudoHeaderSum(src, dst, PROTOCOL_ICMPV6, end - off)
  return checksum(frame.u8, off, end, pseudo) === 0xffff ? undefined : 'bad-checksum'
}

export function icmpv6Type(frame: Frame, off: number): number {
  return frame.dv.getUint8(off + TYPE)
}

export function icmpv6Code(frame: Frame, off: number): number {
  return frame.dv.getUint8(off + CODE)
}

/** Octets 4 to 7 of a checked message. */
export function icmpv6Rest(frame: Frame, off: number): number {
  return frame.dv.getUint32(off + REST)
}

/** What each code of "destination unreachable" means to a transport (RFC 4443 §3.1). */
const UNREACHABLE_KINDS: readonly IpErrorKind[] = [
  'network-unreachable',
  'network-unreachable',
  'network-unreachable',
  'host-unreachable',
  'port-unreachable',
]

/** What a checked message says went wrong, or `undefined` when it is not an error. */
export function icmpv6ErrorKind(frame: Frame, off: number): IpErrorKind | undefined {
  const code = icmpv6Code(frame, off)
  switch (icmpv6Type(frame, off)) {
    case ICMPV6_UNREACHABLE:
      return UNREACHABLE_KINDS[code] ?? 'other'
    case ICMPV6_TOO_BIG:
      return 'fragmentation-needed'
    case ICMPV6_TIME_EXCEEDED:
      return 'time-exceeded'
    case ICMPV6_PARAMETER_PROBLEM:
      return code === 1 ? 'protocol-unreachable' : 'other'
    default:
      // RFC 4443 §2.4 (a): errors nobody knows go up, too; they have types below 128.
      return icmpv6Type(frame, off) < 128 ? 'other' : undefined
  }
}

/** Writes the header at `off` for a message whose body already stands at `[off + 8, end)`; `rest` are octets 4 to 7. */
export function emitIcmpv6(
  frame: Frame,
  off: number,
  end: number,
  type: number,
  code: number,
  rest: number,
  src: Ipv6,
  dst: Ipv6,
): void {
  const dv = frame.dv
  dv.setUint8(off + TYPE, type)
  dv.setUint8(off + CODE, code)
  dv.setUint16(off + CHECKSUM, 0)
  dv.setUint32(off + REST, rest)
  const pseudo = pseudoHeaderSum(src, dst, PROTOCOL_ICMPV6, end - off)
  dv.setUint16(off + CHECKSUM, ~checksum(frame.u8, off, end, pseudo) & 0xffff)
}

const OPTION_SOURCE_MAC = 1
const OPTION_TARGET_MAC = 2
const OPTION_PREFIX = 3
const OPTION_MTU = 5
const OPTION_ROUTE = 24
const OPTION_NAMESERVERS = 25

const NO_MAC = 0 as Mac
/** Options of one kind that are believed: a router needs a few, a stranger would fill our tables. */
const MAX_REPEATED = 16

/** A prefix that a router announces (RFC 4861 §4.6.2). */
export interface PrefixInfo {
  readonly prefix: Ipv6
  readonly prefixBits: number
  readonly isOnLink: boolean
  readonly isAutonomous: boolean
  /** Seconds; 0xffffffff is for ever. */
  readonly validSeconds: number
  readonly preferredSeconds: number
}

/** A route that a router announces (RFC 4191 §2.3). */
export interface RouteInfo {
  readonly prefix: Ipv6
  readonly prefixBits: number
  readonly preference: number
  readonly lifetimeSeconds: number
}

/** The options of a message of neighbour discovery. */
export interface NdOptions {
  sourceMac: Mac
  targetMac: Mac
  /** 0 when not said. */
  mtuBytes: number
  readonly prefixes: PrefixInfo[]
  readonly routes: RouteInfo[]
  readonly nameservers: Ipv6[]
}

/** Reads the options in `[off, end)`; `undefined` when one is malformed (RFC 4861 §4.6: the whole message is dropped then). */
export function parseNdOptions(frame: Frame, off: number, end: number): NdOptions | undefined {
  const { dv } = frame
  const options: NdOptions = {
    sourceMac: NO_MAC,
    targetMac: NO_MAC,
    mtuBytes: 0,
    prefixes: [],
    routes: [],
    nameservers: [],
  }
  for (let at = off; at < end; ) {
    if (end - at < 8) return undefined
    const len = 8 * dv.getUint8(at + 1)
    if (len === 0 || len > end - at) return undefined
    switch (dv.getUint8(at)) {
      case OPTION_SOURCE_MAC:
        options.sourceMac = readMac(dv, at + 2)
        break
      case OPTION_TARGET_MAC:
        options.targetMac = readMac(dv, at + 2)
        break
      case OPTION_MTU:
        options.mtuBytes = dv.getUint32(at + 4)
        break
      case OPTION_PREFIX:
        if (len === 32 && options.prefixes.length < MAX_REPEATED) options.prefixes.push(readPrefix(dv, at))
        break
      case OPTION_ROUTE:
        if (options.routes.length < MAX_REPEATED) readRoute(dv, at, len, options.routes)
        break
      case OPTION_NAMESERVERS:
        for (let one = at + 8; one + 16 <= at + len && options.nameservers.length < MAX_REPEATED; one += 16) {
          options.nameservers.push(readIpv6(dv, one))
        }
        break
    }
    at += len
  }
  return options
}

function readPrefix(dv: DataView, at: number): PrefixInfo {
  const flags = dv.getUint8(at + 3)
  return {
    prefix: readIpv6(dv, at + 16),
    prefixBits: dv.getUint8(at + 2),
    isOnLink: (flags & 0x80) !== 0,
    isAutonomous: (flags & 0x40) !== 0,
    validSeconds: dv.getUint32(at + 4),
    preferredSeconds: dv.getUint32(at + 8),
  }
}

function readRoute(dv: DataView, at: number, len: number, routes: RouteInfo[]): void {
  const prefixBits = dv.getUint8(at + 2)
  // RFC 4191 §2.3: 8, 16 or 24 octets, as many as the prefix needs.
  if (len > 24 || prefixBits > 128 || (prefixBits > 64 && len < 24) || (prefixBits > 0 && len < 16)) return
  const high = len >= 16 ? dv.getBigUint64(at + 8) : 0n
  const low = len >= 24 ? dv.getBigUint64(at + 16) : 0n
  const preference = preferenceOf(dv.getUint8(at + 3))
  if (preference === undefined) return
  routes.push({ prefix: ((high << 64n) | low) as Ipv6, prefixBits, preference, lifetimeSeconds: dv.getUint32(at + 4) })
}

/** RFC 4191 §2.1: 1 high, 0 medium, -1 low in the two bits above the three lowest; the fourth value is reserved. */
export function preferenceOf(flags: number): number | undefined {
  const bits = (flags >>> 3) & 3
  return bits === 2 ? undefined : bits === 3 ? -1 : bits
}

/** Writes the option that tells our MAC, 8 octets: the source's in solicitations, the target's in advertisements. */
export function emitMacOption(frame: Frame, off: number, isTarget: boolean, mac: Mac): void {
  frame.dv.setUint16(off, (isTarget ? OPTION_TARGET_MAC : OPTION_SOURCE_MAC) * 256 + 1)
  writeMac(frame.dv, off + 2, mac)
}

/** The target of a solicitation or an advertisement whose length has been checked. */
export function readNdTarget(frame: Frame, off: number): Ipv6 {
  return readIpv6(frame.dv, off + ICMPV6_HEADER_LEN)
}

export function writeNdTarget(frame: Frame, off: number, target: Ipv6): void {
  writeIpv6(frame.dv, off + ICMPV6_HEADER_LEN, target)
}
