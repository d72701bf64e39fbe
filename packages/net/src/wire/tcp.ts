/**
 * TCP segments on the wire: RFC 9293 §3.1 and §3.2, window scale and timestamps (RFC 7323), selective acknowledgements
 * (RFC 2018).
 *
 * Other options are stepped over. The urgent pointer is neither read nor sent (RFC 6093 §5 advises against it).
 */
import { checksum } from '@mirage-ts/core/checksum'
import { CHECKSUM_AS_IS, CHECKSUM_PARTIAL } from '@mirage-ts/core/offload'
import type { IpAddress, Port } from '@mirage-ts/signatures/addresses'
import type { Frame } from '@mirage-ts/signatures/bytes'
import type { Seq } from '../seq.ts'
import { PROTOCOL_TCP, pseudoHeaderSum } from './ipv4.ts'

const SRC_PORT = 0
const DST_PORT = 2
const SEQ = 4
const ACK = 8
/** Header length in 32-bit words in the high four bits; flags in the next octet. */
const DATA_OFFSET = 12
const FLAGS = 13
const WINDOW = 14
const CHECKSUM = 16
const URGENT = 18
/** Length of a header without options. */
export const TCP_HEADER_LEN = 20

export const FLAG_FIN = 0x01
export const FLAG_SYN = 0x02
export const FLAG_RST = 0x04
export const FLAG_PSH = 0x08
export const FLAG_ACK = 0x10
/** RFC 3168 §6.1: congestion experienced, echoed; and: congestion window reduced. */
export const FLAG_ECE = 0x40
export const FLAG_CWR = 0x80

const OPTION_END = 0
const OPTION_NOP = 1
const OPTION_MSS = 2
const OPTION_MSS_LEN = 4
const OPTION_WINDOW_SCALE = 3
const OPTION_WINDOW_SCALE_LEN = 3
const OPTION_SACK_PERMITTED = 4
const OPTION_SACK_PERMITTED_LEN = 2
const OPTION_SACK = 5
const SACK_BLOCK_LEN = 8
const OPTION_TIMESTAMPS = 8
const OPTION_TIMESTAMPS_LEN = 10
/** NOP, NOP, then kind and length of the option: everybody aligns them so (RFC 7323, Appendix A). */
const ALIGNED_TIMESTAMPS = 0x0101080a
/** SACK permitted, then kind and length of the timestamps. */
const SACK_PERMITTED_TIMESTAMPS = 0x0402080a
/** Octets of the timestamps option with its padding. */
export const TIMESTAMPS_LEN = 12
/** RFC 2018 §3: what fits into 40 octets of options. */
export const MAX_SACK_BLOCKS = 4
/** RFC 7323 §2.3: "If a Window Scale option is received with a shift.cnt value larger than 14, [...] use 14". */
const MAX_WINDOW_SCALE = 14

/** Value of {@link TcpHeader.mss} and {@link TcpHeader.windowScale} when the option is absent. */
export const NO_OPTION = -1

/** Why a segment was not understood. */
export type TcpParseError = 'truncated' | 'bad-data-offset' | 'bad-option'

/** A header read from or written to the wire. One object serves many segments: parsing sets every field. */
export class TcpHeader {
  srcPort = 0 as Port
  dstPort = 0 as Port
  seq = 0 as Seq
  /** Meaningful with FLAG_ACK. */
  ack = 0 as Seq
  flags = 0
  /** As on the wire, not scaled. */
  window = 0
  /** Greatest segment the sender of the option accepts, in octets of text, or NO_OPTION. */
  mss: number = NO_OPTION
  /** Shift count, 0 to 14, or NO_OPTION. */
  windowScale: number = NO_OPTION
  /** SACK permitted (RFC 2018 §2); for SYNs. */
  isSackPermitted = false
  /** tsVal and tsEcr are there. */
  hasTimestamps = false
  /** RFC 7323 §3.2: the sender's clock, and the clock of ours that it has seen. */
  tsVal = 0
  tsEcr = 0
  /** Blocks of selective acknowledgement: [sackStarts[i], sackEnds[i]) for i < sackCount. */
  sackCount = 0
  readonly sackStarts: Int32Array = new Int32Array(MAX_SACK_BLOCKS)
  readonly sackEnds: Int32Array = new Int32Array(MAX_SACK_BLOCKS)
  /** Where the text lies in the frame that was parsed. */
  payloadOff = 0
  payloadEnd = 0
}

/** Octets {@link emitTcp} writes for `header`. */
export function tcpHeaderLen(header: TcpHeader): number {
  let len = TCP_HEADER_LEN
  if (header.mss !== NO_OPTION) len += OPTION_MSS_LEN
  if (header.windowScale !== NO_OPTION) len += OPTION_WINDOW_SCALE_LEN + 1
  if (header.hasTimestamps) len += TIMESTAMPS_LEN
  else if (header.isSackPermitted) len += OPTION_SACK_PERMITTED_LEN + 2
  if (header.sackCount > 0) len += sackOptionLen(header.sackCount)
  return len
}

