/**
 * IPv6 for a host with one interface (RFC 8200, RFC 8504): packets in and out, extension headers, fragments, and the timer
 * of what stands beside it: neighbours.ts (who is where), autoconf.ts (who are we), routers.ts (who routes), discovery.ts (the messages of
 * both), mld.ts (which groups). ICMPv6 for everybody else is in icmpv6.ts.
 *
 * Not here: several interfaces, forwarding, IPsec, jumbograms, flow labels.
 */
import {
  IPV6_ALL_NODES,
  IPV6_ANY,
  ipv6InCidr,
  ipv6MulticastMac,
  ipv6SolicitedNode,
  ipv6ToString,
  isIpv4,
  isIpv6LinkLocal,
  isIpv6Multicast,
} from '@mirage-ts/core/addresses'
import { frameOf } from '@mirage-ts/core/bytes'
import { type Counters, createCounters } from '@mirage-ts/core/metrics'
import { earlier, NEVER } from '@mirage-ts/core/time'
import type { IpAddress, Ipv6, Ipv6Cidr, Mac } from '@mirage-ts/signatures/addresses'
import type { Frame } from '@mirage-ts/signatures/bytes'
import type { Ethernet } from '@mirage-ts/signatures/ethernet'
import type { IpErrorHandler, IpErrorKind, IpHandler, IpProblemHandler } from '@mirage-ts/signatures/ip'
import type { Logger } from '@mirage-ts/signatures/log'
import type { Random } from '@mirage-ts/signatures/random'
import type { Alarm, Instant, MonotonicClock } from '@mirage-ts/signatures/time'
import { hopsFrom } from '../hop-limit.ts'
import { PathMtus } from '../path-mtu.ts'
import { ETHERTYPE_IPV6 } from '../wire/ethernet.ts'
import { checkIcmpv6, emitIcmpv6, icmpv6Type, MLD_QUERY, ND_REDIRECT, ND_ROUTER_SOLICIT } from '../wire/icmpv6.ts'
import {
  emitIpv6,
  HEADER_FRAGMENT,
  HEADER_HOP_BY_HOP,
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
import { Autoconf, type OwnAddress } from './autoconf.ts'
import {
  type CountedIpv6,
  IPV6_COUNTERS,
  type Ipv6Deps,
  type Ipv6Options,
  type ParameterProblemHandler,
} from './contract.ts'
import { type DISCOVERY_COUNTERS, Discovery, type RouterRole } from './discovery.ts'
import { cutIpv6, Ipv6Reassembly, MAX_PAYLOAD_LEN } from './fragments.ts'
import { InterfaceIds, interfaceSecret } from './interface-ids.ts'
import { Mld } from './mld.ts'
import { Neighbours } from './neighbours.ts'
import { chooseSource, scopeOf } from './source-address.ts'

const MULTICAST_HOP_LIMIT = 1
/** A hop-by-hop header with the router alert of MLD (RFC 2711, RFC 3810 §5). */
const ALERT_LEN = 8
/** Loopback ff01::1 beside ff02::1. */
const INTERFACE_ALL_NODES: Ipv6 = 0xff010000000000000000000000000001n as Ipv6

/**
 * Starts on the link. Its addresses are usable a second later, when nobody has objected (RFC 4862 §5.4); those that routers give
 * come when they come.
 */
export function createIpv6(deps: Ipv6Deps, options: Ipv6Options = {}): CountedIpv6 {
  return new Ipv6Layer(deps, options)
}

class Ipv6Layer implements CountedIpv6 {
  readonly headroomBytes: number
  readonly isChecksumOffloaded: boolean
  addresses: readonly IpAddress[] = []
  readonly counters = createCounters(IPV6_COUNTERS)
  readonly ethernet: Ethernet
  private readonly clock: MonotonicClock
  readonly random: Random
  private readonly log: Logger
  private readonly neighbours: Neighbours
  private readonly autoconf: Autoconf
  private readonly discovery: Discovery
  private readonly mld: Mld
  private readonly reassembly: Ipv6Reassembly
  private readonly pathMtus = new PathMtus(IPV6_LEAST_MTU)
  private readonly groups = new Map<Ipv6, number>([
    [IPV6_ALL_NODES, 1],
    [INTERFACE_ALL_NODES, 1],
  ])
  private readonly handlers: (IpHandler | undefined)[] = new Array<undefined>(256).fill(undefined)
  private readonly errorHandlers: (IpErrorHandler | undefined)[] = new Array<undefined>(256).fill(undefined)
  private readonly addressHandlers: ((address: OwnAddress) => void)[] = []
  private readonly routerHandlers: (() => void)[] = []
  private problemHandler: IpProblemHandler | undefined
  private parameterHandler: ParameterProblemHandler | undefined
  private readonly header = new Ipv6Header()
  private readonly fragment = new Ipv6Fragment()
  private readonly alarm: Alarm
  private alarmAt: Instant = NEVER
  private hopLimit: number
  private linkMtuBytes: number

  constructor({ ethernet, clock, time, random, log }: Ipv6Deps, options: Ipv6Options) {
    this.ethernet = ethernet
    this.clock = clock
    this.random = random
    this.log = log.logger('ipv6')
    this.headroomBytes = ethernet.headroomBytes + IPV6_HEADER_LEN
    this.isChecksumOffloaded = ethernet.offload.checksum
    this.linkMtuBytes = ethernet.mtuBytes
    this.alarm = time.alarm(() => this.poll())
    this.hopLimit = hopsFrom('hopLimit', options.hopLimit)
    this.reassembly = new Ipv6Reassembly(this.counters, {
      whole: (frame, off) => this.followWhole(frame, off),
      problem: (code, pointer, frame, off, end) => this.parameterHandler?.(code, pointer, false, frame, off, end),
      timedOut: (first) => this.problemHandler?.('reassembly', frameOf(first), 0, first.length, 0),
    })
    this.neighbours = new Neighbours(random, {
      solicit: (target, mac) => this.discovery.solicit(target, mac),
      noRouter: (address) => this.autoconf.routers.drop(address),
      transmit: (frame, off, end, mac) => this.ethernet.send(frame, off, end, ETHERTYPE_IPV6, mac),
      drop: (frame, off, end, why) => this.dropWaiting(frame, off, end, why),
    })
    const acceptRouterAdverts = options.acceptRouterAdvertisements ?? true
    const ids = new InterfaceIds(ethernet.mac, interfaceSecret(options.interfaceSecret, random))
    this.autoconf = new Autoconf(
      random,
      { ids, acceptRouterAdverts, hasTemporary: options.temporaryAddresses === true },
      {
        probe: (target) => this.discovery.probe(target),
        routerSolicit: () => this.discovery.routerSolicit(),
        changed: (address) => this.addressChanges(address),
        group: (address, isNeeded) => this.setGroup(ipv6SolicitedNode(address), isNeeded),
      },
    )
    this.discovery = new Discovery(ethernet.mac, this.autoconf, this.neighbours, {
      send: (type, rest, len, src, dst, mac, fill) => this.sendIcmp(type, rest, len, src, dst, mac, 0, fill),
      source: (dst) => chooseSource(this.usable(), dst) ?? IPV6_ANY,
      setHopLimit: (hopLimit) => {
        this.hopLimit = hopLimit
      },
      setMtu: (mtuBytes) => {
        this.linkMtuBytes = Math.min(mtuBytes, ethernet.mtuBytes)
      },
      advertised: () => {
        for (const handler of this.routerHandlers) handler()
      },
    })
    const maxRecords = Math.floor((IPV6_LEAST_MTU - IPV6_HEADER_LEN - ALERT_LEN - 8) / 20)
    this.mld = new Mld(random, maxRecords, (type, rest, len, dst, fill) => {
      const local = this.usable().find(({ address }) => isIpv6LinkLocal(address))?.address
      this.sendIcmp(type, rest, len, local ?? IPV6_ANY, dst, undefined, ALERT_LEN, fill)
    })
    ethernet.listen(ETHERTYPE_IPV6, (frame, off, end) => this.input(frame, off, end))
    const now = clock.now()
    this.autoconf.start(now)
    if (options.cidr !== undefined) this.autoconf.addStatic(options.cidr, now)
    if (options.gateway !== undefined)
      this.autoconf.routers.setGateway(this.checkedGateway(options.gateway, options.cidr))
    this.arm()
  }

  private checkedGateway(gateway: Ipv6, cidr: Ipv6Cidr | undefined): Ipv6 {
    if (isIpv6LinkLocal(gateway) || (cidr !== undefined && ipv6InCidr(gateway, cidr))) return gateway
    throw new RangeError(`Cannot use gateway ${ipv6ToString(gateway)}: it is neither link-local nor in our own network`)
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
    this.autoconf.addLent(address, preferredUntil, validUntil, this.clock.now())
    this.arm()
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
    const src = chooseSource(this.usable(), dst)
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
    const hop = isIpv4(dst) ? undefined : this.discovery.nextHop(dst)
    if (hop === undefined) return
    this.neighbours.doubt(hop, this.clock.now())
    this.arm()
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
    emitIpv6(frame, packetOff, end - off, protocol, this.hopLimitFor(dst), src, dst, trafficClass ?? 0)
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

  listen(protocol: number, handler: IpHandler): void {
    this.handlers[protocol] = handler
  }

  listenErrors(protocol: number, handler: IpErrorHandler): void {
    this.errorHandlers[protocol] = handler
  }

  listenProblems(handler: IpProblemHandler): void {
    this.problemHandler = handler
  }

  listenParameterProblems(handler: ParameterProblemHandler): void {
    this.parameterHandler = handler
  }

  setRouterRole(role: RouterRole | undefined): void {
    this.discovery.router = role
  }

  listenRouters(handler: () => void): void {
    this.routerHandlers.push(handler)
  }

  listenAddresses(handler: (address: OwnAddress) => void): void {
    this.addressHandlers.push(handler)
  }

  join(group: IpAddress): void {
    if (isIpv4(group) || !isIpv6Multicast(group)) {
      throw new RangeError(`Cannot join ${isIpv4(group) ? 'an IPv4 group' : ipv6ToString(group)}: expected ff00::/8`)
    }
    this.setGroup(group, true)
    this.arm()
  }

  leave(group: IpAddress): void {
    if (this.groups.has(group as Ipv6)) this.setGroup(group as Ipv6, false)
    this.arm()
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
      this.arm()
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
    const { payloadOff, packetEnd, src, dst, hopLimit } = this.header
    const type = packetEnd - payloadOff < 8 ? 0 : icmpv6Type(frame, payloadOff)
    const isDiscovery = type >= ND_ROUTER_SOLICIT && type <= ND_REDIRECT
    if (!isDiscovery && type !== MLD_QUERY) {
      this.deliver(frame, off)
      return
    }
    if (checkIcmpv6(frame, payloadOff, packetEnd, src, dst) !== undefined) {
      this.counters['bad-checksum']++
      return
    }
    const now = this.clock.now()
    if (isDiscovery) this.discovery.input(frame, payloadOff, packetEnd, src, dst, hopLimit, now)
    else if (!this.mld.query(frame, payloadOff, packetEnd, src, hopLimit, now)) this.counters.badMld++
    this.arm()
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

  /** Sends a message of neighbour discovery (hop limit 255) or, behind a router alert of `alertLen`, of MLD (hop limit 1). */
  private sendIcmp(
    type: number,
    rest: number,
    len: number,
    src: Ipv6,
    dst: Ipv6,
    mac: Mac | undefined,
    alertLen: number,
    fill: (frame: Frame, off: number) => void,
  ): void {
    const frame = this.ethernet.alloc()
    if (frame === undefined) {
      this.counters.noBuffer++
      return
    }
    const packetOff = this.headroomBytes - IPV6_HEADER_LEN
    const off = this.headroomBytes + alertLen
    const end = off + len
    fill(frame, off)
    emitIcmpv6(frame, off, end, type, 0, rest, src, dst)
    if (alertLen > 0) {
      // Next header, length 0, router alert (type 5) of MLD (value 0), PadN.
      frame.dv.setUint32(this.headroomBytes, (PROTOCOL_ICMPV6 << 24) | 0x0502)
      frame.dv.setUint32(this.headroomBytes + 4, 0x0100)
    }
    const nextHeader = alertLen > 0 ? HEADER_HOP_BY_HOP : PROTOCOL_ICMPV6
    const hopLimit = alertLen > 0 ? 1 : 255
    emitIpv6(frame, packetOff, alertLen + len, nextHeader, hopLimit, src, dst, 0)
    if (mac !== undefined) this.ethernet.send(frame, packetOff, end, ETHERTYPE_IPV6, mac)
    else this.transmit(frame, packetOff, end, isIpv6Multicast(dst) ? dst : (this.discovery.nextHop(dst) ?? dst))
  }

  private transmit(frame: Frame, packetOff: number, end: number, hop: Ipv6): void {
    if (isIpv6Multicast(hop)) {
      this.ethernet.send(frame, packetOff, end, ETHERTYPE_IPV6, ipv6MulticastMac(hop))
      return
    }
    const armed = this.neighbours.nextDeadline()
    this.neighbours.send(frame, packetOff, end, hop, this.clock.now())
    if (this.neighbours.nextDeadline() < armed) this.arm()
  }

  private dropWaiting(frame: Frame, off: number, end: number, why: 'unreachable' | 'queueFull' | 'tableFull'): void {
    this.counters[why]++
    const { header } = this
    if (why === 'unreachable' && parseIpv6(frame, off, end, header) === undefined) {
      const { protocol, payloadOff, packetEnd, src, dst } = header
      this.discovery.forget(dst)
      // RFC 4861 §7.2.2: the sender hears what a router would tell it, and that is our own transport.
      this.errorHandlers[protocol]?.('host-unreachable', frame, payloadOff, packetEnd, src, dst)
    }
    this.ethernet.free(frame)
  }

  private setGroup(group: Ipv6, isMember: boolean): void {
    const count = (this.groups.get(group) ?? 0) + (isMember ? 1 : -1)
    if (count > 0) this.groups.set(group, count)
    else this.groups.delete(group)
    if (count === (isMember ? 1 : 0)) this.mld.set(group, isMember, this.clock.now())
  }

  private addressChanges(one: OwnAddress): void {
    const text = ipv6ToString(one.address)
    if (one.state === 'duplicate') this.log.error(() => `somebody else has ${text}: it is not used`)
    else this.log.info(() => (this.autoconf.find(one.address) === one ? `address ${text}` : `no longer ${text}`))
    // Most preferred first: those that reach far, then the link's own.
    const usable = this.usable().map(({ address }) => address)
    this.addresses = [...usable.filter((own) => !isIpv6LinkLocal(own)), ...usable.filter(isIpv6LinkLocal)]
    for (const handler of this.addressHandlers) handler(one)
  }

  private usable(): readonly OwnAddress[] {
    return this.autoconf.addresses.filter(({ state }) => state === 'usable')
  }

  private pathMtu(dst: IpAddress): number {
    return this.pathMtus.isEmpty ? this.linkMtuBytes : this.pathMtus.get(dst, this.linkMtuBytes, this.clock.now())
  }

  private hopLimitFor(dst: Ipv6): number {
    return isIpv6Multicast(dst) ? MULTICAST_HOP_LIMIT : this.hopLimit
  }

  private poll(): void {
    const now = this.clock.now()
    this.alarmAt = NEVER
    this.reassembly.poll(now)
    this.neighbours.poll(now)
    this.autoconf.poll(now)
    this.mld.poll(now)
    this.arm()
  }

  /** Makes sure that the alarm rings at the next deadline at the latest. */
  private arm(): void {
    const some = earlier(this.reassembly.nextDeadline(), this.neighbours.nextDeadline())
    const next = earlier(some, earlier(this.autoconf.nextDeadline(), this.mld.nextDeadline()))
    if (next >= this.alarmAt) return
    this.alarmAt = next
    this.alarm.set(next)
  }
}
