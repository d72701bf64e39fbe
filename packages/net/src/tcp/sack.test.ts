/** Selective acknowledgements and RACK-TLP, both sides (RFC 2018, 2883, 6675, 6937, 8985). */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ms, seconds } from '@mirage-ts/core/time'
import { Script, textOf } from '@mirage-ts/testing/tcp-script'

const MSS = 1460
const SACK = { sackPermitted: true } as const

/** `count` full segments in flight on a connection with SACK and a round-trip time of 100 ms. */
function inFlight(count: number, more = 0): Script {
  const s = Script.synReceived({}, SACK)
  s.advance(ms(100)).send({ seq: 1, ack: 1 })
  s.write(MSS)
  s.expect({ seq: 1, text: MSS })
  s.advance(ms(100)).send({ seq: 1, ack: 1 + MSS })
  s.write((count + more) * MSS)
  for (let i = 1; i <= count; i++) s.expect({ seq: 1 + i * MSS, text: MSS })
  return s.expectNothing()
}

/** The octets of segment `i`, for `sack`. */
function segment(i: number, count = 1): readonly [number, number] {
  return [1 + i * MSS, 1 + (i + count) * MSS]
}

test('tcp sack: offered in SYNs, in use when both offer it (RFC 2018 §2)', () => {
  const s = Script.listening()
  s.send({ flags: 'S', seq: 0, sackPermitted: true })
  s.expect({ flags: 'SA', sackPermitted: true })
  const without = Script.listening()
  without.send({ flags: 'S', seq: 0 })
  without.expect({ flags: 'SA', sackPermitted: false })
  const off = Script.listening({ sack: false })
  off.send({ flags: 'S', seq: 0, sackPermitted: true })
  off.expect({ flags: 'SA', sackPermitted: false })
})

test('tcp sack: an acknowledgement names what lies beyond gaps, the latest first (RFC 2018 §4)', () => {
  const s = Script.established({}, SACK)
  s.send({ seq: 11, ack: 1, text: 10 })
  s.expect({ ack: 1, sack: [[11, 21]] })
  s.send({ seq: 31, ack: 1, text: 10 })
  s.expect({
    ack: 1,
    sack: [
      [31, 41],
      [11, 21],
    ],
  })
  s.send({ seq: 51, ack: 1, text: 10 })
  s.send({ seq: 71, ack: 1, text: 10 })
  s.send({ seq: 21, ack: 1, text: 10 })
  s.expect({
    sack: [
      [51, 61],
      [31, 41],
      [11, 21],
    ],
  })
  s.expect({
    sack: [
      [71, 81],
      [51, 61],
      [31, 41],
      [11, 21],
    ],
  })
  // Two ranges have become one: it is named once.
  s.expect({
    sack: [
      [11, 41],
      [71, 81],
      [51, 61],
    ],
  })
  s.send({ seq: 1, ack: 1, text: 10 })
  s.expect({
    ack: 41,
    sack: [
      [71, 81],
      [51, 61],
    ],
  })
})

test('tcp sack: at most three blocks beside timestamps (RFC 2018 §3)', () => {
  const s = Script.established({}, { ...SACK, timestamps: [1, 0] })
  for (let i = 0; i < 5; i++) s.send({ seq: 11 + 20 * i, ack: 1, text: 10, timestamps: [2, 0] })
  while (s.sent.length > 1) s.sent.shift()
  s.expect({
    sack: [
      [91, 101],
      [71, 81],
      [51, 61],
    ],
  })
})

test('tcp sack: nothing is named to a peer that has not permitted it', () => {
  const s = Script.established()
  s.send({ seq: 11, ack: 1, text: 10 })
  s.expect({ ack: 1, sack: [] })
})

test('tcp sack: a full segment of ours has no room for blocks: they follow in an acknowledgement', () => {
  const s = Script.established({}, SACK)
  s.isFull = true
  s.write(MSS)
  s.send({ seq: 11, ack: 1, text: 10 })
  s.isFull = false
  s.advance(ms(1))
  s.expect({ seq: 1, text: MSS, sack: [] })
  s.expect({ text: 0, sack: [[11, 21]] })
  s.expectNothing()
})

