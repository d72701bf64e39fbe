/**
 * Time as devices. Everything counts integer microseconds in a number (2^53 µs are 285 years); monotonic and wall time
 * are different types, so a protocol that must survive a clock step cannot be given the wall clock by accident.
 */
import type { Brand } from './addresses.ts'
import type { Cancellable } from './cancel.ts'

/** A point on the monotonic clock, in µs since some fixed moment before the application started. */
export type Instant = number & Brand<'Instant'>

/** A span of time in µs. Build one with `us`, `ms`, `seconds`, `minutes` of `@mirage-ts/core/time`. */
export type Duration = number & Brand<'Duration'>

/** A point in civil time, in µs since 1970-01-01T00:00:00Z, leap seconds not counted. */
export type WallInstant = number & Brand<'WallInstant'>

/** A clock that never goes back and is not stepped. Reading it does not block and cannot fail. */
export interface MonotonicClock {
  now(): Instant
}

/** The civil clock. It may be stepped by whoever sets it: never subtract two readings to measure a span. */
export interface WallClock {
  now(): WallInstant
}

/**
 * One timer that can be set again and again: what the adapter of a protocol core keeps, armed at the core's next
 * deadline. At most one deadline is pending.
 */
export interface Alarm {
  /** Calls back once at `deadline` or as soon after as possible, never before; replaces a pending deadline. */
  set(deadline: Instant): void
  /** Forgets the pending deadline; does nothing when there is none. */
  clear(): void
}

/** The device that waits. */
export interface Time {
  /** Resolves when `duration` has passed, never earlier. Rejects with the signal's reason when cancelled. */
  sleep(duration: Duration, options?: Cancellable): Promise<void>
  /** Makes an alarm. `ring` runs on a fresh turn of the run loop, never inside `set`. */
  alarm(ring: () => void): Alarm
}
