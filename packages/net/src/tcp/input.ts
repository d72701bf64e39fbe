/** Segments that arrive: RFC 9293 §3.10.7, in the order of its steps, with RFC 5961 against blind attacks. */
import { isIpv4Multicast } from '@mirage-ts/core/addresses'
import { NEVER } from '@mirage-ts/core/time'
import type { IpAddress } from '@mirage-ts/signatures/addresses'
import type { Frame } from '@mirage-ts/signatures/bytes'
import type { Instant } from '@mirage-ts/signatures/time'
import { type Seq, seqAdd, seqDiff, seqLe, seqLt } from '../seq.ts'
import { FLAG_ACK, FLAG_ECE, FLAG_FIN, FLAG_RST, FLAG_SYN, NO_OPTION, type TcpHeader } from '../wire/tcp.ts'
import {
  CLOSE_WAIT,
  CLOSED,
  CLOSING,
  type Connection,
  defaultMss,
  ESTABLISHED,
  EVENT_READABLE,
  FIN_WAIT_1,
  FIN_WAIT_2,
  LAST_ACK,
  NO_REASSEMBLY,
  SYN_RECEIVED,
  SYN_SENT,
  TIME_WAIT,
} from './connection.ts'
import { optionsOfTick } from './cookies.ts'
import { echoArrives, learnEcn, noteMark } from './ecn.ts'
import type { Listener, TcpMachine } from './machine.ts'
import { challenge, pathMss, replyReset, segmentLen, sendCookie } from './output.ts'
import { effectiveMss } from './path-mtu.ts'
import { Reassembly } from './reassembly.ts'
import { ackArrives } from './recovery.ts'
import { isPawsOld, noteTimestamp } from './timestamps.ts'

/** RFC 9293 §3.8.6.3 (MUST-58): "an ACK SHOULD be generated for at least every second full-sized segment". */
const SEGMENTS_PER_ACK = 2

/** The segment `m.rx` belongs to no connection: LISTEN (RFC 9293 §3.10.7.2) or CLOSED (§3.10.7.1). */
export function segmentArrivesUnknown(m: TcpMachine, frame: Frame, src: IpAddress, dst: IpAddress, now: Instant): void {
  const h = m.rx
  const listener = m.listenerOf(h.dstPort)
  if ((h.flags & FLAG_RST) !== 0) {
    m.counters['no-connection']++
    return
  }
  if (!isOneHost(src) || !m.ip.addresses.includes(dst) || (src === dst && h.srcPort === h.dstPort)) {
    m.counters['bad-address']++
    return
  }
  if (listener !== undefined && (h.flags & (FLAG_ACK | FLAG_SYN)) === FLAG_ACK) {
    if (cookieArrives(m, listener, frame, src, dst, now)) return
  }
  if (listener === undefined || (h.flags & FLAG_ACK) !== 0) {
    m.counters['no-connection']++
    replyReset(m, src, dst)
    return
  }
  if ((h.flags & FLAG_SYN) === 0) {
    m.counters['no-connection']++
    return
  }
  if (m.settings.hasSynCookies && listener.halfOpenCount >= listener.backlogCount) {
    m.counters['backlog-full']++
    sendCookie(m, src, dst, now)
    return
  }
  const connection = m.accept(listener, dst, src, undefined, now)
  if (connection !== undefined) synArrives(m, connection, now)
}

/** An ACK for no connection: true when it completes a handshake that we kept no memory of (RFC 4987 §3.6). */
function cookieArrives(
  m: TcpMachine,
  listener: Listener,
  frame: Frame,
  src: IpAddress,
  dst: IpAddress,
  now: Instant,
): boolean {
  const h = m.rx
  const mss = m.cookies.check(h, dst, src, now)
  if (mss === undefined) return false
  const c = m.acceptCookie(listener, dst, src, seqAdd(h.ack, -1), now)
  // Too many: the peer sends again.
  if (c === undefined) return true
  c.rcvMss = pathMss(m, c.remote)
  c.sndNxt = h.ack
  c.sndCursor = h.ack
  h.mss = mss
  optionsOfTick(h)
  h.seq = seqAdd(h.seq, -1)
  learnSyn(m, c, now)
  c.isEcn = false
  h.seq = seqAdd(h.seq, 1)
  segmentArrives(m, c, frame, now)
  m.settle(c, now)
  return true
}

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

/** RFC 2883: the next acknowledgement tells that `[start, end)` has come twice. */
function noteDuplicate(c: Connection, start: Seq, end: Seq): void {
  c.dsackStart = start
  c.dsackEnd = end
}

