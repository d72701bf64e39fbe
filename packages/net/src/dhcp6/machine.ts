/**
 * The DHCPv6 client without input, output or waiting of its own (RFC 8415 §18.2): messages and time go in, messages, addresses
 * and configuration come out.
 *
 *     waiting ─► soliciting ──advertise──► requesting ──reply──► bound ──T1──► renewing ──T2──► rebinding
 *                    ▲  └──reply with rapid commit──────────────►▲  ▲───reply───┴──────────────────┤
 *                    └────────────────────────────────────────────────── no address is left ───────┘
 *     waiting ─► informing ──reply──► informed ──refresh time──► informing
 *
 * One identity association of addresses (IA_NA), of one address as a rule. Not here: prefix delegation, temporary addresses,
 * Confirm (we keep nothing over a reboot and do not change links), Reconfigure (it needs an authentication nobody has; §20.4
 * makes a client that never offered to accept one drop it).
 */
import { type Counters, createCounters } from '@mirage-ts/core/metrics'
import { after, earlier, NEVER } from '@mirage-ts/core/time'
import type { Ipv6, Mac } from '@mirage-ts/signatures/addresses'
import type { Dhcp6Config } from '@mirage-ts/signatures/dhcp'
import type { Random } from '@mirage-ts/signatures/random'
import type { Duration, Instant } from '@mirage-ts/signatures/time'
import {
  ADVERTISE,
  DHCP6_INFINITY,
  type Dhcp6AddressAssociation,
  type Dhcp6Message,
  duidOfMac,
  REPLY,
  STATUS,
} from './codec.ts'
import { addressesIn, associationsOf, isUsable, LentAddresses, type LentEffects, renewalTimes } from './lent.ts'
import { type AskingState, questionOf } from './questions.ts'
import { parseDhcp6 } from './reader.ts'
import {
  DECLINING,
  INFORMING,
  nextWaitUs,
  REBINDING,
  RELEASING,
  RENEWING,
  REQUESTING,
  type Retransmission,
  SOLICITING,
} from './retransmission.ts'
import { emitDhcp6 } from './writer.ts'

export const DHCP6_CLIENT_COUNTERS = [
  'truncated',
  'bad-type',
  'bad-option',
  'too-many-options',
  'no-message',
  /** To somebody else, or no answer to a question of ours that is open. */
  'notForUs',
  /** Without what makes it an answer: a server's identifier, an address. */
  'incomplete',
  /** The server says no. */
  'refusals',
  'duplicates',
  'renewals',
  'losses',
] as const

export type Dhcp6State =
  | AskingState
  /** Nothing to ask for, so far. */
  | 'idle'
  /** Before the first message: §18.2.1 and §18.2.6 want the hosts of a link not to begin at once together. */
  | 'waiting'
  | 'bound'
  | 'informed'
  | 'stopped'

/** What routers say is to be had from DHCPv6: addresses and all else (M), all else (O), or nothing. */
export type Dhcp6Wish = 'addresses' | 'information' | 'nothing'

// RFC 8415 §7.6: SOL_MAX_DELAY and INF_MAX_DELAY, IRT_DEFAULT, IRT_MINIMUM; §21.24: what bounds of its own a server may set.
const MAX_DELAY_US = 1_000_000
const DEFAULT_REFRESH_SECONDS = 86_400
const LEAST_REFRESH_SECONDS = 600
const LEAST_MAX_RT_SECONDS = 60
const MOST_MAX_RT_SECONDS = 86_400

/** What the machine does to the world. */
export interface Dhcp6Effects extends LentEffects {
  /** Sends to all relay agents and servers on the link. */
  send(message: Uint8Array): void
  /** What servers said beside addresses. */
  configured(config: Dhcp6Config): void
  trace(text: () => string): void
}

export interface Dhcp6Settings {
  readonly mac: Mac
  /** A checked name. */
  readonly hostname: string | undefined
}

