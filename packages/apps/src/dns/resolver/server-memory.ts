/**
 * Remembers which servers did not answer, or had nothing to say about a zone they should know, so that questions do not wait for
 * them again and again. They are asked when no other is left, and like others after a while.
 */
import { ipToString } from '@mirage-ts/core/addresses'
import { after, minutes, seconds } from '@mirage-ts/core/time'
import type { IpAddress } from '@mirage-ts/signatures/addresses'
import type { Duration, Instant } from '@mirage-ts/signatures/time'
import { type NameKey, ROOT } from '../wire/name.ts'

interface Failing {
  /** Until then it is asked last. */
  readonly until: Instant
  readonly pause: Duration
}

const FIRST_PAUSE = seconds(15)
const MAX_PAUSE = minutes(15)
/** Servers remembered; the one that failed longest ago goes. */
const MAX_COUNT = 1024

export class ServerMemory {
  private readonly failing = new Map<string, Failing>()

  /** It did not answer at all (`zone` is the root), or not about `zone`; each time in a row it is avoided for twice as long. */
  failed(server: IpAddress, zone: NameKey, now: Instant): void {
    const key = keyOf(server, zone)
    const before = this.failing.get(key)
    // Questions under way at the same time fail together: that counts once.
    if (before !== undefined && before.until > now) return
    const pause = before === undefined ? FIRST_PAUSE : (Math.min(2 * before.pause, MAX_PAUSE) as Duration)
    this.failing.delete(key)
    this.failing.set(key, { until: after(now, pause), pause })
    for (const oldest of this.failing.keys()) {
      if (this.failing.size <= MAX_COUNT) break
      this.failing.delete(oldest)
    }
  }

  /** It has answered about `zone`. */
  answered(server: IpAddress, zone: NameKey): void {
    if (this.failing.size === 0) return
    this.failing.delete(keyOf(server, ROOT))
    this.failing.delete(keyOf(server, zone))
  }

  isAvoided(server: IpAddress, zone: NameKey, now: Instant): boolean {
    if (this.failing.size === 0) return false
    const isNow = (key: string): boolean => (this.failing.get(key)?.until ?? 0) > now
    return isNow(keyOf(server, ROOT)) || isNow(keyOf(server, zone))
  }
}

function keyOf(server: IpAddress, zone: NameKey): string {
  return `${ipToString(server)} ${zone}`
}
