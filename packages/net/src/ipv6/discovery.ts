/**
 * The messages of neighbour discovery (RFC 4861 §4, §7, §8): checks those that come, writes those that go, and keeps the caches
 * that they are about.
 */
import {
  IPV6_ALL_NODES,
  IPV6_ANY,
  ipv6SolicitedNode,
  isIpv6LinkLocal,
  isIpv6Multicast,
  readIpv6,
} from '@mirage-ts/core/addresses'
import { type Counters, createCounters } from '@mirage-ts/core/metrics'
import { ms } from '@mirage-ts/core/time'
import type { Ipv6, Mac } from '@mirage-ts/signatures/addresses'
import type { Frame } from '@mirage-ts/signatures/bytes'
import type { Instant } from '@mirage-ts/signatures/time'
import {
  emitMacOption,
  ICMPV6_HEADER_LEN,
  icmpv6Code,
  icmpv6Rest,
  icmpv6Type,
  ND_ADVERT,
  ND_REDIRECT,
  ND_ROUTER_ADVERT,
  ND_ROUTER_SOLICIT,
  ND_SOLICIT,
  parseNdOptions,
  preferenceOf,
  readNdTarget,
  writeNdTarget,
} from '../wire/icmpv6.ts'
import { IPV6_LEAST_MTU } from '../wire/ipv6.ts'
import type { Autoconf } from './autoconf.ts'
import type { Neighbours } from './neighbours.ts'

const TARGET_END = ICMPV6_HEADER_LEN + 16
const MAC_OPTION_LEN = 8
const FLAG_ROUTER = 0x80000000
const FLAG_SOLICITED = 0x40000000
const FLAG_OVERRIDE = 0x20000000
const ALL_ROUTERS: Ipv6 = 0xff020000000000000000000000000002n as Ipv6

/** Destinations for which a router has named a better first hop; bounded, the oldest goes. */
const MAX_REDIRECTS = 64
/** RFC 4861 §6.2.1: what a router may say at most. */
const MAX_REACHABLE_MS = 3_600_000
const LEAST_RETRANS_MS = 100
const MAX_RETRANS_MS = 60_000

export const DISCOVERY_COUNTERS = [
  /** Not from this link (RFC 4861 §6.1, §7.1: hop limit 255), or against the rules of its kind. */
  'invalid',
  'bad-option',
  'notForUs',
  'unsolicited',
  'conflict',
  'routerAdverts',
  'redirects',
] as const

/** Why a message has no effect. */
type DiscoveryReason = 'invalid' | 'bad-option' | 'notForUs' | 'unsolicited' | 'conflict'

/** What the messages need of the network layer. */
export interface DiscoveryEffects {
  /** Sends an ICMPv6 message of `len` octets with hop limit 255; `fill` writes what follows the header of 8. */
  send(
    type: number,
    rest: number,
    len: number,
    src: Ipv6,
    dst: Ipv6,
    mac: Mac | undefined,
    fill: (frame: Frame, off: number) => void,
  ): void
  /** A source for messages to `dst`, or the unspecified address. */
  source(dst: Ipv6): Ipv6
  setHopLimit(hopLimit: number): void
  setMtu(mtuBytes: number): void
  /** A router has advertised itself, and autoconf.ts knows what it said. */
  advertised(): void
}

/** What neighbour discovery does for one who advertises (RFC 4861 §6.2). */
export interface RouterRole {
  /** Somebody asks who is here. */
  onSolicit(): void
  /** True when hosts are told to send packets to others to us: what we say of ourselves has the R flag then (RFC 4861 §4.4). */
  readonly isDefault: boolean
}

export class Discovery {
  readonly counters: Counters<(typeof DISCOVERY_COUNTERS)[number]> = createCounters(DISCOVERY_COUNTERS)
  private readonly mac: Mac
  private readonly effects: DiscoveryEffects
  private readonly autoconf: Autoconf
  private readonly neighbours: Neighbours
  private readonly redirects = new Map<Ipv6, Ipv6>()
  /** Who advertises on this link in our name. */
  router: RouterRole | undefined = undefined

  constructor(mac: Mac, autoconf: Autoconf, neighbours: Neighbours, effects: DiscoveryEffects) {
    this.mac = mac
    this.autoconf = autoconf
    this.neighbours = neighbours
    this.effects = effects
  }

  /** Who takes packets for `dst` on; `undefined` when nobody does. */
  nextHop(dst: Ipv6): Ipv6 | undefined {
    const better = this.redirects.size === 0 ? undefined : this.redirects.get(dst)
    return better ?? this.autoconf.routers.nextHop(dst, (router) => this.neighbours.isKnown(router))
  }

