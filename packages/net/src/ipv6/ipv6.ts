/**
 * IPv6 for a host with one interface (RFC 8200, RFC 8504): packets in and out. Extension headers are followed in wire/ipv6.ts,
 * fragments are in fragments.ts, and control.ts has what stands beside: neighbours.ts (who is where), autoconf.ts (who are we),
 * routers.ts (who routes), discovery.ts (the messages of them), mld.ts (which groups). ICMPv6 for everybody else is in icmpv6.ts.
 *
 * Not here: several interfaces, forwarding, IPsec, jumbograms, flow labels.
 */
import { IPV6_ANY, ipv6MulticastMac, ipv6ToString, isIpv4, isIpv6Multicast } from '@mirage-ts/core/addresses'
import { frameOf } from '@mirage-ts/core/bytes'
import { type Counters, createCounters } from '@mirage-ts/core/metrics'
import type { IpAddress, Ipv6 } from '@mirage-ts/signatures/addresses'
import type { Frame } from '@mirage-ts/signatures/bytes'
import type { Ethernet } from '@mirage-ts/signatures/ethernet'
import type { IpErrorKind } from '@mirage-ts/signatures/ip'
import type { Random } from '@mirage-ts/signatures/random'
import type { Instant, MonotonicClock } from '@mirage-ts/signatures/time'
import { hopsFrom } from '../ip/hop-limit.ts'
import { IpListeners } from '../ip/listeners.ts'
import { PathMtus } from '../ip/path-mtu.ts'
import { ETHERTYPE_IPV6 } from '../wire/ethernet.ts'
import { icmpv6Type, MLD_QUERY, ND_REDIRECT, ND_ROUTER_SOLICIT } from '../wire/icmpv6.ts'
import {
  emitIpv6,
  HEADER_FRAGMENT,
  IPV6_FRAGMENT_LEN,
  IPV6_HEADER_LEN,
  IPV6_LEAST_MTU,
  Ipv6Fragment,
  Ipv6Header,
  nextHeaderAt,
  PROTOCOL_ICMPV6,
  parseIpv6,
  parseQuotedIpv6,
  walkIpv6,
} from '../wire/ipv6.ts'
import type { Autoconf, OwnAddress } from './autoconf.ts'
import {
  type CountedIpv6,
  IPV6_COUNTERS,
  type Ipv6Deps,
  type Ipv6Options,
  type ParameterProblemHandler,
} from './contract.ts'
import { Ipv6Control } from './control.ts'
import type { DISCOVERY_COUNTERS, Discovery, RouterRole } from './discovery.ts'
import { cutIpv6, Ipv6Reassembly, MAX_PAYLOAD_LEN } from './fragments.ts'
import type { Neighbours } from './neighbours.ts'
import { chooseSource, scopeOf } from './source-address.ts'

const MULTICAST_HOP_LIMIT = 1

/**
 * Starts on the link. Its addresses are usable a second later, when nobody has objected (RFC 4862 §5.4); those that routers give
 * come when they come.
 */
export function createIpv6(deps: Ipv6Deps, options: Ipv6Options = {}): CountedIpv6 {
  return new Ipv6Layer(deps, options)
}

class Ipv6Layer extends IpListeners implements CountedIpv6 {
  readonly headroomBytes: number
  readonly isChecksumOffloaded: boolean
  addresses: readonly IpAddress[] = []
  readonly counters = createCounters(IPV6_COUNTERS)
  readonly ethernet: Ethernet
  private readonly clock: MonotonicClock
  readonly random: Random
  private readonly control: Ipv6Control
  // Of it, what every packet needs.
  private readonly neighbours: Neighbours
  private readonly autoconf: Autoconf
  private readonly discovery: Discovery
  private readonly groups: ReadonlyMap<Ipv6, number>
  private readonly reassembly: Ipv6Reassembly
  private readonly pathMtus = new PathMtus(IPV6_LEAST_MTU)
  private parameterHandler: ParameterProblemHandler | undefined
  private readonly header = new Ipv6Header()
  private readonly fragment = new Ipv6Fragment()
  private hopLimit: number
  private linkMtuBytes: number

