import type { Endpoint, IpAddress, Port } from './addresses.ts'

/** Receives one datagram. `payload` is the receiver's to keep. */
export type DatagramHandler = (payload: Uint8Array, from: Endpoint, to: IpAddress) => void

/** A bound port. */
export interface UdpSocket {
  readonly port: Port
  /**
   * Sends one datagram; resolves when it was handed to the layer below, which is no promise of delivery.
   * Rejects with `NetError` code `no-route` or `message-too-long`. `payload` is copied before the call returns.
   */
  send(payload: Uint8Array, to: Endpoint): Promise<void>
  /** Frees the port. Closing twice is harmless. */
  close(): void
}

/** UDP (RFC 768). */
export interface Udp {
  /** Binds `port`, or a free one when it is 0. Rejects with `NetError` code `address-in-use` when taken. */
  bind(port: Port, handler: DatagramHandler): Promise<UdpSocket>
}
