/** What the IPv4 layer takes and gives. */
import type { Counters } from '@mirage-ts/core/metrics'
import type { Ipv4, Ipv4Cidr } from '@mirage-ts/signatures/addresses'
import type { Frame } from '@mirage-ts/signatures/bytes'
import type { Ipv4Config, Ipv4Host } from '@mirage-ts/signatures/ip'
import type { MembershipHandler } from './groups.ts'
import type { Ipv4Link } from './interface.ts'

/** What IPv4 counts: what it did, and one counter for each reason to drop a packet. */
export const IPV4_COUNTERS = [
  'truncated',
  'bad-version',
  'bad-header-length',
  'bad-total-length',
  'bad-checksum',
  'badSource',
  'notForUs',
  'unknownProtocol',
  'badQuote',
  'noRoute',
  'tooLong',
  'noBuffer',
  'fragmentsSent',
  'forwarded',
  'redirects',
  'hopLimit',
  'reassembled',
  'reassemblyTimeout',
  // Reasons to refuse a fragment.
  'overlap',
  'too-many-pieces',
  'too-long',
  'bad-length',
] as const

export interface Ipv4Options {
  /** Address and network of the first interface; without one it waits for `configure`. */
  readonly cidr?: Ipv4Cidr | undefined
  /** The router to everywhere else. */
  readonly gateway?: Ipv4 | undefined
  /** Passes packets for others on, as a router. Default false. */
  readonly forwarding?: boolean
  /** Routers that a packet to a single host may pass, 1 to 255 (RFC 1122 §3.2.1.7, RFC 9293 MUST-49). Default 64. */
  readonly timeToLive?: number
}

export interface CountedIp extends Ipv4Host {
  readonly counters: Readonly<Counters<(typeof IPV4_COUNTERS)[number]>>
  /** Datagrams of which a piece is missing. */
  readonly reassemblyCount: number
  /** Adds an interface with its network. */
  addInterface(link: Ipv4Link, config: Ipv4Config | undefined): void
  /** Sets who is told when a group is joined or left: IGMP. */
  listenMembership(handler: MembershipHandler): void
  /** Sends a finished packet, from its IP header on, to a group on the first interface. */
  sendToGroup(frame: Frame, packetOff: number, end: number, group: Ipv4): void
}
