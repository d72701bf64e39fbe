/**
 * Tells the hosts of a link their prefixes, resolvers and where DHCPv6 comes in (RFC 4861 §6.2, RFC 8106). That this machine is
 * a way out of the link is said only when asked for (`routerSeconds`): it must forward packets then.
 *
 * Left out: comparing with what other routers say (RFC 4861 §6.2.7), answers to one host alone.
 */
import { IPV6_ALL_NODES, ipv6MulticastMac, isIpv6LinkLocal, parseIpv6 } from '@mirage-ts/core/addresses'
import { type Counters, createCounters } from '@mirage-ts/core/metrics'
import { after, earlier, NEVER, seconds, us } from '@mirage-ts/core/time'
import type { Ipv6, Ipv6Cidr } from '@mirage-ts/signatures/addresses'
import type { Ethernet } from '@mirage-ts/signatures/ethernet'
import type { Random } from '@mirage-ts/signatures/random'
import type { Alarm, Duration, Instant, MonotonicClock, Time } from '@mirage-ts/signatures/time'
import { domainProblem } from '../dhcp6/domain.ts'
import { ETHERTYPE_IPV6 } from '../wire/ethernet.ts'
import { emitIcmpv6, ND_ROUTER_ADVERT } from '../wire/icmpv6.ts'
import { emitIpv6, IPV6_HEADER_LEN, PROTOCOL_ICMPV6 } from '../wire/ipv6.ts'
import { fillRouterAdvert, type RouterAdvert, routerAdvertLen, routerAdvertRest } from '../wire/router-advert.ts'
import type { CountedIpv6 } from './contract.ts'

/** A prefix of the link. */
export interface AdvertisedPrefix {
  readonly prefix: Ipv6Cidr
  /** Hosts make up addresses in it (RFC 4862); it has 64 bits then. Default true. */
  readonly isAutonomous?: boolean
  /** Hosts reach each other in it without a router. Default true. */
  readonly isOnLink?: boolean
  /** Default 4 hours. */
  readonly preferredSeconds?: number
  /** Default 24 hours. */
  readonly validSeconds?: number
}

export interface RouterAdvertiserOptions {
  readonly prefixes: readonly AdvertisedPrefix[]
  /** Hosts get their addresses by DHCPv6 (flag M). Default false. */
  readonly isManaged?: boolean
  /** Hosts get other things by DHCPv6 (flag O). Default: as `isManaged`. */
  readonly hasOther?: boolean
  /** For how long hosts send packets to everywhere else to us; at most 9000. Default 0: we are no router. */
  readonly routerSeconds?: number
  /** Among several routers: 1 high, 0 medium (default), -1 low. */
  readonly preference?: 1 | 0 | -1
  readonly mtuBytes?: number
  readonly nameservers?: readonly Ipv6[]
  readonly searchList?: readonly string[]
  /** Advertisements come at the latest after this time: 4 to 1800 seconds. Default 600. */
  readonly maxIntervalSeconds?: number
}

export interface RouterAdvertiserDeps {
  readonly ethernet: Ethernet
  /** Over that Ethernet. */
  readonly ipv6: CountedIpv6
  readonly clock: MonotonicClock
  readonly time: Time
  readonly random: Random
}

export interface RouterAdvertiser {
  readonly counters: Readonly<Counters<(typeof ADVERTISER_COUNTERS)[number]>>
  /** Says that we are no router any more, and stops. Idempotent. */
  close(): void
}

export const ADVERTISER_COUNTERS = ['sent', 'solicited', 'noBuffer'] as const

const ALL_ROUTERS: Ipv6 = parseIpv6('ff02::2') as Ipv6
/** RFC 4861 §10. */
const MAX_INITIAL_INTERVAL = seconds(16)
const MAX_INITIAL_COUNT = 3
const LEAST_PAUSE = seconds(3)
const MAX_DELAY = seconds(0.5)
const DEFAULT_MAX_INTERVAL_SECONDS = 600

