/**
 * Addresses, prefixes and routers of one IPv6 interface (RFC 4861 §6.3, RFC 4862, RFC 4191, RFC 8028 §3 left out), without input,
 * output or waiting of its own: duplicate address detection, router solicitation, and what router advertisements say.
 *
 * Everything a stranger may fill has a bound. Not here: temporary addresses (RFC 8981), stable opaque identifiers (RFC 7217: they
 * need a secret that outlives a reboot), optimistic addresses (RFC 4429).
 */
import { interfaceIdOf, ipv6InCidr, isIpv6LinkLocal } from '@mirage-ts/core/addresses'
import { after, earlier, NEVER, seconds } from '@mirage-ts/core/time'
import type { Ipv6, Ipv6Cidr, Mac } from '@mirage-ts/signatures/addresses'
import type { Random } from '@mirage-ts/signatures/random'
import type { Duration, Instant } from '@mirage-ts/signatures/time'
import type { NdOptions, PrefixInfo } from '../wire/icmpv6.ts'
import type { SourceCandidate } from './source-address.ts'

export const LINK_LOCAL_PREFIX: Ipv6 = (0xfe80n << 112n) as Ipv6

/** RFC 4862 §5.1: one question is the default. */
const DAD_COUNT = 1
const DAD_INTERVAL: Duration = seconds(1)
// RFC 4861 §10
const MAX_ROUTER_SOLICITS = 3
const ROUTER_SOLICIT_INTERVAL: Duration = seconds(4)
const TWO_HOURS: Duration = seconds(7200)

const MAX_ROUTERS = 8
const MAX_PREFIXES = 16
const MAX_AUTO_ADDRESSES = 16
const MAX_ROUTES = 16
const INFINITE_SECONDS = 0xffffffff

/** How an address of ours stands. */
export type AddressState = 'tentative' | 'usable' | 'duplicate'

/** An address of ours. */
export class OwnAddress implements SourceCandidate {
  readonly address: Ipv6
  readonly isAutonomous: boolean
  state: AddressState = 'tentative'
  preferredUntil: Instant = NEVER
  validUntil: Instant = NEVER
  isDeprecated = false
  dadCount = 0
  /** When duplicate address detection goes on; NEVER once it is over. */
  dadAt: Instant = NEVER

  constructor(address: Ipv6, isAutonomous: boolean) {
    this.address = address
    this.isAutonomous = isAutonomous
  }
}

interface Router {
  readonly address: Ipv6
  preference: number
  until: Instant
}

interface OnLink {
  readonly cidr: Ipv6Cidr
  until: Instant
}

interface LearnedRoute extends OnLink {
  readonly router: Ipv6
  preference: number
}

/** What a router advertisement says beside its options. */
export interface RouterAdvert {
  readonly lifetimeSeconds: number
  /** 1 high, 0 medium, -1 low. */
  readonly preference: number
  /** Addresses are to be had by DHCPv6 (M), or other things are (O). */
  readonly isManaged: boolean
  readonly hasOther: boolean
}

/** What the machine does to the world. */
export interface AutoconfEffects {
  /** Asks whether somebody has `target`, from the unspecified address. */
  probe(target: Ipv6): void
  routerSolicit(): void
  /** An address has become ours for good or ended, or is a duplicate. */
  changed(address: OwnAddress): void
  /** The group in which we are asked for `address` is needed, or no longer. */
  group(address: Ipv6, isNeeded: boolean): void
}

export interface AutoconfSettings {
  readonly mac: Mac
  /** Believes what routers say about prefixes and routes. */
  readonly acceptRouterAdverts: boolean
}

export class Autoconf {
  readonly addresses: OwnAddress[] = []
  /** Resolvers that routers named, the last advertisement's (RFC 8106). */
  nameservers: readonly Ipv6[] = []
  /** What the last advertisement said of DHCPv6. */
  isManaged = false
  hasOther = false
  private readonly effects: AutoconfEffects
  private readonly settings: AutoconfSettings
  private readonly random: Random
  private routers: Router[] = []
  private prefixes: OnLink[] = []
  private routes: LearnedRoute[] = []
  private staticGateway: Ipv6 | undefined = undefined
  private solicitCount = 0
  private solicitAt: Instant = NEVER

  constructor(random: Random, settings: AutoconfSettings, effects: AutoconfEffects) {
    this.random = random
    this.settings = settings
    this.effects = effects
  }

  /** Makes the link-local address and begins to ask for routers. */
  start(now: Instant): void {
    this.add((LINK_LOCAL_PREFIX | interfaceIdOf(this.settings.mac)) as Ipv6, now)
    if (!this.settings.acceptRouterAdverts) return
    // RFC 4861 §6.3.7 wants a random wait of up to a second; the address is tentative for as long anyway.
    this.solicitAt = after(now, DAD_INTERVAL)
  }

  /** Adds an address with its network. */
  addStatic(cidr: Ipv6Cidr, now: Instant): void {
    this.prefixes.push({ cidr, until: NEVER })
    this.add(cidr.address, now)
  }

