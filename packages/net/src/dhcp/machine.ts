/**
 * The DHCP client without input, output or waiting of its own (RFC 2131 §4.4): messages and time go in, messages and leases
 * come out.
 *
 *     selecting ──offer──► requesting ──ack──► probing ──free──► bound ──T1──► renewing ──T2──► rebinding
 *         ▲                    │ nak               │ taken: decline    ▲────ack────┴──────────────┘   │
 *         └────────────────────┴───────────────────┘◄──────────────────── nak, or the lease has ended ┘
 *
 * Not here: INIT-REBOOT (we keep nothing over a reboot), INFORM, authentication (RFC 3118).
 */
import { ipv4InCidr } from '@mirage-ts/core/addresses'
import { type Counters, createCounters } from '@mirage-ts/core/metrics'
import { after, NEVER, seconds } from '@mirage-ts/core/time'
import type { Ipv4, Mac } from '@mirage-ts/signatures/addresses'
import type { DhcpLease } from '@mirage-ts/signatures/dhcp'
import type { Random } from '@mirage-ts/signatures/random'
import type { Duration, Instant } from '@mirage-ts/signatures/time'
import { ACK, DECLINE, type DhcpReply, DISCOVER, emitDhcp, NAK, OFFER, parseDhcp, RELEASE, REQUEST } from './wire.ts'

export const DHCP_COUNTERS = [
  'truncated',
  'not-a-reply',
  'bad-magic',
  'bad-option',
  'no-type',
  /** Answers to somebody else, or to a question of ours that is no longer open. */
  'notForUs',
  /** Offers and acknowledgements without what a lease needs. */
  'incomplete',
  'naks',
  'conflicts',
  'renewals',
  'losses',
] as const

export type DhcpState =
  | 'stopped'
  | 'selecting'
  | 'requesting'
  | 'probing'
  | 'bound'
  | 'renewing'
  | 'rebinding'
  /** Between a refusal and the next try. */
  | 'waiting'

const INFINITE_SECONDS = 0xffffffff
/** RFC 2131 §4.1: 4, 8, 16, 32, 64 s, each plus or minus one. */
const FIRST_RETRY_SECONDS = 4
const LAST_RETRY_SECONDS = 64
/** RFC 2131 §3.1 (5): after 60 s in all a client that hears nothing starts over. */
const MAX_REQUESTS = 4
/** RFC 2131 §3.1 (5): at least ten seconds after a conflict. The same after a refusal keeps two servers that disagree quiet. */
const REFUSED_WAIT: Duration = seconds(10)
/** RFC 2131 §4.4.5: never asked again in less. */
const LEAST_RENEWAL_WAIT: Duration = seconds(60)

/** What the machine does to the world. */
export interface DhcpEffects {
  /** Sends to the server, or to everybody when there is none. */
  send(message: Uint8Array, server: Ipv4 | undefined): void
  /** Finds out whether somebody has the address; the answer goes to `probed`. */
  probe(address: Ipv4): void
  /** We have this lease now, or none. */
  lease(lease: DhcpLease | undefined): void
  trace(text: () => string): void
}

export interface DhcpSettings {
  readonly mac: Mac
  /** A checked name. */
  readonly hostname: string | undefined
}

export class DhcpMachine {
  readonly counters: Counters<(typeof DHCP_COUNTERS)[number]> = createCounters(DHCP_COUNTERS)
  state: DhcpState = 'stopped'
  private readonly random: Random
  private readonly settings: DhcpSettings
  private readonly effects: DhcpEffects
  private xid = 0
  private startedAt: Instant = NEVER
  /** When to send again, or to do what ends the state. */
  private deadline: Instant = NEVER
  private retryCount = 0
  private offer: DhcpReply | undefined
  private lease: DhcpLease | undefined
  /** Moments of the lease; T1 and T2 of RFC 2131 §4.4.5. */
  private renewAt: Instant = NEVER
  private rebindAt: Instant = NEVER
  private expiresAt: Instant = NEVER
  private requestedAt: Instant = NEVER

  constructor(random: Random, settings: DhcpSettings, effects: DhcpEffects) {
    this.random = random
    this.settings = settings
    this.effects = effects
  }

  /** Begins to ask. Deviation from RFC 2131 §4.4.1: without the random wait of 1 to 10 s, which is longer than we take to boot. */
  start(now: Instant): void {
    this.xid = this.random.u32()
    this.startedAt = now
    this.retryCount = 0
    this.offer = undefined
    this.enter('selecting', 'start')
    this.transmit(now)
  }

