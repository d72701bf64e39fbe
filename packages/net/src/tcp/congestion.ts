/**
 * Congestion control: how much may be in flight. What to retransmit is loss recovery's business (recovery.ts).
 *
 * NewReno: RFC 5681 slow start and congestion avoidance, RFC 6582 fast recovery, RFC 6928 initial window. CUBIC
 * (RFC 9438) will be a second implementation of the interface.
 */

/** One connection's congestion window. All counts are octets; `flightBytes` is what is sent and not acknowledged. */
export interface CongestionControl {
  /** Octets that may be in flight. */
  readonly cwndBytes: number
  /** Below it slow start, from it on congestion avoidance. */
  readonly ssthreshBytes: number
  /** The handshake is over: `mssBytes` is known. A lost SYN shrinks the initial window (RFC 5681 §3.1). */
  start(mssBytes: number, isSynLost: boolean): void
  /** New octets were acknowledged, outside fast recovery. */
  onAck(ackedBytes: number): void
  /** The third duplicate acknowledgement: fast recovery begins. */
  onLoss(flightBytes: number): void
  /** A further duplicate in fast recovery: a segment has left the network. */
  onDuplicateAck(): void
  /** In fast recovery some but not all of what was in flight at its beginning is acknowledged. */
  onPartialAck(ackedBytes: number): void
  /** Everything that was in flight when fast recovery began is acknowledged: it ends. */
  onRecovered(flightBytes: number): void
  /** The retransmission timer ran out; `isFirst` for the first time on this segment. */
  onTimeout(flightBytes: number, isFirst: boolean): void
  /** Nothing was sent for longer than the retransmission timeout. */
  onIdle(): void
}

/** No threshold yet: slow start until the first loss (RFC 5681 §3.1, "arbitrarily high"). */
const NO_THRESHOLD = 0x7fffffff
const INITIAL_SEGMENTS = 10
const INITIAL_BYTES = 14600
const DUPLICATES_BEFORE_LOSS = 3

export class NewReno implements CongestionControl {
  cwndBytes = 0
  ssthreshBytes = NO_THRESHOLD
  private mssBytes = 0
  private initialBytes = 0
  /** Octets acknowledged since the window last grew, in congestion avoidance. */
  private countedBytes = 0

  start(mssBytes: number, isSynLost: boolean): void {
    this.mssBytes = mssBytes
    // RFC 6928 §2: min (10*MSS, max (2*MSS, 14600)).
    this.initialBytes = Math.min(INITIAL_SEGMENTS * mssBytes, Math.max(2 * mssBytes, INITIAL_BYTES))
    this.cwndBytes = isSynLost ? mssBytes : this.initialBytes
  }

  onAck(ackedBytes: number): void {
    if (this.cwndBytes < this.ssthreshBytes) {
      // RFC 5681 (2): cwnd += min (N, SMSS).
      this.cwndBytes += Math.min(ackedBytes, this.mssBytes)
      return
    }
    // RFC 5681 §3.1: count octets and add one segment "when the number of bytes acknowledged reaches cwnd".
    this.countedBytes += ackedBytes
    if (this.countedBytes < this.cwndBytes) return
    this.countedBytes -= this.cwndBytes
    this.cwndBytes += this.mssBytes
  }

  onLoss(flightBytes: number): void {
    this.setThreshold(flightBytes)
    // RFC 6582 §3.2 step 2: "Set cwnd to ssthresh plus 3*SMSS", for the segments that left the network.
    this.cwndBytes = this.ssthreshBytes + DUPLICATES_BEFORE_LOSS * this.mssBytes
  }

  onDuplicateAck(): void {
    this.cwndBytes += this.mssBytes
  }

  onPartialAck(ackedBytes: number): void {
    // RFC 6582 §3.2 step 3: deflate by what is acknowledged, add back SMSS when that was at least SMSS.
    const deflated = this.cwndBytes - ackedBytes + (ackedBytes >= this.mssBytes ? this.mssBytes : 0)
    this.cwndBytes = Math.max(deflated, this.mssBytes)
  }

  onRecovered(flightBytes: number): void {
    // RFC 6582 §3.2 step 3, option 1, which avoids a burst: min (ssthresh, max (FlightSize, SMSS) + SMSS).
    this.cwndBytes = Math.min(this.ssthreshBytes, Math.max(flightBytes, this.mssBytes) + this.mssBytes)
    this.countedBytes = 0
  }

  onTimeout(flightBytes: number, isFirst: boolean): void {
    // RFC 5681 §3.1: a segment retransmitted before keeps ssthresh constant.
    if (isFirst) this.setThreshold(flightBytes)
    this.cwndBytes = this.mssBytes
    this.countedBytes = 0
  }

  onIdle(): void {
    // RFC 5681 §4.1: restart window min (IW, cwnd).
    this.cwndBytes = Math.min(this.cwndBytes, this.initialBytes)
  }

  private setThreshold(flightBytes: number): void {
    // RFC 5681 (4): ssthresh = max (FlightSize / 2, 2*SMSS).
    this.ssthreshBytes = Math.max(flightBytes >> 1, 2 * this.mssBytes)
    this.countedBytes = 0
  }
}