  setGateway(gateway: Ipv6): void {
    this.staticGateway = gateway
  }

  /** Adds an address that is lent until `validUntil` (DHCPv6), or renews it. */
  addLent(address: Ipv6, preferredUntil: Instant, validUntil: Instant, now: Instant): void {
    const one = this.find(address) ?? this.add(address, now)
    one.preferredUntil = preferredUntil
    one.validUntil = validUntil
    one.isDeprecated = false
  }

  remove(address: Ipv6): void {
    const at = this.addresses.findIndex((one) => one.address === address)
    const [one] = at < 0 ? [] : this.addresses.splice(at, 1)
    if (one === undefined) return
    one.dadAt = NEVER
    this.effects.group(address, false)
    if (one.state === 'usable') this.effects.changed(one)
  }

  find(address: Ipv6): OwnAddress | undefined {
    return this.addresses.find((one) => one.address === address)
  }

  /** True when the address is ours and is no longer, or never was, tentative. */
  isUsable(address: Ipv6): boolean {
    return this.find(address)?.state === 'usable'
  }

  private add(address: Ipv6, now: Instant, isAutonomous = false): OwnAddress {
    const one = new OwnAddress(address, isAutonomous)
    this.addresses.push(one)
    this.effects.group(address, true)
    one.dadAt = now
    this.detect(one, now)
    return one
  }

  /** RFC 4862 §5.4: asks, waits, and takes silence for consent. */
  private detect(one: OwnAddress, now: Instant): void {
    if (one.dadCount < DAD_COUNT) {
      one.dadCount++
      one.dadAt = after(now, DAD_INTERVAL)
      this.effects.probe(one.address)
    } else {
      one.dadAt = NEVER
      one.state = 'usable'
      this.effects.changed(one)
    }
  }

  /** Somebody else has, or wants, an address of ours that is still tentative (RFC 4862 §5.4.3, §5.4.4). */
  collided(address: Ipv6): boolean {
    const one = this.find(address)
    if (one?.state !== 'tentative') return false
    one.state = 'duplicate'
    one.dadAt = NEVER
    this.effects.group(address, false)
    this.effects.changed(one)
    return true
  }

  /** A checked advertisement of `router` has come (RFC 4861 §6.3.4). */
  advertised(router: Ipv6, advert: RouterAdvert, options: NdOptions, now: Instant): void {
    if (!this.settings.acceptRouterAdverts) return
    this.solicitAt = NEVER
    this.isManaged = advert.isManaged
    this.hasOther = advert.hasOther
    if (options.nameservers.length > 0) this.nameservers = options.nameservers
    this.learnRouter(router, advert, now)
    for (const prefix of options.prefixes) this.learnPrefix(prefix, now)
    for (const route of options.routes) {
      const cidr = { address: route.prefix, prefixBits: route.prefixBits }
      // RFC 4191 §3.1: a route to everywhere is the router's own entry.
      if (route.prefixBits === 0) {
        this.learnRouter(
          router,
          { ...advert, preference: route.preference, lifetimeSeconds: route.lifetimeSeconds },
          now,
        )
      } else {
        this.learnRoute(cidr, router, route.preference, untilOf(route.lifetimeSeconds, now))
      }
    }
  }

  private learnRouter(address: Ipv6, { preference, lifetimeSeconds }: RouterAdvert, now: Instant): void {
    const known = this.routers.find((router) => router.address === address)
    const until = after(now, seconds(lifetimeSeconds))
    if (lifetimeSeconds === 0) {
      this.routers = this.routers.filter((router) => router !== known)
    } else if (known !== undefined) {
      known.preference = preference
      known.until = until
    } else if (this.routers.length < MAX_ROUTERS) {
      this.routers.push({ address, preference, until })
    }
  }

  private learnRoute(cidr: Ipv6Cidr, router: Ipv6, preference: number, until: Instant): void {
    const isSame = (route: LearnedRoute): boolean => route.router === router && isSameNetwork(route.cidr, cidr)
    this.routes = this.routes.filter((route) => !isSame(route))
    if (until > 0 && this.routes.length < MAX_ROUTES) this.routes.push({ cidr, router, preference, until })
  }

