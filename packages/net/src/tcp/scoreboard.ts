/**
 * What is in flight, segment by segment: which arrived, which are lost, and when each was sent (RFC 6675 §3 and §4,
 * RFC 8985 §5.2).
 *
 * A ring on typed arrays in sequence order, with a list through it in order of sending (of what has neither arrived nor
 * is lost), so that finding losses by time looks at each segment once. Connections borrow a scoreboard while something
 * is in flight. A segment that a block covers in part counts as not arrived; RFC 2018 §8 calls blocks advisory.
 */
import { type Seq, seqAdd, seqDiff, seqLe, seqLt, seqMax } from '../seq.ts'

/** The peer has it: a SACK block covers it. */
const SACKED = 1
/** Taken for lost, and not sent again since. */
const LOST = 2
/** Sent more than once: Karn's algorithm takes no time from it. */
const REPEATED = 4
const INITIAL_SLOTS = 16
const NONE = -1
/** SACK blocks remembered, so that a block that grows costs only what is new in it (CVE-2019-11478). */
const CACHED_BLOCKS = 4
/** Segments in flight at most: what a 6 MiB window of full segments makes. Tiny segments end there. */
export const MAX_SEGMENTS = 4096

/** Is told about segments the moment they are known to have arrived. */
export interface DeliveryListener {
  /** A segment, or several in a row that were sent once and at one moment, has arrived: up to `end`, last sent at `sentUs`. */
  onDelivered(lenBytes: number, end: Seq, sentUs: number, isRepeated: boolean): void
}

export class Scoreboard {
  /** Segments held: those from sndUna to sndCursor. */
  count = 0
  /** Octets held, of those the ones that have arrived, and those that are lost and not yet sent again. */
  heldBytes = 0
  sackedBytes = 0
  lostBytes = 0
  /** Segments held that have arrived. */
  sackedCount = 0
  /** When the latest copy was sent that was taken for lost: a sign that the network is still congested. */
  lostCopySentUs = 0
  /** When congestion last lowered the threshold. */
  reducedAtUs = 0
  /** RFC 6937 of the recovery going on: octets in flight at its beginning, arrived since and sent since. */
  recoveryFlightBytes = 1
  recoveryDeliveredBytes = 0
  recoverySentBytes = 0
  /** A partial acknowledgement has restarted the timer in this recovery (RFC 6582 §3.2). */
  hadPartialAck = false
  /** Number of the first segment; segment `n` lies in slot `n & mask`. */
  private first = 0
  private mask = INITIAL_SLOTS - 1
  private starts = new Int32Array(INITIAL_SLOTS)
  private ends = new Int32Array(INITIAL_SLOTS)
  private sentUs = new Float64Array(INITIAL_SLOTS)
  private flags = new Uint8Array(INITIAL_SLOTS)
  /** The list in order of sending: slots, NONE at its ends. */
  private later = new Int32Array(INITIAL_SLOTS)
  private earlier = new Int32Array(INITIAL_SLOTS)
  private oldest = NONE
  private newest = NONE
  /** No segment with a smaller number is lost. */
  private lostFrom = 0
  private readonly cachedStarts = new Int32Array(CACHED_BLOCKS)
  private readonly cachedEnds = new Int32Array(CACHED_BLOCKS)
  private cachedCount = 0

  /** Octets thought to be in the network: `pipe` of RFC 6675 §4. */
  get pipeBytes(): number {
    return this.heldBytes - this.sackedBytes - this.lostBytes
  }

  /** Segments there is memory for, 25 octets each. */
  get slotCount(): number {
    return this.mask + 1
  }

  /** A segment leaves that follows those held. `isRepeated`: its octets were sent before. */
  push(start: Seq, end: Seq, now: number, isRepeated: boolean): void {
    if (this.count > this.mask) this.grow()
    const slot = (this.first + this.count++) & this.mask
    this.starts[slot] = start
    this.ends[slot] = end
    this.sentUs[slot] = now
    this.flags[slot] = isRepeated ? REPEATED : 0
    this.heldBytes += seqDiff(end, start)
    this.append(slot)
  }

