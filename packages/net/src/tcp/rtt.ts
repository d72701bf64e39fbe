/** Round-trip times and the retransmission timeout (RFC 6298). */
import { NEVER } from '@mirage-ts/core/time'

/** RFC 6298 (2.1): "the sender SHOULD set RTO <- 1 second". */
const INITIAL_RTO_US = 1_000_000
/** RFC 6298 (5.7): after a lost SYN, "RTO MUST be re-initialized to 3 seconds". */
const RTO_AFTER_LOST_SYN_US = 3_000_000
/** Deviation: RFC 6298 (2.4) has 1 s. Linux uses 200 ms, which is what its delayed acknowledgements are tuned to. */
const MIN_RTO_US = 200_000
/** RFC 6298 (2.5): "provided it is at least 60 seconds". */
export const MAX_RTO_US = 60_000_000
/** Clock granularity G of RFC 6298 (2.3): alarms are good to about a millisecond. */
const GRANULARITY_US = 1_000

export class RttEstimator {
  /** Now in force, backed off; MIN_RTO_US <= rtoUs <= MAX_RTO_US. */
  rtoUs = INITIAL_RTO_US
  /** The same before backing off. */
  private measuredUs = INITIAL_RTO_US
  /** Smoothed round-trip time; 0 before the first measurement. */
  srttUs = 0
  private rttvarUs = 0
  /** Least round-trip time measured; NEVER before the first measurement. */
  minUs: number = NEVER

  /** RFC 6298 (5.5): "RTO <- RTO * 2 ('back off the timer')". */
  backOff(): void {
    this.rtoUs = Math.min(2 * this.rtoUs, MAX_RTO_US)
  }

  /**
   * New octets were acknowledged, and no timeout since those before: ends backing off.
   *
   * Deviation: RFC 6298 §5 keeps RTO backed off until there is a measurement. On a line with 20 % loss everything is
   * sent again, nothing can be measured, and RTO stays at a minute. That it takes two acknowledgements in a row keeps
   * Karn's point: should the path have become slower, what is sent after the first is measured with enough time.
   */
  endBackOff(): void {
    this.rtoUs = this.measuredUs
  }

  /** The handshake is over and its SYN had to be sent more than once. */
  onLostSyn(): void {
    this.measuredUs = RTO_AFTER_LOST_SYN_US
    this.rtoUs = RTO_AFTER_LOST_SYN_US
  }

  /**
   * A measurement: the segment was sent once, or its echoed timestamp tells which copy this is about (Karn).
   *
   * `perRoundTrip` measurements are expected in a round-trip time: with many, each counts less, so that the memory stays
   * as long as RFC 6298 means it to be (RFC 7323, Appendix G).
   */
  sample(rttUs: number, perRoundTrip: number): void {
    if (rttUs < this.minUs) this.minUs = rttUs
    if (this.srttUs === 0) {
      // (2.2) The first measurement R: SRTT <- R, RTTVAR <- R/2.
      this.srttUs = Math.max(rttUs, 1)
      this.rttvarUs = rttUs / 2
    } else {
      // (2.3) RTTVAR first, with the SRTT before this measurement; beta = 1/4, alpha = 1/8.
      this.rttvarUs += (Math.abs(this.srttUs - rttUs) - this.rttvarUs) / (4 * perRoundTrip)
      this.srttUs = Math.max(this.srttUs + (rttUs - this.srttUs) / (8 * perRoundTrip), 1)
    }
    const rtoUs = Math.round(this.srttUs + Math.max(GRANULARITY_US, 4 * this.rttvarUs))
    this.measuredUs = Math.min(Math.max(rtoUs, MIN_RTO_US), MAX_RTO_US)
    this.rtoUs = this.measuredUs
  }
}
