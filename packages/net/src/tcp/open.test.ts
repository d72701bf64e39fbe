/** Opening: CLOSED, LISTEN, SYN-SENT, SYN-RECEIVED (RFC 9293 §3.10.7.1 to §3.10.7.4). */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ipv4 } from '@mirage-ts/core/addresses'
import { seconds } from '@mirage-ts/core/time'
import type { Port } from '@mirage-ts/signatures/addresses'
import { PEER, PEER_PORT, Script } from '@mirage-ts/testing/tcp-script'
import { EVENT_ESTABLISHED } from './connection.ts'

test('tcp CLOSED: answers a segment without ACK with RST,ACK (RFC 9293 §3.10.7.1)', () => {
  const s = new Script()
  s.send({ flags: 'S', seq: 0 })
  s.expect({ flags: 'RA', ack: 1 })
  s.send({ flags: 'F', seq: 5, text: 'abc' })
  s.expect({ flags: 'RA', ack: 9 })
})

test('tcp CLOSED: answers a segment with ACK with RST at its ACK (RFC 9293 §3.10.7.1)', () => {
  const s = new Script()
  s.send({ seq: 7, ack: 33 })
  assert.equal(s.sent[0]?.header.seq, 33)
  s.expect({ flags: 'R' })
})

test('tcp CLOSED: ignores RST (RFC 9293 §3.10.7.1)', () => {
  new Script().send({ flags: 'R', seq: 0 }).expectNothing()
})

test('tcp LISTEN: ignores RST (RFC 9293 §3.10.7.2)', () => {
  Script.listening().send({ flags: 'R', seq: 0 }).expectNothing()
})

test('tcp LISTEN: answers ACK with RST (RFC 9293 §3.10.7.2)', () => {
  const s = Script.listening()
  s.send({ seq: 1, ack: 1 })
  s.expect({ flags: 'R' })
  s.send({ flags: 'SA', seq: 1, ack: 1 })
  s.expect({ flags: 'R' })
})

test('tcp LISTEN: drops a segment with neither SYN, ACK nor RST (RFC 9293 §3.10.7.2)', () => {
  Script.listening().send({ flags: 'F', seq: 0 }).expectNothing()
})

test('tcp LISTEN: SYN is answered with SYN,ACK, the ACK establishes (RFC 9293 §3.10.7.2)', () => {
  const s = Script.listening()
  s.send({ flags: 'S', seq: 0, windowScale: 7 })
  s.expect({ flags: 'SA', seq: 0, ack: 1, mss: 1460, windowScale: 7, window: 65535 })
  assert.equal(s.acceptedCount, 0)
  s.send({ seq: 1, ack: 1 })
  s.expectState('ESTABLISHED').expectNothing()
  assert.equal(s.acceptedCount, 1)
  assert.equal(s.events & EVENT_ESTABLISHED, EVENT_ESTABLISHED)
})

test('tcp LISTEN: does not offer window scaling to a peer that did not (RFC 7323 §2.2)', () => {
  const s = Script.listening()
  s.send({ flags: 'S', seq: 0 })
  s.expect({ flags: 'SA', windowScale: -1 })
})

test('tcp LISTEN: text with SYN is not acknowledged, the peer sends it again', () => {
  const s = Script.listening()
  s.send({ flags: 'S', seq: 0, text: 'early' })
  s.expect({ flags: 'SA', ack: 1 })
})

test('tcp LISTEN: ignores SYN from a multicast or broadcast address or ourselves (RFC 9293 §3.9.2.3, MUST-57)', () => {
  const s = Script.listening()
  for (const from of [ipv4(224, 0, 0, 1), ipv4(255, 255, 255, 255), ipv4(0, 0, 0, 0)]) {
    s.send({ flags: 'S', seq: 0 }, from)
  }
  s.send({ flags: 'S', seq: 0 }, ipv4(10, 0, 0, 1), 80 as Port)
  s.expectNothing()
  assert.equal(s.machine.counters['bad-address'], 4)
})

