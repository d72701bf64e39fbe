/** The addresses that a server has lent us: what a reply changes in them (RFC 8415 §18.2.10.1), and until when they are good. */
import { after, NEVER } from '@mirage-ts/core/time'
import type { Ipv6 } from '@mirage-ts/signatures/addresses'
import type { Duration, Instant } from '@mirage-ts/signatures/time'
import { DHCP6_INFINITY, type Dhcp6Address, type Dhcp6AddressAssociation, type Dhcp6Message, STATUS } from './codec.ts'

/** Addresses of one association that we take: a server that lends more is mistaken, or worse. */
const MAX_ADDRESSES = 4

/** Who is told of changes. */
export interface LentEffects {
  /** We are lent `address`, or lent it for longer. */
  lend(address: Ipv6, preferredUntil: Instant, validUntil: Instant): void
  /** `address` is no longer ours. */
  withdraw(address: Ipv6): void
}

interface Lent {
  readonly address: Ipv6
  readonly validUntil: Instant
}

export class LentAddresses {
  private readonly effects: LentEffects
  private all: readonly Lent[] = []

  constructor(effects: LentEffects) {
    this.effects = effects
  }

  get addresses(): readonly Ipv6[] {
    return this.all.map(({ address }) => address)
  }

  get isEmpty(): boolean {
    return this.all.length === 0
  }

  /** When the last of them ends; the beginning of time when there is none. */
  lastEnd(): Instant {
    return this.all.reduce((last, one) => Math.max(last, one.validUntil), 0) as Instant
  }

  /** Gives `address` up; false when we have not been lent it. */
  withdraw(address: Ipv6): boolean {
    if (!this.all.some((one) => one.address === address)) return false
    this.all = this.all.filter((one) => one.address !== address)
    this.effects.withdraw(address)
    return true
  }

  withdrawAll(): void {
    for (const { address } of this.all) this.effects.withdraw(address)
    this.all = []
  }

  /**
   * Takes what a reply names, `usable` of it with a lifetime: what it names is renewed; with lifetime 0 it ends; what it does not
   * name runs out.
   */
  renew(named: readonly Dhcp6Address[], usable: readonly Dhcp6Address[], now: Instant): void {
    const kept = this.all.filter(({ address, validUntil }) => !names(named, address) && validUntil > now)
    // A server that names others each time does not make them pile up.
    const unnamed = kept.slice(0, MAX_ADDRESSES - usable.length)
    for (const { address } of this.all) {
      const isStaying = names(usable, address) || unnamed.some((one) => one.address === address)
      if (!isStaying) this.effects.withdraw(address)
    }
    this.all = [
      ...unnamed,
      ...usable.map(({ address, validSeconds }) => ({ address, validUntil: untilOf(validSeconds, now) })),
    ]
    for (const one of usable) {
      this.effects.lend(one.address, untilOf(one.preferredSeconds, now), untilOf(one.validSeconds, now))
    }
  }
}

/** The addresses that a reply names in our associations: of one that is named twice the first counts. */
export function addressesIn(associations: readonly Dhcp6AddressAssociation[]): readonly Dhcp6Address[] {
  return associations
    .flatMap((one) => one.addresses)
    .filter((one, i, all) => all.findIndex(({ address }) => address === one.address) === i)
    .slice(0, MAX_ADDRESSES)
}

/** §21.4: an association with T1 after T2 is to be ignored. Ours, and those of no failure that we could not read. */
export function associationsOf(message: Dhcp6Message, iaid: number): readonly Dhcp6AddressAssociation[] {
  return (message.associations ?? []).filter(
    (one) => one.iaid === iaid && !(one.t1Seconds > one.t2Seconds && one.t2Seconds > 0),
  )
}

/** §21.6: "the preferred lifetime [...] greater than the valid lifetime" makes an address void; so does being no host's. */
export function isUsable({ address, preferredSeconds, validSeconds, status }: Dhcp6Address): boolean {
  const isHost = address > 1n && address >> 120n !== 0xffn && address >> 118n !== 0x3fan
  return (
    isHost &&
    preferredSeconds <= validSeconds &&
    validSeconds > 0 &&
    (status?.code ?? STATUS.SUCCESS) === STATUS.SUCCESS
  )
}

/** §21.4: when to renew and rebind; the client decides where the server leaves it open. */
export function renewalTimes(
  association: Dhcp6AddressAssociation | undefined,
  usable: readonly Dhcp6Address[],
  now: Instant,
): { readonly renewAt: Instant; readonly rebindAt: Instant } {
  const preferred = usable.map(({ preferredSeconds }) => preferredSeconds).filter((seconds) => seconds > 0)
  const shortest = preferred.length === 0 ? DHCP6_INFINITY : Math.min(...preferred)
  const t1 = association?.t1Seconds || share(shortest, 0.5)
  const t2 = association?.t2Seconds || share(shortest, 0.8)
  return { renewAt: untilOf(Math.min(t1, t2), now), rebindAt: untilOf(t2, now) }
}

function names(addresses: readonly Dhcp6Address[], address: Ipv6): boolean {
  return addresses.some((one) => one.address === address)
}

function share(seconds: number, part: number): number {
  return seconds === DHCP6_INFINITY ? DHCP6_INFINITY : Math.floor(seconds * part)
}

function untilOf(seconds: number, now: Instant): Instant {
  return seconds === DHCP6_INFINITY ? NEVER : after(now, (seconds * 1e6) as Duration)
}
