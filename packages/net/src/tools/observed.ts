/**
 * A network seen by an observer: the base of the capture and of the tracer. What is left to the network is seen as it is left:
 * large frames whole, and checksums of which only the pseudo-header is summed up, as in any capture on the sending machine.
 */
import type { Mac } from '@mirage-ts/signatures/addresses'
import type { Frame } from '@mirage-ts/signatures/bytes'
import type { FrameHandler, Network, NetworkOffload, NetworkStats } from '@mirage-ts/signatures/network'

/** Sees a frame before its receiver does; it is borrowed until the call returns. */
export type Observer = (direction: 'in' | 'out', frame: Frame, off: number, end: number) => void

/** Passes everything on unchanged. */
export class ObservedNetwork implements Network {
  readonly mac: Mac
  readonly headroomBytes: number
  private readonly below: Network
  private readonly observe: Observer

  constructor(below: Network, observe: Observer) {
    this.mac = below.mac
    this.headroomBytes = below.headroomBytes
    this.below = below
    this.observe = observe
  }

  get mtuBytes(): number {
    return this.below.mtuBytes
  }

  get stats(): NetworkStats {
    return this.below.stats
  }

  get offload(): NetworkOffload {
    return this.below.offload
  }

  alloc(): Frame | undefined {
    return this.below.alloc()
  }

  allocLarge(): Frame | undefined {
    return this.below.allocLarge()
  }

  send(frame: Frame, off: number, end: number): void {
    this.observe('out', frame, off, end)
    this.below.send(frame, off, end)
  }

  free(frame: Frame): void {
    this.below.free(frame)
  }

  listen(handler: FrameHandler): void {
    this.below.listen((frame, off, end) => {
      this.observe('in', frame, off, end)
      handler(frame, off, end)
    })
  }

  close(): void {
    this.below.close()
  }
}
