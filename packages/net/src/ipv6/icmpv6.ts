/** ICMPv6 for a host (RFC 4443): echo replies, errors received passed on, errors sent at a bounded rate. */
import { IPV6_ANY, isIpv6Multicast } from '@mirage-ts/core/addresses'
import type { Ipv6 } from '@mirage-ts/signatures/addresses'
import type { Frame } from '@mirage-ts/signatures/bytes'
import type { Icmp, IpProblem, Unreachable } from '@mirage-ts/signatures/icmp'
import type { MonotonicClock } from '@mirage-ts/signatures/time'
import { type IcmpCounters, IcmpSender } from '../ip/icmp-sender.ts'
import {
  checkIcmpv6,
  emitIcmpv6,
  ICMPV6_ECHO_REPLY,
  ICMPV6_ECHO_REQUEST,
  ICMPV6_HEADER_LEN,
  ICMPV6_PARAMETER_PROBLEM,
  ICMPV6_TIME_EXCEEDED,
  ICMPV6_TOO_BIG,
  ICMPV6_UNREACHABLE,
  icmpv6ErrorKind,
  icmpv6Rest,
  icmpv6Type,
} from '../wire/icmpv6.ts'
import { PROTOCOL_TCP, PROTOCOL_UDP } from '../wire/ipv4.ts'
import {
  HEADER_FRAGMENT,
  IPV6_FRAGMENT_LEN,
  IPV6_HEADER_LEN,
  IPV6_LEAST_MTU,
  Ipv6Fragment,
  Ipv6Header,
  PROTOCOL_ICMPV6,
  parseFragment,
  parseIpv6,
  walkIpv6,
} from '../wire/ipv6.ts'
import type { CountedIpv6 } from './contract.ts'

/** Type and code of each problem. */
const MESSAGES: Readonly<Record<IpProblem, readonly [type: number, code: number]>> = {
  network: [ICMPV6_UNREACHABLE, 0],
  host: [ICMPV6_UNREACHABLE, 3],
  port: [ICMPV6_UNREACHABLE, 4],
  'too-big': [ICMPV6_TOO_BIG, 0],
  'hop-limit': [ICMPV6_TIME_EXCEEDED, 0],
  reassembly: [ICMPV6_TIME_EXCEEDED, 1],
  // RFC 4443 §3.4: an unknown protocol is an unknown next header.
  protocol: [ICMPV6_PARAMETER_PROBLEM, 1],
}

/** ICMPv6 with its counters. */
export interface CountedIcmpv6 extends Icmp {
  readonly counters: Readonly<IcmpCounters>
}

/** Starts answering over `ipv6`. */
export function createIcmpv6({ ipv6, clock }: { ipv6: CountedIpv6; clock: MonotonicClock }): CountedIcmpv6 {
  return new Icmpv6Layer(ipv6, clock)
}

class Icmpv6Layer implements CountedIcmpv6 {
  readonly counters: IcmpCounters
  private readonly ip: CountedIpv6
  private readonly sender: IcmpSender
  private readonly header = new Ipv6Header()
  private readonly fragment = new Ipv6Fragment()

  constructor(ip: CountedIpv6, clock: MonotonicClock) {
    this.ip = ip
    this.sender = new IcmpSender(ip, clock, PROTOCOL_ICMPV6, (frame, off, end, type, code, rest, src, dst) =>
      emitIcmpv6(frame, off, end, type, code, rest, src as Ipv6, dst as Ipv6),
    )
    this.counters = this.sender.counters
    ip.listen(PROTOCOL_ICMPV6, (frame, off, end, src, dst) => this.input(frame, off, end, src as Ipv6, dst as Ipv6))
    ip.listenProblems((why, frame, packetOff, end, mtuBytes) => {
      const [type, code] = MESSAGES[why]
      this.report(type, code, mtuBytes, frame, packetOff, end, why === 'too-big')
    })
    ip.listenParameterProblems((code, pointer, isForGroups, frame, packetOff, end) => {
      this.report(ICMPV6_PARAMETER_PROBLEM, code, pointer, frame, packetOff, end, isForGroups)
    })
  }

  unreachable(why: Unreachable, frame: Frame, packetOff: number, end: number): void {
    const [type, code] = MESSAGES[why]
    this.report(type, code, why === 'protocol' ? 6 : 0, frame, packetOff, end, false)
  }

  private report(
    type: number,
    code: number,
    rest: number,
    frame: Frame,
    packetOff: number,
    end: number,
    isForGroups: boolean,
  ): void {
    const { header, ip } = this
    if (parseIpv6(frame, packetOff, end, header) !== undefined) return
    const { src, dst } = header
    // RFC 4443 §2.4 (e): not about what came to a group, not to a sender that is no single one, not about errors.
    if (src === IPV6_ANY || isIpv6Multicast(src) || (isIpv6Multicast(dst) && !isForGroups)) return
    if (this.isError(frame, packetOff)) return
    const from = ip.addresses.includes(dst) ? dst : ip.source(src)
    if (from === undefined) return
    // RFC 4443 §2.4 (c): as much of the packet as fits in the least MTU.
    const most = IPV6_LEAST_MTU - IPV6_HEADER_LEN - ICMPV6_HEADER_LEN
    const quoteEnd = Math.min(header.packetEnd, packetOff + most)
    this.sender.error(type, code, rest, frame, packetOff, quoteEnd, from, src)
  }

  /** True when the packet is an ICMPv6 error, or nobody can tell. */
  private isError(frame: Frame, packetOff: number): boolean {
    const { header, fragment } = this
    // What cannot be followed was no error of ICMP: those have no options worth a complaint.
    if (walkIpv6(frame, packetOff, header) !== undefined) return false
    if (header.protocol === HEADER_FRAGMENT) {
      if (!parseFragment(frame, header.payloadOff, header.packetEnd, fragment)) return true
      // What stands in a later piece nobody can tell: only of these two it cannot be an error.
      const { nextHeader } = fragment
      if (fragment.offset !== 0) return nextHeader !== PROTOCOL_TCP && nextHeader !== PROTOCOL_UDP
      header.protocol = fragment.nextHeader
      header.payloadOff += IPV6_FRAGMENT_LEN
    }
    if (header.protocol !== PROTOCOL_ICMPV6) return false
    // RFC 4443 §2.1: errors have types below 128; redirects count as such (§2.4 (e.2)).
    const type = header.payloadOff < header.packetEnd ? frame.dv.getUint8(header.payloadOff) : 0
    return type < 128 || type === 137
  }

  private input(frame: Frame, off: number, end: number, src: Ipv6, dst: Ipv6): void {
    const reason = checkIcmpv6(frame, off, end, src, dst)
    if (reason !== undefined) {
      this.counters[reason]++
      return
    }
    const error = icmpv6ErrorKind(frame, off)
    if (error !== undefined) {
      const mtuBytes = error === 'fragmentation-needed' ? icmpv6Rest(frame, off) : 0
      this.ip.reportError(error, frame, off + ICMPV6_HEADER_LEN, end, mtuBytes)
    } else if (icmpv6Type(frame, off) !== ICMPV6_ECHO_REQUEST) {
      this.counters.unhandled++
    } else {
      this.sender.echo(ICMPV6_ECHO_REPLY, icmpv6Rest(frame, off), frame, off + ICMPV6_HEADER_LEN, end, src, dst)
    }
  }
}
