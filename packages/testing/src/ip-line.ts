/** For tests: two network layers joined by a line that loses, delays, reorders, duplicates and corrupts as it is told. */
import { createFrame } from '@mirage-ts/core/bytes'
import { NEVER } from '@mirage-ts/core/time'
import type { IpAddress } from '@mirage-ts/signatures/addresses'
import type { Frame } from '@mirage-ts/signatures/bytes'
import type { Ip, IpErrorHandler, IpHandler } from '@mirage-ts/signatures/ip'
import type { Random } from '@mirage-ts/signatures/random'
import type { Alarm, Instant, MonotonicClock, Time } from '@mirage-ts/signatures/time'

/** Probabilities are 0 to 1; times in µs. */
export interface LineOptions {
  readonly loss?: number
  readonly duplicate?: number
  readonly reorder?: number
  readonly corrupt?: number
  readonly delayUs?: number
  readonly mtuBytes?: number
  /** Octets per second. Default: no limit. */
  readonly rateBytes?: number
  /** Octets that may wait for a line with `rateBytes`, each way; further packets are lost. Default: no limit. */
  readonly bufferBytes?: number
  /** Packets that would be lost to a buffer half full are marked instead, when their sender agrees (RFC 3168). */
  readonly marks?: boolean
  /** Packets that may be on the line; further ones are lost. */
  readonly queueCount?: number
}

interface InFlight {
  readonly dueUs: number
  readonly order: number
  readonly to: TestIp
  readonly src: IpAddress
  readonly dst: IpAddress
  readonly frame: Frame
}

const HEADROOM = 40
/** Packets on the line have an IPv4 header of which only the version and the traffic class are real. */
const IP_LEN = 20
const CONGESTION_EXPERIENCED = 3

export class TestLine {
  readonly a: TestIp
  readonly b: TestIp
  options: LineOptions
  /** Packets carried, copies of duplicates included. */
  carriedCount = 0
  /** Packets marked with "congestion experienced". */
  markedCount = 0
  private readonly clock: MonotonicClock
  private readonly random: Random
  private readonly alarm: Alarm
  private inFlight: InFlight[] = []
  private alarmAtUs: number = NEVER
  private order = 0

  constructor(
    time: Time & MonotonicClock,
    random: Random,
    addresses: readonly [IpAddress, IpAddress],
    options: LineOptions = {},
  ) {
    this.clock = time
    this.random = random
    this.options = options
    this.a = new TestIp(this, addresses[0])
    this.b = new TestIp(this, addresses[1])
    this.alarm = time.alarm(() => this.deliver())
  }

  send(
    from: TestIp,
    frame: Frame,
    off: number,
    end: number,
    src: IpAddress,
    dst: IpAddress,
    trafficClass: number,
  ): void {
    const { loss = 0, duplicate = 0, reorder = 0, corrupt = 0, delayUs = 100, rateBytes } = this.options
    const { queueCount, bufferBytes = Number.POSITIVE_INFINITY, marks = false } = this.options
    const to = from === this.a ? this.b : this.a
    if (to.addresses[0] !== dst || this.chance(loss)) return
    const waitingBytes = ((from.freeAtUs - this.clock.now()) * (rateBytes ?? 0)) / 1e6
    if (waitingBytes > bufferBytes) return
    const isMarked = marks && 2 * waitingBytes > bufferBytes && (trafficClass & 3) !== 0
    if (isMarked) this.markedCount++
    const copies = this.chance(duplicate) ? 2 : 1
    for (let i = 0; i < copies; i++) {
      const copy = createFrame(IP_LEN + end - off)
      copy.u8[0] = 0x45
      copy.u8[1] = isMarked ? trafficClass | CONGESTION_EXPERIENCED : trafficClass
      copy.u8.set(frame.u8.subarray(off, end), IP_LEN)
      if (this.chance(corrupt)) {
        const at = IP_LEN + (this.random.u32() % (end - off))
        copy.u8[at] = (copy.u8[at] as number) ^ (1 << (this.random.u32() & 7))
      }
      const now = this.clock.now()
      let startUs: number = now
      if (rateBytes !== undefined) {
        from.freeAtUs = Math.max(from.freeAtUs, now) + Math.round(((end - off + 20) * 1e6) / rateBytes)
        startUs = from.freeAtUs
      }
      if (queueCount !== undefined && this.inFlight.length >= queueCount) return
      const extraUs = this.chance(reorder) ? 3 * delayUs : 0
      const dueUs = startUs + delayUs + extraUs
      this.inFlight.push({ dueUs, order: this.order++, to, src, dst, frame: copy })
      if (dueUs < this.alarmAtUs) {
        this.alarmAtUs = dueUs
        this.alarm.set(dueUs as Instant)
      }
    }
  }

  private chance(probability: number): boolean {
    return probability > 0 && this.random.u32() / 2 ** 32 < probability
  }

  private deliver(): void {
    const now = this.clock.now()
    const due = this.inFlight.filter((one) => one.dueUs <= now).sort((x, y) => x.dueUs - y.dueUs || x.order - y.order)
    this.inFlight = this.inFlight.filter((one) => one.dueUs > now)
    this.alarmAtUs = NEVER
    for (const one of due) {
      this.carriedCount++
      one.to.handler?.(one.frame, IP_LEN, one.frame.u8.length, one.src, one.dst, 0)
    }
    for (const one of this.inFlight) this.alarmAtUs = Math.min(this.alarmAtUs, one.dueUs)
    if (this.alarmAtUs !== NEVER) this.alarm.set(this.alarmAtUs as Instant)
  }
}

export class TestIp implements Ip {
  readonly headroomBytes = HEADROOM
  readonly addresses: readonly IpAddress[]
  handler: IpHandler | undefined = undefined
  errorHandler: IpErrorHandler | undefined = undefined
  /** The device has no room while this is true. */
  isFull = false
  /** Buffers lent and not given back. */
  lentCount = 0
  /** When the line has sent what was queued before it. */
  freeAtUs = 0
  private readonly line: TestLine
  private readonly spare: Frame[] = []

  constructor(line: TestLine, address: IpAddress) {
    this.line = line
    this.addresses = [address]
  }

  mtuBytes(): number {
    return (this.line.options.mtuBytes ?? 1500) - 20
  }

  source(): IpAddress | undefined {
    return this.addresses[0]
  }

  alloc(): Frame | undefined {
    if (this.isFull) return undefined
    this.lentCount++
    const frame = this.spare.pop() ?? createFrame(HEADROOM + this.mtuBytes())
    // What a device lends is dirty: a header with an octet not written must show in a test.
    frame.u8.fill(0xa5)
    return frame
  }

  readonly isChecksumOffloaded = false

  largeBytes(): number {
    return 0
  }

  allocLarge(): Frame | undefined {
    return undefined
  }

  send(
    frame: Frame,
    off: number,
    end: number,
    _protocol: number,
    src: IpAddress,
    dst: IpAddress,
    trafficClass = 0,
  ): void {
    this.line.send(this, frame, off, end, src, dst, trafficClass)
    this.free(frame)
  }

  free(frame: Frame): void {
    this.lentCount--
    this.spare.push(frame)
  }

  listen(_protocol: number, handler: IpHandler): void {
    this.handler = handler
  }

  listenErrors(_protocol: number, handler: IpErrorHandler): void {
    this.errorHandler = handler
  }

  reportError(): void {}
}
