import type { Mac } from './addresses.ts'
import type { Frame } from './bytes.ts'

/** Receives a frame: `frame.u8[off, end)` from the first octet of the Ethernet header, without the FCS. */
export type FrameHandler = (frame: Frame, off: number, end: number) => void

/** Frames and octets since creation; octets count from the Ethernet header. */
export interface NetworkStats {
  readonly rxFrames: number
  readonly rxBytes: number
  /** Frames the device delivered and we could not take: too long, malformed by the device, no handler. */
  readonly rxDropped: number
  readonly txFrames: number
  readonly txBytes: number
  /** Frames not sent because the device had no room, was closed, or the frame was too long. */
  readonly txDropped: number
}

/** What a network does with frames beyond carrying them; none of it need be used. */
export interface NetworkOffload {
  /** It completes checksums: frames with `CHECKSUM_PARTIAL` may be sent. */
  readonly checksum: boolean
  /**
   * Greatest Ethernet payload, in octets, of a large frame: TCP over IPv4, and TCP over IPv6, which the network cuts into
   * segments. 0: it cuts none.
   */
  readonly tcp4Bytes: number
  readonly tcp6Bytes: number
}

/**
 * A network interface that carries Ethernet frames.
 *
 * **Sending.** `alloc` lends a transmit buffer of at least `headroomBytes + 14 + mtuBytes` octets; the caller fills
 * `[off, end)` with `off >= headroomBytes` and gives it back with `send`, or unsent with `free`. After either call the
 * frame belongs to the device. `alloc` returns `undefined` while the device has no room: drop, or try again later.
 * `send` never blocks and reports nothing: as on a wire, a frame may be lost.
 *
 * **Receiving.** Frames arrive one at a time on the run loop. The frame is borrowed until the handler returns; copy
 * what must live longer. The handler may send. A frame longer than `14 + mtuBytes` is a large one.
 *
 * **Large frames.** `allocLarge` lends a buffer for an Ethernet payload of `offload.tcp4Bytes` or `tcp6Bytes`, whichever is
 * greater, with the same headroom. Whoever sends it sets `segmentBytes` and `CHECKSUM_PARTIAL` (see `Frame`): the network
 * repeats the headers in front of every `segmentBytes` octets of text, with sequence numbers, lengths, identifications and
 * checksums of their own, FIN and PSH on the last only. A network with such a sender on its other side may deliver large
 * frames too, with the same fields set. A frame is lent with none of these fields set, and one received from a network
 * without offload has none set.
 */
export interface Network {
  readonly mac: Mac
  /** Greatest Ethernet payload in octets, without the 14 octets of header. */
  readonly mtuBytes: number
  /** Octets the device needs free in front of the Ethernet header. */
  readonly headroomBytes: number
  readonly stats: NetworkStats
  /** The same as long as the network lives. */
  readonly offload: NetworkOffload
  alloc(): Frame | undefined
  /** Like `alloc`, for a large frame; always `undefined` when the network cuts none. */
  allocLarge(): Frame | undefined
  send(frame: Frame, off: number, end: number): void
  free(frame: Frame): void
  /** Sets the handler of received frames; a second call replaces the first. */
  listen(handler: FrameHandler): void
  /** Stops the device. Frames sent afterwards are counted and dropped. Closing twice is harmless. */
  close(): void
}