/** SEG.LEN of RFC 9293 §3.4: octets of text, SYN and FIN. */
export function segmentLen(h: TcpHeader): number {
  let len = h.payloadEnd - h.payloadOff
  if ((h.flags & FLAG_SYN) !== 0) len++
  if ((h.flags & FLAG_FIN) !== 0) len++
  return len
}

/** Octets that a SACK option of `count` blocks takes, padding included. */
export function sackOptionLen(count: number): number {
  return 4 + count * SACK_BLOCK_LEN
}

/** Reads the header of the segment `[off, end)` into `out`; `out` is undefined after an error. */
export function parseTcp(frame: Frame, off: number, end: number, out: TcpHeader): TcpParseError | undefined {
  if (end - off < TCP_HEADER_LEN) return 'truncated'
  const { dv } = frame
  const headerLen = (dv.getUint8(off + DATA_OFFSET) >> 4) << 2
  if (headerLen < TCP_HEADER_LEN) return 'bad-data-offset'
  if (headerLen > end - off) return 'truncated'
  out.srcPort = dv.getUint16(off + SRC_PORT) as Port
  out.dstPort = dv.getUint16(off + DST_PORT) as Port
  out.seq = dv.getInt32(off + SEQ) as Seq
  out.ack = dv.getInt32(off + ACK) as Seq
  out.flags = dv.getUint8(off + FLAGS)
  out.window = dv.getUint16(off + WINDOW)
  out.mss = NO_OPTION
  out.windowScale = NO_OPTION
  out.isSackPermitted = false
  out.hasTimestamps = false
  out.sackCount = 0
  out.payloadOff = off + headerLen
  out.payloadEnd = end
  if (headerLen === TCP_HEADER_LEN) return undefined
  if (headerLen === TCP_HEADER_LEN + TIMESTAMPS_LEN && dv.getInt32(off + TCP_HEADER_LEN) === ALIGNED_TIMESTAMPS) {
    // Nearly every segment: RFC 7323, Appendix A.
    readTimestamps(frame, off + TCP_HEADER_LEN + 4, out)
    return undefined
  }
  return parseOptions(frame, off + TCP_HEADER_LEN, off + headerLen, out)
}

/** RFC 9293 §3.2 (MUST-7): "be prepared to handle an illegal option length (e.g., zero)". We drop the segment. */
function parseOptions(frame: Frame, off: number, end: number, out: TcpHeader): TcpParseError | undefined {
  const { dv } = frame
  let at = off
  while (at < end) {
    const kind = dv.getUint8(at)
    if (kind === OPTION_END) return undefined
    if (kind === OPTION_NOP) {
      at++
      continue
    }
    if (at + 1 >= end) return 'bad-option'
    const len = dv.getUint8(at + 1)
    if (len < 2 || at + len > end) return 'bad-option'
    if (kind === OPTION_MSS) {
      if (len !== OPTION_MSS_LEN) return 'bad-option'
      out.mss = dv.getUint16(at + 2)
    } else if (kind === OPTION_WINDOW_SCALE) {
      if (len !== OPTION_WINDOW_SCALE_LEN) return 'bad-option'
      out.windowScale = Math.min(dv.getUint8(at + 2), MAX_WINDOW_SCALE)
    } else if (kind === OPTION_TIMESTAMPS) {
      if (len !== OPTION_TIMESTAMPS_LEN) return 'bad-option'
      readTimestamps(frame, at + 2, out)
    } else if (kind === OPTION_SACK_PERMITTED) {
      if (len !== OPTION_SACK_PERMITTED_LEN) return 'bad-option'
      out.isSackPermitted = true
    } else if (kind === OPTION_SACK) {
      // A second option of the kind takes the place of the first.
      const count = (len - 2) / SACK_BLOCK_LEN
      if (!Number.isInteger(count) || count > MAX_SACK_BLOCKS) return 'bad-option'
      out.sackCount = count
      for (let i = 0; i < count; i++) {
        out.sackStarts[i] = dv.getInt32(at + 2 + i * SACK_BLOCK_LEN)
        out.sackEnds[i] = dv.getInt32(at + 6 + i * SACK_BLOCK_LEN)
      }
    }
    at += len
  }
  return undefined
}

function readTimestamps(frame: Frame, at: number, out: TcpHeader): void {
  out.hasTimestamps = true
  out.tsVal = frame.dv.getInt32(at)
  out.tsEcr = frame.dv.getInt32(at + 4)
}

