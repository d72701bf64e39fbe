/**
 * IPv4 for a host with one interface (RFC 791, RFC 1122 §3).
 *
 * Not here yet: fragmentation and reassembly (fragments are counted and dropped), several interfaces, forwarding,
 * multicast membership.
 */
import {
  IPV4_ANY,
  IPV4_BROADCAST,
  ipv4BroadcastOf,
  ipv4InCidr,
  ipv4ToString,
  isIpv4,
  isIpv4Multicast,
} from '@mirage-ts/core/addresses'
import { type Counters, createCounters } from '@mirage-ts/core/metrics'
import type { IpAddress, Ipv4, Ipv4Cidr } from '@mirage-ts/signatures/addresses'
import type { Arp } from '@mirage-ts/signatures/arp'
import type { Frame } from '@mirage-ts/signatures/bytes'
import type { Ethernet } from '@mirage-ts/signatures/ethernet'
import type { Ip, IpErrorHandler, IpErrorKind, IpHandler } from '@mirage-ts/signatures/ip'
import type { Random } from '@mirage-ts/signatures/random'
import { ETHERTYPE_IPV4 } from './wire/ethernet.ts'
import { emitIpv4, IPV4_HEADER_LEN, Ipv4Header, parseIpv4, parseQuotedIpv4 } from './wire/ipv4.ts'

const COUNTERS = [
  'truncated',
  'bad-version',
  'bad-header-length',
  'bad-total-length',
  'bad-checksum',
  'badSource',
  'notForUs',
  'fragment',
  'unknownProtocol',
  'badQuote',
  'noRoute',
  'tooLong',
] as const

/** RFC 1122 §3.2.1.7 wants at least the diameter of the Internet; 64 is what everybody uses (IANA ip-parameters). */
const DEFAULT_TTL = 64

export interface Ipv4Options {
  /** Our address and the network around it. */
  readonly cidr: Ipv4Cidr
  /** Where packets for other networks go; without one they have no route. */
  readonly gateway?: Ipv4 | undefined
}

/** IPv4 with its counters of dropped packets, by reason. */
export interface CountedIp extends Ip {
  readonly counters: Readonly<Counters<(typeof COUNTERS)[number]>>
}

/** Starts answering for the address on the link. */
export function createIpv4(
  { ethernet, arp, random }: { ethernet: Ethernet; arp: Arp; random: Random },
  options: Ipv4Options,
): CountedIp {
  const { cidr, gateway } = options
  if (gateway !== undefined && !ipv4InCidr(gateway, cidr)) {
    throw new RangeError(
      `Cannot use gateway ${ipv4ToString(gateway)}: it is outside of our own network ${ipv4ToString(cidr.address)}/${cidr.prefixBits}`,
    )
  }
  return new Ipv4Layer(ethernet, arp, random, cidr, gateway)
}

class Ipv4Layer implements CountedIp {
  readonly headroomBytes: number
  readonly addresses: readonly IpAddress[]
  readonly counters = createCounters(COUNTERS)
  private readonly ethernet: Ethernet
  private readonly arp: Arp
  private readonly cidr: Ipv4Cidr
  private readonly gateway: Ipv4 | undefined
  private readonly broadcast: Ipv4 | undefined
  /** By protocol number, 0 to 255. */
  private readonly handlers: (IpHandler | undefined)[] = new Array<undefined>(256).fill(undefined)
  private readonly errorHandlers: (IpErrorHandler | undefined)[] = new Array<undefined>(256).fill(undefined)
  private readonly header = new Ipv4Header()
  /** Identification of the next packet; the first is random so that a reboot does not repeat it (RFC 6864 §4). */
  private nextId: number

  constructor(ethernet: Ethernet, arp: Arp, random: Random, cidr: Ipv4Cidr, gateway: Ipv4 | undefined) {
    this.headroomBytes = ethernet.headroomBytes + IPV4_HEADER_LEN
    this.addresses = [cidr.address]
    this.ethernet = ethernet
    this.arp = arp
    this.cidr = cidr
    this.gateway = gateway
    this.broadcast = ipv4BroadcastOf(cidr)
    this.nextId = random.u32() & 0xffff
    arp.add(cidr.address)
    ethernet.listen(ETHERTYPE_IPV4, (frame, off, end) => this.input(frame, off, end))
  }