  constructor(deps: Ipv6Deps, options: Ipv6Options) {
    super()
    const { ethernet, clock, random } = deps
    this.ethernet = ethernet
    this.clock = clock
    this.random = random
    this.headroomBytes = ethernet.headroomBytes + IPV6_HEADER_LEN
    this.isChecksumOffloaded = ethernet.offload.checksum
    this.linkMtuBytes = ethernet.mtuBytes
    this.hopLimit = hopsFrom('hopLimit', options.hopLimit)
    this.reassembly = new Ipv6Reassembly(this.counters, {
      whole: (frame, off) => this.followWhole(frame, off),
      problem: (code, pointer, frame, off, end) => this.parameterHandler?.(code, pointer, false, frame, off, end),
      timedOut: (first) => this.problemHandler?.('reassembly', frameOf(first), 0, first.length, 0),
    })
    this.control = new Ipv6Control(deps, options, this.counters, this.reassembly, {
      transmit: (frame, packetOff, end, hop) => this.transmit(frame, packetOff, end, hop),
      unanswered: (frame, off, end) => this.unanswered(frame, off, end),
      setAddresses: (addresses) => {
        this.addresses = addresses
      },
      setHopLimit: (hopLimit) => {
        this.hopLimit = hopLimit
      },
      setMtu: (mtuBytes) => {
        this.linkMtuBytes = Math.min(mtuBytes, ethernet.mtuBytes)
      },
    })
    this.neighbours = this.control.neighbours
    this.autoconf = this.control.autoconf
    this.discovery = this.control.discovery
    this.groups = this.control.groups
    ethernet.listen(ETHERTYPE_IPV6, (frame, off, end) => this.input(frame, off, end))
    this.control.start(options)
  }

  get discoveryCounters(): Readonly<Counters<(typeof DISCOVERY_COUNTERS)[number]>> {
    return this.discovery.counters
  }

  get reassemblyCount(): number {
    return this.reassembly.count
  }

  get neighbourCount(): number {
    return this.neighbours.count
  }

  get ownAddresses(): readonly OwnAddress[] {
    return this.autoconf.addresses
  }

  get nameservers(): readonly Ipv6[] {
    return this.autoconf.nameservers
  }

  get advertised(): CountedIpv6['advertised'] {
    return this.autoconf
  }

  addLent(address: Ipv6, preferredUntil: Instant, validUntil: Instant): void {
    this.control.addLent(address, preferredUntil, validUntil)
  }

  removeLent(address: Ipv6): void {
    this.autoconf.remove(address)
  }

  mtuBytes(dst: IpAddress): number {
    return this.pathMtu(dst) - IPV6_HEADER_LEN
  }

  maxPayloadBytes(): number {
    return MAX_PAYLOAD_LEN - IPV6_FRAGMENT_LEN
  }

  source(dst: IpAddress): IpAddress | undefined {
    return isIpv4(dst) || isIpv6Multicast(dst) ? undefined : this.datagramSource(dst)
  }

  datagramSource(dst: IpAddress): IpAddress | undefined {
    if (isIpv4(dst) || dst === IPV6_ANY) return undefined
    if (!isIpv6Multicast(dst) && this.discovery.nextHop(dst) === undefined) return undefined
    const src = chooseSource(this.control.usable(), dst)
    // An address that does not leave the link cannot be answered from beyond it (RFC 4007 §9).
    return src !== undefined && scopeOf(src) < Math.min(scopeOf(dst), 5) ? undefined : src
  }

  alloc(): Frame | undefined {
    return this.ethernet.alloc()
  }

  largeBytes(): number {
    return Math.max(0, this.ethernet.offload.tcp6Bytes - IPV6_HEADER_LEN)
  }

  allocLarge(): Frame | undefined {
    return this.ethernet.allocLarge()
  }

  doubt(dst: IpAddress): void {
    if (!isIpv4(dst)) this.control.doubt(dst)
  }

