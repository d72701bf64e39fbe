/**
 * The header that virtio network devices and Linux's taps have in front of a frame (Virtual I/O Device 1.2 §5.1.6, struct
 * virtio_net_hdr with num_buffers; `IFF_VNET_HDR` of tun): what is left to do to the frame. Little-endian.
 */
import { CHECKSUM_AS_IS, CHECKSUM_PARTIAL, CHECKSUM_VERIFIED } from '@mirage-ts/core/offload'
import type { Frame } from '@mirage-ts/signatures/bytes'

export const VNET_HEADER_LEN = 12

// Words of 32 bits, of which each access costs as much as one of an octet: flags (8 bits), GSO type (8), length of headers (16);
// size of segments (16), start of the checksum (16); offset of the checksum (16), number of buffers (16).
const WORD_1 = 4
const WORD_2 = 8
const BUFFER_COUNT = 10

const FLAG_NEEDS_CHECKSUM = 1
const FLAG_DATA_VALID = 2
const GSO_NONE = 0
const GSO_TCP4 = 1
const GSO_TCP6 = 4
/** Set beside the type when the segment carries CWR (RFC 3168); only for who has agreed to that. */
const GSO_ECN = 0x80

const LITTLE = true
const ETHERNET_HEADER_LEN = 14
/** Where TCP has its data offset and its checksum, and its least header. */
const TCP_DATA_OFFSET = 12
const TCP_CHECKSUM = 16
const TCP_HEADER_LEN = 20
const IPV6 = 6

/** Buffers that the frame with the header at `at` takes (`VIRTIO_NET_F_MRG_RXBUF`); as the device says, not checked. */
export function vnetBufferCount(frame: Frame, at: number): number {
  return frame.dv.getUint16(at + BUFFER_COUNT, LITTLE)
}

/** Writes the header of the frame `[off, end)` in front of it: every octet, as the fields of `frame` say. */
export function emitVnetHeader(frame: Frame, off: number): void {
  const { dv, checksumState, checksumFrom, checksumAt, segmentBytes } = frame
  const at = off - VNET_HEADER_LEN
  if (checksumState !== CHECKSUM_PARTIAL) {
    dv.setUint32(at, 0)
    dv.setUint32(at + WORD_1, 0)
    dv.setUint32(at + WORD_2, 0)
    return
  }
  const start = checksumFrom - off
  let first = FLAG_NEEDS_CHECKSUM
  if (segmentBytes > 0) {
    const isIpv6 = dv.getUint8(off + ETHERNET_HEADER_LEN) >>> 4 === IPV6
    const tcpHeaderLen = (dv.getUint8(checksumFrom + TCP_DATA_OFFSET) >>> 4) << 2
    first |= ((isIpv6 ? GSO_TCP6 : GSO_TCP4) << 8) | ((start + tcpHeaderLen) << 16)
  }
  dv.setUint32(at, first, LITTLE)
  dv.setUint32(at + WORD_1, segmentBytes | (start << 16), LITTLE)
  dv.setUint32(at + WORD_2, checksumAt - checksumFrom, LITTLE)
}

/**
 * Reads the header at `at` about the frame `[off, end)` into the fields of `frame`; false when it makes no sense. The device is
 * not believed further than the frame goes: a sum that would begin or end outside of it, a large frame that is not TCP or has
 * a header cut off, are refused. Afterwards the offsets in `frame` are within it.
 */
export function parseVnetHeader(frame: Frame, at: number, off: number, end: number): boolean {
  const { dv } = frame
  const first = dv.getUint32(at, LITTLE)
  const gsoType = (first >>> 8) & 0xff & ~GSO_ECN
  frame.segmentBytes = 0
  if ((first & FLAG_NEEDS_CHECKSUM) === 0) {
    frame.checksumState = (first & FLAG_DATA_VALID) === 0 ? CHECKSUM_AS_IS : CHECKSUM_VERIFIED
    // §5.1.6.4.1: with a type, the device must set NEEDS_CSUM.
    return gsoType === GSO_NONE
  }
  const second = dv.getUint32(at + WORD_1, LITTLE)
  const from = off + (second >>> 16)
  const to = from + dv.getUint16(at + WORD_2, LITTLE)
  if (from < off + ETHERNET_HEADER_LEN || to + 2 > end) return false
  frame.checksumState = CHECKSUM_PARTIAL
  frame.checksumFrom = from
  frame.checksumAt = to
  if (gsoType === GSO_NONE) return true
  const segmentBytes = second & 0xffff
  if ((gsoType !== GSO_TCP4 && gsoType !== GSO_TCP6) || segmentBytes === 0) return false
  if (to !== from + TCP_CHECKSUM || from + TCP_HEADER_LEN > end) return false
  const tcpHeaderLen = (dv.getUint8(from + TCP_DATA_OFFSET) >>> 4) << 2
  if (tcpHeaderLen < TCP_HEADER_LEN || from + tcpHeaderLen > end) return false
  frame.segmentBytes = segmentBytes
  return true
}
