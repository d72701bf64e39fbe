/**
 * IPv4 for hosts and small routers (RFC 791, RFC 1122 §3, RFC 1812 §4-5).
 *
 * One interface as a rule, more with `addInterface`; packets are passed on between them when `forwarding` is set. Packets leave
 * whole and marked "don't fragment" unless the path is known not to take them. Beside it: fragments.ts, routes.ts (which way),
 * forwarder.ts (what a router does), groups.ts; arp.ts (who is where), icmp.ts and igmp.ts stand on the contracts alone.
 *
 * Not here: source routes and other options (skipped, RFC 7126), loopback, equal-cost routes, redirects sent.
 */
import {
  IPV4_ALL_HOSTS,
  IPV4_ANY,
  IPV4_BROADCAST,
  ipv4InCidr,
  ipv4MulticastMac,
  ipv4ToString,
  isIpv4,
  isIpv4Multicast,
  MAC_BROADCAST,
} from '@mirage-ts/core/addresses'
import { frameOf } from '@mirage-ts/core/bytes'
import { createCounters } from '@mirage-ts/core/metrics'
import type { IpAddress, Ipv4, Ipv4Cidr } from '@mirage-ts/signatures/addresses'
import type { Frame } from '@mirage-ts/signatures/bytes'
import type { IpErrorKind, Ipv4Config } from '@mirage-ts/signatures/ip'
import type { Random } from '@mirage-ts/signatures/random'
import type { MonotonicClock, Time } from '@mirage-ts/signatures/time'
import { hopsFrom } from '../ip/hop-limit.ts'
import { IpListeners } from '../ip/listeners.ts'
import { PathMtus, plateauBelow } from '../ip/path-mtu.ts'
import { ETHERTYPE_IPV4 } from '../wire/ethernet.ts'
import {
  DONT_FRAGMENT,
  emitIpv4,
  FRAGMENT_OFFSET_MASK,
  IPV4_HEADER_LEN,
  IPV4_MAX_LEN,
  Ipv4Header,
  MORE_FRAGMENTS,
  parseIpv4,
  parseQuotedIpv4,
} from '../wire/ipv4.ts'
import { type CountedIp, IPV4_COUNTERS, type Ipv4Options } from './contract.ts'
import { Ipv4Forwarder } from './forwarder.ts'
import { cutIpv4, Ipv4Reassembly } from './fragments.ts'
import { Ipv4Groups, type MembershipHandler } from './groups.ts'
import { Ipv4Interface, type Ipv4Link } from './interface.ts'
import { RouteTable } from './routes.ts'

/** RFC 1112 §6.1: "If the upper-layer protocol chooses not to specify a time-to-live, it should default to 1". */
const MULTICAST_TTL = 1
/** The least path MTU believed: as Linux. Below it, an error nobody can check would cost too much. */
const LEAST_PATH_MTU = 552

/** Starts answering for the address on the link. */
export function createIpv4(
  { ethernet, arp, random, clock, time }: Ipv4Link & { random: Random; clock: MonotonicClock; time: Time },
  options: Ipv4Options = {},
): CountedIp {
  const ip = new Ipv4Layer(random, clock, time, options.forwarding === true, hopsFrom('timeToLive', options.timeToLive))
  const config = options.cidr === undefined ? undefined : { cidr: options.cidr, gateway: options.gateway }
  ip.addInterface({ ethernet, arp }, config)
  return ip
}

class Ipv4Layer extends IpListeners implements CountedIp {
  headroomBytes = 0
  addresses: readonly IpAddress[] = []
  readonly counters = createCounters(IPV4_COUNTERS)
  private readonly clock: MonotonicClock
  /** Of a router. */
  private readonly forwarder: Ipv4Forwarder | undefined
  private readonly ttl: number
  private readonly interfaces: Ipv4Interface[] = []
  private readonly routes = new RouteTable<Ipv4Interface>()
  private readonly pathMtus = new PathMtus(LEAST_PATH_MTU)
  private readonly groups = new Ipv4Groups()
  private readonly header = new Ipv4Header()
  private readonly tx = new Ipv4Header()
  private readonly reassembly: Ipv4Reassembly
  /** Whose buffer a frame is, once there are several interfaces. */
  private readonly owners = new WeakMap<Frame, Ipv4Interface>()
  /** Identification of the next packet; the first is random so that a reboot does not repeat it (RFC 6864 §4). */
  private nextId: number
  /** What `resolve` found: where packets for `outDst` go, and to whom there. Good for the next packet, until routes change. */
  private outDst: Ipv4 | undefined
  private outLink: Ipv4Interface | undefined
  private outHop: Ipv4 = IPV4_ANY

