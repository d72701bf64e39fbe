/** ICMP for a host (RFC 792, RFC 1122 §3.2.2): echo replies, errors received passed on, errors sent at a bounded rate. */
import { type Counters, createCounters } from '@mirage-ts/core/metrics'
import type { IpAddress } from '@mirage-ts/signatures/addresses'
import type { Frame } from '@mirage-ts/signatures/bytes'
import type { Icmp, Unreachable } from '@mirage-ts/signatures/icmp'
import type { Ip } from '@mirage-ts/signatures/ip'
import type { Instant, MonotonicClock } from '@mirage-ts/signatures/time'
import {
  CODE_PORT_UNREACHABLE,
  CODE_PROTOCOL_UNREACHABLE,
  checkIcmp,
  emitIcmp,
  ICMP_ECHO_REPLY,
  ICMP_ECHO_REQUEST,
  ICMP_HEADER_LEN,
  ICMP_UNREACHABLE,
  icmpErrorKind,
  icmpRest,
  icmpType,
} from './wire/icmp.ts'
import { Ipv4Header, PROTOCOL_ICMP, parseIpv4 } from './wire/ipv4.ts'

const COUNTERS = [
  'truncated',
  'bad-checksum',
  'broadcastEcho',
  'unhandled',
  'echoReplies',
  'rateLimited',
  'noBuffer',
] as const

/** Errors sent in a burst, and per second after it (RFC 1812 §4.3.2.8 wants a limit and leaves the figure open). */
const ERROR_BURST = 50
const ERRORS_PER_SECOND = 100

/** ICMP with its counters. */
export interface CountedIcmp extends Icmp {
  readonly counters: Readonly<Counters<(typeof COUNTERS)[number]>>
}

/** Starts answering over `ipv4`. */
export function createIcmp({ ipv4, clock }: { ipv4: Ip; clock: MonotonicClock }): CountedIcmp {
  return new IcmpLayer(ipv4, clock)
}

class IcmpLayer implements CountedIcmp {
  readonly counters = createCounters(COUNTERS)
  private readonly ip: Ip
  private readonly clock: MonotonicClock
  private tokens = ERROR_BURST
  private filledAt: Instant
  private readonly header = new Ipv4Header()

  constructor(ip: Ip, clock: MonotonicClock) {
    this.ip = ip
    this.clock = clock
    this.filledAt = clock.now()
    ip.listen(PROTOCOL_ICMP, (frame, off, end, src, dst) => this.input(frame, off, end, src, dst))
  }

  unreachable(why: Unreachable, frame: Frame, packetOff: number, end: number): void {
    const header = this.header
    if (parseIpv4(frame, packetOff, end, header) !== undefined) return
    // RFC 1122 §3.2.2: never about a broadcast, a group, a fragment, or (as far as we send them) another error.
    if (!this.ip.addresses.includes(header.dst) || header.fragmentOffset !== 0 || header.protocol === PROTOCOL_ICMP)
      return
    if (!this.takeToken()) {
      this.counters.rateLimited++
      return
    }
    // RFC 792 quotes the header and 64 bits; RFC 1812 §4.3.2.3 as much as fits in 576 octets.
    const quoteLen = Math.min(header.totalLen, 576 - 20 - ICMP_HEADER_LEN)
    const code = why === 'port' ? CODE_PORT_UNREACHABLE : CODE_PROTOCOL_UNREACHABLE
    this.transmit(ICMP_UNREACHABLE, code, 0, frame, packetOff, packetOff + quoteLen, header.dst, header.src)
  }

  private input(frame: Frame, off: number, end: number, src: IpAddress, dst: IpAddress): void {
    const reason = checkIcmp(frame, off, end)
    if (reason !== undefined) {
      this.counters[reason]++
      return
    }
    const error = icmpErrorKind(frame, off)
    if (error !== undefined) {
      this.ip.reportError(error, frame, off + ICMP_HEADER_LEN, end)
    } else if (icmpType(frame, off) !== ICMP_ECHO_REQUEST) {
      this.counters.unhandled++
    } else if (!this.ip.addresses.includes(dst)) {
      // RFC 1122 §3.2.2.6 lets a host ignore them; answering would make us an amplifier.
      this.counters.broadcastEcho++
    } else {
      this.counters.echoReplies++
      this.transmit(ICMP_ECHO_REPLY, 0, icmpRest(frame, off), frame, off + ICMP_HEADER_LEN, end, dst, src)
    }
  }

  /** Sends a message whose body is a copy of `body.u8[bodyOff, bodyEnd)`. */
  private transmit(
    type: number,
    code: number,
    rest: number,
    body: Frame,
    bodyOff: number,
    bodyEnd: number,
    src: IpAddress,
    dst: IpAddress,
  ): void {
    const frame = this.ip.alloc()
    if (frame === undefined) {
      this.counters.noBuffer++
      return
    }
    const off = this.ip.headroomBytes
    const end = off + ICMP_HEADER_LEN + (bodyEnd - bodyOff)
    frame.u8.set(body.u8.subarray(bodyOff, bodyEnd), off + ICMP_HEADER_LEN)
    emitIcmp(frame, off, end, type, code, rest)
    this.ip.send(frame, off, end, PROTOCOL_ICMP, src, dst)
  }

  private takeToken(): boolean {
    const now = this.clock.now()
    this.tokens = Math.min(ERROR_BURST, this.tokens + ((now - this.filledAt) / 1_000_000) * ERRORS_PER_SECOND)
    this.filledAt = now
    if (this.tokens < 1) return false
    this.tokens--
    return true
  }
}
