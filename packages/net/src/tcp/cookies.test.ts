/** SYN cookies (RFC 4987 §3.6). */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { seconds } from '@mirage-ts/core/time'
import type { Port } from '@mirage-ts/signatures/addresses'
import { PEER, PEER_PORT, Script, type Segment } from '@mirage-ts/testing/tcp-script'

/** A listener whose backlog of one is taken by another peer. */
function full(options = {}): Script {
  const s = Script.listening(options, 1)
  s.send({ flags: 'S', seq: 0 }, PEER, 1 as Port)
  s.expect({ flags: 'SA' })
  return s
}

/** The SYN is answered with a cookie, of which only the counter remains; returns our timestamp. */
function cookieFor(s: Script, syn: Segment): number {
  s.send({ flags: 'S', seq: 0, ...syn })
  const tick = s.sent[0]?.header.tsVal ?? 0
  s.expect({ flags: 'SA', seq: 0, ack: 1 })
  assert.equal(s.machine.connectionCount, 1)
  assert.equal(s.machine.counters.cookiesSent, 1)
  return tick
}

test('tcp cookies: a full backlog keeps nobody out, and nothing in memory', () => {
  const s = full()
  cookieFor(s, { mss: 1400 })
  s.send({ seq: 1, ack: 1, text: 'hello' })
  s.expectState('ESTABLISHED')
  assert.equal(s.readText(), 'hello')
  assert.equal(s.listener?.halfOpenCount, 1)
  s.write(5000)
  // The next smaller size of the table; no options without timestamps.
  while (s.sent[0]?.text.length === 0) s.sent.shift()
  s.expect({ text: 1360, seq: 1, ack: 6 })
  assert.equal(s.theConnection().isSacking, false)
  assert.equal(s.theConnection().sndScale, 0)
})

test('tcp cookies: timestamps bring back the options', () => {
  const s = full()
  const tick = cookieFor(s, { mss: 1460, sackPermitted: true, windowScale: 7, timestamps: [100, 0] })
  s.send({ seq: 1, ack: 1, window: 500, timestamps: [101, tick] })
  s.expectState('ESTABLISHED')
  const { isSacking, hasTimestamps, sndScale, sndWnd, sndMss } = s.theConnection()
  assert.deepEqual(
    { isSacking, hasTimestamps, sndScale, sndWnd, sndMss },
    {
      isSacking: true,
      hasTimestamps: true,
      sndScale: 7,
      sndWnd: 500 << 7,
      sndMss: 1448,
    },
  )
})

test('tcp cookies: a number that is none gets a reset', () => {
  const s = full()
  cookieFor(s, {})
  for (const [seq, ack] of [
    [1, 2],
    [2, 1],
    [1, 1 + (1 << 24)],
    [1, 1 + (1 << 27)],
  ] as const) {
    s.send({ seq, ack })
    s.expect({ flags: 'R', seq: ack })
  }
  s.send({ seq: 1, ack: 1 }, PEER, (PEER_PORT + 1) as Port)
  s.expect({ flags: 'R', seq: 1 })
  assert.equal(s.acceptedCount, 0)
})

test('tcp cookies: they expire, and without one out none is believed', () => {
  const s = full()
  cookieFor(s, {})
  s.advance(seconds(60))
  s.send({ seq: 1, ack: 1 })
  assert.equal(s.acceptedCount, 1)
  const late = full()
  cookieFor(late, {})
  late.advance(seconds(130))
  late.sent.length = 0
  late.send({ seq: 1, ack: 1 })
  assert.equal(late.acceptedCount, 0)
})

test('tcp cookies: with a bound on connections the peer has to try again', () => {
  const s = full({ maxConnections: 1 })
  cookieFor(s, {})
  s.send({ seq: 1, ack: 1 }).expectNothing()
  assert.equal(s.acceptedCount, 0)
  assert.equal(s.machine.counters['too-many-connections'], 1)
})
