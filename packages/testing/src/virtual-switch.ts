/**
 * An Ethernet switch in memory: as many ports as a test wants, each a `Network`, with seeded impairments.
 *
 * It floods every frame to all other ports unless it has learned where the destination is. All randomness comes from the
 * seed and all delay from the given time, so a run with mock time is reproducible to the octet.
 */

import { isMacGroup, readMac } from '@mirage-ts/core/addresses'
import { createFrame } from '@mirage-ts/core/bytes'
import { createNetworkStats } from '@mirage-ts/core/metrics'
import { clearOffload, NO_OFFLOAD } from '@mirage-ts/core/offload'
import { after, earlier, NEVER } from '@mirage-ts/core/time'
import type { Mac } from '@mirage-ts/signatures/addresses'
import type { Frame } from '@mirage-ts/signatures/bytes'
import type { FrameHandler, Network } from '@mirage-ts/signatures/network'
import type { Alarm, Duration, Instant, MonotonicClock, Time } from '@mirage-ts/signatures/time'
import type { PcapWriter } from './pcap.ts'
import { SeededRandom } from './seeded-random.ts'

/** What happens to frames on their way; probabilities are 0 to 1 and independent of each other. */
export interface Impairments {
  readonly loss?: number
  readonly duplicate?: number
  /** Probability that a frame takes `reorderDelay` longer than the others. */
  readonly reorder?: number
  readonly reorderDelay?: Duration
  /** Probability that one bit of a frame is flipped. */
  readonly corrupt?: number
  /** Time every frame takes. */
  readonly delay?: Duration
}

export interface SwitchOptions {
  readonly seed?: number
  readonly impairments?: Impairments
  readonly mtuBytes?: number
  readonly pcap?: PcapWriter
}

interface InFlight {
  readonly due: Instant
  readonly order: number
  readonly to: SwitchPort
  readonly frame: Frame
  readonly lenBytes: number
}

export class VirtualSwitch {
  readonly mtuBytes: number
  /** Change it at any time, to cut a link for a while for example. */
  impairments: Impairments
  private readonly clock: MonotonicClock
  private readonly random: SeededRandom
  private readonly pcap: PcapWriter | undefined
  private readonly ports: SwitchPort[] = []
  private readonly learned = new Map<Mac, SwitchPort>()
  private readonly alarm: Alarm
  private inFlight: InFlight[] = []
  private order = 0

  constructor(time: Time & MonotonicClock, options: SwitchOptions = {}) {
    this.clock = time
    this.mtuBytes = options.mtuBytes ?? 1500
    this.impairments = options.impairments ?? {}
    this.random = new SeededRandom(options.seed ?? 1)
    this.pcap = options.pcap
    this.alarm = time.alarm(() => this.deliverDue())
  }

  /** A new port with the address `mac`. */
  port(mac: Mac): Network {
    const port = new SwitchPort(this, mac)
    this.ports.push(port)
    return port
  }

  /** Takes a frame from a port; the octets are copied. */
  forward(from: SwitchPort, frame: Frame, off: number, end: number): void {
    this.pcap?.add(this.clock.now(), frame.u8, off, end)
    const dst = readMac(frame.dv, off)
    this.learned.set(readMac(frame.dv, off + 6), from)
    const known = isMacGroup(dst) ? undefined : this.learned.get(dst)
    for (const to of this.ports) {
      if (to !== from && (known === undefined || known === to)) this.carry(to, frame, off, end)
    }
  }

  private carry(to: SwitchPort, frame: Frame, off: number, end: number): void {
    const { loss = 0, duplicate = 0, reorder = 0, corrupt = 0, delay = 0, reorderDelay = 3000 } = this.impairments
    if (this.random.chance(loss)) return
    const copies = this.random.chance(duplicate) ? 2 : 1
    for (let i = 0; i < copies; i++) {
      const extra = this.random.chance(reorder) ? reorderDelay : 0
      const copy = createFrame(end - off)
      copy.u8.set(frame.u8.subarray(off, end))
      if (this.random.chance(corrupt)) {
        const at = this.random.below(end - off)
        copy.u8[at] = (copy.u8[at] as number) ^ (1 << this.random.below(8))
      }
      const due = after(this.clock.now(), (delay + extra) as Duration)
      this.inFlight.push({ due, order: this.order++, to, frame: copy, lenBytes: end - off })
    }
    this.arm()
  }

  private arm(): void {
    this.alarm.set(this.inFlight.reduce((first, one) => earlier(first, one.due), NEVER))
  }

  private deliverDue(): void {
    const now = this.clock.now()
    const due = this.inFlight.filter((one) => one.due <= now).sort((a, b) => a.due - b.due || a.order - b.order)
    this.inFlight = this.inFlight.filter((one) => one.due > now)
    for (const one of due) one.to.deliver(one.frame, one.lenBytes)
    this.arm()
  }
}

/** One port, seen from the host plugged into it. */
class SwitchPort implements Network {
  readonly mac: Mac
  readonly headroomBytes = 0
  readonly offload = NO_OFFLOAD
  readonly stats = createNetworkStats()
  private readonly parent: VirtualSwitch
  private readonly spare: Frame[] = []
  private handler: FrameHandler | undefined
  private isClosed = false

  constructor(parent: VirtualSwitch, mac: Mac) {
    this.parent = parent
    this.mac = mac
  }

  get mtuBytes(): number {
    return this.parent.mtuBytes
  }

  alloc(): Frame {
    const frame = this.spare.pop() ?? createFrame(14 + this.mtuBytes)
    // What a device lends is dirty: a header with an octet not written must show in a test.
    frame.u8.fill(0xa5)
    clearOffload(frame)
    return frame
  }

  allocLarge(): Frame | undefined {
    return undefined
  }

  send(frame: Frame, off: number, end: number): void {
    this.spare.push(frame)
    if (this.isClosed || end - off > 14 + this.mtuBytes) {
      this.stats.txDropped++
      return
    }
    this.stats.txFrames++
    this.stats.txBytes += end - off
    this.parent.forward(this, frame, off, end)
  }

  free(frame: Frame): void {
    this.spare.push(frame)
  }

  listen(handler: FrameHandler): void {
    this.handler = handler
  }

  close(): void {
    this.isClosed = true
  }

  deliver(frame: Frame, lenBytes: number): void {
    if (this.isClosed || this.handler === undefined) {
      this.stats.rxDropped++
      return
    }
    this.stats.rxFrames++
    this.stats.rxBytes += lenBytes
    this.handler(frame, 0, lenBytes)
  }
}
