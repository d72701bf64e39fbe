/**
 * Who has which address of one subnet, for either version of DHCP: choosing addresses as RFC 2131 §4.3.1 says, remembering
 * whose they were, and keeping those away that somebody uses without asking. Bounded by the addresses there are, and by
 * `maxCount`.
 */
import { ipToString } from '@mirage-ts/core/addresses'
import { NEVER, seconds } from '@mirage-ts/core/time'
import type { IpAddress, Mac } from '@mirage-ts/signatures/addresses'
import type { Instant } from '@mirage-ts/signatures/time'

/** Addresses that may be lent, in their order. */
export interface AddressRange<A extends IpAddress> {
  /** How many there are, 2^32 at most. */
  readonly count: number
  at(index: number): A
  has(address: A): boolean
}

/**
 * - `offered`: told to a client that has not asked for it yet
 * - `bound`: lent
 * - `ended`: free for anybody, but kept for the client it was lent to as long as there are others
 * - `quarantined`: somebody uses it without asking us
 */
export type LeaseState = 'offered' | 'bound' | 'ended' | 'quarantined'

export class Lease<A extends IpAddress> {
  /** Who it is, in octets of its identifier as hexadecimal; empty when quarantined. */
  readonly client: string
  readonly address: A
  state: LeaseState
  /** When the state ends; `ended` lasts until somebody else needs the address. */
  until: Instant
  /** The MAC of the client, as far as it is known. */
  readonly mac: Mac | undefined
  /** The name that it goes by, one label. */
  hostname: string | undefined = undefined

  constructor(client: string, address: A, state: LeaseState, until: Instant, mac: Mac | undefined) {
    this.client = client
    this.address = address
    this.state = state
    this.until = until
    this.mac = mac
  }
}

/** Who asks. */
export interface LeaseClient {
  readonly id: string
  readonly mac: Mac | undefined
}

export interface LeaseTableOptions {
  /** Leases at a time. Default 65,536. */
  readonly maxCount?: number
}

const DEFAULT_MAX_COUNT = 65_536
/** Addresses looked at for a free one, at most: a pool that is nearly full must not make us slow. */
const MAX_TRIES = 4096
/** At most once a second all leases are looked at for those that have ended. */
const SWEEP_PAUSE = seconds(1)

export class LeaseTable<A extends IpAddress> {
  private readonly range: AddressRange<A>
  private readonly maxCount: number
  private readonly byClient = new Map<string, Lease<A>>()
  private readonly byAddress = new Map<string, Lease<A>>()
  /** Those that have ended, the one that ended first before the others. */
  private readonly ended = new Set<Lease<A>>()
  /** In the order in which their time ends: it is the same for all. */
  private readonly quarantined = new Set<Lease<A>>()
  /** No lease ends earlier. */
  private earliest: Instant = NEVER
  private sweptAt: Instant = 0 as Instant
  private readonly onEnd: (lease: Lease<A>) => void

  /** `onEnd` is told of each lease that was bound and is not any more. */
  constructor(range: AddressRange<A>, onEnd: (lease: Lease<A>) => void, options: LeaseTableOptions = {}) {
    this.range = range
    this.onEnd = onEnd
    this.maxCount = options.maxCount ?? DEFAULT_MAX_COUNT
  }

  get count(): number {
    return this.byAddress.size
  }

  ofClient(id: string): Lease<A> | undefined {
    return this.byClient.get(id)
  }

  at(address: A): Lease<A> | undefined {
    return this.byAddress.get(ipToString(address))
  }

  leases(): Iterable<Lease<A>> {
    return this.byAddress.values()
  }

  /** True when `client` could have `address` now: nobody else holds it. `isStatic` addresses need not be in the range. */
  isOpenTo(address: A, client: LeaseClient, isStatic: boolean): boolean {
    if (!isStatic && !this.range.has(address)) return false
    const lease = this.at(address)
    return lease === undefined || lease.client === client.id || lease.state === 'ended'
  }

