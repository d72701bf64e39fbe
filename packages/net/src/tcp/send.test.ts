/** Sending: windows, small segments, retransmission, probes (RFC 9293 §3.8, RFC 6298, RFC 5681, RFC 6582). */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ms, seconds } from '@mirage-ts/core/time'
import { Script, textOf } from '@mirage-ts/testing/tcp-script'
import { EVENT_WRITABLE } from './connection.ts'

const MSS = 1460

/** Sends `count` full segments, all in flight. */
function inFlight(count: number): Script {
  const s = Script.established()
  s.write(count * MSS)
  for (let i = 0; i < count; i++) s.expect({ seq: 1 + i * MSS, text: MSS })
  return s.expectNothing()
}

test('tcp send: PSH goes with the last octet that waits (RFC 9293 §3.9.1.2)', () => {
  const s = Script.established()
  s.write(2 * MSS)
  s.expect({ flags: 'A', text: MSS })
  assert.deepEqual(s.expect({ flags: 'PA', text: MSS }), textOf(1 + MSS, MSS))
})

test('tcp send: not more than the peer’s window, scaled (RFC 7323 §2.3)', () => {
  const s = Script.established({}, { window: 1024, windowScale: 4 })
  s.write(5000)
  s.expect({ text: 1024, seq: 1 })
  s.expectNothing()
  s.send({ seq: 1, ack: 1025, window: 3000 >> 4 })
  s.expect({ text: MSS, seq: 1025 })
  s.expect({ text: MSS })
  // 2992 octets, a multiple of the scale; the 72 left are less than a segment.
  s.expectNothing()
})

test('tcp send: the window of a SYN is not scaled (RFC 7323 §2.2)', () => {
  const s = Script.synReceived({}, { window: 1000, windowScale: 4 })
  assert.equal(s.theConnection().sndWnd, 1000)
})

test('tcp send: an older segment does not change the window (RFC 9293 §3.10.7.4, SND.WL1)', () => {
  const s = Script.established()
  s.send({ seq: 10, ack: 1, text: 'later', window: 5000 })
  s.send({ seq: 1, ack: 1, text: 'x', window: 9 })
  assert.equal(s.theConnection().sndWnd, 5000)
})

test('tcp send: slow start begins with ten segments (RFC 6928)', () => {
  const s = Script.established()
  s.write(100_000)
  for (let i = 0; i < 10; i++) s.expect({ text: MSS })
  s.expectNothing()
  s.send({ seq: 1, ack: 1 + 2 * MSS })
  for (let i = 0; i < 3; i++) s.expect({ text: MSS })
  s.expectNothing()
})

test('tcp send: Nagle holds a small segment while another is in flight (RFC 9293 §3.7.4)', () => {
  const s = Script.established()
  s.write('a')
  s.expect({ text: 'a' })
  s.write('b')
  s.write('c')
  s.expectNothing()
  s.send({ seq: 1, ack: 2 })
  s.expect({ text: 'bc' })
})

test('tcp send: the tail of a long write is not held (Minshall)', () => {
  const s = Script.established()
  s.write(MSS + 10)
  s.expect({ text: MSS })
  s.expect({ flags: 'PA', text: 10 })
})

test('tcp send: noDelay sends at once (RFC 9293 §3.7.4, MUST-17)', () => {
  const s = Script.established({ noDelay: true })
  s.write('a')
  s.write('b')
  s.expect({ text: 'a' })
  s.expect({ text: 'b' })
})

test('tcp send: a window below a segment is not filled with crumbs (RFC 9293 §3.8.6.2.1)', () => {
  const s = Script.established({}, { window: 4000 })
  s.write(8000)
  s.expect({ text: MSS })
  s.expect({ text: MSS })
  // 1080 octets of window are left: less than a segment.
  s.expectNothing()
  s.send({ seq: 1, ack: 1 + MSS, window: 2600 })
  s.expectNothing()
  s.send({ seq: 1, ack: 1 + 2 * MSS, window: 4000 })
  s.expect({ text: MSS })
  s.expect({ text: MSS })
})

