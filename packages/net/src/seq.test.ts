import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { seq, seqAdd, seqDiff, seqLe, seqLt, seqMax } from './seq.ts'

const anySeq = fc.integer({ min: 0, max: 0xffffffff }).map(seq)
/** Windows stay below 2^30. */
const distance = fc.integer({ min: 0, max: 2 ** 31 - 1 })

test('seq: what is added is the difference, across the wrap (RFC 9293 §3.4)', () => {
  fc.assert(
    fc.property(anySeq, distance, (a, n) => {
      assert.equal(seqDiff(seqAdd(a, n), a), n)
      assert.equal(seqAdd(seqAdd(a, n), -n), a)
      // Small integers both engines keep in a field; what is larger would cost an object.
      assert.equal(seqAdd(a, n), seqAdd(a, n) | 0)
    }),
  )
})

test('seq: order follows addition, however the numbers compare as numbers (utcp: signed sequence compare)', () => {
  fc.assert(
    fc.property(anySeq, distance, (a, n) => {
      const b = seqAdd(a, n)
      assert.equal(seqLt(a, b), n > 0)
      assert.equal(seqLe(a, b), true)
      assert.equal(seqLt(b, a), false)
      assert.equal(seqLe(b, a), n === 0)
      assert.equal(seqMax(a, b), b)
      assert.equal(seqMax(b, a), b)
    }),
  )
})

test('seq: the ends of the number space', () => {
  assert.ok(seqLt(seq(0xffffffff), seq(0)))
  assert.ok(seqLt(seq(0x7fffffff), seq(0x80000000)))
  assert.equal(seqAdd(seq(0xffffffff), 1), 0)
  assert.equal(seq(-1), seq(0xffffffff))
})