/** When to speak (RFC 4861 §6.2.4, §6.2.6): no I/O. */
export class AdvertTimer {
  private readonly random: Random
  private readonly maxInterval: Duration
  private initialLeft = MAX_INITIAL_COUNT
  private sentAt: Instant | undefined = undefined
  private deadline: Instant

  constructor(random: Random, maxInterval: Duration, now: Instant) {
    this.random = random
    this.maxInterval = maxInterval
    this.deadline = now
  }

  /** Somebody asks: soon, at a moment by chance, but never twice within three seconds. */
  solicited(now: Instant): void {
    const soon = after(now, us(this.random.u32() % MAX_DELAY))
    const allowed = this.sentAt === undefined ? soon : (Math.max(soon, after(this.sentAt, LEAST_PAUSE)) as Instant)
    this.deadline = earlier(this.deadline, allowed)
  }

  /** True when it is time; the next moment has been chosen then. */
  poll(now: Instant): boolean {
    if (now < this.deadline) return false
    this.sentAt = now
    const least = this.maxInterval * 0.33
    const chosen = us(least + (this.random.u32() / 0x1_0000_0000) * (this.maxInterval - least))
    const isInitial = this.initialLeft > 0
    if (isInitial) this.initialLeft--
    this.deadline = after(now, isInitial && chosen > MAX_INITIAL_INTERVAL ? MAX_INITIAL_INTERVAL : chosen)
    return true
  }

  nextDeadline(): Instant {
    return this.deadline
  }
}

/** Begins to advertise as soon as the link-local address is usable. Throws a `RangeError` for options that make no sense. */
export function createRouterAdvertiser(deps: RouterAdvertiserDeps, options: RouterAdvertiserOptions): RouterAdvertiser {
  return new Advertiser(deps, options)
}

class Advertiser implements RouterAdvertiser {
  readonly counters = createCounters(ADVERTISER_COUNTERS)
  private readonly deps: RouterAdvertiserDeps
  private readonly advert: RouterAdvert
  private readonly maxInterval: Duration
  private readonly alarm: Alarm
  private timer: AdvertTimer | undefined = undefined
  private isClosed = false

  constructor(deps: RouterAdvertiserDeps, options: RouterAdvertiserOptions) {
    this.deps = deps
    const maxSeconds = options.maxIntervalSeconds ?? DEFAULT_MAX_INTERVAL_SECONDS
    const problem = problemOf(options, maxSeconds)
    if (problem !== undefined) throw new RangeError(`Cannot advertise: ${problem}`)
    this.maxInterval = seconds(maxSeconds)
    this.advert = advertOf(options, maxSeconds)
    this.alarm = deps.time.alarm(() => this.poll())
    deps.ipv6.join(ALL_ROUTERS)
    deps.ipv6.setRouterRole({
      onSolicit: () => {
        this.counters.solicited++
        this.timer?.solicited(deps.clock.now())
        this.arm()
      },
      isDefault: this.advert.routerSeconds > 0,
    })
    deps.ipv6.listenAddresses(() => this.begin())
    this.begin()
  }

  close(): void {
    if (this.isClosed) return
    this.isClosed = true
    this.alarm.clear()
    // RFC 4861 §6.2.5
    this.send({ ...this.advert, routerSeconds: 0 })
    this.deps.ipv6.setRouterRole(undefined)
    this.deps.ipv6.leave(ALL_ROUTERS)
  }

  private begin(): void {
    if (this.timer !== undefined || this.isClosed || this.source() === undefined) return
    this.timer = new AdvertTimer(this.deps.random, this.maxInterval, this.deps.clock.now())
    this.arm()
  }

  private source(): Ipv6 | undefined {
    return this.deps.ipv6.ownAddresses.find(({ address, state }) => state === 'usable' && isIpv6LinkLocal(address))
      ?.address
  }