  constructor(random: Random, clock: MonotonicClock, time: Time, isForwarding: boolean, ttl: number) {
    super()
    this.clock = clock
    this.forwarder = isForwarding
      ? new Ipv4Forwarder(this.counters, this.routes, {
          alloc: (link) => this.allocFrom(link),
          transmit: (frame, packetOff, end, link, hop) => this.transmit(frame, packetOff, end, link, hop),
          sendFragments: (u8, off, end, link, hop, mtuBytes, header) => {
            this.sendFragments(u8, off, end, link, hop, mtuBytes, header)
          },
          problem: (problem, frame, off, end, mtuBytes) => this.problemHandler?.(problem, frame, off, end, mtuBytes),
        })
      : undefined
    this.ttl = ttl
    this.nextId = random.u32() & 0xffff
    this.reassembly = new Ipv4Reassembly(this.counters, { clock, time }, (first) => {
      this.problemHandler?.('reassembly', frameOf(first), 0, first.length, 0)
    })
  }

  get reassemblyCount(): number {
    return this.reassembly.count
  }

  addInterface(link: Ipv4Link, config: Ipv4Config | undefined): void {
    const one = new Ipv4Interface(link)
    this.interfaces.push(one)
    this.headroomBytes = Math.max(this.headroomBytes, link.ethernet.headroomBytes + IPV4_HEADER_LEN)
    this.setConfig(one, config)
    link.ethernet.listen(ETHERTYPE_IPV4, (frame, off, end) => this.input(one, frame, off, end))
    link.arp.listenUnresolved((frame, off, end, hop) => this.unresolved(frame, off, end, hop))
  }

  configure(config: Ipv4Config | undefined): void {
    this.setConfig(this.interfaces[0] as Ipv4Interface, config)
  }

  private setConfig(one: Ipv4Interface, config: Ipv4Config | undefined): void {
    if (config?.gateway !== undefined && !ipv4InCidr(config.gateway, config.cidr)) {
      const { address, prefixBits } = config.cidr
      throw new RangeError(
        `Cannot use gateway ${ipv4ToString(config.gateway)}: it is outside of our own network ${ipv4ToString(address)}/${prefixBits}`,
      )
    }
    const previous = one.cidr.address
    this.outDst = undefined
    this.routes.removeLink(one)
    one.configure(config?.cidr)
    if (previous !== IPV4_ANY && previous !== one.cidr.address) one.arp.remove(previous)
    if (config !== undefined) {
      this.routes.add(config.cidr, one, undefined)
      if (config.gateway !== undefined) this.routes.add({ address: IPV4_ANY, prefixBits: 0 }, one, config.gateway)
      one.arp.add(config.cidr.address)
    }
    this.addresses = this.interfaces.map((each) => each.cidr.address).filter((address) => address !== IPV4_ANY)
  }

  addRoute(network: Ipv4Cidr, gateway: Ipv4): void {
    const link = this.interfaces.find((one) => ipv4InCidr(gateway, one.cidr))
    if (link === undefined) {
      throw new RangeError(`Cannot route over ${ipv4ToString(gateway)}: it is in none of our networks`)
    }
    this.outDst = undefined
    this.routes.add(network, link, gateway)
  }

  mtuBytes(dst: IpAddress): number {
    const link = isIpv4(dst) ? this.linkTo(dst) : undefined
    return (link === undefined ? 576 : this.pathMtu(dst as Ipv4, link)) - IPV4_HEADER_LEN
  }

  maxPayloadBytes(): number {
    return IPV4_MAX_LEN - IPV4_HEADER_LEN
  }

  source(dst: IpAddress): IpAddress | undefined {
    if (!isIpv4(dst) || dst === IPV4_ANY || dst >>> 28 >= 0xe || !this.resolve(dst, IPV4_ANY)) return undefined
    const link = this.outLink as Ipv4Interface
    return dst === link.broadcast ? undefined : link.cidr.address
  }

