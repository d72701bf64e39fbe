/**
 * Who takes packets on: prefixes on the link, routes and default routers, as router advertisements and the settings say
 * (RFC 4861 §6.3.4 to §6.3.6, RFC 4191). Everything a stranger may fill has a bound.
 */
import { ipv6InCidr, isIpv6LinkLocal } from '@mirage-ts/core/addresses'
import { after, earlier, NEVER, seconds } from '@mirage-ts/core/time'
import type { Ipv6, Ipv6Cidr } from '@mirage-ts/signatures/addresses'
import type { Instant } from '@mirage-ts/signatures/time'

const MAX_ROUTERS = 8
const MAX_PREFIXES = 16
const MAX_ROUTES = 16
/** A lifetime without end (RFC 4861 §4.6.2). */
const INFINITE_SECONDS = 0xffffffff
/** What an advertisement says lasts for ever may be taken back; what the settings say ends NEVER. */
const FOR_EVER: Instant = Number.MAX_SAFE_INTEGER as Instant

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

export class Routers {
  private routers: Router[] = []
  private prefixes: OnLink[] = []
  private routes: LearnedRoute[] = []
  private staticGateway: Ipv6 | undefined = undefined

  /** A network that is on the link whatever routers say. */
  addNetwork(cidr: Ipv6Cidr): void {
    this.prefixes.push({ cidr, until: NEVER })
  }

  setGateway(gateway: Ipv6): void {
    this.staticGateway = gateway
  }

  learnRouter(address: Ipv6, preference: number, lifetimeSeconds: number, now: Instant): void {
    const known = this.routers.find((router) => router.address === address)
    const until = after(now, seconds(lifetimeSeconds))
    if (lifetimeSeconds === 0) {
      this.drop(address)
    } else if (known !== undefined) {
      known.preference = preference
      known.until = until
    } else if (this.routers.length < MAX_ROUTERS) {
      this.routers.push({ address, preference, until })
    }
  }

  learnRoute(cidr: Ipv6Cidr, router: Ipv6, preference: number, lifetimeSeconds: number, now: Instant): void {
    const isSame = (route: LearnedRoute): boolean => route.router === router && isSameNetwork(route.cidr, cidr)
    this.routes = this.routes.filter((route) => !isSame(route))
    const until = untilOf(lifetimeSeconds, now)
    if (until > 0 && this.routes.length < MAX_ROUTES) this.routes.push({ cidr, router, preference, until })
  }

  learnNetwork(cidr: Ipv6Cidr, validSeconds: number, now: Instant): void {
    this.prefixes = this.prefixes.filter((one) => one.until === NEVER || !isSameNetwork(one.cidr, cidr))
    const until = validSeconds === INFINITE_SECONDS ? FOR_EVER : untilOf(validSeconds, now)
    if (validSeconds > 0 && this.prefixes.length < MAX_PREFIXES) this.prefixes.push({ cidr, until })
  }

  /** `address` is no router any more (RFC 4861 §7.2.5); one that we were told to use at boot stays one. */
  drop(address: Ipv6): void {
    this.routers = this.routers.filter((router) => router.address !== address)
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

  /** True when `address` is one of the routers we send through. */
  isRouter(address: Ipv6): boolean {
    return address === this.staticGateway || this.routers.some((router) => router.address === address)
  }

  nextDeadline(): Instant {
    let next = NEVER
    for (const one of this.routers) next = earlier(next, one.until)
    for (const one of this.prefixes) next = earlier(next, one.until)
    for (const one of this.routes) next = earlier(next, one.until)
    return next
  }

  poll(now: Instant): void {
    this.routers = this.routers.filter((one) => one.until > now)
    this.prefixes = this.prefixes.filter((one) => one.until > now)
    this.routes = this.routes.filter((one) => one.until > now)
  }
}

/** The end of a lifetime of a router advertisement that begins now; 0 when there is none. */
export function untilOf(lifetimeSeconds: number, now: Instant): Instant {
  if (lifetimeSeconds === INFINITE_SECONDS) return NEVER
  return lifetimeSeconds === 0 ? (0 as Instant) : after(now, seconds(lifetimeSeconds))
}

function isSameNetwork(a: Ipv6Cidr, b: Ipv6Cidr): boolean {
  return a.prefixBits === b.prefixBits && ipv6InCidr(a.address, b)
}
