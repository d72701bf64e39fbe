/** Cancellation for engines without `AbortController`. A real `AbortSignal` is accepted wherever ours is. */
import type { CancelSignal } from '@mirage-ts/signatures/cancel'
import { NetError } from './errors.ts'

/** Owns one signal and cancels it. */
export class CancelController {
  readonly signal: CancelSignal
  readonly #source: SignalSource

  constructor() {
    this.#source = new SignalSource()
    this.signal = this.#source
  }

  /** Cancels the signal; the first call wins, later ones do nothing. */
  cancel(reason: unknown = new NetError('cancelled', 'Cancelled')): void {
    this.#source.fire(reason)
  }
}

class SignalSource implements CancelSignal {
  aborted = false
  reason: unknown = undefined
  readonly #listeners = new Set<() => void>()

  throwIfAborted(): void {
    if (this.aborted) throw this.reason
  }

  addEventListener(_type: 'abort', listener: () => void): void {
    if (!this.aborted) this.#listeners.add(listener)
  }

  removeEventListener(_type: 'abort', listener: () => void): void {
    this.#listeners.delete(listener)
  }

  fire(reason: unknown): void {
    if (this.aborted) return
    this.aborted = true
    this.reason = reason
    const listeners = [...this.#listeners]
    this.#listeners.clear()
    for (const listener of listeners) listener()
  }
}

/**
 * A promise that `start` settles, unless `signal` is cancelled first: then `onCancel` runs and the promise rejects with
 * the signal's reason. The listener is removed either way.
 */
export function cancellable<T>(
  signal: CancelSignal | undefined,
  start: (resolve: (value: T) => void, reject: (reason: unknown) => void) => void,
  onCancel: () => void,
): Promise<T> {
  if (signal === undefined) return new Promise<T>(start)
  if (signal.aborted) return Promise.reject(signal.reason)
  return new Promise<T>((resolve, reject) => {
    const abort = (): void => {
      onCancel()
      reject(signal.reason)
    }
    signal.addEventListener('abort', abort)
    const done = (): void => signal.removeEventListener('abort', abort)
    start(
      (value) => {
        done()
        resolve(value)
      },
      (reason) => {
        done()
        reject(reason)
      },
    )
  })
}
