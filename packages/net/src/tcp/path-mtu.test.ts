/** Path MTU: RFC 1191, RFC 5927, RFC 4821 §7.7. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createFrame } from '@mirage-ts/core/bytes'
import { seconds } from '@mirage-ts/core/time'
import { OUR_PORT, PEER, PEER_PORT, Script, textOf, US } from '@mirage-ts/testing/tcp-script'
import { seqAdd } from '../seq.ts'

const MSS = 1460

/** An ICMP error quotes the segment of ours that begins at `number`; the network layer takes `mtuBytes` now. */
function tooLong(s: Script, number: number, mtuBytes: number): void {
  s.mtuBytes = mtuBytes
  const frame = createFrame(8)
  frame.dv.setUint16(0, OUR_PORT)
  frame.dv.setUint16(2, PEER_PORT)
  frame.dv.setUint32(4, seqAdd(s.theConnection().iss, number))
  s.machine.inputError('fragmentation-needed', frame, 0, 8, US, PEER, s.now)
}

test('tcp path mtu: what was too long is sent again in smaller segments, at once (RFC 1191 §6.4)', () => {
  const s = Script.established()
  s.write(4 * MSS)
  for (let i = 0; i < 4; i++) s.expect({ text: MSS })
  const { cwndBytes } = s.theConnection().congestion
  tooLong(s, 1, 1020)
  assert.deepEqual(s.expect({ seq: 1, text: 1000 }), textOf(1, 1000))
  s.expect({ seq: 1001, text: 1000 })
  assert.equal(s.theConnection().congestion.cwndBytes, cwndBytes)
  assert.equal(s.machine.counters.pathMtuReductions, 1)
  s.sent.length = 0
  s.send({ seq: 1, ack: 1 + 4 * MSS })
  s.write(3000)
  s.expect({ text: 1000 })
})

test('tcp path mtu: an error about nothing in flight is no error of ours (RFC 5927 §4.1)', () => {
  const s = Script.established()
  s.write(MSS)
  s.expect({ text: MSS })
  tooLong(s, 1 + MSS, 1020)
  tooLong(s, -5, 1020)
  s.expectNothing()
  assert.equal(s.theConnection().sndMss, MSS)
  assert.equal(s.machine.counters['bad-icmp'], 2)
})

test('tcp path mtu: never longer segments, never below the least (CVE-2019-11479)', () => {
  const s = Script.established()
  s.write(MSS)
  s.expect({ text: MSS })
  tooLong(s, 1, 9000)
  s.expectNothing()
  tooLong(s, 1, 30)
  s.expect({ seq: 1, text: 64 })
})

test('tcp path mtu: long segments that are lost without a word become shorter (RFC 4821 §7.7)', () => {
  const s = Script.established()
  s.write(4 * MSS)
  for (let i = 0; i < 4; i++) s.expect({ text: MSS })
  for (const text of [MSS, MSS, MSS, 1200, 536, 536]) {
    s.advance(s.theConnection().sendAtUs - s.now)
    assert.deepEqual(s.expect({ seq: 1, text }), textOf(1, text))
    s.sent.length = 0
  }
  assert.equal(s.machine.counters.blackHoles, 2)
})

test('tcp path mtu: short segments that are lost are no reason to send shorter ones', () => {
  const s = Script.established()
  s.write(100)
  s.advance(seconds(60))
  assert.equal(s.theConnection().sndMss, MSS)
})
