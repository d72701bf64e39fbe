/**
 * Limits how often the same answer goes to the same network, so that a server is of little use for reflecting traffic
 * to a victim whose address is forged (response rate limiting, as BIND and NSD do it).
 *
 * Askers whose address is certain (TCP, a right cookie) are not limited. Fixed memory: a table of buckets, in which a
 * newcomer takes the place of whoever has its place.
 */
import type { IpAddress } from '@mirage-ts/signatures/addresses'
import type { Instant } from '@mirage-ts/signatures/time'

const BUCKET_COUNT = 16_384

/** Every other answer over the limit is a truncated one: who really asks comes back over TCP. */
const SLIP = 2

export type RateVerdict = 'pass' | 'slip' | 'drop'

export class RateLimiter {
  private readonly perSecond: number
  private readonly seed: number
  /** Whose the bucket is. */
  private readonly tags = new Int32Array(BUCKET_COUNT)
  private readonly tokens = new Float64Array(BUCKET_COUNT)
  private readonly filledUs = new Float64Array(BUCKET_COUNT)
  private slipCount = 0

  /** `perSecond` answers to each network, as many at once; 0 for no limit. `seed` is a 32-bit secret. */
  constructor(perSecond: number, seed: number) {
    this.perSecond = perSecond
    this.seed = seed | 0
  }

  get isOn(): boolean {
    return this.perSecond > 0
  }

  /** What to do with one more answer of the kind `hash` to `from` (the /24 or /56 around it). */
  take(hash: number, from: IpAddress, now: Instant): RateVerdict {
    if (this.perSecond === 0) return 'pass'
    const network = typeof from === 'number' ? from >>> 8 : Number((from >> 72n) & 0xffffffffn) ^ Number(from >> 104n)
    let tag = Math.imul(this.seed ^ network, 0x85ebca6b) ^ hash
    tag = Math.imul(tag ^ (tag >>> 15), 0xc2b2ae35)
    tag ^= tag >>> 13
    const at = tag & (BUCKET_COUNT - 1)
    if (this.tags[at] !== tag) {
      this.tags[at] = tag
      this.tokens[at] = this.perSecond
    } else {
      const earned = ((now - (this.filledUs[at] as number)) * this.perSecond) / 1e6
      this.tokens[at] = Math.min(this.perSecond, (this.tokens[at] as number) + earned)
    }
    this.filledUs[at] = now
    if ((this.tokens[at] as number) >= 1) {
      this.tokens[at] = (this.tokens[at] as number) - 1
      return 'pass'
    }
    return ++this.slipCount % SLIP === 0 ? 'slip' : 'drop'
  }
}
