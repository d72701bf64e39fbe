/** The clocks of a bare machine. */

import { monotonicUs, wallUs } from 'mirage:native'
import type { Instant, MonotonicClock, WallClock, WallInstant } from '@mirage-ts/signatures/time'

/** Makes the monotonic clock; it starts at boot. */
export function createMonotonicClock(): MonotonicClock {
  return { now: () => monotonicUs() as Instant }
}

/** Makes the wall clock: read from the machine's RTC at boot, then counted. */
export function createWallClock(): WallClock {
  return { now: () => wallUs() as WallInstant }
}