export class Dhcp6Machine {
  readonly counters: Counters<(typeof DHCP6_CLIENT_COUNTERS)[number]> = createCounters(DHCP6_CLIENT_COUNTERS)
  state: Dhcp6State = 'idle'
  private wish: Dhcp6Wish = 'nothing'
  private readonly random: Random
  private readonly settings: Dhcp6Settings
  private readonly effects: Dhcp6Effects
  private readonly clientId: Uint8Array
  private readonly iaid: number
  private xid = 0
  /** Of the exchange: when it began, what it was about to end with, how often and how long it has been tried. */
  private startedAt: Instant = NEVER
  private how: Retransmission = SOLICITING
  private waitUs = 0
  private sentCount = 0
  private resendAt: Instant = NEVER
  /** When the exchange is given up, or the state ends: T1, T2, the last address, the refresh time. */
  private endAt: Instant = NEVER
  /** The best advertisement so far; the server we have taken. */
  private offer: Dhcp6Message | undefined
  private serverId: Uint8Array | undefined
  private readonly lent: LentAddresses
  /** Addresses to decline or to give back. */
  private returned: readonly Ipv6[] = []
  private rebindAt: Instant = NEVER
  private maxSolicitSeconds = SOLICITING.maxSeconds
  private maxInformSeconds = INFORMING.maxSeconds

  constructor(random: Random, settings: Dhcp6Settings, effects: Dhcp6Effects) {
    this.random = random
    this.settings = settings
    this.effects = effects
    this.clientId = duidOfMac(settings.mac)
    this.iaid = settings.mac >>> 0
    this.lent = new LentAddresses(effects)
  }

  /** Routers say what is to be had. What we have been lent stays when they no longer do, until it ends. */
  want(wish: Dhcp6Wish, now: Instant): void {
    if (this.state === 'stopped' || this.state === 'releasing' || wish === this.wish) return
    const hasMore = this.wish === 'addresses'
    this.wish = wish
    if (wish === 'nothing' || hasMore) return
    this.begin('waiting', `routers offer ${wish}`)
    this.endAt = after(now, Math.floor((this.random.u32() / 2 ** 32) * MAX_DELAY_US) as Duration)
  }

  nextDeadline(): Instant {
    return earlier(this.resendAt, this.endAt)
  }

  poll(now: Instant): void {
    if (now >= this.endAt) this.end(now)
    if (now >= this.resendAt) this.resend(now)
  }

  /** A datagram has come to the client's port. */
  input(message: Uint8Array, now: Instant): void {
    const reply = parseDhcp6(message)
    if (typeof reply === 'string') {
      this.counters[reply]++
      return
    }
    // §16.3, §16.10: an answer names both of us, and the exchange.
    if (reply.xid !== this.xid || !isSame(reply.clientId, this.clientId)) {
      this.counters.notForUs++
      return
    }
    if (reply.serverId === undefined) {
      this.counters.incomplete++
      return
    }
    if (reply.type === ADVERTISE && this.state === 'soliciting') this.advertised(reply, now)
    else if (reply.type === REPLY) this.replied(reply, now)
    else this.counters.notForUs++
  }

  /** Somebody else uses `address`, which we were lent (§18.2.8). */
  duplicate(address: Ipv6, now: Instant): void {
    if (!this.lent.withdraw(address)) return
    this.counters.duplicates++
    this.returned = [address]
    this.begin('declining', 'duplicate address')
    this.start(DECLINING, now)
  }

  /** Gives back what is lent, and stops. */
  release(now: Instant): void {
    if (this.state === 'stopped' || this.state === 'releasing') return
    this.returned = this.lent.addresses
    // §18.2.7: "the client MUST stop using all of the leases being released before the client begins".
    this.lent.withdrawAll()
    this.begin(this.returned.length > 0 ? 'releasing' : 'stopped', 'released')
    if (this.returned.length > 0) this.start(RELEASING, now)
  }

  // --- Time ---

  /** The state has come to its end, or its exchange is given up. */
  private end(now: Instant): void {
    this.endAt = NEVER
    switch (this.state) {
      case 'waiting':
      case 'informed':
        if (this.wish === 'addresses') this.solicit('asks', now)
        else this.inform(now)
        return
      case 'soliciting': {
        // §18.2.1: the first round is over: the best of those who answered.
        if (this.offer !== undefined) this.request(this.offer, now)
        return
      }
      case 'bound':
        this.begin('renewing', 'T1')
        this.endAt = earlier(this.rebindAt, this.lent.lastEnd())
        this.start(RENEWING, now)
        return
      case 'renewing':
        if (now >= this.lent.lastEnd()) this.lose(now)
        else {
          this.begin('rebinding', 'T2')
          this.endAt = this.lent.lastEnd()
          this.start(REBINDING, now)
        }
        return
      case 'rebinding':
      case 'requesting': // again, after the server had forgotten what it lent
        this.lose(now)
        return
      default:
    }
  }

