/**
 * Time that moves only when a test says so: a clock and the `Time` device over it.
 *
 * Alarms ring in order of deadline, those of one deadline in the order they were set, so a run is reproducible.
 */
import { cancellable } from '@mirage-ts/core/cancel'
import { after, NEVER } from '@mirage-ts/core/time'
import type { Cancellable } from '@mirage-ts/signatures/cancel'
import type { Alarm, Duration, Instant, MonotonicClock, Time } from '@mirage-ts/signatures/time'

interface Pending {
  readonly deadline: Instant
  readonly order: number
  readonly ring: () => void
}

export class MockTime implements Time, MonotonicClock {
  private nowUs: number
  private order = 0
  private readonly pending = new Set<Pending>()

  /** Starts at `nowUs`: not at 0 by default, where a forgotten "not set" value would look like a time. */
  constructor(nowUs = 1_000_000) {
    this.nowUs = nowUs
  }

  now(): Instant {
    return this.nowUs as Instant
  }

  /** How many alarms and sleeps are pending. */
  get pendingCount(): number {
    return this.pending.size
  }

  alarm(ring: () => void): Alarm {
    let current: Pending | undefined
    const clear = (): void => {
      if (current !== undefined) this.pending.delete(current)
      current = undefined
    }
    return {
      set: (deadline) => {
        clear()
        if (deadline === NEVER) return
        const mine = this.schedule(deadline, () => {
          if (current === mine) current = undefined
          ring()
        })
        current = mine
      },
      clear,
    }
  }

  sleep(duration: Duration, options: Cancellable = {}): Promise<void> {
    let mine: Pending | undefined
    return cancellable<void>(
      options.signal,
      (resolve) => {
        mine = this.schedule(after(this.now(), duration), resolve)
      },
      () => {
        if (mine !== undefined) this.pending.delete(mine)
      },
    )
  }

  /** The earliest deadline, or {@link NEVER}. */
  nextDeadline(): Instant {
    return this.earliest()?.deadline ?? NEVER
  }

  /** Moves the clock by `duration`, ringing what falls due on the way; promises run between two alarms. */
  async advance(duration: Duration): Promise<void> {
    const end = after(this.now(), duration)
    await settle()
    for (let next = this.earliest(); next !== undefined && next.deadline <= end; next = this.earliest()) {
      this.fire(next)
      await settle()
    }
    this.nowUs = end
  }

  /**
   * Moves from deadline to deadline until `promise` settles, and returns what it gives. Rejects when nothing is pending
   * any more, or after `limit` of mock time: the promise would never settle.
   */
  async until<T>(promise: Promise<T>, limit: Duration = (3600 * 1_000_000) as Duration): Promise<T> {
    let settled = false
    const watch = (): void => {
      settled = true
    }
    promise.then(watch, watch)
    const end = after(this.now(), limit)
    await settle()
    while (!settled) {
      const next = this.earliest()
      if (next === undefined)
        throw new Error('Cannot wait in mock time: nothing is pending and the promise is not settled')
      if (next.deadline > end) throw new Error(`Cannot wait in mock time: not settled after ${limit / 1e6} s`)
      this.fire(next)
      await settle()
    }
    return promise
  }

  private schedule(deadline: Instant, ring: () => void): Pending {
    const mine = { deadline, order: this.order++, ring }
    this.pending.add(mine)
    return mine
  }

  private earliest(): Pending | undefined {
    let first: Pending | undefined
    for (const one of this.pending) {
      if (
        first === undefined ||
        one.deadline < first.deadline ||
        (one.deadline === first.deadline && one.order < first.order)
      ) {
        first = one
      }
    }
    return first
  }

  private fire(next: Pending): void {
    this.pending.delete(next)
    this.nowUs = Math.max(this.nowUs, next.deadline)
    next.ring()
  }
}

/** Lets every promise that can settle without time passing do so. */
function settle(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}

declare function setImmediate(callback: () => void): unknown
