import assert from 'node:assert/strict'
import { test as nodeTest } from 'node:test'
import { port } from '@mirage-ts/core/addresses'
import { NO_LOG } from '@mirage-ts/core/log'
import { octetsToText, textToOctets } from '@mirage-ts/core/octets'
import { ms, seconds } from '@mirage-ts/core/time'
import type { TcpFlow } from '@mirage-ts/signatures/flow'
import type { WallInstant } from '@mirage-ts/signatures/time'
import { readAll, readAtLeast } from '@mirage-ts/testing/flow-tools'
import { createLoopbackStack } from '@mirage-ts/testing/loopback-stack'
import { MockTime } from '@mirage-ts/testing/mock-time'
import { type Body, collect, latin1Body } from './body.ts'
import type { ConnectionLimits, Handler, HttpRequest } from './connection.ts'
import type { HttpResponse } from './response.ts'
import { createHttpServer, type HttpServer } from './server.ts'

/** Whether the flows of the test under way are prompt ones. */
let isPrompt = true

/** Registers a test twice: over flows that do at once what they can, and over flows that only promise. */
function test(name: string, body: () => Promise<void>): void {
  for (const kind of ['prompt', 'plain']) {
    void nodeTest(`${name} (${kind} flows)`, async () => {
      isPrompt = kind === 'prompt'
      await body()
    })
  }
}

interface World {
  readonly time: MockTime
  readonly server: HttpServer
  connect(): Promise<TcpFlow>
}

async function world(
  handler: Handler<HttpRequest>,
  limits: Partial<ConnectionLimits> = {},
  chunkBytes = 1 << 20,
): Promise<World> {
  const time = new MockTime()
  const stack = createLoopbackStack()
  // Writes wait for the reader when chunks are small.
  stack.flowOptions = { chunkBytes, isPrompt, ...(chunkBytes < 100 ? { capacityBytes: chunkBytes } : {}) }
  const wallClock = { now: () => (784111777 * 1_000_000) as WallInstant }
  const server = await createHttpServer(
    { stack, time, clock: time, wallClock, log: NO_LOG },
    { port: port(80), limits },
    handler,
  )
  const remote = { address: stack.addresses[0] as (typeof stack.addresses)[0] & number, port: port(80) }
  return { time, server, connect: () => stack.tcp.connect(remote) }
}

/** Sends `text`, finishes, and gives all that comes back, without the Date fields. */
async function exchange({ connect }: World, text: string): Promise<string> {
  const client = await connect()
  const send = async () => {
    await client.write(textToOctets(text))
    client.shutdownWrite()
  }
  const [received] = await Promise.all([readAll(client), send()])
  return octetsToText(received, 0, received.length).replaceAll(/Date: .*\r\n/g, '')
}

/** Answers with what it was asked, and the content. */
const echo: Handler<HttpRequest> = async ({ method, target, content }) => {
  const octets = await collect(content)
  const trailers = content.trailers?.() ?? []
  return {
    status: 200,
    fields: [],
    body: latin1Body(`${method} ${target} [${octetsToText(octets, 0, octets.length)}]${trailers.join()}`),
  }
}

/** The bodies of the responses to `text`, none of which is chunked. */
async function bodies(text: string, handler = echo, limits: Partial<ConnectionLimits> = {}): Promise<string[]> {
  const reply = await exchange(await world(handler, limits), text)
  return reply.split(/HTTP\/1\.1 (?=\d{3})/).flatMap((part) => {
    const [head = '', body = ''] = part.split('\r\n\r\n')
    return head === '' ? [] : [`${head.slice(0, 3)} ${body}`]
  })
}

const ok = (body: Body | undefined, fields: HttpResponse['fields'] = []): HttpResponse => ({
  status: 200,
  fields,
  body,
})

/** A body of unknown length whose pieces come when they are asked for. */
function streamOf(pieces: readonly string[], trailers: HttpResponse['fields'] = []): Body & { cancelled: number } {
  let at = 0
  return {
    lenBytes: undefined,
    cancelled: 0,
    read: async () => (at < pieces.length ? textToOctets(pieces[at++] as string) : undefined),
    cancel() {
      this.cancelled++
    },
    trailers: () => trailers,
  }
}

test('http: content of a length, chunked content and none, pipelined (RFC 9112 §6)', async () => {
  assert.deepEqual(
    await bodies(
      'POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc' +
        'POST /b HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\ndef\r\n2;x=y\r\ngh\r\n0\r\nX-T: u\r\n\r\n' +
        'GET /c HTTP/1.1\r\nHost: h\r\n\r\n',
    ),
    ['200 POST /a [abc]', '200 POST /b [defgh]x-t,u', '200 GET /c []'],
  )
})

