/** The timestamps option (RFC 7323): our clock, and protection against wrapped sequence numbers. */
import type { Instant } from '@mirage-ts/signatures/time'
import { type Seq, seqDiff, seqLe, seqLt } from '../seq.ts'
import type { TcpHeader } from '../wire/tcp.ts'
import type { Connection } from './connection.ts'

/** RFC 7323 §5.4: "a clock tick of between 1 ms and 1 s". */
const TICK_US = 1000
/** RFC 7323 §5.5: after 24 days of silence TS.Recent says nothing; the clock's sign bit has changed since. */
const RECENT_FOR_US = 24 * 86_400 * 1e6

/** The clock of a connection at `atUs`. */
export function tickAt(atUs: number, offset: number): Seq {
  return ((Math.floor(atUs / TICK_US) + offset) | 0) as Seq
}

/** RFC 7323 §5.3 R1: the segment is older than one received before, so it is of another turn of the sequence numbers. */
export function isPawsOld(c: Connection, h: TcpHeader, now: Instant): boolean {
  return seqLt(h.tsVal as Seq, c.tsRecent as Seq) && now - c.heardUs < RECENT_FOR_US
}

/** RFC 7323 §4.3: remembers the timestamp to echo; `h` is acceptable and has passed {@link isPawsOld}. */
export function noteTimestamp(c: Connection, h: TcpHeader): void {
  // "(2) If: SEG.TSval >= TS.Recent and SEG.SEQ <= Last.ACK.sent"
  if (seqLe(h.seq, c.lastAckSent)) c.tsRecent = h.tsVal
}

/** How long ago the clock of ours that `h` echoes was sent, in µs; good to a tick. */
export function echoedRttUs(c: Connection, h: TcpHeader, now: Instant): number {
  return Math.max(0, seqDiff(tickAt(now, c.tsOffset), h.tsEcr as Seq)) * TICK_US
}
