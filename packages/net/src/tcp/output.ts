/**
 * Segments that leave: RFC 9293 §3.8.6 (windows, silly-window avoidance), §3.7.4 (Nagle), RFC 3042 (limited transmit).
 *
 * {@link output} sends all that the state of a connection allows. Events only set what is due; when the device has no
 * room the due things stay due and the connection asks to be polled again soon.
 */
import { NEVER } from '@mirage-ts/core/time'
import type { IpAddress, Port } from '@mirage-ts/signatures/addresses'
import type { Frame } from '@mirage-ts/signatures/bytes'
import type { Instant } from '@mirage-ts/signatures/time'
import { type Seq, seqAdd, seqDiff, seqLt, seqMax } from '../seq.ts'
import {
  emitTcp,
  FLAG_ACK,
  FLAG_FIN,
  FLAG_PSH,
  FLAG_RST,
  FLAG_SYN,
  NO_OPTION,
  PROTOCOL_TCP,
  setTcpChecksum,
  TCP_HEADER_LEN,
  type TcpHeader,
} from '../wire/tcp.ts'
import { type Connection, SYN_RECEIVED, SYN_SENT, TIMER_OFF, TIMER_PERSIST, TIMER_RETRANSMIT } from './connection.ts'
import type { TcpMachine } from './machine.ts'
import { MAX_RTO_US } from './rtt.ts'

/** When the device had no room, ask again: about ten full frames later on a 100 Mbit/s line. */
const RETRY_US = 1000
/** Duplicate acknowledgements that allow a new segment each (RFC 3042 §2). */
const LIMITED_TRANSMIT_COUNT = 2
const MAX_WINDOW_FIELD = 0xffff
/** RFC 5961 §7: "no more than 10 challenge ACKs in any 5-second window". */
const CHALLENGE_LIMIT = 10
const CHALLENGE_PERIOD_US = 5_000_000

/** Sends everything that is due or allowed. The state is not CLOSED. */
export function output(m: TcpMachine, c: Connection, now: Instant): void {
  c.retryAtUs = NEVER
  if (c.state <= SYN_RECEIVED) {
    if (c.sndCursor === c.iss) sendSyn(m, c, now)
  } else if (!c.isFinAcked) {
    if (c.isFirstDue) sendFirstAgain(m, c, now)
    if (c.isProbeDue) sendProbe(m, c, now)
    while (sendNext(m, c, now, false)) {
      // Each turn sends a segment and moves sndCursor on.
    }
    if (c.sendTimer === TIMER_OFF) startPersist(c, now)
  }
  if (c.isAckDue) emit(m, c, acceptableSeq(c), FLAG_ACK, 0, 0, now)
}

/** Starts or restarts the retransmission timer (RFC 6298 (5.1), (5.3)). */
export function armRetransmit(c: Connection, now: Instant): void {
  // Probes are no sign of congestion: they do not count as timeouts of what is sent now.
  if (c.sendTimer === TIMER_PERSIST) c.timeouts = 0
  if (c.timeouts === 0) c.unansweredSinceUs = now
  c.sendTimer = TIMER_RETRANSMIT
  c.sendAtUs = now + c.rtt.rtoUs
}

/** How long until the next probe: the retransmission timeout, doubled each time (RFC 9293 §3.8.6.1, SHLD-30). */
export function armPersist(c: Connection, now: Instant): void {
  c.sendTimer = TIMER_PERSIST
  c.sendAtUs = now + Math.min(c.rtt.rtoUs * 2 ** Math.min(c.timeouts, 8), MAX_RTO_US)
}

/** Makes an acknowledgement due when the window has opened enough to tell the peer; says whether it has. */
export function windowUpdate(m: TcpMachine, c: Connection): boolean {
  if (c.isPeerFinSeen || c.number < 0) return false
  const { maxBytes, freeBytes } = c.receiveRing
  const offered = seqDiff(c.rcvAdv, c.rcvNxt)
  const opened = freeBytes - offered
  // RFC 9293 §3.8.6.2.2 (MUST-39) would allow an update for each segment read. Every acknowledgement of text carries
  // the window anyway: an extra one is due when the peer may be about to run out of window.
  const isDue =
    2 * opened >= maxBytes || (opened >= 2 * c.rcvMss && (4 * opened >= maxBytes || 8 * offered <= maxBytes))
  if (isDue) {
    c.isAckDue = true
    m.counters.windowUpdates++
  }
  return isDue
}

/** Makes a challenge acknowledgement due (RFC 5961), a few at a time for each connection. */
export function challenge(m: TcpMachine, c: Connection, now: Instant): void {
  // Per connection, because a limit shared by all of them can be watched from outside (CVE-2016-5696).
  if (now - c.challengesSinceUs >= CHALLENGE_PERIOD_US) {
    c.challengesSinceUs = now
    c.challengeCount = 0
  }
  if (c.challengeCount >= CHALLENGE_LIMIT) return
  c.challengeCount++
  m.counters.challengeAcks++
  c.isAckDue = true
}

