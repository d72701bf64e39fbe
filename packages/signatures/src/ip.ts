import type { IpAddress } from './addresses.ts'
import type { Frame } from './bytes.ts'

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
  /** Octets to leave free in front of the payload. */
  readonly headroomBytes: number
  /** Our own addresses. */
  readonly addresses: readonly IpAddress[]
  /** Greatest payload in octets towards `dst` that needs no fragmentation. */
  mtuBytes(dst: IpAddress): number
  /** The address we would send from, or `undefined` when there is no route to `dst`. */
  source(dst: IpAddress): IpAddress | undefined
  /** Lends a transmit buffer; see `Network.alloc`. */
  alloc(): Frame | undefined
  /** Takes the frame back, puts the header in front of `[off, end)` and sends it; no route is a counted drop. */
  send(frame: Frame, off: number, end: number, protocol: number, src: IpAddress, dst: IpAddress): void
  /** Takes an unsent frame back. */
  free(frame: Frame): void
  /** Sets the handler of `protocol`; a second call replaces the first. */
  listen(protocol: number, handler: IpHandler): void
  /** Sets who is told of ICMP errors about `protocol`. */
  listenErrors(protocol: number, handler: IpErrorHandler): void
  /**
   * Tells the transport concerned that a packet of ours failed. Called by ICMP: `[off, end)` is the packet an error
   * quotes, from its IP header on. Quotes that are malformed, or not of a packet we could have sent, are counted drops.
   */
  reportError(error: IpErrorKind, frame: Frame, off: number, end: number): void
}
