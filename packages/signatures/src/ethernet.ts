import type { Mac } from './addresses.ts'
import type { Frame } from './bytes.ts'
import type { NetworkOffload } from './network.ts'

/** Receives the payload of a frame, `[off, end)`, and who sent it. The frame is borrowed until it returns. */
export type EthernetHandler = (frame: Frame, off: number, end: number, src: Mac, dst: Mac) => void

/** Ethernet II framing over one network: one handler per EtherType. */
export interface Ethernet {
  readonly mac: Mac
  /** Greatest payload in octets. */
  readonly mtuBytes: number
  /** Octets to leave free in front of the payload. */
  readonly headroomBytes: number
  /** What the network does for whoever sends. */
  readonly offload: NetworkOffload
  /** Lends a transmit buffer; see `Network.alloc`. */
  alloc(): Frame | undefined
  /** Lends one for a large frame; see `Network.allocLarge`. */
  allocLarge(): Frame | undefined
  /** Takes the frame back, puts the header in front of `[off, end)` and sends it. */
  send(frame: Frame, off: number, end: number, etherType: number, dst: Mac): void
  /** Takes an unsent frame back. */
  free(frame: Frame): void
  /** Sets the handler of `etherType`; a second call replaces the first. */
  listen(etherType: number, handler: EthernetHandler): void
}
