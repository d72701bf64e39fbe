/** Large frames: several segments sent as one where the network cuts them, and taken as one. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { seconds } from '@mirage-ts/core/time'
import { Script } from '@mirage-ts/testing/tcp-script'

const MSS = 1460
const LARGE_BYTES = 65_515

/** Connected over a network that cuts, with room in the window and the congestion window for `segments`. */
function established(segments = 40, options = {}): Script {
  const s = Script.listening({ timestamps: false, ...options })
  s.largeBytes = LARGE_BYTES
  s.send({ flags: 'S', seq: 0, window: 65_535, mss: MSS, sackPermitted: true, windowScale: 7 })
  s.expect({ flags: 'SA' })
  s.send({ seq: 1, ack: 1, window: 65_535 })
  s.theConnection().congestion.cwndBytes = segments * MSS
  return s
}

test('tcp large: what fits into the windows leaves as one frame of full segments, the rest after it', () => {
  const s = established()
  s.write('x'.repeat(10 * MSS + 7))
  s.expect({ seq: 1, text: 10 * MSS, segmentBytes: MSS, flags: 'A' })
  s.expect({ seq: 1 + 10 * MSS, text: 7, segmentBytes: 0, flags: 'PA' })
  s.expectNothing()
  assert.equal(s.machine.counters.largeFrames, 1)
  assert.equal(s.theConnection().board.count, 11)
})

test('tcp large: the last text carries PSH, whole segments or not', () => {
  const s = established()
  s.write('x'.repeat(3 * MSS))
  s.expect({ text: 3 * MSS, flags: 'PA', segmentBytes: MSS })
})

test('tcp large: a FIN leaves on its own', () => {
  const s = established()
  s.write('x'.repeat(3 * MSS))
  s.shutdown()
  s.expect({ text: 3 * MSS, flags: 'PA' })
  s.expect({ flags: 'FA', seq: 1 + 3 * MSS, text: 0 })
})

test('tcp large: not longer than the network takes', () => {
  const s = established(100)
  s.write('x'.repeat(60 * MSS))
  const first = s.expect({ segmentBytes: MSS })
  assert.equal(first.length, Math.floor((LARGE_BYTES - 60) / MSS) * MSS)
})

test('tcp large: not more than the congestion window, nor the window of the peer', () => {
  const s = established(4)
  s.write('x'.repeat(20 * MSS))
  s.expect({ text: 4 * MSS, segmentBytes: MSS })
  s.expectNothing()
  const t = Script.listening({ timestamps: false })
  t.largeBytes = LARGE_BYTES
  t.send({ flags: 'S', seq: 0, window: 3 * MSS + 100, mss: MSS })
  t.expect({ flags: 'SA' })
  t.send({ seq: 1, ack: 1, window: 3 * MSS + 100 })
  t.write('x'.repeat(20 * MSS))
  t.expect({ text: 3 * MSS, segmentBytes: MSS })
})

test('tcp large: while the network has no buffer for one, it waits and tries again', () => {
  const s = established()
  s.isFull = true
  s.write('x'.repeat(4 * MSS))
  s.expectNothing()
  s.isFull = false
  s.advance(seconds(0.002))
  s.expect({ text: 4 * MSS, segmentBytes: MSS })
})

test('tcp large: over a network that cuts nothing, ordinary segments leave', () => {
  const s = established()
  s.largeBytes = 0
  s.write('x'.repeat(2 * MSS))
  s.expect({ text: MSS, segmentBytes: 0 })
  s.expect({ text: MSS, segmentBytes: 0 })
})

test('tcp large: each of its segments is acknowledged, lost and sent again by itself (RFC 6675, RFC 8985)', () => {
  const s = established(10)
  s.write('x'.repeat(10 * MSS))
  s.expect({ text: 10 * MSS, segmentBytes: MSS })
  // The third and the seventh are lost.
  const at = (n: number): number => 1 + n * MSS
  s.send({ seq: 1, ack: at(2), window: 65_535 })
  s.send({
    seq: 1,
    ack: at(2),
    window: 65_535,
    sack: [
      [at(7), at(10)],
      [at(3), at(6)],
    ],
  })
  s.expect({ seq: at(2), text: MSS, segmentBytes: 0 })
  s.expect({ seq: at(6), text: MSS, segmentBytes: 0 })
  s.send({ seq: 1, ack: at(10), window: 65_535 })
  s.expectNothing()
  assert.equal(s.theConnection().board.count, 0)
  assert.equal(s.machine.counters.timeouts, 0)
})

test('tcp large: after a timeout what was sent goes out again in segments of its own', () => {
  const s = established(4)
  s.write('x'.repeat(4 * MSS))
  s.expect({ text: 4 * MSS })
  s.advance(seconds(3))
  s.expect({ seq: 1 + 3 * MSS, text: MSS, segmentBytes: 0 }) // the probe of the tail
  s.expect({ seq: 1, text: MSS, segmentBytes: 0 })
})

test('tcp large: the segment that says CWR is sent by itself (RFC 3168 §6.1.2)', () => {
  const s = Script.listening({ ecn: true, timestamps: false })
  s.largeBytes = LARGE_BYTES
  s.send({ flags: 'SEC', seq: 0, window: 65_535, mss: MSS })
  s.expect({ flags: 'SAE' })
  s.send({ seq: 1, ack: 1, window: 65_535 })
  s.theConnection().isCwrDue = true
  s.write('x'.repeat(3 * MSS))
  s.expect({ flags: 'AC', text: MSS, segmentBytes: 0, marked: true })
  s.expect({ flags: 'PA', text: 2 * MSS, segmentBytes: MSS, marked: true })
})

test('tcp large: a frame of several segments that arrives is acknowledged at once (RFC 9293 §3.8.6.3)', () => {
  const s = established()
  s.send({ seq: 1, ack: 1, text: 'y'.repeat(3 * MSS) })
  s.expect({ flags: 'A', ack: 1 + 3 * MSS })
  s.send({ seq: 1 + 3 * MSS, ack: 1, text: 'y' })
  s.expectNothing()
})
