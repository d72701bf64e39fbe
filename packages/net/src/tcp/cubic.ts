/**
 * CUBIC (RFC 9438): after a loss the window returns along a cubic of time to where it was, stays there a while, then
 * probes further; so it grows alike on short and long paths. Where NewReno would be faster, it grows as that.
 *
 * Not here: undoing a reduction that proves spurious (§4.9).
 */
import { SlowStart } from './congestion.ts'
import { HyStart } from './hystart.ts'

/** §4.1: C in segments per cubic second, and the factor of multiplicative decrease. */
const C = 0.4
const BETA = 0.7
/** §4.3: additive increase that makes an AIMD with BETA as fast as NewReno. */
const ALPHA = (3 * (1 - BETA)) / (1 + BETA)

export class Cubic extends SlowStart {
  /** In the first slow start; later ones have a threshold that was measured. */
  private isFirstSlowStart = true
  /** Made when the window is first in full use, which an idle connection's never is. */
  private hystart: HyStart | undefined = undefined
  /** Window before the last reduction, lowered when it fell twice in a row (§4.7). */
  private maxBytes = 0
  /** Window before the last reduction. */
  private priorBytes = 0
  /** When this stage of congestion avoidance began; 0 between a loss and the next acknowledgement. */
  private epochUs = 0
  /** Seconds from epochUs until the cubic is back at originBytes: K of §4.2. */
  private returnS = 0
  private originBytes = 0
  /** What NewReno would have: W_est of §4.3. */
  private renoBytes = 0
  /** Growth below an octet, kept for later. */
  private fractionBytes = 0

  /** Time without growth is not time of the cubic (§5.8): it starts afresh from the window of then. */
  override onUnused(): void {
    this.epochUs = 0
  }

  override onIdle(): void {
    super.onIdle()
    this.epochUs = 0
  }

  /** §4.10: slow start ends before the queue does. */
  protected override startSlowly(ackedBytes: number, rttUs: number): void {
    if (!this.isFirstSlowStart) {
      super.startSlowly(ackedBytes, rttUs)
      return
    }
    this.hystart ??= new HyStart()
    const growth = this.hystart.growth(ackedBytes, this.cwndBytes, this.mssBytes, rttUs)
    if (growth >= 0) {
      this.cwndBytes += growth
      return
    }
    this.endFirstSlowStart()
    this.ssthreshBytes = this.cwndBytes
  }

  protected override avoidCongestion(ackedBytes: number, now: number, srttUs: number): void {
    const { cwndBytes, mssBytes } = this
    if (this.epochUs === 0) this.begin(now)
    const s = (now - this.epochUs) / 1e6
    this.renoBytes += (this.renoBytes < this.priorBytes ? ALPHA : 1) * mssBytes * (ackedBytes / cwndBytes)
    const here = this.originBytes + C * mssBytes * (s - this.returnS) ** 3
    if (here < this.renoBytes) {
      this.cwndBytes = Math.max(cwndBytes, Math.floor(this.renoBytes))
      return
    }
    // §4.2: the target is where the cubic is a round-trip time from now, at most 1.5 times the window.
    const later = this.originBytes + C * mssBytes * (s + srttUs / 1e6 - this.returnS) ** 3
    const target = Math.min(Math.max(later, cwndBytes), 1.5 * cwndBytes)
    this.fractionBytes += ((target - cwndBytes) / cwndBytes) * ackedBytes
    const whole = Math.floor(this.fractionBytes)
    this.fractionBytes -= whole
    this.cwndBytes = cwndBytes + whole
  }

  protected override reduce(flightBytes: number): void {
    const { cwndBytes } = this
    // §4.7, fast convergence: the window has not got where it was; others need the room.
    this.maxBytes = cwndBytes < this.maxBytes ? (cwndBytes * (1 + BETA)) / 2 : cwndBytes
    this.priorBytes = cwndBytes
    this.ssthreshBytes = Math.max(Math.floor(flightBytes * BETA), 2 * this.mssBytes)
    this.epochUs = 0
    this.endFirstSlowStart()
  }

  private endFirstSlowStart(): void {
    this.isFirstSlowStart = false
    this.hystart = undefined
  }

  private begin(now: number): void {
    this.epochUs = now
    this.renoBytes = this.cwndBytes
    if (this.cwndBytes < this.maxBytes) {
      this.originBytes = this.maxBytes
      this.returnS = Math.cbrt((this.maxBytes - this.cwndBytes) / this.mssBytes / C)
    } else {
      this.originBytes = this.cwndBytes
      this.returnS = 0
    }
  }
}
