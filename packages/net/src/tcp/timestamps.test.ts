/** Timestamps (RFC 7323). */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ms, seconds } from '@mirage-ts/core/time'
import { Script } from '@mirage-ts/testing/tcp-script'
import { tickAt } from './timestamps.ts'

const MSS = 1460

function established(): Script {
  return Script.established({}, { timestamps: [100, 0] })
}

/** Our clock now. */
function clock(s: Script): number {
  return tickAt(s.now, s.theConnection().tsOffset)
}

test('tcp timestamps: in every segment once both SYNs have them, echoing the peer’s (RFC 7323 §3.2)', () => {
  const s = Script.listening()
  s.send({ flags: 'S', seq: 0, timestamps: [100, 0] })
  const started = s.now
  s.expect({ flags: 'SA' })
  s.connection = s.machine.find(...find(s))
  s.send({ seq: 1, ack: 1, timestamps: [101, clock(s)] })
  s.advance(ms(10))
  s.write('x')
  s.expect({ text: 'x', timestamps: [(clock(s) - 10 + (s.now - started) / 1000) | 0, 101] })
})

test('tcp timestamps: none to a peer without them, nor when turned off', () => {
  const s = Script.established()
  s.write('x')
  s.expect({ text: 'x', timestamps: [0, 0] })
  const off = Script.established({ timestamps: false }, { timestamps: [100, 0] })
  off.write('x')
  off.expect({ text: 'x', timestamps: [0, 0] })
})

test('tcp timestamps: segments carry less text for them (RFC 9293 §3.7.1, SHLD-8)', () => {
  const s = established()
  s.write(3000)
  s.expect({ text: MSS - 12 })
})

test('tcp timestamps: a segment without one is dropped, a reset is not (RFC 7323 §3.2)', () => {
  const s = established()
  s.send({ seq: 1, ack: 1, text: 'x' }).expectNothing()
  assert.equal(s.machine.counters['no-timestamp'], 1)
  s.send({ flags: 'RA', seq: 1, ack: 1 })
  s.expectGone('connection-reset')
})

test('tcp paws: a segment with an older timestamp is dropped and answered (RFC 7323 §5.3, R1)', () => {
  const s = established()
  s.send({ seq: 1, ack: 1, text: 'new', timestamps: [200, 0] })
  s.advance(seconds(1)).expect({ ack: 4 })
  s.send({ seq: 4, ack: 1, text: 'old', timestamps: [199, 0] })
  s.expect({ ack: 4, text: 0 })
  assert.equal(s.machine.counters.paws, 1)
  assert.equal(s.readText(), 'new')
})

test('tcp paws: the clock may wrap (RFC 7323 §5.2)', () => {
  const s = Script.established({}, { timestamps: [0xffffffff, 0] })
  s.send({ seq: 1, ack: 1, text: 'x', timestamps: [5, 0] })
  assert.equal(s.readText(), 'x')
})

test('tcp paws: a timestamp not renewed for 24 days says nothing (RFC 7323 §5.5)', () => {
  const s = established()
  s.advance(25 * 86_400 * 1e6)
  s.send({ seq: 1, ack: 1, text: 'x', timestamps: [99, 0] })
  assert.equal(s.readText(), 'x')
})

test('tcp timestamps: what is out of order does not change the echo (RFC 7323 §4.3)', () => {
  const s = established()
  s.send({ seq: 11, ack: 1, text: 10, timestamps: [300, 0] })
  s.expect({ ack: 1, timestamps: [clock(s), 100] })
  s.send({ seq: 1, ack: 1, text: 10, timestamps: [250, 0] })
  s.expect({ ack: 21, timestamps: [clock(s), 250] })
})

test('tcp timestamps: a delayed acknowledgement echoes the earlier of its segments (RFC 7323 §4.3 (A))', () => {
  const s = established()
  s.send({ seq: 1, ack: 1, text: 10, timestamps: [110, 0] })
  s.send({ seq: 11, ack: 1, text: 10, timestamps: [120, 0] })
  s.expect({ ack: 21, timestamps: [clock(s), 110] })
})

test('tcp timestamps: a segment sent again is measured by its echo (RFC 7323 §4.1)', () => {
  const s = established()
  s.write(MSS - 12)
  s.expect({ seq: 1 })
  s.advance(s.theConnection().rtt.rtoUs)
  s.expect({ seq: 1 })
  const resentAt = clock(s)
  s.advance(ms(300))
  s.send({ seq: 1, ack: 1 + MSS - 12, timestamps: [110, resentAt] })
  const { rtt } = s.theConnection()
  assert.ok(rtt.srttUs > 0)
  assert.ok(rtt.rtoUs < seconds(1), `rto is ${rtt.rtoUs} µs, not backed off`)
})

function find(s: Script): Parameters<Script['machine']['find']> {
  const listener = s.listener
  assert.ok(listener !== undefined)
  return [0x0a000001 as never, listener.port, 0x0a000002 as never, 40000 as never]
}