  mtuBytes(): number {
    return this.ethernet.mtuBytes - IPV4_HEADER_LEN
  }

  source(dst: IpAddress): IpAddress | undefined {
    return isIpv4(dst) && this.hasRoute(dst) ? this.cidr.address : undefined
  }

  alloc(): Frame | undefined {
    return this.ethernet.alloc()
  }

  free(frame: Frame): void {
    this.ethernet.free(frame)
  }

  send(frame: Frame, off: number, end: number, protocol: number, src: IpAddress, dst: IpAddress): void {
    if (!isIpv4(src) || !isIpv4(dst) || !this.hasRoute(dst)) {
      this.counters.noRoute++
      this.ethernet.free(frame)
      return
    }
    const packetOff = off - IPV4_HEADER_LEN
    if (end - packetOff > this.ethernet.mtuBytes) {
      this.counters.tooLong++
      this.ethernet.free(frame)
      return
    }
    emitIpv4(frame, packetOff, end - packetOff, this.nextId, DEFAULT_TTL, protocol, src, dst)
    this.nextId = (this.nextId + 1) & 0xffff
    const isOnLink = ipv4InCidr(dst, this.cidr)
    this.arp.send(frame, packetOff, end, ETHERTYPE_IPV4, isOnLink ? dst : (this.gateway as Ipv4))
  }

  listen(protocol: number, handler: IpHandler): void {
    this.handlers[protocol] = handler
  }

  listenErrors(protocol: number, handler: IpErrorHandler): void {
    this.errorHandlers[protocol] = handler
  }

  reportError(error: IpErrorKind, frame: Frame, off: number, end: number): void {
    const header = this.header
    // RFC 792: an error quotes the header and 64 bits of data at least.
    const isWhole = parseQuotedIpv4(frame, off, end, header) === undefined && end - off >= header.headerLen + 8
    const handler = isWhole && header.src === this.cidr.address ? this.errorHandlers[header.protocol] : undefined
    if (handler === undefined) {
      this.counters.badQuote++
      return
    }
    handler(error, frame, off + header.headerLen, end, header.src, header.dst)
  }

  /** Nothing is sent to groups or by broadcast yet, and nothing without a gateway to other networks. */
  private hasRoute(dst: Ipv4): boolean {
    if (dst === IPV4_ANY || dst === this.broadcast || dst >>> 28 >= 0xe) return false
    return this.gateway !== undefined || ipv4InCidr(dst, this.cidr)
  }

  private input(frame: Frame, off: number, end: number): void {
    const header = this.header
    const reason = parseIpv4(frame, off, end, header)
    if (reason !== undefined) {
      this.counters[reason]++
      return
    }
    const { src, dst } = header
    if (dst !== this.cidr.address && dst !== IPV4_BROADCAST && dst !== this.broadcast) {
      this.counters.notForUs++
      return
    }
    if (!this.isPossibleSource(src)) {
      this.counters.badSource++
      return
    }
    if (header.hasMoreFragments || header.fragmentOffset !== 0) {
      this.counters.fragment++
      return
    }
    const handler = this.handlers[header.protocol]
    if (handler === undefined) {
      this.counters.unknownProtocol++
      return
    }
    handler(frame, off + header.headerLen, off + header.totalLen, src, dst, off)
  }

  /** RFC 1122 §3.2.1.3: a host discards packets whose source is a broadcast, a group, "this host" or loopback. */
  private isPossibleSource(src: Ipv4): boolean {
    return !(
      src === IPV4_ANY ||
      src >>> 24 === 127 ||
      isIpv4Multicast(src) ||
      src >>> 28 === 0xf ||
      src === this.broadcast ||
      src === this.cidr.address
    )
  }
}
