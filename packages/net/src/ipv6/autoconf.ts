/**
 * The addresses of one IPv6 interface (RFC 4861 §6.3, RFC 4862, RFC 7217), without input, output or waiting of its own: duplicate
 * address detection, router solicitation, and what router advertisements say; of routers and routes, routers.ts keeps that.
 *
 * Everything a stranger may fill has a bound. Not here: optimistic addresses (RFC 4429), RFC 8028 §3.
 */
import { isIpv6LinkLocal } from '@mirage-ts/core/addresses'
import { after, earlier, NEVER, seconds } from '@mirage-ts/core/time'
import type { Ipv6, Ipv6Cidr } from '@mirage-ts/signatures/addresses'
import type { Random } from '@mirage-ts/signatures/random'
import type { Duration, Instant } from '@mirage-ts/signatures/time'
import type { NdOptions, PrefixInfo } from '../wire/icmpv6.ts'
import type { InterfaceIds } from './interface-ids.ts'
import { Routers, untilOf } from './routers.ts'
import type { SourceCandidate } from './source-address.ts'
import { TemporaryAddresses } from './temporary.ts'

const LINK_LOCAL_PREFIX: Ipv6 = (0xfe80n << 112n) as Ipv6

/** RFC 4862 §5.1: one question is the default. */
const DAD_COUNT = 1
const DAD_INTERVAL: Duration = seconds(1)
// RFC 4861 §10
const MAX_ROUTER_SOLICITS = 3
const ROUTER_SOLICIT_INTERVAL: Duration = seconds(4)
const TWO_HOURS: Duration = seconds(7200)

const MAX_AUTO_ADDRESSES = 16
// RFC 7217 §5
const IDGEN_RETRIES = 3
const IDGEN_DELAY: Duration = seconds(1)

/** How an address of ours stands. */
export type AddressState = 'tentative' | 'usable' | 'duplicate'

/** Where an address is from: the settings, the link itself, a prefix of a router's, chance (RFC 8981), or a DHCPv6 server. */
export type AddressKind = 'given' | 'local' | 'prefix' | 'temporary' | 'lent'

/** An address of ours. */
export class OwnAddress implements SourceCandidate {
  readonly address: Ipv6
  readonly kind: AddressKind
  state: AddressState = 'tentative'
  preferredUntil: Instant = NEVER
  validUntil: Instant = NEVER
  /** Of a temporary address: what the two can be at most. */
  preferredLimit: Instant = NEVER
  validLimit: Instant = NEVER
  isDeprecated = false
  /** Addresses in whose place this one is, because they were somebody else's. */
  collisions = 0
  dadCount = 0
  /** When duplicate address detection goes on; NEVER once it is over. */
  dadAt: Instant = NEVER

  constructor(address: Ipv6, kind: AddressKind) {
    this.address = address
    this.kind = kind
  }

  get isTemporary(): boolean {
    return this.kind === 'temporary'
  }
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
  readonly ids: InterfaceIds
  /** Believes what routers say about prefixes and routes. */
  readonly acceptRouterAdverts: boolean
  /** Has temporary addresses beside those that prefixes give for good (RFC 8981). */
  readonly hasTemporary: boolean
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
  readonly routers = new Routers()
  private readonly temporaries: TemporaryAddresses | undefined
  private solicitCount = 0
  private solicitAt: Instant = NEVER

  constructor(random: Random, settings: AutoconfSettings, effects: AutoconfEffects) {
    this.random = random
    this.settings = settings
    this.effects = effects
    const add = (address: Ipv6, now: Instant): OwnAddress => this.add(address, 'temporary', now)
    const host = { addresses: this.addresses, add }
    this.temporaries = settings.hasTemporary ? new TemporaryAddresses(random, host) : undefined
  }

  /** Makes the link-local address and begins to ask for routers. */
  start(now: Instant): void {
    this.add(this.stableAddress(LINK_LOCAL_PREFIX, 0), 'local', now)
    if (!this.settings.acceptRouterAdverts) return
    // RFC 4861 §6.3.7 wants a random wait of up to a second; the address is tentative for as long anyway.
    this.solicitAt = after(now, DAD_INTERVAL)
  }

  /** Adds an address with its network. */
  addStatic(cidr: Ipv6Cidr, now: Instant): void {
    this.routers.addNetwork(cidr)
    this.add(cidr.address, 'given', now)
  }

