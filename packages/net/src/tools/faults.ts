/** A network that loses, delays, reorders, duplicates and corrupts what is sent through it, as a seeded generator says. */
import { createFrame } from '@mirage-ts/core/bytes'
import { after, NEVER } from '@mirage-ts/core/time'
import type { Mac } from '@mirage-ts/signatures/addresses'
import type { Frame } from '@mirage-ts/signatures/bytes'
import type { FrameHandler, Network, NetworkOffload, NetworkStats } from '@mirage-ts/signatures/network'
import type { Random } from '@mirage-ts/signatures/random'
import type { Alarm, Duration, Instant, MonotonicClock, Time } from '@mirage-ts/signatures/time'
import { createPlainNetwork } from '../segmentation.ts'
import { ETHERNET_HEADER_LEN } from '../wire/ethernet.ts'

/** Frames on their way at once; what is beyond is lost. */
const MAX_DELAYED = 1024

/** Probabilities are 0 to 1 and independent of each other. Both directions are treated alike. */
export interface Faults {
  readonly loss?: number
  readonly duplicate?: number
  /** Probability that one bit is flipped. */
  readonly corrupt?: number
  /** Time every frame takes. */
  readonly delay?: Duration
  /** Probability that a frame takes `reorderDelay` longer than the others. */
  readonly reorder?: number
  readonly reorderDelay?: Duration
}

interface Delayed {
  readonly due: Instant
  readonly bytes: Uint8Array
  readonly isOutgoing: boolean
}

/**
 * Wraps `network`. The same random numbers give the same faults. There is no offload: a corrupted frame must fail its checksum,
 * and what is lost is one frame. Throws a `RangeError` for what is no probability.
 */
export function createFaultyNetwork(
  { network, clock, time, random }: { network: Network; clock: MonotonicClock; time: Time; random: Random },
  faults: Faults,
): Network {
  for (const name of ['loss', 'duplicate', 'corrupt', 'reorder'] as const) {
    const chance = faults[name] ?? 0
    if (!(chance >= 0 && chance <= 1)) throw new RangeError(`Cannot use ${chance} as ${name}: expected 0 to 1`)
  }
  return new FaultyNetwork(createPlainNetwork({ network }), clock, time, random, faults)
}

class FaultyNetwork implements Network {
  readonly mac: Mac
  readonly headroomBytes: number
  readonly offload: NetworkOffload
  private readonly below: Network
  private readonly clock: MonotonicClock
  private readonly random: Random
  private readonly faults: Faults
  private readonly alarm: Alarm
  /** In order of `due`. */
  private delayed: Delayed[] = []
  private handler: FrameHandler | undefined

  constructor(below: Network, clock: MonotonicClock, time: Time, random: Random, faults: Faults) {
    this.mac = below.mac
    this.headroomBytes = below.headroomBytes
    this.offload = below.offload
    this.below = below
    this.clock = clock
    this.random = random
    this.faults = faults
    this.alarm = time.alarm(() => this.deliverDue())
  }

  get mtuBytes(): number {
    return this.below.mtuBytes
  }

  get stats(): NetworkStats {
    return this.below.stats
  }

  alloc(): Frame | undefined {
    return this.below.alloc()
  }

  allocLarge(): Frame | undefined {
    return this.below.allocLarge()
  }

  free(frame: Frame): void {
    this.below.free(frame)
  }

  send(frame: Frame, off: number, end: number): void {
    if (end - off > ETHERNET_HEADER_LEN + this.mtuBytes) {
      // The network below drops and counts it.
      this.below.send(frame, off, end)
      return
    }
    this.treat(frame.u8, off, end, true)
    this.below.free(frame)
  }

  listen(handler: FrameHandler): void {
    this.handler = handler
    this.below.listen((frame, off, end) => this.treat(frame.u8, off, end, false))
  }

  close(): void {
    this.delayed = []
    this.alarm.clear()
    this.below.close()
  }

  private chance(probability: number | undefined): boolean {
    return probability !== undefined && probability > 0 && this.random.u32() / 2 ** 32 < probability
  }

  private treat(u8: Uint8Array, off: number, end: number, isOutgoing: boolean): void {
    const { loss, duplicate, corrupt, delay = 0, reorder, reorderDelay = 0 } = this.faults
    if (this.chance(loss) || end <= off) return
    for (let copies = this.chance(duplicate) ? 2 : 1; copies > 0; copies--) {
      const bytes = u8.slice(off, end)
      if (this.chance(corrupt)) {
        const bit = this.random.u32() % (8 * bytes.length)
        bytes[bit >> 3] = (bytes[bit >> 3] as number) ^ (1 << (bit & 7))
      }
      const wait = (delay + (this.chance(reorder) ? reorderDelay : 0)) as Duration
      if (wait === 0) this.pass(bytes, isOutgoing)
      else this.postpone({ due: after(this.clock.now(), wait), bytes, isOutgoing })
    }
  }

  private postpone(one: Delayed): void {
    if (this.delayed.length >= MAX_DELAYED) return
    let at = this.delayed.length
    while (at > 0 && (this.delayed[at - 1] as Delayed).due > one.due) at--
    this.delayed.splice(at, 0, one)
    this.alarm.set(this.delayed[0]?.due ?? NEVER)
  }

  private deliverDue(): void {
    const now = this.clock.now()
    const due = this.delayed.filter((one) => one.due <= now)
    this.delayed = this.delayed.filter((one) => one.due > now)
    for (const { bytes, isOutgoing } of due) this.pass(bytes, isOutgoing)
    this.alarm.set(this.delayed[0]?.due ?? NEVER)
  }

  private pass(bytes: Uint8Array, isOutgoing: boolean): void {
    if (!isOutgoing) {
      const frame = createFrame(bytes.length)
      frame.u8.set(bytes)
      this.handler?.(frame, 0, bytes.length)
      return
    }
    const frame = this.below.alloc()
    if (frame === undefined) return
    frame.u8.set(bytes, this.headroomBytes)
    this.below.send(frame, this.headroomBytes, this.headroomBytes + bytes.length)
  }
}