  /**
   * Chooses an address as RFC 2131 §4.3.1 says: the client's own, the one it had, the one it wishes for, a free one that is the
   * same each time it asks, the one that has been free for longest. `undefined` when all are taken.
   */
  choose(client: LeaseClient, wanted: A | undefined): A | undefined {
    const own = this.byClient.get(client.id)
    if (own !== undefined && this.isOpenTo(own.address, client, false)) return own.address
    if (wanted !== undefined && this.isOpenTo(wanted, client, false)) return wanted
    const { range } = this
    if (this.count < this.maxCount) {
      const start = hashOf(client.id) % Math.max(1, range.count)
      for (let i = 0; i < Math.min(range.count, MAX_TRIES); i++) {
        const address = range.at((start + i) % range.count)
        if (range.has(address) && this.at(address) === undefined) return address
      }
    }
    for (const lease of this.ended) if (range.has(lease.address)) return lease.address
    return undefined
  }

  /** Gives `address` to `client` until `until`; what it had before, and who had it before, is forgotten. */
  put(client: LeaseClient, address: A, state: 'offered' | 'bound', until: Instant): Lease<A> {
    const previous = this.byClient.get(client.id)
    if (previous?.address === address) {
      // An offer must not take a lease away that the client still has.
      if (state === 'bound' || previous.state !== 'bound') previous.state = state
      previous.until = state === 'bound' || previous.state !== 'bound' ? until : previous.until
      this.ended.delete(previous)
      this.earliest = Math.min(this.earliest, previous.until) as Instant
      return previous
    }
    if (previous !== undefined) this.forget(previous)
    const other = this.at(address)
    if (other !== undefined) this.forget(other)
    const lease = new Lease(client.id, address, state, until, client.mac)
    this.byClient.set(client.id, lease)
    this.byAddress.set(ipToString(address), lease)
    this.earliest = Math.min(this.earliest, until) as Instant
    return lease
  }

  /** The lease is over; its address is kept for its client while there are others. */
  end(lease: Lease<A>): void {
    const wasBound = lease.state === 'bound'
    lease.state = 'ended'
    this.ended.add(lease)
    if (wasBound) this.onEnd(lease)
  }

  /**
   * Lends `address` to nobody until `until`. At most half of the range is kept away so: whoever makes addresses up (or declines
   * what it is given, again and again) must not take all.
   */
  quarantine(address: A, until: Instant): void {
    const holder = this.at(address)
    if (holder !== undefined) this.forget(holder)
    const limit = Math.min(this.range.count >>> 1, this.maxCount >>> 1)
    for (const oldest of this.quarantined) {
      if (this.quarantined.size < limit) break
      this.forget(oldest)
    }
    if (limit === 0) return
    const lease = new Lease<A>('', address, 'quarantined', until, undefined)
    this.byAddress.set(ipToString(address), lease)
    this.quarantined.add(lease)
    this.earliest = Math.min(this.earliest, until) as Instant
  }

  /** Ends what has run out. */
  poll(now: Instant): void {
    if (now < this.nextDeadline()) return
    this.sweptAt = now
    this.earliest = NEVER
    for (const lease of this.byAddress.values()) {
      if (lease.state === 'ended') continue
      if (lease.until > now) this.earliest = Math.min(this.earliest, lease.until) as Instant
      else if (lease.state === 'bound') this.end(lease)
      // An offer that nobody took was never anybody's address.
      else this.forget(lease)
    }
  }

  nextDeadline(): Instant {
    return Math.max(this.earliest, this.sweptAt + SWEEP_PAUSE) as Instant
  }

  private forget(lease: Lease<A>): void {
    const wasBound = lease.state === 'bound'
    lease.state = 'ended'
    if (this.byAddress.get(ipToString(lease.address)) === lease) this.byAddress.delete(ipToString(lease.address))
    if (this.byClient.get(lease.client) === lease) this.byClient.delete(lease.client)
    this.ended.delete(lease)
    this.quarantined.delete(lease)
    if (wasBound) this.onEnd(lease)
  }
}

/** FNV-1a: spreads clients over the range. */
function hashOf(text: string): number {
  let hash = 0x811c9dc5
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193)
  return hash >>> 0
}
