/**
 * Segments that arrive: RFC 9293 §3.10.7.4, in the order of its steps, with RFC 5961 against blind attacks. The first segments of
 * a connection are in handshake.ts, those of none in stray.ts, and what becomes of text in text.ts.
 */
import type { Frame } from '@mirage-ts/signatures/bytes'
import type { Instant } from '@mirage-ts/signatures/time'
import { type Seq, seqAdd, seqDiff, seqLe, seqLt } from '../seq.ts'
import { FLAG_ACK, FLAG_ECE, FLAG_FIN, FLAG_RST, FLAG_SYN, segmentLen, type TcpHeader } from '../wire/tcp.ts'
import {
  CLOSED,
  CLOSING,
  type Connection,
  FIN_WAIT_1,
  FIN_WAIT_2,
  LAST_ACK,
  SYN_RECEIVED,
  SYN_SENT,
  TIME_WAIT,
} from './connection.ts'
import { echoArrives } from './ecn.ts'
import { replyReset } from './emit.ts'
import { synArrives, synIsAcked, synSent } from './handshake.ts'
import type { TcpMachine } from './machine.ts'
import { ackArrives } from './recovery.ts'
import { finArrives, noteDuplicate, textArrives } from './text.ts'
import { isPawsOld, noteTimestamp } from './timestamps.ts'

/** RFC 5961 §7: "no more than 10 challenge ACKs in any 5-second window". */
const CHALLENGE_LIMIT = 10
const CHALLENGE_PERIOD_US = 5_000_000

/** The segment `m.rx` belongs to `c`. */
export function segmentArrives(m: TcpMachine, c: Connection, frame: Frame, now: Instant): void {
  if (c.state === SYN_SENT) {
    synSent(m, c, frame, now)
    return
  }
  const h = m.rx
  if (c.state === TIME_WAIT && timeWait(m, c, now)) return
  if (c.state === SYN_RECEIVED && (h.flags & (FLAG_SYN | FLAG_ACK)) === FLAG_SYN && h.seq === c.irs) {
    // The peer has not had our SYN,ACK and repeats its SYN. Deviation: not a bare ACK, which would help it nothing.
    c.sndCursor = c.iss
    return
  }

  // RFC 7323 §5.3, before everything else; a reset needs no timestamp (§3.2).
  if (c.hasTimestamps && (h.flags & FLAG_RST) === 0) {
    if (!h.hasTimestamps) {
      m.counters['no-timestamp']++
      return
    }
    if (isPawsOld(c, h, now)) {
      m.counters.paws++
      answerUnacceptable(m, c, now)
      return
    }
  }
  c.heardUs = now
  // First, check sequence number.
  if (!isAcceptable(c, h)) {
    m.counters.unacceptable++
    if ((h.flags & FLAG_RST) === 0) answerUnacceptable(m, c, now)
    return
  }
  if (c.hasTimestamps && (h.flags & FLAG_RST) === 0) noteTimestamp(c, h)
  // Second, check the RST bit.
  if ((h.flags & FLAG_RST) !== 0) {
    resetArrives(m, c, now)
    return
  }
  // Third, check security: IPv4 options of that kind are not looked at.
  // Fourth, check the SYN bit.
  if ((h.flags & FLAG_SYN) !== 0) {
    m.counters['syn-in-connection']++
    if (c.state === SYN_RECEIVED && c.listener !== undefined) m.setState(c, CLOSED, 'syn in window', now)
    else challenge(m, c, now)
    return
  }
  // Fifth, check the ACK field.
  if ((h.flags & FLAG_ACK) === 0) {
    m.counters['no-ack']++
    return
  }
  if (!checkAck(m, c, now)) return
  // Sixth, check the URG bit: urgent text is text (RFC 6093 §5).
  // Seventh, process the segment text. Eighth, check the FIN bit.
  textArrives(m, c, frame, now)
  finArrives(m, c, now)
}

/** "If an incoming segment is not acceptable, an acknowledgment should be sent in reply". */
function answerUnacceptable(m: TcpMachine, c: Connection, now: Instant): void {
  const h = m.rx
  // Unless it carries text every answer may be to an answer: only so many of those.
  if (h.payloadEnd === h.payloadOff) {
    challenge(m, c, now)
    return
  }
  c.isAckDue = true
  const end = seqAdd(h.seq, h.payloadEnd - h.payloadOff)
  if (c.isSacking && seqLe(end, c.rcvNxt)) noteDuplicate(c, h.seq, end)
}

