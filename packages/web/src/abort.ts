/** `AbortController` and `AbortSignal` (DOM §3). `AbortSignal.timeout` needs a clock: see `device-globals.ts`. */
import { DOMException } from './dom-exception.ts'
import { Event, EventTarget } from './events.ts'

/** Hands the power to abort a signal to the controller that made it. */
const FIRE = Symbol('fire')

export class AbortSignal extends EventTarget {
  aborted = false
  reason: unknown = undefined
  onabort: ((event: Event) => void) | null = null

  throwIfAborted(): void {
    if (this.aborted) throw this.reason
  }

  [FIRE](reason: unknown = new DOMException('This operation was aborted', 'AbortError')): void {
    if (this.aborted) return
    this.aborted = true
    this.reason = reason
    this.dispatchEvent(new Event('abort'))
  }

  static abort(reason?: unknown): AbortSignal {
    const signal = new AbortSignal()
    signal[FIRE](reason)
    return signal
  }

  static any(signals: Iterable<AbortSignal>): AbortSignal {
    const joined = new AbortSignal()
    const all = [...signals]
    const first = all.find(({ aborted }) => aborted)
    if (first !== undefined) joined[FIRE](first.reason)
    else for (const signal of all) signal.addEventListener('abort', () => joined[FIRE](signal.reason))
    return joined
  }
}

export class AbortController {
  readonly signal: AbortSignal = new AbortSignal()

  abort(reason?: unknown): void {
    this.signal[FIRE](reason)
  }
}