/** RFC 9293 §3.10.7.3. */
function synSent(m: TcpMachine, c: Connection, frame: Frame, now: Instant): void {
  const h = m.rx
  const hasAck = (h.flags & FLAG_ACK) !== 0
  // First, check the ACK bit.
  if (hasAck && (seqLe(h.ack, c.iss) || seqLt(c.sndNxt, h.ack))) {
    m.counters['bad-ack']++
    if ((h.flags & FLAG_RST) === 0) replyReset(m, c.remote, c.local)
    return
  }
  // Second, check the RST bit.
  if ((h.flags & FLAG_RST) !== 0) {
    if (!hasAck) {
      m.counters['reset-not-exact']++
      return
    }
    m.counters.resetsReceived++
    m.fail(c, 'connection-refused', 'rst', now)
    return
  }
  // Fourth, check the SYN bit. Fifth, without SYN or RST drop the segment.
  if ((h.flags & FLAG_SYN) === 0) {
    m.counters.unacceptable++
    return
  }
  learnSyn(m, c, now)
  learnEcn(c, h, hasAck)
  if (!hasAck) {
    // Simultaneous open: our SYN goes out again, with an ACK of theirs.
    c.sndCursor = c.iss
    m.setState(c, SYN_RECEIVED, 'syn', now)
    return
  }
  synIsAcked(m, c, now)
  c.isAckDue = true
  // "If there are other controls or text in the segment, then continue processing at the sixth step."
  h.seq = seqAdd(h.seq, 1)
  textArrives(m, c, frame, now)
  finArrives(m, c, now)
}

/** A SYN opened `c`, which is in SYN-RECEIVED. Text with it is not taken: the peer sends it again. */
function synArrives(m: TcpMachine, c: Connection, now: Instant): void {
  c.rcvMss = pathMss(m, c.remote)
  learnSyn(m, c, now)
  learnEcn(c, m.rx, false)
  m.settle(c, now)
}

/** Takes over what the peer's SYN in `m.rx` says. */
function learnSyn(m: TcpMachine, c: Connection, now: Instant): void {
  const h = m.rx
  c.heardUs = now
  c.irs = h.seq
  c.rcvNxt = seqAdd(h.seq, 1)
  c.rcvAdv = seqAdd(c.rcvNxt, Math.min(c.receiveRing.maxBytes, 0xffff))
  const peerMss = h.mss === NO_OPTION ? defaultMss(c.remote) : h.mss
  c.peerMss = peerMss
  c.lastAckSent = c.rcvNxt
  c.isSacking = c.isSacking && h.isSackPermitted
  c.hasTimestamps = c.hasTimestamps && h.hasTimestamps
  if (c.hasTimestamps) {
    c.tsRecent = h.tsVal
  }
  // RFC 9293 §3.7.1: the MSS does not count options, so segments with options carry less text.
  c.sndMss = effectiveMss(c, Math.min(peerMss, pathMss(m, c.remote)))
  // RFC 7323 §2.2: scaling is in use when both SYNs carry the option.
  c.isScaling = h.windowScale !== NO_OPTION
  c.sndScale = c.isScaling ? h.windowScale : 0
  c.rcvScale = c.isScaling ? m.settings.windowScale : 0
  c.sndWnd = h.window
  c.maxSndWnd = h.window
  c.sndWl1 = h.seq
  c.sndWl2 = h.ack
}

