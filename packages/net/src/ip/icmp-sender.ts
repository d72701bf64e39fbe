/** What ICMP has in common for both versions of IP: messages sent, errors at a bounded rate, answers to pings, counters. */
import { frameOf } from '@mirage-ts/core/bytes'
import { type Counters, createCounters } from '@mirage-ts/core/metrics'
import type { IpAddress } from '@mirage-ts/signatures/addresses'
import type { Frame } from '@mirage-ts/signatures/bytes'
import type { HostIp } from '@mirage-ts/signatures/ip'
import type { MonotonicClock } from '@mirage-ts/signatures/time'
import { TokenBucket } from '../token-bucket.ts'

/** Type, code and checksum, and four octets whose meaning depends on the type. */
const HEADER_LEN = 8

/**
 * Errors sent in a burst, and per second after it: RFC 1812 §4.3.2.8 wants a limit, RFC 4443 §2.4 (f) a token bucket, and both
 * leave the figures open.
 */
const ERROR_BURST = 50
const ERRORS_PER_SECOND = 100

export const ICMP_COUNTERS = [
  'truncated',
  'bad-checksum',
  // Pings to everybody or to a group, which we do not answer.
  'groupEcho',
  'unhandled',
  'echoReplies',
  'rateLimited',
  'noBuffer',
] as const

export type IcmpCounters = Counters<(typeof ICMP_COUNTERS)[number]>

/** Writes the header of a message whose body stands at `[off + 8, end)`. */
export type IcmpEmitter = (
  frame: Frame,
  off: number,
  end: number,
  type: number,
  code: number,
  rest: number,
  src: IpAddress,
  dst: IpAddress,
) => void

export class IcmpSender {
  readonly counters: IcmpCounters = createCounters(ICMP_COUNTERS)
  private readonly ip: HostIp
  private readonly clock: MonotonicClock
  private readonly protocol: number
  private readonly emit: IcmpEmitter
  private readonly errorTokens: TokenBucket

  constructor(ip: HostIp, clock: MonotonicClock, protocol: number, emit: IcmpEmitter) {
    this.ip = ip
    this.clock = clock
    this.protocol = protocol
    this.emit = emit
    this.errorTokens = new TokenBucket(ERROR_BURST, ERRORS_PER_SECOND, clock.now())
  }

  /** Sends an error that quotes `frame.u8[off, end)`, unless there were too many of late. */
  error(
    type: number,
    code: number,
    rest: number,
    frame: Frame,
    off: number,
    end: number,
    src: IpAddress,
    dst: IpAddress,
  ): void {
    if (this.errorTokens.take(this.clock.now())) this.send(type, code, rest, frame, off, end, src, dst)
    else this.counters.rateLimited++
  }

  /** Answers a ping from `src` to `dst` whose data are `frame.u8[off, end)` with a message of `type`. */
  echo(type: number, rest: number, frame: Frame, off: number, end: number, src: IpAddress, dst: IpAddress): void {
    // RFC 1122 §3.2.2.6 and RFC 4443 §4.2 let a host ignore groups; who answers them is an amplifier.
    if (!this.ip.addresses.includes(dst)) {
      this.counters.groupEcho++
      return
    }
    this.counters.echoReplies++
    this.send(type, 0, rest, frame, off, end, dst, src)
  }

  /** Sends a message whose body is a copy of `body.u8[bodyOff, bodyEnd)`. */
  private send(
    type: number,
    code: number,
    rest: number,
    body: Frame,
    bodyOff: number,
    bodyEnd: number,
    src: IpAddress,
    dst: IpAddress,
  ): void {
    const { ip } = this
    const len = HEADER_LEN + bodyEnd - bodyOff
    if (len > ip.mtuBytes(dst)) {
      // The answer to a ping longer than the link's MTU: put together here, sent in pieces.
      const whole = frameOf(new Uint8Array(len))
      whole.u8.set(body.u8.subarray(bodyOff, bodyEnd), HEADER_LEN)
      this.emit(whole, 0, len, type, code, rest, src, dst)
      if (ip.sendCopy(whole.u8, 0, len, this.protocol, src, dst) !== undefined) this.counters.noBuffer++
      return
    }
    const frame = ip.alloc(dst)
    if (frame === undefined) {
      this.counters.noBuffer++
      return
    }
    const off = ip.headroomBytes
    frame.u8.set(body.u8.subarray(bodyOff, bodyEnd), off + HEADER_LEN)
    this.emit(frame, off, off + len, type, code, rest, src, dst)
    ip.send(frame, off, off + len, this.protocol, src, dst)
  }
}