/** Resets the peer of a connection that is given up. */
export function sendReset(m: TcpMachine, c: Connection): void {
  const frame = m.ip.alloc()
  // Without room there is no reset: the peer gets one when it next sends.
  if (frame === undefined) return
  prepare(m.tx, c.localPort, c.remotePort, acceptableSeq(c), c.rcvNxt, FLAG_RST | FLAG_ACK)
  m.counters.resetsSent++
  transmit(m, frame, 0, c.local, c.remote)
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
  transmit(m, frame, 0, dst, src)
}

/** SEG.LEN of RFC 9293 §3.4: octets of text, SYN and FIN. */
export function segmentLen(h: TcpHeader): number {
  let len = h.payloadEnd - h.payloadOff
  if ((h.flags & FLAG_SYN) !== 0) len++
  if ((h.flags & FLAG_FIN) !== 0) len++
  return len
}

/** Greatest text we take in a segment from `remote`, and send it at most: RFC 9293 §3.7.1. */
export function pathMss(m: TcpMachine, remote: IpAddress): number {
  return m.ip.mtuBytes(remote) - TCP_HEADER_LEN
}

function sendSyn(m: TcpMachine, c: Connection, now: Instant): void {
  if (!emit(m, c, c.iss, c.state === SYN_SENT ? FLAG_SYN : FLAG_SYN | FLAG_ACK, 0, 0, now)) return
  c.sndCursor = seqAdd(c.iss, 1)
  if (c.sndNxt === c.iss) {
    c.sndNxt = c.sndCursor
    c.rtt.onSent(c.sndNxt, now)
  } else {
    c.rtt.onRetransmitted()
    m.counters.retransmittedSegments++
  }
  if (c.sendTimer === TIMER_OFF) armRetransmit(c, now)
}

/** Sends one segment from sndCursor when the windows and the rules against small segments allow it. */
function sendNext(m: TcpMachine, c: Connection, now: Instant, isForced: boolean): boolean {
  const sent = seqDiff(c.sndCursor, c.sndUna)
  // Octets of text after sndCursor; -1 once our FIN is sent.
  const text = c.sendRing.lenBytes - sent
  if (text < 0 || (text === 0 && !c.isFinQueued)) return false
  if (sent === 0 && c.sndNxt === c.sndUna && now - c.lastSentUs > c.rtt.rtoUs) c.congestion.onIdle()
  let cwnd = c.congestion.cwndBytes
  if (!c.isRecovering && c.duplicateAcks <= LIMITED_TRANSMIT_COUNT) cwnd += c.duplicateAcks * c.sndMss
  const room = Math.min(c.sndWnd, cwnd) - sent
  if (room <= 0) return false
  const len = Math.min(text, room, c.sndMss)
  // Our FIN takes a place in the window like an octet of text.
  const hasFin = c.isFinQueued && len === text && len < room
  if (len === 0 && !hasFin) return false
  const isAgain = seqLt(c.sndCursor, c.sndNxt)
  if (len < c.sndMss && !hasFin && !isAgain && !isForced && !mayBeSmall(m, c, len, text)) return false
  let flags = FLAG_ACK
  if (len === text && len > 0) flags |= FLAG_PSH
  if (hasFin) flags |= FLAG_FIN
  if (!emit(m, c, c.sndCursor, flags, sent, len, now)) return false
  const end = seqAdd(c.sndCursor, hasFin ? len + 1 : len)
  if (isAgain) {
    m.counters.retransmittedSegments++
    c.rtt.onRetransmitted()
  } else {
    c.rtt.onSent(end, now)
  }
  if (len < c.sndMss) c.sndSmallEnd = end
  c.sndCursor = end
  c.sndNxt = seqMax(c.sndNxt, end)
  c.lastSentUs = now
  if (c.sendTimer !== TIMER_RETRANSMIT) armRetransmit(c, now)
  return true
}

/** Whether a segment that is not full may leave: `len` octets of the `text` that waits. */
function mayBeSmall(m: TcpMachine, c: Connection, len: number, text: number): boolean {
  // RFC 9293 §3.7.4, Nagle, as Linux does after Minshall: only another small segment in flight holds the last one
  // back, so that the tail of a long write need not wait for the full segments before it.
  if (len === text) return m.settings.isNoDelay || !seqLt(c.sndUna, c.sndSmallEnd)
  // RFC 9293 §3.8.6.2.1 (3): the window allows less than a segment; wait unless it is half of the greatest seen.
  return 2 * len >= c.maxSndWnd && c.sndCursor === c.sndUna
}

/** Sends the first segment that is not acknowledged again (fast retransmit, partial acknowledgement). */
function sendFirstAgain(m: TcpMachine, c: Connection, now: Instant): void {
  const flight = c.flightBytes()
  const len = Math.min(c.sendRing.lenBytes, flight, c.sndMss)
  const hasFin = c.isFinQueued && len === c.sendRing.lenBytes && flight > len
  if (len > 0 || hasFin) {
    if (!emit(m, c, c.sndUna, hasFin ? FLAG_ACK | FLAG_FIN : FLAG_ACK, 0, len, now)) return
    m.counters.retransmittedSegments++
    c.rtt.onRetransmitted()
  }
  c.isFirstDue = false
}

