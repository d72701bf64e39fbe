import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ms, seconds } from '@mirage-ts/core/time'
import type { Instant } from '@mirage-ts/signatures/time'
import { seq } from '../seq.ts'
import { NewReno } from './congestion.ts'
import { RttEstimator } from './rtt.ts'

const MSS = 1000

function started(): NewReno {
  const c = new NewReno()
  c.start(MSS, false)
  return c
}

test('newreno: the initial window (RFC 6928 §2), one segment after a lost SYN (RFC 5681 §3.1)', () => {
  assert.equal(started().cwndBytes, 10 * MSS)
  const jumbo = new NewReno()
  jumbo.start(8960, false)
  assert.equal(jumbo.cwndBytes, 2 * 8960)
  const lost = new NewReno()
  lost.start(MSS, true)
  assert.equal(lost.cwndBytes, MSS)
})

test('newreno: slow start grows by at most a segment for each ACK (RFC 5681 (2))', () => {
  const c = started()
  c.onAck(100)
  c.onAck(5 * MSS)
  assert.equal(c.cwndBytes, 10 * MSS + 100 + MSS)
})

test('newreno: congestion avoidance grows by a segment for each window (RFC 5681 §3.1)', () => {
  const c = started()
  c.onLoss(20 * MSS)
  c.onRecovered(20 * MSS)
  assert.equal(c.ssthreshBytes, 10 * MSS)
  assert.equal(c.cwndBytes, 10 * MSS)
  for (let i = 0; i < 9; i++) c.onAck(MSS)
  assert.equal(c.cwndBytes, 10 * MSS)
  c.onAck(MSS)
  assert.equal(c.cwndBytes, 11 * MSS)
})

test('newreno: partial ACKs deflate, never below a segment (RFC 6582 §3.2, step 3)', () => {
  const c = started()
  c.onLoss(8 * MSS)
  assert.equal(c.cwndBytes, 7 * MSS)
  c.onPartialAck(3 * MSS)
  assert.equal(c.cwndBytes, 5 * MSS)
  c.onPartialAck(100 * MSS)
  assert.equal(c.cwndBytes, MSS)
})

test('newreno: a second timeout of one segment keeps the threshold (RFC 5681 §3.1)', () => {
  const c = started()
  c.onTimeout(8 * MSS, true)
  assert.equal(c.ssthreshBytes, 4 * MSS)
  assert.equal(c.cwndBytes, MSS)
  c.onTimeout(2 * MSS, false)
  assert.equal(c.ssthreshBytes, 4 * MSS)
})

test('newreno: the threshold is two segments at least (RFC 5681 (4))', () => {
  const c = started()
  c.onTimeout(MSS, true)
  assert.equal(c.ssthreshBytes, 2 * MSS)
})

function sample(rtt: RttEstimator, us: number): void {
  rtt.onSent(seq(1), 0 as Instant)
  rtt.onAcked(seq(1), us as Instant)
}

test('rto: the first measurement, then smoothing (RFC 6298 (2.2), (2.3))', () => {
  const rtt = new RttEstimator()
  assert.equal(rtt.rtoUs, seconds(1))
  sample(rtt, ms(400))
  assert.equal(rtt.srttUs, ms(400))
  assert.equal(rtt.rtoUs, ms(1200))
  sample(rtt, ms(800))
  assert.equal(rtt.srttUs, ms(450))
  assert.equal(rtt.rtoUs, ms(450 + 4 * 250))
})

test('rto: bounds and back-off (RFC 6298 (2.4), (2.5), (5.5))', () => {
  const rtt = new RttEstimator()
  sample(rtt, 10)
  assert.equal(rtt.rtoUs, ms(200))
  for (let i = 0; i < 20; i++) rtt.backOff()
  assert.equal(rtt.rtoUs, seconds(60))
  sample(rtt, 10)
  assert.equal(rtt.rtoUs, ms(200))
})

test('rto: ending the back-off gives what was measured last', () => {
  const rtt = new RttEstimator()
  sample(rtt, ms(100))
  assert.equal(rtt.rtoUs, ms(300))
  rtt.backOff()
  rtt.backOff()
  assert.equal(rtt.rtoUs, ms(1200))
  rtt.endBackOff()
  assert.equal(rtt.rtoUs, ms(300))
})

test('rto: an ACK of less than the timed segment is no measurement; one segment is timed at a time', () => {
  const rtt = new RttEstimator()
  rtt.onSent(seq(100), 0 as Instant)
  rtt.onSent(seq(200), 500 as Instant)
  rtt.onAcked(seq(99), ms(1) as number as Instant)
  assert.equal(rtt.srttUs, 0)
  rtt.onAcked(seq(200), ms(2) as number as Instant)
  assert.equal(rtt.srttUs, ms(2))
})
