/** The clocks of a Unix process. */
import { performance } from 'node:perf_hooks'
import type { Instant, MonotonicClock, WallClock, WallInstant } from '@mirage-ts/signatures/time'

/** Counts from the start of the process. */
export function createMonotonicClock(): MonotonicClock {
  return { now: () => Math.floor(performance.now() * 1000) as Instant }
}

/** Civil time as the system has it, to the millisecond. */
export function createWallClock(): WallClock {
  return { now: () => (Date.now() * 1000) as WallInstant }
}
