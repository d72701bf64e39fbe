/**
 * Segments that leave: RFC 9293 §3.8.6 (windows, silly-window avoidance), §3.7.4 (Nagle), options.
 *
 * {@link output} sends all that the state of a connection allows. Events only set what is due; when the device has no
 * room the due things stay due and the connection asks to be polled again soon.
 */
import { NEVER } from '@mirage-ts/core/time'
import type { IpAddress, Port } from '@mirage-ts/signatures/addresses'
import type { Frame } from '@mirage-ts/signatures/bytes'
import type { Instant } from '@mirage-ts/signatures/time'
import { type Seq, seqAdd, seqDiff, seqLt, seqMax } from '../seq.ts'
import { PROTOCOL_TCP } from '../wire/ipv4.ts'
import {
  emitTcp,
  FLAG_ACK,
  FLAG_CWR,
  FLAG_ECE,
  FLAG_FIN,
  FLAG_PSH,
  FLAG_RST,
  FLAG_SYN,
  leaveTcpChecksum,
  MAX_SACK_BLOCKS,
  NO_OPTION,
  sackOptionLen,
  setTcpChecksum,
  TCP_HEADER_LEN,
  type TcpHeader,
  TIMESTAMPS_LEN,
  tcpHeaderLen,
} from '../wire/tcp.ts'
import {
  type Connection,
  SYN_RECEIVED,
  SYN_SENT,
  TIMER_OFF,
  TIMER_PERSIST,
  TIMER_REORDER,
  TIMER_RETRANSMIT,
  TIMER_TAIL_PROBE,
} from './connection.ts'
import { tickWithOptions } from './cookies.ts'
import { ECN_CAPABLE } from './ecn.ts'
import type { TcpMachine } from './machine.ts'
import { MAX_RTO_US } from './rtt.ts'
import { MAX_SEGMENTS } from './scoreboard.ts'
import { tickAt } from './timestamps.ts'

/** When the device had no room, ask again: about ten full frames later on a 100 Mbit/s line. */
const RETRY_US = 1000
/** RFC 8985 §7.2: how long a peer may wait with the acknowledgement of a lone segment. */
const WORST_DELAYED_ACK_US = 200_000
/** Octets of options a header has room for beside timestamps. */
const OPTIONS_LEN = 40
const MAX_WINDOW_FIELD = 0xffff
/** Window while the memory of the rings is short. */
const TIGHT_WINDOW_BYTES = 8192
/** RFC 5961 §7: "no more than 10 challenge ACKs in any 5-second window". */
const CHALLENGE_LIMIT = 10
const CHALLENGE_PERIOD_US = 5_000_000

/** Sends everything that is due or allowed. The state is not CLOSED. */
export function output(m: TcpMachine, c: Connection, now: Instant): void {
  c.retryAtUs = NEVER
  if (c.state <= SYN_RECEIVED) {
    if (c.sndCursor === c.iss) sendSyn(m, c, now)
  } else if (!c.isFinAcked) {
    if (c.isTailProbeDue) sendTailProbe(m, c, now)
    if (c.isProbeDue) sendProbe(m, c, now)
    while (sendLost(m, c, now)) {
      // Each turn sends a lost segment again.
    }
    while (sendNext(m, c, now, false)) {
      // Each turn sends a segment and moves sndCursor on.
    }
    if (c.sendTimer === TIMER_OFF) startPersist(c, now)
  }
  if (c.isAckDue) emitOne(m, c, acceptableSeq(c), FLAG_ACK, 0, 0, now)
}

/** Starts or restarts the retransmission timer (RFC 6298 (5.1), (5.3)). */
export function armRetransmit(c: Connection, now: Instant): void {
  // Probes are no sign of congestion: they do not count as timeouts of what is sent now.
  if (c.sendTimer === TIMER_PERSIST) c.timeouts = 0
  if (c.timeouts === 0) c.unansweredSinceUs = now
  armTimeout(c, now)
  armTailProbe(c, now)
}