  /** `count` segments of `lenBytes` octets each leave that follow those held, for the first time: what a large frame is cut into. */
  pushRun(start: Seq, lenBytes: number, count: number, now: number): void {
    while (this.count + count > this.mask + 1) this.grow()
    const { mask, starts, ends, sentUs, flags, later, earlier } = this
    let slot = (this.first + this.count) & mask
    let previous = this.newest
    if (previous === NONE) this.oldest = slot
    for (let at = start, left = count; left > 0; left--) {
      starts[slot] = at
      at = seqAdd(at, lenBytes)
      ends[slot] = at
      sentUs[slot] = now
      flags[slot] = 0
      earlier[slot] = previous
      if (previous !== NONE) later[previous] = slot
      previous = slot
      slot = (slot + 1) & mask
    }
    later[previous] = NONE
    this.newest = previous
    this.count += count
    this.heldBytes += lenBytes * count
  }

  /** Everything before `una` has arrived; segments not known to have are told to `listener`. */
  acknowledge(una: Seq, listener: DeliveryListener): void {
    while (this.count > 0) {
      const slot = this.first & this.mask
      const end = this.ends[slot] as Seq
      const flags = this.flags[slot] as number
      const isWhole = seqLe(end, una)
      if (isWhole && flags === 0) {
        this.acknowledgeRun(slot, una, listener)
        continue
      }
      if (isWhole) {
        if ((flags & SACKED) !== 0) this.sackedCount--
        else this.tell(slot, listener)
        if ((flags & (SACKED | LOST)) === 0) this.unlink(slot)
      }
      this.shorten(slot, isWhole ? end : una)
      if (!isWhole) break
      this.first++
      this.count--
    }
    if (this.lostFrom < this.first) this.lostFrom = this.first
    if (this.cachedCount > 0) this.forgetBlocksBefore(this.coveredFrom(una))
  }

  /** The peer has `[start, end)`, part of what is held; what is news is told to `listener`. */
  sack(start: Seq, end: Seq, listener: DeliveryListener): void {
    const last = this.first + this.count
    let n = this.firstEndingAfter(start)
    if (n < last && seqLt(this.startOf(n), start)) n++
    while (n < last && seqLe(this.endOf(n), end)) {
      const slot = n & this.mask
      const cached = this.cachedBlockAt(this.startOf(n))
      if (cached !== NONE && seqLe(this.endOf(n), this.cachedEnds[cached] as Seq)) {
        n = this.firstEndingAfter(this.cachedEnds[cached] as Seq)
        continue
      }
      if (((this.flags[slot] as number) & SACKED) === 0) this.markSacked(slot, listener)
      n++
    }
    this.remember(start, end)
  }

  /** Takes everything for lost that has not arrived. */
  loseAll(): void {
    while (this.oldest !== NONE) this.lose(this.oldest)
    this.lostFrom = this.first
  }

  /** Takes the first segment for lost. */
  loseFirst(): void {
    if (this.count === 0) return
    const slot = this.first & this.mask
    if (((this.flags[slot] as number) & (SACKED | LOST)) === 0) this.lose(slot)
  }

  /**
   * RFC 8985 §6.2 step 5: takes for lost what was sent before the segment that ends at `end` and left at `sentUs`, once
   * `overdueUs` have passed since it left. Returns how long until that is so for the next one, or 0.
   */
  loseOverdue(sentUs: number, end: Seq, overdueUs: number, now: number): number {
    while (this.oldest !== NONE) {
      const slot = this.oldest
      const at = this.sentUs[slot] as number
      if (at > sentUs || (at === sentUs && seqLe(end, this.ends[slot] as Seq))) return 0
      const remainingUs = at + overdueUs - now
      if (remainingUs > 0) return remainingUs
      this.lose(slot)
    }
    return 0
  }

  /** True when the peer takes back that it had the first segment: its acknowledgement stops short of it (RFC 2018 §8). */
  isReneged(): boolean {
    return this.count > 0 && ((this.flags[this.first & this.mask] as number) & SACKED) !== 0
  }

  /** Forgets what the peer said it had. */
  forgetSacks(): void {
    this.cachedCount = 0
    for (let n = this.first; n < this.first + this.count; n++) {
      const slot = n & this.mask
      if (((this.flags[slot] as number) & SACKED) === 0) continue
      this.flags[slot] = REPEATED
      this.append(slot)
    }
    this.sackedBytes = 0
    this.sackedCount = 0
  }