/** Writes `header` at `off`, checksum zero, and returns its length. The payload range is not looked at. */
export function emitTcp(frame: Frame, off: number, header: TcpHeader): number {
  const { dv } = frame
  const headerLen = tcpHeaderLen(header)
  dv.setUint16(off + SRC_PORT, header.srcPort)
  dv.setUint16(off + DST_PORT, header.dstPort)
  dv.setInt32(off + SEQ, header.seq)
  dv.setInt32(off + ACK, header.ack)
  dv.setUint8(off + DATA_OFFSET, headerLen << 2)
  dv.setUint8(off + FLAGS, header.flags)
  dv.setUint16(off + WINDOW, header.window)
  dv.setUint16(off + CHECKSUM, 0)
  dv.setUint16(off + URGENT, 0)
  let at = off + TCP_HEADER_LEN
  if (header.mss !== NO_OPTION) {
    dv.setUint8(at, OPTION_MSS)
    dv.setUint8(at + 1, OPTION_MSS_LEN)
    dv.setUint16(at + 2, header.mss)
    at += OPTION_MSS_LEN
  }
  if (header.hasTimestamps) {
    dv.setInt32(at, header.isSackPermitted ? SACK_PERMITTED_TIMESTAMPS : ALIGNED_TIMESTAMPS)
    dv.setInt32(at + 4, header.tsVal)
    dv.setInt32(at + 8, header.tsEcr)
    at += TIMESTAMPS_LEN
  } else if (header.isSackPermitted) {
    dv.setUint16(at, (OPTION_NOP << 8) | OPTION_NOP)
    dv.setUint8(at + 2, OPTION_SACK_PERMITTED)
    dv.setUint8(at + 3, OPTION_SACK_PERMITTED_LEN)
    at += OPTION_SACK_PERMITTED_LEN + 2
  }
  if (header.sackCount > 0) {
    dv.setUint16(at, (OPTION_NOP << 8) | OPTION_NOP)
    dv.setUint8(at + 2, OPTION_SACK)
    dv.setUint8(at + 3, 2 + header.sackCount * SACK_BLOCK_LEN)
    at += 4
    for (let i = 0; i < header.sackCount; i++, at += SACK_BLOCK_LEN) {
      dv.setInt32(at, header.sackStarts[i] as number)
      dv.setInt32(at + 4, header.sackEnds[i] as number)
    }
  }
  if (header.windowScale !== NO_OPTION) {
    dv.setUint8(at, OPTION_NOP)
    dv.setUint8(at + 1, OPTION_WINDOW_SCALE)
    dv.setUint8(at + 2, OPTION_WINDOW_SCALE_LEN)
    dv.setUint8(at + 3, header.windowScale)
  }
  return headerLen
}

/** Octets of a segment that an ICMP error quotes at least (RFC 792): both ports and the sequence number. */
export const QUOTED_LEN = 8

/** Reads the quoted segment at `off`, QUOTED_LEN octets of it. */
export function quotedSrcPort(frame: Frame, off: number): Port {
  return frame.dv.getUint16(off + SRC_PORT) as Port
}

/** See {@link quotedSrcPort}. */
export function quotedDstPort(frame: Frame, off: number): Port {
  return frame.dv.getUint16(off + DST_PORT) as Port
}

/** See {@link quotedSrcPort}. */
export function quotedSeq(frame: Frame, off: number): Seq {
  return frame.dv.getInt32(off + SEQ) as Seq
}

/** Puts the checksum into the segment `[off, end)`, whose checksum field is zero. */
export function setTcpChecksum(frame: Frame, off: number, end: number, src: IpAddress, dst: IpAddress): void {
  const sum = checksum(frame.u8, off, end, pseudoHeaderSum(src, dst, PROTOCOL_TCP, end - off))
  frame.dv.setUint16(off + CHECKSUM, ~sum & 0xffff)
}

/** Leaves the checksum of the segment at `off`, of `lenBytes` octets or to be cut into such, to the network. */
export function leaveTcpChecksum(frame: Frame, off: number, lenBytes: number, src: IpAddress, dst: IpAddress): void {
  const sum = pseudoHeaderSum(src, dst, PROTOCOL_TCP, lenBytes)
  frame.dv.setUint16(off + CHECKSUM, checksum(frame.u8, off, off, sum))
  frame.checksumState = CHECKSUM_PARTIAL
  frame.checksumFrom = off
  frame.checksumAt = off + CHECKSUM
}

/** True when the checksum of the segment `[off, end)` is right, or the network has seen to it. */
export function isTcpChecksumGood(frame: Frame, off: number, end: number, src: IpAddress, dst: IpAddress): boolean {
  if (frame.checksumState !== CHECKSUM_AS_IS) return true
  return checksum(frame.u8, off, end, pseudoHeaderSum(src, dst, PROTOCOL_TCP, end - off)) === 0xffff
}
