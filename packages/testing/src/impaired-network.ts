/** A network with a bad line in front of it: seeded loss, delay, reordering, duplicates, corruption and a rate, both ways. */
import { createFrame } from '@mirage-ts/core/bytes'
import { NO_OFFLOAD } from '@mirage-ts/core/offload'
import { after, NEVER } from '@mirage-ts/core/time'
import { createPlainNetwork } from '@mirage-ts/net/segmentation'
import type { Mac } from '@mirage-ts/signatures/addresses'
import type { Frame } from '@mirage-ts/signatures/bytes'
import type { FrameHandler, Network, NetworkStats } from '@mirage-ts/signatures/network'
import type { Alarm, Duration, Instant, MonotonicClock, Time } from '@mirage-ts/signatures/time'
import type { SeededRandom } from './seeded-random.ts'

/** Probabilities are 0 to 1; everything holds for each direction. */
export interface Impairments {
  readonly loss?: number
  readonly duplicate?: number
  readonly corrupt?: number
  /** Frames that take three times the delay. */
  readonly reorder?: number
  /** One way. */
  readonly delay?: Duration
  /** Octets per second, with a buffer of `bufferBytes` in front (default 64 KiB); what does not fit is lost. */
  readonly rateBytes?: number
  readonly bufferBytes?: number
}

interface Waiting {
  readonly dueUs: number
  readonly order: number
  readonly frame: Frame
  readonly len: number
  readonly isUp: boolean
}

const DEFAULT_BUFFER_BYTES = 64 * 1024
const ETHERNET_HEADER_LEN = 14

export class ImpairedNetwork implements Network {
  /** What the line does from now on. */
  impairments: Impairments = {}
  readonly mtuBytes: number
  readonly mac: Mac
  readonly headroomBytes: number
  readonly offload = NO_OFFLOAD
  private readonly below: Network
  private readonly time: Time & MonotonicClock
  private readonly random: SeededRandom
  private readonly alarm: Alarm
  private alarmAtUs: number = NEVER
  private handler: FrameHandler | undefined = undefined
  /** In the order they are due. */
  private readonly waiting: Waiting[] = []
  private readonly spare: Frame[] = []
  private order = 0
  /** When the line is free: down, up. */
  private readonly freeAtUs: [number, number] = [0, 0]

  /** `mtuBytes` may be less than what `below` takes. */
  constructor(below: Network, time: Time & MonotonicClock, random: SeededRandom, mtuBytes: number = below.mtuBytes) {
    this.below = createPlainNetwork({ network: below })
    this.time = time
    this.random = random
    this.mtuBytes = mtuBytes
    this.mac = below.mac
    this.headroomBytes = below.headroomBytes
    this.alarm = time.alarm(() => this.deliver())
    this.below.listen((frame, off, end) => this.carry(frame, off, end, true))
  }

  get stats(): NetworkStats {
    return this.below.stats
  }

  alloc(): Frame | undefined {
    return this.below.alloc()
  }

  allocLarge(): Frame | undefined {
    return undefined
  }

  free(frame: Frame): void {
    this.below.free(frame)
  }

  send(frame: Frame, off: number, end: number): void {
    this.carry(frame, off, end, false)
    this.below.free(frame)
  }

  listen(handler: FrameHandler): void {
    this.handler = handler
  }

  close(): void {
    this.alarm.clear()
    this.waiting.length = 0
    this.below.close()
  }

  private carry(frame: Frame, off: number, end: number, isUp: boolean): void {
    const { random } = this
    const { loss = 0, duplicate = 0, corrupt = 0, reorder = 0, delay = 0, rateBytes } = this.impairments
    if (loss > 0 && random.chance(loss)) return
    const now = this.time.now()
    let startUs: number = now
    if (rateBytes !== undefined) {
      const way = isUp ? 1 : 0
      const limitUs = ((this.impairments.bufferBytes ?? DEFAULT_BUFFER_BYTES) * 1e6) / rateBytes
      if (this.freeAtUs[way] - now > limitUs) return
      this.freeAtUs[way] = Math.max(this.freeAtUs[way], now) + ((end - off) * 1e6) / rateBytes
      startUs = this.freeAtUs[way]
    }
    for (let copies = duplicate > 0 && random.chance(duplicate) ? 2 : 1; copies > 0; copies--) {
      const copy = this.spare.pop() ?? createFrame(ETHERNET_HEADER_LEN + this.below.mtuBytes)
      copy.u8.set(frame.u8.subarray(off, end))
      // Never the Ethernet header: a real link's checksum would find that.
      if (corrupt > 0 && random.chance(corrupt)) {
        const at = 14 + random.below(end - off - 14)
        copy.u8[at] = (copy.u8[at] as number) ^ (1 << random.below(8))
      }
      const isLate = reorder > 0 && random.chance(reorder)
      this.insert({ dueUs: startUs + (isLate ? 3 : 1) * delay, order: this.order++, frame: copy, len: end - off, isUp })
    }
    this.wake()
  }

  private insert(one: Waiting): void {
    let at = this.waiting.length
    while (at > 0 && (this.waiting[at - 1] as Waiting).dueUs > one.dueUs) at--
    this.waiting.splice(at, 0, one)
  }

  private wake(): void {
    const first = this.waiting[0]
    if (first === undefined || first.dueUs >= this.alarmAtUs) return
    this.alarmAtUs = first.dueUs
    this.alarm.set(first.dueUs as Instant)
  }

  private deliver(): void {
    this.alarmAtUs = NEVER
    const until = after(this.time.now(), 100 as Duration)
    for (let first = this.waiting[0]; first !== undefined && first.dueUs <= until; first = this.waiting[0]) {
      this.waiting.shift()
      if (first.isUp) this.handler?.(first.frame, 0, first.len)
      else this.sendBelow(first.frame, first.len)
      this.spare.push(first.frame)
    }
    this.wake()
  }

  private sendBelow(frame: Frame, len: number): void {
    const out = this.below.alloc()
    if (out === undefined) return
    const { headroomBytes } = this.below
    out.u8.set(frame.u8.subarray(0, len), headroomBytes)
    this.below.send(out, headroomBytes, headroomBytes + len)
  }
}