test('tcp LISTEN: SYNs beyond the backlog are dropped, and fit again once others are gone', () => {
  const s = Script.listening({ synCookies: false }, 2)
  for (let port = 1; port <= 3; port++) s.send({ flags: 'S', seq: 0 }, PEER, port as Port)
  assert.equal(s.machine.connectionCount, 2)
  assert.equal(s.machine.counters['backlog-full'], 1)
  s.advance(seconds(61))
  assert.equal(s.machine.connectionCount, 0)
  assert.equal(s.listener?.halfOpenCount, 0)
  s.send({ flags: 'S', seq: 0 }, PEER, 3 as Port)
  assert.equal(s.machine.connectionCount, 1)
})

test('tcp LISTEN: beyond maxConnections SYNs are dropped', () => {
  const s = Script.listening({ maxConnections: 1 })
  s.send({ flags: 'S', seq: 0 }, PEER, 1 as Port)
  s.send({ flags: 'S', seq: 0 }, PEER, 2 as Port)
  assert.equal(s.machine.connectionCount, 1)
  assert.equal(s.machine.counters['too-many-connections'], 1)
})

test('tcp LISTEN: unlisten resets connections not yet established', () => {
  const s = Script.synReceived()
  if (s.listener !== undefined) s.machine.unlisten(s.listener, s.now)
  s.expect({ flags: 'RA' })
  s.expectGone('closed')
})

test('tcp LISTEN: tiny MSS is raised, a large one cut to what the path takes (RFC 9293 §3.7.1, MUST-16; CVE-2019-11479)', () => {
  for (const [mss, expected] of [
    [1, 64],
    [0, 64],
    [1400, 1400],
    [9000, 1460],
  ] as const) {
    assert.equal(Script.established({}, { mss }).theConnection().sndMss, expected)
  }
})

test('tcp SYN-SENT: sends SYN with MSS and window scale', () => {
  const s = new Script()
  const opened = s.machine.connect({ address: PEER, port: PEER_PORT }, s, s.now)
  assert.ok(typeof opened === 'object')
  s.expect({ flags: 'S', seq: 0, mss: 1460, windowScale: 7, window: 65535 })
})

test('tcp SYN-SENT: SYN,ACK establishes and is acknowledged (RFC 9293 §3.10.7.3)', () => {
  const s = Script.synSent()
  s.send({ flags: 'SA', seq: 0, ack: 1 })
  s.expect({ flags: 'A', seq: 1, ack: 1 })
  s.expectState('ESTABLISHED').expectNothing()
})

test('tcp SYN-SENT: text and FIN with SYN,ACK are taken (RFC 9293 §3.10.7.3, sixth step)', () => {
  const s = Script.synSent()
  s.send({ flags: 'SFA', seq: 0, ack: 1, text: 'hi' })
  s.expect({ flags: 'A', seq: 1, ack: 4 })
  s.expectState('CLOSE-WAIT')
  assert.equal(s.readText(), 'hi')
})

test('tcp SYN-SENT: unacceptable ACK is answered with RST (RFC 9293 §3.10.7.3)', () => {
  const s = Script.synSent()
  for (const ack of [0, 2]) {
    s.send({ flags: 'SA', seq: 0, ack })
    s.expect({ flags: 'R', seq: ack })
  }
  s.expectState('SYN-SENT')
})

test('tcp SYN-SENT: ignores RST without ACK (RFC 9293 §3.10.7.3)', () => {
  const s = Script.synSent()
  s.send({ flags: 'R', seq: 0 })
  s.expectState('SYN-SENT').expectNothing()
})

test('tcp SYN-SENT: ignores RST with an unacceptable ACK (RFC 5961 §3.2)', () => {
  const s = Script.synSent()
  s.send({ flags: 'RA', seq: 0, ack: 2 })
  s.expectState('SYN-SENT').expectNothing()
})

test('tcp SYN-SENT: RST that acknowledges our SYN refuses the connection (RFC 9293 §3.10.7.3)', () => {
  Script.synSent().send({ flags: 'RA', seq: 0, ack: 1 }).expectGone('connection-refused')
})

test('tcp SYN-SENT: drops a segment without SYN and RST (RFC 9293 §3.10.7.3, fifth step)', () => {
  const s = Script.synSent()
  s.send({ seq: 1, ack: 1 })
  s.expectState('SYN-SENT').expectNothing()
})