test('tcp send: the user hears of room when a quarter of the buffer is free', () => {
  const s = Script.established({ sendBufferBytes: 4096 })
  assert.equal(s.write(5000), 4096)
  assert.equal(s.write('x'), 0)
  s.events = 0
  s.send({ seq: 1, ack: 1 + 1000 })
  assert.equal(s.events & EVENT_WRITABLE, 0)
  s.send({ seq: 1, ack: 1 + 1024 })
  assert.equal(s.events & EVENT_WRITABLE, EVENT_WRITABLE)
})

test('tcp send: acknowledges what it received with what it sends', () => {
  const s = Script.established()
  s.send({ seq: 1, ack: 1, text: 'ping' })
  s.expectNothing()
  s.write('pong')
  s.expect({ seq: 1, ack: 5, text: 'pong' })
  s.send({ seq: 5, ack: 5 })
  s.advance(seconds(1)).expectNothing()
})

test('tcp retransmission: after RTO, doubling, from the first octet, one segment (RFC 6298 §5, RFC 5681 §3.1)', () => {
  const s = inFlight(4)
  let pause = s.theConnection().rtt.rtoUs
  for (let i = 0; i < 3; i++) {
    s.advance(pause - 1).expectNothing()
    s.advance(1)
    assert.deepEqual(s.expect({ seq: 1, text: MSS }), textOf(1, MSS))
    s.expectNothing()
    pause *= 2
  }
  s.send({ seq: 1, ack: 1 + MSS })
  s.expect({ seq: 1 + MSS, text: MSS })
  s.expect({ seq: 1 + 2 * MSS, text: MSS })
  s.expectNothing()
})

test('tcp retransmission: an ACK beyond what was sent again skips the rest', () => {
  const s = inFlight(4)
  s.advance(s.theConnection().rtt.rtoUs)
  s.expect({ seq: 1 })
  s.send({ seq: 1, ack: 1 + 4 * MSS })
  s.advance(seconds(10)).expectNothing()
})

test('tcp retransmission: a retransmitted segment is not timed (RFC 6298 §3, Karn)', () => {
  const s = inFlight(1)
  const before = s.theConnection().rtt.srttUs
  s.advance(s.theConnection().rtt.rtoUs)
  s.expect({ seq: 1 })
  const backedOff = s.theConnection().rtt.rtoUs
  s.advance(ms(5))
  s.send({ seq: 1, ack: 1 + MSS })
  assert.equal(s.theConnection().rtt.srttUs, before)
  assert.equal(s.theConnection().rtt.rtoUs, backedOff)
  // The next one without a timeout ends backing off (a deviation that rtt.ts explains).
  s.write(MSS)
  s.send({ seq: 1, ack: 1 + 2 * MSS })
  assert.ok(s.theConnection().rtt.rtoUs < backedOff)
})

test('tcp retransmission: gives up after 100 s of silence (RFC 9293 §3.8.3, R2; mirage #622 write never returns)', () => {
  const s = inFlight(1)
  s.advance(seconds(100) - 1).expectState('ESTABLISHED')
  s.advance(1)
  s.expectGone('timed-out')
})

test('tcp fast retransmit: the third duplicate sends the first segment again (RFC 5681 §3.2)', () => {
  const s = inFlight(8)
  s.send({ seq: 1, ack: 1 }).send({ seq: 1, ack: 1 }).expectNothing()
  s.send({ seq: 1, ack: 1 })
  assert.deepEqual(s.expect({ seq: 1, text: MSS }), textOf(1, MSS))
  s.expectNothing()
  const { congestion } = s.theConnection()
  assert.equal(congestion.ssthreshBytes, 4 * MSS)
  s.send({ seq: 1, ack: 1 + 8 * MSS })
  assert.equal(s.theConnection().isRecovering, false)
  assert.equal(congestion.cwndBytes, 2 * MSS)
})

test('tcp fast retransmit: a partial ACK sends the next hole (RFC 6582 §3.2, step 3)', () => {
  const s = inFlight(8)
  for (let i = 0; i < 3; i++) s.send({ seq: 1, ack: 1 })
  s.expect({ seq: 1 })
  s.send({ seq: 1, ack: 1 + 3 * MSS })
  assert.deepEqual(s.expect({ seq: 1 + 3 * MSS, text: MSS }), textOf(1 + 3 * MSS, MSS))
  assert.equal(s.theConnection().isRecovering, true)
  s.send({ seq: 1, ack: 1 + 8 * MSS })
  assert.equal(s.theConnection().isRecovering, false)
})

