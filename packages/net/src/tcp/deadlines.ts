/**
 * The deadlines of all connections: a binary heap on typed arrays, one entry for each connection number at most.
 *
 * A deadline that moves later is left where it is: when it comes, its owner finds nothing to do and schedules again.
 * Retransmission deadlines move with every acknowledgement, so almost all moves cost one comparison.
 */
import { NEVER } from '@mirage-ts/core/time'
import type { Instant } from '@mirage-ts/signatures/time'

const INITIAL_COUNT = 16
const ABSENT = -1

export class Deadlines {
  /** Entries of the heap. */
  count = 0
  /** heap[0 .. count) are numbers; dueUs[heap[(i - 1) >> 1]] <= dueUs[heap[i]]. */
  private heap = new Int32Array(INITIAL_COUNT)
  /** By number: its deadline, and its place in the heap or ABSENT. */
  private dueUs = new Float64Array(INITIAL_COUNT)
  private places = new Int32Array(INITIAL_COUNT).fill(ABSENT)

  /** The earliest deadline, or NEVER. */
  nextUs(): Instant {
    return (this.count === 0 ? NEVER : this.dueUs[this.heap[0] as number]) as Instant
  }

  /** The number whose deadline is the earliest; there is one. */
  nextNumber(): number {
    return this.heap[0] as number
  }

  /** Makes sure that `number` comes up at `atUs` or before; at NEVER it need not come up. */
  schedule(number: number, atUs: number): void {
    if (atUs === NEVER) return
    if (number >= this.places.length) this.grow(number)
    let place = this.places[number] as number
    if (place === ABSENT) place = this.count++
    else if ((this.dueUs[number] as number) <= atUs) return
    this.dueUs[number] = atUs
    this.siftUp(place, number)
  }

  /** Takes `number` out; does nothing when it is not there. */
  remove(number: number): void {
    const place = number < this.places.length ? (this.places[number] as number) : ABSENT
    if (place === ABSENT) return
    this.places[number] = ABSENT
    const last = this.heap[--this.count] as number
    if (last === number) return
    this.siftUp(place, last)
    this.siftDown(this.places[last] as number, last)
  }

  private siftUp(from: number, number: number): void {
    const { heap, dueUs, places } = this
    const atUs = dueUs[number] as number
    let place = from
    while (place > 0) {
      const parent = heap[(place - 1) >> 1] as number
      if ((dueUs[parent] as number) <= atUs) break
      heap[place] = parent
      places[parent] = place
      place = (place - 1) >> 1
    }
    heap[place] = number
    places[number] = place
  }

  private siftDown(from: number, number: number): void {
    const { heap, dueUs, places, count } = this
    const atUs = dueUs[number] as number
    let place = from
    for (;;) {
      let child = 2 * place + 1
      if (child >= count) break
      if (
        child + 1 < count &&
        (dueUs[heap[child + 1] as number] as number) < (dueUs[heap[child] as number] as number)
      ) {
        child++
      }
      const childNumber = heap[child] as number
      if (atUs <= (dueUs[childNumber] as number)) break
      heap[place] = childNumber
      places[childNumber] = place
      place = child
    }
    heap[place] = number
    places[number] = place
  }

  private grow(number: number): void {
    let length = this.places.length
    while (length <= number) length *= 2
    const { heap, dueUs, places } = this
    this.heap = new Int32Array(length)
    this.heap.set(heap)
    this.dueUs = new Float64Array(length)
    this.dueUs.set(dueUs)
    this.places = new Int32Array(length).fill(ABSENT)
    this.places.set(places)
  }
}