test('http: a response of unknown length is chunked, with trailers; HTTP/1.0 gets it up to the end', async () => {
  const handler = () => ok(streamOf(['one', 'two'], [['X-Sum', '6']]), [['Content-Type', 'text/plain']])
  assert.equal(
    await exchange(await world(handler), 'GET / HTTP/1.1\r\nHost: h\r\n\r\n'),
    'HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n' +
      '3\r\none\r\n3\r\ntwo\r\n0\r\nX-Sum: 6\r\n\r\n',
  )
  assert.equal(
    await exchange(await world(handler), 'GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n'),
    'HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nConnection: close\r\n\r\nonetwo',
  )
})

test('http: a handler cannot contradict the framing', async () => {
  const fields: HttpResponse['fields'] = [
    ['Transfer-Encoding', 'gzip'],
    ['Connection', 'upgrade'],
    ['Content-Length', '77'],
  ]
  assert.equal(
    await exchange(await world(() => ok(latin1Body('abc'), fields)), 'GET / HTTP/1.1\r\nHost: h\r\n\r\n'),
    'HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc',
  )
})

test('http: a declared length of a stream is used, and must be kept', async () => {
  const request = 'GET / HTTP/1.1\r\nHost: h\r\n\r\n'
  const declared: HttpResponse['fields'] = [['content-length', '6']]
  assert.match(
    await exchange(await world(() => ok(streamOf(['one', 'two']), declared)), request),
    /\r\nContent-Length: 6\r\n\r\nonetwo$/,
  )
  for (const pieces of [['one'], ['one', 'twoo']]) {
    const short = await world(() => ok(streamOf(pieces), declared))
    await assert.rejects(exchange(short, request), { code: 'connection-reset' })
    assert.equal(short.server.counters.failedResponses, 1)
  }
})

test('http: HEAD, 204 and 304 have no content, whatever the handler gives', async () => {
  const body = streamOf(['never sent'])
  const handler: Handler<HttpRequest> = ({ target }) => ({ ...ok(body), status: Number(target.slice(1)) })
  const reply = await exchange(
    await world(handler),
    'HEAD /200 HTTP/1.1\r\nHost: h\r\n\r\nGET /204 HTTP/1.1\r\nHost: h\r\n\r\nGET /304 HTTP/1.1\r\nHost: h\r\n\r\n',
  )
  assert.equal(
    reply,
    'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nHTTP/1.1 204 No Content\r\n\r\nHTTP/1.1 304 Not Modified\r\n\r\n',
  )
  assert.equal(body.cancelled, 3)
  // What a handler says of the length that GET would have is passed on.
  const declared = await exchange(
    await world(() => ok(undefined, [['Content-Length', '9']])),
    'HEAD / HTTP/1.1\r\nHost: h\r\n\r\n',
  )
  assert.match(declared, /Content-Length: 9\r\n\r\n$/)
})

test('http: Expect: 100-continue is answered when the handler reads (RFC 9110 §10.1.1)', async () => {
  const { connect } = await world(echo)
  const client = await connect()
  await client.write(textToOctets('POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n'))
  const interim = await readAtLeast(client, 1)
  assert.equal(octetsToText(interim, 0, interim.length), 'HTTP/1.1 100 Continue\r\n\r\n')
  await client.write(textToOctets('abc'))
  client.shutdownWrite()
  const final = await readAll(client)
  assert.match(octetsToText(final, 0, final.length), /^HTTP\/1\.1 200 OK\r\n.*\[abc\]$/s)
})

test('http: 100 (Continue) is sent before a response that waits for the content, even when it is slow to go', async () => {
  const { connect, time } = await world(({ content }) => ok({ ...streamOf([]), read: () => content.read() }), {}, 5)
  const client = await connect()
  await client.write(textToOctets('POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n'))
  await time.advance(ms(1))
  const interim = await readAtLeast(client, 20)
  assert.match(octetsToText(interim, 0, interim.length), /^HTTP\/1\.1 100 Con/)
  await client.write(textToOctets('abc'))
  client.shutdownWrite()
  const rest = await readAll(client)
  assert.match(octetsToText(rest, 0, rest.length), /HTTP\/1\.1 200 OK\r\n.*3\r\nabc\r\n0\r\n\r\n$/s)
})

