/**
 * Segments of no connection: LISTEN (RFC 9293 §3.10.7.2), CLOSED (§3.10.7.1), and handshakes that we keep no memory of
 * (RFC 4987 §3.6).
 */
import { isIpv4Multicast } from '@mirage-ts/core/addresses'
import type { IpAddress } from '@mirage-ts/signatures/addresses'
import type { Frame } from '@mirage-ts/signatures/bytes'
import type { Instant } from '@mirage-ts/signatures/time'
import { seqAdd } from '../seq.ts'
import { FLAG_ACK, FLAG_RST, FLAG_SYN, NO_OPTION } from '../wire/tcp.ts'
import { optionsOfTick, tickWithOptions } from './cookies.ts'
import { prepare, replyReset, transmit } from './emit.ts'
import { learnSyn, synArrives } from './handshake.ts'
import { segmentArrives } from './input.ts'
import type { Listener } from './listener.ts'
import type { TcpMachine } from './machine.ts'
import { pathMss } from './path-mtu.ts'
import { tickAt } from './timestamps.ts'
import { MAX_WINDOW_FIELD } from './window.ts'

/** The segment `m.rx` belongs to no connection: LISTEN (RFC 9293 §3.10.7.2) or CLOSED (§3.10.7.1). */
export function strayArrives(m: TcpMachine, frame: Frame, src: IpAddress, dst: IpAddress, now: Instant): void {
  const h = m.rx
  const listener = m.listenerOf(h.dstPort)
  if ((h.flags & FLAG_RST) !== 0) {
    m.counters['no-connection']++
    return
  }
  if (!isOneHost(src) || !m.ip.addresses.includes(dst) || (src === dst && h.srcPort === h.dstPort)) {
    m.counters['bad-address']++
    return
  }
  if (listener !== undefined && (h.flags & (FLAG_ACK | FLAG_SYN)) === FLAG_ACK) {
    if (cookieArrives(m, listener, frame, src, dst, now)) return
  }
  if (listener === undefined || (h.flags & FLAG_ACK) !== 0) {
    m.counters['no-connection']++
    replyReset(m, src, dst)
    return
  }
  if ((h.flags & FLAG_SYN) === 0) {
    m.counters['no-connection']++
    return
  }
  if (m.settings.hasSynCookies && listener.halfOpenCount >= listener.backlogCount) {
    m.counters['backlog-full']++
    sendCookie(m, src, dst, now)
    return
  }
  const connection = m.accept(listener, dst, src, undefined, now)
  if (connection !== undefined) synArrives(m, connection, now)
}

/** An ACK for no connection: true when it completes a handshake that we kept no memory of (RFC 4987 §3.6). */
function cookieArrives(
  m: TcpMachine,
  listener: Listener,
  frame: Frame,
  src: IpAddress,
  dst: IpAddress,
  now: Instant,
): boolean {
  const h = m.rx
  const mss = m.cookies.check(h, dst, src, now)
  if (mss === undefined) return false
  const c = m.acceptCookie(listener, dst, src, seqAdd(h.ack, -1), now)
  // Too many: the peer sends again.
  if (c === undefined) return true
  c.rcvMss = pathMss(m, c.remote)
  c.sndNxt = h.ack
  c.sndCursor = h.ack
  h.mss = mss
  optionsOfTick(h)
  h.seq = seqAdd(h.seq, -1)
  learnSyn(m, c, now)
  c.isEcn = false
  h.seq = seqAdd(h.seq, 1)
  segmentArrives(m, c, frame, now)
  m.settle(c, now)
  return true
}

/** Answers the SYN in `m.rx` and forgets it: what must be known of it comes back with the ACK (RFC 4987 §3.6). */
function sendCookie(m: TcpMachine, src: IpAddress, dst: IpAddress, now: Instant): void {
  const { rx, tx } = m
  const frame = m.ip.alloc()
  if (frame === undefined) return
  const iss = m.cookies.make(rx, dst, src, now)
  prepare(tx, rx.dstPort, rx.srcPort, iss, seqAdd(rx.seq, 1), FLAG_SYN | FLAG_ACK)
  tx.window = Math.min(m.settings.receiveBufferBytes, MAX_WINDOW_FIELD)
  tx.mss = pathMss(m, src)
  if (rx.hasTimestamps && m.settings.hasTimestamps) {
    tx.hasTimestamps = true
    tx.tsVal = tickWithOptions(tickAt(now, m.tsOffset(dst, rx.dstPort, src, rx.srcPort)), rx)
    tx.tsEcr = rx.tsVal
    // Without timestamps there is no place to keep these in.
    tx.isSackPermitted = rx.isSackPermitted && m.settings.isSacking
    if (rx.windowScale !== NO_OPTION) tx.windowScale = m.settings.windowScale
  }
  m.counters.cookiesSent++
  transmit(m, frame, m.ip.headroomBytes, 0, dst, src, 0)
}

/** False for addresses that no single host has: nothing may be sent to them (RFC 9293 §3.9.2.3). */
function isOneHost(address: IpAddress): boolean {
  if (typeof address === 'number') return address !== 0 && address !== 0xffffffff && !isIpv4Multicast(address)
  return address !== 0n && address >> 120n !== 0xffn
}
