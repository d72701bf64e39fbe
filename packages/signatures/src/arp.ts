import type { Ipv4, Mac } from './addresses.ts'
import type { Frame } from './bytes.ts'

/** Address resolution on one link (RFC 826). */
export interface Arp {
  /** The addresses answered for. */
  readonly addresses: readonly Ipv4[]
  /** Answers for `address` from now on, and announces it (RFC 5227 §3). */
  add(address: Ipv4): void
  remove(address: Ipv4): void
  /** Resolves to true when nobody on the link answers for `address`, to false as soon as somebody does (RFC 5227 §2.1). */
  probe(address: Ipv4): Promise<boolean>
  /** Adds one who is told when another station uses an address of ours; it has been defended already (RFC 5227 §2.4). */
  listenConflicts(handler: (address: Ipv4, mac: Mac) => void): void
  /**
   * Adds one who is told of each frame that nobody answers for, and whom it was for; the frame is given back when the handler
   * returns.
   */
  listenUnresolved(handler: (frame: Frame, off: number, end: number, nextHop: Ipv4) => void): void
  /**
   * Takes the frame and sends its payload `[off, end)` with `etherType` to the owner of `nextHop`: at once when the
   * owner is known, else when it answers. The queue of waiting frames is bounded; a frame that nobody answers for, or
   * that finds the queue full, is dropped and counted.
   */
  send(frame: Frame, off: number, end: number, etherType: number, nextHop: Ipv4): void
}
