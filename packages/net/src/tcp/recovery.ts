/**
 * Acknowledgements and loss recovery: RFC 6582 (NewReno), RFC 5681 §3.2 (fast retransmit).
 *
 * What is lost is inferred here and sent again by output.ts; how much may be in flight is the congestion control's
 * business. A SACK scoreboard and RACK (issue 4) take the place of the counting of duplicates.
 */
import type { Instant } from '@mirage-ts/signatures/time'
import { seqDiff, seqLe, seqLt, seqMax } from '../seq.ts'
import { FLAG_FIN, type TcpHeader } from '../wire/tcp.ts'
import { type Connection, EVENT_WRITABLE, TIMER_PERSIST } from './connection.ts'
import type { TcpMachine } from './machine.ts'
import { armRetransmit } from './output.ts'

/** RFC 5681 §3.2: "The fast retransmit algorithm uses the arrival of 3 duplicate ACKs". */
const DUPLICATE_THRESHOLD = 3

/** The segment `m.rx` acknowledges sndUna or more, at most sndNxt. */
export function ackArrives(m: TcpMachine, c: Connection, now: Instant): void {
  const h = m.rx
  // A peer that says its window is closed is there: only silence counts towards the user timeout (RFC 9293 §3.8.6.1,
  // MUST-37: "MUST allow the connection to stay open"). Deviation: not for ever once the user has closed, or peers could
  // hold our buffers at no cost (RFC 6429 §5).
  if ((c.sendTimer === TIMER_PERSIST || h.window === 0) && !c.isReceiveShut) c.unansweredSinceUs = now
  const acked = seqDiff(h.ack, c.sndUna)
  if (acked > 0) newAck(c, h, acked, now)
  else if (isDuplicate(c, h)) duplicateAck(m, c)
}

function newAck(c: Connection, h: TcpHeader, acked: number, now: Instant): void {
  const flight = c.flightBytes()
  c.rtt.onAcked(h.ack, now)
  const text = Math.min(acked, c.sendRing.lenBytes)
  c.sendRing.consume(text)
  if (text < acked) c.isFinAcked = true
  c.sndUna = h.ack
  c.sndCursor = seqMax(c.sndCursor, c.sndUna)
  if (c.timeouts === 0) c.rtt.endBackOff()
  c.timeouts = 0
  c.softError = undefined
  let restartsTimer = true
  if (!c.isRecovering) {
    c.duplicateAcks = 0
    // RFC 7661's concern: a window that was not used says nothing about the network, so it does not grow.
    if (flight + c.sndMss > c.congestion.cwndBytes) c.congestion.onAck(acked)
  } else if (seqLe(c.recover, c.sndUna)) {
    // RFC 6582 §3.2 step 3, full acknowledgement.
    c.isRecovering = false
    c.duplicateAcks = 0
    c.congestion.onRecovered(c.flightBytes())
  } else {
    // Partial acknowledgement: the next segment is lost too. "reset the retransmit timer" for the first one only.
    c.congestion.onPartialAck(acked)
    c.isFirstDue = true
    restartsTimer = !c.hadPartialAck
    c.hadPartialAck = true
  }
  // RFC 6298 (5.2): all acknowledged, stop; (5.3): new data acknowledged, restart.
  if (c.sndUna === c.sndNxt) c.stopSendTimer()
  else if (restartsTimer) armRetransmit(c, now)
  if (4 * c.sendRing.freeBytes >= c.sendRing.maxBytes) c.events |= EVENT_WRITABLE
}

/** RFC 5681 §2, definition of a duplicate acknowledgement. */
function isDuplicate(c: Connection, h: TcpHeader): boolean {
  return (
    c.sndNxt !== c.sndUna &&
    h.payloadOff === h.payloadEnd &&
    (h.flags & FLAG_FIN) === 0 &&
    h.window << c.sndScale === c.sndWnd &&
    c.sendTimer !== TIMER_PERSIST
  )
}

function duplicateAck(m: TcpMachine, c: Connection): void {
  c.duplicateAcks++
  if (c.isRecovering) {
    c.congestion.onDuplicateAck()
    return
  }
  // RFC 6582 §3.2 step 2: not again for what was already in flight at the last loss.
  if (c.duplicateAcks !== DUPLICATE_THRESHOLD || !seqLt(c.recover, c.sndUna)) return
  m.counters.fastRetransmits++
  c.isRecovering = true
  c.hadPartialAck = false
  c.recover = c.sndNxt
  c.congestion.onLoss(c.flightBytes())
  c.isFirstDue = true
}
