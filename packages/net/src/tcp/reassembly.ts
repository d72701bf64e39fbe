/**
 * Which octets beyond the next expected one have arrived: sorted, disjoint, non-touching ranges of sequence numbers.
 *
 * The text itself waits in the receive ring. The number of ranges is bounded and a segment costs a binary search and
 * one move of at most {@link MAX_RANGES} numbers, whatever a peer sends (OSEC-2026-11, "SegmentSmack").
 */
import { type Seq, seqDiff, seqLe, seqLt, seqMax } from '../seq.ts'
import type { TcpHeader } from '../wire/tcp.ts'

/** Gaps that can be open at a time: half of what full segments alternately lost make of a 256 KiB window. */
export const MAX_RANGES = 64
/** Ranges that an acknowledgement names at most: RFC 2018 §3. */
const RECENT_COUNT = 4
const NO_RANGES = new Int32Array(0)

export class Reassembly {
  /** Ranges now waiting. */
  count = 0
  /** starts[i] < ends[i] < starts[i + 1], in sequence order, for i < count; allocated when first needed. */
  private starts: Int32Array = NO_RANGES
  private ends: Int32Array = NO_RANGES
  /** A number within each of the ranges last added to, the latest first. */
  private recent: Int32Array = NO_RANGES
  private recentCount = 0

  /** Adds `[start, end)`. False when that needs one range too many: the octets must be dropped. */
  insert(start: Seq, end: Seq): boolean {
    if (this.starts.length === 0) {
      this.starts = new Int32Array(MAX_RANGES)
      this.ends = new Int32Array(MAX_RANGES)
      this.recent = new Int32Array(RECENT_COUNT)
    }
    const first = this.firstEndingAtOrAfter(start)
    // Ranges first .. last - 1 touch the new one.
    let last = first
    while (last < this.count && seqLe(this.startAt(last), end)) last++
    if (last === first) {
      if (!this.insertAt(first, start, end)) return false
    } else {
      if (seqLt(start, this.startAt(first))) this.starts[first] = start
      this.ends[first] = seqMax(this.endAt(last - 1), end)
      this.removeBetween(first + 1, last)
    }
    this.noteRecent(start, first)
    return true
  }

  /** True when all of `[start, end)` is there already. */
  has(start: Seq, end: Seq): boolean {
    const index = this.firstEndingAtOrAfter(end)
    return index < this.count && seqLe(this.startAt(index), start)
  }

  /**
   * Adds up to `maxCount` ranges to the SACK option of `h`, the one last added to first (RFC 2018 §4: "The first SACK
   * block [...] MUST specify the contiguous block of data containing the segment which triggered this ACK").
   */
  report(h: TcpHeader, maxCount: number): void {
    for (let i = 0; i < this.recentCount && h.sackCount < maxCount; i++) {
      const position = this.recent[i] as Seq
      const index = this.firstEndingAtOrAfter(position)
      // Its range may have been delivered since.
      if (index === this.count || seqLt(position, this.startAt(index))) continue
      h.sackStarts[h.sackCount] = this.startAt(index)
      h.sackEnds[h.sackCount++] = this.endAt(index)
    }
  }

  /** The end of the octets that follow `next` without a gap; forgets the ranges up to there. */
  advance(next: Seq): Seq {
    let end = next
    let used = 0
    while (used < this.count && seqLe(this.startAt(used), end)) {
      end = seqMax(end, this.endAt(used))
      used++
    }
    this.removeBetween(0, used)
    return end
  }

  /** First octet of range `index`, in sequence order. */
  startAt(index: number): Seq {
    return this.starts[index] as Seq
  }

  /** First octet after range `index`. */
  endAt(index: number): Seq {
    return this.ends[index] as Seq
  }

  /** Forgets everything and gives the memory back. */
  clear(): void {
    this.count = 0
    this.starts = NO_RANGES
    this.ends = NO_RANGES
    this.recent = NO_RANGES
    this.recentCount = 0
  }

  /** Range `index`, which `position` lies in, is the latest; the list names no range twice. */
  private noteRecent(position: Seq, index: number): void {
    const { recent } = this
    const start = this.startAt(index)
    const end = this.endAt(index)
    let kept = 0
    for (let i = 0; i < this.recentCount; i++) {
      const other = recent[i] as Seq
      if (seqLt(other, start) || seqLe(end, other)) recent[kept++] = other
    }
    kept = Math.min(kept, RECENT_COUNT - 1)
    recent.copyWithin(1, 0, kept)
    recent[0] = position
    this.recentCount = kept + 1
  }

  private firstEndingAtOrAfter(position: Seq): number {
    let low = 0
    let high = this.count
    while (low < high) {
      const middle = (low + high) >> 1
      if (seqDiff(this.endAt(middle), position) < 0) low = middle + 1
      else high = middle
    }
    return low
  }

  private insertAt(index: number, start: Seq, end: Seq): boolean {
    if (this.count === MAX_RANGES) return false
    this.starts.copyWithin(index + 1, index, this.count)
    this.ends.copyWithin(index + 1, index, this.count)
    this.starts[index] = start
    this.ends[index] = end
    this.count++
    return true
  }

  private removeBetween(from: number, to: number): void {
    if (from === to) return
    this.starts.copyWithin(from, to, this.count)
    this.ends.copyWithin(from, to, this.count)
    this.count -= to - from
  }
}
