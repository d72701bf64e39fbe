/** ESTABLISHED and later: acceptability, RST, SYN, ACK (RFC 9293 §3.10.7.4, RFC 5961). */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { seconds } from '@mirage-ts/core/time'
import { Script } from '@mirage-ts/testing/tcp-script'

const SYNCHRONIZED = {
  'SYN-RECEIVED': () => Script.synReceived(),
  ESTABLISHED: () => Script.established(),
  'FIN-WAIT-1': () => Script.finWait1(),
  'FIN-WAIT-2': () => Script.finWait2(),
  'CLOSE-WAIT': () => Script.closeWait(),
  CLOSING: () => Script.closing(),
  'LAST-ACK': () => Script.lastAck(),
  'TIME-WAIT': () => Script.timeWait(),
} as const

/** By state: the peer's next number, ours, and how the connection ends when reset. */
const FACTS: Readonly<Record<keyof typeof SYNCHRONIZED, readonly [number, number, string | undefined]>> = {
  'SYN-RECEIVED': [1, 1, 'connection-refused'],
  ESTABLISHED: [1, 1, 'connection-reset'],
  'FIN-WAIT-1': [1, 2, 'connection-reset'],
  'FIN-WAIT-2': [1, 2, 'connection-reset'],
  'CLOSE-WAIT': [2, 1, 'connection-reset'],
  CLOSING: [2, 2, undefined],
  'LAST-ACK': [2, 2, undefined],
  'TIME-WAIT': [2, 2, undefined],
}

for (const state of Object.keys(SYNCHRONIZED) as (keyof typeof SYNCHRONIZED)[]) {
  const start = SYNCHRONIZED[state]
  const [peerNext, ourNext, failure] = FACTS[state]

  test(`tcp ${state}: RST at the next number ends the connection, nothing is left (tcpip #460 RST leak)`, () => {
    const s = start()
    s.send({ flags: 'R', seq: peerNext })
    s.expectNothing().expectGone(failure)
  })

  test(`tcp ${state}: RST elsewhere in the window is challenged (RFC 5961 §3.2)`, () => {
    const s = start()
    s.send({ flags: 'R', seq: peerNext + 1 })
    s.expect({ flags: 'A', seq: ourNext, ack: peerNext })
    s.expectState(state)
  })

  test(`tcp ${state}: RST outside of the window is ignored (RFC 5961 §3.2)`, () => {
    const s = start()
    s.send({ flags: 'R', seq: peerNext - 1 })
    s.send({ flags: 'R', seq: peerNext + 300_000 })
    s.expectState(state).expectNothing()
  })

  test(`tcp ${state}: a segment outside of the window gets an ACK (RFC 9293 §3.10.7.4, first step; utcp: ack unacceptable segments)`, () => {
    const s = start()
    s.send({ seq: peerNext + 300_000, ack: ourNext, text: 'x' })
    s.expect({ flags: 'A', seq: ourNext, ack: peerNext, text: '' })
    s.expectState(state)
  })

  test(`tcp ${state}: a segment without ACK is dropped (RFC 9293 §3.10.7.4, fifth step)`, () => {
    const s = start()
    s.send({ flags: '', seq: peerNext, text: 'x' })
    s.expectState(state).expectNothing()
  })

  test(`tcp ${state}: abort leaves nothing`, () => {
    const s = start()
    s.abort()
    if (state === 'TIME-WAIT') s.expectNothing()
    else s.expect({ flags: 'RA', seq: ourNext, ack: peerNext })
    s.expectGone('closed')
  })

  if (state === 'SYN-RECEIVED') continue

  test(`tcp ${state}: SYN in the window is challenged (RFC 5961 §4.2)`, () => {
    const s = start()
    // Below the next number, so that it cannot be a new connection in TIME-WAIT; the text reaches into the window.
    s.send({ flags: 'SA', seq: peerNext, ack: ourNext })
    s.expect({ flags: 'A', seq: ourNext, ack: peerNext })
    s.expectState(state)
  })

  test(`tcp ${state}: ACK of what was never sent is challenged and dropped (RFC 5961 §5.2)`, () => {
    const s = start()
    s.send({ seq: peerNext, ack: ourNext + 1, text: 'x' })
    s.expect({ flags: 'A', seq: ourNext, ack: peerNext })
    s.expectState(state)
  })

  test(`tcp ${state}: ACK older than any window is challenged and dropped (RFC 5961 §5.2)`, () => {
    const s = start()
    s.send({ seq: peerNext, ack: ourNext - 65537 - 1, text: 'x' })
    s.expect({ flags: 'A', ack: peerNext })
    assert.equal(s.machine.counters['bad-ack'], 1)
  })

  test(`tcp ${state}: at most 10 challenges in 5 seconds (RFC 5961 §7)`, () => {
    const s = start()
    for (let i = 0; i < 50; i++) s.send({ flags: 'R', seq: peerNext + 1 })
    assert.equal(s.sent.length, 10)
    s.sent.length = 0
    s.advance(seconds(5))
    s.sent.length = 0
    s.send({ flags: 'R', seq: peerNext + 1 })
    assert.equal(s.sent.length, 1)
  })
}

test('tcp ESTABLISHED: a RST for one connection leaves its neighbour alone', () => {
  const s = Script.established()
  const first = s.theConnection()
  s.send({ flags: 'S', seq: 0 }, undefined, 40001 as never)
  assert.equal(s.machine.connectionCount, 2)
  s.connection = first
  s.sent.length = 0
  s.send({ flags: 'R', seq: 1 })
  assert.equal(s.machine.connectionCount, 1)
})

test('tcp ESTABLISHED: two stacks that find each other unacceptable fall silent (ACK storm)', () => {
  const s = Script.established()
  for (let i = 0; i < 1000; i++) s.send({ seq: 300_000, ack: 1 })
  assert.equal(s.sent.length, 10)
})
