/** IPv4 headers (RFC 791, RFC 1122 §3.2.1). Options are skipped, never interpreted. */
import { checksum } from '@mirage-ts/core/checksum'
import type { IpAddress, Ipv4 } from '@mirage-ts/signatures/addresses'
import type { Frame } from '@mirage-ts/signatures/bytes'

const VERSION_TOS_LEN = 0
const TOTAL_LEN = 2
const ID_FRAGMENT = 4
const FLAGS_FRAGMENT = 6
const TTL = 8
const TTL_PROTOCOL = 8
const CHECKSUM = 10
const SRC = 12
const DST = 16
export const IPV4_HEADER_LEN = 20

export const PROTOCOL_ICMP = 1
export const PROTOCOL_TCP = 6
export const PROTOCOL_UDP = 17

/** Bits of the field `fragment`; the rest of it is the offset in units of 8 octets. */
export const DONT_FRAGMENT = 0x4000
export const MORE_FRAGMENTS = 0x2000
export const FRAGMENT_OFFSET_MASK = 0x1fff
export const IPV4_MAX_LEN = 65535

/** The fields of a header; one value is filled again and again. */
export class Ipv4Header {
  /** Octets, 20 to 60. */
  headerLen = 0
  /** Octets of header and payload. */
  totalLen = 0
  trafficClass = 0
  id = 0
  /** Flags and offset as they are on the wire: looked into only where they are not 0 or {@link DONT_FRAGMENT}. */
  fragment = 0
  ttl = 0
  protocol = 0
  src: Ipv4 = 0 as Ipv4
  dst: Ipv4 = 0 as Ipv4

  get isDontFragment(): boolean {
    return (this.fragment & DONT_FRAGMENT) !== 0
  }

  get hasMoreFragments(): boolean {
    return (this.fragment & MORE_FRAGMENTS) !== 0
  }

  /** In octets. */
  get fragmentOffset(): number {
    return (this.fragment & FRAGMENT_OFFSET_MASK) * 8
  }
}

export type Ipv4Reason = 'truncated' | 'bad-version' | 'bad-header-length' | 'bad-total-length' | 'bad-checksum'

/**
 * Reads the header at `[off, end)` into `header` and verifies its checksum. Octets after the total length are the link's
 * padding. Returns why the packet cannot be used.
 */
export function parseIpv4(frame: Frame, off: number, end: number, header: Ipv4Header): Ipv4Reason | undefined {
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
  return readIpv4(frame, off, end, header)
}

// Words of 32 bits are read and written whole: an interpreter pays for each access, not for its width.

function readIpv4(frame: Frame, off: number, end: number, header: Ipv4Header): Ipv4Reason | undefined {
  if (end - off < IPV4_HEADER_LEN) return 'truncated'
  const dv = frame.dv
  const first = dv.getInt32(off + VERSION_TOS_LEN)
  if (first >>> 28 !== 4) return 'bad-version'
  const headerLen = (first >>> 22) & 60
  if (headerLen < IPV4_HEADER_LEN || headerLen > end - off) return 'bad-header-length'
  const totalLen = first & 0xffff
  if (totalLen < headerLen) return 'bad-total-length'
  const second = dv.getInt32(off + ID_FRAGMENT)
  const third = dv.getUint16(off + TTL_PROTOCOL)
  header.headerLen = headerLen
  header.totalLen = totalLen
  header.trafficClass = (first >>> 16) & 0xff
  header.id = second >>> 16
  header.fragment = second & 0xffff
  header.ttl = third >>> 8
  header.protocol = third & 0xff
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
  dv.setInt32(off + VERSION_TOS_LEN, 0x4500_0000 | (trafficClass << 16) | totalLen)
  dv.setInt32(off + ID_FRAGMENT, (id << 16) | fragment)
  dv.setInt32(off + TTL_PROTOCOL, (ttl << 24) | (protocol << 16))
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
  // Folding sums halves of words as it does words: 2^16 and 1 are the same to it.
  if (typeof src === 'number' && typeof dst === 'number') return src + dst + protocol + lenBytes
  return addressSum(src) + addressSum(dst) + protocol + lenBytes
}

function addressSum(address: IpAddress): number {
  if (typeof address === 'number') return address
  let sum = 0
  for (let rest: bigint = address; rest !== 0n; rest >>= 16n) sum += Number(rest & 0xffffn)
  return sum
}
