/** What happens when a moment has come: RFC 9293 §3.10.8, RFC 6298 §5, the persist timer of RFC 9293 §3.8.6.1. */
import { NEVER } from '@mirage-ts/core/time'
import type { Instant } from '@mirage-ts/signatures/time'
import { seqDiff } from '../seq.ts'
import {
  CLOSED,
  type Connection,
  ESTABLISHED,
  FIN_WAIT_2,
  SYN_RECEIVED,
  TIMER_OFF,
  TIMER_PERSIST,
  TIMER_REORDER,
  TIMER_RETRANSMIT,
  TIMER_TAIL_PROBE,
  type Tuning,
} from './connection.ts'
import type { TcpMachine } from './machine.ts'
import { sendKeepAlive } from './output.ts'
import { suspectBlackHole } from './path-mtu.ts'
import { detectLosses } from './recovery.ts'
import { armPersist, armRetransmit, armTimeout } from './send-timer.ts'

/** Probes of a silent peer, and the time between them: as in Linux. */
const KEEP_ALIVE_COUNT = 9
const KEEP_ALIVE_INTERVAL_US = 75e6
/** R1 of RFC 9293 §3.8.3: timeouts in a row after which IP hears that the way may be gone (SHLD-10: three at least). */
const DOUBTFUL_TIMEOUTS = 3

/** Some timer of `c` is due at `now`. Sending again after a shortage needs nothing here: output follows. */
export function timersExpire(m: TcpMachine, c: Connection, now: Instant): void {
  if (c.stateAtUs <= now) {
    stateExpires(m, c, now)
    if (c.state === CLOSED) return
  }
  if (c.ackAtUs <= now) {
    c.ackAtUs = NEVER
    c.isAckDue = true
  }
  if (c.tuning !== undefined && c.tuning.keepAliveAtUs <= now) {
    keepAliveExpires(m, c, c.tuning, now)
    if (m.isGone(c)) return
  }
  if (c.sendAtUs > now) return
  if (c.sendTimer === TIMER_PERSIST) persistExpires(m, c, now)
  else if (c.sendTimer === TIMER_RETRANSMIT) retransmitExpires(m, c, now)
  else if (c.sendTimer === TIMER_REORDER) reorderExpires(m, c, now)
  else if (c.sendTimer === TIMER_TAIL_PROBE) tailProbeExpires(c, now)
}

function stateExpires(m: TcpMachine, c: Connection, now: Instant): void {
  switch (c.state) {
    case FIN_WAIT_2:
      m.setState(c, CLOSED, 'no fin from the peer', now)
      return
    case SYN_RECEIVED:
      m.fail(c, 'timed-out', 'no ack of our syn', now)
      return
    default:
      c.stateAtUs = NEVER
  }
}

/** RFC 6298 (5.4) to (5.7); everything from sndUna is sent again as the congestion window allows. */
function retransmitExpires(m: TcpMachine, c: Connection, now: Instant): void {
  const limitUs = c.state < ESTABLISHED ? m.settings.connectTimeoutUs : (c.tuning ?? m.settings).userTimeoutUs
  if (isOver(m, c, limitUs, now)) return
  m.counters.timeouts++
  if (c.state >= ESTABLISHED) {
    c.congestion.onTimeout(c.flightBytes(), c.timeouts === 0)
    // RFC 6582 §3.2 step 4: "record the highest sequence number transmitted in the variable recover".
    c.recover = c.sndNxt
    c.isRecovering = false
    c.duplicateAcks = 0
    c.reckonedBytes = 0
    c.rack.isProbeOut = false
    loseEverything(m, c, now)
  } else {
    c.sndCursor = c.sndUna
  }
  c.timeouts++
  if (c.timeouts === DOUBTFUL_TIMEOUTS) m.ip.doubt?.(c.remote)
  if (c.state >= ESTABLISHED) suspectBlackHole(m, c)
  c.rtt.backOff()
  if (c.state >= ESTABLISHED && c.sndWnd === 0) {
    // The window closed over what was in flight: from now on it is probed.
    armPersist(c, now)
    c.isProbeDue = true
  } else {
    // Not later than the moment to give up.
    c.sendAtUs = Math.min(now + c.rtt.rtoUs, c.unansweredSinceUs + limitUs)
  }
}

/** Everything in flight that has not arrived is lost. */
function loseEverything(m: TcpMachine, c: Connection, now: Instant): void {
  const { board } = c
  if (seqDiff(c.sndCursor, c.sndUna) > c.sndWnd) {
    // The window has closed over what was sent: it is cut into segments anew when there is a window.
    c.sndCursor = c.sndUna
    m.boards.takeBack(c)
    return
  }
  // RFC 2018 §8: a peer may throw away text that it had acknowledged selectively.
  if (board.isReneged()) board.forgetSacks()
  board.loseAll()
  board.reducedAtUs = now
}

/** RFC 8985 §7.3. The timeout runs from now on, whether or not the device has room for the probe. */
function tailProbeExpires(c: Connection, now: Instant): void {
  armTimeout(c, now)
  c.isTailProbeDue = true
}

/** RFC 8985 §6.3: the reordering window of the earliest segment is over. */
function reorderExpires(m: TcpMachine, c: Connection, now: Instant): void {
  armRetransmit(c, now)
  detectLosses(m, c, false, now)
  if (!c.isRecovering) return
  // Nothing has arrived, but what is lost leaves the pipe, and the first of it goes out at once.
  c.congestion.cwndBytes = Math.max(c.congestion.cwndBytes, c.sndMss)
  c.isResendForced = true
}

/** RFC 9293 §3.8.4. What is in flight or waits for a window is asked about by the other timers. */
function keepAliveExpires(m: TcpMachine, c: Connection, tuning: Tuning, now: Instant): void {
  const { keepAliveUs } = tuning
  const quietUs = now - c.heardUs
  if (quietUs < keepAliveUs || c.sendTimer !== TIMER_OFF) {
    tuning.keepAliveCount = 0
    tuning.keepAliveAtUs = Math.max(c.heardUs, now - keepAliveUs / 2) + keepAliveUs
    return
  }
  if (tuning.keepAliveCount >= KEEP_ALIVE_COUNT) {
    m.fail(c, 'timed-out', 'keep-alive', now)
    return
  }
  tuning.keepAliveCount++
  tuning.keepAliveAtUs = now + KEEP_ALIVE_INTERVAL_US
  sendKeepAlive(m, c, now)
}

function persistExpires(m: TcpMachine, c: Connection, now: Instant): void {
  if (isOver(m, c, (c.tuning ?? m.settings).userTimeoutUs, now)) return
  c.timeouts++
  armPersist(c, now)
  c.isProbeDue = true
}

/** R2 of RFC 9293 §3.8.3: gives the connection up when the peer has been silent for `limitUs`. */
function isOver(m: TcpMachine, c: Connection, limitUs: number, now: Instant): boolean {
  if (now - c.unansweredSinceUs < limitUs) return false
  m.fail(c, c.softError ?? 'timed-out', 'no answer', now)
  return true
}
