/**
 * Mutates HTTP and WebSocket traffic until the time is up: `node --import tsx fuzz/http.ts --seconds 60 --seed 1`.
 *
 * What must hold: no parser throws; however octets are cut, what comes of them is the same; a server ends every connection,
 * forgets every alarm, and answers no more requests than it has handed to its handler or refused.
 *
 * Prints the seed of each batch; a batch that fails is reproduced by its seed alone.
 */
import assert from 'node:assert/strict'
import { parseArgs } from 'node:util'
import { collect, latin1Body } from '@mirage-ts/apps/http/body'
import { ChunkedParser } from '@mirage-ts/apps/http/chunked'
import { RequestMemo, RequestParser } from '@mirage-ts/apps/http/request'
import { ResponseParser } from '@mirage-ts/apps/http/response-parser'
import { createHttpServer } from '@mirage-ts/apps/http/server'
import { webSocketResponse } from '@mirage-ts/apps/http/websocket'
import { emitFrame, FrameParser } from '@mirage-ts/apps/http/websocket-frame'
import { port } from '@mirage-ts/core/addresses'
import { NO_LOG } from '@mirage-ts/core/log'
import { octetsToText, textToOctets } from '@mirage-ts/core/octets'
import { ms, seconds } from '@mirage-ts/core/time'
import type { Ipv4 } from '@mirage-ts/signatures/addresses'
import type { WallInstant } from '@mirage-ts/signatures/time'
import { readAll } from '@mirage-ts/testing/flow-tools'
import { createLoopbackStack } from '@mirage-ts/testing/loopback-stack'
import { MockTime } from '@mirage-ts/testing/mock-time'
import { SeededRandom } from '@mirage-ts/testing/seeded-random'

const INPUTS_PER_BATCH = 300

const { values } = parseArgs({
  options: { seconds: { type: 'string', default: '60' }, seed: { type: 'string', default: '1' } },
})

const FRAMES = [
  emitFrame(1, true, textToOctets('hello'), Uint8Array.of(1, 2, 3, 4)),
  emitFrame(8, true, Uint8Array.of(3, 232), Uint8Array.of(0, 0, 0, 0)),
]
const CORPUS: readonly string[] = [
  'GET / HTTP/1.1\r\nHost: h\r\n\r\n',
  'POST /a?b HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\nhelloGET /c HTTP/1.0\r\n\r\n',
  'PUT / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5;a="b"\r\nhello\r\n0\r\nX: y\r\n\r\nHEAD http://h/ HTTP/1.1\r\nHost: h\r\n\r\n',
  'OPTIONS * HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n',
  'HTTP/1.1 200 OK\r\nContent-Length: 2\r\nSet-Cookie: a\r\n\r\nhi',
  '5;a=b\r\nhello\r\na\r\n0123456789\r\n0\r\nA: b\r\n\r\n',
  `GET / HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n${FRAMES.map((frame) => octetsToText(frame, 0, frame.length)).join('')}`,
  ...FRAMES.map((frame) => octetsToText(frame, 0, frame.length)),
]
const PIECES = [
  '\r\n',
  '\n',
  '\r',
  '\0',
  ' ',
  '\t',
  ':',
  ',',
  ';',
  '=',
  '"',
  '0',
  'ffffffffffffffff',
  '-1',
  'chunked',
  '\xff',
  'Content-Length: 3\r\n',
  'Transfer-Encoding: chunked\r\n',
  'Host: x\r\n',
  'HTTP/1.1',
  'GET / HTTP/1.1\r\n',
  '\r\n\r\n',
  '%2e',
  '../',
]

/** Lines that other inputs had, too. */
const memo = new RequestMemo()

const end = Date.now() + Number(values.seconds) * 1000
for (let seed = Number(values.seed); Date.now() < end; seed++) {
  const random = new SeededRandom(seed)
  for (let i = 0; i < INPUTS_PER_BATCH; i++) {
    const text = mutate(random)
    try {
      checkParsers(text, random)
      await checkServer(text, random)
    } catch (error) {
      console.error(`seed ${seed}, input ${i}: ${JSON.stringify(text)}`)
      throw error
    }
  }
  console.log(`seed ${seed}: ${INPUTS_PER_BATCH} inputs, heap ${Math.round(process.memoryUsage().heapUsed / 1e6)} MB`)
}

