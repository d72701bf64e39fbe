/**
 * Segments that leave: RFC 9293 §3.8.6 (the peer's window, silly-window avoidance), §3.7.4 (Nagle). How one is written is in
 * emit.ts, the window that we announce in window.ts.
 *
 * {@link output} sends all that the state of a connection allows. Events only set what is due; when the device has no
 * room the due things stay due and the connection asks to be polled again soon.
 */
import { NEVER } from '@mirage-ts/core/time'
import type { Instant } from '@mirage-ts/signatures/time'
import { type Seq, seqAdd, seqDiff, seqLt, seqMax } from '../seq.ts'
import { FLAG_ACK, FLAG_CWR, FLAG_ECE, FLAG_FIN, FLAG_PSH, FLAG_SYN, TCP_HEADER_LEN } from '../wire/tcp.ts'
import { type Connection, SYN_RECEIVED, SYN_SENT, TIMER_OFF, TIMER_PERSIST, TIMER_REORDER } from './connection.ts'
import { ECN_CAPABLE } from './ecn.ts'
import { acceptableSeq, allocFrame, emit, emitOne, noRoom, OPTIONS_LEN } from './emit.ts'
import type { TcpMachine } from './machine.ts'
import { MAX_SEGMENTS } from './scoreboard.ts'
import { armPersist, armRetransmit, armTailProbe, armTimeout } from './send-timer.ts'

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

/** RFC 9293 §3.8.4: "SEG.SEQ = SND.NXT-1", no text: outside of the window, so that a peer who is there answers. */
export function sendKeepAlive(m: TcpMachine, c: Connection, now: Instant): void {
  if (emitOne(m, c, seqAdd(c.sndNxt, -1), FLAG_ACK, 0, 0, now)) m.counters.keepAlives++
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
  m.boards.lend(c)
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
  m.boards.lend(c)
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
