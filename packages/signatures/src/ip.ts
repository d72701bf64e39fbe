import type { IpAddress, Ipv4, Ipv4Cidr } from './addresses.ts'
import type { Frame } from './bytes.ts'
import type { IpProblem } from './icmp.ts'

/**
 * Receives the payload `[off, end)` of a packet addressed to us. The frame is borrowed until it returns.
 * `packetOff` is where the IP header starts: ICMP errors quote from there.
 */
export type IpHandler = (
  frame: Frame,
  off: number,
  end: number,
  src: IpAddress,
  dst: IpAddress,
  packetOff: number,
) => void

/** Told when an ICMP error about a packet of ours arrives: `[off, end)` is what it quotes of our payload, 8 octets at least. */
export type IpErrorHandler = (
  error: IpErrorKind,
  frame: Frame,
  off: number,
  end: number,
  src: IpAddress,
  dst: IpAddress,
) => void

/** What an ICMP error says (RFC 792, RFC 1122 §3.2.2). */
export type IpErrorKind =
  | 'network-unreachable'
  | 'host-unreachable'
  | 'protocol-unreachable'
  | 'port-unreachable'
  | 'fragmentation-needed'
  | 'time-exceeded'
  | 'other'

/** The network layer as transports see it; one implementation may carry either family or both. */
export interface Ip {
  /** Octets to leave free in front of the payload; to those that need more room the payload is moved. */
  readonly headroomBytes: number
  /** The octets with which nothing need be moved on the way to `dst`; left out where they are the same for all. */
  headroomFor?(dst: IpAddress): number
  /** Our own addresses. */
  readonly addresses: readonly IpAddress[]
  /** Greatest payload in octets towards `dst` that needs no fragmentation. */
  mtuBytes(dst: IpAddress): number
  /** The address we would send from, or `undefined` when there is no route to `dst`. */
  source(dst: IpAddress): IpAddress | undefined
  /**
   * Lends a transmit buffer; see `Network.alloc`. Saying where it will go saves a copy on a machine with several interfaces.
   */
  alloc(dst?: IpAddress): Frame | undefined
  /** The checksum of a segment or datagram may be left to the network: `CHECKSUM_PARTIAL` in its frame. */
  readonly isChecksumOffloaded: boolean
  /** Greatest payload in octets of a large TCP packet to `dst`, which the network cuts into segments; 0: it cuts none. */
  largeBytes(dst: IpAddress): number
  /** Lends a buffer for one; see `Network.allocLarge`. */
  allocLarge(): Frame | undefined
  /**
   * Takes the frame back, puts the header in front of `[off, end)` and sends it; no route is a counted drop. A payload that is
   * longer than the path takes (`mtuBytes` has shrunk since it was cut) is sent in fragments. `trafficClass` is the octet of
   * DSCP and ECN (RFC 2474, RFC 3168), 0 when left out; `hopLimit`, the TTL of IPv4, that of the layer, which for groups is 1.
   */
  send(
    frame: Frame,
    off: number,
    end: number,
    protocol: number,
    src: IpAddress,
    dst: IpAddress,
    trafficClass?: number,
    hopLimit?: number,
  ): void
  /**
   * Advice that what is sent to `dst` seems to be lost: the first hop may be gone (RFC 1122 §3.3.1.4, RFC 9293 MUST-20).
   * Left out where there is nothing to do about it.
   */
  doubt?(dst: IpAddress): void
  /** Takes an unsent frame back. */
  free(frame: Frame): void
  /** Sets the handler of `protocol`; a second call replaces the first. */
  listen(protocol: number, handler: IpHandler): void
  /** Sets who is told of ICMP errors about `protocol`. */
  listenErrors(protocol: number, handler: IpErrorHandler): void
  /**
   * Tells the transport concerned that a packet of ours failed. Called by ICMP: `[off, end)` is the packet an error
   * quotes, from its IP header on. Quotes that are malformed, or not of a packet we could have sent, are counted drops.
   * `mtuBytes` is what a too long packet should have measured at most (RFC 1191, RFC 8201), 0 when the error does not say:
   * the layer remembers it, and `mtuBytes()` is lower when the transport is told.
   */
  reportError(error: IpErrorKind, frame: Frame, off: number, end: number, mtuBytes?: number): void
}

/** Told of a packet `[packetOff, end)` that could not be delivered or passed on, so that its sender is told. */
export type IpProblemHandler = (
  why: IpProblem,
  frame: Frame,
  packetOff: number,
  end: number,
  /** With `too-big`: the longest packet that would have passed. */
  mtuBytes: number,
) => void

/** The network layer of a whole host: what datagrams, groups and control messages need beyond what TCP does. */
export interface HostIp extends Ip {
  /** Greatest payload in octets towards `dst` in fragments. */
  maxPayloadBytes(dst: IpAddress): number
  /** Sends a copy of `u8[off, end)`, in fragments when it is longer than `mtuBytes`. */
  sendCopy(
    u8: Uint8Array,
    off: number,
    end: number,
    protocol: number,
    src: IpAddress,
    dst: IpAddress,
  ): 'no-buffer' | undefined
  /** Like `source`, but for groups and broadcasts too; `0.0.0.0` before the interface has an address. */
  datagramSource(dst: IpAddress): IpAddress | undefined
  /** Receives what is sent to `group` on the first interface, until as many calls of `leave`. */
  join(group: IpAddress): void
  leave(group: IpAddress): void
  /** Sets who tells senders of problems: ICMP. */
  listenProblems(handler: IpProblemHandler): void
  /**
   * The router `from` says that `gateway` is a better first hop for the packet `[off, end)` of ours that it quotes (RFC 792); it
   * is believed where RFC 1122 §3.2.2.2 lets it be, else counted. Left out where redirects are no matter of ICMP.
   */
  redirect?(from: Ipv4, gateway: Ipv4, frame: Frame, off: number, end: number): void
  /** Resolvers that routers announce (RFC 8106), best first; left out where none can. */
  readonly nameservers?: readonly IpAddress[]
}

/** The addressing of one IPv4 interface. */
export interface Ipv4Config {
  readonly cidr: Ipv4Cidr
  /** The router to everywhere else, in the network of `cidr`. */
  readonly gateway?: Ipv4 | undefined
}

/** IPv4 (RFC 791) whose first interface can be configured while it runs: by DHCP, for example. */
export interface Ipv4Host extends HostIp {
  /**
   * Gives the first interface this address and router in place of what it had, or takes them away. Throws a `RangeError`
   * when the router is outside of the network.
   */
  configure(config: Ipv4Config | undefined): void
  /**
   * Sends what is for `network` to `gateway`. Throws a `RangeError` when no interface reaches it. Configuring the interface
   * anew forgets the routes over it.
   */
  addRoute(network: Ipv4Cidr, gateway: Ipv4): void
}