function pick<T>(random: SeededRandom, list: readonly T[]): T {
  return list[random.u32() % list.length] as T
}

function mutate(random: SeededRandom): string {
  let text = pick(random, CORPUS)
  for (let edits = random.u32() % 5; edits > 0; edits--) {
    const at = random.u32() % (text.length + 1)
    switch (random.u32() % 4) {
      case 0:
        text = text.slice(0, at) + pick(random, PIECES) + text.slice(at)
        break
      case 1:
        text = text.slice(0, at) + text.slice(at + 1 + (random.u32() % 4))
        break
      case 2:
        text = text.slice(0, at) + String.fromCharCode(random.u32() & 255) + text.slice(at + 1)
        break
      default:
        text = text.slice(0, at) + pick(random, CORPUS)
    }
  }
  return text
}

interface Parser {
  readonly outcome: unknown
  push(chunk: Uint8Array, off: number, end: number): number
}

/** What came of `text`, cut into pieces of `len`. */
function feed(parser: Parser, text: string, len: number): unknown {
  let off = 0
  while (off < text.length && parser.outcome === undefined) {
    // What lies behind the octets that have arrived is left from others.
    const piece = text.slice(off, off + len)
    const chunk = textToOctets(parser instanceof FrameParser ? piece : `${piece}\r\n0\r\n\r\n`)
    const used = parser.push(chunk, 0, piece.length)
    assert.ok(used <= piece.length)
    if (used === 0 && parser.outcome === undefined) assert.fail('a parser makes no progress')
    off += used
  }
  return parser.outcome
}

function checkParsers(text: string, random: SeededRandom): void {
  const limits = { fieldsBytes: 500, fieldCount: 8 }
  const plain = feed(new RequestParser({ ...limits, requestLineBytes: 200 }), text, text.length)
  assert.deepEqual(feed(new RequestParser({ ...limits, requestLineBytes: 200 }, memo), text, text.length), plain)
  const makers: readonly (() => Parser)[] = [
    () => new RequestParser({ ...limits, requestLineBytes: 200 }),
    () => new RequestParser({ ...limits, requestLineBytes: 200 }, memo),
    () => new ResponseParser({ ...limits, statusLineBytes: 200 }),
    () => new ChunkedParser(limits),
    () => new FrameParser(true, 100),
    () => new FrameParser(false, 100),
  ]
  for (const make of makers)
    assert.deepEqual(feed(make(), text, 1 + (random.u32() % 20)), feed(make(), text, text.length))
}

async function checkServer(text: string, random: SeededRandom): Promise<void> {
  const time = new MockTime()
  const stack = createLoopbackStack()
  stack.flowOptions = { chunkBytes: 1 + (random.u32() % 100), capacityBytes: 500, isPrompt: random.u32() % 2 === 0 }
  const wallClock = { now: () => 0 as WallInstant }
  const server = await createHttpServer(
    { stack, time, clock: time, wallClock, log: NO_LOG },
    { port: port(80) },
    (request) => {
      if (request.fields.has('upgrade')) {
        return webSocketResponse({ time, clock: time }, request, async (socket) => {
          while ((await socket.receive()) !== undefined);
        })
      }
      const response = { status: 200, fields: [], body: latin1Body('x'.repeat(random.u32() % 300)) }
      if (request.target.length % 2 === 0) return collect(request.content).then(() => response)
      return random.u32() % 2 === 0 ? response : Promise.resolve(response)
    },
  )
  const client = await stack.tcp.connect({ address: stack.addresses[0] as Ipv4, port: port(80) })
  const send = async () => {
    await client.write(textToOctets(text))
    if (random.u32() % 2 === 0) client.shutdownWrite()
  }
  const receiving = readAll(client).catch(() => new Uint8Array(0))
  void send().catch(() => {})
  await time.advance(ms(1))
  await time.advance(seconds(600))
  const received = await receiving
  const answers = octetsToText(received, 0, received.length).split(/HTTP\/1\.1 [2-5]/).length - 1
  const { requests, refusedRequests, upgrades } = server.counters
  assert.ok(answers <= requests + refusedRequests, `${answers} answers to ${requests} requests`)
  assert.equal(time.pendingCount, 0, `alarms left over; ${upgrades} upgrades`)
  await server.close()
}