test('tcp fast retransmit: once for a window of data (RFC 6582 §3.2, step 2)', () => {
  const s = inFlight(8)
  s.advance(s.theConnection().rtt.rtoUs)
  s.expect({ seq: 1 })
  for (let i = 0; i < 6; i++) s.send({ seq: 1, ack: 1 })
  assert.equal(s.machine.counters.fastRetransmits, 0)
})

test('tcp fast retransmit: text, another window or an idle connection make no duplicate (RFC 5681 §2)', () => {
  const s = inFlight(8)
  for (let i = 0; i < 5; i++) s.send({ seq: 1 + i, ack: 1, text: 'x' })
  for (let i = 0; i < 5; i++) s.send({ seq: 6, ack: 1, window: 60_000 + i })
  assert.equal(s.theConnection().duplicateAcks, 0)
})

test('tcp limited transmit: the first two duplicates send a new segment each (RFC 3042)', () => {
  const s = Script.established()
  s.write(20 * MSS)
  for (let i = 0; i < 10; i++) s.expect({ text: MSS })
  s.expectNothing()
  s.send({ seq: 1, ack: 1 })
  s.expect({ seq: 1 + 10 * MSS })
  s.send({ seq: 1, ack: 1 })
  s.expect({ seq: 1 + 11 * MSS })
  s.expectNothing()
  s.send({ seq: 1, ack: 1 })
  s.expect({ seq: 1 })
})

test('tcp persist: probes a closed window with one octet, pauses doubling (RFC 9293 §3.8.6.1; utcp: persist timer)', () => {
  const s = Script.established({}, { window: 0 })
  s.write(3000)
  s.expectNothing()
  let pause = s.theConnection().rtt.rtoUs
  for (let i = 0; i < 4; i++) {
    s.advance(pause - 1).expectNothing()
    s.advance(1)
    assert.deepEqual(s.expect({ seq: 1, text: 1 }), textOf(1, 1))
    s.send({ seq: 1, ack: 1, window: 0 })
    pause *= 2
  }
  // The window opens: everything from the first octet on.
  s.send({ seq: 1, ack: 1, window: 65535 })
  s.expect({ seq: 1, text: MSS })
  s.expect({ seq: 1 + MSS, text: MSS })
  s.expect({ seq: 1 + 2 * MSS, text: 80 })
})

test('tcp persist: a peer that takes the octet of the probe', () => {
  const s = Script.established({}, { window: 0 })
  s.write(3000)
  s.advance(s.theConnection().rtt.rtoUs)
  s.expect({ seq: 1, text: 1 })
  s.send({ seq: 1, ack: 2, window: 10_000 })
  s.expect({ seq: 2, text: MSS })
})

test('tcp persist: answered probes keep the connection for ever (RFC 9293 §3.8.6.1, MUST-37)', () => {
  const s = Script.established({}, { window: 0 })
  s.write('x')
  for (let i = 0; i < 100; i++) {
    s.advance(seconds(60))
    if (s.sent.length > 0) s.send({ seq: 1, ack: 1, window: 0 })
    s.sent.length = 0
  }
  s.expectState('ESTABLISHED')
})

test('tcp persist: but not once the user has closed (RFC 6429 §5)', () => {
  const s = Script.established({}, { window: 0 })
  s.write('x')
  s.close()
  for (let i = 0; i < 10; i++) {
    s.advance(seconds(20))
    if (s.sent.length > 0) s.send({ seq: 1, ack: 1, window: 0 })
    s.sent.length = 0
  }
  s.expectGone('timed-out')
})

test('tcp persist: unanswered probes end like any silence', () => {
  const s = Script.established({}, { window: 0 })
  s.write('x')
  s.advance(seconds(200))
  s.expectGone('timed-out')
})

test('tcp persist: a tiny window is used after the override timeout (RFC 9293 §3.8.6.2.1)', () => {
  const s = Script.established({}, { window: 30_000 })
  s.send({ seq: 1, ack: 1, window: 5 })
  s.write(100)
  s.expectNothing()
  s.advance(s.theConnection().rtt.rtoUs)
  s.expect({ seq: 1, text: 5 })
})

