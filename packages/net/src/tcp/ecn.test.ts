/** Explicit congestion notification (RFC 3168). */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createFrame } from '@mirage-ts/core/bytes'
import { seconds } from '@mirage-ts/core/time'
import { Script } from '@mirage-ts/testing/tcp-script'
import { isCongestionExperienced } from './ecn.ts'

const MSS = 1460

/** A peer that knows marks has connected. */
function established(): Script {
  const s = Script.listening({ ecn: true })
  s.send({ flags: 'SEC', seq: 0 })
  s.expect({ flags: 'SAE', seq: 0, ack: 1 })
  s.send({ seq: 1, ack: 1 })
  return s.expectState('ESTABLISHED')
}

test('tcp ecn: negotiated by SYNs, not with a peer that does not, nor when turned off (RFC 3168 §6.1.1)', () => {
  established()
  for (const [flags, ecn] of [
    ['S', true],
    ['SE', true],
    ['SEC', false],
  ] as const) {
    const s = Script.listening({ ecn })
    s.send({ flags, seq: 0 })
    s.expect({ flags: 'SA' })
    s.send({ seq: 1, ack: 1 })
    s.write('x')
    s.expect({ text: 'x', marked: false })
  }
})

test('tcp ecn: our SYN asks for it; the answer decides; a second SYN does without (RFC 3168 §6.1.1.1)', () => {
  const s = new Script({ ecn: true })
  s.connect()
  s.expect({ flags: 'SEC', marked: false })
  s.advance(seconds(1))
  s.expect({ flags: 'S' })
  const yes = new Script({ ecn: true })
  yes.connect()
  yes.expect({ flags: 'SEC' })
  yes.send({ flags: 'SAE', seq: 0, ack: 1 })
  assert.equal(yes.theConnection().isEcn, true)
  const mirrored = new Script({ ecn: true })
  mirrored.connect()
  mirrored.expect({ flags: 'SEC' })
  mirrored.send({ flags: 'SAEC', seq: 0, ack: 1 })
  assert.equal(mirrored.theConnection().isEcn, false)
})

test('tcp ecn: new text asks for marks; acknowledgements and copies do not (RFC 3168 §6.1.4, §6.1.5)', () => {
  const s = established()
  s.write('x')
  s.expect({ text: 'x', marked: true })
  s.advance(seconds(1))
  s.expect({ text: 'x', marked: false })
  s.sent.length = 0
  s.send({ seq: 1, ack: 2, text: 10 }).send({ seq: 11, ack: 2, text: 10 })
  s.expect({ ack: 21, text: '', marked: false })
})

test('tcp ecn: a mark is echoed at once, and until the peer has slowed down (RFC 3168 §6.1.3)', () => {
  const s = established()
  s.send({ seq: 1, ack: 1, text: 10, marked: true })
  s.expect({ flags: 'AE', ack: 11 })
  s.send({ seq: 11, ack: 1, text: 10 }).send({ seq: 21, ack: 1, text: 10 })
  s.expect({ flags: 'AE', ack: 31 })
  s.send({ flags: 'AC', seq: 31, ack: 1, text: 10 }).send({ seq: 41, ack: 1, text: 10 })
  s.expect({ flags: 'A', ack: 51 })
})

test('tcp ecn: an echo halves the window once for a window of data, and is answered (RFC 3168 §6.1.2)', () => {
  const s = established()
  s.write(20 * MSS)
  for (let i = 0; i < 10; i++) s.expect({ text: MSS })
  s.send({ flags: 'AE', seq: 1, ack: 1 + MSS })
  const { congestion } = s.theConnection()
  assert.equal(congestion.ssthreshBytes, (9 * MSS) >> 1)
  assert.equal(congestion.cwndBytes, (9 * MSS) >> 1)
  s.send({ flags: 'AE', seq: 1, ack: 1 + 2 * MSS })
  assert.equal(congestion.ssthreshBytes, (9 * MSS) >> 1)
  s.send({ flags: 'AE', seq: 1, ack: 1 + 8 * MSS })
  s.expect({ flags: 'AC', text: MSS, marked: true })
  s.expect({ flags: 'A', text: MSS })
  assert.equal(s.machine.counters.marksEchoed, 1)
  assert.equal(s.machine.counters.retransmittedSegments, 0)
})

test('tcp ecn: the mark lies in the second octet of IPv4, and across the first two of IPv6', () => {
  const frame = createFrame(60)
  frame.u8.set([0x45, 0x03], 10)
  assert.ok(isCongestionExperienced(frame, 10))
  frame.u8.set([0x45, 0x02], 10)
  assert.ok(!isCongestionExperienced(frame, 10))
  frame.u8.set([0x60, 0x30], 10)
  assert.ok(isCongestionExperienced(frame, 10))
  frame.u8.set([0x63, 0x03], 10)
  assert.ok(!isCongestionExperienced(frame, 10))
})
