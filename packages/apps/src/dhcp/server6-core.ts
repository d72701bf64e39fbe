/**
 * A DHCPv6 server's decisions (RFC 8415 §16, §18.3), without I/O: lends addresses (IA_NA) and tells of resolvers, search lists and
 * time servers, through relay agents as well (§19). Left out: prefix delegation (requests for prefixes are answered with
 * NoPrefixAvail), reconfigure messages, authentication, and answers to what is sent to us by unicast (RFC 9915 has dropped it).
 */
import { ipv6InCidr, isIpv6Multicast } from '@mirage-ts/core/addresses'
import { toHex } from '@mirage-ts/core/bytes'
import { type Counters, createCounters } from '@mirage-ts/core/metrics'
import { after, minutes, NEVER, seconds } from '@mirage-ts/core/time'
import {
  ADVERTISE,
  CONFIRM,
  DECLINE,
  DHCP6_INFINITY,
  type Dhcp6AddressAssociation,
  type Dhcp6Message,
  type Dhcp6Options,
  type Dhcp6Relay,
  FQDN_NO_UPDATES,
  FQDN_OVERRIDDEN,
  FQDN_SERVER_UPDATES,
  INFORMATION_REQUEST,
  REBIND,
  RELEASE,
  RENEW,
  REPLY,
  REQUEST,
  SOLICIT,
  STATUS,
} from '@mirage-ts/net/dhcp6/codec'
import { parseDhcp6 } from '@mirage-ts/net/dhcp6/reader'
import { emitDhcp6 } from '@mirage-ts/net/dhcp6/writer'
import { TokenBucket } from '@mirage-ts/net/token-bucket'
import type { Ipv6, Mac } from '@mirage-ts/signatures/addresses'
import type { Instant } from '@mirage-ts/signatures/time'
import { configOptions, type Dhcp6Host, type Dhcp6Link, lifetimesOf, linkProblem, rangeOf } from './config6.ts'
import { hostLabel } from './host-names.ts'
import { type Lease, type LeaseClient, LeaseTable } from './lease-table.ts'
import { macOf } from './macs6.ts'
import { linkNamedBy, unwrap, wrap } from './relays6.ts'

export interface Dhcp6ServerOptions {
  /** Who we are; the same after each start. */
  readonly duid: Uint8Array
  /** The first is our own; others are behind relay agents. */
  readonly links: readonly Dhcp6Link[]
  /** 0 to 255; clients take the server with the greatest. Default: 0, left out. */
  readonly preference?: number
  /** Lends at once to clients that offer to do without the second exchange. Default true: right where we are the only server. */
  readonly isRapidCommit?: boolean
  /** Messages a second that are answered; more are dropped. Default 200. */
  readonly ratePerSecond?: number
}

export interface Dhcp6Effects {
  /** A lease has begun, goes on for longer, or is over. Called before the answer that tells the client. */
  changed(lease: Lease<Ipv6>): void
  /** The full name that a client gets for the label it wishes for; `undefined` when it may have none. */
  nameFor(label: string, client: LeaseClient): string | undefined
}

export const DHCP6_SERVER_COUNTERS = [
  'messages',
  'replies',
  'advertises',
  'relayed',
  'noAddress',
  'notForUs',
  'invalid',
  'rateLimited',
  'wrongLink',
  'truncated',
  'bad-type',
  'bad-option',
  'too-many-options',
  'no-message',
] as const

const DEFAULT_RATE_PER_SECOND = 200
const OFFER_TIME = seconds(60)
const QUARANTINE_TIME = minutes(10)
/** Associations of one message that are answered: hosts have one. */
const MAX_ASSOCIATIONS = 8

interface Link {
  readonly config: Dhcp6Link
  readonly table: LeaseTable<Ipv6>
}

/** What is known of who asks. */
interface Asker {
  readonly message: Dhcp6Message
  readonly duid: string
  readonly mac: Mac | undefined
  readonly link: Link
}

export class Dhcp6Core {
  readonly counters: Counters<(typeof DHCP6_SERVER_COUNTERS)[number]> = createCounters(DHCP6_SERVER_COUNTERS)
  private readonly options: Dhcp6ServerOptions
  private readonly effects: Dhcp6Effects
  private readonly links: readonly Link[]
  private readonly bucket: TokenBucket

