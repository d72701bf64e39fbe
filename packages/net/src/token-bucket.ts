/** A rate with bursts: so many at once, and so many each second after that. */
import type { Instant } from '@mirage-ts/signatures/time'

export class TokenBucket {
  private readonly burstCount: number
  private readonly perSecond: number
  private tokens: number
  private filledAt: Instant

  constructor(burstCount: number, perSecond: number, now: Instant) {
    this.burstCount = burstCount
    this.perSecond = perSecond
    this.tokens = burstCount
    this.filledAt = now
  }

  /** Takes one token; false when there is none. */
  take(now: Instant): boolean {
    this.tokens = Math.min(this.burstCount, this.tokens + ((now - this.filledAt) / 1_000_000) * this.perSecond)
    this.filledAt = now
    if (this.tokens < 1) return false
    this.tokens--
    return true
  }
}
