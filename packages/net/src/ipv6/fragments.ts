/**
 * Fragments of IPv6 (RFC 8200 §4.5): putting together those that arrive, and cutting what is longer than the path takes.
 */
import { frameOf } from '@mirage-ts/core/bytes'
import type { Counters } from '@mirage-ts/core/metrics'
import { seconds } from '@mirage-ts/core/time'
import type { Ipv6 } from '@mirage-ts/signatures/addresses'
import type { Frame } from '@mirage-ts/signatures/bytes'
import type { Ethernet } from '@mirage-ts/signatures/ethernet'
import type { Random } from '@mirage-ts/signatures/random'
import type { Instant } from '@mirage-ts/signatures/time'
import { Reassembler } from '../ip/reassembly.ts'
import { PROTOCOL_TCP, PROTOCOL_UDP } from '../wire/ipv4.ts'
import {
  emitFragment,
  emitIpv6,
  HEADER_FRAGMENT,
  HEADER_HOP_BY_HOP,
  IPV6_FRAGMENT_LEN,
  IPV6_HEADER_LEN,
  Ipv6Fragment,
  type Ipv6Header,
  PROTOCOL_ICMPV6,
  parseFragment,
  parseIpv6,
  setPayloadLen,
  walkIpv6,
} from '../wire/ipv6.ts'
import type { IPV6_COUNTERS } from './contract.ts'

/** RFC 8200 §4.5. */
const REASSEMBLY_TIMEOUT = seconds(60)
export const MAX_PAYLOAD_LEN = 65535
/** Where the length of the payload stands in the fixed header. */
const PAYLOAD_LEN_AT = 4

/** What comes of a fragment. */
export interface FragmentEffects {
  /** All pieces of the packet at `off` are here; the header says what stands behind its fragment header. */
  whole(frame: Frame, off: number): void
  /** The sender is told of a mistake, `pointer` octets into the packet (RFC 4443 §3.4). */
  problem(code: number, pointer: number, frame: Frame, off: number, end: number): void
  timedOut(firstPacket: Uint8Array): void
}

/** The fragments that have come, bounded as {@link Reassembler} is. */
export class Ipv6Reassembly {
  private readonly counters: Counters<(typeof IPV6_COUNTERS)[number]>
  private readonly effects: FragmentEffects
  private readonly fragment = new Ipv6Fragment()
  private readonly reassembler: Reassembler

  constructor(counters: Counters<(typeof IPV6_COUNTERS)[number]>, effects: FragmentEffects) {
    this.counters = counters
    this.effects = effects
    this.reassembler = new Reassembler({
      timeout: REASSEMBLY_TIMEOUT,
      onTimeout: (first) => {
        counters.reassemblyTimeout++
        if (first !== undefined) effects.timedOut(first)
      },
    })
  }

  /** Datagrams of which a piece is missing. */
  get count(): number {
    return this.reassembler.count
  }

  nextDeadline(): Instant {
    return this.reassembler.nextDeadline()
  }

  poll(now: Instant): void {
    this.reassembler.poll(now)
  }

  /** The packet at `off`, read into `header` up to its fragment header, is a piece of another, or one in a single piece. */
  input(frame: Frame, off: number, header: Ipv6Header, now: Instant): void {
    const { fragment, counters } = this
    if (!parseFragment(frame, header.payloadOff, header.packetEnd, fragment)) {
      counters['bad-extension']++
      return
    }
    const fragmentOff = header.payloadOff
    const payloadOff = fragmentOff + IPV6_FRAGMENT_LEN
    const { offset, hasMore } = fragment
    if (offset === 0 && !hasMore) {
      // RFC 6946: a packet in one piece has nothing to do with others of that identification.
      this.behind(frame, off, payloadOff, header)
      return
    }
    if (offset === 0 && !hasWholeChain(frame, off, payloadOff, header, fragment.nextHeader)) {
      // RFC 7112 §5: who filters packets must find ports and types in the first piece.
      counters['bad-extension']++
      this.effects.problem(3, 0, frame, off, header.packetEnd)
      return
    }
    const key = `${header.src} ${header.dst} ${fragment.id}`
    const result = this.reassembler.input(key, frame.u8, off, payloadOff, header.packetEnd, offset, hasMore, now)
    if (result === undefined) return
    if (typeof result === 'string') {
      counters[result]++
      if (result === 'bad-length') this.effects.problem(0, PAYLOAD_LEN_AT, frame, off, header.packetEnd)
      if (result === 'too-long') this.effects.problem(0, fragmentOff + 2 - off, frame, off, header.packetEnd)
      return
    }
    const { packet } = result
    if (packet.length - IPV6_HEADER_LEN > MAX_PAYLOAD_LEN) {
      counters['too-long']++
      return
    }
    counters.reassembled++
    const whole = frameOf(packet)
    setPayloadLen(whole, 0, packet.length - IPV6_HEADER_LEN)
    parseIpv6(whole, 0, packet.length, header)
    // The fragment header stays, as that of a packet in one piece, so that an error may quote what it is about.
    const wholeFragmentOff = result.payloadOff - IPV6_FRAGMENT_LEN
    parseFragment(whole, wholeFragmentOff, packet.length, fragment)
    emitFragment(whole, wholeFragmentOff, fragment.nextHeader, 0, false, fragment.id)
    this.behind(whole, 0, result.payloadOff, header)
  }

