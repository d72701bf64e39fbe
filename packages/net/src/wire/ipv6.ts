/** IPv6 headers (RFC 8200 §3-4): the fixed one, and the walk over extension headers. */
import { readIpv6, writeIpv6 } from '@mirage-ts/core/addresses'
import type { Ipv6 } from '@mirage-ts/signatures/addresses'
import type { Frame } from '@mirage-ts/signatures/bytes'

const VERSION_CLASS_FLOW = 0
const PAYLOAD_LEN = 4
const NEXT_HEADER = 6
const HOP_LIMIT = 7
const SRC = 8
const DST = 24
export const IPV6_HEADER_LEN = 40
export const IPV6_FRAGMENT_LEN = 8
/** RFC 8200 §5: every link takes packets of this length. */
export const IPV6_LEAST_MTU = 1280

export const HEADER_HOP_BY_HOP = 0
export const HEADER_ROUTING = 43
export const HEADER_FRAGMENT = 44
export const HEADER_NONE = 59
export const HEADER_DESTINATION = 60
export const PROTOCOL_ICMPV6 = 58

/** Headers and options that one packet may have: what is beyond is work for us and good for nobody (RFC 8504 §5.3). */
const MAX_HEADERS = 8
const MAX_OPTIONS = 16
/** RFC 2711: "routers should examine this packet", as MLD must say. */
const OPTION_PAD1 = 0

/** The fields of a header and of what follows it; one value is filled again and again. */
export class Ipv6Header {
  trafficClass = 0
  nextHeader = 0
  hopLimit = 0
  src: Ipv6 = 0n as Ipv6
  dst: Ipv6 = 0n as Ipv6
  /** Where the packet ends; octets after it are the link's padding. */
  packetEnd = 0
  /** The protocol after the extension headers, or 44 when a fragment header comes first. */
  protocol = 0
  /** Where the protocol's header starts, or the fragment header. */
  payloadOff = 0
  /** With a reason of `walkIpv6`: the octet that is to blame, from the IP header on, and the code of the error (RFC 4443 §3.4). */
  problemAt = 0
  problemCode = 0
}

export type Ipv6Reason = 'truncated' | 'bad-version' | 'bad-length'

/** Reads the fixed header at `[off, end)`. Returns why the packet cannot be used. */
export function parseIpv6(frame: Frame, off: number, end: number, header: Ipv6Header): Ipv6Reason | undefined {
  if (end - off < IPV6_HEADER_LEN) return 'truncated'
  const dv = frame.dv
  const first = dv.getUint32(off + VERSION_CLASS_FLOW)
  if (first >>> 28 !== 6) return 'bad-version'
  const payloadLen = dv.getUint16(off + PAYLOAD_LEN)
  if (payloadLen > end - off - IPV6_HEADER_LEN) return 'bad-length'
  header.trafficClass = (first >>> 20) & 0xff
  header.nextHeader = dv.getUint8(off + NEXT_HEADER)
  header.hopLimit = dv.getUint8(off + HOP_LIMIT)
  header.src = readIpv6(dv, off + SRC)
  header.dst = readIpv6(dv, off + DST)
  header.packetEnd = off + IPV6_HEADER_LEN + payloadLen
  header.protocol = header.nextHeader
  header.payloadOff = off + IPV6_HEADER_LEN
  return undefined
}

/**
 * What to do with a packet whose extension headers cannot be followed: drop it, or tell the sender too (RFC 8200 §4). `problem`
 * is told even about groups (unrecognised option of type 10), `problem-unicast` is not.
 */
export type WalkReason = 'bad-extension' | 'discard-option' | 'problem' | 'problem-unicast' | 'no-next-header'

/** Follows the extension headers from `header.payloadOff`, and stops at a fragment header or at the protocol. */
export function walkIpv6(frame: Frame, packetOff: number, header: Ipv6Header): WalkReason | undefined {
  const { u8 } = frame
  const end = header.packetEnd
  let off = header.payloadOff
  /** Where the number of the header at `off` stands. */
  let numberAt = packetOff + NEXT_HEADER
  for (let count = 0; count <= MAX_HEADERS; count++) {
    header.payloadOff = off
    switch (header.protocol) {
      case HEADER_NONE:
        return 'no-next-header'
      case HEADER_HOP_BY_HOP:
        // RFC 8200 §4.1: only right behind the fixed header; elsewhere it is no header we know.
        if (off !== packetOff + IPV6_HEADER_LEN) return blame(header, numberAt - packetOff, 1, 'problem-unicast')
        break
      case HEADER_DESTINATION:
      case HEADER_ROUTING:
        break
      default:
        return undefined
    }
    if (end - off < 8) return 'bad-extension'
    const len = 8 + 8 * (u8[off + 1] as number)
    if (len > end - off) return 'bad-extension'
    if (header.protocol === HEADER_ROUTING) {
      // RFC 8200 §4.4: one we do not know is skipped once it has no segments left; type 0 is no more (RFC 5095).
      if (u8[off + 3] !== 0) return blame(header, off + 2 - packetOff, 0, 'problem-unicast')
    } else {
      const reason = walkOptions(u8, packetOff, off, off + len, header)
      if (reason !== undefined) return reason
    }
    header.protocol = u8[off] as number
    numberAt = off
    off += len
  }
  return 'bad-extension'
}

