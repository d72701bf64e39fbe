/**
 * Structured concurrency: whatever is started inside a switch has ended, and whatever was acquired has been released,
 * when the switch is left.
 *
 * Forked work starts at once, on the caller's turn, until its first `await`. The first failure cancels everything else;
 * `run` then rejects with that failure, after all work has ended and all releases have run, last acquired first.
 */
import type { CancelSignal } from '@mirage-ts/signatures/cancel'
import { CancelController } from './cancel.ts'

export class Switch {
  readonly #controller = new CancelController()
  readonly #work = new Set<Promise<void>>()
  readonly #daemons = new Set<Promise<void>>()
  readonly #releases: (() => void | Promise<void>)[] = []
  #failure: { readonly reason: unknown } | undefined

  private constructor() {}

  /** Runs `body` in a new switch and waits for everything that it forked. */
  static async run<T>(body: (sw: Switch) => Promise<T>): Promise<T> {
    const sw = new Switch()
    let result: { readonly value: T } | undefined
    try {
      result = { value: await body(sw) }
      while (sw.#work.size > 0) await Promise.all(sw.#work)
    } catch (error) {
      sw.#fail(error)
    }
    await sw.#leave()
    if (sw.#failure !== undefined) throw sw.#failure.reason
    // Without a failure the body has returned.
    return (result as { readonly value: T }).value
  }

  /** Cancelled when the switch fails or is left. Pass it to every call that waits. */
  get signal(): CancelSignal {
    return this.#controller.signal
  }

  /** Starts work that the switch waits for. Its failure fails the switch. */
  fork(work: () => Promise<void>): void {
    this.#start(work, this.#work)
  }

  /** Starts work that is cancelled, not waited for, once the rest is done. Its failure fails the switch. */
  forkDaemon(work: () => Promise<void>): void {
    this.#start(work, this.#daemons)
  }

  /** Registers a release; the last registered runs first. */
  onRelease(release: () => void | Promise<void>): void {
    this.#releases.push(release)
  }

  #start(work: () => Promise<void>, group: Set<Promise<void>>): void {
    const running = (async () => work())()
      .catch((error: unknown) => this.#fail(error))
      .finally(() => group.delete(running))
    group.add(running)
  }

  #fail(reason: unknown): void {
    // Work that ends because it was cancelled rejects with the reason of the cancellation: not a new failure.
    if (this.signal.aborted) return
    this.#failure = { reason }
    this.#controller.cancel(reason)
  }

  async #leave(): Promise<void> {
    this.#controller.cancel()
    while (this.#work.size + this.#daemons.size > 0) await Promise.all([...this.#work, ...this.#daemons])
    for (const release of this.#releases.reverse()) {
      try {
        await release()
      } catch (reason) {
        this.#failure ??= { reason }
      }
    }
  }
}
