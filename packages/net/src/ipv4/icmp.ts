/**
 * ICMP for hosts and routers (RFC 792, RFC 1122 §3.2.2, RFC 1812 §4.3): echo replies, errors received passed on, errors sent at a
 * bounded rate. Not here: redirects sent, timestamps, source quench (RFC 6633), router discovery.
 */
import { IPV4_ANY, IPV4_BROADCAST, isIpv4Multicast } from '@mirage-ts/core/addresses'
import type { IpAddress, Ipv4 } from '@mirage-ts/signatures/addresses'
import type { Frame } from '@mirage-ts/signatures/bytes'
import type { Icmp, IpProblem, Unreachable } from '@mirage-ts/signatures/icmp'
import type { HostIp } from '@mirage-ts/signatures/ip'
import type { MonotonicClock } from '@mirage-ts/signatures/time'
import { type IcmpCounters, IcmpSender } from '../ip/icmp-sender.ts'
import {
  checkIcmp,
  emitIcmp,
  ICMP_ECHO_REPLY,
  ICMP_ECHO_REQUEST,
  ICMP_HEADER_LEN,
  ICMP_REDIRECT,
  ICMP_TIME_EXCEEDED,
  ICMP_UNREACHABLE,
  icmpErrorKind,
  icmpMtu,
  icmpRest,
  icmpType,
} from '../wire/icmp.ts'
import { IPV4_HEADER_LEN, Ipv4Header, PROTOCOL_ICMP, parseIpv4 } from '../wire/ipv4.ts'

/** Type and code of each problem. */
const MESSAGES: Readonly<Record<IpProblem, readonly [type: number, code: number]>> = {
  network: [ICMP_UNREACHABLE, 0],
  host: [ICMP_UNREACHABLE, 1],
  protocol: [ICMP_UNREACHABLE, 2],
  port: [ICMP_UNREACHABLE, 3],
  'too-big': [ICMP_UNREACHABLE, 4],
  'hop-limit': [ICMP_TIME_EXCEEDED, 0],
  reassembly: [ICMP_TIME_EXCEEDED, 1],
}

/** True when only the host that a packet is for can have the problem. */
const IS_ABOUT_DELIVERY: Readonly<Record<IpProblem, boolean>> = {
  network: false,
  host: false,
  protocol: true,
  port: true,
  'too-big': false,
  'hop-limit': false,
  reassembly: true,
}

/** ICMP with its counters. */
export interface CountedIcmp extends Icmp {
  readonly counters: Readonly<IcmpCounters>
}

/** Starts answering over `ipv4`. */
export function createIcmp({ ipv4, clock }: { ipv4: HostIp; clock: MonotonicClock }): CountedIcmp {
  return new IcmpLayer(ipv4, clock)
}

class IcmpLayer implements CountedIcmp {
  readonly counters: IcmpCounters
  private readonly ip: HostIp
  private readonly sender: IcmpSender
  private readonly header = new Ipv4Header()

  constructor(ip: HostIp, clock: MonotonicClock) {
    this.ip = ip
    this.sender = new IcmpSender(ip, clock, PROTOCOL_ICMP, emitIcmp)
    this.counters = this.sender.counters
    ip.listen(PROTOCOL_ICMP, (frame, off, end, src, dst) => this.input(frame, off, end, src, dst))
    ip.listenProblems((why, frame, packetOff, end, mtuBytes) => this.report(why, frame, packetOff, end, mtuBytes))
  }

  unreachable(why: Unreachable, frame: Frame, packetOff: number, end: number): void {
    this.report(why, frame, packetOff, end, 0)
  }

  private report(why: IpProblem, frame: Frame, packetOff: number, end: number, mtuBytes: number): void {
    const header = this.header
    if (parseIpv4(frame, packetOff, end, header) !== undefined || !mayBeReported(header)) return
    // A packet for us is answered from the address it was sent to, one to be passed on from that towards the sender.
    const isOurs = this.ip.addresses.includes(header.dst)
    const src = isOurs ? header.dst : this.ip.source(header.src)
    // RFC 1122 §3.2.2: what came by broadcast is neither ours nor passed on.
    if (src === undefined || (!isOurs && IS_ABOUT_DELIVERY[why])) return
    // RFC 1122 §3.2.2: never about an error.
    const payload = packetOff + header.headerLen
    if (header.protocol === PROTOCOL_ICMP && (payload >= end || !isInformational(frame.dv.getUint8(payload)))) return
    // RFC 792 quotes the header and 64 bits; RFC 1812 §4.3.2.3 as much as fits in 576 octets.
    const quoteLen = Math.min(header.totalLen, 576 - IPV4_HEADER_LEN - ICMP_HEADER_LEN)
    const [type, code] = MESSAGES[why]
    this.sender.error(type, code, mtuBytes, frame, packetOff, packetOff + quoteLen, src, header.src)
  }

  private input(frame: Frame, off: number, end: number, src: IpAddress, dst: IpAddress): void {
    const reason = checkIcmp(frame, off, end)
    if (reason !== undefined) {
      this.counters[reason]++
      return
    }
    const error = icmpErrorKind(frame, off)
    if (error !== undefined) {
      this.ip.reportError(error, frame, off + ICMP_HEADER_LEN, end, icmpMtu(frame, off))
    } else if (icmpType(frame, off) === ICMP_REDIRECT) {
      this.ip.redirect?.(src as Ipv4, icmpRest(frame, off) as Ipv4, frame, off + ICMP_HEADER_LEN, end)
    } else if (icmpType(frame, off) !== ICMP_ECHO_REQUEST) {
      this.counters.unhandled++
    } else {
      this.sender.echo(ICMP_ECHO_REPLY, icmpRest(frame, off), frame, off + ICMP_HEADER_LEN, end, src, dst)
    }
  }
}

/** RFC 1122 §3.2.2: nothing is said about broadcasts, groups, senders that are no single host, and pieces but the first. */
function mayBeReported(header: Readonly<Ipv4Header>): boolean {
  const { src, dst, fragmentOffset } = header
  return isOneHost(src) && isOneHost(dst) && fragmentOffset === 0
}

function isOneHost(address: Ipv4): boolean {
  return address !== IPV4_ANY && address !== IPV4_BROADCAST && !isIpv4Multicast(address)
}

/** True for the messages of RFC 792 that are not errors. */
function isInformational(type: number): boolean {
  return type === ICMP_ECHO_REPLY || type === ICMP_ECHO_REQUEST || type >= 13
}