/** RFC 9293 §3.8.6.1: "at least one octet of new data" into a closed window, what fits into a tiny one. */
function sendProbe(m: TcpMachine, c: Connection, now: Instant): void {
  const hasText = c.sendRing.lenBytes > 0
  if (c.sndWnd > 0 || (!hasText && !c.isFinQueued)) {
    c.isProbeDue = !sendNext(m, c, now, true) && c.retryAtUs !== NEVER
    return
  }
  c.isProbeDue = !emit(m, c, c.sndUna, hasText ? FLAG_ACK : FLAG_ACK | FLAG_FIN, 0, hasText ? 1 : 0, now)
  if (c.isProbeDue) return
  m.counters.probes++
  // sndCursor stays: the octet goes out again with the rest once there is a window.
  c.sndNxt = seqMax(c.sndNxt, seqAdd(c.sndUna, 1))
  c.rtt.onRetransmitted()
}

/** Nothing is in flight and no timer runs: starts one when something waits that the window does not allow. */
function startPersist(c: Connection, now: Instant): void {
  const isWaiting = c.sendRing.lenBytes > 0 || c.isFinQueued
  if (isWaiting && c.sndCursor === c.sndUna && c.retryAtUs === NEVER) {
    c.unansweredSinceUs = now
    armPersist(c, now)
  }
}

/**
 * The sequence number of a segment without text: SND.NXT, but not beyond the window, where a peer that has shrunk it
 * would not take the acknowledgement, and two such peers would wait for each other for ever (mirage-tcpip #340).
 */
function acceptableSeq(c: Connection): Seq {
  if (c.state <= SYN_RECEIVED) return c.sndNxt
  const beyond = seqDiff(c.sndNxt, seqAdd(c.sndUna, c.sndWnd))
  // Rounding to the scale may take back less than a unit (RFC 7323 §2.4).
  return beyond < 1 << c.sndScale ? c.sndNxt : seqAdd(c.sndNxt, -beyond)
}

/** Sends one segment with `len` octets of text from `textOff` in the send ring; false when the device has no room. */
function emit(
  m: TcpMachine,
  c: Connection,
  seqNumber: Seq,
  flags: number,
  textOff: number,
  len: number,
  now: Instant,
): boolean {
  const frame = m.ip.alloc()
  if (frame === undefined) {
    m.counters.noFrame++
    c.retryAtUs = now + RETRY_US
    return false
  }
  const { tx } = m
  prepare(tx, c.localPort, c.remotePort, seqNumber, (flags & FLAG_ACK) === 0 ? (0 as Seq) : c.rcvNxt, flags)
  if ((flags & FLAG_SYN) === 0) {
    tx.window = windowField(c)
  } else {
    // RFC 7323 §2.2: "The window field in a segment where the SYN bit is set [...] MUST NOT be scaled."
    tx.window = Math.min(c.receiveRing.maxBytes, MAX_WINDOW_FIELD)
    tx.mss = c.rcvMss
    if (c.isScaling) tx.windowScale = m.settings.windowScale
  }
  if (len > 0) c.sendRing.copyTo(textOff, len, frame.u8, m.ip.headroomBytes + TCP_HEADER_LEN)
  if ((flags & FLAG_ACK) !== 0) {
    c.isAckDue = false
    c.unackedSegments = 0
    c.ackAtUs = NEVER
  }
  transmit(m, frame, len, c.local, c.remote)
  return true
}

function prepare(tx: TcpHeader, srcPort: Port, dstPort: Port, seqNumber: Seq, ack: Seq, flags: number): void {
  tx.srcPort = srcPort
  tx.dstPort = dstPort
  tx.seq = seqNumber
  tx.ack = ack
  tx.flags = flags
  tx.window = 0
  tx.mss = NO_OPTION
  tx.windowScale = NO_OPTION
}

/** Writes the header `m.tx` in front of `len` octets of text already in place, and sends. */
function transmit(m: TcpMachine, frame: Frame, len: number, src: IpAddress, dst: IpAddress): void {
  const off = m.ip.headroomBytes
  const end = off + emitTcp(frame, off, m.tx) + len
  setTcpChecksum(frame, off, end, src, dst)
  m.counters.txSegments++
  m.ip.send(frame, off, end, PROTOCOL_TCP, src, dst)
}

/** The window to announce, as it goes into the header. Moves rcvAdv. */
function windowField(c: Connection): number {
  const { maxBytes, freeBytes } = c.receiveRing
  let offered = Math.max(0, seqDiff(c.rcvAdv, c.rcvNxt))
  // RFC 9293 §3.8.6.2.2: move the right edge by a full segment or half the buffer at least.
  if (freeBytes - offered >= Math.min(c.rcvMss, maxBytes >> 1)) offered = freeBytes
  const field = Math.min(offered >> c.rcvScale, MAX_WINDOW_FIELD)
  c.rcvAdv = seqMax(c.rcvAdv, seqAdd(c.rcvNxt, field << c.rcvScale))
  return field
}
