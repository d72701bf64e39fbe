/**
 * Acknowledgements and loss recovery: what arrived, what is lost, how fast to go on.
 *
 * With SACK: RFC 6675's scoreboard, losses by RFC 8985 (RACK-TLP). Without: RFC 5681 §3.2 and RFC 6582 (NewReno) by counting
 * duplicates, each of which is reckoned as a segment arrived. Both go on at the pace of RFC 6937 (PRR). What is lost is
 * sent again by output.ts as the congestion window allows.
 */
import type { Instant } from '@mirage-ts/signatures/time'
import { type Seq, seqDiff, seqLe, seqLt, seqMax } from '../seq.ts'
import { FLAG_FIN, type TcpHeader } from '../wire/tcp.ts'
import { type Connection, EVENT_WRITABLE, TIMER_PERSIST, TIMER_REORDER } from './connection.ts'
import type { Delivery } from './delivery.ts'
import type { TcpMachine } from './machine.ts'
import { armRetransmit } from './send-timer.ts'
import { echoedRttUs } from './timestamps.ts'

/** RFC 5681 §3.2: "The fast retransmit algorithm uses the arrival of 3 duplicate ACKs". */
const DUPLICATE_THRESHOLD = 3

/** The segment `m.rx` acknowledges sndUna or more, at most sndNxt. */
export function ackArrives(m: TcpMachine, c: Connection, now: Instant): void {
  const h = m.rx
  const { rack, board } = c
  const { delivery } = m
  // A peer that says its window is closed is there: only silence counts towards the user timeout (RFC 9293 §3.8.6.1,
  // MUST-37: "MUST allow the connection to stay open"). Deviation: not for ever once the user has closed, or peers could
  // hold our buffers at no cost (RFC 6429 §5).
  if ((c.sendTimer === TIMER_PERSIST || h.window === 0) && !c.isReceiveShut) c.unansweredSinceUs = now
  const acked = seqDiff(h.ack, c.sndUna)
  const pipeBefore = c.pipeBytes()
  delivery.begin(c, h.tsEcr, now)
  if (board.count > 0) {
    if (acked > 0) board.acknowledge(h.ack, delivery)
    if (h.sackCount > 0 && c.isSacking) sacksArrive(m, c, h)
  }
  measure(m, c, acked, now)
  if (acked > 0) newAck(m, c, h, acked, pipeBefore, now)
  else if (!c.isSacking && isDuplicate(c, h)) duplicateAck(m, c, now)
  else if (delivery.bytes > 0) armRetransmit(c, now)
  if (rack.isProbeOut) probeIsAnswered(m, c, acked)
  if (c.isSacking && delivery.bytes > 0) detectLosses(m, c, delivery.hasDsack, now)
  if (c.isRecovering) pace(c, delivery)
}

/** RFC 8985 §6.2 steps 4 and 5: takes for lost what is overdue, and comes back for what soon will be. */
export function detectLosses(m: TcpMachine, c: Connection, hasDsack: boolean, now: Instant): void {
  const { rack, board } = c
  if (board.count === 0) return
  const lostBefore = board.lostBytes
  const overdueUs = rack.rttUs + rack.reorderingWindowUs(c, c.isRecovering || seqLt(c.sndUna, c.recover), hasDsack)
  const againUs = board.loseOverdue(rack.sentUs, rack.end, overdueUs, now)
  m.delivery.isSafe = board.lostBytes === lostBefore
  if (!m.delivery.isSafe && !c.isRecovering && seqLe(c.recover, c.sndUna)) enterRecovery(m, c, now)
  else if (c.isRecovering && board.lostCopySentUs > c.board.reducedAtUs) {
    // RFC 5681 §4.3: "the loss of a retransmission should be taken as two indications of congestion".
    c.board.reducedAtUs = now
    c.congestion.onLoss(c.congestion.ssthreshBytes)
  }
  if (againUs > 0 && c.sendTimer !== TIMER_PERSIST) {
    c.sendTimer = TIMER_REORDER
    c.sendAtUs = now + againUs
  }
}