  /** Throws a `RangeError` for links that make no sense. */
  constructor(options: Dhcp6ServerOptions, effects: Dhcp6Effects, now: Instant) {
    this.options = options
    this.effects = effects
    const rate = options.ratePerSecond ?? DEFAULT_RATE_PER_SECOND
    this.bucket = new TokenBucket(2 * rate, rate, now)
    this.links = options.links.map((config) => {
      const problem = linkProblem(config)
      if (problem !== undefined) throw new RangeError(`Cannot lend addresses: ${problem}`)
      return { config, table: new LeaseTable<Ipv6>(rangeOf(config), (lease) => effects.changed(lease)) }
    })
  }

  /** All leases, those that have ended among them. */
  *leases(): Generator<Lease<Ipv6>> {
    for (const { table } of this.links) yield* table.leases()
  }

  /** Takes a lease back that was written down; nothing when no link has its address any more. */
  restore(client: LeaseClient, address: Ipv6, until: Instant, hostname: string | undefined): void {
    const link = this.links.find(({ config }) => ipv6InCidr(address, config.network))
    const isStatic = link?.config.hosts?.some((host) => host.address === address) ?? false
    if (link === undefined || !link.table.isOpenTo(address, client, isStatic)) return
    link.table.put(client, address, 'bound', until).hostname = hostname
  }

  poll(now: Instant): void {
    for (const { table } of this.links) table.poll(now)
  }

  nextDeadline(): Instant {
    return this.links.reduce<Instant>((least, { table }) => Math.min(least, table.nextDeadline()) as Instant, NEVER)
  }

  /** A message has come to port 547 from `src`, sent to `dst`. Returns the answer to send back there, if there is one. */
  input(u8: Uint8Array, src: Ipv6, dst: Ipv6, now: Instant): Uint8Array | undefined {
    const { counters } = this
    counters.messages++
    this.poll(now)
    if (!this.bucket.take(now)) {
      counters.rateLimited++
      return undefined
    }
    const relayed = unwrap(u8)
    if (typeof relayed === 'string') {
      counters[relayed]++
      return undefined
    }
    const { relays } = relayed
    const message = parseDhcp6(relayed.message)
    if (typeof message === 'string') {
      counters[message]++
      return undefined
    }
    // RFC 8415 §16: clients speak to the group of servers.
    if (relays.length === 0 && !isIpv6Multicast(dst)) {
      counters.notForUs++
      return undefined
    }
    const link = this.linkOf(relays)
    if (link === undefined) {
      counters.wrongLink++
      return undefined
    }
    const peer = relays.at(-1)?.peer ?? src
    const duid = message.clientId === undefined ? '' : toHex(message.clientId)
    const mac = macOf(message.clientId, peer)
    const answer = this.answer({ message, duid, mac, link }, now)
    if (answer === undefined) return undefined
    if (answer.type === ADVERTISE) counters.advertises++
    else counters.replies++
    counters.relayed += relays.length
    return wrap(emitDhcp6(answer), relays)
  }

  private linkOf(relays: readonly Dhcp6Relay[]): Link | undefined {
    const named = linkNamedBy(relays)
    if (named === undefined) return this.links[0]
    return this.links.find(({ config }) => ipv6InCidr(named, config.network))
  }

  private answer(asker: Asker, now: Instant): Dhcp6Message | undefined {
    const { message, duid } = asker
    const { type, serverId } = message
    // RFC 8415 §16.2 to §16.11: who must say whom it means, who must not, and who must say who it is.
    const isToOne = type === REQUEST || type === RENEW || type === RELEASE || type === DECLINE
    const isToAll = type === SOLICIT || type === CONFIRM || type === REBIND
    const isInformation = type === INFORMATION_REQUEST
    const hasAssociations = (message.associations ?? message.prefixAssociations) !== undefined
    const isValid =
      (isToOne && serverId !== undefined && duid !== '') ||
      (isToAll && serverId === undefined && duid !== '') ||
      (isInformation && !hasAssociations)
    if (!isValid) {
      this.counters.invalid++
      return undefined
    }
    if (serverId !== undefined && toHex(serverId) !== toHex(this.options.duid)) {
      this.counters.notForUs++
      return undefined
    }
    switch (type) {
      case SOLICIT:
        return this.solicit(asker, now)
      case REQUEST:
        return this.reply(asker, this.lendAll(asker, true, now))
      case RENEW:
      case REBIND:
        return this.renew(asker, now)
      case CONFIRM:
        return this.confirm(asker)
      case INFORMATION_REQUEST:
        return this.reply(asker, {})
      default:
        return this.giveUp(asker, now)
    }
  }