  /** The number of the first segment to send again, or -1: NextSeg (1) of RFC 6675 §4. */
  nextLost(): number {
    if (this.lostBytes === 0) return NONE
    let n = this.lostFrom
    while (((this.flags[n & this.mask] as number) & LOST) === 0) n++
    this.lostFrom = n
    return n
  }

  /** Octets of the first segment; there is one. */
  firstLen(): number {
    return this.lenOf(this.first & this.mask)
  }

  /** The number of the last segment; there is one. */
  lastNumber(): number {
    return this.first + this.count - 1
  }

  startOf(number: number): Seq {
    return this.starts[number & this.mask] as Seq
  }

  endOf(number: number): Seq {
    return this.ends[number & this.mask] as Seq
  }

  /** Segment `number`, which has not arrived, leaves again. */
  resend(number: number, now: number): void {
    const slot = number & this.mask
    if (((this.flags[slot] as number) & LOST) !== 0) this.lostBytes -= this.lenOf(slot)
    else this.unlink(slot)
    this.flags[slot] = REPEATED
    this.sentUs[slot] = now
    this.append(slot)
  }

  /** Forgets everything. */
  clear(): void {
    this.count = 0
    this.heldBytes = 0
    this.sackedBytes = 0
    this.lostBytes = 0
    this.sackedCount = 0
    this.lostCopySentUs = 0
    this.reducedAtUs = 0
    this.first = 0
    this.lostFrom = 0
    this.oldest = NONE
    this.newest = NONE
    this.cachedCount = 0
  }

  /** The first segment, in `slot`, has arrived, with those after it that left with it and end before `una`; nothing is known of them. */
  private acknowledgeRun(slot: number, una: Seq, listener: DeliveryListener): void {
    const { mask, ends, sentUs, flags, later } = this
    const at = sentUs[slot] as number
    let last = slot
    let count = 1
    for (; count < this.count; count++) {
      const next = (last + 1) & mask
      // In the list they must follow each other too, to be taken out of it at once.
      if (later[last] !== next || flags[next] !== 0 || sentUs[next] !== at || seqLt(una, ends[next] as Seq)) break
      last = next
    }
    const end = ends[last] as Seq
    const lenBytes = seqDiff(end, this.starts[slot] as Seq)
    this.unlinkRun(slot, last)
    this.first += count
    this.count -= count
    this.heldBytes -= lenBytes
    listener.onDelivered(lenBytes, end, at, false)
  }

  private lenOf(slot: number): number {
    return seqDiff(this.ends[slot] as Seq, this.starts[slot] as Seq)
  }

  private tell(slot: number, listener: DeliveryListener): void {
    const isRepeated = ((this.flags[slot] as number) & REPEATED) !== 0
    listener.onDelivered(this.lenOf(slot), this.ends[slot] as Seq, this.sentUs[slot] as number, isRepeated)
  }

  private markSacked(slot: number, listener: DeliveryListener): void {
    this.tell(slot, listener)
    const flags = this.flags[slot] as number
    if ((flags & LOST) !== 0) this.lostBytes -= this.lenOf(slot)
    else this.unlink(slot)
    this.sackedBytes += this.lenOf(slot)
    this.sackedCount++
    this.flags[slot] = (flags & REPEATED) | SACKED
  }

  private lose(slot: number): void {
    this.unlink(slot)
    this.flags[slot] = (this.flags[slot] as number) | LOST
    this.lostBytes += this.lenOf(slot)
    if (((this.flags[slot] as number) & REPEATED) !== 0) {
      this.lostCopySentUs = Math.max(this.lostCopySentUs, this.sentUs[slot] as number)
    }
    const number = this.first + ((slot - this.first) & this.mask)
    if (number < this.lostFrom) this.lostFrom = number
  }

  /** Octets before `start` no longer count; `start` is at most the segment's end. */
  private shorten(slot: number, start: Seq): void {
    const cut = seqDiff(start, this.starts[slot] as Seq)
    if (cut <= 0) return
    const flags = this.flags[slot] as number
    this.heldBytes -= cut
    if ((flags & SACKED) !== 0) this.sackedBytes -= cut
    if ((flags & LOST) !== 0) this.lostBytes -= cut
    this.starts[slot] = start
  }

