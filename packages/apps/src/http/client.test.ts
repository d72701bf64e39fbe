import assert from 'node:assert/strict'
import { test } from 'node:test'
import { port } from '@mirage-ts/core/addresses'
import { CancelController } from '@mirage-ts/core/cancel'
import { NO_LOG } from '@mirage-ts/core/log'
import { octetsToText, textToOctets } from '@mirage-ts/core/octets'
import { ms, seconds } from '@mirage-ts/core/time'
import { createHappyEyeballs } from '@mirage-ts/net/happy-eyeballs'
import type { Ipv4 } from '@mirage-ts/signatures/addresses'
import type { TcpFlow } from '@mirage-ts/signatures/flow'
import type { WallInstant } from '@mirage-ts/signatures/time'
import { readAtLeast } from '@mirage-ts/testing/flow-tools'
import { createLoopbackStack, type LoopbackStack } from '@mirage-ts/testing/loopback-stack'
import { MockTime } from '@mirage-ts/testing/mock-time'
import { type Body, collect, latin1Body } from './body.ts'
import { createHttpClient, type HttpClient, type HttpClientOptions } from './client.ts'
import type { Handler, HttpRequest } from './connection.ts'
import { ResponseParser } from './response-parser.ts'
import { createHttpServer, type HttpServer } from './server.ts'

const HERE = '10.0.0.2'

interface World {
  readonly time: MockTime
  readonly stack: LoopbackStack
  readonly client: HttpClient
}

function world(options: HttpClientOptions = {}): World {
  const time = new MockTime()
  const stack = createLoopbackStack()
  return { time, stack, client: createHttpClient({ stack, time, clock: time }, options) }
}

/** Adds a server of ours to the world. */
function listen({ time, stack }: World, handler: Handler<HttpRequest>): Promise<HttpServer> {
  const wallClock = { now: () => 0 as WallInstant }
  return createHttpServer({ stack, time, clock: time, wallClock, log: NO_LOG }, { port: port(80) }, handler)
}

/** Adds a server that says just this to the first request of each connection, and what it was sent. */
async function script({ stack }: World, reply: string, andThen: 'stays' | 'closes' = 'stays'): Promise<string[]> {
  const received: string[] = []
  await stack.tcp.listen(port(80), (flow) => {
    const serve = async () => {
      const chunk = (await flow.read()) ?? new Uint8Array(0)
      received.push(octetsToText(chunk, 0, chunk.length))
      await flow.write(textToOctets(reply))
      if (andThen === 'closes') await flow.close()
    }
    void serve().catch(() => {})
  })
  return received
}

function streamOf(...pieces: readonly string[]): Body {
  let at = 0
  return {
    lenBytes: undefined,
    read: async () => (at < pieces.length ? textToOctets(pieces[at++] as string) : undefined),
    cancel: () => {},
    trailers: () => [['X-Trailer', 't']],
  }
}

async function text(body: Body): Promise<string> {
  const octets = await collect(body)
  return octetsToText(octets, 0, octets.length)
}

const get = (target = '/') => ({ method: 'GET', authority: HERE, target })

const echo: Handler<HttpRequest> = async ({ method, target, content, fields }) => {
  const received = await text(content)
  const trailer = (content.trailers?.() ?? []).join()
  return {
    status: 200,
    fields: [['X-Length', fields.get('content-length') ?? 'none']],
    body: streamOf(`${method} ${target} `, `[${received}]${trailer}`),
  }
}

test('client: requests over one connection, with content of a length, chunked and none', async () => {
  const w = world()
  await listen(w, echo)
  const none = await w.client.request(get('/a?b'))
  assert.deepEqual([none.status, none.reason, await text(none.body)], [200, 'OK', 'GET /a?b []'])
  assert.deepEqual(none.body.trailers?.(), [['x-trailer', 't']])
  const known = await w.client.request({ ...get(), method: 'POST', body: latin1Body('abc') })
  assert.deepEqual([known.fields.get('x-length'), await text(known.body)], ['3', 'POST / [abc]'])
  const chunked = await w.client.request({ ...get(), method: 'PUT', body: streamOf('ab', 'cd') })
  assert.deepEqual([chunked.fields.get('x-length'), await text(chunked.body)], ['none', 'PUT / [abcd]x-trailer,t'])
  const empty = await w.client.request({ ...get(), method: 'POST' })
  assert.deepEqual([empty.fields.get('x-length'), await text(empty.body)], ['0', 'POST / []'])
  assert.deepEqual([w.stack.connectCount, w.client.idleCount], [1, 1])
  await w.time.advance(seconds(21))
  assert.deepEqual([w.client.idleCount, w.time.pendingCount], [0, 0])
})

