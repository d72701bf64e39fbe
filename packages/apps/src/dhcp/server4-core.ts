/**
 * A DHCP server's decisions (RFC 2131 §4.3), without I/O: messages in, effects out. Relay agents (RFC 3046, RFC 3527), names
 * (RFC 4702); a new address is checked before it is offered. Left out: BOOTP, authentication (RFC 3118), leases that other
 * servers may ask for (RFC 4388).
 */
import { ipv4InCidr, ipv4ToString, isMacGroup, macToString } from '@mirage-ts/core/addresses'
import { toHex } from '@mirage-ts/core/bytes'
import { type Counters, createCounters } from '@mirage-ts/core/metrics'
import { after, minutes, NEVER, seconds } from '@mirage-ts/core/time'
import {
  type DhcpOption,
  type DhcpQuery,
  emitDhcpAnswer,
  FQDN_ENCODED,
  FQDN_NO_UPDATES,
  FQDN_OVERRIDDEN,
  FQDN_SERVER_UPDATES,
  fqdnOption,
  parseDhcpQuery,
  textOption,
} from '@mirage-ts/net/dhcp/server-wire'
import {
  ACK,
  DECLINE,
  DISCOVER,
  INFORM,
  NAK,
  OFFER,
  OPTION_FQDN,
  OPTION_HOSTNAME,
  OPTION_MESSAGE,
  OPTION_SERVER,
  RELEASE,
  REQUEST,
} from '@mirage-ts/net/dhcp/wire'
import { TokenBucket } from '@mirage-ts/net/token-bucket'
import type { Ipv4, Mac } from '@mirage-ts/signatures/addresses'
import type { Instant } from '@mirage-ts/signatures/time'
import { type Dhcp4Host, type Dhcp4Subnet, leaseSecondsFor, optionsFor, poolOf, subnetProblem } from './config4.ts'
import { hostLabel } from './host-names.ts'
import { type Lease, type LeaseClient, LeaseTable } from './lease-table.ts'

/** Where an answer goes (RFC 2131 §4.1). */
export type Dhcp4Destination =
  | { readonly tag: 'relay' | 'client'; readonly address: Ipv4 }
  | { readonly tag: 'broadcast' }
  /** A client that has no address yet, but takes packets to the one it is about to have. */
  | { readonly tag: 'station'; readonly address: Ipv4; readonly mac: Mac }

export interface Dhcp4Effects {
  send(answer: Uint8Array, to: Dhcp4Destination): void
  /** Finds out whether somebody uses `address`, on our own link or behind a relay agent; {@link Dhcp4Core.probed} is told. */
  probe(address: Ipv4, isOnLink: boolean): void
  /** A lease has begun, goes on for longer, or (`ended`) is over. Called before the answer that tells the client. */
  changed(lease: Lease<Ipv4>): void
  /** The name that a client gets for the one it wishes for: a full one, or `undefined` when it may have none. */
  nameFor(label: string, client: LeaseClient): string | undefined
}

export interface Dhcp4Options {
  /** Our address: what clients know us by. */
  readonly address: Ipv4
  /** The one that `address` is in is that of our own link; others are behind relay agents. */
  readonly subnets: readonly Dhcp4Subnet[]
  /**
   * True when there is no other server: clients that bring leases we don't know are told at once to give them up, or get them if
   * they are free. Default false: such clients are not answered (RFC 2131 §4.3.2).
   */
  readonly isAuthoritative?: boolean
  /** Messages a second that are answered; more are dropped. Default 200. */
  readonly ratePerSecond?: number
}

export const DHCP4_SERVER_COUNTERS = [
  'discovers',
  'requests',
  'releases',
  'declines',
  'informs',
  'offers',
  'acks',
  'naks',
  'silent',
  'noAddress',
  'inUse',
  'busy',
  'rateLimited',
  'wrongSubnet',
  'truncated',
  'not-a-query',
  'not-a-reply',
  'bad-magic',
  'bad-option',
  'no-type',
  'bad-type',
] as const

/** An offer is kept for as long as clients wait for others. */
const OFFER_TIME = seconds(60)
/** An address that was declined or found in use is not lent for this time. */
const QUARANTINE_TIME = minutes(10)
/** Addresses tried for one client, when those before are in use. */
const MAX_PROBES = 3
/** Checks under way. */
const MAX_PENDING = 256
const DEFAULT_RATE_PER_SECOND = 200

interface Link {
  readonly subnet: Dhcp4Subnet
  readonly isOurs: boolean
  readonly table: LeaseTable<Ipv4>
}