/** A new segment has left, or something was acknowledged: a probe is due if nothing more is heard. */
function armTailProbe(c: Connection, now: Instant): void {
  if (!mayProbeTail(c)) return
  // RFC 8985 §7.2: two round-trip times, and what a peer may wait with acknowledging a lone segment.
  const probeUs = 2 * c.rtt.srttUs + (c.board.count === 1 ? WORST_DELAYED_ACK_US : 0)
  if (c.sendTimer === TIMER_RETRANSMIT && now + probeUs >= c.sendAtUs) return
  c.sendTimer = TIMER_TAIL_PROBE
  c.sendAtUs = now + probeUs
}

/** The retransmission timer alone. */
export function armTimeout(c: Connection, now: Instant): void {
  c.sendTimer = TIMER_RETRANSMIT
  c.sendAtUs = now + c.rtt.rtoUs
}

/** RFC 8985 §7.2: not in recovery, nothing out of order, and no probe out. */
function mayProbeTail(c: Connection): boolean {
  return (
    c.isSacking &&
    c.board.count > 0 &&
    !c.isRecovering &&
    !seqLt(c.sndUna, c.recover) &&
    !c.rack.isProbeOut &&
    c.board.sackedCount === 0 &&
    c.rtt.srttUs > 0 &&
    c.timeouts === 0
  )
}

/** How long until the next probe: the retransmission timeout, doubled each time (RFC 9293 §3.8.6.1, SHLD-30). */
export function armPersist(c: Connection, now: Instant): void {
  c.sendTimer = TIMER_PERSIST
  c.sendAtUs = now + Math.min(c.rtt.rtoUs * 2 ** Math.min(c.timeouts, 8), MAX_RTO_US)
}

/**
 * The user has taken octets. One that takes half a window in a round-trip time could take more if there were more: the
 * window doubles ("dynamic right-sizing", Fisk and Feng 2001).
 */
export function tuneWindow(m: TcpMachine, c: Connection, now: Instant): void {
  const { receiveRing } = c
  if (now - c.tunedAtUs < c.rtt.srttUs) return
  const isFast = 2 * c.takenBytes >= receiveRing.maxBytes
  c.takenBytes = 0
  c.tunedAtUs = now
  if (isFast && receiveRing.maxBytes < m.settings.receiveBufferBytes && m.memory.isPlentiful) receiveRing.maxBytes *= 2
}

