/** Waiting, on the timers of Node. */
import { cancellable } from '@mirage-ts/core/cancel'
import { after, NEVER } from '@mirage-ts/core/time'
import type { Cancellable } from '@mirage-ts/signatures/cancel'
import type { Alarm, Duration, Instant, Time } from '@mirage-ts/signatures/time'
import { createMonotonicClock } from './clock.ts'

/** Greatest delay that `setTimeout` takes; a longer one would fire at once. */
const MAX_DELAY_MS = 2 ** 31 - 1

const clock = createMonotonicClock()

/** Makes the device. The process stays alive while a sleep or an alarm is pending, and no longer. */
export function createTime(): Time {
  return {
    alarm: (ring) => new NodeAlarm(ring),
    sleep(duration: Duration, { signal }: Cancellable = {}): Promise<void> {
      let alarm: Alarm | undefined
      return cancellable<void>(
        signal,
        (resolve) => {
          alarm = new NodeAlarm(resolve)
          alarm.set(after(clock.now(), duration))
        },
        () => alarm?.clear(),
      )
    },
  }
}

/**
 * Keeps at most one `setTimeout`. A deadline that moves later, as a retransmission timer's does with each segment, leaves
 * it alone: it fires at the old moment, finds the deadline still ahead, and is set again.
 */
class NodeAlarm implements Alarm {
  readonly #ring: () => void
  #deadline: Instant = NEVER
  #timer: NodeJS.Timeout | undefined
  /** When the timer fires, as far as asked for; NEVER without a timer. */
  #wakeAt: Instant = NEVER

  constructor(ring: () => void) {
    this.#ring = ring
  }

  set(deadline: Instant): void {
    this.#deadline = deadline
    if (deadline === NEVER) this.clear()
    else if (deadline < this.#wakeAt) this.#arm()
  }

  clear(): void {
    this.#deadline = NEVER
    this.#wakeAt = NEVER
    clearTimeout(this.#timer)
    this.#timer = undefined
  }

  #arm(): void {
    clearTimeout(this.#timer)
    const delayMs = Math.min(Math.ceil((this.#deadline - clock.now()) / 1000), MAX_DELAY_MS)
    this.#wakeAt = this.#deadline
    this.#timer = setTimeout(this.#wake, delayMs)
  }

  readonly #wake = (): void => {
    // Node may fire up to a millisecond early, and fires the longest delays by instalments.
    if (clock.now() < this.#deadline) {
      this.#arm()
    } else {
      this.clear()
      this.#ring()
    }
  }
}