/** An offer that waits until its address has been checked. */
interface PendingOffer {
  readonly link: Link
  readonly client: LeaseClient
  query: DhcpQuery
  probesLeft: number
}

export class Dhcp4Core {
  readonly counters: Counters<(typeof DHCP4_SERVER_COUNTERS)[number]> = createCounters(DHCP4_SERVER_COUNTERS)
  private readonly options: Dhcp4Options
  private readonly effects: Dhcp4Effects
  private readonly links: readonly Link[]
  /** By address. */
  private readonly pending = new Map<string, PendingOffer>()
  private readonly bucket: TokenBucket

  /** Throws a `RangeError` for subnets that make no sense. */
  constructor(options: Dhcp4Options, effects: Dhcp4Effects, now: Instant) {
    this.options = options
    this.effects = effects
    const rate = options.ratePerSecond ?? DEFAULT_RATE_PER_SECOND
    this.bucket = new TokenBucket(2 * rate, rate, now)
    this.links = options.subnets.map((subnet) => {
      const problem = subnetProblem(subnet)
      if (problem !== undefined) throw new RangeError(`Cannot lend addresses: ${problem}`)
      const table = new LeaseTable<Ipv4>(poolOf(subnet, options.address), (lease) => effects.changed(lease))
      return { subnet, isOurs: ipv4InCidr(options.address, subnet.network), table }
    })
  }

  /** All leases, those that have ended among them. */
  *leases(): Generator<Lease<Ipv4>> {
    for (const { table } of this.links) yield* table.leases()
  }

  /** Takes a lease back that was written down; nothing when no subnet has its address any more. */
  restore(client: LeaseClient, address: Ipv4, until: Instant, hostname: string | undefined): void {
    const link = this.links.find(({ subnet }) => ipv4InCidr(address, subnet.network))
    const isOpen = link?.table.isOpenTo(address, client, this.staticHost(link, client)?.address === address)
    if (link === undefined || isOpen !== true) return
    const lease = link.table.put(client, address, 'bound', until)
    lease.hostname = hostname
  }

  poll(now: Instant): void {
    for (const { table } of this.links) table.poll(now)
  }

  nextDeadline(): Instant {
    return this.links.reduce<Instant>((least, { table }) => Math.min(least, table.nextDeadline()) as Instant, NEVER)
  }

  /** A message has come to port 67. */
  input(u8: Uint8Array, now: Instant): void {
    const { counters } = this
    this.poll(now)
    const query = parseDhcpQuery(u8)
    if (typeof query === 'string') {
      counters[query]++
      return
    }
    if (!this.bucket.take(now)) {
      counters.rateLimited++
      return
    }
    const link = this.linkOf(query)
    const isStation = query.mac !== 0 && !isMacGroup(query.mac)
    if (link === undefined || !isStation) {
      counters.wrongSubnet++
      return
    }
    const client: LeaseClient = {
      // RFC 2131 §4.2: the client identifier, if there is one, else the hardware address.
      id: query.clientId === undefined ? `mac ${macToString(query.mac)}` : toHex(query.clientId),
      mac: query.mac,
    }
    switch (query.type) {
      case DISCOVER:
        counters.discovers++
        this.discover(link, client, query, now)
        break
      case REQUEST:
        counters.requests++
        this.request(link, client, query, now)
        break
      case DECLINE:
        counters.declines++
        this.decline(link, client, query, now)
        break
      case RELEASE:
        counters.releases++
        this.release(link, client, query)
        break
      case INFORM:
        counters.informs++
        this.inform(link, client, query)
        break
      default:
        counters['bad-type']++
    }
  }

  /** What a probe found. */
  probed(address: Ipv4, isFree: boolean, now: Instant): void {
    const key = ipv4ToString(address)
    const pending = this.pending.get(key)
    this.pending.delete(key)
    if (pending === undefined) return
    const { link, client, query } = pending
    if (isFree) {
      // Meanwhile the address may have gone to somebody who asked for it outright.
      if (link.table.isOpenTo(address, client, false)) this.offer(link, client, query, address, now)
      return
    }
    this.counters.inUse++
    link.table.quarantine(address, after(now, QUARANTINE_TIME))
    if (pending.probesLeft > 0) this.tryOffer(link, client, query, pending.probesLeft - 1, now)
  }

