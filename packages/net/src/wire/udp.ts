/** UDP headers (RFC 768). */
import { checksum } from '@mirage-ts/core/checksum'
import { CHECKSUM_AS_IS, CHECKSUM_PARTIAL } from '@mirage-ts/core/offload'
import type { IpAddress, Port } from '@mirage-ts/signatures/addresses'
import type { Frame } from '@mirage-ts/signatures/bytes'
import { PROTOCOL_UDP, pseudoHeaderSum } from './ipv4.ts'

const SRC_PORT = 0
const DST_PORT = 2
const LEN = 4
const CHECKSUM = 6
export const UDP_HEADER_LEN = 8

/** The fields of a header; one value is filled again and again. */
export class UdpHeader {
  srcPort: Port = 0 as Port
  dstPort: Port = 0 as Port
  /** Octets of header and payload; at most what the packet holds. */
  lenBytes = 0
}

export type UdpReason = 'truncated' | 'bad-length' | 'bad-checksum'

/** Reads the datagram at `[off, end)` into `header` and verifies its checksum. Returns why it cannot be used. */
export function parseUdp(
  frame: Frame,
  off: number,
  end: number,
  src: IpAddress,
  dst: IpAddress,
  header: UdpHeader,
): UdpReason | undefined {
  if (end - off < UDP_HEADER_LEN) return 'truncated'
  const dv = frame.dv
  const lenBytes = dv.getUint16(off + LEN)
  if (lenBytes < UDP_HEADER_LEN || lenBytes > end - off) return 'bad-length'
  header.srcPort = dv.getUint16(off + SRC_PORT) as Port
  header.dstPort = dv.getUint16(off + DST_PORT) as Port
  header.lenBytes = lenBytes
  // RFC 768: "an all zero transmitted checksum value means that the transmitter generated no checksum"; RFC 8200 §8.1: over
  // IPv6 there is always one, as its header has none.
  if (frame.checksumState !== CHECKSUM_AS_IS) return undefined
  if (dv.getUint16(off + CHECKSUM) === 0) return typeof dst === 'number' ? undefined : 'bad-checksum'
  const sum = checksum(frame.u8, off, off + lenBytes, pseudoHeaderSum(src, dst, PROTOCOL_UDP, lenBytes))
  return sum === 0xffff ? undefined : 'bad-checksum'
}

/**
 * Writes the header at `off` for a datagram whose payload already stands at `[off + 8, end)`. With `isChecksumLeft` the network
 * adds up the octets, and sends a sum of zero as all ones; never for a datagram that goes in fragments.
 */
export function emitUdp(
  frame: Frame,
  off: number,
  end: number,
  src: IpAddress,
  dst: IpAddress,
  srcPort: Port,
  dstPort: Port,
  isChecksumLeft: boolean,
): void {
  const dv = frame.dv
  dv.setUint16(off + SRC_PORT, srcPort)
  dv.setUint16(off + DST_PORT, dstPort)
  dv.setUint16(off + LEN, end - off)
  const pseudoSum = pseudoHeaderSum(src, dst, PROTOCOL_UDP, end - off)
  if (isChecksumLeft) {
    dv.setUint16(off + CHECKSUM, checksum(frame.u8, off, off, pseudoSum))
    frame.checksumState = CHECKSUM_PARTIAL
    frame.checksumFrom = off
    frame.checksumAt = off + CHECKSUM
    return
  }
  dv.setUint16(off + CHECKSUM, 0)
  const sum = ~checksum(frame.u8, off, end, pseudoSum) & 0xffff
  // RFC 768: a computed checksum of zero is sent as all ones.
  dv.setUint16(off + CHECKSUM, sum === 0 ? 0xffff : sum)
}

/** The ports of a datagram that an ICMP error quotes; eight octets of it are there. */
export function quotedUdpSrcPort(frame: Frame, off: number): Port {
  return frame.dv.getUint16(off + SRC_PORT) as Port
}

export function quotedUdpDstPort(frame: Frame, off: number): Port {
  return frame.dv.getUint16(off + DST_PORT) as Port
}
