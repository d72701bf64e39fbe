/**
 * The size of our segments (RFC 1191, RFC 8201; RFC 9293 §3.7.5): smaller when an ICMP error says so, and when long segments
 * are lost again and again without a word (RFC 4821 §7.7, RFC 8899 §3).
 *
 * The network layer remembers path MTUs; connections made later ask it. Not here: probing for a larger MTU.
 */
import type { IpAddress } from '@mirage-ts/signatures/addresses'
import { TCP_HEADER_LEN, TIMESTAMPS_LEN } from '../wire/tcp.ts'
import { type Connection, ESTABLISHED } from './connection.ts'
import type { TcpMachine } from './machine.ts'

/** A peer that asks for less would make us send nothing but headers (CVE-2019-11479); Linux has 48. */
const MIN_MSS = 64
/** Without a word from the network: what nearly every path takes, then what each must (RFC 4821 §7.2, RFC 9293 §3.7.1). */
const PROBE_SIZES = [1200, 536] as const
/** Timeouts in a row before long segments are suspected; as in Linux (tcp_retries1). */
const SUSPICIOUS_TIMEOUTS = 4

/** Cuts segments to what peer and path take now; what is in flight is sent again when they have become smaller. */
export function pathMssChanged(m: TcpMachine, c: Connection): void {
  if (c.state < ESTABLISHED) return
  const mss = effectiveMss(c, Math.min(c.peerMss, pathMss(m, c.remote)))
  if (mss >= c.sndMss) return
  m.counters.pathMtuReductions++
  shrink(m, c, mss)
  m.log.debug(() => `#${c.number}: segments of ${mss} octets, the path takes no longer ones`)
}

/** A timeout, the `c.timeouts`th in a row: perhaps a router drops long packets and its errors are filtered. */
export function suspectBlackHole(m: TcpMachine, c: Connection): void {
  if (c.timeouts < SUSPICIOUS_TIMEOUTS || c.board.count === 0 || c.board.firstLen() < c.sndMss) return
  const size = PROBE_SIZES.find((one) => one < c.sndMss)
  if (size === undefined) return
  m.counters.blackHoles++
  shrink(m, c, size)
  // The timeout has left a window of one segment.
  c.congestion.cwndBytes = size
}

/** Greatest text we take in a segment from `remote`, and send it at most: RFC 9293 §3.7.1. */
export function pathMss(m: TcpMachine, remote: IpAddress): number {
  return m.ip.mtuBytes(remote) - TCP_HEADER_LEN
}

/** Octets of text when headers and options of every segment are taken off. */
export function effectiveMss(c: Connection, mss: number): number {
  return Math.max(MIN_MSS, mss - (c.hasTimestamps ? TIMESTAMPS_LEN : 0))
}

/** RFC 1191 §6.4: what was in flight is sent again in smaller pieces; "without changing the congestion window". */
function shrink(m: TcpMachine, c: Connection, mss: number): void {
  c.sndMss = mss
  c.congestion.onMssChange(mss)
  m.boards.takeBack(c)
  c.sndCursor = c.sndUna
  c.isRecovering = false
  c.duplicateAcks = 0
  c.reckonedBytes = 0
}
