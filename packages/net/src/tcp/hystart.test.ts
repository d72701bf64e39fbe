import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ms } from '@mirage-ts/core/time'
import { HyStart } from './hystart.ts'

const MSS = 1000
const CWND = 10 * MSS

/** A round of ten acknowledgements of a segment each; what each let the window grow by. */
function round(hystart: HyStart, rttUs: number): readonly number[] {
  return Array.from({ length: 10 }, () => hystart.growth(MSS, CWND, MSS, rttUs))
}

test('hystart: steady round-trip times leave slow start alone (RFC 9406 §4.2)', () => {
  const hystart = new HyStart()
  for (let i = 0; i < 20; i++) assert.ok(round(hystart, ms(50) + (i % 3) * 1000).every((growth) => growth === MSS))
})

test('hystart: when they grow, a quarter of the growth for five rounds, then slow start is over (RFC 9406 §4.2)', () => {
  const hystart = new HyStart()
  round(hystart, ms(50))
  round(hystart, ms(50))
  const slower = [
    ...round(hystart, ms(60)),
    ...round(hystart, ms(60)),
    ...round(hystart, ms(60)),
    ...round(hystart, ms(60)),
  ]
  assert.ok(slower.slice(10).every((growth) => growth === MSS / 4))
  assert.ok([...round(hystart, ms(60)), ...round(hystart, ms(60))].includes(-1))
})

test('hystart: when they were only a jitter, slow start goes on (RFC 9406 §4.2)', () => {
  const hystart = new HyStart()
  round(hystart, ms(50))
  round(hystart, ms(50))
  round(hystart, ms(60))
  round(hystart, ms(50))
  assert.ok(round(hystart, ms(50)).every((growth) => growth === MSS))
})

test('hystart: one acknowledgement of much lets the window grow by eight segments at most (RFC 9406 §4.2)', () => {
  assert.equal(new HyStart().growth(20 * MSS, CWND, MSS, ms(50)), 8 * MSS)
})