  /** Gives the lease back, if there is one, and stops. */
  release(now: Instant): void {
    const { lease } = this
    if (lease !== undefined) {
      this.send(RELEASE, now, { ciaddr: lease.cidr.address, server: lease.server }, lease.server)
    }
    this.enter('stopped', 'released')
    this.deadline = NEVER
    if (lease !== undefined) this.lose()
  }

  nextDeadline(): Instant {
    return this.deadline
  }

  poll(now: Instant): void {
    if (now < this.deadline) return
    switch (this.state) {
      case 'stopped':
      case 'probing':
        this.deadline = NEVER
        return
      case 'waiting':
        this.start(now)
        return
      case 'selecting':
        this.transmit(now)
        return
      case 'requesting':
        if (this.retryCount >= MAX_REQUESTS) this.start(now)
        else this.transmit(now)
        return
      case 'bound':
        this.xid = this.random.u32()
        this.startedAt = now
        this.enter('renewing', 'T1')
        this.transmit(now)
        return
      case 'renewing':
      case 'rebinding':
        if (now >= this.expiresAt) {
          this.counters.losses++
          this.lose()
          this.start(now)
        } else {
          if (this.state === 'renewing' && now >= this.rebindAt) this.enter('rebinding', 'T2')
          this.transmit(now)
        }
        return
    }
  }

  /** A datagram has come to the client's port. */
  input(message: Uint8Array, now: Instant): void {
    const reply = parseDhcp(message)
    if (typeof reply === 'string') {
      this.counters[reply]++
      return
    }
    if (reply.xid !== this.xid || reply.mac !== this.settings.mac) {
      this.counters.notForUs++
      return
    }
    const { state } = this
    if (state === 'selecting' && reply.type === OFFER) {
      if (!isComplete(reply)) {
        this.counters.incomplete++
        return
      }
      this.offer = reply
      this.retryCount = 0
      this.enter('requesting', 'offer')
      this.transmit(now)
    } else if (state === 'requesting' || state === 'renewing' || state === 'rebinding') {
      if (reply.type === ACK) this.acknowledged(reply, now)
      else if (reply.type === NAK) this.refused(reply, now)
      else this.counters.notForUs++
    } else {
      this.counters.notForUs++
    }
  }

  /** What came of `probe`. */
  probed(isFree: boolean, now: Instant): void {
    const { offer } = this
    if (this.state !== 'probing' || offer === undefined) return
    if (isFree) {
      this.bind(offer, now)
      return
    }
    this.counters.conflicts++
    this.send(DECLINE, now, { requested: offer.yiaddr, server: offer.server }, undefined)
    this.wait('conflict', now)
  }

  /** Somebody else uses our address: give it up (RFC 5227 §2.4, RFC 2131 §4.4.1). */
  conflict(now: Instant): void {
    const { lease } = this
    if (lease === undefined) return
    this.counters.conflicts++
    this.send(DECLINE, now, { requested: lease.cidr.address, server: lease.server }, undefined)
    this.lose()
    this.wait('conflict', now)
  }

  private acknowledged(reply: DhcpReply, now: Instant): void {
    if (!isComplete(reply)) {
      this.counters.incomplete++
      return
    }
    if (this.state === 'requesting') {
      // RFC 2131 §3.1 (5): the client checks that nobody uses the address already.
      this.offer = reply
      this.deadline = NEVER
      this.enter('probing', 'ack')
      this.effects.probe(reply.yiaddr)
    } else {
      this.counters.renewals++
      this.bind(reply, now)
    }
  }

  private refused(reply: DhcpReply, now: Instant): void {
    this.counters.naks++
    this.effects.trace(() => `refused: ${reply.message ?? 'no reason given'}`)
    if (this.lease !== undefined) this.lose()
    this.wait('nak', now)
  }

  private bind(reply: DhcpReply, now: Instant): void {
    const lease = leaseOf(reply)
    const { duration } = lease
    // RFC 2131 §4.4.5: counted from when we asked, so that we never believe in it longer than the server.
    const from = Math.min(this.requestedAt, now) as Instant
    if (duration === undefined) {
      this.expiresAt = NEVER
      this.renewAt = NEVER
      this.rebindAt = NEVER
    } else {
      const t1 = (reply.t1Seconds ?? Number.NaN) * 1_000_000
      const t2 = (reply.t2Seconds ?? Number.NaN) * 1_000_000
      // Times that make no sense are not believed, and none comes to pass before a minute is over.
      const isSane = t1 > 0 && t1 < t2 && t2 < duration
      this.expiresAt = after(from, duration)
      this.rebindAt = after(from, (isSane ? t2 : Math.floor(duration * 0.875)) as Duration)
      this.renewAt = after(from, (isSane ? t1 : Math.floor(duration * 0.5)) as Duration)
    }
    this.lease = lease
    this.retryCount = 0
    this.enter('bound', 'ack')
    this.deadline = this.renewAt
    this.effects.lease(lease)
  }