/** In TIME-WAIT: true when the segment was dealt with. */
function timeWait(m: TcpMachine, c: Connection, now: Instant): boolean {
  const h = m.rx
  const controls = h.flags & (FLAG_SYN | FLAG_ACK | FLAG_RST | FLAG_FIN)
  // RFC 9293 §3.10.7.4 fourth step, MAY-2: a SYN later than the old connection begins a new one.
  if (controls === FLAG_SYN && isLaterSyn(c, h)) {
    const listener = m.listenerOf(c.localPort)
    if (listener === undefined) return false
    // "its initial sequence number [...] larger than the largest sequence number it used on the previous connection"
    const leastIss = seqAdd(c.sndNxt, 1)
    m.setState(c, CLOSED, 'new syn', now)
    const fresh = m.accept(listener, c.local, c.remote, leastIss, now)
    if (fresh !== undefined) synArrives(m, fresh, now)
    return true
  }
  // Eighth step: the peer repeats its FIN. It ends at rcvNxt, so the first step would call it unacceptable.
  if ((controls & FLAG_FIN) !== 0 && seqAdd(h.seq, segmentLen(h)) === c.rcvNxt) {
    c.isAckDue = true
    m.restartTimeWait(c, now)
    return true
  }
  return false
}

/** RFC 6191 §2: by timestamps if there are any, else by sequence numbers. */
function isLaterSyn(c: Connection, h: TcpHeader): boolean {
  if (h.hasTimestamps) {
    if (!c.hasTimestamps || seqLt(c.tsRecent as Seq, h.tsVal as Seq)) return true
    if (h.tsVal !== c.tsRecent) return false
  }
  return seqLt(c.rcvNxt, h.seq)
}

/** First step of §3.10.7.4: some octet of the segment lies in the window. */
function isAcceptable(c: Connection, h: TcpHeader): boolean {
  const len = segmentLen(h)
  const window = seqDiff(c.rcvAdv, c.rcvNxt)
  const start = seqDiff(h.seq, c.rcvNxt)
  // Deviation: the right edge itself is fine for a segment without text, as in Linux. That is where a peer stands that
  // has filled our window; were its acknowledgements ignored, two such peers would deadlock (mirage-tcpip #340).
  if (len === 0) return start >= 0 && start <= Math.max(window, 0)
  // "special allowance should be made to accept valid ACKs, URGs, and RSTs" with a closed window; textArrives takes no
  // text then, but a lone FIN needs no room.
  if (window <= 0) return start === 0
  // Deviation: the RFC's test misses a segment that begins before the window and ends after it.
  return start < window && start + len > 0
}

/** Second step: RFC 5961 §3.2. */
function resetArrives(m: TcpMachine, c: Connection, now: Instant): void {
  if (m.rx.seq !== c.rcvNxt) {
    m.counters['reset-not-exact']++
    challenge(m, c, now)
    return
  }
  m.counters.resetsReceived++
  switch (c.state) {
    case SYN_RECEIVED:
      m.fail(c, 'connection-refused', 'rst', now)
      return
    case CLOSING:
    case LAST_ACK:
    case TIME_WAIT:
      // The peer has everything but the last acknowledgement; in the RFC too this is no error.
      m.setState(c, CLOSED, 'rst', now)
      return
    default:
      m.fail(c, 'connection-reset', 'rst', now)
  }
}

/** Fifth step; false when the segment goes no further. */
function checkAck(m: TcpMachine, c: Connection, now: Instant): boolean {
  const h = m.rx
  if (c.state === SYN_RECEIVED) {
    if (!seqLt(c.sndUna, h.ack) || seqLt(c.sndNxt, h.ack)) {
      m.counters['bad-ack']++
      replyReset(m, c.remote, c.local)
      return false
    }
    synIsAcked(m, c, now)
  } else {
    // RFC 5961 §5.2: ((SND.UNA - MAX.SND.WND) =< SEG.ACK =< SND.NXT).
    const acked = seqDiff(h.ack, c.sndUna)
    if (acked < -c.maxSndWnd || seqLt(c.sndNxt, h.ack)) {
      m.counters['bad-ack']++
      challenge(m, c, now)
      return false
    }
    // "If the ACK is a duplicate (SEG.ACK =< SND.UNA), it can be ignored": but its text is taken.
    if (acked < 0) return true
    ackArrives(m, c, now)
    if (c.isEcn && (h.flags & FLAG_ECE) !== 0) echoArrives(m, c)
  }
  updateWindow(c, h)
  if (!c.isFinAcked) return true
  switch (c.state) {
    case FIN_WAIT_1:
      m.setState(c, FIN_WAIT_2, 'fin acknowledged', now)
      return true
    case CLOSING:
      m.setState(c, TIME_WAIT, 'fin acknowledged', now)
      return false
    case LAST_ACK:
      m.setState(c, CLOSED, 'fin acknowledged', now)
      return false
    default:
      return true
  }
}

/** "If SND.UNA =< SEG.ACK =< SND.NXT, the send window should be updated", by the newest segment only. */
function updateWindow(c: Connection, h: TcpHeader): void {
  if (!seqLt(c.sndWl1, h.seq) && !(c.sndWl1 === h.seq && seqLe(c.sndWl2, h.ack))) return
  c.sndWnd = h.window << c.sndScale
  c.maxSndWnd = Math.max(c.maxSndWnd, c.sndWnd)
  c.sndWl1 = h.seq
  c.sndWl2 = h.ack
}

/** Makes a challenge acknowledgement due (RFC 5961), a few at a time for each connection. */
function challenge(m: TcpMachine, c: Connection, now: Instant): void {
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
