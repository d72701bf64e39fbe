/**
 * RACK-TLP (RFC 8985): a segment is lost when one sent later has arrived and it is overdue by a reordering window.
 *
 * State of one connection; what it concludes is carried out in recovery.ts. Needs SACK.
 */
import { type Seq, seqLe, seqLt, seqMax } from '../seq.ts'
import type { Connection } from './connection.ts'
import type { DeliveryListener } from './scoreboard.ts'
import { tickAt } from './timestamps.ts'

/** RFC 8985 §6.2 step 4: without reordering three segments arrived are enough, as of old. */
const DUPLICATE_THRESHOLD = 3
/** RFC 8985 §6.2 step 4: a wider reordering window is kept for 16 recoveries. */
const PERSIST_RECOVERIES = 16

export class Rack implements DeliveryListener {
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

  // --- About the acknowledgement being processed ---
  /** Octets it says have arrived. */
  deliveredBytes = 0
  /** When the earliest of them was sent; NEVER-like infinity when none was, or one was sent more than once. */
  earliestSentUs: number = Number.POSITIVE_INFINITY
  hasRepeated = false
  hasDsack = false
  private now = 0
  private minRttUs = 0
  private hasEcho = false
  private echo = 0
  private tsOffset = 0

  /** The handshake is over. */
  start(sndUna: Seq): void {
    this.fack = sndUna
    this.end = sndUna
  }

  /** An acknowledgement is about to be processed; `echo` is its echoed timestamp. */
  begin(c: Connection, hasEcho: boolean, echo: number, now: number): void {
    this.deliveredBytes = 0
    this.earliestSentUs = Number.POSITIVE_INFINITY
    this.hasRepeated = false
    this.hasDsack = false
    this.now = now
    this.minRttUs = c.rtt.srttUs === 0 ? 0 : c.rtt.minUs
    this.hasEcho = hasEcho
    this.echo = echo
    this.tsOffset = c.tsOffset
  }

  /** How long the earliest segment took of those that the acknowledgement is about; 0 when that is not certain. */
  sampleUs(now: number): number {
    return this.hasRepeated || this.earliestSentUs === Number.POSITIVE_INFINITY ? 0 : now - this.earliestSentUs
  }

  /** RFC 8985 §6.2, steps 1 to 3. */
  onDelivered(lenBytes: number, end: Seq, sentUs: number, isRepeated: boolean): void {
    this.deliveredBytes += lenBytes
    const rttUs = this.now - sentUs
    if (isRepeated) {
      this.hasRepeated = true
      // The first copy may be what has arrived: the acknowledgement echoes an older clock, or comes too soon.
      if (this.hasEcho && seqLt(this.echo as Seq, tickAt(sentUs, this.tsOffset))) return
      if (rttUs < this.minRttUs) return
    } else {
      if (sentUs < this.earliestSentUs) this.earliestSentUs = sentUs
      if (seqLt(end, this.fack)) this.isReordered = true
    }
    this.fack = seqMax(this.fack, end)
    if (sentUs > this.sentUs || (sentUs === this.sentUs && seqLt(this.end, end))) {
      this.sentUs = sentUs
      this.end = end
      this.rttUs = rttUs
    }
  }

  /** RFC 8985 §6.2 step 4: how late a segment may be. */
  reorderingWindowUs(c: Connection, isInRecovery: boolean): number {
    if (this.isInDsackRound && seqLe(this.dsackRound, c.sndUna)) this.isInDsackRound = false
    if (this.hasDsack && !this.isInDsackRound) {
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
