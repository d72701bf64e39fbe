/** Arithmetic of monotonic time. All values are integer microseconds. */
import type { Duration, Instant } from '@mirage-ts/signatures/time'

/** A deadline that never comes. */
export const NEVER: Instant = Number.POSITIVE_INFINITY as Instant

export function us(count: number): Duration {
  if (!(count >= 0)) throw new RangeError(`Cannot make a duration of ${count} µs: expected 0 or more`)
  return Math.round(count) as Duration
}

export function ms(count: number): Duration {
  return us(count * 1000)
}

export function seconds(count: number): Duration {
  return us(count * 1_000_000)
}

export function minutes(count: number): Duration {
  return us(count * 60_000_000)
}

/** The moment `duration` after `instant`. */
export function after(instant: Instant, duration: Duration): Instant {
  return (instant + duration) as Instant
}

/** The span from `from` to `to`; nothing when `to` is the earlier one. */
export function between(from: Instant, to: Instant): Duration {
  return Math.max(0, to - from) as Duration
}

/** The earlier of two moments. */
export function earlier(a: Instant, b: Instant): Instant {
  return a < b ? a : b
}