  private append(slot: number): void {
    this.later[slot] = NONE
    this.earlier[slot] = this.newest
    if (this.newest === NONE) this.oldest = slot
    else this.later[this.newest] = slot
    this.newest = slot
  }

  private unlink(slot: number): void {
    this.unlinkRun(slot, slot)
  }

  /** Takes `from` to `to`, which follow each other in the list, out of it. */
  private unlinkRun(from: number, to: number): void {
    const earlier = this.earlier[from] as number
    const later = this.later[to] as number
    if (earlier === NONE) this.oldest = later
    else this.later[earlier] = later
    if (later === NONE) this.newest = earlier
    else this.earlier[later] = earlier
  }

  /** The number of the first segment that ends after `position`. */
  private firstEndingAfter(position: Seq): number {
    let low = this.first
    let high = this.first + this.count
    while (low < high) {
      const middle = low + ((high - low) >> 1)
      if (seqLe(this.endOf(middle), position)) low = middle + 1
      else high = middle
    }
    return low
  }

  private cachedBlockAt(position: Seq): number {
    for (let i = 0; i < this.cachedCount; i++) {
      if (seqLe(this.cachedStarts[i] as Seq, position) && seqLt(position, this.cachedEnds[i] as Seq)) return i
    }
    return NONE
  }

  private remember(start: Seq, end: Seq): void {
    for (let i = 0; i < this.cachedCount; i++) {
      const cachedStart = this.cachedStarts[i] as Seq
      const cachedEnd = this.cachedEnds[i] as Seq
      if (seqLt(end, cachedStart) || seqLt(cachedEnd, start)) continue
      // A segment across the seam of two blocks is in neither: nothing may be remembered that was not marked.
      if (seqLe(start, cachedStart) && seqLe(cachedEnd, end)) {
        this.cachedStarts[i] = start
        this.cachedEnds[i] = seqMax(cachedEnd, end)
      }
      return
    }
    if (this.cachedCount < CACHED_BLOCKS) this.cachedCount++
    this.cachedStarts.copyWithin(1, 0, this.cachedCount - 1)
    this.cachedEnds.copyWithin(1, 0, this.cachedCount - 1)
    this.cachedStarts[0] = start
    this.cachedEnds[0] = end
  }

  /**
   * Where a block may have marked what it covers: not in a first segment of which the beginning was acknowledged, and which
   * only now fits into a block that it was too long for.
   */
  private coveredFrom(una: Seq): Seq {
    if (this.count === 0 || this.isReneged()) return una
    return this.endOf(this.first)
  }

  /** Blocks count from `position` on. */
  private forgetBlocksBefore(position: Seq): void {
    let kept = 0
    for (let i = 0; i < this.cachedCount; i++) {
      if (seqLe(this.cachedEnds[i] as Seq, position)) continue
      this.cachedStarts[kept] = seqMax(this.cachedStarts[i] as Seq, position)
      this.cachedEnds[kept++] = this.cachedEnds[i] as number
    }
    this.cachedCount = kept
  }

  /** Doubles the ring: segment `n` moves to slot `n & mask` of the new mask. */
  private grow(): void {
    const { mask, first, starts, ends, sentUs, flags, later } = this
    const slots = 2 * (mask + 1)
    this.mask = slots - 1
    this.starts = new Int32Array(slots)
    this.ends = new Int32Array(slots)
    this.sentUs = new Float64Array(slots)
    this.flags = new Uint8Array(slots)
    this.later = new Int32Array(slots)
    this.earlier = new Int32Array(slots)
    for (let n = first; n < first + this.count; n++) {
      const from = n & mask
      const to = n & this.mask
      this.starts[to] = starts[from] as number
      this.ends[to] = ends[from] as number
      this.sentUs[to] = sentUs[from] as number
      this.flags[to] = flags[from] as number
    }
    let from = this.oldest
    this.oldest = NONE
    this.newest = NONE
    while (from !== NONE) {
      this.append((first + ((from - first) & mask)) & this.mask)
      from = later[from] as number
    }
  }
}
