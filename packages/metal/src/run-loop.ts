/**
 * What a machine does between two sleeps: look at the devices, ring the alarms that are due, hand finished output to the
 * devices, and say until when it may sleep. The C layer calls `poll` each time no promise job is left.
 *
 * Order in one round: devices in the order they were added, then alarms by deadline, those of one deadline in the order
 * they were set. Nothing here allocates except when a device or an alarm is made.
 */
import { NEVER } from '@mirage-ts/core/time'
import type { Alarm, Instant } from '@mirage-ts/signatures/time'

/** A device served by the loop. */
export interface Polled {
  /** Takes what the device has, up to a bound. Returns true when there is more: the loop comes back without sleeping. */
  poll(): boolean
  /** Tells the device of what was queued for it; called last in a round. */
  flush(): void
}

/** So many cleared alarms may stay in the heap however few others there are. */
const MAX_CLEARED = 64

export class RunLoop {
  private readonly clock: () => number
  private readonly devices: Polled[] = []
  /** A binary heap on `queuedFor`: what rings first is at the top. */
  private heap: LoopAlarm[] = []
  private order = 0
  /** Alarms in the heap that were cleared. */
  private clearedCount = 0

  /** `clock` reads monotonic µs. */
  constructor(clock: () => number) {
    this.clock = clock
  }

  add(device: Polled): void {
    this.devices.push(device)
  }

  alarm(ring: () => void): Alarm {
    return new LoopAlarm(this, ring)
  }

  /** One round. Returns the deadline until which nothing but a device needs attention, or 0 to be called again at once. */
  poll(): number {
    let hasMore = false
    for (let i = 0; i < this.devices.length; i++) hasMore = (this.devices[i] as Polled).poll() || hasMore
    this.ringDue()
    for (let i = 0; i < this.devices.length; i++) (this.devices[i] as Polled).flush()
    if (hasMore) return 0
    return this.heap.length === 0 ? NEVER : (this.heap[0] as LoopAlarm).queuedFor
  }

  /** Puts an alarm where its deadline belongs; called by the alarm when it rings earlier than it is queued for. */
  enqueue(alarm: LoopAlarm): void {
    alarm.queuedFor = alarm.deadline
    alarm.order = this.order++
    if (alarm.heapAt < 0) {
      alarm.heapAt = this.heap.length
      this.heap.push(alarm)
    }
    this.siftUp(alarm.heapAt)
  }

  /** An alarm in the heap was cleared, or, with -1, set again. */
  countCleared(change: number): void {
    this.clearedCount += change
    if (this.clearedCount > MAX_CLEARED && 2 * this.clearedCount > this.heap.length) this.sweep()
  }

  /** Takes the cleared alarms out: each keeps alive what it would have rung for, long after that is over. */
  private sweep(): void {
    const { heap } = this
    this.heap = []
    this.clearedCount = 0
    for (const alarm of heap) {
      alarm.heapAt = -1
      if (alarm.deadline === NEVER) continue
      alarm.heapAt = this.heap.length
      this.heap.push(alarm)
      this.siftUp(alarm.heapAt)
    }
  }

  private ringDue(): void {
    const now = this.clock()
    // An alarm set by one that rings is looked at in the next round: a chain of alarms cannot starve the devices.
    const newOrder = this.order
    while (this.heap.length > 0) {
      const first = this.heap[0] as LoopAlarm
      if (first.queuedFor > now || first.order >= newOrder) return
      this.removeFirst()
      if (first.deadline === NEVER) {
        this.clearedCount--
        continue
      }
      if (first.deadline > now) {
        this.enqueue(first) // it was put off since it was queued
        continue
      }
      first.deadline = NEVER
      first.ring()
    }
  }

  private removeFirst(): void {
    const first = this.heap[0] as LoopAlarm
    const last = this.heap.pop() as LoopAlarm
    first.heapAt = -1
    if (first === last) return
    this.heap[0] = last
    last.heapAt = 0
    this.siftDown(0)
  }

  private siftUp(start: number): void {
    let at = start
    while (at > 0) {
      const parent = (at - 1) >> 1
      if (!this.swapIfEarlier(at, parent)) return
      at = parent
    }
  }

  private siftDown(start: number): void {
    let at = start
    while (true) {
      const left = 2 * at + 1
      if (left >= this.heap.length) return
      const right = left + 1
      const child = right < this.heap.length && this.isEarlier(right, left) ? right : left
      if (!this.swapIfEarlier(child, at)) return
      at = child
    }
  }

  private isEarlier(i: number, j: number): boolean {
    const a = this.heap[i] as LoopAlarm
    const b = this.heap[j] as LoopAlarm
    return a.queuedFor < b.queuedFor || (a.queuedFor === b.queuedFor && a.order < b.order)
  }

  /** Swaps the alarm at `low` with the one above it at `high` when it rings earlier. */
  private swapIfEarlier(low: number, high: number): boolean {
    if (!this.isEarlier(low, high)) return false
    const a = this.heap[low] as LoopAlarm
    const b = this.heap[high] as LoopAlarm
    this.heap[low] = b
    this.heap[high] = a
    b.heapAt = low
    a.heapAt = high
    return true
  }
}

/**
 * An alarm that is cheap to put off: a protocol sets its timer again with every segment, nearly always to a later moment.
 * It stays in the heap where it was, and is moved only when that earlier moment comes; a cleared one likewise, unless there are
 * many.
 */
class LoopAlarm implements Alarm {
  /** When to ring; {@link NEVER} when not set. */
  deadline: Instant = NEVER
  /** Its key in the heap while it is there; never after `deadline`. */
  queuedFor: Instant = NEVER
  /** Its index in the heap; -1 when it is not there. */
  heapAt = -1
  order = 0
  readonly ring: () => void
  private readonly loop: RunLoop

  constructor(loop: RunLoop, ring: () => void) {
    this.loop = loop
    this.ring = ring
  }

  set(deadline: Instant): void {
    if (deadline === NEVER) {
      this.clear()
      return
    }
    if (this.deadline === NEVER && this.heapAt >= 0) this.loop.countCleared(-1)
    this.deadline = deadline
    if (this.heapAt < 0 || deadline < this.queuedFor) this.loop.enqueue(this)
  }

  clear(): void {
    if (this.deadline === NEVER) return
    this.deadline = NEVER
    if (this.heapAt >= 0) this.loop.countCleared(1)
  }
}