  // §18.3.1

  private solicit(asker: Asker, now: Instant): Dhcp6Message | undefined {
    const isRapid = asker.message.isRapidCommit === true && (this.options.isRapidCommit ?? true)
    const lent = this.lendAll(asker, isRapid, now)
    if (isRapid) return { ...this.reply(asker, lent), isRapidCommit: true }
    return { ...this.reply(asker, lent), type: ADVERTISE, preference: this.options.preference }
  }

  /** An address for each association; `isBound` when it is more than an offer. */
  private lendAll(asker: Asker, isBound: boolean, now: Instant): Dhcp6Options {
    const associations = (asker.message.associations ?? []).slice(0, MAX_ASSOCIATIONS)
    return {
      associations: associations.map((association) => {
        const { network } = asker.link.config
        // §18.3.2: what is asked for is of another link.
        const isElsewhere = association.addresses.some(({ address }) => !ipv6InCidr(address, network))
        if (isBound && isElsewhere && asker.message.type === REQUEST) {
          return refused(association, STATUS.NOT_ON_LINK, 'an address is of another link')
        }
        const address = this.addressFor(asker, association)
        if (address !== undefined) return this.lend(asker, association, address, isBound, now)
        this.counters.noAddress++
        return refused(association, STATUS.NO_ADDRS_AVAIL, 'no address is free')
      }),
      ...withoutPrefixes(asker.message),
    }
  }

  private addressFor(asker: Asker, association: Dhcp6AddressAssociation): Ipv6 | undefined {
    const { table } = asker.link
    const client = clientOf(asker, association)
    const host = hostOf(asker)
    if (host !== undefined && table.isOpenTo(host.address, client, true)) return host.address
    return asker.link.config.range === undefined
      ? undefined
      : table.choose(
          client,
          association.addresses.find(({ address }) => table.isOpenTo(address, client, false))?.address,
        )
  }

  private lend(
    asker: Asker,
    association: Dhcp6AddressAssociation,
    address: Ipv6,
    isBound: boolean,
    now: Instant,
  ): Dhcp6AddressAssociation {
    const { config, table } = asker.link
    const { preferredSeconds, validSeconds } = lifetimesOf(config)
    const client = clientOf(asker, association)
    if (isBound) {
      const until = validSeconds === DHCP6_INFINITY ? NEVER : after(now, seconds(validSeconds))
      const lease = table.put(client, address, 'bound', until)
      lease.hostname = this.labelOf(asker, client)
      this.effects.changed(lease)
    } else {
      table.put(client, address, 'offered', after(now, OFFER_TIME))
    }
    return {
      iaid: association.iaid,
      // §21.4: half of the time, and four fifths of it.
      t1Seconds: Math.floor(preferredSeconds * 0.5),
      t2Seconds: Math.floor(preferredSeconds * 0.8),
      addresses: [{ address, preferredSeconds, validSeconds }],
    }
  }

  // §18.3.4, §18.3.5

  private renew(asker: Asker, now: Instant): Dhcp6Message | undefined {
    const { config, table } = asker.link
    const associations: Dhcp6AddressAssociation[] = []
    let isKnown = false
    for (const association of (asker.message.associations ?? []).slice(0, MAX_ASSOCIATIONS)) {
      const client = clientOf(asker, association)
      const lease = table.ofClient(client.id)
      const host = hostOf(asker)
      const lent = lease !== undefined && lease.state !== 'ended' ? lease.address : undefined
      const address = host?.address ?? lent
      // Addresses that are not of this link, and others than the one of the lease, end at once.
      const ending = association.addresses
        .filter((one) => one.address !== address)
        .map((one) => ({ address: one.address, preferredSeconds: 0, validSeconds: 0 }))
      if (address !== undefined && (host === undefined || table.isOpenTo(address, client, true))) {
        isKnown = true
        const granted = this.lend(asker, association, address, true, now)
        associations.push({ ...granted, addresses: [...granted.addresses, ...ending] })
        continue
      }
      const isElsewhere = ending.length > 0 && ending.every((one) => !ipv6InCidr(one.address, config.network))
      isKnown ||= isElsewhere
      if (isElsewhere)
        associations.push({ ...association, t1Seconds: 0, t2Seconds: 0, addresses: ending, status: undefined })
      else associations.push(refused(association, STATUS.NO_BINDING, 'no lease of this client'))
    }
    // §18.3.5: a client that speaks to all may have its lease from another server.
    if (asker.message.type === REBIND && !isKnown) {
      this.counters.notForUs++
      return undefined
    }
    return this.reply(asker, { associations, ...withoutPrefixes(asker.message) })
  }