/** Makes an acknowledgement due when the window has opened enough to tell the peer; says whether it has. */
export function windowUpdate(m: TcpMachine, c: Connection): boolean {
  if (c.isPeerFinSeen || c.number < 0) return false
  const { maxBytes } = c.receiveRing
  const offered = seqDiff(c.rcvAdv, c.rcvNxt)
  const opened = roomBytes(m, c) - offered
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

/** Answers the SYN in `m.rx` and forgets it: what must be known of it comes back with the ACK (RFC 4987 §3.6). */
export function sendCookie(m: TcpMachine, src: IpAddress, dst: IpAddress, now: Instant): void {
  const { rx, tx } = m
  const frame = m.ip.alloc()
  if (frame === undefined) return
  const iss = m.cookies.make(rx, dst, src, now)
  prepare(tx, rx.dstPort, rx.srcPort, iss, seqAdd(rx.seq, 1), FLAG_SYN | FLAG_ACK)
  tx.window = Math.min(m.settings.receiveBufferBytes, MAX_WINDOW_FIELD)
  tx.mss = pathMss(m, src)
  if (rx.hasTimestamps && m.settings.hasTimestamps) {
    tx.hasTimestamps = true
    tx.tsVal = tickWithOptions(tickAt(now, m.tsOffset(dst, rx.dstPort, src, rx.srcPort)), rx)
    tx.tsEcr = rx.tsVal
    // Without timestamps there is no place to keep these in.
    tx.isSackPermitted = rx.isSackPermitted && m.settings.isSacking
    if (rx.windowScale !== NO_OPTION) tx.windowScale = m.settings.windowScale
  }
  m.counters.cookiesSent++
  transmit(m, frame, m.ip.headroomBytes, 0, dst, src, 0)
}

/** RFC 9293 §3.8.4: "SEG.SEQ = SND.NXT-1", no text: outside of the window, so that a peer who is there answers. */
export function sendKeepAlive(m: TcpMachine, c: Connection, now: Instant): void {
  if (emitOne(m, c, seqAdd(c.sndNxt, -1), FLAG_ACK, 0, 0, now)) m.counters.keepAlives++
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
  // RFC 3168 §6.1.1.1: a SYN sent again does without, for a path that drops it for that.
  if (c.sndNxt !== c.iss && c.state === SYN_SENT) c.isEcn = false
  let flags = FLAG_SYN
  if (c.state === SYN_SENT) flags |= c.isEcn ? FLAG_ECE | FLAG_CWR : 0
  else flags |= c.isEcn ? FLAG_ACK | FLAG_ECE : FLAG_ACK
  if (!emitOne(m, c, c.iss, flags, 0, 0, now)) return
  c.sndCursor = seqAdd(c.iss, 1)
  if (c.sndNxt === c.iss) {
    c.sndNxt = c.sndCursor
    c.lastSentUs = now
  } else {
    c.lastSentUs = 0
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
  const { board, congestion } = c
  // Lost segments go first. A peer that makes us send crumbs does not make the scoreboard grow without end.
  if (board.lostBytes > 0 || board.count >= MAX_SEGMENTS) return false
  if (sent === 0 && c.sndNxt === c.sndUna && now - c.lastSentUs > c.rtt.rtoUs) congestion.onIdle()
  let room = c.sndWnd - sent
  if (!isForced) room = Math.min(room, congestion.cwndBytes - c.pipeBytes())
  if (room <= 0) return false
  const isAgain = seqLt(c.sndCursor, c.sndNxt)
  if (text >= 2 * c.sndMss && room >= 2 * c.sndMss && !isForced && !isAgain && !c.isCwrDue) {
    const count = sendLarge(m, c, Math.min(text, room), sent, text, now)
    if (count !== 0) return count > 0
  }
  const len = Math.min(text, room, c.sndMss)
  // Our FIN takes a place in the window like an octet of text.
  const hasFin = c.isFinQueued && len === text && len < room
  if (len === 0 && !hasFin) return false
  if (len < c.sndMss && !hasFin && !isAgain && !isForced && !mayBeSmall(m, c, len, text)) return false
  let flags = FLAG_ACK
  if (len === text && len > 0) flags |= FLAG_PSH
  if (hasFin) flags |= FLAG_FIN
  const isCwrSent = c.isCwrDue && !isAgain && len > 0
  if (isCwrSent) flags |= FLAG_CWR
  // RFC 3168 §6.1.5: what is sent again, and §6.1.4: what carries no text, does not ask for marks.
  const trafficClass = c.isEcn && !isAgain && len > 0 ? c.trafficClass | ECN_CAPABLE : c.trafficClass
  const frame = allocFrame(m, c, now)
  if (frame === undefined) return false
  emit(m, c, frame, c.sndCursor, flags, sent, len, now, trafficClass)
  if (isCwrSent) c.isCwrDue = false
  const end = seqAdd(c.sndCursor, hasFin ? len + 1 : len)
  if (isAgain) m.counters.retransmittedSegments++
  m.lendBoard(c)
  c.board.push(c.sndCursor, end, now, isAgain)
  if (len < c.sndMss) c.sndSmallEnd = end
  hasSent(c, end, len, now)
  return true
}

/**
 * Sends as many full segments as fit into `maxLen` octets as one large frame, which the network cuts; `text` octets wait, `sent`
 * are in flight. Returns how many segments that were: 0 when the network cuts none, -1 when it has no room just now (to fill
 * what room there is with ordinary segments would cost more than to wait).
 * For the rest of the machine they are segments like others: each is on the scoreboard by itself.
 */
function sendLarge(m: TcpMachine, c: Connection, maxLen: number, sent: number, text: number, now: Instant): number {
  const { sndMss } = c
  const largeLen = Math.min(maxLen, m.ip.largeBytes(c.remote) - TCP_HEADER_LEN - OPTIONS_LEN)
  const count = Math.min(Math.floor(largeLen / sndMss), MAX_SEGMENTS - c.board.count)
  if (count < 2) return 0
  const frame = m.ip.allocLarge()
  if (frame === undefined) {
    noRoom(m, c, now)
    return -1
  }
  const len = count * sndMss
  frame.segmentBytes = sndMss
  const flags = len === text ? FLAG_ACK | FLAG_PSH : FLAG_ACK
  const trafficClass = c.isEcn ? c.trafficClass | ECN_CAPABLE : c.trafficClass
  emit(m, c, frame, c.sndCursor, flags, sent, len, now, trafficClass)
  m.lendBoard(c)
  c.board.pushRun(c.sndCursor, sndMss, count, now)
  m.counters.largeFrames++
  hasSent(c, seqAdd(c.sndCursor, len), len, now)
  return count
}

/** `len` octets of text from sndCursor on, up to `end`, have left. */
function hasSent(c: Connection, end: Seq, len: number, now: Instant): void {
  c.board.recoverySentBytes += len
  c.sndCursor = end
  c.sndNxt = seqMax(c.sndNxt, end)
  c.lastSentUs = now
  // RFC 6298 (5.1): the retransmission timer runs on; a tail probe is for the last segment sent.
  if (c.sendTimer === TIMER_OFF || c.sendTimer === TIMER_PERSIST) armRetransmit(c, now)
  else if (c.sendTimer !== TIMER_REORDER) armTailProbe(c, now)
}

/** Whether a segment that is not full may leave: `len` octets of the `text` that waits. */
function mayBeSmall(m: TcpMachine, c: Connection, len: number, text: number): boolean {
  // RFC 9293 §3.7.4, Nagle, as Linux does after Minshall: only another small segment in flight holds the last one
  // back, so that the tail of a long write need not wait for the full segments before it.
  if (len === text) return (c.tuning ?? m.settings).isNoDelay || !seqLt(c.sndUna, c.sndSmallEnd)
  // RFC 9293 §3.8.6.2.1 (3): the window allows less than a segment; wait unless it is half of the greatest seen.
  return 2 * len >= c.maxSndWnd && c.sndCursor === c.sndUna
}

/** Sends the first lost segment again when the windows allow. */
function sendLost(m: TcpMachine, c: Connection, now: Instant): boolean {
  const { board } = c
  const number = board.nextLost()
  if (number < 0) {
    c.isResendForced = false
    return false
  }
  const len = seqDiff(board.endOf(number), board.startOf(number))
  const pipe = c.pipeBytes()
  // RFC 6582 and RFC 6937: the first one leaves at once. With nothing in flight one always may.
  if (!c.isResendForced && pipe > 0 && pipe + len > c.congestion.cwndBytes) return false
  return resend(m, c, number, now)
}

/** Sends segment `number` again. */
function resend(m: TcpMachine, c: Connection, number: number, now: Instant): boolean {
  const { board } = c
  const start = board.startOf(number)
  const off = seqDiff(start, c.sndUna)
  const len = seqDiff(board.endOf(number), start)
  // A window that was taken back: the segment waits for it, or for the timer.
  if (off + len > c.sndWnd) return false
  const text = Math.min(len, c.sendRing.lenBytes - off)
  let flags = text < len ? FLAG_ACK | FLAG_FIN : FLAG_ACK
  if (text > 0 && off + text === c.sendRing.lenBytes) flags |= FLAG_PSH
  if (!emitOne(m, c, start, flags, off, text, now)) return false
  board.resend(number, now)
  m.counters.retransmittedSegments++
  c.board.recoverySentBytes += len
  c.isResendForced = false
  c.lastSentUs = now
  if (c.sendTimer === TIMER_OFF) armRetransmit(c, now)
  return true
}

/** RFC 8985 §7.3: a new segment if there is one, else the last one again, to hear whether the tail has arrived. */
function sendTailProbe(m: TcpMachine, c: Connection, now: Instant): void {
  const { board, rack } = c
  const isNew = board.count > 0 && sendNext(m, c, now, true)
  const isSent = isNew || (board.count > 0 && c.retryAtUs === NEVER && resend(m, c, board.lastNumber(), now))
  c.isTailProbeDue = c.retryAtUs !== NEVER
  if (!isSent) return
  rack.isProbeOut = true
  rack.isProbeRepeated = !isNew
  rack.probeEnd = c.sndNxt
  m.counters.tailProbes++
  armTimeout(c, now)
}

/** RFC 9293 §3.8.6.1: "at least one octet of new data" into a closed window, what fits into a tiny one. */
function sendProbe(m: TcpMachine, c: Connection, now: Instant): void {
  const hasText = c.sendRing.lenBytes > 0
  if (c.sndWnd > 0 || (!hasText && !c.isFinQueued)) {
    c.isProbeDue = !sendNext(m, c, now, true) && c.retryAtUs !== NEVER
    return
  }
  c.isProbeDue = !emitOne(m, c, c.sndUna, hasText ? FLAG_ACK : FLAG_ACK | FLAG_FIN, 0, hasText ? 1 : 0, now)
  if (c.isProbeDue) return
  m.counters.probes++
  // sndCursor stays: the octet goes out again with the rest once there is a window.
  c.sndNxt = seqMax(c.sndNxt, seqAdd(c.sndUna, 1))
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

/** A buffer for a segment. When the device has no room, the connection asks to be polled again soon. */
function allocFrame(m: TcpMachine, c: Connection, now: Instant): Frame | undefined {
  const frame = m.ip.alloc()
  if (frame === undefined) noRoom(m, c, now)
  return frame
}

function noRoom(m: TcpMachine, c: Connection, now: Instant): void {
  m.counters.noFrame++
  c.retryAtUs = now + RETRY_US
}

/** Sends one segment with `len` octets of text from `textOff` in the send ring; false when the device has no room. */
function emitOne(
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
function emit(
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

function prepare(tx: TcpHeader, srcPort: Port, dstPort: Port, seqNumber: Seq, ack: Seq, flags: number): void {
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

/** Writes the header `m.tx` at `off`, in front of `len` octets of text already in place, and sends. */
function transmit(
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

/** Octets we could take: little while memory is short, whoever has been promised more. */
function roomBytes(m: TcpMachine, c: Connection): number {
  const { freeBytes } = c.receiveRing
  return m.memory.isTight ? Math.min(freeBytes, TIGHT_WINDOW_BYTES) : freeBytes
}

/** The window to announce, as it goes into the header. Moves rcvAdv. */
function windowField(m: TcpMachine, c: Connection): number {
  const { maxBytes } = c.receiveRing
  const freeBytes = roomBytes(m, c)
  let offered = Math.max(0, seqDiff(c.rcvAdv, c.rcvNxt))
  // RFC 9293 §3.8.6.2.2: move the right edge by a full segment or half the buffer at least.
  if (freeBytes - offered >= Math.min(c.rcvMss, maxBytes >> 1)) offered = freeBytes
  const field = Math.min(offered >> c.rcvScale, MAX_WINDOW_FIELD)
  c.rcvAdv = seqMax(c.rcvAdv, seqAdd(c.rcvNxt, field << c.rcvScale))
  return field
}
