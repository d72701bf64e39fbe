/** Explicit congestion notification (RFC 3168): the network marks packets it would otherwise have had to drop soon. */
import type { Frame } from '@mirage-ts/signatures/bytes'
import { seqLe, seqLt } from '../seq.ts'
import { FLAG_CWR, FLAG_ECE, type TcpHeader } from '../wire/tcp.ts'
import type { Connection } from './connection.ts'
import type { TcpMachine } from './machine.ts'

/** RFC 3168 §5: what a packet carries whose transport understands marks, and a marked one. */
export const ECN_CAPABLE = 2
const CONGESTION_EXPERIENCED = 3

/** Whether the packet whose IP header starts at `packetOff` is marked. The layer below has checked the header. */
export function isCongestionExperienced(frame: Frame, packetOff: number): boolean {
  const { u8 } = frame
  const second = u8[packetOff + 1] as number
  // The traffic class is the second octet of IPv4, and lies across the first two of IPv6 (RFC 8200 §3).
  const mark = (u8[packetOff] as number) >> 4 === 4 ? second & 3 : (second >> 4) & 3
  return mark === CONGESTION_EXPERIENCED
}

/** The peer's SYN is `h`: marks are used when both sides know them (§6.1.1). */
export function learnEcn(c: Connection, h: TcpHeader, hasAck: boolean): void {
  const wanted = hasAck ? FLAG_ECE : FLAG_ECE | FLAG_CWR
  c.isEcn = c.isEcn && (h.flags & (FLAG_ECE | FLAG_CWR)) === wanted
}

/** A segment with text has arrived (§6.1.3): a mark is echoed until the peer says that it has slowed down. */
export function noteMark(m: TcpMachine, c: Connection): void {
  if ((m.rx.flags & FLAG_CWR) !== 0) c.isEcho = false
  if (!m.isRxMarked) return
  // "the TCP receiver [...] sets the ECN-Echo flag in the TCP header of the subsequent ACK packet": at once, the first time.
  if (!c.isEcho) c.isAckDue = true
  c.isEcho = true
}

/** An acknowledgement echoes a mark (§6.1.2): as a loss would, once for a window of data, but nothing is sent again. */
export function echoArrives(m: TcpMachine, c: Connection): void {
  if (c.isRecovering || seqLt(c.sndUna, c.cwrEnd) || seqLt(c.sndUna, c.recover) || seqLe(c.sndNxt, c.sndUna)) return
  c.congestion.onLoss(c.flightBytes())
  c.congestion.cwndBytes = Math.min(c.congestion.cwndBytes, c.congestion.ssthreshBytes)
  c.cwrEnd = c.sndNxt
  c.isCwrDue = true
  m.counters.marksEchoed++
}
