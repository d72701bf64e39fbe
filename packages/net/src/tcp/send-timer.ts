/**
 * When the send timer rings: RFC 6298 §5 (retransmission), RFC 8985 §7.2 (tail loss probes), RFC 9293 §3.8.6.1 (closed windows).
 * What happens then is in timers.ts.
 */
import type { Instant } from '@mirage-ts/signatures/time'
import { seqLt } from '../seq.ts'
import { type Connection, TIMER_PERSIST, TIMER_RETRANSMIT, TIMER_TAIL_PROBE } from './connection.ts'
import { MAX_RTO_US } from './rtt.ts'

/** RFC 8985 §7.2: how long a peer may wait with the acknowledgement of a lone segment. */
const WORST_DELAYED_ACK_US = 200_000

/** Starts or restarts the retransmission timer (RFC 6298 (5.1), (5.3)). */
export function armRetransmit(c: Connection, now: Instant): void {
  // Probes are no sign of congestion: they do not count as timeouts of what is sent now.
  if (c.sendTimer === TIMER_PERSIST) c.timeouts = 0
  if (c.timeouts === 0) c.unansweredSinceUs = now
  armTimeout(c, now)
  armTailProbe(c, now)
}

/** The retransmission timer alone. */
export function armTimeout(c: Connection, now: Instant): void {
  c.sendTimer = TIMER_RETRANSMIT
  c.sendAtUs = now + c.rtt.rtoUs
}

/** A new segment has left, or something was acknowledged: a probe is due if nothing more is heard. */
export function armTailProbe(c: Connection, now: Instant): void {
  if (!mayProbeTail(c)) return
  // RFC 8985 §7.2: two round-trip times, and what a peer may wait with acknowledging a lone segment.
  const probeUs = 2 * c.rtt.srttUs + (c.board.count === 1 ? WORST_DELAYED_ACK_US : 0)
  if (c.sendTimer === TIMER_RETRANSMIT && now + probeUs >= c.sendAtUs) return
  c.sendTimer = TIMER_TAIL_PROBE
  c.sendAtUs = now + probeUs
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
