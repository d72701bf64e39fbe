/**
 * A zone that is had from other servers (RFC 1034 §4.3.5, RFC 1996): when to look for a newer one, and how.
 *
 * {@link RefreshTimer} decides, without I/O; {@link Secondary} asks and transfers. One attempt at a time, and a pause
 * between two whatever happens, so that a flood of NOTIFY messages, or servers that do not answer, cannot make us flood
 * others (ocaml-dns #347: a secondary that kept opening connections).
 */
import { endpointToString } from '@mirage-ts/core/addresses'
import { messageOf } from '@mirage-ts/core/errors'
import { after, earlier, NEVER, seconds } from '@mirage-ts/core/time'
import type { Endpoint } from '@mirage-ts/signatures/addresses'
import type { Logger } from '@mirage-ts/signatures/log'
import type { Random } from '@mirage-ts/signatures/random'
import type { Stack } from '@mirage-ts/signatures/stack'
import type { Alarm, Duration, Instant, MonotonicClock, Time, WallClock } from '@mirage-ts/signatures/time'
import { exchangeMessage } from '../transport/exchange.ts'
import { framed, MessageReader } from '../transport/framing.ts'
import { withTimeLimit } from '../transport/time-limit.ts'
import { type MessageParts, parseMessage, type Rr, writeMessage } from '../wire/message.ts'
import { type NameKey, nameKey, nameToString } from '../wire/name.ts'
import { type Soa, soaOf } from '../wire/rdata.ts'
import { isTsigFailure, signMessage, type TsigKey, TsigStream, tsigLenBytes, verifyTsig } from '../wire/tsig.ts'
import { CLASS, RCODE, TYPE } from '../wire/types.ts'
import { WireWriter } from '../wire/wire.ts'
import { isSerialAfter, rrsOf, type Zone } from '../zone/zone.ts'
import { TransferIn, type TransferReason } from './transfer.ts'

/** Between the end of an attempt and the next one, whatever the SOA record or a NOTIFY says. */
const MIN_PAUSE = seconds(5)
/** Without a zone to read them from. */
const FIRST_RETRY = seconds(5)
const MAX_RETRY = seconds(600)

/** When to look for a newer zone, and when the one we have is too old. */
export class RefreshTimer {
  /** The next attempt; never while one runs. */
  private attemptAt: Instant
  private expiresAt: Instant = NEVER
  private endedAt: Instant | undefined
  private isBusy = false
  /** A NOTIFY came during an attempt: it may have been too late for it. */
  private isNotified = false
  private retry: Duration = FIRST_RETRY

  constructor(now: Instant) {
    this.attemptAt = now
  }

  nextDeadline(): Instant {
    return this.isBusy ? this.expiresAt : earlier(this.attemptAt, this.expiresAt)
  }

  /** A server says that there is something new. */
  notified(now: Instant): void {
    if (this.isBusy) this.isNotified = true
    else this.attemptAt = earlier(this.attemptAt, this.earliest(now))
  }

  /** What is to be done now. */
  poll(now: Instant): 'attempt' | 'expire' | 'wait' {
    if (now >= this.expiresAt) {
      this.expiresAt = NEVER
      return 'expire'
    }
    if (this.isBusy || now < this.attemptAt) return 'wait'
    this.isBusy = true
    return 'attempt'
  }

  /** The attempt ended well: the zone is as new as it gets, its SOA record is `soa`. */
  succeeded(now: Instant, soa: Soa): void {
    this.end(now, seconds(soa.refresh))
    this.expiresAt = after(now, seconds(soa.expire))
    this.retry = FIRST_RETRY
  }

  /** The attempt failed; `soa` is that of the zone we have. */
  failed(now: Instant, soa: Soa | undefined): void {
    this.end(now, soa === undefined ? this.retry : seconds(soa.retry))
    this.retry = Math.min(2 * this.retry, MAX_RETRY) as Duration
  }

  private end(now: Instant, pause: Duration): void {
    this.isBusy = false
    this.endedAt = now
    this.attemptAt = after(now, Math.max(pause, MIN_PAUSE) as Duration)
    if (this.isNotified) this.attemptAt = this.earliest(now)
    this.isNotified = false
  }

  private earliest(now: Instant): Instant {
    return this.endedAt === undefined ? now : (Math.max(now, after(this.endedAt, MIN_PAUSE)) as Instant)
  }
}

export interface SecondaryDeps {
  readonly stack: Stack
  readonly time: Time
  readonly clock: MonotonicClock
  readonly wallClock: WallClock
  readonly random: Random
  readonly log: Logger
}

export interface SecondaryOptions {
  readonly origin: NameKey
  /** Asked in this order. */
  readonly primaries: readonly Endpoint[]
  /** Signs what we ask, and must sign what they answer. */
  readonly key?: TsigKey | undefined
  /** There is a newer zone (the object may be the one of before), or `undefined`: the one we had is too old. */
  readonly onZone: (zone: Zone | undefined) => void
}

const TRANSFER_READ_TIME = seconds(30)
const MAX_QUERY_LEN = 1024

export class Secondary {
  private readonly deps: SecondaryDeps
  private readonly options: SecondaryOptions
  private readonly timer: RefreshTimer
  private readonly alarm: Alarm
  private zone: Zone | undefined
  private isClosed = false

  /** Begins at once. */
  constructor(deps: SecondaryDeps, options: SecondaryOptions) {
    this.deps = deps
    this.options = options
    this.timer = new RefreshTimer(deps.clock.now())
    this.alarm = deps.time.alarm(() => this.wake())
    this.wake()
  }

  notified(): void {
    this.timer.notified(this.deps.clock.now())
    this.wake()
  }

  close(): void {
    this.isClosed = true
    this.alarm.clear()
  }

