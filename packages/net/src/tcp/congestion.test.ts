import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ms, seconds } from '@mirage-ts/core/time'
import { NewReno } from './congestion.ts'
import { Cubic } from './cubic.ts'
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
  c.onAck(100, 0, 0, 0)
  c.onAck(5 * MSS, 0, 0, 0)
  assert.equal(c.cwndBytes, 10 * MSS + 100 + MSS)
})

test('newreno: congestion avoidance grows by a segment for each window (RFC 5681 §3.1)', () => {
  const c = started()
  c.onLoss(20 * MSS)
  c.onRecovered(20 * MSS)
  assert.equal(c.ssthreshBytes, 10 * MSS)
  assert.equal(c.cwndBytes, 10 * MSS)
  for (let i = 0; i < 9; i++) c.onAck(MSS, 0, 0, 0)
  assert.equal(c.cwndBytes, 10 * MSS)
  c.onAck(MSS, 0, 0, 0)
  assert.equal(c.cwndBytes, 11 * MSS)
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
  rtt.sample(us, 1)
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

test('rto: of many measurements in a round-trip time each counts less (RFC 7323, Appendix G)', () => {
  const rtt = new RttEstimator()
  sample(rtt, ms(400))
  rtt.sample(ms(800), 10)
  assert.equal(rtt.srttUs, ms(405))
})

/** Acknowledges a full window in each round-trip time of 100 ms; returns the window at the end, in segments. */
function grow(c: Cubic, fromUs: number, seconds: number): number {
  for (let at = fromUs; at < fromUs + seconds * 1e6; at += 100_000) {
    for (let left = c.cwndBytes; left > 0; left -= MSS) c.onAck(Math.min(left, MSS), at, 100_000, 100_000)
  }
  return c.cwndBytes / MSS
}

/** In congestion avoidance after a loss with a window of `segments`. */
function cubicAfterLoss(segments: number): Cubic {
  const c = new Cubic()
  c.start(MSS, false)
  c.cwndBytes = segments * MSS
  c.onLoss(segments * MSS)
  c.onRecovered(segments * MSS)
  return c
}

test('cubic: a loss leaves seven tenths (RFC 9438 §4.6)', () => {
  const c = cubicAfterLoss(1000)
  assert.equal(c.ssthreshBytes, 700 * MSS)
  assert.equal(c.cwndBytes, 700 * MSS)
})

test('cubic: is back where it was after K = cbrt(W_max * 0.3 / C) seconds, and lingers (RFC 9438 §4.2)', () => {
  const c = cubicAfterLoss(1000)
  const k = Math.cbrt((1000 * 0.3) / 0.4)
  const near = grow(c, 1e6, k)
  assert.ok(Math.abs(near - 1000) < 10, `${near} segments after K`)
  assert.ok(Math.abs(grow(c, 1e6 + k * 1e6, 2) - 1000) < 15)
  assert.ok(grow(c, 1e6 + (k + 2) * 1e6, 10) > 1300)
})

test('cubic: on short paths grows like NewReno (RFC 9438 §4.3)', () => {
  const c = cubicAfterLoss(20)
  // The cubic alone would take K = 2.5 s for six segments; ALPHA segments in each of 25 round-trip times are more.
  assert.ok(grow(c, 1e6, 1.2) >= 20)
})

test('cubic: a window that fell before it was back gives way (RFC 9438 §4.7)', () => {
  const c = cubicAfterLoss(1000)
  c.onLoss(700 * MSS)
  c.onRecovered(700 * MSS)
  // W_max is 0.85 * 700 = 595, so the plateau is there and not at 700.
  assert.ok(Math.abs(c.cwndBytes - 490 * MSS) <= 1)
  const k = Math.cbrt((595 - 490) / 0.4)
  assert.ok(Math.abs(grow(c, 1e6, k) - 595) < 10)
})

test('cubic: time in which the window was not used is not counted (RFC 9438 §5.8)', () => {
  const c = cubicAfterLoss(1000)
  grow(c, 1e6, 1)
  const before = c.cwndBytes
  c.onUnused()
  c.onAck(MSS, 1000e6, 100_000, 100_000)
  assert.ok(c.cwndBytes < before + 2 * MSS)
})
