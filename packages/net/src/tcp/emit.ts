/**
 * How a segment is written: its header, options and text into a buffer of the network, and off (RFC 9293 §3.1, RFC 7323 §2 and
 * §3, RFC 2018 §3). What is sent, and when, is decided in output.ts.
 */
import { NEVER } from '@mirage-ts/core/time'
import type { IpAddress, Port } from '@mirage-ts/signatures/addresses'
import type { Frame } from '@mirage-ts/signatures/bytes'
import type { Instant } from '@mirage-ts/signatures/time'
import { type Seq, seqAdd, seqDiff } from '../seq.ts'
import { PROTOCOL_TCP } from '../wire/ipv4.ts'
import {
  emitTcp,
  FLAG_ACK,
  FLAG_ECE,
  FLAG_RST,
  FLAG_SYN,
  leaveTcpChecksum,
  MAX_SACK_BLOCKS,
  NO_OPTION,
  sackOptionLen,
  segmentLen,
  setTcpChecksum,
  type TcpHeader,
  TIMESTAMPS_LEN,
  tcpHeaderLen,
} from '../wire/tcp.ts'
import { type Connection, SYN_RECEIVED } from './connection.ts'
import type { TcpMachine } from './machine.ts'
import { tickAt } from './timestamps.ts'
import { MAX_WINDOW_FIELD, windowField } from './window.ts'

/** When the device had no room, ask again: about ten full frames later on a 100 Mbit/s line. */
const RETRY_US = 1000
/** Octets of options a header has room for beside timestamps. */
export const OPTIONS_LEN = 40

/** Resets the peer of a connection that is given up. */
export function sendReset(m: TcpMachine, c: Connection): void {
  const frame = m.ip.alloc()
  // Without room there is no reset: the peer gets one when it next sends.
  if (frame === undefined) return
  prepare(m.tx, c.localPort, c.remotePort, acceptableSeq(c), c.rcvNxt, FLAG_RST | FLAG_ACK)
  m.counters.resetsSent++
  transmit(m, frame, c.headroomBytes, 0, c.local, c.remote, c.trafficClass)
}

/** Answers the segment in `m.rx`, which belongs to no connection, with a reset (RFC 9293 §3.10.7.1). */
export function replyReset(m: TcpMachine, src: IpAddress, dst: IpAddress): void {
  const { rx } = m
  const frame = m.ip.alloc()
  if (frame === undefined) return
  if ((rx.flags & FLAG_ACK) !== 0) {
    prepare(m.tx, rx.dstPort, rx.srcPort, rx.ack, 0 as Seq, FLAG_RST)
  } else {
    prepare(m.tx, rx.dstPort, rx.srcPort, 0 as Seq, seqAdd(rx.seq, segmentLen(rx)), FLAG_RST | FLAG_ACK)
  }
  m.counters.resetsSent++
  transmit(m, frame, m.ip.headroomBytes, 0, dst, src, 0)
}

/** Sends one segment with `len` octets of text from `textOff` in the send ring; false when the device has no room. */
export function emitOne(
  m: TcpMachine,
  c: Connection,
  seqNumber: Seq,
  flags: number,
  textOff: number,
  len: number,
  now: Instant,
): boolean {
  const frame = allocFrame(m, c, now)
  if (frame === undefined) return false
  emit(m, c, frame, seqNumber, flags, textOff, len, now, c.trafficClass)
  return true
}

