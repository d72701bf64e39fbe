import type { Ipv4 } from './addresses.ts'
import type { Frame } from './bytes.ts'

/** Address resolution on one link (RFC 826). */
export interface Arp {
  /** The addresses answered for. */
  readonly addresses: readonly Ipv4[]
  /** Answers for `address` from now on, and announces it (RFC 5227 §3). */
  add(address: Ipv4): void
  remove(address: Ipv4): void
  /**
   * Takes the frame and sends its payload `[off, end)` with `etherType` to the owner of `nextHop`: at once when the
   * owner is known, else when it answers. The queue of waiting frames is bounded; a frame that nobody answers for, or
   * that finds the queue full, is dropped and counted.
   */
  send(frame: Frame, off: number, end: number, etherType: number, nextHop: Ipv4): void
}
