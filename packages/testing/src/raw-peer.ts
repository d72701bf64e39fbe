/** A station without a protocol stack: puts any octets on the wire and keeps what it hears. */
import type { Network } from '@mirage-ts/signatures/network'

export class RawPeer {
  /** Frames heard and not yet taken, oldest first. */
  readonly heard: Uint8Array[] = []
  private readonly network: Network

  constructor(network: Network) {
    this.network = network
    network.listen((frame, off, end) => this.heard.push(frame.u8.slice(off, end)))
  }

  /** Sends `bytes` as they are, from the first octet of the Ethernet header. */
  send(bytes: Uint8Array): void {
    const frame = this.network.alloc()
    if (frame === undefined) throw new Error('Cannot send: the network has no buffer')
    const off = this.network.headroomBytes
    frame.u8.set(bytes, off)
    this.network.send(frame, off, off + bytes.length)
  }

  /** Takes the frames heard so far. */
  take(): readonly Uint8Array[] {
    return this.heard.splice(0)
  }
}
