/** What happens when a moment has come: RFC 9293 §3.10.8, RFC 6298 §5, the persist timer of RFC 9293 §3.8.6.1. */
import { NEVER } from '@mirage-ts/core/time'
import type { Instant } from '@mirage-ts/signatures/time'
import {
  CLOSED,
  type Connection,
  ESTABLISHED,
  FIN_WAIT_2,
  SYN_RECEIVED,
  TIME_WAIT,
  TIMER_PERSIST,
  TIMER_RETRANSMIT,
} from './connection.ts'
import type { TcpMachine } from './machine.ts'
import { armPersist } from './output.ts'

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
  if (c.sendAtUs > now) return
  if (c.sendTimer === TIMER_PERSIST) persistExpires(m, c, now)
  else if (c.sendTimer === TIMER_RETRANSMIT) retransmitExpires(m, c, now)
}

function stateExpires(m: TcpMachine, c: Connection, now: Instant): void {
  switch (c.state) {
    case TIME_WAIT:
      m.setState(c, CLOSED, '2 MSL are over', now)
      return
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
  const limitUs = c.state < ESTABLISHED ? m.settings.connectTimeoutUs : m.settings.userTimeoutUs
  if (isOver(m, c, limitUs, now)) return
  m.counters.timeouts++
  if (c.state >= ESTABLISHED) {
    c.congestion.onTimeout(c.flightBytes(), c.timeouts === 0)
    // RFC 6582 §3.2 step 4: "record the highest sequence number transmitted in the variable recover".
    c.recover = c.sndNxt
    c.isRecovering = false
    c.isFirstDue = false
    c.duplicateAcks = 0
  }
  c.timeouts++
  c.rtt.onRetransmitted()
  c.rtt.backOff()
  c.sndCursor = c.sndUna
  if (c.state >= ESTABLISHED && c.sndWnd === 0) {
    // The window closed over what was in flight: from now on it is probed.
    armPersist(c, now)
    c.isProbeDue = true
  } else {
    // Not later than the moment to give up.
    c.sendAtUs = Math.min(now + c.rtt.rtoUs, c.unansweredSinceUs + limitUs)
  }
}

function persistExpires(m: TcpMachine, c: Connection, now: Instant): void {
  if (isOver(m, c, m.settings.userTimeoutUs, now)) return
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
