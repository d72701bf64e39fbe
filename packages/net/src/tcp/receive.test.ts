/** Receiving: text, gaps, windows, acknowledgements (RFC 9293 §3.8.6, RFC 1122 §4.2, RFC 5681 §4.2). */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ms } from '@mirage-ts/core/time'
import { Script, textOf } from '@mirage-ts/testing/tcp-script'
import { seqDiff } from '../seq.ts'
import { EVENT_READABLE } from './connection.ts'
import { MAX_RANGES } from './reassembly.ts'

const MSS = 1460

test('tcp receive: one segment is acknowledged after 40 ms (RFC 9293 §3.8.6.3)', () => {
  const s = Script.established()
  s.send({ seq: 1, ack: 1, text: 'abc' })
  assert.equal(s.events & EVENT_READABLE, EVENT_READABLE)
  s.advance(ms(40) - 1).expectNothing()
  s.advance(1)
  s.expect({ flags: 'A', seq: 1, ack: 4, text: '' })
  s.advance(ms(1000)).expectNothing()
})

test('tcp receive: every second segment is acknowledged at once (RFC 9293 §3.8.6.3, MUST-58)', () => {
  const s = Script.established()
  for (let i = 0; i < 6; i++) s.send({ seq: 1 + i * MSS, ack: 1, text: MSS })
  for (let i = 1; i <= 3; i++) s.expect({ ack: 1 + 2 * i * MSS })
  s.advance(ms(1000)).expectNothing()
})

test('tcp receive: text beyond a gap gets a duplicate ACK at once, filling it another (RFC 5681 §4.2)', () => {
  const s = Script.established()
  s.send({ seq: 4, ack: 1, text: 'def' })
  s.expect({ ack: 1 })
  s.send({ seq: 7, ack: 1, text: 'ghi' })
  s.expect({ ack: 1 })
  assert.equal(s.read(), undefined)
  s.send({ seq: 1, ack: 1, text: 'abc' })
  s.expect({ ack: 10 })
  assert.equal(s.readText(), 'abcdefghi')
  assert.equal(s.theConnection().reassembly.count, 0)
})

test('tcp receive: repeated text is acknowledged and not delivered again', () => {
  const s = Script.established()
  s.send({ seq: 1, ack: 1, text: 'abc' })
  s.send({ seq: 1, ack: 1, text: 'abc' })
  s.expect({ ack: 4 })
  s.send({ seq: 2, ack: 1, text: 'bcdef' })
  s.expect({ ack: 7 })
  assert.equal(s.readText(), 'abcdef')
})

test('tcp receive: what lies beyond the window is cut off', () => {
  const s = Script.established({ receiveBufferBytes: 4096 })
  for (const seq of [1, 1461]) s.send({ seq, ack: 1, text: MSS })
  s.expect({ ack: 2921, window: 4096 - 2920 })
  s.send({ flags: 'FA', seq: 2921, ack: 1, text: MSS })
  s.expect({ ack: 4097, window: 0 })
  s.expectState('ESTABLISHED')
  assert.equal(s.machine.counters['text-dropped'], 1)
  const got = s.read()
  assert.deepEqual(got, textOfSegments([1, 1461, 2921]).slice(0, 4096))
})

test('tcp receive: reading opens the window when it is worth a segment (RFC 9293 §3.8.6.2.2)', () => {
  const s = Script.established({ receiveBufferBytes: 4096 })
  for (const [seq, text] of [
    [1, 1460],
    [1461, 1460],
    [2921, 1176],
  ] as const) {
    s.send({ seq, ack: 1, text })
  }
  s.expect({ ack: 2921 })
  s.advance(ms(40))
  s.expect({ ack: 4097, window: 0 })
  s.read(1000)
  s.expectNothing()
  s.read(1100)
  s.expect({ ack: 4097, window: 2100 })
})

test('tcp receive: the right edge never moves back, and not by crumbs forward (RFC 9293 §3.8.6.2.2)', () => {
  const s = Script.established({ receiveBufferBytes: 4096 })
  let moves = 0
  for (let i = 0; i < 200; i++) {
    const c = s.theConnection()
    const edge = c.rcvAdv
    s.send({ seq: 1 + seqDiff(c.rcvNxt, c.irs) - 1, ack: 1, text: 50 })
    if (i % 3 === 2) s.read(100 + i)
    s.advance(ms(50))
    const moved = seqDiff(s.theConnection().rcvAdv, edge)
    assert.ok(moved === 0 || moved >= MSS, `the edge moved by ${moved}`)
    if (moved > 0) moves++
  }
  assert.ok(moves > 2)
})

test('tcp receive: with a closed window the ACK of a segment still counts (RFC 9293 §3.10.7.4, first step)', () => {
  const s = Script.established({ receiveBufferBytes: 4096 })
  for (const seq of [1, 1461]) s.send({ seq, ack: 1, text: MSS })
  s.send({ seq: 2921, ack: 1, text: 1176 })
  s.write('x')
  s.sent.length = 0
  s.send({ seq: 4097, ack: 2, text: 'no room' })
  assert.equal(s.theConnection().sndUna, s.theConnection().sndNxt)
  s.expect({ ack: 4097, window: 0 })
})

test('tcp receive: a lone FIN needs no window', () => {
  const s = Script.established({ receiveBufferBytes: 4096 })
  for (const seq of [1, 1461]) s.send({ seq, ack: 1, text: MSS })
  s.send({ seq: 2921, ack: 1, text: 1176 })
  s.advance(ms(40))
  s.sent.length = 0
  s.send({ flags: 'FA', seq: 4097, ack: 1 })
  s.expect({ ack: 4098, window: 0 })
  s.expectState('CLOSE-WAIT')
  assert.equal(s.read()?.length, 4096)
})

test('tcp receive: the number of gaps is bounded; what does not fit is dropped (OSEC-2026-11 SegmentSmack)', () => {
  const s = Script.established()
  for (let i = 0; i < 200; i++) s.send({ seq: 3 + 2 * i, ack: 1, text: 'x' })
  assert.equal(s.theConnection().reassembly.count, MAX_RANGES)
  assert.equal(s.machine.counters['text-dropped'], 200 - MAX_RANGES)
  s.send({ seq: 1, ack: 1, text: 403 })
  assert.equal(s.read()?.length, 403)
  assert.equal(s.theConnection().reassembly.count, 0)
})

test('tcp receive: a segment larger than the window around it is taken in part', () => {
  const s = Script.established({ receiveBufferBytes: 4096 })
  for (const seq of [1, 1461]) s.send({ seq, ack: 1, text: MSS })
  s.sent.length = 0
  s.send({ seq: 2900, ack: 1, text: MSS })
  s.expect({ ack: 4097 })
})

test('tcp receive: rings cost nothing before the first text, and little before much text', () => {
  const s = Script.established()
  assert.equal(s.theConnection().receiveRing.capacityBytes, 0)
  assert.equal(s.theConnection().sendRing.capacityBytes, 0)
  s.send({ seq: 1, ack: 1, text: 'x' })
  assert.equal(s.theConnection().receiveRing.capacityBytes, 4096)
})

test('tcp receive: a keep-alive probe is answered (RFC 9293 §3.8.4)', () => {
  const s = Script.established()
  s.send({ seq: 0, ack: 1 })
  s.expect({ flags: 'A', seq: 1, ack: 1 })
  s.send({ seq: 0, ack: 1, text: 'g' })
  s.expect({ flags: 'A', seq: 1, ack: 1 })
})

function textOfSegments(starts: readonly number[]): Uint8Array {
  return Uint8Array.from(starts.flatMap((start) => [...textOf(start, MSS)]))
}
