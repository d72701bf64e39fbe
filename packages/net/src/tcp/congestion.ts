/**
 * Congestion control: how much may be in flight. What to send again is loss recovery's business (recovery.ts).
 *
 * What every algorithm has in common, and NewReno: RFC 5681 slow start and congestion avoidance, RFC 6928 initial window.
 * CUBIC is in cubic.ts.
 */

/** One connection's congestion window. All counts are octets; `flightBytes` is what is sent and not acknowledged. */
export interface CongestionControl {
  /** Octets that may be in flight. In fast recovery, recovery.ts steers it (RFC 6937). */
  cwndBytes: number
  /** Below it slow start, from it on congestion avoidance. */
  ssthreshBytes: number
  /** The handshake is over: `mssBytes` is known. A lost SYN shrinks the initial window (RFC 5681 §3.1). */
  start(mssBytes: number, isSynLost: boolean): void
  /**
   * New octets were acknowledged, outside fast recovery, with the window in full use, after `rttUs` (-1 when that is not
   * known).
   */
  onAck(ackedBytes: number, now: number, srttUs: number, rttUs: number): void
  /** Octets were acknowledged that the sender had not filled the window with. */
  onUnused(): void
  /** Something is lost, or the network says that it is congested: sets the threshold. */
  onLoss(flightBytes: number): void
  /** Everything that was in flight when fast recovery began is acknowledged: it ends. */
  onRecovered(flightBytes: number): void
  /** The retransmission timer ran out; `isFirst` for the first time on this segment. */
  onTimeout(flightBytes: number, isFirst: boolean): void
  /** Nothing was sent for longer than the retransmission timeout. */
  onIdle(): void
  /** The path takes smaller segments than thought. */
  onMssChange(mssBytes: number): void
}

/** The names a user chooses by. */
export type CongestionName = 'cubic' | 'newreno'

/** No threshold yet: slow start until the first loss (RFC 5681 §3.1, "arbitrarily high"). */
const NO_THRESHOLD = 0x7fffffff
const INITIAL_SEGMENTS = 10
const INITIAL_BYTES = 14600

/** Slow start, timeouts and idling: alike in both algorithms. */
export abstract class SlowStart implements CongestionControl {
  cwndBytes = 0
  ssthreshBytes: number = NO_THRESHOLD
  protected mssBytes = 0
  private initialBytes = 0

  start(mssBytes: number, isSynLost: boolean): void {
    this.mssBytes = mssBytes
    // RFC 6928 §2: min (10*MSS, max (2*MSS, 14600)).
    this.initialBytes = Math.min(INITIAL_SEGMENTS * mssBytes, Math.max(2 * mssBytes, INITIAL_BYTES))
    this.cwndBytes = isSynLost ? mssBytes : this.initialBytes
  }

  onAck(ackedBytes: number, now: number, srttUs: number, rttUs: number): void {
    if (this.cwndBytes < this.ssthreshBytes) this.startSlowly(ackedBytes, rttUs)
    else this.avoidCongestion(ackedBytes, now, srttUs)
  }

  onUnused(): void {}

  onLoss(flightBytes: number): void {
    this.reduce(flightBytes)
  }

  onRecovered(flightBytes: number): void {
    // RFC 6582 §3.2 step 3, option 1, which avoids a burst: min (ssthresh, max (FlightSize, SMSS) + SMSS).
    this.cwndBytes = Math.min(this.ssthreshBytes, Math.max(flightBytes, this.mssBytes) + this.mssBytes)
  }

  onTimeout(flightBytes: number, isFirst: boolean): void {
    // RFC 5681 §3.1: a segment retransmitted before keeps ssthresh constant.
    if (isFirst) this.reduce(flightBytes)
    this.cwndBytes = this.mssBytes
  }

  onIdle(): void {
    // RFC 5681 §4.1: restart window min (IW, cwnd).
    this.cwndBytes = Math.min(this.cwndBytes, this.initialBytes)
  }

  onMssChange(mssBytes: number): void {
    this.mssBytes = mssBytes
  }

  /** An acknowledgement in slow start. */
  protected startSlowly(ackedBytes: number, _rttUs: number): void {
    // RFC 5681 (2): cwnd += min (N, SMSS).
    this.cwndBytes += Math.min(ackedBytes, this.mssBytes)
  }

  /** An acknowledgement in congestion avoidance. */
  protected abstract avoidCongestion(ackedBytes: number, now: number, srttUs: number): void

  /** Sets ssthreshBytes after a sign of congestion. */
  protected abstract reduce(flightBytes: number): void
}

export class NewReno extends SlowStart {
  /** Octets acknowledged since the window last grew, in congestion avoidance. */
  private countedBytes = 0

  protected override avoidCongestion(ackedBytes: number): void {
    // RFC 5681 §3.1: count octets and add one segment "when the number of bytes acknowledged reaches cwnd".
    this.countedBytes += ackedBytes
    if (this.countedBytes < this.cwndBytes) return
    this.countedBytes -= this.cwndBytes
    this.cwndBytes += this.mssBytes
  }

  protected override reduce(flightBytes: number): void {
    // RFC 5681 (4): ssthresh = max (FlightSize / 2, 2*SMSS).
    this.ssthreshBytes = Math.max(flightBytes >> 1, 2 * this.mssBytes)
    this.countedBytes = 0
  }
}
