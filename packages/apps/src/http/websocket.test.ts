import assert from 'node:assert/strict'
import { test } from 'node:test'
import { port } from '@mirage-ts/core/addresses'
import { NO_LOG } from '@mirage-ts/core/log'
import { textToOctets } from '@mirage-ts/core/octets'
import { ms, seconds } from '@mirage-ts/core/time'
import type { Flow } from '@mirage-ts/signatures/flow'
import type { WallInstant } from '@mirage-ts/signatures/time'
import { createFlowPair } from '@mirage-ts/testing/flow-pair'
import { readAll } from '@mirage-ts/testing/flow-tools'
import { createLoopbackStack } from '@mirage-ts/testing/loopback-stack'
import { MockTime } from '@mirage-ts/testing/mock-time'
import { SeededRandom } from '@mirage-ts/testing/seeded-random'
import fc from 'fast-check'
import { createHttpClient } from './client.ts'
import { createHttpServer } from './server.ts'
import { connectWebSocket, WebSocketConnection, webSocketResponse } from './websocket.ts'
import { emitFrame, FrameParser, OPCODE } from './websocket-frame.ts'
import { acceptOf } from './websocket-handshake.ts'

const KEY = Uint8Array.of(0x37, 0xfa, 0x21, 0x3d)

async function echo(socket: WebSocketConnection): Promise<void> {
  for (let message = await socket.receive(); message !== undefined; message = await socket.receive()) {
    await socket.send(message)
  }
}

/** A server end, and the flow of a client that says whatever a test wants. */
function raw(messageBytes = 1000): { time: MockTime; socket: WebSocketConnection; peer: Flow } {
  const time = new MockTime()
  const [peer, flow] = createFlowPair()
  return {
    time,
    peer,
    socket: new WebSocketConnection(flow, { time, clock: time }, { messageBytes, quietTime: seconds(60) }),
  }
}

/** The code with which a server closes after `frames`. */
async function codeAfter(...frames: readonly Uint8Array[]): Promise<number | undefined> {
  const { socket, peer, time } = raw()
  for (const frame of frames) await peer.write(frame)
  const ending = echo(socket)
  await time.advance(ms(1))
  peer.shutdownWrite()
  await ending.catch(() => {})
  assert.equal(time.pendingCount, 0)
  return socket.closing?.code
}

test('websocket: the answer to a key (RFC 6455 §1.3)', () => {
  assert.equal(acceptOf('dGhlIHNhbXBsZSBub25jZQ=='), 's3pPLMBiTxaQ9kYGzzhZRbK+xOo=')
})

test('websocket: frames of RFC 6455 §5.7', () => {
  const masked = emitFrame(OPCODE.text, true, textToOctets('Hello'), KEY)
  assert.deepEqual(masked, Uint8Array.of(0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58))
  assert.deepEqual(emitFrame(OPCODE.ping, true, textToOctets('Hello')).subarray(0, 3), Uint8Array.of(0x89, 0x05, 0x48))
  assert.deepEqual(emitFrame(OPCODE.binary, true, new Uint8Array(256)).subarray(0, 4), Uint8Array.of(0x82, 0x7e, 1, 0))
  assert.deepEqual(
    emitFrame(OPCODE.binary, true, new Uint8Array(65536)).subarray(0, 10),
    Uint8Array.of(0x82, 0x7f, 0, 0, 0, 0, 0, 1, 0, 0),
  )
})

test('websocket: what is emitted is read back, masked or not, however it is cut', () => {
  const lens = fc.oneof(fc.integer({ min: 0, max: 300 }), fc.constantFrom(125, 126, 65535, 65536))
  fc.assert(
    fc.property(lens, fc.boolean(), fc.integer({ min: 1, max: 70_000 }), (lenBytes, isMasked, pieceLen) => {
      const payload = Uint8Array.from({ length: lenBytes }, (_, i) => i & 255)
      const octets = emitFrame(OPCODE.binary, false, payload, isMasked ? KEY : undefined)
      const parser = new FrameParser(isMasked, 1 << 20)
      for (let off = 0; off < octets.length; ) off += parser.push(octets.subarray(off, off + pieceLen), 0)
      assert.deepEqual(parser.outcome, { opcode: OPCODE.binary, isFinal: false, isCompressed: false, payload })
    }),
    { numRuns: 200 },
  )
})