/** The segment acknowledges our SYN: ESTABLISHED. */
function synIsAcked(m: TcpMachine, c: Connection, now: Instant): void {
  const h = m.rx
  const isSynLost = c.timeouts > 0
  c.sndUna = h.ack
  c.sndCursor = h.ack
  c.sndSmallEnd = h.ack
  c.rack.start(h.ack)
  if (isSynLost) c.rtt.onLostSyn()
  else if (c.lastSentUs !== 0) c.rtt.sample(now - c.lastSentUs, 1)
  c.congestion.start(c.sndMss, isSynLost)
  c.timeouts = 0
  c.softError = undefined
  c.lastSentUs = now
  c.stopSendTimer()
  m.setState(c, ESTABLISHED, 'syn acknowledged', now)
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

/** Seventh step. */
function textArrives(m: TcpMachine, c: Connection, frame: Frame, now: Instant): void {
  const h = m.rx
  if (c.state !== ESTABLISHED && c.state !== FIN_WAIT_1 && c.state !== FIN_WAIT_2) return
  // Cut off what we have already, and what does not fit.
  const known = seqDiff(c.rcvNxt, h.seq)
  if (known > 0) {
    const old = Math.min(known, h.payloadEnd - h.payloadOff)
    if (c.isSacking && old > 0) noteDuplicate(c, h.seq, seqAdd(h.seq, old))
    h.payloadOff += old
    h.seq = c.rcvNxt
    c.isAckDue = true
  }
  const end = seqAdd(h.seq, h.payloadEnd - h.payloadOff)
  const beyond = seqDiff(end, c.rcvAdv)
  if (beyond > 0) {
    m.counters['text-dropped']++
    h.payloadEnd = Math.max(h.payloadOff, h.payloadEnd - beyond)
    h.flags &= ~FLAG_FIN
    c.isAckDue = true
  } else if ((h.flags & FLAG_FIN) !== 0 && !c.isPeerFinSeen) {
    c.isPeerFinSeen = true
    c.peerFin = end
  }
  const len = h.payloadEnd - h.payloadOff
  if (len === 0) return
  if (c.isEcn) noteMark(m, c)
  if (c.isReceiveShut) {
    textForNobody(m, c, len, now)
    return
  }
  const ring = c.receiveRing
  if (h.seq !== c.rcvNxt) {
    // RFC 5681 §4.2: "a TCP receiver SHOULD send an immediate duplicate ACK when an out-of-order segment arrives".
    c.isAckDue = true
    if (c.isSacking && c.reassembly.has(h.seq, end)) noteDuplicate(c, h.seq, end)
    const at = ring.lenBytes + seqDiff(h.seq, c.rcvNxt)
    if (c.reassembly === NO_REASSEMBLY) c.reassembly = new Reassembly()
    if (ring.reserve(at + len) && c.reassembly.insert(h.seq, seqAdd(h.seq, len))) {
      ring.write(at, frame.u8, h.payloadOff, h.payloadEnd)
    } else {
      m.counters['text-dropped']++
    }
    return
  }
  if (!ring.reserve(ring.lenBytes + len)) {
    // No memory: as if the segment had been lost. A FIN after it is not taken either.
    m.counters['text-dropped']++
    c.isAckDue = true
    return
  }
  ring.write(ring.lenBytes, frame.u8, h.payloadOff, h.payloadEnd)
  let next = seqAdd(c.rcvNxt, len)
  if (c.reassembly.count > 0) {
    // RFC 5681 §4.2: "an immediate ACK when it receives a data segment that fills in all or part of a gap".
    next = c.reassembly.advance(next)
    c.isAckDue = true
  }
  ring.extend(seqDiff(next, c.rcvNxt))
  c.rcvNxt = next
  c.events |= EVENT_READABLE
  delayAck(m, c, len, now)
}

function delayAck(m: TcpMachine, c: Connection, len: number, now: Instant): void {
  // A large frame is several segments at once.
  c.unackedSegments += len > c.rcvMss ? SEGMENTS_PER_ACK : 1
  if (c.unackedSegments >= SEGMENTS_PER_ACK) c.isAckDue = true
  else if (c.ackAtUs === NEVER) c.ackAtUs = now + m.settings.delayedAckUs
}

/** Text after the user has closed: taken and forgotten while our own text is on its way. */
function textForNobody(m: TcpMachine, c: Connection, len: number, now: Instant): void {
  if (c.state === FIN_WAIT_2) {
    // RFC 9293 §3.6.1 (SHLD-3): new text after close: "send a RST to show that data was lost". What we wrote is there.
    replyReset(m, c.remote, c.local)
    m.setState(c, CLOSED, 'text after close', now)
    return
  }
  if (m.rx.seq === c.rcvNxt) c.rcvNxt = seqAdd(c.rcvNxt, len)
  c.isAckDue = true
}

/** Eighth step. */
function finArrives(m: TcpMachine, c: Connection, now: Instant): void {
  if (!c.isPeerFinSeen || c.rcvNxt !== c.peerFin) return
  switch (c.state) {
    case ESTABLISHED:
      takeFin(c)
      m.setState(c, CLOSE_WAIT, 'fin', now)
      return
    case FIN_WAIT_1:
      takeFin(c)
      m.setState(c, CLOSING, 'fin', now)
      return
    case FIN_WAIT_2:
      takeFin(c)
      m.setState(c, TIME_WAIT, 'fin', now)
      return
    default:
      return
  }
}

function takeFin(c: Connection): void {
  c.rcvNxt = seqAdd(c.rcvNxt, 1)
  c.isAckDue = true
  c.events |= EVENT_READABLE
  c.reassembly.clear()
}

/** False for addresses that no single host has: nothing may be sent to them (RFC 9293 §3.9.2.3). */
function isOneHost(address: IpAddress): boolean {
  if (typeof address === 'number') return address !== 0 && address !== 0xffffffff && !isIpv4Multicast(address)
  return address !== 0n && address >> 120n !== 0xffn
}