  private poll(): void {
    if (this.timer?.poll(this.deps.clock.now()) === true) this.send(this.advert)
    this.arm()
  }

  private arm(): void {
    if (!this.isClosed) this.alarm.set(this.timer?.nextDeadline() ?? NEVER)
  }

  private send(advert: RouterAdvert): void {
    const { ethernet } = this.deps
    const src = this.source()
    const frame = src === undefined ? undefined : ethernet.alloc()
    if (src === undefined || frame === undefined) {
      this.counters.noBuffer++
      return
    }
    const packetOff = ethernet.headroomBytes
    const off = packetOff + IPV6_HEADER_LEN
    const len = routerAdvertLen(advert)
    fillRouterAdvert(frame, off, advert, ethernet.mac)
    emitIcmpv6(frame, off, off + len, ND_ROUTER_ADVERT, 0, routerAdvertRest(advert), src, IPV6_ALL_NODES)
    emitIpv6(frame, packetOff, len, PROTOCOL_ICMPV6, 255, src, IPV6_ALL_NODES, 0)
    ethernet.send(frame, packetOff, off + len, ETHERTYPE_IPV6, ipv6MulticastMac(IPV6_ALL_NODES))
    this.counters.sent++
  }
}

function advertOf(options: RouterAdvertiserOptions, maxSeconds: number): RouterAdvert {
  const { prefixes, isManaged = false, hasOther = isManaged, mtuBytes = 0, nameservers = [], searchList = [] } = options
  return {
    hopLimit: 64,
    isManaged,
    hasOther,
    routerSeconds: options.routerSeconds ?? 0,
    preference: options.preference ?? 0,
    mtuBytes,
    prefixes: prefixes.map((one) => ({
      prefix: maskedPrefix(one.prefix),
      prefixBits: one.prefix.prefixBits,
      isOnLink: one.isOnLink ?? true,
      isAutonomous: one.isAutonomous ?? true,
      validSeconds: one.validSeconds ?? 24 * 3600,
      preferredSeconds: one.preferredSeconds ?? 4 * 3600,
    })),
    nameservers,
    searchList,
    // RFC 8106 §5.1: three times the greatest interval.
    dnsSeconds: 3 * maxSeconds,
  }
}

function maskedPrefix({ address, prefixBits }: Ipv6Cidr): Ipv6 {
  const hostBits = BigInt(128 - prefixBits)
  return ((address >> hostBits) << hostBits) as Ipv6
}

function problemOf(options: RouterAdvertiserOptions, maxSeconds: number): string | undefined {
  // RFC 4861 §6.2.1
  if (!(maxSeconds >= 4 && maxSeconds <= 1800)) return `an interval of ${maxSeconds} seconds: expected 4 to 1800`
  const { routerSeconds = 0, mtuBytes = 1500, prefixes, nameservers = [], searchList = [] } = options
  if (routerSeconds !== 0 && !(routerSeconds >= maxSeconds && routerSeconds <= 9000)) {
    return `a router for ${routerSeconds} seconds: expected 0, or ${maxSeconds} to 9000`
  }
  if (mtuBytes < 1280) return `an MTU of ${mtuBytes}: expected at least 1280`
  for (const { prefix, isAutonomous = true } of prefixes) {
    if (isAutonomous && prefix.prefixBits !== 64) {
      return `a prefix of ${prefix.prefixBits} bits for hosts that make up addresses: expected 64`
    }
  }
  // All of it has to go into one packet of 1,280 octets.
  if (prefixes.length > 16 || nameservers.length > 8) return 'more than 16 prefixes or 8 resolvers'
  for (const name of searchList) {
    const problem = domainProblem(name)
    if (problem !== undefined) return `${JSON.stringify(name)} is no domain: ${problem}`
  }
  return searchList.join('').length > 300 ? 'a search list of more than 300 letters' : undefined
}
