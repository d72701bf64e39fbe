import type { Frame } from './bytes.ts'

/** Why a packet addressed to us cannot be delivered (RFC 792). */
export type Unreachable = 'protocol' | 'port'

/** The control protocol: answers echo requests by itself, tells transports of errors, and sends errors for them. */
export interface Icmp {
  /**
   * Answers the packet `[packetOff, end)`, from its IP header on, with a destination-unreachable error. Sends nothing where
   * RFC 1122 §3.2.2 forbids it (broadcasts, fragments, errors about errors) or when the rate limit is used up.
   */
  unreachable(why: Unreachable, frame: Frame, packetOff: number, end: number): void
}