/**
 * Where the number of the header at `headerOff` stands: in the fixed header of the packet at `off`, or in the extension header
 * before it. The headers up to there have been followed.
 */
export function nextHeaderAt(frame: Frame, off: number, headerOff: number): number {
  const { u8 } = frame
  let at = off + NEXT_HEADER
  for (let next = off + IPV6_HEADER_LEN; next < headerOff; ) {
    const isFragment = u8[at] === HEADER_FRAGMENT
    at = next
    next += isFragment ? IPV6_FRAGMENT_LEN : 8 + 8 * (u8[at + 1] as number)
  }
  return at
}

function walkOptions(
  u8: Uint8Array,
  packetOff: number,
  off: number,
  end: number,
  header: Ipv6Header,
): WalkReason | undefined {
  let count = 0
  for (let at = off + 2; at < end; ) {
    const type = u8[at] as number
    if (type === OPTION_PAD1) {
      at++
      continue
    }
    if (at + 2 > end || at + 2 + (u8[at + 1] as number) > end || ++count > MAX_OPTIONS) return 'bad-extension'
    // RFC 8200 §4.2: the two highest bits say what to do with an option nobody has told us of. PadN and ours have 00.
    switch (type >>> 6) {
      case 1:
        return 'discard-option'
      case 2:
        return blame(header, at - packetOff, 2, 'problem')
      case 3:
        return blame(header, at - packetOff, 2, 'problem-unicast')
      default:
        at += 2 + (u8[at + 1] as number)
    }
  }
  return undefined
}

function blame(header: Ipv6Header, at: number, code: number, reason: WalkReason): WalkReason {
  header.problemAt = at
  header.problemCode = code
  return reason
}

/** Writes the fixed header at `off` for a payload of `payloadLen` octets. */
export function emitIpv6(
  frame: Frame,
  off: number,
  payloadLen: number,
  nextHeader: number,
  hopLimit: number,
  src: Ipv6,
  dst: Ipv6,
  trafficClass: number,
): void {
  const dv = frame.dv
  dv.setUint32(off + VERSION_CLASS_FLOW, 0x60000000 + (trafficClass << 20))
  dv.setUint16(off + PAYLOAD_LEN, payloadLen)
  dv.setUint8(off + NEXT_HEADER, nextHeader)
  dv.setUint8(off + HOP_LIMIT, hopLimit)
  writeIpv6(dv, off + SRC, src)
  writeIpv6(dv, off + DST, dst)
}

/** Sets the length of the payload of the packet at `off`. */
export function setPayloadLen(frame: Frame, off: number, payloadLen: number): void {
  frame.dv.setUint16(off + PAYLOAD_LEN, payloadLen)
}

/** Writes a fragment header of 8 octets (RFC 8200 §4.5). `offset` is in octets. */
export function emitFragment(
  frame: Frame,
  off: number,
  nextHeader: number,
  offset: number,
  hasMore: boolean,
  id: number,
): void {
  const dv = frame.dv
  dv.setUint16(off, nextHeader << 8)
  dv.setUint16(off + 2, offset | (hasMore ? 1 : 0))
  dv.setUint32(off + 4, id)
}

/** The fields of a fragment header. */
export class Ipv6Fragment {
  nextHeader = 0
  /** Octets. */
  offset = 0
  hasMore = false
  id = 0
}

/** Reads the fragment header at `[off, end)`; false when it is cut off. */
export function parseFragment(frame: Frame, off: number, end: number, fragment: Ipv6Fragment): boolean {
  if (end - off < IPV6_FRAGMENT_LEN) return false
  const dv = frame.dv
  const word = dv.getUint16(off + 2)
  fragment.nextHeader = dv.getUint8(off)
  fragment.offset = word & 0xfff8
  fragment.hasMore = (word & 1) !== 0
  fragment.id = dv.getUint32(off + 4)
  return true
}

/**
 * Reads the beginning of a packet of ours that an ICMP error quotes, its extension headers too. False unless eight octets of
 * what they carry are there.
 */
export function parseQuotedIpv6(
  frame: Frame,
  off: number,
  end: number,
  header: Ipv6Header,
  fragment: Ipv6Fragment,
): boolean {
  if (end - off < IPV6_HEADER_LEN) return false
  if ((parseIpv6(frame, off, end, header) ?? 'bad-length') !== 'bad-length') return false
  // Its length is not to be believed: all that there is counts as the packet.
  header.protocol = frame.dv.getUint8(off + 6)
  header.payloadOff = off + IPV6_HEADER_LEN
  header.packetEnd = end
  if (walkIpv6(frame, off, header) !== undefined) return false
  if (header.protocol === HEADER_FRAGMENT && parseFragment(frame, header.payloadOff, end, fragment)) {
    header.protocol = fragment.nextHeader
    header.payloadOff += IPV6_FRAGMENT_LEN
  }
  return end - header.payloadOff >= 8
}