test('http: no 100 when the content is there already, for HTTP/1.0, or for a handler that does not read', async () => {
  const fields = 'Host: h\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n'
  assert.deepEqual(await bodies(`POST / HTTP/1.1\r\n${fields}abc`), ['200 POST / [abc]'])
  assert.deepEqual(await bodies(`POST / HTTP/1.0\r\n${fields}abc`), ['200 POST / [abc]'])
  // The content may be a request of its own: nothing after it is taken for one.
  const refusing = () => ok(latin1Body('no'))
  assert.deepEqual(await bodies(`POST / HTTP/1.1\r\n${fields}GET / HTTP/1.1\r\nHost: h\r\n\r\n`, refusing), ['200 no'])
  assert.match(
    await exchange(await world(echo), 'GET / HTTP/1.1\r\nHost: h\r\nExpect: tea\r\n\r\n'),
    /^HTTP\/1\.1 417 /,
  )
})

test('http: content that a handler leaves is skipped up to a bound, then the connection ends', async () => {
  const lazy = () => ok(latin1Body('ok'))
  const request = (lenBytes: number) =>
    `POST / HTTP/1.1\r\nHost: h\r\nContent-Length: ${lenBytes}\r\n\r\n${'x'.repeat(lenBytes)}`
  assert.deepEqual(await bodies(request(100) + request(1), lazy, { drainBytes: 100 }), ['200 ok', '200 ok'])
  assert.deepEqual(await bodies(request(101) + request(1), lazy, { drainBytes: 100 }), ['200 ok'])
  const chunked = `POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n${'5\r\nabcde\r\n'.repeat(50)}0\r\n\r\n`
  assert.deepEqual(await bodies(chunked + request(1), lazy, { drainBytes: 1000 }), ['200 ok', '200 ok'])
  assert.deepEqual(await bodies(chunked + request(1), lazy, { drainBytes: 100 }), ['200 ok'])
})

test('http: more content than allowed is 413, announced or chunked; malformed content 400', async () => {
  const limits = { contentBytes: 10 }
  assert.match((await bodies('POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 11\r\n\r\n', echo, limits)).join(), /^413 /)
  const chunked = 'POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n'
  const after = 'GET /after HTTP/1.1\r\nHost: h\r\n\r\n'
  assert.match(
    (await bodies(`${chunked}6\r\nabcdef\r\n5\r\nabcde\r\n0\r\n\r\n${after}`, echo, limits)).join(),
    /^413 [^,]*$/,
  )
  assert.match((await bodies(`${chunked}x\r\n\r\n${after}`)).join(), /^400 [^,]*$/)
  assert.match((await bodies(`${chunked}3\r\nab`)).join(), /^400 [^,]*$/)
})

test('http: request and response content stream at the same time, with back-pressure', async () => {
  let pulled = 0
  const handler: Handler<HttpRequest> = ({ content }) =>
    ok({ lenBytes: undefined, cancel: () => {}, read: () => content.read().finally(() => pulled++) })
  const { connect, time } = await world(handler)
  const client = await connect()
  await client.write(textToOctets('POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n'))
  for (const piece of ['a', 'bc', 'def']) {
    const length = piece.length.toString(16)
    await client.write(textToOctets(`${length}\r\n${piece}\r\n`))
    await time.advance(ms(1))
    const got = (await client.read()) ?? assert.fail('ended')
    assert.ok(octetsToText(got, 0, got.length).endsWith(`${length}\r\n${piece}\r\n`))
  }
  // Nobody reads any more: what the server takes is bounded by the buffers of the two directions.
  let writtenBytes = 0
  const flood = async () => {
    const data = 'x'.repeat(0x1000)
    for (; writtenBytes < 1 << 22; writtenBytes += data.length) await client.write(textToOctets(`1000\r\n${data}\r\n`))
  }
  const flooding = flood().catch(() => {})
  await time.advance(seconds(1))
  assert.ok(writtenBytes < 1 << 18, `${writtenBytes}`)
  assert.ok(pulled < 100)
  client.abort()
  await flooding
})

test('http: an upgrade hands the connection over, with what was already received (RFC 9110 §7.8)', async () => {
  const handler: Handler<HttpRequest> = () => ({
    status: 101,
    fields: [['Upgrade', 'echo']],
    upgrade: async (flow) => {
      for (let chunk = await flow.read(); chunk !== undefined; chunk = await flow.read()) await flow.write(chunk)
    },
  })
  const w = await world(handler)
  assert.equal(
    await exchange(w, 'GET / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\nGET / hello'),
    'HTTP/1.1 101 Switching Protocols\r\nUpgrade: echo\r\nConnection: Upgrade\r\n\r\nGET / hello',
  )
  await w.time.advance(seconds(100))
  assert.deepEqual([w.server.counters.upgrades, w.server.counters.timeouts, w.time.pendingCount], [1, 0, 0])
})

