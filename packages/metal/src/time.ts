/** The `Time` device of a bare machine, on its run loop. */

import { monotonicUs } from 'mirage:native'
import { cancellable } from '@mirage-ts/core/cancel'
import { after } from '@mirage-ts/core/time'
import type { Alarm, Instant, Time } from '@mirage-ts/signatures/time'
import { machine } from './machine.ts'

/** Makes the device. */
export function createTime(): Time {
  return {
    alarm: (ring) => machine.alarm(ring),
    sleep(duration, { signal } = {}) {
      let alarm: Alarm | undefined
      return cancellable<void>(
        signal,
        (resolve) => {
          alarm = machine.alarm(resolve)
          alarm.set(after(monotonicUs() as Instant, duration))
        },
        () => alarm?.clear(),
      )
    },
  }
}