test('client: the head says whom and what, and fields of the framing are its own', async () => {
  const w = world()
  const received = await script(w, 'HTTP/1.1 204 No Content\r\n\r\n')
  await w.client.request({
    ...get('/x'),
    method: 'POST',
    body: latin1Body('abc'),
    fields: [
      ['Host', 'other'],
      ['Content-Length', '99'],
      ['Transfer-Encoding', 'gzip'],
      ['X-Own', 'y'],
    ],
  })
  assert.deepEqual(received, [`POST /x HTTP/1.1\r\nHost: ${HERE}\r\nX-Own: y\r\nContent-Length: 3\r\n\r\nabc`])
  await assert.rejects(w.client.request({ ...get(), fields: [['X', 'a\r\nb: c']] }), TypeError)
})

test('client: responses of every framing (RFC 9112 §6.3)', async () => {
  for (const [reply, expected, isKept] of [
    ['HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc', 'abc', true],
    ['HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n2\r\nbc\r\n0\r\n\r\n', 'abc', true],
    ['HTTP/1.1 200 OK\r\n\r\nabc', 'abc', false],
    ['HTTP/1.0 200 OK\r\nContent-Length: 3\r\n\r\nabc', 'abc', false],
    ['HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 3\r\n\r\nabc', 'abc', true],
    ['HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 3\r\n\r\nabc', 'abc', false],
    ['HTTP/1.1 304 Not Modified\r\nContent-Length: 3\r\n\r\n', '', true],
    ['HTTP/1.1 204\r\n\r\n', '', true],
    ['HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n', '', true],
    // More than was promised is not taken for the next response.
    ['HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabcHTTP/1.1 200 OK\r\n\r\n', 'abc', false],
  ] as const) {
    const w = world()
    await script(w, reply, reply.includes('\r\n\r\nabc') && !/length|chunked/i.test(reply) ? 'closes' : 'stays')
    const response = await w.client.request(get())
    assert.equal(await text(response.body), expected, reply)
    assert.equal(w.client.idleCount, isKept ? 1 : 0, reply)
    w.client.close()
    await w.time.advance(ms(1))
    assert.equal(w.time.pendingCount, 0, reply)
  }
  const w = world()
  await script(w, 'HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n')
  assert.equal(await text((await w.client.request({ ...get(), method: 'HEAD' })).body), '')
})

test('client: what is no response, or whose end is in doubt, is an error', async () => {
  for (const reply of [
    'HTTP/2 200\r\n\r\n',
    'HTTP/1.1 20 OK\r\n\r\n',
    'HTTP/1.1  200 OK\r\n\r\n',
    'SSH-2.0-x\r\n',
    'HTTP/1.1 200 OK\nContent-Length: 0\n\n',
    'HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n',
    'HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
    'HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n',
    'HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n',
    `HTTP/1.1 200 OK\r\n${'A: b\r\n'.repeat(300)}\r\n`,
    `HTTP/1.1 200 ${'x'.repeat(10_000)}\r\n\r\n`,
    'HTTP/1.1 102 Processing\r\n\r\n'.repeat(30),
  ]) {
    const w = world()
    await script(w, reply)
    await assert.rejects(w.client.request(get()), { code: 'protocol' }, reply.slice(0, 60))
    assert.deepEqual([w.client.idleCount, w.time.pendingCount], [0, 0])
  }
  for (const reply of [
    'HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nab',
    'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx',
  ]) {
    const w = world()
    await script(w, reply, 'closes')
    const { body } = await w.client.request(get())
    await assert.rejects(text(body), { code: 'protocol' })
    assert.equal(w.time.pendingCount, 0)
  }
})