  private resend(now: Instant): void {
    const { how } = this
    if (how.maxCount > 0 && this.sentCount >= how.maxCount) {
      this.resendAt = NEVER
      if (this.state === 'requesting') this.solicit('no answer', now)
      else if (this.state === 'declining') this.solicit('declined', now)
      else if (this.state === 'releasing') this.begin('stopped', 'released')
      return
    }
    this.transmit(now)
  }

  /** Every address has ended without a word. */
  private lose(now: Instant): void {
    this.counters.losses++
    this.lent.withdrawAll()
    this.solicit('the last address has ended', now)
  }

  // --- Asking ---

  private begin(state: Dhcp6State, why: string): void {
    this.effects.trace(() => `${this.state} -> ${state} (${why})`)
    this.state = state
    this.resendAt = NEVER
    this.endAt = NEVER
  }

  /** Begins an exchange. */
  private start(how: Retransmission, now: Instant): void {
    this.how = how
    this.xid = this.random.u32() & 0xffffff
    this.startedAt = now
    this.waitUs = 0
    this.sentCount = 0
    this.transmit(now)
  }

  private solicit(why: string, now: Instant): void {
    this.offer = undefined
    this.serverId = undefined
    this.begin('soliciting', why)
    this.start(SOLICITING, now)
    this.endAt = this.resendAt
  }

  private request(offer: Dhcp6Message, now: Instant): void {
    this.serverId = offer.serverId
    this.begin('requesting', 'advertise')
    this.start(REQUESTING, now)
  }

  private inform(now: Instant): void {
    this.begin('informing', 'asks')
    this.start(INFORMING, now)
  }

  /** Sends the message of the state, which is one that asks, and sets when it goes out again. */
  private transmit(now: Instant): void {
    const { clientId, serverId, iaid, xid, how } = this
    const { hostname } = this.settings
    const elapsed = Math.min(0xffff, Math.floor((now - this.startedAt) / 10_000))
    const questioner = { clientId, serverId, iaid, hostname, xid, elapsed }
    const question = questionOf(this.state as AskingState, questioner, this.addressesInQuestion())
    this.effects.send(emitDhcp6(question))
    let { maxSeconds } = how
    if (how === SOLICITING) maxSeconds = this.maxSolicitSeconds
    else if (how === INFORMING) maxSeconds = this.maxInformSeconds
    this.waitUs = nextWaitUs(how, this.waitUs, maxSeconds, this.random)
    this.resendAt = after(now, this.waitUs as Duration)
    this.sentCount++
  }

  private addressesInQuestion(): readonly Ipv6[] {
    switch (this.state) {
      case 'requesting':
        return this.offer === undefined ? [] : this.ours(this.offer).flatMap(addressesOf)
      case 'renewing':
      case 'rebinding':
        return this.lent.addresses
      case 'declining':
      case 'releasing':
        return this.returned
      default:
        return []
    }
  }

  // --- Answers ---

  /** §18.2.9. */
  private advertised(message: Dhcp6Message, now: Instant): void {
    this.learnBounds(message)
    const addresses = this.ours(message).flatMap((one) => one.addresses.filter(isUsable))
    if (addresses.length === 0 || isFailure(message)) {
      this.counters.refusals++
      return
    }
    const preference = message.preference ?? 0
    if (this.offer === undefined || preference > (this.offer.preference ?? 0)) this.offer = message
    // "if the client receives a valid Advertise message that includes a Preference option with a value of 255 [...]
    // immediately"; and after the first round any will do.
    if (preference === 255 || this.sentCount > 1) this.request(message, now)
  }

