/**
 * Temporary addresses (RFC 8981): beside the address that a prefix gives for good there is one with a random identifier, which
 * conversations of ours begin from, and a new one before it is a day old. Who sees our packets cannot tell for long that they
 * are from one machine. Without input, output or waiting of its own.
 */
import { after, earlier, NEVER, seconds } from '@mirage-ts/core/time'
import type { Ipv6 } from '@mirage-ts/signatures/addresses'
import type { Random } from '@mirage-ts/signatures/random'
import type { Duration, Instant } from '@mirage-ts/signatures/time'
import type { OwnAddress } from './autoconf.ts'
import { randomInterfaceId } from './interface-ids.ts'

// RFC 8981 §3.8
const VALID_LIFETIME: Duration = seconds(2 * 86400)
const PREFERRED_LIFETIME: Duration = seconds(86400)
const IDGEN_RETRIES = 3
/** Two seconds, and one for each identifier that may have to be tried. */
const REGEN_ADVANCE: Duration = seconds(2 + IDGEN_RETRIES)
/** So that stations do not change their addresses together; 0.4 of the lifetime. */
const MAX_DESYNC = 0.4 * PREFERRED_LIFETIME
/** A router that lets them live for seconds would give us one every second, each valid for days. */
const MAX_TEMPORARIES = 16

/** What it needs of the addresses. */
export interface TemporaryHost {
  readonly addresses: readonly OwnAddress[]
  add(address: Ipv6, now: Instant): OwnAddress
}

export class TemporaryAddresses {
  private readonly random: Random
  private readonly host: TemporaryHost
  private regenerateAt: Instant = NEVER
  /** Three identifiers in a row were somebody else's: there is something wrong with the link (§3.4 (7)). */
  private isGivenUp = false

  constructor(random: Random, host: TemporaryHost) {
    this.random = random
    this.host = host
  }

  nextDeadline(): Instant {
    return this.regenerateAt
  }

  /** Sees to it that each prefix has one that is good for a while, and that none outlives what its router says. */
  update(now: Instant): void {
    this.regenerateAt = NEVER
    for (const stable of [...this.host.addresses]) {
      if (stable.kind !== 'prefix') continue
      const own = this.host.addresses.filter((one) => one.kind === 'temporary' && isSamePrefix(one, stable))
      for (const one of own) limit(one, stable, now)
      const fresh = own.find((one) => freshUntil(one) > now) ?? this.create(stable, 0, now)
      if (fresh !== undefined) this.regenerateAt = earlier(this.regenerateAt, freshUntil(fresh))
    }
  }

  /** `duplicate` was somebody else's: another in its place. */
  replace(duplicate: OwnAddress, now: Instant): void {
    const stable = this.host.addresses.find((one) => one.kind === 'prefix' && isSamePrefix(one, duplicate))
    if (duplicate.collisions >= IDGEN_RETRIES) this.isGivenUp = true
    else if (stable !== undefined) this.create(stable, duplicate.collisions + 1, now)
  }

  private create(stable: OwnAddress, collisions: number, now: Instant): OwnAddress | undefined {
    const desync = (this.random.u32() % MAX_DESYNC) as Duration
    const preferredUntil = earlier(stable.preferredUntil, (after(now, PREFERRED_LIFETIME) - desync) as Instant)
    const count = this.host.addresses.filter(({ kind }) => kind === 'temporary').length
    // §3.4 (5): one that would have to be replaced at once is not made.
    const isWorthwhile = preferredUntil - REGEN_ADVANCE > now
    if (this.isGivenUp || !isWorthwhile || count >= MAX_TEMPORARIES) return undefined
    const one = this.host.add((prefixOf(stable) | randomInterfaceId(this.random)) as Ipv6, now)
    one.collisions = collisions
    one.preferredLimit = preferredUntil
    one.validLimit = after(now, VALID_LIFETIME)
    limit(one, stable, now)
    return one
  }
}

/** §3.4 (1): the prefix's lifetimes, but never beyond what was set when the address was made. */
function limit(one: OwnAddress, stable: OwnAddress, now: Instant): void {
  one.preferredUntil = earlier(one.preferredLimit, stable.preferredUntil)
  one.validUntil = earlier(one.validLimit, stable.validUntil)
  one.isDeprecated = one.preferredUntil <= now
}

/** Until when there need be no other. */
function freshUntil(one: OwnAddress): Instant {
  return (one.preferredUntil - REGEN_ADVANCE) as Instant
}

/** The upper half of an address. */
function prefixOf({ address }: OwnAddress): bigint {
  return (address >> 64n) << 64n
}

function isSamePrefix(a: OwnAddress, b: OwnAddress): boolean {
  return prefixOf(a) === prefixOf(b)
}
