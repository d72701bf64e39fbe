/** What the IPv6 layer takes and gives. */
import type { Counters } from '@mirage-ts/core/metrics'
import type { Ipv6, Ipv6Cidr } from '@mirage-ts/signatures/addresses'
import type { Frame } from '@mirage-ts/signatures/bytes'
import type { Ethernet } from '@mirage-ts/signatures/ethernet'
import type { HostIp } from '@mirage-ts/signatures/ip'
import type { Log } from '@mirage-ts/signatures/log'
import type { Random } from '@mirage-ts/signatures/random'
import type { Instant, MonotonicClock, Time } from '@mirage-ts/signatures/time'
import type { OwnAddress } from './autoconf.ts'
import type { DISCOVERY_COUNTERS, RouterRole } from './discovery.ts'

export const IPV6_COUNTERS = [
  'truncated',
  'bad-version',
  // Of a packet, and of a fragment before the last one whose length is no multiple of eight.
  'bad-length',
  'bad-checksum',
  'badSource',
  'notForUs',
  'unknownProtocol',
  'badQuote',
  'noRoute',
  'tooLong',
  'noBuffer',
  'fragmentsSent',
  'reassembled',
  'reassemblyTimeout',
  // Reasons not to follow extension headers, and to refuse a fragment.
  'bad-extension',
  'discard-option',
  'problem',
  'problem-unicast',
  'no-next-header',
  'overlap',
  'too-many-pieces',
  'too-long',
  'badMld',
  // Reasons to drop what waits for a neighbour.
  'unreachable',
  'queueFull',
  'tableFull',
] as const

export interface Ipv6Options {
  /** An address beside those that routers give. */
  readonly cidr?: Ipv6Cidr | undefined
  /** The router to everywhere else, before any that announces itself. */
  readonly gateway?: Ipv6 | undefined
  /** Believes router advertisements: addresses, routes, link parameters (RFC 4861, RFC 4862). Default true. */
  readonly acceptRouterAdvertisements?: boolean
  /**
   * Makes interface identifiers of the prefix and a secret in place of the MAC, which would tell who we are wherever we go (RFC
   * 7217): 32 hexadecimal digits, so that addresses are the same after each boot, or `random` for others each time.
   */
  readonly interfaceSecret?: string | undefined
  /** Has a temporary address beside each that routers give, and begins conversations from it (RFC 8981). Default false. */
  readonly temporaryAddresses?: boolean
  /** Routers that a packet to a single host may pass, 1 to 255, until a router says another number. Default 64. */
  readonly hopLimit?: number
}

/** Told of a header nobody can read, `pointer` octets into the packet (RFC 4443 §3.4). */
export type ParameterProblemHandler = (
  code: number,
  pointer: number,
  /** Senders to groups are told, too. */
  isForGroups: boolean,
  frame: Frame,
  packetOff: number,
  end: number,
) => void

export interface CountedIpv6 extends HostIp {
  /** From now on `role` is told when hosts ask for routers; join `ff02::2` to hear them. */
  setRouterRole(role: RouterRole | undefined): void
  readonly counters: Readonly<Counters<(typeof IPV6_COUNTERS)[number]>>
  readonly discoveryCounters: Readonly<Counters<(typeof DISCOVERY_COUNTERS)[number]>>
  readonly reassemblyCount: number
  readonly neighbourCount: number
  /** Every address with its state, the tentative and duplicate ones too. */
  readonly ownAddresses: readonly OwnAddress[]
  /** What routers said: resolvers (RFC 8106), and whether to ask a DHCPv6 server for addresses or for other things. */
  readonly advertised: {
    readonly nameservers: readonly Ipv6[]
    readonly isManaged: boolean
    readonly hasOther: boolean
  }
  /** Adds or renews an address that is lent (DHCPv6), or takes it away. */
  addLent(address: Ipv6, preferredUntil: Instant, validUntil: Instant): void
  removeLent(address: Ipv6): void
  /** Adds one who is told when an address becomes usable, ends, or turns out to be a duplicate. */
  listenAddresses(handler: (address: OwnAddress) => void): void
  /** Adds one who is told of every router advertisement that was taken. */
  listenRouters(handler: () => void): void
  listenParameterProblems(handler: ParameterProblemHandler): void
}

export interface Ipv6Deps {
  readonly ethernet: Ethernet
  readonly clock: MonotonicClock
  readonly time: Time
  readonly random: Random
  readonly log: Log
}
