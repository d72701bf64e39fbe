import assert from 'node:assert/strict'
import { test } from 'node:test'
import { NEVER } from '@mirage-ts/core/time'
import fc from 'fast-check'
import { Deadlines } from './deadlines.ts'

test('deadlines: the earliest comes first; later ones are ignored for those present', () => {
  const step = fc.tuple(
    fc.integer({ min: 0, max: 99 }),
    fc.option(fc.integer({ min: 0, max: 1000 }), { nil: undefined }),
  )
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
      const heap = new Deadlines()
      const model = new Map<number, number>()
      for (const [number, at] of steps) {
        if (at === undefined) {
          heap.remove(number)
          model.delete(number)
        } else {
          heap.schedule(number, at)
          model.set(number, Math.min(at, model.get(number) ?? at))
        }
        assert.equal(heap.nextUs(), Math.min(NEVER, ...model.values()))
        assert.equal(heap.count, model.size)
        if (model.size > 0) assert.equal(model.get(heap.nextNumber()), heap.nextUs())
      }
      const popped: number[] = []
      while (heap.count > 0) {
        popped.push(heap.nextUs())
        heap.remove(heap.nextNumber())
      }
      assert.deepEqual(
        popped,
        [...model.values()].sort((a, b) => a - b),
      )
    }),
  )
})

test('deadlines: NEVER schedules nothing', () => {
  const heap = new Deadlines()
  heap.schedule(3, NEVER)
  assert.equal(heap.count, 0)
  assert.equal(heap.nextUs(), NEVER)
})
