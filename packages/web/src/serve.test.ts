/** `serve`, `fetch` and `WebSocket` with each other, in memory, on the classes of Node.js; `tests/hono.test.ts` has ours. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createHttpClient } from '@mirage-ts/apps/http/client'
import type { HttpServer } from '@mirage-ts/apps/http/server'
import { port } from '@mirage-ts/core/addresses'
import { NO_LOG } from '@mirage-ts/core/log'
import { ms } from '@mirage-ts/core/time'
import type { WallInstant } from '@mirage-ts/signatures/time'
import { createLoopbackStack } from '@mirage-ts/testing/loopback-stack'
import { MockTime } from '@mirage-ts/testing/mock-time'
import { SeededRandom } from '@mirage-ts/testing/seeded-random'
import { createTimers } from './device-globals.ts'
import { createFetch } from './fetch.ts'
import { serve, type WebHandler } from './serve.ts'
import { createWebSocketClass, upgradeWebSocket } from './websocket.ts'

async function world(handler: WebHandler) {
  const time = new MockTime()
  const stack = createLoopbackStack()
  const wallClock = { now: () => 0 as WallInstant }
  const server: HttpServer = await serve(
    { stack, time, clock: time, wallClock, log: NO_LOG },
    { port: port(80) },
    handler,
  )
  const client = createHttpClient({ stack, time, clock: time })
  return { time, stack, server, client, fetch: createFetch({ client }) }
}

const HERE = 'http://10.0.0.2'

test('serve: the request says what was asked, the response what is answered', async () => {
  const { fetch } = await world(async (request) => {
    const { method, url, headers } = request
    return Response.json([method, url, headers.get('x-a'), await request.text()], {
      status: 201,
      headers: [
        ['Set-Cookie', 'a=1'],
        ['Set-Cookie', 'b=2'],
      ],
    })
  })
  const response = await fetch(`${HERE}/a%20b/../c?d=ä`, { method: 'POST', body: 'grüße', headers: { 'X-A': '1' } })
  assert.deepEqual(await response.json(), ['POST', `${HERE}/c?d=%C3%A4`, '1', 'grüße'])
  assert.deepEqual([response.status, response.statusText, response.url], [201, 'Created', `${HERE}/c?d=%C3%A4`])
  assert.deepEqual(response.headers.getSetCookie(), ['a=1', 'b=2'])
})

test('serve: paths are normalized as URLs are, and what makes none is 400', async () => {
  const seen: string[] = []
  const { client } = await world(({ url }) => {
    seen.push(url)
    return new Response(null, { status: 204 })
  })
  const ask = async (target: string) => (await client.request({ method: 'GET', authority: '10.0.0.2', target })).status
  const targets = ['/', '/a/../b', '/.%2e/x', '//x/y', '/a.b?c=.', "/it's?'", '/%zz', '/a|b', 'http://OTHER:80/z']
  for (const target of targets) assert.equal(await ask(target), 204, target)
  assert.deepEqual(seen, [...targets.slice(0, -1).map((target) => new URL(HERE + target).href), 'http://other/z'])
  assert.equal(await ask('http://999.1.1.1/'), 400)
  assert.equal((await client.request({ method: 'TRACE', authority: '10.0.0.2', target: '/' })).status, 501)
})

test('serve: streams in both directions at once', async () => {
  const { fetch } = await world((request) => new Response(request.body))
  const body = new ReadableStream({
    start(controller) {
      for (let i = 0; i < 50; i++) controller.enqueue(new Uint8Array(5000).fill(i))
      controller.close()
    },
  })
  const response = await fetch(HERE, { method: 'PUT', body, duplex: 'half' } as RequestInit)
  const octets = new Uint8Array(await response.arrayBuffer())
  assert.deepEqual([octets.length, octets[4999], octets[5000], octets.at(-1)], [250_000, 0, 1, 49])
})

test('serve: what a handler throws, or gives in place of a Response, is 500', async () => {
  const { fetch, server } = await world(({ url }) => {
    if (url.endsWith('throw')) throw new Error('on fire')
    return undefined as unknown as Response
  })
  assert.deepEqual([(await fetch(`${HERE}/throw`)).status, (await fetch(HERE)).status], [500, 500])
  assert.equal(server.counters.failedResponses, 2)
})

test('serve: the signal of a request is aborted when its client goes away', async () => {
  let isAborted = false
  const { fetch, time } = await world(
    ({ signal }) =>
      new Promise((resolve) =>
        signal.addEventListener('abort', () => {
          isAborted = true
          resolve(new Response())
        }),
      ),
  )
  const controller = new AbortController()
  const asked = fetch(HERE, { signal: controller.signal })
  await time.advance(ms(1))
  controller.abort(new Error('enough'))
  await assert.rejects(asked, { message: 'enough' })
  await time.advance(ms(1))
  assert.equal(isAborted, true)
})

test('fetch: redirections are followed, and say so', async () => {
  const { fetch } = await world(async (request) => {
    const { pathname, searchParams } = new URL(request.url)
    const status = Number(searchParams.get('status'))
    if (pathname === '/from') return new Response('moved', { status, headers: { Location: 'to#x' } })
    if (pathname === '/loop') return Response.redirect(request.url)
    return new Response(`${request.method} ${await request.text()} ${request.headers.has('content-type')}`)
  })
  for (const [method, status, expected] of [
    ['GET', 302, 'GET  false'],
    ['POST', 301, 'GET  false'],
    ['POST', 303, 'GET  false'],
    ['PUT', 303, 'GET  false'],
  ] as const) {
    const init = method === 'GET' ? {} : { body: 'content' }
    const response = await fetch(`${HERE}/from?status=${status}`, { method, ...init })
    assert.deepEqual([await response.text(), response.redirected, response.url], [expected, true, `${HERE}/to#x`])
  }
  assert.equal((await fetch(`${HERE}/from?status=302`, { redirect: 'manual' })).status, 302)
  await assert.rejects(fetch(`${HERE}/from?status=302`, { redirect: 'error' }), TypeError)
  await assert.rejects(fetch(`${HERE}/from?status=307`, { method: 'POST', body: 'x' }), TypeError)
  await assert.rejects(fetch(`${HERE}/loop`), /too many redirections/)
})

test('fetch: what was meant for one host is not told to another', async () => {
  const { stack, fetch, time } = await world(() => Response.redirect(`${HERE}:81/`))
  const wallClock = { now: () => 0 as WallInstant }
  await serve({ stack, time, clock: time, wallClock, log: NO_LOG }, { port: port(81) }, ({ headers }) =>
    Response.json([headers.get('authorization'), headers.get('x-own')]),
  )
  const response = await fetch(HERE, { headers: { Authorization: 'secret', 'X-Own': 'y' } })
  assert.deepEqual(await response.json(), [null, 'y'])
})

test('fetch: failures are a TypeError with a cause', async () => {
  const { fetch } = await world(() => new Response())
  for (const url of [`${HERE}:82/`, 'http://nobody.example/', 'https://10.0.0.2/', 'ftp://10.0.0.2/']) {
    await assert.rejects(fetch(url), TypeError, url)
  }
  await assert.rejects(fetch(HERE, { signal: AbortSignal.abort(new Error('never')) }), { message: 'never' })
})

test('websocket: a client and an upgraded request, as events', async () => {
  const log: string[] = []
  const time = new MockTime()
  const stack = createLoopbackStack()
  const wallClock = { now: () => 0 as WallInstant }
  const deps = { stack, time, clock: time, wallClock, log: NO_LOG }
  await serve(deps, { port: port(80) }, (request) => {
    const { socket, response } = upgradeWebSocket(deps, request, { protocols: ['chat'] })
    socket.addEventListener('open', () => socket.send('welcome'))
    socket.addEventListener('message', ({ data }) => socket.send(data))
    socket.addEventListener('close', ({ code, reason }) => log.push(`server closed ${code} ${reason}`))
    return response
  })
  const client = createHttpClient({ stack, time, clock: time })
  const WebSocket = createWebSocketClass({ client, time, clock: time, random: new SeededRandom(1) })
  const socket = new WebSocket(`${HERE}/x`, 'chat')
  assert.throws(() => socket.send('early'), { name: 'InvalidStateError' })
  socket.onmessage = ({ data }) => {
    log.push(String(data))
    if (data === 'welcome') socket.send('hello')
    else socket.close(3001, 'bye')
  }
  const closed = new Promise<string>((resolve) => {
    socket.onclose = ({ code, wasClean }) => resolve(`client closed ${code} ${wasClean}`)
  })
  assert.equal(await closed, 'client closed 3001 true')
  await time.advance(ms(1))
  assert.deepEqual(log, ['welcome', 'hello', 'server closed 3001 bye'])
  assert.deepEqual([socket.url, socket.protocol, socket.readyState], ['ws://10.0.0.2/x', 'chat', 3])
  assert.throws(() => socket.close(1001), { name: 'InvalidAccessError' })
  const failed = new WebSocket(`${HERE}:81/`)
  await new Promise((resolve) => failed.addEventListener('error', resolve))
  assert.throws(() => new WebSocket('mailto:x'), { name: 'SyntaxError' })
})

test('timers: once, again and again, and not any more', async () => {
  const time = new MockTime()
  const errors: unknown[] = []
  const { setTimeout, setInterval, clearTimeout, clearInterval } = createTimers({ time, clock: time }, (error) =>
    errors.push(error),
  )
  const seen: string[] = []
  setTimeout((text) => seen.push(String(text)), 20, 'late')
  setTimeout(() => seen.push('soon'), 10)
  clearTimeout(setTimeout(() => seen.push('never'), 5))
  const id = setInterval(() => seen.push('tick'), 8)
  setTimeout(() => {
    throw new Error('in a timer')
  })
  await time.advance(ms(25))
  clearInterval(id)
  await time.advance(ms(100))
  assert.deepEqual(seen, ['tick', 'soon', 'tick', 'late', 'tick'])
  assert.deepEqual([errors.length, time.pendingCount], [1, 0])
})