test('tcp dsack: text that comes twice is named once (RFC 2883 §4)', () => {
  const s = Script.established({}, SACK)
  s.send({ seq: 1, ack: 1, text: 10 })
  s.send({ seq: 1, ack: 1, text: 10 })
  s.expect({ ack: 11, sack: [[1, 11]] })
  s.send({ seq: 5, ack: 1, text: 10 })
  s.expect({ ack: 15, sack: [[5, 11]] })
  s.send({ seq: 21, ack: 1, text: 10 })
  s.expect({ ack: 15, sack: [[21, 31]] })
  s.send({ seq: 23, ack: 1, text: 4 })
  s.expect({
    ack: 15,
    sack: [
      [23, 27],
      [21, 31],
    ],
  })
})

test('tcp sack: what is lost is sent again, what has arrived is not, at the pace of PRR (RFC 6675 §5, RFC 6937)', () => {
  const s = inFlight(10)
  s.advance(ms(100))
  // 1 and 4 are lost.
  s.send({ seq: 1, ack: 1 + MSS, sack: [segment(2)] }).expectNothing()
  s.send({ seq: 1, ack: 1 + MSS, sack: [segment(2, 2)] }).expectNothing()
  s.send({ seq: 1, ack: 1 + MSS, sack: [segment(5), segment(2, 2)] })
  assert.deepEqual(s.expect({ seq: 1 + MSS, text: MSS }), textOf(1 + MSS, MSS))
  s.expectNothing()
  assert.equal(s.theConnection().congestion.ssthreshBytes, 5 * MSS)
  s.send({ seq: 1, ack: 1 + MSS, sack: [segment(5, 2), segment(2, 2)] })
  s.send({ seq: 1, ack: 1 + MSS, sack: [segment(5, 3), segment(2, 2)] })
  assert.deepEqual(s.expect({ seq: 1 + 4 * MSS, text: MSS }), textOf(1 + 4 * MSS, MSS))
  s.send({ seq: 1, ack: 1 + MSS, sack: [segment(5, 6), segment(2, 2)] }).expectNothing()
  s.advance(ms(100)).send({ seq: 1, ack: 1 + 11 * MSS })
  assert.equal(s.theConnection().isRecovering, false)
  assert.equal(s.machine.counters.retransmittedSegments, 2)
  assert.equal(s.machine.counters.timeouts, 0)
})

test('tcp sack: two segments that arrived make nothing lost, and allow new ones (RFC 3042)', () => {
  const s = inFlight(10, 3)
  s.advance(ms(100))
  s.send({ seq: 1, ack: 1 + MSS, sack: [segment(2)] })
  s.expect({ seq: 1 + 11 * MSS })
  s.send({ seq: 1, ack: 1 + MSS, sack: [segment(2, 2)] })
  s.expect({ seq: 1 + 12 * MSS })
  s.expectNothing()
})

test('tcp sack: blocks of what was never sent, or empty, or backwards, are not looked at', () => {
  const s = inFlight(10)
  for (const sack of [segment(10, 5), segment(40), [MSS * 5, MSS * 5] as const, [MSS * 6, MSS * 5] as const]) {
    s.send({ seq: 1, ack: 1 + MSS, sack: [sack] })
  }
  assert.equal(s.theConnection().board.sackedBytes, 0)
})

test('tcp sack: after a timeout only what has not arrived is sent again', () => {
  const s = inFlight(10)
  s.send({ seq: 1, ack: 1 + MSS, sack: [segment(2)] })
  s.advance(s.theConnection().sendAtUs - s.now)
  s.advance(seconds(1))
  s.expect({ seq: 1 + MSS })
  s.sent.length = 0
  s.send({ seq: 1, ack: 1 + 3 * MSS })
  s.expect({ seq: 1 + 3 * MSS, text: MSS })
})

test('tcp sack: a peer that takes back what it had is sent it again (RFC 2018 §8)', () => {
  const s = inFlight(4)
  s.advance(ms(100))
  s.send({ seq: 1, ack: 1 + MSS, sack: [segment(2, 2)] })
  s.send({ seq: 1, ack: 1 + 2 * MSS }).expectNothing()
  s.advance(seconds(2))
  s.expect({ seq: 1 + 2 * MSS, text: MSS })
})

test('tcp rack: what is reordered a little is not sent again (RFC 8985 §6.2)', () => {
  const s = inFlight(6)
  s.advance(ms(100))
  // Reordering shows first: 1 comes after 2.
  s.send({ seq: 1, ack: 1 + MSS, sack: [segment(2)] })
  s.send({ seq: 1, ack: 1 + 3 * MSS })
  // 3 is behind 4, 5 and 6; a quarter of the round-trip time is not over.
  s.advance(ms(1))
  s.send({ seq: 1, ack: 1 + 3 * MSS, sack: [segment(4, 3)] })
  s.expectNothing()
  s.advance(ms(20))
  s.send({ seq: 1, ack: 1 + 7 * MSS }).expectNothing()
  assert.equal(s.machine.counters.retransmittedSegments, 0)
})