test('tcp persist: a FIN alone waits for the window too', () => {
  const s = Script.established({}, { window: 0 })
  s.shutdown()
  s.expectNothing()
  s.advance(s.theConnection().rtt.rtoUs)
  s.expect({ flags: 'FA', seq: 1 })
  s.send({ seq: 1, ack: 2, window: 0 }).expectState('FIN-WAIT-2')
})

test('tcp persist: a window that closes over what is in flight is probed, and no reason to give up', () => {
  const s = inFlight(2)
  s.send({ seq: 1, ack: 1, window: 0 })
  for (let i = 0; i < 50; i++) {
    s.advance(seconds(10))
    if (s.sent.length > 0) {
      s.expect({ seq: 1, text: 1 })
      s.send({ seq: 1, ack: 1, window: 0 })
    }
    s.sent.length = 0
  }
  s.send({ seq: 1, ack: 1, window: 65535 })
  s.expect({ seq: 1, text: MSS })
  s.send({ seq: 1, ack: 1 + MSS, window: 65535 })
  s.expect({ seq: 1 + MSS, text: MSS })
})

test('tcp: two peers with closed windows do not deadlock (mirage-tcpip #340)', () => {
  // We have probed, so SND.NXT is beyond the peer's window; our acknowledgement must still be acceptable to it.
  const s = Script.established({ receiveBufferBytes: 4096 }, { window: 0 })
  s.write('ours')
  s.send({ seq: 1, ack: 1, text: 1460, window: 0 })
  s.send({ seq: 1461, ack: 1, text: 1460, window: 0 })
  s.send({ seq: 2921, ack: 1, text: 1176, window: 0 })
  s.advance(seconds(3))
  while (s.sent.length > 1) s.sent.shift()
  s.expect({ text: 'o' })
  // Its probe finds our window closed: it is answered at the edge of its window, not beyond.
  s.send({ seq: 4097, ack: 1, text: 'p', window: 0 })
  s.expect({ seq: 1, ack: 4097, window: 0, text: '' })
  // And the acknowledgement that a probe carries counts although its text does not fit.
  s.send({ seq: 4097, ack: 1, text: 'p', window: 1000 })
  s.expect({ seq: 1, text: 'ours' })
})

test('tcp send: while the device has no room work waits and is asked for again within a millisecond', () => {
  const s = Script.established()
  s.isFull = true
  s.write('hello')
  s.send({ seq: 1, ack: 1, text: 'x' }).send({ seq: 2, ack: 1, text: 'y' })
  s.expectNothing()
  s.advance(ms(50)).expectNothing()
  s.isFull = false
  s.advance(ms(1))
  s.expect({ seq: 1, ack: 3, text: 'hello' })
  s.expectNothing()
  assert.equal(s.lentCount, 0)
})

test('tcp send: a SYN, a fast retransmit and a probe wait for room too', () => {
  const s = Script.synSent()
  s.isFull = true
  s.advance(seconds(1) + ms(10))
  s.isFull = false
  s.advance(ms(1))
  s.expect({ flags: 'S' })

  const lossy = inFlight(8)
  lossy.isFull = true
  for (let i = 0; i < 3; i++) lossy.send({ seq: 1, ack: 1 })
  lossy.isFull = false
  lossy.advance(ms(1))
  lossy.expect({ seq: 1, text: MSS })

  const shut = Script.established({}, { window: 0 })
  shut.write('z')
  shut.isFull = true
  shut.advance(shut.theConnection().rtt.rtoUs)
  shut.isFull = false
  shut.advance(ms(1))
  shut.expect({ seq: 1, text: 'z' })
})

test('tcp send: after idling longer than RTO the window starts again (RFC 5681 §4.1)', () => {
  const s = inFlight(10)
  s.send({ seq: 1, ack: 1 + 10 * MSS })
  s.theConnection().congestion.onAck(MSS, 0, 0, 0)
  assert.ok(s.theConnection().congestion.cwndBytes > 10 * MSS)
  s.advance(seconds(5))
  s.write('x')
  assert.equal(s.theConnection().congestion.cwndBytes, 10 * MSS)
})
