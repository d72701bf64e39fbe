import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { seq, seqAdd, seqDiff } from '../seq.ts'
import { MAX_RANGES, Reassembly } from './reassembly.ts'

/** Sorted, disjoint, not touching. */
function assertInvariant(r: Reassembly): void {
  for (let i = 0; i < r.count; i++) {
    assert.ok(seqDiff(r.endAt(i), r.startAt(i)) > 0)
    if (i > 0) assert.ok(seqDiff(r.startAt(i), r.endAt(i - 1)) > 0)
  }
}

test('reassembly: knows what a set of numbers knows, across the wrap', () => {
  const range = fc.tuple(fc.integer({ min: 1, max: 400 }), fc.integer({ min: 1, max: 40 }))
  fc.assert(
    fc.property(fc.array(range, { maxLength: 80 }), fc.integer({ min: 0, max: 0xffffffff }), (ranges, origin) => {
      const base = seq(origin)
      const r = new Reassembly()
      const model = new Set<number>()
      let next = 0
      for (const [start, len] of ranges) {
        if (start <= next) continue
        if (!r.insert(seqAdd(base, start), seqAdd(base, start + len))) continue
        for (let i = start; i < start + len; i++) model.add(i)
        assertInvariant(r)
        const held = new Set<number>()
        for (let i = 0; i < r.count; i++) {
          for (let at = seqDiff(r.startAt(i), base); at < seqDiff(r.endAt(i), base); at++) held.add(at)
        }
        assert.deepEqual([...held].sort(), [...model].sort())
        // Now and then the octet that was missing arrives, and all that follows it without a gap.
        if (len % 7 !== 0) continue
        const arrived = next++
        while (model.delete(next)) next++
        assert.equal(seqDiff(r.advance(seqAdd(base, arrived + 1)), base), next)
        assertInvariant(r)
      }
    }),
  )
})

test('reassembly: merges with both neighbours, swallows what lies between', () => {
  const r = new Reassembly()
  for (const [start, end] of [
    [10, 20],
    [30, 40],
    [50, 60],
    [70, 80],
  ] as const) {
    r.insert(seq(start), seq(end))
  }
  assert.ok(r.insert(seq(20), seq(70)))
  assert.equal(r.count, 1)
  assert.equal(r.startAt(0), 10)
  assert.equal(r.endAt(0), 80)
  assert.equal(r.advance(seq(10)), 80)
  assert.equal(r.count, 0)
})

test('reassembly: the bound holds, merging still works when full', () => {
  const r = new Reassembly()
  for (let i = 0; i < MAX_RANGES; i++) assert.ok(r.insert(seq(10 * i + 10), seq(10 * i + 15)))
  assert.equal(r.insert(seq(5), seq(6)), false)
  assert.equal(r.count, MAX_RANGES)
  assert.ok(r.insert(seq(15), seq(20)))
  assert.equal(r.count, MAX_RANGES - 1)
})