/** The blocks of `h`, which RFC 2018 and RFC 2883 describe. Blocks of what is not in flight are not looked at. */
function sacksArrive(m: TcpMachine, c: Connection, h: TcpHeader): void {
  for (let i = 0; i < h.sackCount; i++) {
    const start = h.sackStarts[i] as Seq
    const end = h.sackEnds[i] as Seq
    if (i === 0 && isDsack(h, start, end)) {
      m.delivery.hasDsack = true
    } else if (seqLe(h.ack, start) && seqLt(start, end) && seqLe(end, c.sndCursor)) {
      c.board.sack(start, end, m.delivery)
    }
  }
}

/** RFC 2883 §4: the first block tells of a duplicate when it lies before the acknowledgement or within the second. */
function isDsack(h: TcpHeader, start: Seq, end: Seq): boolean {
  if (seqLe(end, h.ack)) return true
  return h.sackCount > 1 && seqLe(h.sackStarts[1] as Seq, start) && seqLe(end, h.sackEnds[1] as Seq)
}

/** RFC 6298 §3: no segment that was sent again is measured, unless timestamps tell its copies apart. */
function measure(m: TcpMachine, c: Connection, acked: number, now: Instant): void {
  const { rttUs, hasRepeated } = m.delivery
  // RFC 7323, Appendix G: ExpectedSamples = ceiling(FlightSize / (SMSS * 2)).
  const perRoundTrip = Math.max(1, Math.ceil(c.flightBytes() / (2 * c.sndMss)))
  if (rttUs >= 0) c.rtt.sample(rttUs, perRoundTrip)
  else if (hasRepeated && acked > 0 && c.hasTimestamps && m.rx.tsEcr !== 0) {
    c.rtt.sample(echoedRttUs(c, m.rx, now), perRoundTrip)
  }
}

function newAck(m: TcpMachine, c: Connection, h: TcpHeader, acked: number, pipeBefore: number, now: Instant): void {
  const { board, congestion } = c
  const text = Math.min(acked, c.sendRing.lenBytes)
  c.sendRing.consume(text)
  if (c.sendRing.lenBytes === 0) c.sendRing.release()
  if (text < acked) c.isFinAcked = true
  c.sndUna = h.ack
  c.sndCursor = seqMax(c.sndCursor, c.sndUna)
  if (board.count === 0) m.boards.takeBack(c)
  if (c.timeouts === 0) c.rtt.endBackOff()
  c.timeouts = 0
  c.softError = undefined
  let restartsTimer = true
  if (!c.isRecovering) {
    c.duplicateAcks = 0
    c.reckonedBytes = 0
    // RFC 7661's concern: a window that was not used says nothing about the network, so it does not grow.
    if (pipeBefore + c.sndMss > congestion.cwndBytes) congestion.onAck(acked, now, c.rtt.srttUs, m.delivery.rttUs)
    else congestion.onUnused()
  } else if (seqLe(c.recover, c.sndUna)) {
    // RFC 6582 §3.2 step 3, full acknowledgement.
    c.isRecovering = false
    c.duplicateAcks = 0
    c.reckonedBytes = 0
    c.rack.endRecovery()
    congestion.onRecovered(c.pipeBytes())
  } else if (!c.isSacking) {
    // Partial acknowledgement: the next segment is lost too. "reset the retransmit timer" for the first one only.
    const reckoned = Math.max(0, c.reckonedBytes - Math.max(0, acked - c.sndMss))
    m.delivery.bytes -= c.reckonedBytes - reckoned
    c.reckonedBytes = reckoned
    c.board.loseFirst()
    c.isResendForced = true
    restartsTimer = !c.board.hadPartialAck
    c.board.hadPartialAck = true
  }
  tuneSendRing(m, c)
  // RFC 6298 (5.2): all acknowledged, stop; (5.3): new data acknowledged, restart.
  if (c.sndUna === c.sndNxt) c.stopSendTimer()
  else if (restartsTimer) armRetransmit(c, now)
  if (4 * c.sendRing.freeBytes >= c.sendRing.maxBytes) c.events |= EVENT_WRITABLE
}