  /** Asks everybody who `target` is, or the station at `mac` whether it still is. */
  solicit(target: Ipv6, mac: Mac | undefined): void {
    const dst = mac === undefined ? ipv6SolicitedNode(target) : target
    this.effects.send(
      ND_SOLICIT,
      0,
      TARGET_END + MAC_OPTION_LEN,
      this.effects.source(target),
      dst,
      mac,
      (frame, off) => {
        writeNdTarget(frame, off, target)
        emitMacOption(frame, off + TARGET_END, false, this.mac)
      },
    )
  }

  /** Asks whether somebody has `target` already: without a source of our own, and without telling our MAC (RFC 4862 §5.4.2). */
  probe(target: Ipv6): void {
    this.effects.send(ND_SOLICIT, 0, TARGET_END, IPV6_ANY, ipv6SolicitedNode(target), undefined, (frame, off) => {
      writeNdTarget(frame, off, target)
    })
  }

  routerSolicit(): void {
    const src = this.effects.source(ALL_ROUTERS)
    const len = ICMPV6_HEADER_LEN + (src === IPV6_ANY ? 0 : MAC_OPTION_LEN)
    this.effects.send(ND_ROUTER_SOLICIT, 0, len, src, ALL_ROUTERS, undefined, (frame, off) => {
      if (src !== IPV6_ANY) emitMacOption(frame, off + ICMPV6_HEADER_LEN, false, this.mac)
    })
  }

  /** Tells everybody who we are. */
  private advertise(target: Ipv6, dst: Ipv6, mac: Mac | undefined, flags: number): void {
    const role = this.router?.isDefault === true ? FLAG_ROUTER : 0
    this.effects.send(ND_ADVERT, (flags | role) >>> 0, TARGET_END + MAC_OPTION_LEN, target, dst, mac, (frame, off) => {
      writeNdTarget(frame, off, target)
      emitMacOption(frame, off + TARGET_END, true, this.mac)
    })
  }

  /** A message of types 133 to 137 whose checksum is right has come. */
  input(frame: Frame, off: number, end: number, src: Ipv6, dst: Ipv6, hopLimit: number, now: Instant): void {
    const isLocal = hopLimit === 255 && icmpv6Code(frame, off) === 0
    const reason = isLocal ? this.accept(frame, off, end, src, dst, now) : 'invalid'
    if (reason !== undefined) this.counters[reason]++
  }

  private accept(
    frame: Frame,
    off: number,
    end: number,
    src: Ipv6,
    dst: Ipv6,
    now: Instant,
  ): DiscoveryReason | undefined {
    switch (icmpv6Type(frame, off)) {
      case ND_SOLICIT:
        return this.solicited(frame, off, end, src, dst, now)
      case ND_ADVERT:
        return this.advertised(frame, off, end, dst, now)
      case ND_ROUTER_ADVERT:
        return this.routerAdvertised(frame, off, end, src, now)
      case ND_REDIRECT:
        return this.redirected(frame, off, end, src, now)
      default:
        return this.routerSolicited(frame, off, end, src)
    }
  }

  private routerSolicited(frame: Frame, off: number, end: number, src: Ipv6): DiscoveryReason | undefined {
    if (this.router === undefined) return 'notForUs'
    const options = parseNdOptions(frame, off + ICMPV6_HEADER_LEN, end)
    if (options === undefined) return 'bad-option'
    // RFC 4861 §6.1.1
    if (src === IPV6_ANY && options.sourceMac !== 0) return 'invalid'
    this.router.onSolicit()
    return undefined
  }

  private solicited(
    frame: Frame,
    off: number,
    end: number,
    src: Ipv6,
    dst: Ipv6,
    now: Instant,
  ): DiscoveryReason | undefined {
    if (end - off < TARGET_END) return 'invalid'
    const target = readNdTarget(frame, off)
    const options = parseNdOptions(frame, off + TARGET_END, end)
    if (options === undefined) return 'bad-option'
    const isProbe = src === IPV6_ANY
    // RFC 4861 §7.1.1
    if (isIpv6Multicast(target) || (isProbe && (dst !== ipv6SolicitedNode(target) || options.sourceMac !== 0))) {
      return 'invalid'
    }
    // RFC 4862 §5.4.3: somebody wants the address that we are about to take.
    if (isProbe && this.autoconf.collided(target, now)) return 'conflict'
    if (!this.autoconf.isUsable(target)) return 'notForUs'
    if (isProbe) {
      this.advertise(target, IPV6_ALL_NODES, undefined, FLAG_OVERRIDE)
    } else {
      if (options.sourceMac !== 0) this.neighbours.heardFrom(src, options.sourceMac, now)
      const mac = options.sourceMac === 0 ? undefined : options.sourceMac
      this.advertise(target, src, mac, FLAG_SOLICITED | FLAG_OVERRIDE)
    }
    return undefined
  }