  free(frame: Frame): void {
    this.ethernet.free(frame)
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
    const hop = isIpv4(dst) ? undefined : isIpv6Multicast(dst) ? dst : this.discovery.nextHop(dst)
    if (isIpv4(src) || isIpv4(dst) || hop === undefined) {
      this.counters.noRoute++
      this.ethernet.free(frame)
      return
    }
    if (end - off > this.mtuBytes(dst) && frame.segmentBytes === 0) {
      this.sendFragments(frame.u8, off, end, protocol, src, dst, hop, trafficClass ?? 0)
      this.ethernet.free(frame)
      return
    }
    // Under a stack of both families there may be room for the shorter header of IPv4 only: move the payload.
    const shift = Math.max(0, this.headroomBytes - off)
    if (shift > 0) {
      frame.u8.copyWithin(off + shift, off, end)
      frame.checksumFrom += shift
      frame.checksumAt += shift
    }
    const packetOff = off + shift - IPV6_HEADER_LEN
    emitIpv6(frame, packetOff, end - off, protocol, hopLimit ?? this.hopLimitFor(dst), src, dst, trafficClass ?? 0)
    this.transmit(frame, packetOff, end + shift, hop)
  }

  sendCopy(
    u8: Uint8Array,
    off: number,
    end: number,
    protocol: number,
    src: IpAddress,
    dst: IpAddress,
  ): 'no-buffer' | undefined {
    if (end - off > this.mtuBytes(dst)) {
      const hop = isIpv4(dst) ? undefined : isIpv6Multicast(dst) ? dst : this.discovery.nextHop(dst)
      if (hop !== undefined) return this.sendFragments(u8, off, end, protocol, src as Ipv6, dst as Ipv6, hop, 0)
      this.counters.noRoute++
      return undefined
    }
    const frame = this.ethernet.alloc()
    if (frame === undefined) return 'no-buffer'
    frame.u8.set(u8.subarray(off, end), this.headroomBytes)
    this.send(frame, this.headroomBytes, this.headroomBytes + end - off, protocol, src, dst)
    return undefined
  }

  listenParameterProblems(handler: ParameterProblemHandler): void {
    this.parameterHandler = handler
  }

  setRouterRole(role: RouterRole | undefined): void {
    this.discovery.router = role
  }

  listenRouters(handler: () => void): void {
    this.control.routerHandlers.push(handler)
  }

  listenAddresses(handler: (address: OwnAddress) => void): void {
    this.control.addressHandlers.push(handler)
  }

  join(group: IpAddress): void {
    if (isIpv4(group) || !isIpv6Multicast(group)) {
      throw new RangeError(`Cannot join ${isIpv4(group) ? 'an IPv4 group' : ipv6ToString(group)}: expected ff00::/8`)
    }
    this.control.setMember(group, true)
  }

  leave(group: IpAddress): void {
    if (!isIpv4(group)) this.control.setMember(group, false)
  }

  reportError(error: IpErrorKind, frame: Frame, off: number, end: number, mtuBytes = 0): void {
    const { header } = this
    if (!parseQuotedIpv6(frame, off, end, header, this.fragment) || !this.addresses.includes(header.src)) {
      this.counters.badQuote++
      return
    }
    const { src, dst, protocol, payloadOff } = header
    // RFC 8201 §4: nobody may claim less than the least MTU.
    if (error === 'fragmentation-needed' && mtuBytes >= IPV6_LEAST_MTU) {
      this.pathMtus.lower(dst, mtuBytes, this.linkMtuBytes, this.clock.now())
    }
    this.errorHandlers[protocol]?.(error, frame, payloadOff, end, src, dst)
  }

  private input(frame: Frame, off: number, end: number): void {
    const { header } = this
    const reason = parseIpv6(frame, off, end, header)
    if (reason !== undefined) {
      this.counters[reason]++
    } else if (isIpv6Multicast(header.src) || header.src === 1n || this.addresses.includes(header.src)) {
      this.counters.badSource++
    } else if (!this.autoconf.isUsable(header.dst) && !this.groups.has(header.dst)) {
      this.counters.notForUs++
    } else {
      this.follow(frame, off)
    }
  }