test('http: CONNECT opens a tunnel when the handler says 2xx (RFC 9110 §9.3.6)', async () => {
  const handler: Handler<HttpRequest> = ({ authority }) => ({
    status: 200,
    fields: [['X-To', authority]],
    upgrade: (flow) => flow.write(textToOctets('tunnel')),
  })
  const reply = await exchange(await world(handler), 'CONNECT h:443 HTTP/1.1\r\nHost: h\r\n\r\n')
  assert.equal(reply, 'HTTP/1.1 200 OK\r\nX-To: h:443\r\n\r\ntunnel')
})

test('http: a handler that takes too long is answered for with 503, and its connection ends', async () => {
  const { connect, time, server } = await world(() => new Promise<HttpResponse>(() => {}), { answerTime: seconds(5) })
  const client = await connect()
  await client.write(textToOctets('GET / HTTP/1.1\r\nHost: h\r\n\r\n'))
  await time.advance(seconds(6))
  client.shutdownWrite()
  const reply = await readAll(client)
  assert.match(octetsToText(reply, 0, reply.length), /^HTTP\/1\.1 503 .*Connection: close/s)
  assert.deepEqual([server.counters.timeouts, time.pendingCount], [1, 0])
})

test('http: a response that comes too late is dropped, its body cancelled', async () => {
  const body = streamOf(['late'])
  const handler: Handler<HttpRequest> = async () => {
    await time.sleep(seconds(10))
    return ok(body)
  }
  const { connect, time } = await world(handler, { answerTime: seconds(5) })
  for (const isLost of [false, true]) {
    const client = await connect()
    await client.write(textToOctets('GET / HTTP/1.1\r\nHost: h\r\n\r\n'))
    await time.advance(seconds(1))
    if (isLost) client.abort()
    else client.shutdownWrite()
    await time.advance(seconds(20))
  }
  assert.deepEqual([body.cancelled, time.pendingCount], [2, 0])
})

test('http: a status that is none is 500', async () => {
  for (const status of [0, 100, 101, 199, 1000, 200.5, Number.NaN]) {
    const reply = await exchange(await world(() => ({ status, fields: [] })), 'GET / HTTP/1.1\r\nHost: h\r\n\r\n')
    assert.match(reply, /^HTTP\/1\.1 500 /, String(status))
  }
})

test('http: a client that stops in the middle of its content is reset', async () => {
  const { connect, time, server } = await world(echo)
  const client = await connect()
  await client.write(textToOctets('POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\nabc'))
  await time.advance(seconds(31))
  await assert.rejects(readAll(client), { code: 'connection-reset' })
  assert.deepEqual([server.counters.timeouts, time.pendingCount], [1, 0])
})

test('http: a pause of the handler between two pieces is not held against the client', async () => {
  const { connect, time } = await world(() => {
    let count = 0
    const read = () =>
      count++ < 3 ? time.sleep(seconds(100)).then(() => textToOctets('x')) : Promise.resolve(undefined)
    return ok({ lenBytes: undefined, read, cancel: () => {} })
  })
  const client = await connect()
  await client.write(textToOctets('GET / HTTP/1.1\r\nHost: h\r\n\r\n'))
  client.shutdownWrite()
  const reply = await time.until(readAll(client))
  assert.equal(octetsToText(reply, 0, reply.length).split('1\r\nx\r\n').length, 4)
})

test('http: a handler is told when its client goes away', async () => {
  let reason: { readonly code?: string } | undefined
  const handler: Handler<HttpRequest> = ({ signal }) =>
    new Promise((resolve) =>
      signal.addEventListener('abort', () => {
        reason = signal.reason as { readonly code?: string }
        resolve(ok(undefined))
      }),
    )
  const { connect, time, server } = await world(handler)
  const client = await connect()
  await client.write(textToOctets('GET / HTTP/1.1\r\nHost: h\r\n\r\n'))
  await time.advance(ms(1))
  const codeOf = () => reason?.code
  assert.equal(codeOf(), undefined)
  client.abort()
  await time.advance(ms(1))
  assert.equal(codeOf(), 'connection-reset')
  assert.deepEqual([server.counters.lostConnections, time.pendingCount], [1, 0])
})