  private advertised(frame: Frame, off: number, end: number, dst: Ipv6, now: Instant): DiscoveryReason | undefined {
    if (end - off < TARGET_END) return 'invalid'
    const target = readNdTarget(frame, off)
    const options = parseNdOptions(frame, off + TARGET_END, end)
    if (options === undefined) return 'bad-option'
    const flags = icmpv6Rest(frame, off)
    const isSolicited = (flags & FLAG_SOLICITED) !== 0
    if (isIpv6Multicast(target) || (isSolicited && isIpv6Multicast(dst))) return 'invalid'
    if (this.autoconf.find(target) !== undefined) {
      // RFC 4862 §5.4.4: before the address is ours that ends it; after, somebody is mistaken and we go on.
      this.autoconf.collided(target, now)
      return 'conflict'
    }
    const isOverride = (flags & FLAG_OVERRIDE) !== 0
    const isRouter = (flags & FLAG_ROUTER) !== 0
    return this.neighbours.advertised(target, options.targetMac, isSolicited, isOverride, isRouter, now)
  }

  private routerAdvertised(
    frame: Frame,
    off: number,
    end: number,
    src: Ipv6,
    now: Instant,
  ): DiscoveryReason | undefined {
    // RFC 4861 §6.1.2
    if (end - off < 16 || !isIpv6LinkLocal(src)) return 'invalid'
    const options = parseNdOptions(frame, off + 16, end)
    if (options === undefined) return 'bad-option'
    this.counters.routerAdverts++
    const { dv } = frame
    const flags = dv.getUint8(off + 5)
    if (options.sourceMac !== 0) this.neighbours.heardFrom(src, options.sourceMac, now)
    if (dv.getUint8(off + 4) !== 0) this.effects.setHopLimit(dv.getUint8(off + 4))
    const reachableMs = dv.getUint32(off + 8)
    const retransMs = dv.getUint32(off + 12)
    if (reachableMs > 0 && reachableMs <= MAX_REACHABLE_MS) this.neighbours.reachableTime = ms(reachableMs)
    if (retransMs >= LEAST_RETRANS_MS && retransMs <= MAX_RETRANS_MS) this.neighbours.retransTime = ms(retransMs)
    if (options.mtuBytes >= IPV6_LEAST_MTU) this.effects.setMtu(options.mtuBytes)
    this.autoconf.advertised(
      src,
      {
        lifetimeSeconds: dv.getUint16(off + 6),
        // RFC 4191 §2.2: the reserved value counts as medium.
        preference: preferenceOf(flags) ?? 0,
        isManaged: (flags & 0x80) !== 0,
        hasOther: (flags & 0x40) !== 0,
      },
      options,
      now,
    )
    this.effects.advertised()
    return undefined
  }

  /** RFC 4861 §8.1, §8.3: believed of the first hop only. */
  private redirected(frame: Frame, off: number, end: number, src: Ipv6, now: Instant): DiscoveryReason | undefined {
    if (end - off < TARGET_END + 16 || !isIpv6LinkLocal(src)) return 'invalid'
    const target = readNdTarget(frame, off)
    const dst = readIpv6(frame.dv, off + TARGET_END)
    const options = parseNdOptions(frame, off + TARGET_END + 16, end)
    if (options === undefined) return 'bad-option'
    const isSane = !isIpv6Multicast(dst) && (target === dst || isIpv6LinkLocal(target))
    if (!isSane || !this.autoconf.routers.isRouter(src) || this.nextHop(dst) !== src) return 'invalid'
    this.counters.redirects++
    if (options.targetMac !== 0) this.neighbours.heardFrom(target, options.targetMac, now)
    this.redirects.delete(dst)
    this.redirects.set(dst, target)
    const [oldest] = this.redirects.keys()
    if (this.redirects.size > MAX_REDIRECTS && oldest !== undefined) this.redirects.delete(oldest)
    return undefined
  }

  /** Who takes packets for `dst` on does not answer any more: what a redirect has sent that way goes the old way again. */
  forget(dst: Ipv6): void {
    const hop = this.redirects.get(dst)
    if (hop === undefined) return
    for (const [other, target] of this.redirects) if (target === hop) this.redirects.delete(other)
  }
}
