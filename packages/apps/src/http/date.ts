/** Dates as HTTP writes them (RFC 9110 §5.6.7). */
import type { WallClock } from '@mirage-ts/signatures/time'

/** Makes a function that gives the current IMF-fixdate, `Sun, 06 Nov 1994 08:49:37 GMT`, built once a second at most. */
export function createHttpDate(clock: WallClock): () => string {
  let second = Number.NaN
  let text = ''
  return () => {
    const now = Math.floor(clock.now() / 1_000_000)
    if (now !== second) {
      second = now
      // ECMAScript defines this text, and it is just that of RFC 9110.
      text = new Date(second * 1000).toUTCString()
    }
    return text
  }
}