  datagramSource(dst: IpAddress): IpAddress | undefined {
    if (dst !== this.outDst) {
      if (!isIpv4(dst)) return undefined
      if (dst === IPV4_BROADCAST || isIpv4Multicast(dst)) return (this.interfaces[0] as Ipv4Interface).cidr.address
    }
    return this.resolve(dst as Ipv4, IPV4_ANY) ? (this.outLink as Ipv4Interface).cidr.address : undefined
  }

  alloc(dst?: IpAddress): Frame | undefined {
    const first = this.interfaces[0] as Ipv4Interface
    if (this.interfaces.length === 1) return first.ethernet.alloc()
    const link = (dst !== undefined && isIpv4(dst) ? this.linkTo(dst) : undefined) ?? first
    return this.allocFrom(link)
  }

  /** With several interfaces a packet may leave by another than it was made for: nothing is left to any of them. */
  get isChecksumOffloaded(): boolean {
    return this.interfaces.length === 1 && (this.interfaces[0] as Ipv4Interface).ethernet.offload.checksum
  }

  largeBytes(): number {
    if (this.interfaces.length > 1) return 0
    return Math.max(0, (this.interfaces[0] as Ipv4Interface).ethernet.offload.tcp4Bytes - IPV4_HEADER_LEN)
  }

  allocLarge(): Frame | undefined {
    return this.interfaces.length === 1 ? (this.interfaces[0] as Ipv4Interface).ethernet.allocLarge() : undefined
  }

  free(frame: Frame): void {
    this.ownerOf(frame).ethernet.free(frame)
  }

  send(
    frame: Frame,
    off: number,
    end: number,
    protocol: number,
    src: IpAddress,
    dst: IpAddress,
    trafficClass?: number,
    hopLimit?: number,
  ): void {
    if (!isIpv4(src) || !isIpv4(dst) || !this.resolve(dst, src)) {
      this.counters.noRoute++
      this.free(frame)
      return
    }
    const link = this.outLink as Ipv4Interface
    const packetOff = off - IPV4_HEADER_LEN
    const mtuBytes = this.pathMtu(dst, link)
    const id = this.takeId()
    const ttl = hopLimit ?? (isIpv4Multicast(dst) ? MULTICAST_TTL : this.ttl)
    if (end - packetOff > mtuBytes && frame.segmentBytes === 0) {
      this.fillTx(id, ttl, protocol, src, dst, trafficClass ?? 0)
      this.sendFragments(frame.u8, off, end, link, this.outHop, mtuBytes, this.tx)
      this.free(frame)
      return
    }
    emitIpv4(frame, packetOff, end - packetOff, id, DONT_FRAGMENT, ttl, protocol, src, dst, trafficClass ?? 0)
    this.transmit(frame, packetOff, end, link, this.outHop)
  }

  sendCopy(
    u8: Uint8Array,
    off: number,
    end: number,
    protocol: number,
    src: IpAddress,
    dst: IpAddress,
  ): 'no-buffer' | undefined {
    if (!isIpv4(src) || !isIpv4(dst) || !this.resolve(dst, src)) {
      this.counters.noRoute++
      return undefined
    }
    const link = this.outLink as Ipv4Interface
    const mtuBytes = this.pathMtu(dst, link)
    if (end - off > mtuBytes - IPV4_HEADER_LEN) {
      this.fillTx(this.takeId(), isIpv4Multicast(dst) ? MULTICAST_TTL : this.ttl, protocol, src, dst, 0)
      return this.sendFragments(u8, off, end, link, this.outHop, mtuBytes, this.tx)
    }
    const frame = this.allocFrom(link)
    if (frame === undefined) return 'no-buffer'
    frame.u8.set(u8.subarray(off, end), this.headroomBytes)
    this.send(frame, this.headroomBytes, this.headroomBytes + end - off, protocol, src, dst)
    return undefined
  }

  listenMembership(handler: MembershipHandler): void {
    this.groups.listen(handler)
  }

  join(group: IpAddress): void {
    this.groups.join(group)
  }

  leave(group: IpAddress): void {
    this.groups.leave(group)
  }