test('client: Expect sends the content when the server wants it, after a while, or not at all', async () => {
  const request = { ...get(), method: 'POST', expectsContinue: true }
  const wanted = world()
  await listen(wanted, echo)
  const response = await wanted.client.request({ ...request, body: latin1Body('abc') })
  assert.equal(await text(response.body), 'POST / [abc]')

  const silent = world()
  let received = ''
  await silent.stack.tcp.listen(port(80), (flow) => {
    const serve = async () => {
      for (let chunk = await flow.read(); chunk !== undefined; chunk = await flow.read()) {
        received += octetsToText(chunk, 0, chunk.length)
        if (received.endsWith('abc')) await flow.write(textToOctets('HTTP/1.1 204\r\n\r\n'))
      }
    }
    void serve().catch(() => {})
  })
  const asked = silent.client.request({ ...request, body: latin1Body('abc') })
  await silent.time.advance(ms(900))
  assert.match(received, /Expect: 100-continue\r\nContent-Length: 3\r\n\r\n$/)
  await silent.time.advance(ms(200))
  assert.equal((await asked).status, 204)

  const refused = world()
  let wasRead = false
  await listen(refused, () => ({ status: 413, fields: [] }))
  const read = async () => {
    wasRead = true
    return undefined
  }
  const body: Body = { lenBytes: 3, read, cancel: () => {} }
  assert.equal((await refused.client.request({ ...request, body })).status, 413)
  assert.deepEqual([wasRead, refused.client.idleCount], [false, 0])
})

test('client: a server that answers before it has the whole request is heard', async () => {
  const w = world()
  await listen(w, () => ({ status: 403, fields: [], body: latin1Body('no') }))
  const endless: Body = { lenBytes: undefined, read: async () => new Uint8Array(10_000), cancel: () => {} }
  const response = await w.client.request({ ...get(), method: 'POST', body: endless })
  assert.deepEqual([response.status, await text(response.body)], [403, 'no'])
  assert.equal(w.client.idleCount, 0)
})

test('client: so many connections to a host, then requests wait, then they are refused', async () => {
  const w = world({ hostConnectionCount: 2, waitingCount: 3 })
  let atOnce = 0
  let most = 0
  await listen(w, async () => {
    most = Math.max(most, ++atOnce)
    await w.time.sleep(ms(10))
    atOnce--
    return { status: 204, fields: [] }
  })
  const asked = Array.from({ length: 6 }, () => w.client.request(get()))
  const results = await w.time.until(Promise.allSettled(asked))
  assert.deepEqual(
    results.map(({ status }) => status),
    ['fulfilled', 'fulfilled', 'fulfilled', 'fulfilled', 'fulfilled', 'rejected'],
  )
  assert.deepEqual([most, w.stack.connectCount], [2, 2])
})

test('client: a connection that the server closed meanwhile is replaced, and an idempotent request repeated', async () => {
  const w = world()
  let served = 0
  const flows: TcpFlow[] = []
  await w.stack.tcp.listen(port(80), (flow) => {
    flows.push(flow)
    const serve = async () => {
      await readAtLeast(flow, 1)
      served++
      await flow.write(textToOctets('HTTP/1.1 204\r\n\r\n'))
      // The second request on a connection is never answered: the connection just ends.
      await readAtLeast(flow, 1)
      await flow.close()
    }
    void serve().catch(() => {})
  })
  await w.client.request(get())
  assert.equal((await w.client.request(get())).status, 204)
  assert.deepEqual([served, w.stack.connectCount], [2, 2])
  await assert.rejects(w.client.request({ ...get(), method: 'POST' }), { code: 'connection-reset' })
  // One that ends while it is idle is not used at all.
  assert.equal((await w.client.request(get())).status, 204)
  await flows.at(-1)?.close()
  await w.time.advance(ms(1))
  assert.equal(w.client.idleCount, 0)
})