test('tcp rack: but when the reordering window is over it is (RFC 8985 §6.2, step 5)', () => {
  const s = inFlight(6)
  s.advance(ms(100))
  s.send({ seq: 1, ack: 1 + MSS, sack: [segment(2)] })
  s.send({ seq: 1, ack: 1 + 3 * MSS })
  s.send({ seq: 1, ack: 1 + 3 * MSS, sack: [segment(4, 3)] })
  s.advance(ms(24)).expectNothing()
  s.advance(ms(2))
  assert.deepEqual(s.expect({ seq: 1 + 3 * MSS, text: MSS }), textOf(1 + 3 * MSS, MSS))
})

test('tcp rack: a segment lost again is sent again without a timeout (RFC 8985 §3.1)', () => {
  const s = inFlight(10, 10)
  s.advance(ms(100))
  s.send({ seq: 1, ack: 1 + MSS, sack: [segment(2, 3)] })
  s.expect({ seq: 1 + MSS })
  s.send({ seq: 1, ack: 1 + MSS, sack: [segment(2, 9)] })
  const newer = s.sent.length
  assert.ok(newer > 0, 'new segments leave in recovery')
  s.sent.length = 0
  s.advance(ms(100))
  s.send({ seq: 1, ack: 1 + MSS, sack: [segment(2, 9 + newer)] })
  s.expect({ seq: 1 + MSS, text: MSS })
  assert.equal(s.machine.counters.timeouts, 0)
})

test('tcp tail probe: the last segment again after two round-trip times (RFC 8985 §7)', () => {
  const s = inFlight(3)
  s.advance(ms(200) - 1).expectNothing()
  s.advance(1)
  assert.deepEqual(s.expect({ seq: 1 + 3 * MSS, text: MSS }), textOf(1 + 3 * MSS, MSS))
  assert.equal(s.machine.counters.tailProbes, 1)
  // The probe has arrived, and with it the news that the two before it are lost.
  s.advance(ms(100)).send({ seq: 1, ack: 1 + MSS, sack: [segment(3)] })
  s.expect({ seq: 1 + MSS, text: MSS })
  assert.equal(s.machine.counters.timeouts, 0)
})

test('tcp tail probe: a new segment when there is one (RFC 8985 §7.3)', () => {
  const s = inFlight(10, 1)
  s.advance(ms(200))
  s.expect({ seq: 1 + 11 * MSS, text: MSS })
})

test('tcp tail probe: one that repaired a loss is a sign of congestion, a needless one is not (RFC 8985 §7.4)', () => {
  const lossy = inFlight(3)
  lossy.advance(ms(200)).expect({ seq: 1 + 3 * MSS })
  lossy.advance(ms(100)).send({ seq: 1, ack: 1 + 4 * MSS })
  lossy.write(MSS)
  lossy.send({ seq: 1, ack: 1 + 5 * MSS })
  assert.equal(lossy.machine.counters.tailLosses, 1)
  const late = inFlight(3)
  late.advance(ms(200)).expect({ seq: 1 + 3 * MSS })
  late.send({ seq: 1, ack: 1 + 4 * MSS })
  late.send({ seq: 1, ack: 1 + 4 * MSS, sack: [segment(3)] })
  assert.equal(late.machine.counters.tailLosses, 0)
})

test('tcp tail probe: one at a time, then the timeout (RFC 8985 §7.3)', () => {
  const s = inFlight(3)
  s.advance(ms(200)).expect({ seq: 1 + 3 * MSS })
  s.advance(seconds(2))
  assert.equal(s.machine.counters.tailProbes, 1)
  assert.ok(s.machine.counters.timeouts >= 1)
})

test('tcp tail probe: waits for the device without asking again and again in the same moment', () => {
  const s = inFlight(3)
  s.isFull = true
  s.advance(ms(210)).expectNothing()
  assert.ok(s.machine.counters.noFrame < 20)
  s.isFull = false
  s.advance(ms(1))
  s.expect({ seq: 1 + 3 * MSS, text: MSS })
  s.expectNothing()
})