/** Sends `len` octets of text from `textOff` in the send ring in `frame`: a segment, or with `segmentBytes` several. */
export function emit(
  m: TcpMachine,
  c: Connection,
  frame: Frame,
  seqNumber: Seq,
  flags: number,
  textOff: number,
  len: number,
  now: Instant,
  trafficClass: number,
): void {
  const { tx } = m
  prepare(tx, c.localPort, c.remotePort, seqNumber, (flags & FLAG_ACK) === 0 ? (0 as Seq) : c.rcvNxt, flags)
  if ((flags & FLAG_SYN) === 0) {
    tx.window = windowField(m, c)
    if (c.isEcho) tx.flags |= FLAG_ECE
    if (c.isSacking) addSacks(m, c, len)
  } else {
    // RFC 7323 §2.2: "The window field in a segment where the SYN bit is set [...] MUST NOT be scaled."
    tx.window = Math.min(c.receiveRing.maxBytes, MAX_WINDOW_FIELD)
    tx.mss = c.rcvMss
    if (c.isScaling) tx.windowScale = m.settings.windowScale
    tx.isSackPermitted = c.isSacking
  }
  if (c.hasTimestamps) {
    tx.hasTimestamps = true
    tx.tsVal = tickAt(now, c.tsOffset)
    tx.tsEcr = (flags & FLAG_ACK) === 0 ? 0 : c.tsRecent
  }
  if (len > 0) c.sendRing.copyTo(textOff, len, frame.u8, c.headroomBytes + tcpHeaderLen(tx))
  if ((flags & FLAG_ACK) !== 0) {
    // What arrived out of order and found no room beside the text follows on its own.
    if (tx.sackCount > 0 || c.reassembly.count === 0 || !c.isSacking) c.isAckDue = false
    c.lastAckSent = c.rcvNxt
    c.unackedSegments = 0
    c.ackAtUs = NEVER
  }
  transmit(m, frame, c.headroomBytes, len, c.local, c.remote, trafficClass)
}

/** A buffer for a segment. When the device has no room, the connection asks to be polled again soon. */
export function allocFrame(m: TcpMachine, c: Connection, now: Instant): Frame | undefined {
  const frame = m.ip.alloc()
  if (frame === undefined) noRoom(m, c, now)
  return frame
}

export function noRoom(m: TcpMachine, c: Connection, now: Instant): void {
  m.counters.noFrame++
  c.retryAtUs = now + RETRY_US
}

export function prepare(tx: TcpHeader, srcPort: Port, dstPort: Port, seqNumber: Seq, ack: Seq, flags: number): void {
  tx.srcPort = srcPort
  tx.dstPort = dstPort
  tx.seq = seqNumber
  tx.ack = ack
  tx.flags = flags
  tx.window = 0
  tx.mss = NO_OPTION
  tx.windowScale = NO_OPTION
  tx.isSackPermitted = false
  tx.hasTimestamps = false
  tx.sackCount = 0
}

/** Names what has arrived out of order, as far as there is room beside `len` octets of text (RFC 2018 §4, RFC 2883). */
function addSacks(m: TcpMachine, c: Connection, len: number): void {
  const hasDsack = c.dsackStart !== c.dsackEnd
  if (c.reassembly.count === 0 && !hasDsack) return
  const { tx } = m
  const room = Math.min(c.sndMss - Math.min(len, c.sndMss), OPTIONS_LEN - (c.hasTimestamps ? TIMESTAMPS_LEN : 0))
  let maxCount = MAX_SACK_BLOCKS
  while (maxCount > 0 && sackOptionLen(maxCount) > room) maxCount--
  if (maxCount === 0) return
  if (hasDsack) {
    tx.sackStarts[0] = c.dsackStart
    tx.sackEnds[0] = c.dsackEnd
    tx.sackCount = 1
    c.dsackStart = c.dsackEnd
  }
  c.reassembly.report(tx, maxCount)
}

/**
 * The sequence number of a segment without text: SND.NXT, but not beyond the window, where a peer that has shrunk it
 * would not take the acknowledgement, and two such peers would wait for each other for ever (mirage-tcpip #340).
 */
export function acceptableSeq(c: Connection): Seq {
  if (c.state <= SYN_RECEIVED) return c.sndNxt
  const beyond = seqDiff(c.sndNxt, seqAdd(c.sndUna, c.sndWnd))
  // Rounding to the scale may take back less than a unit (RFC 7323 §2.4).
  return beyond < 1 << c.sndScale ? c.sndNxt : seqAdd(c.sndNxt, -beyond)
}

/** Writes the header `m.tx` at `off`, in front of `len` octets of text already in place, and sends. */
export function transmit(
  m: TcpMachine,
  frame: Frame,
  off: number,
  len: number,
  src: IpAddress,
  dst: IpAddress,
  trafficClass: number,
): void {
  const end = off + emitTcp(frame, off, m.tx) + len
  if (m.ip.isChecksumOffloaded) leaveTcpChecksum(frame, off, end - off, src, dst)
  else setTcpChecksum(frame, off, end, src, dst)
  m.counters.txSegments++
  m.ip.send(frame, off, end, PROTOCOL_TCP, src, dst, trafficClass)
}
