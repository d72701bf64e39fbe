/**
 * HyStart++ (RFC 9406): leaves slow start when round-trip times grow, before a queue overflows.
 *
 * A round ends when as many octets are acknowledged as were in flight at its beginning.
 */

/** §4.3: constants. */
const MIN_THRESHOLD_US = 4_000
const MAX_THRESHOLD_US = 16_000
const SAMPLES_PER_ROUND = 8
const CSS_ROUNDS = 5
const CSS_DIVISOR = 4
/** Limit of growth for each acknowledgement, in segments, without pacing. */
const GROWTH_LIMIT = 8
const UNKNOWN = Number.POSITIVE_INFINITY

export class HyStart {
  /** Least round-trip time of the last round, and of this one. */
  private lastMinUs = UNKNOWN
  private minUs = UNKNOWN
  private sampleCount = 0
  /** Octets to be acknowledged before the next round. */
  private leftBytes = 0
  /** Conservative slow start: 0 when not in it, else its round; and the time above which it is justified. */
  private cssRound = 0
  private cssBaselineUs = UNKNOWN

  /**
   * Octets to add to the window for `ackedBytes` acknowledged after `rttUs` (-1 when not measured); -1 when slow start is
   * over.
   */
  growth(ackedBytes: number, cwndBytes: number, mssBytes: number, rttUs: number): number {
    if (rttUs >= 0) this.sample(rttUs)
    this.leftBytes -= ackedBytes
    if (this.leftBytes <= 0) {
      this.leftBytes = cwndBytes
      this.lastMinUs = this.minUs
      this.minUs = UNKNOWN
      this.sampleCount = 0
      if (this.cssRound > 0 && ++this.cssRound > CSS_ROUNDS) return -1
    }
    const grown = Math.min(ackedBytes, GROWTH_LIMIT * mssBytes)
    return this.cssRound > 0 ? Math.ceil(grown / CSS_DIVISOR) : grown
  }

  private sample(rttUs: number): void {
    this.minUs = Math.min(this.minUs, rttUs)
    if (++this.sampleCount < SAMPLES_PER_ROUND) return
    if (this.cssRound === 0) {
      if (this.lastMinUs === UNKNOWN) return
      const thresholdUs = Math.max(MIN_THRESHOLD_US, Math.min(this.lastMinUs / 8, MAX_THRESHOLD_US))
      if (this.minUs < this.lastMinUs + thresholdUs) return
      this.cssRound = 1
      this.cssBaselineUs = this.minUs
    } else if (this.minUs < this.cssBaselineUs) {
      // A passing jitter: ordinary slow start goes on.
      this.cssRound = 0
    }
  }
}
