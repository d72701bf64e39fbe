/** Keep-alive (RFC 9293 §3.8.4). */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { minutes, seconds } from '@mirage-ts/core/time'
import { Script } from '@mirage-ts/testing/tcp-script'
import { tune } from './calls.ts'

test('tcp keep-alive: off unless asked for (RFC 9293 §3.8.4, MUST-25)', () => {
  const s = Script.established()
  s.advance(minutes(60 * 24)).expectNothing()
})

test('tcp keep-alive: a probe outside of the window after the time of silence, none while segments come', () => {
  const s = Script.established({ keepAlive: minutes(10) })
  s.advance(minutes(5))
  s.send({ seq: 1, ack: 1 })
  s.advance(minutes(10) - 1).expectNothing()
  s.advance(1)
  s.expect({ flags: 'A', seq: 0, ack: 1, text: '' })
  s.send({ seq: 1, ack: 1 })
  s.advance(minutes(10) - 1).expectNothing()
  s.advance(1)
  s.expect({ seq: 0 })
})

test('tcp keep-alive: nine probes without an answer end the connection, also one that only reads', () => {
  const s = Script.established({ keepAlive: minutes(10) })
  s.shutdown()
  s.expect({ flags: 'FA', seq: 1 })
  s.send({ seq: 1, ack: 2 }).expectState('FIN-WAIT-2')
  s.advance(minutes(10))
  for (let i = 0; i < 9; i++) {
    s.expect({ seq: 1, ack: 1, text: '' })
    s.advance(seconds(75))
  }
  s.expectGone('timed-out')
})

test('tcp keep-alive: what is in flight is asked about by retransmission', () => {
  const s = Script.established({ keepAlive: seconds(1), userTimeout: seconds(100) })
  s.write('x')
  s.expect({ text: 'x' })
  s.advance(seconds(30))
  assert.equal(s.machine.counters.keepAlives, 0)
})

test('tcp keep-alive, user timeout, no delay: of one connection, in place of the settings of all', () => {
  const s = Script.established()
  const c = s.theConnection()
  tune(s.machine, c, minutes(10), seconds(5), true, undefined, s.now)
  s.advance(minutes(10))
  s.expect({ flags: 'A', seq: 0, ack: 1, text: '' })
  s.send({ seq: 1, ack: 1 })
  s.write('x')
  s.expect({ text: 'x' })
  s.write('y')
  s.expect({ text: 'y' })
  assert.equal(s.machine.counters.timeouts, 0)
  s.advance(seconds(5))
  assert.ok(s.machine.counters.timeouts > 0)
  s.expectGone('timed-out')
})

test('tcp keep-alive: of a connection that has ended nothing is left to tune', () => {
  const s = Script.timeWait({ keepAlive: minutes(1) })
  const c = s.theConnection()
  tune(s.machine, c, seconds(1), undefined, undefined, undefined, s.now)
  assert.equal(c.tuning, undefined)
  s.advance(seconds(30)).expectNothing()
})