test('client: time limits for connecting, answering and content', async () => {
  const silent = world()
  await silent.stack.tcp.listen(port(80), () => {})
  await assert.rejects(silent.time.until(silent.client.request(get())), { code: 'timed-out' })
  assert.equal(silent.time.pendingCount, 0)

  const stopping = world()
  await script(stopping, 'HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\na')
  const { body } = await stopping.client.request(get())
  await assert.rejects(stopping.time.until(text(body)), { code: 'timed-out' })

  const nowhere = world()
  nowhere.stack.tcp.connect = (_, { signal } = {}) =>
    new Promise((_resolve, reject) => signal?.addEventListener('abort', () => reject(signal.reason)))
  await assert.rejects(nowhere.time.until(nowhere.client.request(get())), { code: 'timed-out' })
  assert.equal(nowhere.time.pendingCount, 0)
})

test('client: a request can be cancelled at any time, and a response left', async () => {
  const w = world({ hostConnectionCount: 1 })
  await listen(w, () => ({ status: 200, fields: [], body: latin1Body('x'.repeat(100_000)) }))
  const first = await w.client.request(get())
  const waiting = new CancelController()
  const second = w.client.request({ ...get(), signal: waiting.signal })
  await w.time.advance(ms(1))
  waiting.cancel(new Error('enough'))
  await assert.rejects(second, { message: 'enough' })
  first.body.cancel(undefined)
  await assert.rejects(text(first.body), { code: 'cancelled' })

  const reading = new CancelController()
  const third = await w.client.request({ ...get(), signal: reading.signal })
  await third.body.read()
  reading.cancel(new Error('stop'))
  await assert.rejects(text(third.body), { message: 'stop' })
  await w.time.advance(ms(1))
  assert.deepEqual([w.client.idleCount, w.stack.connectCount], [0, 2])
  w.client.close()
  await assert.rejects(w.client.request(get()), { code: 'closed' })
})

test('client: an upgrade gives the connection, with what came along', async () => {
  const w = world()
  await script(w, 'HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\nhello')
  const { upgraded } = await w.client.request({
    ...get(),
    fields: [
      ['Connection', 'Upgrade'],
      ['Upgrade', 'x'],
    ],
  })
  const chunk = (await upgraded?.read()) ?? assert.fail('no flow')
  assert.equal(octetsToText(chunk, 0, chunk.length), 'hello')
  assert.deepEqual([w.client.idleCount, w.time.pendingCount], [0, 0])
})

test('client: names need a resolver, https needs TLS, nobody there is an error', async () => {
  const w = world()
  await assert.rejects(w.client.request({ ...get(), authority: 'example.com' }), { code: 'no-route' })
  await assert.rejects(w.client.request({ ...get(), isSecure: true }), { code: 'no-route' })
  await assert.rejects(w.client.request(get()), { code: 'connection-refused' })
  const ipv4 = async (name: string) => (name === 'h' ? (w.stack.addresses as readonly Ipv4[]) : [])
  const resolver = { ipv4, ipv6: async () => [] }
  const eyeballs = createHappyEyeballs({ stack: w.stack, time: w.time, clock: w.time, resolver })
  const named = createHttpClient({ stack: w.stack, time: w.time, clock: w.time, eyeballs })
  await listen(w, ({ authority }) => ({ status: 200, fields: [], body: latin1Body(authority) }))
  assert.equal(await text((await named.request({ ...get(), authority: 'h:80' })).body), 'h:80')
  await assert.rejects(named.request({ ...get(), authority: 'nobody' }), { code: 'host-unreachable' })
  const six = '[2001:db8::1]:80'
  assert.equal(await text((await w.client.request({ ...get(), authority: six })).body), six)
})

test('response: any cutting gives the same, random octets never throw', () => {
  const octets = textToOctets('HTTP/1.1 404 Not Found\r\nA: b\r\n\r\nrest')
  for (let len = 1; len < 10; len++) {
    const parser = new ResponseParser()
    let off = 0
    while (parser.outcome === undefined) off += parser.push(octets.subarray(off, off + len), 0)
    assert.ok(typeof parser.outcome === 'object' && parser.outcome.status === 404)
    assert.equal(octetsToText(octets, off, octets.length), 'rest')
  }
})