  /** The link that a message comes from: the one a relay agent names, the one that the client has an address of, or our own. */
  private linkOf(query: DhcpQuery): Link | undefined {
    const { giaddr, link, ciaddr } = query
    const named = giaddr !== 0 ? (link ?? giaddr) : ciaddr
    const found = named === 0 ? undefined : this.links.find(({ subnet }) => ipv4InCidr(named, subnet.network))
    // A client that moved says an address of where it was: it is on our link now, and is told so.
    return found ?? (giaddr === 0 ? this.links.find(({ isOurs }) => isOurs) : undefined)
  }

  private staticHost({ subnet }: Link, client: LeaseClient): Dhcp4Host | undefined {
    return subnet.hosts?.find(({ mac, clientId }) =>
      clientId === undefined ? mac === client.mac : toHex(clientId) === client.id,
    )
  }

  // RFC 2131 §4.3.1

  private discover(link: Link, client: LeaseClient, query: DhcpQuery, now: Instant): void {
    for (const pending of this.pending.values()) {
      if (pending.client.id !== client.id || pending.link !== link) continue
      // It asks again while its address is being checked: answer what it said last.
      pending.query = query
      return
    }
    this.tryOffer(link, client, query, MAX_PROBES - 1, now)
  }

  private tryOffer(link: Link, client: LeaseClient, query: DhcpQuery, probesLeft: number, now: Instant): void {
    const host = this.staticHost(link, client)
    if (host !== undefined) {
      const isOpen = link.table.isOpenTo(host.address, client, true)
      if (isOpen) this.offer(link, client, query, host.address, now)
      else this.counters.noAddress++
      return
    }
    let wanted = query.requested
    if (wanted !== undefined && this.pending.has(ipv4ToString(wanted))) wanted = undefined
    const address = link.table.choose(client, wanted)
    if (address === undefined) {
      this.counters.noAddress++
      return
    }
    const known = link.table.ofClient(client.id)
    const isHeld = known?.address === address && known.state !== 'ended'
    if (isHeld) {
      this.offer(link, client, query, address, now)
      return
    }
    const key = ipv4ToString(address)
    if (this.pending.size >= MAX_PENDING || this.pending.has(key)) {
      this.counters.busy++
      return
    }
    this.pending.set(key, { link, client, query, probesLeft })
    this.effects.probe(address, link.isOurs)
  }

  private offer(link: Link, client: LeaseClient, query: DhcpQuery, address: Ipv4, now: Instant): void {
    link.table.put(client, address, 'offered', after(now, OFFER_TIME))
    this.counters.offers++
    this.answer(OFFER, link, client, query, address)
  }

  // RFC 2131 §4.3.2

  private request(link: Link, client: LeaseClient, query: DhcpQuery, now: Instant): void {
    const { server, requested, ciaddr } = query
    const lease = link.table.ofClient(client.id)
    if (server !== undefined && server !== this.options.address) {
      // It has taken the offer of another server.
      if (lease?.state === 'offered') link.table.end(lease)
      this.counters.silent++
      return
    }
    const address = ciaddr === 0 ? requested : ciaddr
    if (address === undefined || address === 0) {
      this.counters.silent++
      return
    }
    if (!ipv4InCidr(address, link.subnet.network)) {
      this.nak(query, 'not an address of this network')
      return
    }
    const host = this.staticHost(link, client)
    const isRight = host === undefined || host.address === address
    if (isRight && lease?.address === address && lease.state !== 'ended') {
      this.lend(link, client, query, address, now)
      return
    }
    // We don't know this lease. A client that selects us has our offer, and we may have been restarted since; another one may
    // have its lease from another server.
    if (server === undefined && lease === undefined && this.options.isAuthoritative !== true) {
      this.counters.silent++
      return
    }
    const isLendable = isRight && link.table.isOpenTo(address, client, host !== undefined)
    const mayTake = lease === undefined || lease.address === address || lease.state !== 'bound'
    if (isLendable && mayTake) this.lend(link, client, query, address, now)
    else this.nak(query, 'not the address that you have been lent')
  }

  private lend(link: Link, client: LeaseClient, query: DhcpQuery, address: Ipv4, now: Instant): void {
    const lenSeconds = leaseSecondsFor(link.subnet, query.leaseSeconds)
    const until = lenSeconds === 0xffffffff ? NEVER : after(now, seconds(lenSeconds))
    const lease = link.table.put(client, address, 'bound', until)
    lease.hostname = this.labelOf(link, client, query)
    this.effects.changed(lease)
    this.counters.acks++
    this.answer(ACK, link, client, query, address)
  }