  // §18.3.3

  private confirm(asker: Asker): Dhcp6Message | undefined {
    const addresses = (asker.message.associations ?? []).flatMap((association) => association.addresses)
    if (addresses.length === 0) {
      this.counters.invalid++
      return undefined
    }
    const isOnLink = addresses.every(({ address }) => ipv6InCidr(address, asker.link.config.network))
    const status = isOnLink
      ? { code: STATUS.SUCCESS, message: 'all addresses are of this link' }
      : { code: STATUS.NOT_ON_LINK, message: 'an address is of another link' }
    return this.reply(asker, { status })
  }

  // §18.3.7, §18.3.8

  private giveUp(asker: Asker, now: Instant): Dhcp6Message {
    const { table } = asker.link
    const refusals: Dhcp6AddressAssociation[] = []
    for (const association of (asker.message.associations ?? []).slice(0, MAX_ASSOCIATIONS)) {
      const lease = table.ofClient(clientOf(asker, association).id)
      if (lease === undefined || lease.state === 'ended') {
        refusals.push({
          ...refused(association, STATUS.NO_BINDING, 'no lease of this client'),
          t1Seconds: 0,
          t2Seconds: 0,
        })
      } else if (association.addresses.some(({ address }) => address === lease.address)) {
        if (asker.message.type === DECLINE) table.quarantine(lease.address, after(now, QUARANTINE_TIME))
        else table.end(lease)
      }
    }
    return this.reply(asker, { associations: refusals, status: { code: STATUS.SUCCESS, message: '' } })
  }

  private reply(asker: Asker, options: Dhcp6Options): Dhcp6Message {
    const { message, link } = asker
    return {
      type: REPLY,
      xid: message.xid,
      clientId: message.clientId,
      serverId: this.options.duid,
      ...configOptions(link.config, message),
      ...options,
      fqdn: this.fqdn(asker),
    }
  }

  private labelOf(asker: Asker, client: LeaseClient): string | undefined {
    const { fqdn } = asker.message
    if (((fqdn?.flags ?? 0) & FQDN_NO_UPDATES) !== 0) return undefined
    const wished = hostOf(asker)?.hostname ?? fqdn?.name
    const label = wished === undefined ? undefined : hostLabel(wished)
    return label !== undefined && this.effects.nameFor(label, client) !== undefined ? label : undefined
  }

  /** RFC 4704 §6: we enter the name, whether the client wanted to or not, unless it wants nobody to. */
  private fqdn(asker: Asker): Dhcp6Options['fqdn'] {
    const { fqdn, associations } = asker.message
    if (fqdn === undefined) return undefined
    if ((fqdn.flags & FQDN_NO_UPDATES) !== 0) return { flags: FQDN_NO_UPDATES, name: fqdn.name }
    const client = clientOf(asker, associations?.[0])
    const label = this.labelOf(asker, client)
    const name = label === undefined ? undefined : this.effects.nameFor(label, client)
    const overridden = (fqdn.flags & FQDN_SERVER_UPDATES) === 0 ? FQDN_OVERRIDDEN : 0
    return name === undefined ? undefined : { flags: FQDN_SERVER_UPDATES | overridden, name }
  }
}

function clientOf({ duid, mac }: Asker, association: Dhcp6AddressAssociation | undefined): LeaseClient {
  return { id: `${duid} ${association?.iaid ?? 0}`, mac }
}

function hostOf({ duid, mac, link }: Asker): Dhcp6Host | undefined {
  return link.config.hosts?.find((host) => (host.duid === undefined ? host.mac === mac : toHex(host.duid) === duid))
}

function refused({ iaid }: Dhcp6AddressAssociation, code: number, message: string): Dhcp6AddressAssociation {
  return { iaid, t1Seconds: 0, t2Seconds: 0, addresses: [], status: { code, message } }
}

function withoutPrefixes(message: Dhcp6Message): Dhcp6Options {
  return {
    prefixAssociations: message.prefixAssociations?.slice(0, MAX_ASSOCIATIONS).map(({ iaid }) => ({
      iaid,
      t1Seconds: 0,
      t2Seconds: 0,
      prefixes: [],
      status: { code: STATUS.NO_PREFIX_AVAIL, message: 'no prefixes here' },
    })),
  }
}