test('tcp SYN-SENT: repeats SYN with doubling pauses, gives up after 3 minutes (RFC 9293 §3.8.3, MUST-23)', () => {
  const s = Script.synSent()
  for (const pause of [1, 2, 4, 8, 16, 32, 60]) {
    s.advance(seconds(pause) - 1).expectNothing()
    s.advance(1)
    s.expect({ flags: 'S', seq: 0 })
  }
  s.advance(seconds(60))
  s.expectGone('timed-out')
})

test('tcp SYN-SENT: after a lost SYN the RTO is 3 s and the window one segment (RFC 6298 (5.7), RFC 5681 §3.1)', () => {
  const s = Script.synSent()
  s.advance(seconds(1))
  s.expect({ flags: 'S' })
  s.send({ flags: 'SA', seq: 0, ack: 1 })
  assert.equal(s.theConnection().rtt.rtoUs, seconds(3))
  assert.equal(s.theConnection().congestion.cwndBytes, 1460)
})

test('tcp SYN-SENT: simultaneous open (RFC 9293 §3.5, figure 7)', () => {
  const s = Script.synSent()
  s.send({ flags: 'S', seq: 0 })
  s.expect({ flags: 'SA', seq: 0, ack: 1 })
  s.expectState('SYN-RECEIVED')
  // The peer's SYN,ACK for our SYN is old by sequence number: it gets an ACK.
  s.send({ flags: 'SA', seq: 0, ack: 1 })
  s.expect({ flags: 'A', seq: 1, ack: 1 })
  s.send({ seq: 1, ack: 1 })
  s.expectState('ESTABLISHED')
  assert.equal(s.events & EVENT_ESTABLISHED, EVENT_ESTABLISHED)
})

test('tcp SYN-SENT: a peer that answers SYN,ACK to our SYN,ACK for ever does not get an endless exchange', () => {
  const s = Script.synSent()
  s.send({ flags: 'S', seq: 0 })
  s.expect({ flags: 'SA' })
  for (let i = 0; i < 100; i++) s.send({ flags: 'SA', seq: 0, ack: 1 })
  assert.equal(s.sent.length, 10)
})

test('tcp SYN-RECEIVED: repeats SYN,ACK when it or its ACK is lost', () => {
  const s = Script.synReceived()
  s.advance(seconds(1))
  s.expect({ flags: 'SA', seq: 0, ack: 1 })
  s.send({ flags: 'S', seq: 0 })
  s.expect({ flags: 'SA', seq: 0, ack: 1 })
  s.send({ seq: 1, ack: 1 })
  s.expectState('ESTABLISHED')
})

test('tcp SYN-RECEIVED: is given up after a minute', () => {
  const s = Script.synReceived()
  s.advance(seconds(60))
  s.expectGone('timed-out')
})

test('tcp SYN-RECEIVED: unacceptable ACK is answered with RST (RFC 9293 §3.10.7.4, fifth step)', () => {
  const s = Script.synReceived()
  for (const ack of [0, 2]) {
    s.send({ seq: 1, ack })
    s.expect({ flags: 'R', seq: ack })
  }
  s.expectState('SYN-RECEIVED')
})

test('tcp SYN-RECEIVED: RST returns a passive open to LISTEN (RFC 9293 §3.10.7.4, second step)', () => {
  const s = Script.synReceived()
  s.send({ flags: 'R', seq: 1 })
  s.expectNothing().expectGone('connection-refused')
  assert.equal(s.acceptedCount, 0)
})

test('tcp SYN-RECEIVED: SYN in the window returns a passive open to LISTEN (RFC 9293 §3.10.7.4, fourth step)', () => {
  const s = Script.synReceived()
  s.send({ flags: 'S', seq: 100 })
  s.expectNothing().expectGone()
})

test('tcp SYN-RECEIVED: text with the ACK of the handshake is taken', () => {
  const s = Script.synReceived()
  s.send({ flags: 'PA', seq: 1, ack: 1, text: 'GET /' })
  s.expectState('ESTABLISHED')
  assert.equal(s.readText(), 'GET /')
})

test('tcp SYN-RECEIVED: text before the ACK of the handshake is dropped with it missing', () => {
  const s = Script.synReceived()
  s.send({ flags: '', seq: 1, text: 'x' })
  s.expectState('SYN-RECEIVED').expectNothing()
  assert.equal(s.machine.counters['no-ack'], 1)
})