  private wake(): void {
    if (this.isClosed) return
    const { origin, onZone } = this.options
    switch (this.timer.poll(this.deps.clock.now())) {
      case 'expire':
        this.deps.log.warn(() => `${nameToString(origin)} is too old to be served: no server had it for too long`)
        this.zone = undefined
        onZone(undefined)
        break
      case 'attempt':
        // Never rejects.
        void this.attempt()
        break
      case 'wait':
        break
    }
    this.alarm.set(this.timer.nextDeadline())
  }

  private async attempt(): Promise<void> {
    const { origin, primaries, onZone } = this.options
    const { clock, log } = this.deps
    for (const primary of primaries) {
      try {
        const zone = await this.fetch(primary)
        if (this.isClosed) return
        if (zone !== 'unchanged') {
          log.info(() => `${nameToString(origin)} from ${endpointToString(primary)}: serial ${zone.soa.serial}`)
          this.zone = zone
          onZone(zone)
        }
        this.timer.succeeded(clock.now(), (this.zone as Zone).soa)
        this.wake()
        return
      } catch (error) {
        log.warn(() => `${nameToString(origin)} from ${endpointToString(primary)}: ${messageOf(error)}`)
      }
    }
    this.timer.failed(clock.now(), this.zone?.soa)
    this.wake()
  }

  private async fetch(primary: Endpoint): Promise<Zone | 'unchanged'> {
    if (this.zone === undefined) return await this.transfer(primary, undefined)
    const serial = await this.serialOf(primary)
    if (!isSerialAfter(serial, this.zone.soa.serial)) return 'unchanged'
    try {
      return await this.transfer(primary, this.zone)
    } catch (error) {
      this.deps.log.debug(() => `no incremental transfer: ${messageOf(error)}`)
      return await this.transfer(primary, undefined)
    }
  }

  private async serialOf(primary: Endpoint): Promise<number> {
    const { octets, mac } = this.query({ questions: [this.question(TYPE.SOA)] })
    const answer = await exchangeMessage(this.deps, primary, octets)
    const { message } = answer
    const { key } = this.options
    if (key !== undefined) {
      if (message.tsig === undefined) throw new Error('the answer is not signed')
      const outcome = verifyTsig(answer.octets, message, new Map([[key.name, key]]), this.wallSeconds(), mac)
      if (isTsigFailure(outcome)) throw new Error(`the signature of the answer does not hold: ${outcome.reason}`)
    }
    const isSoa = (rr: Rr) => rr.type === TYPE.SOA && rr.class === CLASS.IN && nameKey(rr.name) === this.options.origin
    const soa = message.answers.find(isSoa)
    if (message.rcode !== RCODE.NOERROR || soa === undefined) throw new Error('it has no SOA record')
    return soaOf(soa.rdata).serial
  }

  /** Transfers the zone; with `zone`, what has changed since. */
  private async transfer(primary: Endpoint, zone: Zone | undefined): Promise<Zone> {
    const { stack, time } = this.deps
    const { key, origin } = this.options
    const { id, octets, mac } = this.query({
      questions: [this.question(zone === undefined ? TYPE.AXFR : TYPE.IXFR)],
      authorities: zone === undefined ? [] : rrsOf(zone.soaSet),
    })
    const flow = await withTimeLimit(time, TRANSFER_READ_TIME, (signal) => stack.tcp.connect(primary, { signal }))
    try {
      await withTimeLimit(time, TRANSFER_READ_TIME, (signal) => flow.write(framed(octets), { signal }))
      const reader = new MessageReader(flow)
      const signatures = key === undefined ? undefined : new TsigStream(key, mac)
      const transfer = new TransferIn(id, origin, zone, this.deps.random.u32())
      for (let state: 'more' | 'done' | TransferReason = 'more'; state !== 'done'; ) {
        const u8 = await withTimeLimit(time, TRANSFER_READ_TIME, (signal) => reader.next({ signal }))
        const message = u8 === undefined ? 'the stream ended early' : parseMessage(u8)
        if (u8 === undefined || typeof message === 'string')
          throw new Error(`the transfer broke off: ${String(message)}`)
        const reason = signatures?.next(u8, message, this.wallSeconds())
        if (reason !== undefined) throw new Error(`the signature of the transfer does not hold: ${reason}`)
        state = transfer.take(message)
        if (state !== 'more' && state !== 'done') throw new Error(`the transfer cannot be used: ${state}`)
      }
      if (signatures !== undefined && !signatures.isComplete) throw new Error('the end of the transfer is not signed')
      const result = transfer.finish()
      if (typeof result === 'string') throw new Error(`the transfer cannot be used: ${result}`)
      return result
    } finally {
      flow.abort()
    }
  }

  private question(type: number): { readonly name: NameKey; readonly type: number; readonly class: number } {
    return { name: this.options.origin, type, class: CLASS.IN }
  }

  private query(parts: Partial<MessageParts>): {
    readonly id: number
    readonly octets: Uint8Array
    readonly mac: Uint8Array
  } {
    const { key } = this.options
    const id = this.deps.random.u32() & 0xffff
    const writer = new WireWriter(MAX_QUERY_LEN + (key === undefined ? 0 : tsigLenBytes(key)))
    const end = writeMessage(writer, { id, ...parts }, MAX_QUERY_LEN)
    if (key === undefined) return { id, octets: writer.u8.slice(0, end), mac: new Uint8Array(0) }
    const signed = signMessage(writer.u8, end, key, this.wallSeconds())
    return { id, octets: writer.u8.slice(0, signed.end), mac: signed.mac }
  }

  private wallSeconds(): number {
    return Math.floor(this.deps.wallClock.now() / 1e6)
  }
}