test('http: a body is cancelled when its client goes away', async () => {
  const body = streamOf(Array(1000).fill('x'.repeat(1000)))
  const { connect, time } = await world(() => ok(body))
  const client = await connect()
  await client.write(textToOctets('GET / HTTP/1.1\r\nHost: h\r\n\r\n'))
  await time.advance(ms(1))
  client.abort()
  await time.advance(ms(1))
  assert.equal(body.cancelled, 1)
})

test('http: shutdown closes idle connections, lets a response finish, and resets what takes too long', async () => {
  const { connect, time, server } = await world(async ({ target }) => {
    await time.sleep(seconds(target === '/slow' ? 100 : 1))
    return ok(latin1Body('done'))
  })
  const [idle, busy, slow] = await Promise.all([connect(), connect(), connect()])
  await busy.write(textToOctets('GET / HTTP/1.1\r\nHost: h\r\n\r\n'))
  await slow.write(textToOctets('GET /slow HTTP/1.1\r\nHost: h\r\n\r\n'))
  await time.advance(ms(1))
  const ending = server.shutdown(seconds(20))
  const failing = assert.rejects(readAll(slow), { code: 'connection-reset' })
  await time.advance(seconds(2))
  assert.equal((await readAll(idle)).length, 0)
  const reply = await readAll(busy)
  assert.match(octetsToText(reply, 0, reply.length), /^HTTP\/1\.1 200 OK\r\n.*Connection: close\r\n\r\ndone$/s)
  await assert.rejects(connect(), { code: 'connection-refused' })
  await time.until(Promise.all([ending, server.closed]))
  await failing
  assert.equal(server.counters.timeouts, 0)
})

test('http: an error of a handler is 500 and the connection goes on', async () => {
  const handler: Handler<HttpRequest> = ({ target }) => {
    if (target === '/bad') throw new Error('on fire')
    return ok(latin1Body('fine'))
  }
  const request = 'GET /bad HTTP/1.1\r\nHost: h\r\n\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n'
  assert.deepEqual(await bodies(request, handler), ['500 500 Internal Server Error\n', '200 fine'])
})

/** `count` requests for /0, /1, ... */
function pipelined(count: number): string {
  return Array.from({ length: count }, (_, i) => `GET /${i} HTTP/1.1\r\nHost: h\r\n\r\n`).join('')
}

test('http: requests that arrive together are answered together', async () => {
  const { connect, time } = await world(({ target }) => ok(latin1Body(target)))
  const client = await connect()
  await client.write(textToOctets(pipelined(3)))
  await time.advance(ms(1))
  const reply = (await client.read()) ?? assert.fail('ended')
  assert.equal(
    octetsToText(reply)
      .match(/\/\d(?=HTTP|$)/g)
      ?.join(),
    '/0,/1,/2',
  )
  client.abort()
  await time.advance(ms(1))
})

test('http: a client that asks and does not read is not heard until it does, and nothing is lost', async () => {
  const count = 1000
  let answered = 0
  const text = (target: string) => `[${target}]${'x'.repeat(target.endsWith('7') ? 40_000 : 200)}`
  const w = await world((request) => {
    const response = ok(latin1Body(text(request.target)))
    answered++
    return request.target.endsWith('3') ? Promise.resolve(response) : response
  })
  const client = await w.connect()
  const writing = client.write(textToOctets(pipelined(count))).then(() => client.shutdownWrite())
  await w.time.advance(seconds(1))
  assert.ok(answered < count / 2, `${answered}`)
  const reply = octetsToText(await w.time.until(readAll(client)))
  await writing
  assert.equal(
    reply.replaceAll(/HTTP\/1\.1 200 OK\r\n(?:.+\r\n)*\r\n/g, ''),
    Array.from({ length: count }, (_, i) => text(`/${i}`)).join(''),
  )
  assert.deepEqual([w.server.counters.requests, w.time.pendingCount], [count, 0])
})

test('http: a client that never reads is reset, whoever was about to answer', async () => {
  for (const isLate of [false, true]) {
    const { connect, time, server } = await world(({ target }) => {
      const response = ok(latin1Body('x'.repeat(1000)))
      return isLate && Number(target.slice(1)) > 70 ? new Promise<HttpResponse>(() => {}) : response
    })
    const client = await connect()
    client.write(textToOctets(pipelined(1000))).catch(() => {})
    await time.advance(seconds(40))
    assert.deepEqual([server.counters.timeouts, time.pendingCount], [1, 0])
    await assert.rejects(readAll(client), { code: 'connection-reset' })
  }
})
