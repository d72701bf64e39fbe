import assert from 'node:assert/strict'
import { test } from 'node:test'
import { constants, deflateRawSync, inflateRawSync } from 'node:zlib'
import { fromHex } from '@mirage-ts/core/bytes'
import { textToOctets } from '@mirage-ts/core/octets'
import { ms } from '@mirage-ts/core/time'
import { createFlowPair } from '@mirage-ts/testing/flow-pair'
import { MockTime } from '@mirage-ts/testing/mock-time'
import { SeededRandom } from '@mirage-ts/testing/seeded-random'
import { WebSocketConnection } from './websocket.ts'
import { createDeflate } from './websocket-deflate.ts'
import { emitFrame, OPCODE } from './websocket-frame.ts'

const deflate = createDeflate()
const LIMIT = 1 << 20

/** What Node's zlib, and so most other implementations, sends: flushed, without the end of the empty block (RFC 7692 §7.2.1). */
function zlibCompress(octets: Uint8Array): Uint8Array {
  const flushed = deflateRawSync(octets, { finishFlush: constants.Z_SYNC_FLUSH })
  return new Uint8Array(flushed.subarray(0, flushed.length - 4))
}

function zlibDecompress(octets: Uint8Array): Uint8Array {
  const whole = Buffer.concat([octets, Uint8Array.of(0, 0, 0xff, 0xff)])
  return new Uint8Array(inflateRawSync(whole, { finishFlush: constants.Z_SYNC_FLUSH }))
}

test('permessage-deflate: the messages of RFC 7692 §7.2.3', () => {
  for (const [hex, text] of [
    ['f248cdc9c90700', 'Hello'],
    ['000500faff48656c6c6f00', 'Hello'],
    ['f348cdc9c9070000', 'Hello'],
    ['f24805000000ffffcac9c90700', 'Hello'],
  ] as const) {
    assert.deepEqual(deflate.decompress(fromHex(hex), LIMIT), textToOctets(text), hex)
  }
})

test('permessage-deflate: what zlib compresses is read, and the other way round', () => {
  const random = new SeededRandom(7692)
  for (let i = 0; i < 200; i++) {
    const octets = new Uint8Array(random.u32() % 5000)
    const range = 1 + (random.u32() % 256)
    for (let at = 0; at < octets.length; at++) octets[at] = random.u32() % range
    assert.deepEqual(deflate.decompress(zlibCompress(octets), LIMIT), octets)
    assert.deepEqual(zlibDecompress(deflate.compress(octets)), octets)
    assert.deepEqual(deflate.decompress(deflate.compress(octets), LIMIT), octets)
  }
  const large = new Uint8Array(LIMIT).fill(97)
  assert.deepEqual(deflate.decompress(zlibCompress(large), LIMIT), large)
})

test('permessage-deflate: a bomb is noticed at the limit, and what is no message is refused', () => {
  const bomb = zlibCompress(new Uint8Array(64 << 20))
  assert(bomb.length < 70_000)
  assert.equal(deflate.decompress(bomb, LIMIT), 'too-long')
  assert.equal(deflate.decompress(zlibCompress(new Uint8Array(101)), 100), 'too-long')
  assert.deepEqual(deflate.decompress(zlibCompress(new Uint8Array(100)), 100), new Uint8Array(100))
  const random = new SeededRandom(1)
  const whole = zlibCompress(textToOctets('the quick brown fox jumps over the lazy dog, again and again and again'))
  for (let i = 0; i < 3000; i++) {
    const octets = whole.slice(0, random.chance(0.3) ? random.u32() % whole.length : undefined)
    if (octets.length > 0) octets[random.u32() % octets.length] = random.u32()
    const got = deflate.decompress(octets, 1000)
    if (typeof got !== 'string') assert(got.length <= 1000)
  }
  assert.equal(deflate.decompress(fromHex('ffffff'), LIMIT), 'malformed')
})

test('permessage-deflate: offers that are taken, and answers (RFC 7692 §7.1)', () => {
  const accept = (offers: string): boolean => deflate.accept(offers) !== undefined
  assert.equal(deflate.accept('permessage-deflate'), deflate.offer)
  assert(accept('permessage-deflate; client_max_window_bits'))
  assert(accept('permessage-deflate; client_max_window_bits=10; server_no_context_takeover'))
  assert(accept('permessage-deflate; server_max_window_bits="15"'))
  assert(accept('x-other, permessage-deflate; server_max_window_bits=10, permessage-deflate'))
  for (const bad of [
    '',
    'permessage-bzip2',
    'permessage-deflate; server_max_window_bits=10',
    'permessage-deflate; server_max_window_bits=16',
    'permessage-deflate; server_max_window_bits',
    'permessage-deflate; server_no_context_takeover=1',
    'permessage-deflate; server_no_context_takeover; server_no_context_takeover',
    'permessage-deflate; unknown',
  ]) {
    assert(!accept(bad), bad)
  }
  assert(deflate.isAgreeable(deflate.offer))
  assert(deflate.isAgreeable('permessage-deflate; server_no_context_takeover; server_max_window_bits=9'))
  for (const bad of [
    'permessage-deflate',
    'x-other; server_no_context_takeover',
    'permessage-deflate; server_no_context_takeover; client_max_window_bits=10',
    'permessage-deflate; server_no_context_takeover, permessage-deflate',
  ]) {
    assert(!deflate.isAgreeable(bad), bad)
  }
})

/** What a connection with compression makes of frames: the message, or the code that it closes with. */
async function received(...frames: readonly Uint8Array[]): Promise<unknown> {
  const time = new MockTime()
  const [peer, flow] = createFlowPair()
  const random = new SeededRandom(1)
  const options = { messageBytes: 10_000, compression: deflate }
  const socket = new WebSocketConnection(flow, { time, clock: time }, options, '', random)
  for (const frame of frames) await peer.write(frame)
  const receiving = socket.receive()
  await time.advance(ms(1))
  peer.shutdownWrite()
  return (await receiving) ?? socket.closing?.code
}

test('permessage-deflate: the reserved bit stands at the beginning of a message only (RFC 7692 §6.1)', async () => {
  const compressed = zlibCompress(textToOctets('Hello'))
  const half = compressed.length >> 1
  const first = emitFrame(OPCODE.text, false, compressed.subarray(0, half), undefined, true)
  const rest = compressed.subarray(half)
  assert.equal(await received(emitFrame(OPCODE.text, true, compressed, undefined, true)), 'Hello')
  assert.equal(await received(first, emitFrame(OPCODE.continuation, true, rest)), 'Hello')
  assert.equal(await received(first, emitFrame(OPCODE.continuation, true, rest, undefined, true)), 1002)
  assert.equal(await received(emitFrame(OPCODE.ping, true, rest, undefined, true)), 1002)
  assert.equal(await received(emitFrame(OPCODE.text, true, textToOctets('Hello'))), 'Hello')
  assert.equal(await received(emitFrame(OPCODE.text, true, fromHex('ffffff'), undefined, true)), 1007)
  const bomb = zlibCompress(new Uint8Array(100_000))
  assert.equal(await received(emitFrame(OPCODE.binary, true, bomb, undefined, true)), 1009)
})
