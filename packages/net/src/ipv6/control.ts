/**
 * What an IPv6 interface does beside carrying packets: the wiring of neighbours.ts, autoconf.ts, discovery.ts and mld.ts, their
 * messages, their one alarm, and the groups that are joined.
 */
import {
  IPV6_ALL_NODES,
  IPV6_ANY,
  ipv6InCidr,
  ipv6SolicitedNode,
  ipv6ToString,
  isIpv6LinkLocal,
  isIpv6Multicast,
} from '@mirage-ts/core/addresses'
import type { Counters } from '@mirage-ts/core/metrics'
import { earlier, NEVER } from '@mirage-ts/core/time'
import type { Ipv6, Ipv6Cidr, Mac } from '@mirage-ts/signatures/addresses'
import type { Frame } from '@mirage-ts/signatures/bytes'
import type { Ethernet } from '@mirage-ts/signatures/ethernet'
import type { Logger } from '@mirage-ts/signatures/log'
import type { Alarm, Instant, MonotonicClock } from '@mirage-ts/signatures/time'
import { ETHERTYPE_IPV6 } from '../wire/ethernet.ts'
import { checkIcmpv6, emitIcmpv6, MLD_QUERY } from '../wire/icmpv6.ts'
import {
  emitIpv6,
  HEADER_HOP_BY_HOP,
  IPV6_HEADER_LEN,
  IPV6_LEAST_MTU,
  type Ipv6Header,
  PROTOCOL_ICMPV6,
} from '../wire/ipv6.ts'
import { Autoconf, type OwnAddress } from './autoconf.ts'
import type { IPV6_COUNTERS, Ipv6Deps, Ipv6Options } from './contract.ts'
import { Discovery } from './discovery.ts'
import type { Ipv6Reassembly } from './fragments.ts'
import { InterfaceIds, interfaceSecret } from './interface-ids.ts'
import { Mld } from './mld.ts'
import { Neighbours } from './neighbours.ts'
import { chooseSource } from './source-address.ts'

/** A hop-by-hop header with the router alert of MLD (RFC 2711, RFC 3810 §5). */
const ALERT_LEN = 8
/** Loopback ff01::1 beside ff02::1. */
const INTERFACE_ALL_NODES: Ipv6 = 0xff010000000000000000000000000001n as Ipv6

/** What it tells the layer that carries packets, and asks of it. */
export interface ControlEffects {
  /** Sends a finished packet to `hop`, a neighbour or a group. */
  transmit(frame: Frame, packetOff: number, end: number, hop: Ipv6): void
  /** Nobody answers for the next hop of this packet of ours. */
  unanswered(frame: Frame, off: number, end: number): void
  /** Our addresses are these from now on, most preferred first. */
  setAddresses(addresses: readonly Ipv6[]): void
  setHopLimit(hopLimit: number): void
  setMtu(mtuBytes: number): void
}

export class Ipv6Control {
  readonly neighbours: Neighbours
  readonly autoconf: Autoconf
  readonly discovery: Discovery
  /** With how often they were joined. */
  readonly groups = new Map<Ipv6, number>([
    [IPV6_ALL_NODES, 1],
    [INTERFACE_ALL_NODES, 1],
  ])
  readonly addressHandlers: ((address: OwnAddress) => void)[] = []
  readonly routerHandlers: (() => void)[] = []
  private readonly ethernet: Ethernet
  private readonly clock: MonotonicClock
  private readonly log: Logger
  private readonly counters: Counters<(typeof IPV6_COUNTERS)[number]>
  private readonly reassembly: Ipv6Reassembly
  private readonly effects: ControlEffects
  private readonly headroomBytes: number
  private readonly mld: Mld
  private readonly alarm: Alarm
  private alarmAt: Instant = NEVER

