/** How a connection begins: SYN-SENT (RFC 9293 §3.10.7.3), and what is learnt from the peer's SYN and its acknowledgement of ours. */
import type { Frame } from '@mirage-ts/signatures/bytes'
import type { Instant } from '@mirage-ts/signatures/time'
import { seqAdd, seqLe, seqLt } from '../seq.ts'
import { FLAG_ACK, FLAG_RST, FLAG_SYN, NO_OPTION } from '../wire/tcp.ts'
import { type Connection, defaultMss, ESTABLISHED, SYN_RECEIVED } from './connection.ts'
import { learnEcn } from './ecn.ts'
import { replyReset } from './emit.ts'
import type { TcpMachine } from './machine.ts'
import { effectiveMss, pathMss } from './path-mtu.ts'
import { finArrives, textArrives } from './text.ts'

/** RFC 9293 §3.10.7.3. */
export function synSent(m: TcpMachine, c: Connection, frame: Frame, now: Instant): void {
  const h = m.rx
  const hasAck = (h.flags & FLAG_ACK) !== 0
  // First, check the ACK bit.
  if (hasAck && (seqLe(h.ack, c.iss) || seqLt(c.sndNxt, h.ack))) {
    m.counters['bad-ack']++
    if ((h.flags & FLAG_RST) === 0) replyReset(m, c.remote, c.local)
    return
  }
  // Second, check the RST bit.
  if ((h.flags & FLAG_RST) !== 0) {
    if (!hasAck) {
      m.counters['reset-not-exact']++
      return
    }
    m.counters.resetsReceived++
    m.fail(c, 'connection-refused', 'rst', now)
    return
  }
  // Fourth, check the SYN bit. Fifth, without SYN or RST drop the segment.
  if ((h.flags & FLAG_SYN) === 0) {
    m.counters.unacceptable++
    return
  }
  learnSyn(m, c, now)
  learnEcn(c, h, hasAck)
  if (!hasAck) {
    // Simultaneous open: our SYN goes out again, with an ACK of theirs.
    c.sndCursor = c.iss
    m.setState(c, SYN_RECEIVED, 'syn', now)
    return
  }
  synIsAcked(m, c, now)
  c.isAckDue = true
  // "If there are other controls or text in the segment, then continue processing at the sixth step."
  h.seq = seqAdd(h.seq, 1)
  textArrives(m, c, frame, now)
  finArrives(m, c, now)
}

/** A SYN opened `c`, which is in SYN-RECEIVED. Text with it is not taken: the peer sends it again. */
export function synArrives(m: TcpMachine, c: Connection, now: Instant): void {
  c.rcvMss = pathMss(m, c.remote)
  learnSyn(m, c, now)
  learnEcn(c, m.rx, false)
  m.settle(c, now)
}

/** Takes over what the peer's SYN in `m.rx` says. */
export function learnSyn(m: TcpMachine, c: Connection, now: Instant): void {
  const h = m.rx
  c.heardUs = now
  c.irs = h.seq
  c.rcvNxt = seqAdd(h.seq, 1)
  c.rcvAdv = seqAdd(c.rcvNxt, Math.min(c.receiveRing.maxBytes, 0xffff))
  const peerMss = h.mss === NO_OPTION ? defaultMss(c.remote) : h.mss
  c.peerMss = peerMss
  c.lastAckSent = c.rcvNxt
  c.isSacking = c.isSacking && h.isSackPermitted
  c.hasTimestamps = c.hasTimestamps && h.hasTimestamps
  if (c.hasTimestamps) {
    c.tsRecent = h.tsVal
  }
  // RFC 9293 §3.7.1: the MSS does not count options, so segments with options carry less text.
  c.sndMss = effectiveMss(c, Math.min(peerMss, pathMss(m, c.remote)))
  // RFC 7323 §2.2: scaling is in use when both SYNs carry the option.
  c.isScaling = h.windowScale !== NO_OPTION
  c.sndScale = c.isScaling ? h.windowScale : 0
  c.rcvScale = c.isScaling ? m.settings.windowScale : 0
  c.sndWnd = h.window
  c.maxSndWnd = h.window
  c.sndWl1 = h.seq
  c.sndWl2 = h.ack
}

/** The segment acknowledges our SYN: ESTABLISHED. */
export function synIsAcked(m: TcpMachine, c: Connection, now: Instant): void {
  const h = m.rx
  const isSynLost = c.timeouts > 0
  c.sndUna = h.ack
  c.sndCursor = h.ack
  c.sndSmallEnd = h.ack
  c.rack.start(h.ack)
  if (isSynLost) c.rtt.onLostSyn()
  else if (c.lastSentUs !== 0) c.rtt.sample(now - c.lastSentUs, 1)
  c.congestion.start(c.sndMss, isSynLost)
  c.timeouts = 0
  c.softError = undefined
  c.lastSentUs = now
  c.stopSendTimer()
  m.setState(c, ESTABLISHED, 'syn acknowledged', now)
}
