/** What a router does with packets that are not for it (RFC 1812 §5): passes them on, or tells their senders why not. */
import { IPV4_ANY } from '@mirage-ts/core/addresses'
import type { Counters } from '@mirage-ts/core/metrics'
import { completeChecksum, copyOffload } from '@mirage-ts/core/offload'
import type { Ipv4 } from '@mirage-ts/signatures/addresses'
import type { Frame } from '@mirage-ts/signatures/bytes'
import type { IpProblem } from '@mirage-ts/signatures/icmp'
import { Segmenter } from '../segmentation.ts'
import { decrementTtl, IPV4_HEADER_LEN, type Ipv4Header, parseIpv4 } from '../wire/ipv4.ts'
import type { IPV4_COUNTERS } from './contract.ts'
import type { Ipv4Interface } from './interface.ts'
import type { RouteTable } from './routes.ts'

/** How packets leave, and who hears of those that do not. */
export interface Ipv4Exits {
  /** A buffer of `link`, or nothing while it is busy. */
  alloc(link: Ipv4Interface): Frame | undefined
  /** Sends a finished packet in a buffer of `link` to `hop`, a neighbour. */
  transmit(frame: Frame, packetOff: number, end: number, link: Ipv4Interface, hop: Ipv4): void
  /** Sends the payload `u8[off, end)` in pieces of up to `mtuBytes` with the fields of `header`. */
  sendFragments(
    u8: Uint8Array,
    off: number,
    end: number,
    link: Ipv4Interface,
    hop: Ipv4,
    mtuBytes: number,
    header: Readonly<Ipv4Header>,
  ): void
  /** The packet `[off, end)` goes no further. */
  problem(problem: IpProblem, frame: Frame, off: number, end: number, mtuBytes: number): void
}

export class Ipv4Forwarder {
  private readonly counters: Counters<(typeof IPV4_COUNTERS)[number]>
  private readonly routes: RouteTable<Ipv4Interface>
  private readonly exits: Ipv4Exits
  private readonly segmenter = new Segmenter()

  constructor(counters: Counters<(typeof IPV4_COUNTERS)[number]>, routes: RouteTable<Ipv4Interface>, exits: Ipv4Exits) {
    this.counters = counters
    this.routes = routes
    this.exits = exits
  }

  /** Takes the packet `[off, end)`, borrowed, whose header has been read into `header`; that is changed. */
  input(frame: Frame, off: number, end: number, header: Ipv4Header): void {
    const { src, dst, headerLen } = header
    const isLocal = src >>> 16 === 0xa9fe || dst >>> 16 === 0xa9fe // RFC 3927 §7: link-local never leaves its link
    if (dst >>> 28 >= 0xe || dst >>> 24 === 0 || dst >>> 24 === 127 || src === IPV4_ANY || isLocal) {
      this.counters.notForUs++
      return
    }
    if (header.ttl <= 1) {
      this.counters.hopLimit++
      this.exits.problem('hop-limit', frame, off, end, 0)
      return
    }
    const route = this.routes.find(dst)
    // RFC 2644: a directed broadcast is not passed on.
    if (route === undefined || dst === route.link.broadcast) {
      this.counters.noRoute++
      if (route === undefined) this.exits.problem('network', frame, off, end, 0)
      return
    }
    if (frame.segmentBytes > 0) {
      // Of the pieces, each is looked at anew: it may still be too long for the way.
      const isWhole = this.segmenter.cut(frame, off, off, end, (piece, from, to) => {
        if (parseIpv4(piece, from, to, header) === undefined) this.input(piece, from, to, header)
      })
      if (!isWhole) this.counters['bad-length']++
      return
    }
    const { link } = route
    const mtuBytes = link.ethernet.mtuBytes
    const hop = route.gateway ?? dst
    if (end - off > mtuBytes) {
      // Options would have to be shared out among the pieces (RFC 791 §3.1): nobody sends them, so nobody gets pieces.
      if (header.isDontFragment || headerLen > IPV4_HEADER_LEN) {
        this.counters.tooLong++
        this.exits.problem('too-big', frame, off, end, mtuBytes)
        return
      }
      header.ttl--
      completeChecksum(frame, end)
      this.exits.sendFragments(frame.u8, off + headerLen, end, link, hop, mtuBytes, header)
      return
    }
    this.passOn(frame, off, end, link, hop)
  }

  /** Copies the packet into a buffer of `link`, one hop older. */
  private passOn(frame: Frame, off: number, end: number, link: Ipv4Interface, hop: Ipv4): void {
    const copy = this.exits.alloc(link)
    if (copy === undefined) {
      this.counters.noBuffer++
      return
    }
    const to = link.ethernet.headroomBytes
    copy.u8.set(frame.u8.subarray(off, end), to)
    copyOffload(frame, copy, to - off)
    completeChecksum(copy, to + end - off)
    decrementTtl(copy, to)
    this.counters.forwarded++
    this.exits.transmit(copy, to, to + end - off, link, hop)
  }
}
