/** Text that arrives, and its end: the seventh and eighth step of RFC 9293 §3.10.7.4, and when it is acknowledged (RFC 5681 §4.2). */
import { NEVER } from '@mirage-ts/core/time'
import type { Frame } from '@mirage-ts/signatures/bytes'
import type { Instant } from '@mirage-ts/signatures/time'
import { type Seq, seqAdd, seqDiff } from '../seq.ts'
import { FLAG_FIN } from '../wire/tcp.ts'
import {
  CLOSE_WAIT,
  CLOSED,
  CLOSING,
  type Connection,
  ESTABLISHED,
  EVENT_READABLE,
  FIN_WAIT_1,
  FIN_WAIT_2,
  NO_REASSEMBLY,
  TIME_WAIT,
} from './connection.ts'
import { noteMark } from './ecn.ts'
import { replyReset } from './emit.ts'
import type { TcpMachine } from './machine.ts'
import { Reassembly } from './reassembly.ts'

/** RFC 9293 §3.8.6.3 (MUST-58): "an ACK SHOULD be generated for at least every second full-sized segment". */
const SEGMENTS_PER_ACK = 2

/** Seventh step. */
export function textArrives(m: TcpMachine, c: Connection, frame: Frame, now: Instant): void {
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
export function finArrives(m: TcpMachine, c: Connection, now: Instant): void {
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

/** RFC 2883: the next acknowledgement tells that `[start, end)` has come twice. */
export function noteDuplicate(c: Connection, start: Seq, end: Seq): void {
  c.dsackStart = start
  c.dsackEnd = end
}
