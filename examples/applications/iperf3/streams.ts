/** The data connections of one test, and the watch over all that belongs to it. */
import { CancelController, cancellable } from '@mirage-ts/core/cancel'
import { NetError } from '@mirage-ts/core/errors'
import type { FlowReader } from '@mirage-ts/core/flow-reader'
import { after, seconds } from '@mirage-ts/core/time'
import type { Cancellable, CancelSignal } from '@mirage-ts/signatures/cancel'
import type { Flow } from '@mirage-ts/signatures/flow'
import type { Alarm, Instant, MonotonicClock, Time } from '@mirage-ts/signatures/time'

const SILENCE = seconds(30)

/** Cancels `signal` when nothing has happened for half a minute: a peer that falls silent must not hold a server for ever. */
export class Watch {
  readonly signal: CancelSignal
  private readonly controller = new CancelController()
  private readonly alarm: Alarm
  private readonly clock: MonotonicClock
  private lastAt: Instant

  constructor({ time, clock }: { time: Time; clock: MonotonicClock }) {
    this.signal = this.controller.signal
    this.clock = clock
    this.lastAt = clock.now()
    this.alarm = time.alarm(() => {
      const deadline = after(this.lastAt, SILENCE)
      if (this.clock.now() < deadline) this.alarm.set(deadline)
      else this.controller.cancel(new NetError('timed-out', 'Nothing has come for 30 seconds'))
    })
    this.alarm.set(after(this.lastAt, SILENCE))
  }

  /** Something has happened. Returns the time. */
  touch(): Instant {
    this.lastAt = this.clock.now()
    return this.lastAt
  }

  /** To be called when there is nothing left to watch. */
  end(): void {
    this.alarm.clear()
  }
}

interface Stream {
  readonly flow: Flow
  /** Of a connection that was accepted: it may hold octets that came with the cookie. */
  readonly reader: FlowReader | undefined
  bytes: number
}

/** Streams that all carry octets in one direction, counted. */
export class Streams {
  totalBytes = 0
  private readonly streams: Stream[] = []
  private readonly watch: Watch
  private readonly goalBytes: number
  private countedFrom: Instant | undefined
  private isOver = false
  private reached: () => void = () => {}

  constructor(watch: Watch, goalBytes: number = Number.POSITIVE_INFINITY) {
    this.watch = watch
    this.goalBytes = goalBytes
  }

  get count(): number {
    return this.streams.length
  }

  get bytes(): readonly number[] {
    return this.streams.map((stream) => stream.bytes)
  }

  add(flow: Flow, reader?: FlowReader): void {
    this.streams.push({ flow, reader, bytes: 0 })
  }

  /** Begins to send or to receive; what was carried before `countedFrom` does not count. */
  start(role: { readonly isSender: boolean; readonly blockBytes: number; readonly countedFrom?: Instant }): void {
    this.countedFrom = role.countedFrom
    const block = role.isSender ? new Uint8Array(role.blockBytes) : undefined
    for (const stream of this.streams) {
      const carrying = block === undefined ? this.receive(stream) : this.send(stream, block)
      // A stream that fails carries no more; the control connection tells what becomes of the test.
      carrying.catch(() => stream.flow.abort())
    }
  }

  /** Resolves when `goalBytes` were carried; call it before `start`. */
  reachGoal(options: Cancellable): Promise<void> {
    return cancellable<void>(
      options.signal,
      (resolve) => {
        this.reached = resolve
      },
      () => {},
    )
  }

  /** What is sent from now on is no part of the test. */
  finish(): void {
    this.isOver = true
  }

  abort(): void {
    this.isOver = true
    for (const stream of this.streams) stream.flow.abort()
  }

  private async send(stream: Stream, block: Uint8Array): Promise<void> {
    while (!this.isOver) {
      await stream.flow.write(block)
      if (!this.isOver) this.carried(stream, block.length)
    }
    // iperf3 may be waiting for another block, and looks at the control connection only when it has one or there is none.
    stream.flow.shutdownWrite()
  }

  private async receive(stream: Stream): Promise<void> {
    const { flow, reader } = stream
    const first = reader === undefined ? await flow.read() : await reader.readSome()
    if (first !== undefined) this.carried(stream, first.length)
    for (let chunk = await flow.read(); chunk !== undefined; chunk = await flow.read()) {
      this.carried(stream, chunk.length)
      flow.recycle?.(chunk)
    }
  }

  private carried(stream: Stream, lenBytes: number): void {
    const now = this.watch.touch()
    if (this.countedFrom !== undefined && now < this.countedFrom) return
    stream.bytes += lenBytes
    this.totalBytes += lenBytes
    if (this.totalBytes >= this.goalBytes) this.reached()
  }
}