  private nak(query: DhcpQuery, why: string): void {
    this.counters.naks++
    const options: DhcpOption[] = [
      { code: OPTION_SERVER, data: addressOption(this.options.address) },
      { code: OPTION_MESSAGE, data: textOption(why) },
    ]
    const answer = emitDhcpAnswer({ type: NAK, query, yiaddr: 0 as Ipv4, next: 0 as Ipv4, options })
    this.effects.send(answer, query.giaddr === 0 ? { tag: 'broadcast' } : { tag: 'relay', address: query.giaddr })
  }

  // RFC 2131 §4.3.3 to §4.3.5

  private decline(link: Link, client: LeaseClient, query: DhcpQuery, now: Instant): void {
    const lease = link.table.ofClient(client.id)
    const isOurs = query.server === undefined || query.server === this.options.address
    // Nobody declines what is another's.
    if (!isOurs || lease === undefined || lease.address !== query.requested) {
      this.counters.silent++
      return
    }
    link.table.quarantine(lease.address, after(now, QUARANTINE_TIME))
  }

  private release(link: Link, client: LeaseClient, query: DhcpQuery): void {
    const lease = link.table.ofClient(client.id)
    const isOurs = query.server === undefined || query.server === this.options.address
    if (isOurs && lease?.address === query.ciaddr && lease.state !== 'ended') link.table.end(lease)
    else this.counters.silent++
  }

  private inform(link: Link, client: LeaseClient, query: DhcpQuery): void {
    const { ciaddr } = query
    if (ciaddr === 0 || !ipv4InCidr(ciaddr, link.subnet.network)) {
      this.counters.silent++
      return
    }
    this.counters.acks++
    this.answer(ACK, link, client, query, undefined)
  }

  /** Answers with `address`, or with options alone. */
  private answer(type: number, link: Link, client: LeaseClient, query: DhcpQuery, address: Ipv4 | undefined): void {
    const { subnet } = link
    const lenSeconds = address === undefined ? undefined : leaseSecondsFor(subnet, query.leaseSeconds)
    const options = optionsFor(subnet, this.options.address, query, lenSeconds)
    options.push(...this.nameOptions(link, client, query))
    const yiaddr = address ?? (0 as Ipv4)
    const octets = emitDhcpAnswer({ type, query, yiaddr, next: subnet.next ?? (0 as Ipv4), options })
    this.effects.send(octets, destinationOf(query, yiaddr))
  }

  /** The one label that a client is to be known by. */
  private labelOf(link: Link, client: LeaseClient, query: DhcpQuery): string | undefined {
    const wished = this.staticHost(link, client)?.hostname ?? query.fqdn?.name ?? query.hostname
    // RFC 4702 §4: a client may want its name not to be entered.
    if (((query.fqdn?.flags ?? 0) & FQDN_NO_UPDATES) !== 0) return undefined
    const label = wished === undefined ? undefined : hostLabel(wished)
    return label !== undefined && this.effects.nameFor(label, client) !== undefined ? label : undefined
  }

  private nameOptions(link: Link, client: LeaseClient, query: DhcpQuery): DhcpOption[] {
    const label = this.labelOf(link, client, query)
    const full = label === undefined ? undefined : this.effects.nameFor(label, client)
    const options: DhcpOption[] = []
    if (label !== undefined && (query.parameters.includes(OPTION_HOSTNAME) || query.hostname !== undefined)) {
      options.push({ code: OPTION_HOSTNAME, data: textOption(label) })
    }
    if (query.fqdn === undefined) return options
    const { flags: asked, name } = query.fqdn
    // RFC 4702 §4: we enter the name whether the client wanted to or not, unless it wants nobody to.
    let flags = asked & FQDN_ENCODED
    if ((asked & FQDN_NO_UPDATES) !== 0) flags |= FQDN_NO_UPDATES
    else flags |= FQDN_SERVER_UPDATES | ((asked & FQDN_SERVER_UPDATES) === 0 ? FQDN_OVERRIDDEN : 0)
    options.push({ code: OPTION_FQDN, data: fqdnOption(flags, full ?? name) })
    return options
  }
}

/** RFC 2131 §4.1: relay agents first, then who has an address, then who cannot hear anything but broadcasts. */
function destinationOf(query: DhcpQuery, yiaddr: Ipv4): Dhcp4Destination {
  if (query.giaddr !== 0) return { tag: 'relay', address: query.giaddr }
  if (query.ciaddr !== 0) return { tag: 'client', address: query.ciaddr }
  if (query.isBroadcast || yiaddr === 0) return { tag: 'broadcast' }
  return { tag: 'station', address: yiaddr, mac: query.mac }
}

function addressOption(address: Ipv4): Uint8Array {
  return Uint8Array.of(address >>> 24, address >>> 16, address >>> 8, address)
}
