/** Cancellation: the part of the web's `AbortSignal` that we use, so that a real one can be passed wherever it exists. */
export interface CancelSignal {
  readonly aborted: boolean
  /** Why it was cancelled: an `Error` as a rule. Meaningless while `aborted` is false. */
  readonly reason: unknown
  throwIfAborted(): void
  /** `listener` runs at most once, synchronously, when the signal is cancelled; never if it already is. */
  addEventListener(type: 'abort', listener: () => void): void
  removeEventListener(type: 'abort', listener: () => void): void
}

/** Options of every call that waits. */
export interface Cancellable {
  readonly signal?: CancelSignal
}
