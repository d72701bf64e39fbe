import type { Endpoint, IpAddress, Port } from './addresses.ts'
import type { IpErrorKind } from './ip.ts'

/** Receives one datagram. `payload` is the receiver's to keep. */
export type DatagramHandler = (payload: Uint8Array, from: Endpoint, to: IpAddress) => void

/** Told that a datagram sent to `to` did not arrive (RFC 1122 §4.1.3.3). Hints: anybody on the way may have made them up. */
export type DatagramErrorHandler = (error: IpErrorKind, to: Endpoint) => void

export interface UdpBindOptions {
  /** Default: errors are ignored. The host's sockets may not tell. */
  readonly onError?: DatagramErrorHandler
  /**
   * Hop limit, or TTL, of what is sent: 1 to 255. Default: that of the layer below, which for groups is 1. Protocols of one link send
   * 255, which nobody beyond a router can (RFC 5082).
   */
  readonly hopLimit?: number
}

/** A bound port. */
export interface UdpSocket {
  readonly port: Port
  /**
   * Sends one datagram; resolves when it was handed to the layer below, which is no promise of delivery.
   * Rejects with `NetError` code `no-route` or `message-too-long`. `payload` is copied before the call returns.
   *
   * `local` is the address of ours to send from (RFC 1122 §4.1.3.5): who answers a datagram gives the one it came to, or with
   * several addresses the answer may seem to be from somebody else. One that is not ours, like that of a group, counts as none.
   * Platforms that cannot choose ignore it.
   */
  send(payload: Uint8Array, to: Endpoint, local?: IpAddress): Promise<void>
  /**
   * Sends one datagram as `send` does, and lets a failure be one more way to lose it: for servers, who cannot help it and
   * whose askers ask again. Costs no promise. `payload` is copied before the call returns.
   */
  trySend(payload: Uint8Array, to: Endpoint, local?: IpAddress): void
  /** Frees the port. Closing twice is harmless. */
  close(): void
}

/** UDP (RFC 768). */
export interface Udp {
  /** Binds `port`, or a free one when it is 0. Rejects with `NetError` code `address-in-use` when taken. */
  bind(port: Port, handler: DatagramHandler, options?: UdpBindOptions): Promise<UdpSocket>
}
