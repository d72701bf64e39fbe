import type { Frame } from './bytes.ts'

/** Why a packet addressed to us cannot be delivered (RFC 792). */
export type Unreachable = 'protocol' | 'port'

/** What may befall a packet on its way through a host or a router, that its sender should know (RFC 792, RFC 4443). */
export type IpProblem =
  | Unreachable
  | 'network'
  | 'host'
  /** Its time to live ended here. */
  | 'hop-limit'
  /** Fragments of it did not come in time. */
  | 'reassembly'
  /** Too long for the next network, and not to be fragmented. */
  | 'too-big'

/** The control protocol: answers echo requests by itself, tells transports of errors, and sends errors for them. */
export interface Icmp {
  /**
   * Answers the packet `[packetOff, end)`, from its IP header on, with a destination-unreachable error. Sends nothing where
   * RFC 1122 §3.2.2 forbids it (broadcasts, fragments, errors about errors) or when the rate limit is used up.
   */
  unreachable(why: Unreachable, frame: Frame, packetOff: number, end: number): void
}