  sendToGroup(frame: Frame, packetOff: number, end: number, group: Ipv4): void {
    this.transmit(frame, packetOff, end, this.interfaces[0] as Ipv4Interface, group)
  }

  reportError(error: IpErrorKind, frame: Frame, off: number, end: number, mtuBytes = 0): void {
    const header = this.header
    // RFC 792: an error quotes the header and 64 bits of data at least.
    const isWhole = parseQuotedIpv4(frame, off, end, header) === undefined && end - off >= header.headerLen + 8
    if (!isWhole || !this.addresses.includes(header.src)) {
      this.counters.badQuote++
      return
    }
    const { headerLen, protocol, src, dst } = header
    const link = error === 'fragmentation-needed' ? this.linkTo(dst) : undefined
    if (link !== undefined) {
      const limit = mtuBytes < 68 ? plateauBelow(header.totalLen) : mtuBytes
      this.pathMtus.lower(dst, limit, link.ethernet.mtuBytes, this.clock.now())
    }
    this.errorHandlers[protocol]?.(error, frame, off + headerLen, end, src, dst)
  }

  redirect(from: Ipv4, gateway: Ipv4, frame: Frame, off: number, end: number): void {
    const { header } = this
    const isOurs = parseQuotedIpv4(frame, off, end, header) === undefined && this.addresses.includes(header.src)
    const { dst } = header
    // RFC 1122 §3.2.2.2: only the router that we send through knows better, and only of one on the same link.
    const link = isOurs && this.forwarder === undefined ? this.linkTo(dst) : undefined
    const isBelieved = link !== undefined && this.outHop === from && from !== dst && ipv4InCidr(gateway, link.cidr)
    if (!isBelieved || gateway === link.broadcast || this.addresses.includes(gateway)) {
      this.counters.badQuote++
      return
    }
    this.counters.redirects++
    this.routes.redirect(dst, link, gateway)
    this.outDst = undefined
  }

  /** Nobody has answered for `hop`, and this packet waited for it. */
  private unresolved(frame: Frame, off: number, end: number, hop: Ipv4): void {
    const { header } = this
    if (this.routes.endRedirects(hop)) this.outDst = undefined
    if (parseQuotedIpv4(frame, off, end, header) !== undefined) return
    const { protocol, headerLen, src, dst } = header
    // A packet of ours is our transports' concern, one that we pass on that of its sender (RFC 1812 §5.2.7.1).
    if (!this.addresses.includes(src)) this.problemHandler?.('host', frame, off, end, 0)
    else this.errorHandlers[protocol]?.('host-unreachable', frame, off + headerLen, end, src, dst)
  }

  private input(link: Ipv4Interface, frame: Frame, off: number, end: number): void {
    const header = this.header
    const reason = parseIpv4(frame, off, end, header)
    if (reason !== undefined) {
      this.counters[reason]++
      return
    }
    if (!link.isPossibleSource(header.src, header.dst, this.addresses)) {
      this.counters.badSource++
      return
    }
    const packetEnd = off + header.totalLen
    if (!this.isForUs(link, header.dst)) {
      if (this.forwarder === undefined) this.counters.notForUs++
      else this.forwarder.input(frame, off, packetEnd, header)
    } else if ((header.fragment & (MORE_FRAGMENTS | FRAGMENT_OFFSET_MASK)) !== 0) {
      const whole = this.reassembly.input(frame, off, packetEnd, header)
      if (whole !== undefined) this.deliver(whole, 0, whole.u8.length)
    } else {
      this.deliver(frame, off, packetEnd)
    }
  }

  /** Hands a whole packet, whose header has been read, to its protocol. */
  private deliver(frame: Frame, off: number, end: number): void {
    const { protocol, headerLen, src, dst } = this.header
    const handler = this.handlers[protocol]
    if (handler === undefined) {
      this.counters.unknownProtocol++
      this.problemHandler?.('protocol', frame, off, end, 0)
      return
    }
    handler(frame, off + headerLen, end, src, dst, off)
  }