  /** Follows the extension headers of the packet at `off`, whose fixed header has been read, and delivers it. */
  private follow(frame: Frame, off: number): void {
    const { header } = this
    const reason = walkIpv6(frame, off, header)
    if (reason !== undefined) {
      this.counters[reason]++
      const isTold = reason === 'problem' || reason === 'problem-unicast'
      const { problemCode, problemAt, packetEnd } = header
      if (isTold) this.parameterHandler?.(problemCode, problemAt, reason === 'problem', frame, off, packetEnd)
    } else if (header.protocol === HEADER_FRAGMENT) {
      this.reassembly.input(frame, off, header, this.clock.now())
      this.control.arm()
    } else if (header.protocol === PROTOCOL_ICMPV6) {
      this.inputIcmp(frame, off)
    } else {
      this.deliver(frame, off)
    }
  }

  private deliver(frame: Frame, off: number): void {
    const { protocol, payloadOff, packetEnd, src, dst } = this.header
    const handler = this.handlers[protocol]
    if (handler !== undefined) {
      handler(frame, payloadOff, packetEnd, src, dst, off)
      return
    }
    this.counters.unknownProtocol++
    // RFC 4443 §3.4 code 1 points at the octet that names the protocol.
    const pointer = nextHeaderAt(frame, off, payloadOff) - off
    this.parameterHandler?.(1, pointer, false, frame, off, packetEnd)
  }

  /** Follows what stands behind the fragment header of a packet that is whole. */
  private followWhole(frame: Frame, off: number): void {
    // RFC 6980: neighbour discovery is never in pieces, so what is in pieces does not get there.
    if (this.header.protocol === PROTOCOL_ICMPV6) this.deliver(frame, off)
    else this.follow(frame, off)
  }

  /** What neighbour discovery and MLD say stays here; the rest is for ICMPv6. */
  private inputIcmp(frame: Frame, off: number): void {
    const { payloadOff, packetEnd } = this.header
    const type = packetEnd - payloadOff < 8 ? 0 : icmpv6Type(frame, payloadOff)
    if ((type >= ND_ROUTER_SOLICIT && type <= ND_REDIRECT) || type === MLD_QUERY) {
      this.control.input(frame, type, this.header)
    } else {
      this.deliver(frame, off)
    }
  }

  private sendFragments(
    u8: Uint8Array,
    off: number,
    end: number,
    protocol: number,
    src: Ipv6,
    dst: Ipv6,
    hop: Ipv6,
    trafficClass: number,
  ): 'no-buffer' | undefined {
    const fields = { protocol, src, dst, hopLimit: this.hopLimitFor(dst), trafficClass }
    const failure = cutIpv6(u8, off, end, this.pathMtu(dst), fields, this, (frame, packetOff, frameEnd) => {
      this.counters.fragmentsSent++
      this.transmit(frame, packetOff, frameEnd, hop)
    })
    if (failure !== undefined) this.counters.noBuffer++
    return failure
  }

  private transmit(frame: Frame, packetOff: number, end: number, hop: Ipv6): void {
    if (isIpv6Multicast(hop)) {
      this.ethernet.send(frame, packetOff, end, ETHERTYPE_IPV6, ipv6MulticastMac(hop))
      return
    }
    const armed = this.neighbours.nextDeadline()
    this.neighbours.send(frame, packetOff, end, hop, this.clock.now())
    if (this.neighbours.nextDeadline() < armed) this.control.arm()
  }

  /** Nobody answers for the next hop of this packet of ours. */
  private unanswered(frame: Frame, off: number, end: number): void {
    const { header } = this
    if (parseIpv6(frame, off, end, header) !== undefined) return
    const { protocol, payloadOff, packetEnd, src, dst } = header
    this.discovery.forget(dst)
    // RFC 4861 §7.2.2: the sender hears what a router would tell it, and that is our own transport.
    this.errorHandlers[protocol]?.('host-unreachable', frame, payloadOff, packetEnd, src, dst)
  }

  private pathMtu(dst: IpAddress): number {
    return this.pathMtus.isEmpty ? this.linkMtuBytes : this.pathMtus.get(dst, this.linkMtuBytes, this.clock.now())
  }

  private hopLimitFor(dst: Ipv6): number {
    return isIpv6Multicast(dst) ? MULTICAST_HOP_LIMIT : this.hopLimit
  }
}