test('websocket: random octets never throw', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 100 }), fc.boolean(), (octets, isFromClient) => {
      const parser = new FrameParser(isFromClient, 50)
      for (let off = 0; off < octets.length && typeof parser.outcome !== 'string'; ) off = parser.push(octets, off)
    }),
    { numRuns: 3000 },
  )
})

test('websocket: what §5 forbids ends the connection with 1002, 1007 or 1009', async () => {
  const text = (...octets: number[]) => emitFrame(OPCODE.text, true, Uint8Array.from(octets), KEY)
  const close = (...octets: number[]) => emitFrame(OPCODE.close, true, Uint8Array.from(octets), KEY)
  const part = (opcode: number, isFinal = false) => emitFrame(opcode, isFinal, textToOctets('x'), KEY)
  for (const [name, code, ...frames] of [
    ['no mask', 1002, emitFrame(OPCODE.text, true, textToOctets('x'))],
    ['a reserved bit', 1002, Uint8Array.of(0xc1, 0x80, 0, 0, 0, 0)],
    ['an unknown opcode', 1002, Uint8Array.of(0x83, 0x80, 0, 0, 0, 0)],
    ['an unknown control opcode', 1002, Uint8Array.of(0x8b, 0x80, 0, 0, 0, 0)],
    ['a fragmented ping', 1002, Uint8Array.of(0x09, 0x80, 0, 0, 0, 0)],
    ['a long ping', 1002, Uint8Array.of(0x89, 0xfe, 0, 126)],
    ['a length of more octets than it needs', 1002, Uint8Array.of(0x82, 0xfe, 0, 125, 0, 0, 0, 0)],
    ['a length of 2^63', 1009, Uint8Array.of(0x82, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)],
    ['a continuation of nothing', 1002, part(OPCODE.continuation)],
    ['a message within a message', 1002, part(OPCODE.text), part(OPCODE.binary)],
    ['text that is not UTF-8', 1007, text(0xc0, 0xaf)],
    ['text that ends in the middle of a character', 1007, text(0xe2, 0x82)],
    ['a message longer than allowed', 1009, emitFrame(OPCODE.binary, true, new Uint8Array(1001), KEY)],
    [
      'fragments longer than allowed',
      1009,
      ...Array(3)
        .fill(emitFrame(OPCODE.binary, false, new Uint8Array(400), KEY))
        .map((frame, i) => (i === 0 ? frame : emitFrame(0, false, new Uint8Array(400), KEY))),
    ],
    ['half a close code', 1002, close(3)],
    ['close code 1005', 1002, close(0x03, 0xed)],
    ['close code 999', 1002, close(0x03, 0xe7)],
    ['close code 2000', 1002, close(0x07, 0xd0)],
    ['a close reason that is not UTF-8', 1002, close(0x03, 0xe8, 0xff)],
    ['an orderly end', 1000, close(0x03, 0xe8)],
    ['an orderly end without a code', 1005, close()],
    ['a code of the application', 4999, close(0x13, 0x87)],
    ['the end of the stream', 1006],
  ] as [string, number, ...Uint8Array[]][]) {
    assert.equal(await codeAfter(...frames), code, name)
  }
})

test('websocket: fragments are joined, pings between them answered, pongs ignored', async () => {
  const { socket, peer, time } = raw()
  await peer.write(emitFrame(OPCODE.text, false, Uint8Array.of(0xe2, 0x82), KEY))
  await peer.write(emitFrame(OPCODE.ping, true, textToOctets('are you'), KEY))
  await peer.write(emitFrame(OPCODE.pong, true, textToOctets('yes'), KEY))
  await peer.write(emitFrame(OPCODE.continuation, true, Uint8Array.of(0xac), KEY))
  assert.equal(await socket.receive(), '€')
  assert.deepEqual(await peer.read(), emitFrame(OPCODE.pong, true, textToOctets('are you')))
  socket.abort()
  assert.equal(time.pendingCount, 0)
})