  /** Sends `u8[off, end)` in pieces with the fields of `h`, which may be those of a piece themselves. */
  private sendFragments(
    u8: Uint8Array,
    off: number,
    end: number,
    link: Ipv4Interface,
    hop: Ipv4,
    mtuBytes: number,
    h: Readonly<Ipv4Header>,
  ): 'no-buffer' | undefined {
    const outcome = cutIpv4(u8, off, end, mtuBytes, h, this.headroomBytes, {
      alloc: () => this.allocFrom(link),
      transmit: (frame, packetOff, frameEnd) => {
        this.counters.fragmentsSent++
        this.transmit(frame, packetOff, frameEnd, link, hop)
      },
    })
    if (outcome === 'no-buffer') this.counters.noBuffer++
    return outcome
  }

  /** Sets the fields of the packet that is about to be cut into pieces. */
  private fillTx(id: number, ttl: number, protocol: number, src: Ipv4, dst: Ipv4, trafficClass: number): void {
    const tx = this.tx
    tx.id = id
    tx.ttl = ttl
    tx.protocol = protocol
    tx.src = src
    tx.dst = dst
    tx.trafficClass = trafficClass
  }

  /** Sends a finished packet over `link` to `hop`, a neighbour, a group or everybody. */
  private transmit(frame: Frame, packetOff: number, end: number, link: Ipv4Interface, hop: Ipv4): void {
    const owner = this.ownerOf(frame)
    if (owner !== link) {
      const copy = this.allocFrom(link)
      copy?.u8.set(frame.u8.subarray(packetOff, end), packetOff)
      owner.ethernet.free(frame)
      if (copy === undefined) this.counters.noBuffer++
      else this.transmit(copy, packetOff, end, link, hop)
    } else if (isIpv4Multicast(hop)) {
      link.ethernet.send(frame, packetOff, end, ETHERTYPE_IPV4, ipv4MulticastMac(hop))
    } else if (hop === IPV4_BROADCAST || hop === link.broadcast) {
      link.ethernet.send(frame, packetOff, end, ETHERTYPE_IPV4, MAC_BROADCAST)
    } else {
      link.arp.send(frame, packetOff, end, ETHERTYPE_IPV4, hop)
    }
  }

  /** Finds where a packet goes and leaves it in `outLink` and `outHop`; false when there is no way. */
  private resolve(dst: Ipv4, src: Ipv4): boolean {
    if (dst === this.outDst) return true
    this.outDst = undefined
    if (dst === IPV4_BROADCAST || isIpv4Multicast(dst)) {
      // RFC 1122 §3.3.4.2: the source says which interface is meant.
      this.outLink = this.interfaces.find((one) => one.cidr.address === src) ?? this.interfaces[0]
      this.outHop = dst
      return true
    }
    // Nobody can be called 0.0.0.0 or have an address of class E.
    const route = dst === IPV4_ANY || dst >>> 28 === 0xf ? undefined : this.routes.find(dst)
    if (route === undefined) return false
    this.outDst = dst
    this.outLink = route.link
    this.outHop = route.gateway ?? dst
    return true
  }

  private linkTo(dst: Ipv4): Ipv4Interface | undefined {
    return this.resolve(dst, IPV4_ANY) ? this.outLink : undefined
  }

  private pathMtu(dst: Ipv4, link: Ipv4Interface): number {
    return this.pathMtus.isEmpty
      ? link.ethernet.mtuBytes
      : this.pathMtus.get(dst, link.ethernet.mtuBytes, this.clock.now())
  }

  private allocFrom(link: Ipv4Interface): Frame | undefined {
    const frame = link.ethernet.alloc()
    if (frame !== undefined && this.interfaces.length > 1) this.owners.set(frame, link)
    return frame
  }

  private ownerOf(frame: Frame): Ipv4Interface {
    const first = this.interfaces[0] as Ipv4Interface
    return this.interfaces.length === 1 ? first : (this.owners.get(frame) ?? first)
  }

  private takeId(): number {
    const id = this.nextId
    this.nextId = (id + 1) & 0xffff
    return id
  }

  private isForUs(link: Ipv4Interface, dst: Ipv4): boolean {
    if (dst === link.cidr.address) return dst !== IPV4_ANY
    if (dst === IPV4_BROADCAST || dst === link.broadcast) return true
    if (isIpv4Multicast(dst)) return dst === IPV4_ALL_HOSTS || this.groups.has(dst)
    // RFC 1122 §3.3.4.2: a host may refuse what comes by the wrong interface (strong model); a router must not.
    return this.forwarder !== undefined && this.addresses.includes(dst)
  }
}