  private learnPrefix(info: PrefixInfo, now: Instant): void {
    const { prefix, prefixBits, isOnLink, isAutonomous, validSeconds, preferredSeconds } = info
    if (isIpv6LinkLocal(prefix) || prefix >> 120n === 0xffn || prefixBits > 128) return
    if (isOnLink) {
      const cidr = { address: prefix, prefixBits }
      this.prefixes = this.prefixes.filter((one) => one.until === NEVER || !isSameNetwork(one.cidr, cidr))
      const until =
        validSeconds === INFINITE_SECONDS ? (Number.MAX_SAFE_INTEGER as Instant) : untilOf(validSeconds, now)
      if (validSeconds > 0 && this.prefixes.length < MAX_PREFIXES) this.prefixes.push({ cidr, until })
    }
    // RFC 4862 §5.5.3: identifiers have 64 bits, so has the prefix.
    if (!isAutonomous || prefixBits !== 64 || preferredSeconds > validSeconds) return
    const address = (((prefix >> 64n) << 64n) | interfaceIdOf(this.settings.mac)) as Ipv6
    const known = this.find(address)
    const validUntil = untilOf(validSeconds, now)
    if (known === undefined) {
      const count = this.addresses.filter((one) => one.isAutonomous).length
      if (validSeconds === 0 || count >= MAX_AUTO_ADDRESSES) return
      const one = this.add(address, now, true)
      one.validUntil = validUntil
      one.preferredUntil = untilOf(preferredSeconds, now)
      return
    }
    if (!known.isAutonomous) return
    known.preferredUntil = untilOf(preferredSeconds, now)
    known.isDeprecated = preferredSeconds === 0
    // RFC 4862 §5.5.3 (e): nobody makes an address end at once by a forged advertisement; two hours are left at least.
    const twoHours = after(now, TWO_HOURS)
    if (validUntil > twoHours || validUntil > known.validUntil) known.validUntil = validUntil
    else if (known.validUntil > twoHours) known.validUntil = twoHours
  }

  /** Who takes packets for `dst` on: `dst` itself when it is on the link, a router, or nobody. */
  nextHop(dst: Ipv6, isKnown: (router: Ipv6) => boolean): Ipv6 | undefined {
    if (isIpv6LinkLocal(dst)) return dst
    for (const { cidr } of this.prefixes) if (ipv6InCidr(dst, cidr)) return dst
    let best: LearnedRoute | undefined
    for (const route of this.routes) {
      if (!ipv6InCidr(dst, route.cidr)) continue
      const longer = route.cidr.prefixBits - (best?.cidr.prefixBits ?? -1)
      if (best === undefined || longer > 0 || (longer === 0 && route.preference > best.preference)) best = route
    }
    if (best !== undefined) return best.router
    return this.staticGateway ?? this.defaultRouter(isKnown)
  }

  /** RFC 4861 §6.3.6 and RFC 4191 §3.2: one that answers is better than one that may not, then preference counts. */
  private defaultRouter(isKnown: (router: Ipv6) => boolean): Ipv6 | undefined {
    let best: Router | undefined
    let isBestKnown = false
    for (const router of this.routers) {
      const known = isKnown(router.address)
      const isBetter =
        best === undefined || (known && !isBestKnown) || (known === isBestKnown && router.preference > best.preference)
      if (!isBetter) continue
      best = router
      isBestKnown = known
    }
    return best?.address
  }

  /** `address` is no router any more (RFC 4861 §7.2.5); one that we were told to use at boot stays one. */
  dropRouter(address: Ipv6): void {
    this.routers = this.routers.filter((router) => router.address !== address)
  }

  /** True when `address` is one of the routers we send through. */
  isRouter(address: Ipv6): boolean {
    return address === this.staticGateway || this.routers.some((router) => router.address === address)
  }

  nextDeadline(): Instant {
    let next = this.solicitAt
    for (const one of this.addresses) {
      next = earlier(next, earlier(one.dadAt, one.validUntil))
      if (!one.isDeprecated) next = earlier(next, one.preferredUntil)
    }
    for (const one of this.routers) next = earlier(next, one.until)
    for (const one of this.prefixes) next = earlier(next, one.until)
    for (const one of this.routes) next = earlier(next, one.until)
    return next
  }

  poll(now: Instant): void {
    if (this.solicitAt <= now) this.solicitRouters(now)
    for (const one of [...this.addresses]) {
      if (one.dadAt <= now) this.detect(one, now)
      if (one.preferredUntil <= now) one.isDeprecated = true
      if (one.validUntil <= now) this.remove(one.address)
    }
    this.routers = this.routers.filter((one) => one.until > now)
    this.prefixes = this.prefixes.filter((one) => one.until > now)
    this.routes = this.routes.filter((one) => one.until > now)
  }

  private solicitRouters(now: Instant): void {
    this.solicitCount++
    this.solicitAt =
      this.solicitCount < MAX_ROUTER_SOLICITS ? after(now, this.jittered(ROUTER_SOLICIT_INTERVAL)) : NEVER
    this.effects.routerSolicit()
  }

  private jittered(duration: Duration): Duration {
    return (duration + (this.random.u32() % 200_000)) as Duration
  }
}

function untilOf(lifetimeSeconds: number, now: Instant): Instant {
  if (lifetimeSeconds === INFINITE_SECONDS) return NEVER
  return lifetimeSeconds === 0 ? (0 as Instant) : after(now, seconds(lifetimeSeconds))
}

function isSameNetwork(a: Ipv6Cidr, b: Ipv6Cidr): boolean {
  return a.prefixBits === b.prefixBits && ipv6InCidr(a.address, b)
}