  private behind(frame: Frame, off: number, payloadOff: number, header: Ipv6Header): void {
    header.protocol = this.fragment.nextHeader
    header.payloadOff = payloadOff
    // RFC 7045: a second fragment header is a trick.
    if (header.protocol === HEADER_FRAGMENT || header.protocol === HEADER_HOP_BY_HOP) this.counters['bad-extension']++
    else this.effects.whole(frame, off)
  }
}

/** True when the first piece holds every header up to that of the transport, and that one too (RFC 7112 §5, RFC 8200 §4.5). */
function hasWholeChain(frame: Frame, off: number, payloadOff: number, header: Ipv6Header, nextHeader: number): boolean {
  header.protocol = nextHeader
  header.payloadOff = payloadOff
  const reason = walkIpv6(frame, off, header)
  // What cannot be followed for other reasons is told of when the whole is here.
  if (reason !== undefined) return reason !== 'bad-extension'
  const { protocol } = header
  const least = protocol === PROTOCOL_TCP ? 20 : protocol === PROTOCOL_UDP || protocol === PROTOCOL_ICMPV6 ? 8 : 0
  return header.packetEnd - header.payloadOff >= least
}

/** What every fragment of a packet has in common. */
export interface FragmentFields {
  readonly protocol: number
  readonly src: Ipv6
  readonly dst: Ipv6
  readonly hopLimit: number
  readonly trafficClass: number
}

/**
 * Cuts `u8[off, end)` into pieces for packets of up to `mtuBytes`, each in a buffer of `ethernet` with its headers in front, and
 * hands them to `transmit`.
 */
export function cutIpv6(
  u8: Uint8Array,
  off: number,
  end: number,
  mtuBytes: number,
  fields: FragmentFields,
  { ethernet, random, headroomBytes }: { ethernet: Ethernet; random: Random; headroomBytes: number },
  transmit: (frame: Frame, packetOff: number, end: number) => void,
): 'no-buffer' | undefined {
  const { protocol, src, dst, hopLimit, trafficClass } = fields
  const pieceLen = (mtuBytes - IPV6_HEADER_LEN - IPV6_FRAGMENT_LEN) & ~7
  // RFC 7739: nobody must be able to guess the next identification.
  const id = random.u32()
  for (let at = off; at < end; at += pieceLen) {
    const frame = ethernet.alloc()
    if (frame === undefined) return 'no-buffer'
    const pieceEnd = Math.min(end, at + pieceLen)
    const fragmentOff = headroomBytes
    const frameEnd = fragmentOff + IPV6_FRAGMENT_LEN + pieceEnd - at
    frame.u8.set(u8.subarray(at, pieceEnd), fragmentOff + IPV6_FRAGMENT_LEN)
    emitFragment(frame, fragmentOff, protocol, at - off, pieceEnd < end, id)
    const packetOff = fragmentOff - IPV6_HEADER_LEN
    emitIpv6(frame, packetOff, frameEnd - fragmentOff, HEADER_FRAGMENT, hopLimit, src, dst, trafficClass)
    transmit(frame, packetOff, frameEnd)
  }
  return undefined
}
