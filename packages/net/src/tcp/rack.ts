/**
 * RACK-TLP (RFC 8985): a segment is lost when one sent later has arrived and it is overdue by a reordering window.
 *
 * State of one connection; what it concludes is carried out in recovery.ts. Needs SACK.
 */
import { type Seq, seqLe, seqLt, seqMax } from '../seq.ts'
import type { Connection } from './connection.ts'

/** RFC 8985 §6.2 step 4: without reordering three segments arrived are enough, as of old. */
const DUPLICATE_THRESHOLD = 3
/** RFC 8985 §6.2 step 4: a wider reordering window is kept for 16 recoveries. */
const PERSIST_RECOVERIES = 16

export class Rack {
  // --- About the segment arrived that was sent last: RACK.segment, RACK.rtt ---
  sentUs = 0
  end = 0 as Seq
  rttUs = 0
  /** The greatest end of a segment that has arrived: RACK.fack. */
  private fack = 0 as Seq
  /** Segments have arrived out of order. */
  isReordered = false
  /** The reordering window in quarters of the least round-trip time. */
  private windowQuarters = 1
  private persistRecoveries = 0
  /** A DSACK has widened the window: not again before this is acknowledged. */
  private isInDsackRound = false
  private dsackRound = 0 as Seq

  // --- Tail loss probe (§7) ---
  /** One is out; it, and all before it, ends at probeEnd. */
  isProbeOut = false
  probeEnd = 0 as Seq
  /** It was a segment sent before. */
  isProbeRepeated = false

  /** The handshake is over. */
  start(sndUna: Seq): void {
    this.fack = sndUna
    this.end = sndUna
  }

  /** RFC 8985 §6.2 steps 2 and 3: a segment that ends at `end` and was sent at `sentUs` has arrived. */
  onArrival(end: Seq, sentUs: number, isRepeated: boolean, rttUs: number): void {
    if (!isRepeated && seqLt(end, this.fack)) this.isReordered = true
    this.fack = seqMax(this.fack, end)
    if (sentUs > this.sentUs || (sentUs === this.sentUs && seqLt(this.end, end))) {
      this.sentUs = sentUs
      this.end = end
      this.rttUs = rttUs
    }
  }

  /** RFC 8985 §6.2 step 4: how late a segment may be. */
  reorderingWindowUs(c: Connection, isInRecovery: boolean, hasDsack: boolean): number {
    if (this.isInDsackRound && seqLe(this.dsackRound, c.sndUna)) this.isInDsackRound = false
    if (hasDsack && !this.isInDsackRound) {
      this.isInDsackRound = true
      this.dsackRound = c.sndNxt
      this.windowQuarters++
      this.persistRecoveries = PERSIST_RECOVERIES
    }
    if (!this.isReordered && (isInRecovery || c.board.sackedCount >= DUPLICATE_THRESHOLD)) return 0
    return c.rtt.srttUs === 0 ? 0 : Math.min((this.windowQuarters * c.rtt.minUs) / 4, c.rtt.srttUs)
  }

  /** A recovery is over. */
  endRecovery(): void {
    if (this.persistRecoveries === 0) return
    if (--this.persistRecoveries === 0) this.windowQuarters = 1
  }
}
