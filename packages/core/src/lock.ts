/** Locks between asynchronous calls of one program: first come, first served. */

/** Many may hold it shared, or one alone. Whoever asks later waits behind whoever asked earlier, so nobody starves. */
export class Lock {
  readonly #waiting: { readonly isShared: boolean; readonly enter: () => void }[] = []
  #sharedCount = 0
  #isExclusive = false

  /** Runs `body` while nobody else holds the lock. */
  async exclusive<T>(body: () => Promise<T>): Promise<T> {
    if (this.#isExclusive || this.#sharedCount > 0 || this.#waiting.length > 0) await this.#wait(false)
    else this.#isExclusive = true
    try {
      return await body()
    } finally {
      this.#isExclusive = false
      this.#admit()
    }
  }

  /** Runs `body` while nobody holds the lock alone. */
  async shared<T>(body: () => Promise<T>): Promise<T> {
    if (this.#isExclusive || this.#waiting.length > 0) await this.#wait(true)
    else this.#sharedCount++
    try {
      return await body()
    } finally {
      this.#sharedCount--
      this.#admit()
    }
  }

  #wait(isShared: boolean): Promise<void> {
    return new Promise((enter) => this.#waiting.push({ isShared, enter }))
  }

  /** Lets in who is first, counted as inside before they run; more of them while they share. */
  #admit(): void {
    for (let first = this.#waiting[0]; first !== undefined; first = this.#waiting[0]) {
      if (this.#isExclusive || (!first.isShared && this.#sharedCount > 0)) return
      this.#waiting.shift()
      if (first.isShared) this.#sharedCount++
      else this.#isExclusive = true
      first.enter()
    }
  }
}
