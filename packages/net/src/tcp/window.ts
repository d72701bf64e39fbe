/**
 * The window that we announce: RFC 9293 §3.8.6.2.2 (no silly windows), grown to what the user takes and what memory allows.
 */
import type { Instant } from '@mirage-ts/signatures/time'
import { seqAdd, seqDiff, seqMax } from '../seq.ts'
import type { Connection } from './connection.ts'
import type { TcpMachine } from './machine.ts'

/** What the field of the header holds, before scaling (RFC 9293 §3.1). */
export const MAX_WINDOW_FIELD = 0xffff
/** Window while the memory of the rings is short. */
const TIGHT_WINDOW_BYTES = 8192

/**
 * The user has taken octets. One that takes half a window in a round-trip time could take more if there were more: the
 * window doubles ("dynamic right-sizing", Fisk and Feng 2001).
 */
export function tuneWindow(m: TcpMachine, c: Connection, now: Instant): void {
  const { receiveRing } = c
  if (now - c.tunedAtUs < c.rtt.srttUs) return
  const isFast = 2 * c.takenBytes >= receiveRing.maxBytes
  c.takenBytes = 0
  c.tunedAtUs = now
  if (isFast && receiveRing.maxBytes < m.settings.receiveBufferBytes && m.memory.isPlentiful) receiveRing.maxBytes *= 2
}

/** Makes an acknowledgement due when the window has opened enough to tell the peer; says whether it has. */
export function windowUpdate(m: TcpMachine, c: Connection): boolean {
  if (c.isPeerFinSeen || c.number < 0) return false
  const { maxBytes } = c.receiveRing
  const offered = seqDiff(c.rcvAdv, c.rcvNxt)
  const opened = roomBytes(m, c) - offered
  // RFC 9293 §3.8.6.2.2 (MUST-39) would allow an update for each segment read. Every acknowledgement of text carries
  // the window anyway: an extra one is due when the peer may be about to run out of window.
  const isDue =
    2 * opened >= maxBytes || (opened >= 2 * c.rcvMss && (4 * opened >= maxBytes || 8 * offered <= maxBytes))
  if (isDue) {
    c.isAckDue = true
    m.counters.windowUpdates++
  }
  return isDue
}

/** The window to announce, as it goes into the header. Moves rcvAdv. */
export function windowField(m: TcpMachine, c: Connection): number {
  const { maxBytes } = c.receiveRing
  const freeBytes = roomBytes(m, c)
  let offered = Math.max(0, seqDiff(c.rcvAdv, c.rcvNxt))
  // RFC 9293 §3.8.6.2.2: move the right edge by a full segment or half the buffer at least.
  if (freeBytes - offered >= Math.min(c.rcvMss, maxBytes >> 1)) offered = freeBytes
  const field = Math.min(offered >> c.rcvScale, MAX_WINDOW_FIELD)
  c.rcvAdv = seqMax(c.rcvAdv, seqAdd(c.rcvNxt, field << c.rcvScale))
  return field
}

/** Octets we could take: little while memory is short, whoever has been promised more. */
function roomBytes(m: TcpMachine, c: Connection): number {
  const { freeBytes } = c.receiveRing
  return m.memory.isTight ? Math.min(freeBytes, TIGHT_WINDOW_BYTES) : freeBytes
}