  private lose(): void {
    this.lease = undefined
    this.effects.lease(undefined)
  }

  private wait(why: string, now: Instant): void {
    this.enter('waiting', why)
    this.deadline = after(now, REFUSED_WAIT)
  }

  /** Sends what the state calls for, and sets when to do it again. */
  private transmit(now: Instant): void {
    const { state, offer, lease } = this
    this.requestedAt = now
    if (state === 'selecting') {
      this.send(DISCOVER, now, {}, undefined)
    } else if (state === 'requesting' && offer !== undefined) {
      this.send(REQUEST, now, { requested: offer.yiaddr, server: offer.server }, undefined)
    } else if (lease !== undefined) {
      this.send(REQUEST, now, { ciaddr: lease.cidr.address }, state === 'renewing' ? lease.server : undefined)
      const end = state === 'renewing' ? this.rebindAt : this.expiresAt
      // RFC 2131 §4.4.5: half of what remains, at least a minute; the end of the state itself is not missed.
      const half = Math.max(LEAST_RENEWAL_WAIT, Math.floor((end - now) / 2)) as Duration
      this.deadline = Math.min(after(now, half), end) as Instant
      return
    }
    const retrySeconds = Math.min(LAST_RETRY_SECONDS, FIRST_RETRY_SECONDS << Math.min(this.retryCount, 4))
    const jitter = (this.random.u32() % 2_000_001) - 1_000_000
    this.deadline = after(now, (retrySeconds * 1_000_000 + jitter) as Duration)
    this.retryCount++
  }

  private send(
    type: number,
    now: Instant,
    fields: { readonly ciaddr?: Ipv4; readonly requested?: Ipv4 | undefined; readonly server?: Ipv4 | undefined },
    to: Ipv4 | undefined,
  ): void {
    const { mac, hostname } = this.settings
    const message = emitDhcp({
      type,
      xid: this.xid,
      mac,
      secs: Math.max(0, Math.floor((now - this.startedAt) / 1_000_000)),
      ciaddr: fields.ciaddr ?? (0 as Ipv4),
      requested: fields.requested,
      server: fields.server,
      hostname,
    })
    this.effects.send(message, to)
  }

  private enter(next: DhcpState, why: string): void {
    const from = this.state
    this.state = next
    this.effects.trace(() => `${from} -> ${next}: ${why}`)
  }
}

/** True when the message says all that a lease needs, and the address is one that a host can have. */
function isComplete(reply: DhcpReply): boolean {
  const { yiaddr, server, leaseSeconds } = reply
  const isHost = yiaddr >>> 24 !== 0 && yiaddr >>> 24 !== 127 && yiaddr >>> 28 < 0xe
  return isHost && server !== undefined && leaseSeconds !== undefined && leaseSeconds > 0
}

function leaseOf(reply: DhcpReply): DhcpLease {
  const cidr = { address: reply.yiaddr, prefixBits: prefixBitsOf(reply.mask, reply.yiaddr) }
  // RFC 3442 §2: with classless routes the router option does not count; a default route is one of them.
  const all = reply.routes.length > 0 ? reply.routes : []
  const router = all.length > 0 ? all.find(({ network }) => network.prefixBits === 0)?.gateway : reply.routers[0]
  const isReachable = (gateway: Ipv4): boolean => ipv4InCidr(gateway, cidr) && gateway !== cidr.address
  const { leaseSeconds } = reply
  return {
    cidr,
    gateway: router !== undefined && isReachable(router) ? router : undefined,
    routes: all.filter(({ network, gateway }) => network.prefixBits > 0 && isReachable(gateway)),
    server: reply.server as Ipv4,
    nameservers: reply.nameservers,
    domain: reply.domain,
    ntpServers: reply.ntpServers,
    hostname: reply.hostname,
    duration: leaseSeconds === INFINITE_SECONDS ? undefined : seconds(leaseSeconds as number),
  }
}

/** The length of the prefix a mask says; without a proper mask that of the address's class (RFC 791 §3.2). */
function prefixBitsOf(mask: Ipv4 | undefined, address: Ipv4): number {
  if (mask !== undefined && mask !== 0) {
    const prefixBits = Math.clz32(~mask)
    if (((mask << prefixBits) | 0) === 0 || prefixBits === 32) return prefixBits
  }
  return address >>> 31 === 0 ? 8 : address >>> 30 === 2 ? 16 : 24
}