  constructor(
    { ethernet, clock, time, random, log }: Ipv6Deps,
    options: Ipv6Options,
    counters: Counters<(typeof IPV6_COUNTERS)[number]>,
    reassembly: Ipv6Reassembly,
    effects: ControlEffects,
  ) {
    this.ethernet = ethernet
    this.clock = clock
    this.log = log.logger('ipv6')
    this.counters = counters
    this.reassembly = reassembly
    this.effects = effects
    this.headroomBytes = ethernet.headroomBytes + IPV6_HEADER_LEN
    this.alarm = time.alarm(() => this.poll())
    this.neighbours = new Neighbours(random, {
      solicit: (target, mac) => this.discovery.solicit(target, mac),
      noRouter: (address) => this.autoconf.routers.drop(address),
      transmit: (frame, off, end, mac) => ethernet.send(frame, off, end, ETHERTYPE_IPV6, mac),
      drop: (frame, off, end, why) => {
        counters[why]++
        if (why === 'unreachable') effects.unanswered(frame, off, end)
        ethernet.free(frame)
      },
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
      send: (type, rest, len, src, dst, mac, fill) => this.send(type, rest, len, src, dst, mac, 0, fill),
      source: (dst) => chooseSource(this.usable(), dst) ?? IPV6_ANY,
      setHopLimit: effects.setHopLimit,
      setMtu: effects.setMtu,
      advertised: () => {
        for (const handler of this.routerHandlers) handler()
      },
    })
    const maxRecords = Math.floor((IPV6_LEAST_MTU - IPV6_HEADER_LEN - ALERT_LEN - 8) / 20)
    this.mld = new Mld(random, maxRecords, (type, rest, len, dst, fill) => {
      const local = this.usable().find(({ address }) => isIpv6LinkLocal(address))?.address
      this.send(type, rest, len, local ?? IPV6_ANY, dst, undefined, ALERT_LEN, fill)
    })
  }

  /** Begins to take addresses; everything that it calls must be there. */
  start({ cidr, gateway }: Ipv6Options): void {
    const now = this.clock.now()
    this.autoconf.start(now)
    if (cidr !== undefined) this.autoconf.addStatic(cidr, now)
    if (gateway !== undefined) this.autoconf.routers.setGateway(checkedGateway(gateway, cidr))
    this.arm()
  }

  /** A message of neighbour discovery, or an MLD query, of `type` has come in the packet that `header` tells of. */
  input(frame: Frame, type: number, { payloadOff, packetEnd, src, dst, hopLimit }: Readonly<Ipv6Header>): void {
    if (checkIcmpv6(frame, payloadOff, packetEnd, src, dst) !== undefined) {
      this.counters['bad-checksum']++
      return
    }
    const now = this.clock.now()
    if (type !== MLD_QUERY) this.discovery.input(frame, payloadOff, packetEnd, src, dst, hopLimit, now)
    else if (!this.mld.query(frame, payloadOff, packetEnd, src, hopLimit, now)) this.counters.badMld++
    this.arm()
  }

  addLent(address: Ipv6, preferredUntil: Instant, validUntil: Instant): void {
    this.autoconf.addLent(address, preferredUntil, validUntil, this.clock.now())
    this.arm()
  }

  /** What is sent to `dst` seems to be lost. */
  doubt(dst: Ipv6): void {
    const hop = this.discovery.nextHop(dst)
    if (hop === undefined) return
    this.neighbours.doubt(hop, this.clock.now())
    this.arm()
  }

  setMember(group: Ipv6, isMember: boolean): void {
    if (isMember || this.groups.has(group)) this.setGroup(group, isMember)
    this.arm()
  }

  usable(): readonly OwnAddress[] {
    return this.autoconf.addresses.filter(({ state }) => state === 'usable')
  }

  /** Makes sure that the alarm rings at the next deadline at the latest. */
  arm(): void {
    const some = earlier(this.reassembly.nextDeadline(), this.neighbours.nextDeadline())
    const next = earlier(some, earlier(this.autoconf.nextDeadline(), this.mld.nextDeadline()))
    if (next >= this.alarmAt) return
    this.alarmAt = next
    this.alarm.set(next)
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
    this.effects.setAddresses([...usable.filter((own) => !isIpv6LinkLocal(own)), ...usable.filter(isIpv6LinkLocal)])
    for (const handler of this.addressHandlers) handler(one)
  }

  /** Sends a message of neighbour discovery (hop limit 255) or, behind a router alert of `alertLen`, of MLD (hop limit 1). */
  private send(
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
    else this.effects.transmit(frame, packetOff, end, isIpv6Multicast(dst) ? dst : (this.discovery.nextHop(dst) ?? dst))
  }
}

function checkedGateway(gateway: Ipv6, cidr: Ipv6Cidr | undefined): Ipv6 {
  if (isIpv6LinkLocal(gateway) || (cidr !== undefined && ipv6InCidr(gateway, cidr))) return gateway
  throw new RangeError(`Cannot use gateway ${ipv6ToString(gateway)}: it is neither link-local nor in our own network`)
}