/** A sender wants twice its window: what is in flight, and as much to follow. */
function tuneSendRing(m: TcpMachine, c: Connection): void {
  const { sendRing } = c
  if (2 * c.congestion.cwndBytes <= sendRing.maxBytes || sendRing.maxBytes >= m.settings.sendBufferBytes) return
  if (m.memory.isPlentiful) sendRing.maxBytes *= 2
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

/** Some segment has arrived, we do not know which. RFC 3042: it makes room for another one. */
function duplicateAck(m: TcpMachine, c: Connection, now: Instant): void {
  if (c.board.count === 0) return
  c.duplicateAcks++
  if (seqLt(c.sndUna, c.recover) && !c.isRecovering) return
  if (c.pipeBytes() > c.sndMss) {
    c.reckonedBytes += c.sndMss
    m.delivery.bytes = c.sndMss
  }
  // RFC 6582 §3.2 step 2: not again for what was already in flight at the last loss.
  if (c.isRecovering || c.duplicateAcks !== DUPLICATE_THRESHOLD || c.recover === c.sndUna) return
  c.board.loseFirst()
  enterRecovery(m, c, now)
}

function enterRecovery(m: TcpMachine, c: Connection, now: Instant): void {
  m.counters.fastRetransmits++
  c.isRecovering = true
  c.board.hadPartialAck = false
  c.recover = c.sndNxt
  c.board.recoveryFlightBytes = Math.max(c.flightBytes(), 1)
  c.board.recoveryDeliveredBytes = 0
  c.board.recoverySentBytes = 0
  c.isResendForced = true
  c.board.reducedAtUs = now
  c.congestion.onLoss(c.flightBytes())
}

/** Proportional rate reduction (RFC 6937): what arrives decides how much leaves. */
function pace(c: Connection, delivery: Delivery): void {
  const { congestion } = c
  const deliveredBytes = delivery.bytes
  const { ssthreshBytes } = congestion
  c.board.recoveryDeliveredBytes += deliveredBytes
  const pipe = c.pipeBytes()
  let allowed: number
  if (pipe > ssthreshBytes) {
    const target = Math.ceil((c.board.recoveryDeliveredBytes * ssthreshBytes) / c.board.recoveryFlightBytes)
    allowed = target - c.board.recoverySentBytes
  } else {
    // The slow-start bound only while nothing more is lost (RFC 9937, SafeACK), else conservation of packets.
    let limit = c.board.recoveryDeliveredBytes - c.board.recoverySentBytes
    if (delivery.isSafe) limit = Math.max(limit, deliveredBytes) + c.sndMss
    allowed = Math.min(ssthreshBytes - pipe, limit)
  }
  congestion.cwndBytes = Math.max(pipe + Math.max(allowed, 0), c.sndMss)
}

/** RFC 8985 §7.4: what the answer to a tail loss probe says. */
function probeIsAnswered(m: TcpMachine, c: Connection, acked: number): void {
  const { rack } = c
  if (seqLt(c.sndUna, rack.probeEnd)) return
  const { hasDsack } = m.delivery
  const isRepair = rack.isProbeRepeated && !hasDsack && seqLt(rack.probeEnd, c.sndUna)
  const isDuplicate = acked === 0 && m.rx.sackCount === 0
  // An acknowledgement of just the probe may be for the first copy: the next one tells.
  rack.isProbeOut = rack.isProbeRepeated && !hasDsack && !isRepair && !isDuplicate
  if (!isRepair || c.isRecovering || seqLt(c.sndUna, c.recover)) return
  // The probe has repaired a loss, which is a sign of congestion.
  m.counters.tailLosses++
  c.congestion.onLoss(Math.max(c.flightBytes(), c.congestion.cwndBytes))
  c.congestion.cwndBytes = Math.min(c.congestion.cwndBytes, c.congestion.ssthreshBytes)
}
