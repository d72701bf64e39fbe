/** IPv4 headers (RFC 791, RFC 1122 §3.2.1). Options are skipped, never interpreted. */
import { checksum } from '@mirage-ts/core/checksum'
import type { IpAddress, Ipv4 } from '@mirage-ts/signatures/addresses'
import type { Frame } from '@mirage-ts/signatures/bytes'

const VERSION_IHL = 0
const TOS = 1
const TOTAL_LEN = 2
const ID = 4
const FLAGS_FRAGMENT = 6
const TTL = 8
const PROTOCOL = 9
const CHECKSUM = 10
const SRC = 12
const DST = 16
export const IPV4_HEADER_LEN = 20

export const PROTOCOL_ICMP = 1
export const PROTOCOL_TCP = 6
export const PROTOCOL_UDP = 17

/** Bits of the field {@link emitIpv4} calls `fragment`; the rest of it is the offset in units of 8 octets. */
export const DONT_FRAGMENT = 0x4000
export const MORE_FRAGMENTS = 0x2000
const OFFSET_MASK = 0x1fff
export const IPV4_MAX_LEN = 65535

/** The fields of a header; one value is filled again and again. */
export class Ipv4Header {
  /** Octets, 20 to 60. */
  headerLen = 0
  /** Octets of header and payload. */
  totalLen = 0
  trafficClass = 0
  id = 0
  isDontFragment = false
  hasMoreFragments = false
  /** Octets. */
  fragmentOffset = 0
  ttl = 0
  protocol = 0
  src: Ipv4 = 0 as Ipv4
  dst: Ipv4 = 0 as Ipv4
}

export type Ipv4Reason = 'truncated' | 'bad-version' | 'bad-header-length' | 'bad-total-length' | 'bad-checksum'

/**
 * Reads the header at `[off, end)` into `header` and verifies its checksum. Octets after the total length are the link's
 * padding. Returns why the packet cannot be used.
 */
export function parseIpv4(frame: Frame, off: number, end: number, header: Ipv4Header): Ipv4Reason | undefined {
  if (end - off < IPV4_HEADER_LEN) return 'truncated'
  const reason = readIpv4(frame, off, end, header)
  if (reason !== undefined) return reason
  if (header.totalLen > end - off) return 'bad-total-length'
  return checksum(frame.u8, off, off + header.headerLen, 0) === 0xffff ? undefined : 'bad-checksum'
}

/**
 * Reads the header of a packet that an ICMP error quotes. Only its beginning is there, and its checksum was already
 * stale when the router quoted it (the TTL had changed): neither is checked.
 */
export function parseQuotedIpv4(frame: Frame, off: number, end: number, header: Ipv4Header): Ipv4Reason | undefined {
  return end - off < IPV4_HEADER_LEN ? 'truncated' : readIpv4(frame, off, end, header)
}

function readIpv4(frame: Frame, off: number, end: number, header: Ipv4Header): Ipv4Reason | undefined {
  const dv = frame.dv
  const versionIhl = dv.getUint8(off + VERSION_IHL)
  if (versionIhl >>> 4 !== 4) return 'bad-version'
  const headerLen = (versionIhl & 15) * 4
  if (headerLen < IPV4_HEADER_LEN || headerLen > end - off) return 'bad-header-length'
  header.headerLen = headerLen
  header.totalLen = dv.getUint16(off + TOTAL_LEN)
  if (header.totalLen < headerLen) return 'bad-total-length'
  header.trafficClass = dv.getUint8(off + TOS)
  header.id = dv.getUint16(off + ID)
  const fragment = dv.getUint16(off + FLAGS_FRAGMENT)
  header.isDontFragment = (fragment & DONT_FRAGMENT) !== 0
  header.hasMoreFragments = (fragment & MORE_FRAGMENTS) !== 0
  header.fragmentOffset = (fragment & OFFSET_MASK) * 8
  header.ttl = dv.getUint8(off + TTL)
  header.protocol = dv.getUint8(off + PROTOCOL)
  header.src = dv.getUint32(off + SRC) as Ipv4
  header.dst = dv.getUint32(off + DST) as Ipv4
  return undefined
}

/**
 * Writes a header of 20 octets at `off`, checksum included, for a packet of `totalLen` octets. `fragment` holds flags and
 * offset as they are on the wire.
 */
export function emitIpv4(
  frame: Frame,
  off: number,
  totalLen: number,
  id: number,
  fragment: number,
  ttl: number,
  protocol: number,
  src: Ipv4,
  dst: Ipv4,
  trafficClass: number,
): void {
  const dv = frame.dv
  dv.setUint8(off + VERSION_IHL, 0x45)
  dv.setUint8(off + TOS, trafficClass)
  dv.setUint16(off + TOTAL_LEN, totalLen)
  dv.setUint16(off + ID, id)
  dv.setUint16(off + FLAGS_FRAGMENT, fragment)
  dv.setUint8(off + TTL, ttl)
  dv.setUint8(off + PROTOCOL, protocol)
  dv.setUint16(off + CHECKSUM, 0)
  dv.setUint32(off + SRC, src)
  dv.setUint32(off + DST, dst)
  dv.setUint16(off + CHECKSUM, ~checksum(frame.u8, off, off + IPV4_HEADER_LEN, 0) & 0xffff)
}

/** Takes one from the time to live of the packet at `off`, checksum included (RFC 1624 eqn. 3). */
export function decrementTtl(frame: Frame, off: number): void {
  const dv = frame.dv
  dv.setUint8(off + TTL, dv.getUint8(off + TTL) - 1)
  const sum = dv.getUint16(off + CHECKSUM) + 0x0100
  dv.setUint16(off + CHECKSUM, (sum & 0xffff) + (sum >>> 16))
}

/**
 * Turns the header of `headerLen` octets at `off` into that of one piece of its packet, or of the whole put together again.
 * Options stay as they are.
 */
export function reshapeIpv4(frame: Frame, off: number, headerLen: number, totalLen: number, fragment: number): void {
  const dv = frame.dv
  dv.setUint16(off + TOTAL_LEN, totalLen)
  dv.setUint16(off + FLAGS_FRAGMENT, fragment)
  dv.setUint16(off + CHECKSUM, 0)
  dv.setUint16(off + CHECKSUM, ~checksum(frame.u8, off, off + headerLen, 0) & 0xffff)
}

/** Partial checksum of the pseudo header (RFC 9293 §3.1, RFC 768): what `checksum` takes as its initial value. */
export function pseudoHeaderSum(src: IpAddress, dst: IpAddress, protocol: number, lenBytes: number): number {
  return addressSum(src) + addressSum(dst) + protocol + (lenBytes >>> 16) + (lenBytes & 0xffff)
}

function addressSum(address: IpAddress): number {
  if (typeof address === 'number') return (address >>> 16) + (address & 0xffff)
  let sum = 0
  for (let rest: bigint = address; rest !== 0n; rest >>= 16n) sum += Number(rest & 0xffffn)
  return sum
}
