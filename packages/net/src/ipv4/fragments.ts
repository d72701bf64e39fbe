/** Fragments of IPv4 (RFC 791 §3.2, RFC 1122 §3.3.2): putting together those that arrive, and cutting what may be cut. */
import { frameOf } from '@mirage-ts/core/bytes'
import type { Counters } from '@mirage-ts/core/metrics'
import { NEVER, seconds } from '@mirage-ts/core/time'
import type { Frame } from '@mirage-ts/signatures/bytes'
import type { Alarm, Instant, MonotonicClock, Time } from '@mirage-ts/signatures/time'
import { Reassembler } from '../ip/reassembly.ts'
import {
  emitIpv4,
  IPV4_HEADER_LEN,
  IPV4_MAX_LEN,
  type Ipv4Header,
  MORE_FRAGMENTS,
  parseIpv4,
  reshapeIpv4,
} from '../wire/ipv4.ts'
import type { IPV4_COUNTERS } from './contract.ts'

/**
 * RFC 1122 §3.3.2 wants 60 to 120 s. Deviation: 30 s as Linux, because a busy sender uses an identification again in less
 * than that (RFC 4963), and pieces of different datagrams must not meet.
 */
const REASSEMBLY_TIMEOUT = seconds(30)

/** The fragments that have come, bounded as {@link Reassembler} is. */
export class Ipv4Reassembly {
  private readonly counters: Counters<(typeof IPV4_COUNTERS)[number]>
  private readonly clock: MonotonicClock
  private readonly reassembler: Reassembler
  private readonly alarm: Alarm
  private alarmAt: Instant = NEVER

  /** `timedOut` is told of a datagram that was given up when its first piece, the whole packet, had come. */
  constructor(
    counters: Counters<(typeof IPV4_COUNTERS)[number]>,
    { clock, time }: { clock: MonotonicClock; time: Time },
    timedOut: (firstPacket: Uint8Array) => void,
  ) {
    this.counters = counters
    this.clock = clock
    this.reassembler = new Reassembler({
      timeout: REASSEMBLY_TIMEOUT,
      onTimeout: (first) => {
        counters.reassemblyTimeout++
        // RFC 792: "If fragment zero is not available then no time exceeded need be sent at all".
        if (first !== undefined) timedOut(first)
      },
    })
    this.alarm = time.alarm(() => {
      this.alarmAt = NEVER
      this.reassembler.poll(clock.now())
      this.arm()
    })
  }

  /** Datagrams of which a piece is missing. */
  get count(): number {
    return this.reassembler.count
  }

  /**
   * The packet `[off, end)`, read into `header`, is a piece. Returns the whole packet in a frame of its own, read into `header`,
   * when it was the last one missing.
   */
  input(frame: Frame, off: number, end: number, header: Ipv4Header): Frame | undefined {
    const { src, dst, protocol, id, headerLen, fragmentOffset, hasMoreFragments } = header
    const key = `${src} ${dst} ${protocol} ${id}`
    const payloadOff = off + headerLen
    const now = this.clock.now()
    const result = this.reassembler.input(key, frame.u8, off, payloadOff, end, fragmentOffset, hasMoreFragments, now)
    this.arm()
    if (result === undefined) return undefined
    if (typeof result === 'string') {
      this.counters[result]++
      return undefined
    }
    const { packet } = result
    // A first piece with options may make the whole longer than a header can say.
    if (packet.length > IPV4_MAX_LEN) {
      this.counters['too-long']++
      return undefined
    }
    this.counters.reassembled++
    const whole = frameOf(packet)
    reshapeIpv4(whole, 0, result.payloadOff, packet.length, 0)
    parseIpv4(whole, 0, packet.length, header)
    return whole
  }

  private arm(): void {
    const next = this.reassembler.nextDeadline()
    if (next >= this.alarmAt) return
    this.alarmAt = next
    this.alarm.set(next)
  }
}

/** Where pieces go. */
export interface PieceExit {
  alloc(): Frame | undefined
  /** Sends the packet `[packetOff, end)`. */
  transmit(frame: Frame, packetOff: number, end: number): void
}

/**
 * Cuts `u8[off, end)` into pieces for packets of up to `mtuBytes` with the fields of `header`, which may be those of a piece
 * themselves. Each has `headroomBytes` in front of its payload, header included.
 */
export function cutIpv4(
  u8: Uint8Array,
  off: number,
  end: number,
  mtuBytes: number,
  header: Readonly<Ipv4Header>,
  headroomBytes: number,
  exit: PieceExit,
): 'no-buffer' | undefined {
  const { id, ttl, protocol, src, dst, trafficClass } = header
  const pieceLen = (mtuBytes - IPV4_HEADER_LEN) & ~7
  const packetOff = headroomBytes - IPV4_HEADER_LEN
  for (let at = off; at < end; at += pieceLen) {
    const frame = exit.alloc()
    if (frame === undefined) return 'no-buffer'
    const pieceEnd = Math.min(end, at + pieceLen)
    const len = pieceEnd - at
    frame.u8.set(u8.subarray(at, pieceEnd), headroomBytes)
    const isLast = pieceEnd === end && !header.hasMoreFragments
    const flags = (isLast ? 0 : MORE_FRAGMENTS) | ((header.fragmentOffset + at - off) >>> 3)
    emitIpv4(frame, packetOff, IPV4_HEADER_LEN + len, id, flags, ttl, protocol, src, dst, trafficClass)
    exit.transmit(frame, packetOff, headroomBytes + len)
  }
  return undefined
}
