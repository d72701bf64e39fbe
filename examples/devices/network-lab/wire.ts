/** A wire with two ends, each a network: a frame that goes in at one end comes out at the other. */
import { createFrame } from '@mirage-ts/core/bytes'
import { createNetworkStats } from '@mirage-ts/core/metrics'
import { NO_OFFLOAD } from '@mirage-ts/core/offload'
import type { Mac } from '@mirage-ts/signatures/addresses'
import type { Frame } from '@mirage-ts/signatures/bytes'
import type { FrameHandler, Network } from '@mirage-ts/signatures/network'
import type { Alarm, Instant, Time } from '@mirage-ts/signatures/time'

const MTU_BYTES = 1500
const HEADROOM_BYTES = 16
const FRAME_LEN = HEADROOM_BYTES + 14 + MTU_BYTES
/** Frames on the wire at once; what is beyond is lost. */
const MAX_COUNT = 64

export interface Wire {
  readonly ends: readonly [Network, Network]
}

export function createWire({ time }: { time: Time }): Wire {
  const ends = [new End(time, 0x020000000001 as Mac), new End(time, 0x020000000002 as Mac)] as const
  ends[0].other = ends[1]
  ends[1].other = ends[0]
  return { ends }
}

export function createEnd({ wire }: { wire: Wire }, { index }: { index: 0 | 1 }): Network {
  return wire.ends[index]
}

class End implements Network {
  readonly mac: Mac
  readonly mtuBytes = MTU_BYTES
  readonly headroomBytes = HEADROOM_BYTES
  readonly stats = createNetworkStats()
  readonly offload = NO_OFFLOAD
  other: End | undefined
  private handler: FrameHandler | undefined
  private readonly coming: { readonly frame: Frame; readonly off: number; readonly end: number }[] = []
  private readonly alarm: Alarm

  constructor(time: Time, mac: Mac) {
    this.mac = mac
    this.alarm = time.alarm(() => this.deliver())
  }

  alloc(): Frame | undefined {
    return createFrame(FRAME_LEN)
  }

  allocLarge(): undefined {}

  free(): void {}

  send(frame: Frame, off: number, end: number): void {
    if (this.other === undefined || this.other.coming.length >= MAX_COUNT) {
      this.stats.txDropped++
      return
    }
    this.stats.txFrames++
    this.stats.txBytes += end - off
    this.other.coming.push({ frame, off, end })
    // Now: on a turn of the run loop of its own, as from a device.
    this.other.alarm.set(0 as Instant)
  }

  listen(handler: FrameHandler): void {
    this.handler = handler
  }

  close(): void {
    this.other = undefined
  }

  private deliver(): void {
    for (const { frame, off, end } of this.coming.splice(0)) {
      this.stats.rxFrames++
      this.stats.rxBytes += end - off
      this.handler?.(frame, off, end)
    }
  }
}
