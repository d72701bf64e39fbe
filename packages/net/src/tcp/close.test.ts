/** Closing: RFC 9293 §3.6, §3.10.4, and the eighth step of §3.10.7.4. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { minutes, NEVER, seconds } from '@mirage-ts/core/time'
import type { Port } from '@mirage-ts/signatures/addresses'
import { Script } from '@mirage-ts/testing/tcp-script'
import { seqDiff } from '../seq.ts'
import { abort, close, shutdown } from './calls.ts'
import { EVENT_DELIVERED } from './connection.ts'

test('tcp ESTABLISHED: normal close from our side (RFC 9293 §3.6, figure 12)', () => {
  const s = Script.timeWait()
  assert.equal(s.events & EVENT_DELIVERED, EVENT_DELIVERED)
  s.advance(seconds(60) - 1).expectState('TIME-WAIT')
  s.advance(1).expectGone()
})

test('tcp LAST-ACK: ACK of our FIN ends the connection without TIME-WAIT (RFC 9293 §3.10.7.4)', () => {
  const s = Script.lastAck()
  s.send({ seq: 2, ack: 2 })
  s.expectNothing().expectGone()
})

test('tcp CLOSING: ACK of our FIN enters TIME-WAIT (RFC 9293 §3.6, figure 13)', () => {
  const s = Script.closing()
  s.send({ seq: 2, ack: 2 })
  s.expectNothing().expectState('TIME-WAIT')
})

test('tcp FIN-WAIT-1: FIN that acknowledges ours enters TIME-WAIT at once', () => {
  const s = Script.finWait1()
  s.send({ flags: 'FA', seq: 1, ack: 2 })
  s.expect({ flags: 'A', seq: 2, ack: 2 })
  s.expectState('TIME-WAIT')
})

test('tcp FIN-WAIT-1: our FIN is sent again until acknowledged', () => {
  const s = Script.finWait1()
  s.advance(seconds(1))
  s.expect({ flags: 'FA', seq: 1, ack: 1 })
  s.send({ seq: 1, ack: 2 }).expectState('FIN-WAIT-2')
})

test('tcp ESTABLISHED: close sends what was written before the FIN', () => {
  const s = Script.established({ noDelay: true })
  s.write(2000)
  s.shutdown()
  s.expect({ flags: 'A', seq: 1, text: 1460 })
  s.expect({ flags: 'PA', seq: 1461, text: 540 })
  s.expect({ flags: 'FA', seq: 2001, text: 0 })
  s.send({ seq: 1, ack: 2001 }).expectState('FIN-WAIT-1')
  s.send({ seq: 1, ack: 2002 }).expectState('FIN-WAIT-2')
})

test('tcp ESTABLISHED: FIN rides on the last segment that waits', () => {
  const s = Script.established({}, { window: 10 })
  s.write(20)
  s.expect({ flags: 'A', seq: 1, text: 10 })
  s.shutdown()
  s.send({ seq: 1, ack: 11, window: 100 })
  s.expect({ flags: 'FPA', seq: 11, text: 10 })
})

test('tcp FIN-WAIT-2: half-closed, text is still received (RFC 9293 §3.6)', () => {
  const s = Script.finWait2()
  s.send({ seq: 1, ack: 2, text: 'more' })
  assert.equal(s.readText(), 'more')
  s.advance(seconds(3600)).expectState('FIN-WAIT-2')
})

test('tcp FIN-WAIT-2: ends after a minute once both directions are closed', () => {
  const s = Script.finWait2()
  s.close()
  s.advance(seconds(60)).expectGone()
})

test('tcp FIN-WAIT-2: text after close is answered with RST (RFC 9293 §3.6.1, SHLD-3)', () => {
  const s = Script.finWait2()
  s.close()
  s.send({ seq: 1, ack: 2, text: 'too late' })
  s.expect({ flags: 'R', seq: 2 })
  s.expectGone()
})

test('tcp FIN-WAIT-1: text after close is acknowledged while ours is on its way', () => {
  const s = Script.established()
  s.write('answer')
  s.close()
  s.expect({ flags: 'PA', text: 'answer' })
  s.expect({ flags: 'FA' })
  s.send({ seq: 1, ack: 1, text: 'upload' })
  s.expect({ flags: 'A', ack: 7 })
  assert.equal(s.read(), undefined)
})

test('tcp CLOSE-WAIT: text can still be sent (RFC 9293 §3.6)', () => {
  const s = Script.closeWait()
  s.write('bye')
  s.expect({ flags: 'PA', seq: 1, ack: 2, text: 'bye' })
  s.shutdown()
  s.expect({ flags: 'FA', seq: 4, ack: 2 })
  s.send({ seq: 2, ack: 5 }).expectGone()
})

test('tcp CLOSE-WAIT: text beyond the FIN is ignored', () => {
  const s = Script.closeWait()
  s.send({ seq: 2, ack: 1, text: 'ghost' })
  assert.equal(s.read(), undefined)
})

test('tcp ESTABLISHED: FIN before a gap takes effect when the gap is filled', () => {
  const s = Script.established()
  s.send({ flags: 'FA', seq: 4, ack: 1, text: 'def' })
  s.expect({ flags: 'A', ack: 1 })
  s.expectState('ESTABLISHED')
  s.send({ seq: 1, ack: 1, text: 'abc' })
  s.expect({ flags: 'A', ack: 8 })
  s.expectState('CLOSE-WAIT')
  assert.equal(s.readText(), 'abcdef')
})

test('tcp TIME-WAIT: a repeated FIN is acknowledged and restarts the wait (RFC 9293 §3.10.7.4, eighth step)', () => {
  const s = Script.timeWait()
  s.advance(seconds(50))
  s.send({ flags: 'FA', seq: 1, ack: 2 })
  s.expect({ flags: 'A', seq: 2, ack: 2 })
  s.advance(seconds(59)).expectState('TIME-WAIT')
  s.advance(seconds(1)).expectGone()
})

test('tcp TIME-WAIT: a SYN with a later number opens a new connection (RFC 9293 §3.10.7.4, MAY-2)', () => {
  const s = Script.timeWait()
  const old = s.theConnection()
  s.send({ flags: 'S', seq: 100 })
  const fresh = s.machine.connectionCount
  assert.equal(fresh, 1)
  assert.ok(((s.sent[0]?.header.seq ?? 0) - old.sndNxt) | 0, 'the new numbers are beyond the old ones')
  s.expect({ flags: 'SA', ack: 101 })
  s.expectState('CLOSED')
})

test('tcp TIME-WAIT: with timestamps a later one decides, whatever the number (RFC 6191 §2)', () => {
  const inTimeWait = (): Script => {
    const s = Script.established({}, { timestamps: [100, 0] })
    s.shutdown()
    s.expect({ flags: 'FA' })
    s.send({ flags: 'FA', seq: 1, ack: 2, timestamps: [200, 0] })
    s.expect({ flags: 'A' })
    return s.expectState('TIME-WAIT')
  }
  inTimeWait()
    .send({ flags: 'S', seq: -500, timestamps: [201, 0] })
    .expect({ flags: 'SA' })
  inTimeWait()
    .send({ flags: 'S', seq: 500, timestamps: [199, 0] })
    .expect({ flags: 'A' })
  inTimeWait()
    .send({ flags: 'S', seq: 500, timestamps: [200, 0] })
    .expect({ flags: 'SA' })
  inTimeWait()
    .send({ flags: 'S', seq: -500, timestamps: [200, 0] })
    .expect({ flags: 'A' })
})

test('tcp TIME-WAIT: sets no alarm, and ends all the same', () => {
  const s = Script.timeWait()
  s.advance(seconds(1)).expectState('TIME-WAIT')
  assert.equal(s.machine.nextDeadline(), Number.POSITIVE_INFINITY)
  s.now = (s.now + seconds(61)) as typeof s.now
  s.send({ flags: 'S', seq: -500 })
  s.expect({ flags: 'SA' })
})

test('tcp TIME-WAIT: an old SYN does not', () => {
  const s = Script.timeWait()
  s.send({ flags: 'S', seq: 1 })
  s.expectState('TIME-WAIT')
})

test('tcp TIME-WAIT: their number is bounded, the oldest goes', () => {
  const s = Script.listening({ maxTimeWait: 4 })
  for (let port = 1; port <= 20; port++) {
    const peer = port as Port
    s.send({ flags: 'S', seq: 0 }, undefined, peer)
    s.expect({ flags: 'SA' })
    s.send({ seq: 1, ack: 1 }, undefined, peer)
    s.shutdown()
    s.expect({ flags: 'FA' })
    s.send({ flags: 'FA', seq: 1, ack: 2 }, undefined, peer)
    s.expect({ flags: 'A' })
  }
  assert.equal(s.machine.connectionCount, 4)
  s.advance(seconds(60))
  assert.equal(s.machine.connectionCount, 0)
})

test('tcp TIME-WAIT: gives way when there are too many connections', () => {
  const s = Script.timeWait({ maxConnections: 1 })
  s.send({ flags: 'S', seq: 0 }, undefined, 5 as Port)
  s.expect({ flags: 'SA' })
  s.expectState('CLOSED')
})

test('tcp CLOSED: calls on a connection that is gone do nothing', () => {
  const s = Script.established()
  s.abort()
  s.expect({ flags: 'RA' })
  assert.equal(s.write('x'), 0)
  assert.equal(s.read(), undefined)
  s.shutdown()
  s.close()
  s.abort()
  s.expectNothing().expectGone('closed')
})

test('tcp: however a connection ends, nothing of it is left (tcpip #489: three leaks on closing; #460)', () => {
  const EVENTS = ['write', 'shutdown', 'close', 'abort', 'ack', 'fin', 'reset', 'wait'] as const
  const DEPTH = 4
  for (let number = 0; number < EVENTS.length ** DEPTH; number++) {
    const s = Script.established()
    const c = s.theConnection()
    let peerSeq = 1
    const names: string[] = []
    for (let step = 0, rest = number; step < DEPTH; step++, rest = Math.floor(rest / EVENTS.length)) {
      const event = EVENTS[rest % EVENTS.length]
      names.push(event ?? '')
      const ack = seqDiff(c.sndNxt, c.iss)
      if (event === 'write') s.write('x'.repeat(3000))
      else if (event === 'shutdown') shutdown(s.machine, c, s.now)
      else if (event === 'close') close(s.machine, c, s.now)
      else if (event === 'abort') abort(s.machine, c, 'closed', s.now)
      else if (event === 'ack') s.send({ seq: peerSeq, ack, text: 'y' })
      else if (event === 'reset') s.send({ flags: 'R', seq: peerSeq })
      else if (event === 'fin') s.send({ flags: 'FA', seq: peerSeq, ack })
      else s.advance(seconds(2))
      if (event === 'ack' || event === 'fin') peerSeq++
      s.sent.length = 0
    }
    // At the latest now its user lets go of it, and the peer is never heard of again.
    close(s.machine, c, s.now)
    s.advance(minutes(30))
    s.machine.expireTimeWait(s.now)
    const left = [s.machine.connectionCount, s.machine.memory.usedBytes, s.lentCount, s.machine.nextDeadline()]
    assert.deepEqual(left, [0, 0, 0, NEVER], names.join(', '))
  }
})