  /** §18.2.10. */
  private replied(message: Dhcp6Message, now: Instant): void {
    switch (this.state) {
      case 'soliciting':
        if (message.isRapidCommit === true) this.granted(message, now)
        else this.counters.notForUs++
        return
      case 'requesting':
      case 'renewing':
      case 'rebinding':
        this.granted(message, now)
        return
      case 'informing': {
        this.learnBounds(message)
        this.configure(message)
        const refresh = message.refreshSeconds ?? DEFAULT_REFRESH_SECONDS
        this.begin('informed', 'reply')
        this.endAt =
          refresh === DHCP6_INFINITY ? NEVER : after(now, (Math.max(refresh, LEAST_REFRESH_SECONDS) * 1e6) as Duration)
        return
      }
      case 'declining':
        this.solicit('declined', now)
        return
      case 'releasing':
        // "the client considers the Release event completed, regardless of the Status Code".
        this.begin('stopped', 'released')
        return
      default:
        this.counters.notForUs++
    }
  }

  private granted(message: Dhcp6Message, now: Instant): void {
    this.learnBounds(message)
    const associations = this.ours(message)
    const code = message.status?.code ?? STATUS.SUCCESS
    const inner = associations.map(({ status }) => status?.code ?? STATUS.SUCCESS)
    if (code !== STATUS.SUCCESS || inner.some((one) => one !== STATUS.SUCCESS)) {
      this.refused([code, ...inner], now)
      return
    }
    const addresses = addressesIn(associations)
    const usable = addresses.filter(isUsable)
    if (usable.length === 0 && this.lent.isEmpty) {
      this.counters.incomplete++
      return
    }
    if (this.state === 'renewing' || this.state === 'rebinding') this.counters.renewals++
    this.lent.renew(addresses, usable, now)
    this.configure(message)
    if (this.lent.isEmpty) {
      this.counters.losses++
      this.solicit('the server has ended every address', now)
      return
    }
    this.serverId = message.serverId
    const { renewAt, rebindAt } = renewalTimes(associations[0], usable, now)
    this.rebindAt = rebindAt
    this.begin('bound', 'reply')
    this.endAt = earlier(renewAt, this.lent.lastEnd())
  }

  private refused(codes: readonly number[], now: Instant): void {
    this.counters.refusals++
    this.effects.trace(() => `refused: ${codes.join(', ')}`)
    const { state } = this
    if (state === 'renewing' || state === 'rebinding') {
      // §18.2.10.1: the server does not know what it has lent us: ask for it anew. Other failures may pass.
      if (!codes.includes(STATUS.NO_BINDING)) return
      const endAt = this.lent.lastEnd()
      this.offer = undefined
      this.begin('requesting', 'no binding')
      this.start(REQUESTING, now)
      this.endAt = endAt
    } else if (codes.includes(STATUS.NOT_ON_LINK) || codes.includes(STATUS.NO_ADDRS_AVAIL)) {
      // Not again at once: the server would say the same.
      const { waitUs, sentCount } = this
      this.solicit('refused', now)
      this.waitUs = Math.max(waitUs, this.waitUs)
      this.sentCount = Math.max(1, sentCount)
    }
    // UnspecFail: the message goes out again when its time comes.
  }

  private ours(message: Dhcp6Message): readonly Dhcp6AddressAssociation[] {
    return associationsOf(message, this.iaid)
  }

  private learnBounds({ solMaxRtSeconds, infMaxRtSeconds }: Dhcp6Message): void {
    // §21.24, §21.25: values outside of 60 to 86,400 are ignored.
    if (isBound(solMaxRtSeconds)) this.maxSolicitSeconds = solMaxRtSeconds
    if (isBound(infMaxRtSeconds)) this.maxInformSeconds = infMaxRtSeconds
  }

  private configure(message: Dhcp6Message): void {
    this.effects.configured({
      nameservers: message.dnsServers ?? [],
      searchList: message.searchList ?? [],
      ntpServers: message.ntpServers ?? [],
    })
  }
}

function isFailure({ status }: Dhcp6Message): boolean {
  return (status?.code ?? STATUS.SUCCESS) !== STATUS.SUCCESS
}

function isBound(seconds: number | undefined): seconds is number {
  return seconds !== undefined && seconds >= LEAST_MAX_RT_SECONDS && seconds <= MOST_MAX_RT_SECONDS
}

function isSame(a: Uint8Array | undefined, b: Uint8Array): boolean {
  return a !== undefined && a.length === b.length && a.every((octet, i) => octet === b[i])
}

function addressesOf({ addresses }: Dhcp6AddressAssociation): readonly Ipv6[] {
  return addresses.map(({ address }) => address)
}