test('websocket: a quiet peer is asked, and given up when it does not answer', async () => {
  const { socket, peer, time } = raw()
  const receiving = socket.receive()
  await time.advance(seconds(61))
  assert.deepEqual(await peer.read(), emitFrame(OPCODE.ping, true, new Uint8Array(0)))
  await peer.write(emitFrame(OPCODE.pong, true, new Uint8Array(0), KEY))
  await time.advance(seconds(59))
  assert.equal(socket.closing, undefined)
  await time.advance(seconds(70))
  assert.deepEqual([await receiving, socket.closing], [undefined, { code: 1006, reason: '' }])
  assert.equal(time.pendingCount, 0)
})

test('websocket: closing waits for the answer, and not for ever', async () => {
  const { socket, peer, time } = raw()
  socket.close(4000, 'bye')
  await assert.rejects(socket.send('x'), { code: 'closed' })
  const receiving = socket.receive()
  assert.deepEqual(await peer.read(), emitFrame(OPCODE.close, true, Uint8Array.of(0x0f, 0xa0, 0x62, 0x79, 0x65)))
  await time.advance(seconds(6))
  assert.deepEqual([await receiving, socket.closing?.code, time.pendingCount], [undefined, 1006, 0])
})

test('websocket: our client and our server agree, exchange messages of all sizes and close', async () => {
  const time = new MockTime()
  const stack = createLoopbackStack()
  const client = createHttpClient({ stack, time, clock: time })
  const deps = { client, time, clock: time, random: new SeededRandom(1) }
  await createHttpServer(
    { stack, time, clock: time, wallClock: { now: () => 0 as WallInstant }, log: NO_LOG },
    { port: port(80) },
    // All devices of a program are handed on, also those that only a client needs.
    (request) => webSocketResponse(deps, request, echo, { protocols: ['b', 'a'] }),
  )
  const socket = await connectWebSocket(deps, { authority: '10.0.0.2', target: '/chat' }, { protocols: ['a', 'b'] })
  assert.equal(socket.protocol, 'b')
  for (const message of ['', 'hello', 'ä€😀', 'x'.repeat(70_000), new Uint8Array(0), new Uint8Array(126).fill(7)]) {
    await socket.send(message)
    assert.deepEqual(await socket.receive(), message)
  }
  socket.close(1000, 'done')
  assert.equal(await socket.receive(), undefined)
  assert.deepEqual(socket.closing, { code: 1000, reason: '' })
  await time.advance(ms(1))
  assert.equal(time.pendingCount, 0)
})

test('websocket: a handshake that is none is refused, and what a server refuses is an error', async () => {
  const time = new MockTime()
  const stack = createLoopbackStack()
  await createHttpServer(
    { stack, time, clock: time, wallClock: { now: () => 0 as WallInstant }, log: NO_LOG },
    { port: port(80) },
    (request) => webSocketResponse({ time, clock: time }, request, echo),
  )
  const remote = { address: stack.addresses[0] as never, port: port(80) }
  const good = [
    'Host: h',
    'Connection: keep-alive, Upgrade',
    'Upgrade: WebSocket',
    'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
    'Sec-WebSocket-Version: 13',
  ]
  for (const [lines, method, status] of [
    [good, 'GET', 101],
    [good.filter((line) => !line.startsWith('Upgrade')), 'GET', 426],
    [good.filter((line) => !line.startsWith('Connection')), 'GET', 426],
    [good.filter((line) => !line.includes('Key')), 'GET', 400],
    [[...good, 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=='], 'GET', 400],
    [good.map((line) => line.replace('dGhl', 'x')), 'GET', 400],
    [good.map((line) => line.replace('13', '8')), 'GET', 426],
    [good, 'POST', 400],
  ] as const) {
    const client = await stack.tcp.connect(remote)
    await client.write(textToOctets(`${method} / HTTP/1.1\r\n${lines.join('\r\n')}\r\n\r\n`))
    client.shutdownWrite()
    const reply = await time.until(readAll(client))
    assert.equal(Buffer.from(reply).toString('latin1').slice(9, 12), String(status), lines.join())
  }
  const client = createHttpClient({ stack, time, clock: time })
  const random = new SeededRandom(1)
  const elsewhere = connectWebSocket({ client, time, clock: time, random }, { authority: '10.0.0.2:81', target: '/' })
  await assert.rejects(elsewhere, { code: 'connection-refused' })
})
