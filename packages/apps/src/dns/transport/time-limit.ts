/** Work that must be done in time. */
import { CancelController } from '@mirage-ts/core/cancel'
import { NetError } from '@mirage-ts/core/errors'
import type { CancelSignal } from '@mirage-ts/signatures/cancel'
import type { Duration, Time } from '@mirage-ts/signatures/time'

/** Runs `work`, whose signal is cancelled with a `NetError` of code `timed-out` after `duration`. */
export async function withTimeLimit<T>(
  time: Time,
  duration: Duration,
  work: (signal: CancelSignal) => Promise<T>,
): Promise<T> {
  const limited = new CancelController()
  const timer = new CancelController()
  const late = time.sleep(duration, { signal: timer.signal }).then(
    () => limited.cancel(new NetError('timed-out', `Not done after ${duration / 1e6} s`)),
    // Cancelled below: the work was done in time.
    () => {},
  )
  try {
    return await work(limited.signal)
  } finally {
    timer.cancel()
    await late
  }
}
