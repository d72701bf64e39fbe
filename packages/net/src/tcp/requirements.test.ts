/** What RFC 9293 asks for by number and no other file here is about. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { IPV4_BROADCAST, ipv4, parseIp } from '@mirage-ts/core/addresses'
import { NetError } from '@mirage-ts/core/errors'
import { seconds } from '@mirage-ts/core/time'
import type { Port } from '@mirage-ts/signatures/addresses'
import { createDualTestStack } from '@mirage-ts/testing/dual-stack'
import { createLink } from '@mirage-ts/testing/link'
import { PEER, Script } from '@mirage-ts/testing/tcp-script'
import { NO_OPTION } from '../wire/tcp.ts'
import { abort, tune } from './calls.ts'
import { defaultMss } from './connection.ts'

const MSS = 1460

test('tcp: without an MSS option it is 536, over IPv6 1220 (RFC 9293 §3.7.1, MUST-15)', () => {
  assert.equal(Script.established({}, { mss: NO_OPTION }).theConnection().sndMss, 536)
  assert.equal(defaultMss(ipv4(10, 0, 0, 2)), 536)
  assert.equal(defaultMss(parseIp('2001:db8::2') ?? assert.fail()), 1220)
})

test('tcp: the MSS option is in SYNs and nowhere else (RFC 9293 §3.7.1, MUST-14, MUST-65)', () => {
  const s = Script.listening()
  s.send({ flags: 'S', seq: 0 })
  s.expect({ flags: 'SA', mss: MSS })
  s.send({ seq: 1, ack: 1 })
  s.write('text')
  s.expect({ text: 'text', mss: NO_OPTION })
  s.send({ seq: 1, ack: 5, text: 2 * MSS })
  s.expect({ flags: 'A', mss: NO_OPTION })
  s.shutdown()
  s.expect({ flags: 'FA', mss: NO_OPTION })
})

test('tcp: a port may be listened on while a connection from it is being opened (RFC 9293 §3.9.1.1, MUST-41, MUST-42)', () => {
  const s = Script.synSent()
  let acceptedCount = 0
  const listener = s.machine.listen(s.localPort, 8, (connection) => {
    acceptedCount++
    connection.user = s
  })
  assert.ok(listener !== undefined)
  s.send({ flags: 'S', seq: 0 }, PEER, 50_000 as Port)
  assert.equal(s.sent.shift()?.header.dstPort, 50_000)
  s.send({ flags: 'SA', seq: 0, ack: 1 })
  s.expectState('ESTABLISHED')
  assert.equal(acceptedCount, 0)
  assert.equal(listener.halfOpenCount, 1)
})

test('tcp: nobody connects to a group, everybody or nobody (RFC 9293 §3.9.2.3, MUST-46)', async () => {
  const { network, time } = createLink()
  const stack = createDualTestStack(network, time, '10.0.0.2/24', { ipv6: '2001:db8::2/64' })
  await time.advance(seconds(2))
  const addresses = [ipv4(224, 0, 0, 1), IPV4_BROADCAST, ipv4(10, 0, 0, 255), ipv4(0, 0, 0, 0)]
  for (const text of ['ff02::1', 'ff0e::101', '::']) addresses.push((parseIp(text) ?? assert.fail()) as never)
  for (const address of addresses) {
    const connecting = stack.tcp.connect({ address, port: 80 as Port })
    await assert.rejects(connecting, (error) => error instanceof NetError && error.code === 'no-route')
  }
})

test('tcp: an application says what service the packets of a flow want (RFC 9293 §3.9.1.7, MUST-48, SHLD-21, SHLD-22)', () => {
  const s = Script.established({ ecn: true })
  const c = s.theConnection()
  s.write('a')
  s.expect({ text: 'a', trafficClass: 0 })
  tune(s.machine, c, undefined, undefined, true, 0xb8, s.now)
  s.write('b')
  s.expect({ text: 'b', trafficClass: 0xb8 })
  c.isEcn = true
  s.write('c')
  s.expect({ text: 'c', trafficClass: 0xba })
  abort(s.machine, c, 'closed', s.now)
  s.expect({ flags: 'RA', trafficClass: 0xb8 })
})

test('tcp: after three timeouts in a row IP hears that the way may be gone (RFC 9293 §3.8.3, MUST-20, SHLD-10)', () => {
  const s = Script.established()
  s.write('x')
  let pause = s.theConnection().rtt.rtoUs
  for (let count = 1; count <= 4; count++) {
    s.advance(pause)
    pause *= 2
    assert.deepEqual(s.doubts, count < 3 ? [] : [PEER], `after ${count} timeouts`)
  }
})

test('tcp: with a closed window a reset ends the connection all the same (RFC 9293 §3.8.6, MUST-66)', () => {
  const s = Script.established({ receiveBufferBytes: 4096 })
  s.send({ seq: 1, ack: 1, text: MSS }).send({ seq: 1 + MSS, ack: 1, text: MSS })
  s.send({ seq: 1 + 2 * MSS, ack: 1, text: 4096 - 2 * MSS })
  s.advance(seconds(1))
  s.sent.length = 0
  s.send({ flags: 'R', seq: 4097 })
  s.expectGone('connection-reset')
})

test('tcp: when the peer shrinks its window nothing new leaves, and what is in flight is no reason to give up (RFC 9293 §3.8.6, MUST-34, SHLD-15 to SHLD-17)', () => {
  const s = Script.established({}, { window: 4 * MSS })
  s.write(4 * MSS)
  for (let i = 0; i < 4; i++) s.expect({ seq: 1 + i * MSS, text: MSS })
  s.send({ seq: 1, ack: 1 + MSS, window: MSS })
  s.write(MSS)
  s.expectNothing()
  // Within the window it is sent again, beyond it not.
  s.advance(seconds(1))
  s.expect({ seq: 1 + MSS, text: MSS })
  for (let i = 0; i < 200; i++) {
    s.advance(seconds(1))
    s.send({ seq: 1, ack: 1 + MSS, window: 0 })
  }
  s.expectState('ESTABLISHED')
})

test('tcp: a congestion window that is not used does not grow (RFC 7661 §1)', () => {
  const s = Script.established()
  const before = s.theConnection().congestion.cwndBytes
  for (let i = 0; i < 50; i++) {
    s.write('x')
    s.send({ seq: 1, ack: 2 + i })
  }
  assert.equal(s.theConnection().congestion.cwndBytes, before)
})

test('tcp: urgent text is text, in its place (RFC 9293 §3.8.5, RFC 6093 §5)', () => {
  const s = Script.established()
  s.send({ flags: 'PAU', seq: 1, ack: 1, text: 'now' })
  assert.equal(new TextDecoder().decode(s.read()), 'now')
})
