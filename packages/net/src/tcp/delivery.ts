/** What one acknowledgement says has arrived. One object for all connections: it is about the segment being processed. */
import { type Seq, seqLt } from '../seq.ts'
import type { Connection } from './connection.ts'
import type { DeliveryListener } from './scoreboard.ts'
import { tickAt } from './timestamps.ts'

const NONE = Number.POSITIVE_INFINITY

export class Delivery implements DeliveryListener {
  /** Octets that have arrived and were not known to have. */
  bytes = 0
  /** When the earliest of them left, of those sent once. */
  private earliestSentUs = NONE
  /** Some were sent more than once. */
  hasRepeated = false
  /** It brings no news of losses. */
  isSafe = true
  /** The peer tells of a duplicate (RFC 2883). */
  hasDsack = false
  private connection: Connection | undefined = undefined
  private now = 0
  private echo = 0

  /** An acknowledgement for `c` is about to be processed; `echo` is the timestamp that it echoes. */
  begin(c: Connection, echo: number, now: number): void {
    this.bytes = 0
    this.earliestSentUs = NONE
    this.hasRepeated = false
    this.hasDsack = false
    this.isSafe = true
    this.connection = c
    this.now = now
    this.echo = echo
  }

  onDelivered(lenBytes: number, end: Seq, sentUs: number, isRepeated: boolean): void {
    const c = this.connection as Connection
    this.bytes += lenBytes
    const rttUs = this.now - sentUs
    if (isRepeated) {
      this.hasRepeated = true
      // RFC 8985 §6.2 step 2: what has arrived may be the first copy, when the peer echoes an older clock or is too fast.
      if (c.hasTimestamps && seqLt(this.echo as Seq, tickAt(sentUs, c.tsOffset))) return
      if (c.rtt.srttUs > 0 && rttUs < c.rtt.minUs) return
    } else if (sentUs < this.earliestSentUs) {
      this.earliestSentUs = sentUs
    }
    c.rack.onArrival(end, sentUs, isRepeated, rttUs)
  }

  /** How long the earliest segment took (RFC 6298 §3); -1 when some was sent more than once, or none is news. */
  get rttUs(): number {
    return this.hasRepeated || this.earliestSentUs === NONE ? -1 : this.now - this.earliestSentUs
  }
}