  /** Adds an address that is lent until `validUntil` (DHCPv6), or renews it. */
  addLent(address: Ipv6, preferredUntil: Instant, validUntil: Instant, now: Instant): void {
    const one = this.find(address) ?? this.add(address, 'lent', now)
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

  private add(address: Ipv6, kind: AddressKind, now: Instant): OwnAddress {
    const one = new OwnAddress(address, kind)
    this.addresses.push(one)
    this.effects.group(address, true)
    one.dadAt = now
    this.detect(one, now)
    return one
  }

  /** The address that goes with `prefix`, of 64 bits, when `collisions` earlier ones were somebody else's. */
  private stableAddress(prefix: Ipv6, collisions: number): Ipv6 {
    return (((prefix >> 64n) << 64n) | this.settings.ids.of(prefix, collisions)) as Ipv6
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
  collided(address: Ipv6, now: Instant): boolean {
    const one = this.find(address)
    if (one?.state !== 'tentative') return false
    one.state = 'duplicate'
    one.dadAt = NEVER
    this.effects.group(address, false)
    this.effects.changed(one)
    if (one.kind === 'temporary') {
      this.addresses.splice(this.addresses.indexOf(one), 1)
      this.temporaries?.replace(one, now)
    } else if (this.settings.ids.isOpaque && (one.kind === 'local' || one.kind === 'prefix')) {
      this.tryAnother(one, now)
    }
    return true
  }

  /** RFC 7217 §6: the next identifier, a while after the last was found to be somebody else's; after three none. */
  private tryAnother(duplicate: OwnAddress, now: Instant): void {
    if (duplicate.collisions >= IDGEN_RETRIES) return
    this.addresses.splice(this.addresses.indexOf(duplicate), 1)
    const collisions = duplicate.collisions + 1
    const one = new OwnAddress(this.stableAddress(duplicate.address, collisions), duplicate.kind)
    one.collisions = collisions
    one.preferredUntil = duplicate.preferredUntil
    one.validUntil = duplicate.validUntil
    one.dadAt = after(now, IDGEN_DELAY)
    this.addresses.push(one)
    this.effects.group(one.address, true)
  }

  /** A checked advertisement of `router` has come (RFC 4861 §6.3.4). */
  advertised(router: Ipv6, advert: RouterAdvert, options: NdOptions, now: Instant): void {
    if (!this.settings.acceptRouterAdverts) return
    this.solicitAt = NEVER
    this.isManaged = advert.isManaged
    this.hasOther = advert.hasOther
    if (options.nameservers.length > 0) this.nameservers = options.nameservers
    this.routers.learnRouter(router, advert.preference, advert.lifetimeSeconds, now)
    for (const prefix of options.prefixes) this.learnPrefix(prefix, now)
    for (const { prefix, prefixBits, preference, lifetimeSeconds } of options.routes) {
      // RFC 4191 §3.1: a route to everywhere is the router's own entry.
      if (prefixBits === 0) this.routers.learnRouter(router, preference, lifetimeSeconds, now)
      else this.routers.learnRoute({ address: prefix, prefixBits }, router, preference, lifetimeSeconds, now)
    }
    this.temporaries?.update(now)
  }

  private learnPrefix(info: PrefixInfo, now: Instant): void {
    const { prefix, prefixBits, isOnLink, isAutonomous, validSeconds, preferredSeconds } = info
    if (isIpv6LinkLocal(prefix) || prefix >> 120n === 0xffn || prefixBits > 128) return
    if (isOnLink) this.routers.learnNetwork({ address: prefix, prefixBits }, validSeconds, now)
    // RFC 4862 §5.5.3: identifiers have 64 bits, so has the prefix.
    if (!isAutonomous || prefixBits !== 64 || preferredSeconds > validSeconds) return
    const known = this.addresses.find((one) => one.kind === 'prefix' && one.address >> 64n === prefix >> 64n)
    const validUntil = untilOf(validSeconds, now)
    if (known === undefined) {
      const address = this.stableAddress(prefix, 0)
      const count = this.addresses.filter(({ kind }) => kind === 'prefix').length
      if (validSeconds === 0 || count >= MAX_AUTO_ADDRESSES || this.find(address) !== undefined) return
      const one = this.add(address, 'prefix', now)
      one.validUntil = validUntil
      one.preferredUntil = untilOf(preferredSeconds, now)
      return
    }
    known.preferredUntil = untilOf(preferredSeconds, now)
    known.isDeprecated = preferredSeconds === 0
    // RFC 4862 §5.5.3 (e): nobody makes an address end at once by a forged advertisement; two hours are left at least.
    const twoHours = after(now, TWO_HOURS)
    if (validUntil > twoHours || validUntil > known.validUntil) known.validUntil = validUntil
    else if (known.validUntil > twoHours) known.validUntil = twoHours
  }

  nextDeadline(): Instant {
    let next = this.solicitAt
    for (const one of this.addresses) {
      next = earlier(next, earlier(one.dadAt, one.validUntil))
      if (!one.isDeprecated) next = earlier(next, one.preferredUntil)
    }
    if (this.temporaries !== undefined) next = earlier(next, this.temporaries.nextDeadline())
    return earlier(next, this.routers.nextDeadline())
  }

  poll(now: Instant): void {
    if (this.solicitAt <= now) this.solicitRouters(now)
    for (const one of [...this.addresses]) {
      if (one.dadAt <= now) this.detect(one, now)
      if (one.preferredUntil <= now) one.isDeprecated = true
      if (one.validUntil <= now) this.remove(one.address)
    }
    this.temporaries?.update(now)
    this.routers.poll(now)
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
