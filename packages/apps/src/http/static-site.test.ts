import assert from 'node:assert/strict'
import { createHook } from 'node:async_hooks'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import { port } from '@mirage-ts/core/addresses'
import { NO_LOG } from '@mirage-ts/core/log'
import { octetsToText } from '@mirage-ts/core/octets'
import { promptFlow } from '@mirage-ts/core/prompt-flow'
import { ms, seconds } from '@mirage-ts/core/time'
import type { TcpFlow } from '@mirage-ts/signatures/flow'
import type { KvRo } from '@mirage-ts/signatures/kv'
import type { Stack } from '@mirage-ts/signatures/stack'
import type { WallInstant } from '@mirage-ts/signatures/time'
import { createCrunch } from '@mirage-ts/storage/crunch'
import { createFlowPair, type FlowPairOptions } from '@mirage-ts/testing/flow-pair'
import { readAll, readAtLeast } from '@mirage-ts/testing/flow-tools'
import { MockTime } from '@mirage-ts/testing/mock-time'
import type { HttpServer } from './server.ts'
import { type StaticSiteOptions, serveStatic } from './static-site.ts'

const BIG = Uint8Array.from({ length: 200_000 }, (_, i) => (i * 7 + (i >>> 8)) & 255)

const SITE = crunched({
  'index.html': octets('<h1>Hello</h1>'),
  'style.css': octets('h1 { color: red }'),
  'data.bin': BIG,
  empty: new Uint8Array(0),
  'docs/index.html': octets('docs'),
  'docs/a b.txt': octets('spaced'),
  '%2e%2e': octets('a name that looks encoded'),
  secret: octets('s'),
})

function octets(text: string): Uint8Array {
  return Uint8Array.from(text, (char) => char.charCodeAt(0))
}

function crunched(files: Readonly<Record<string, Uint8Array>>): KvRo {
  return createCrunch(
    {},
    {
      files: Object.entries(files).map(([path, contents]) => ({
        path,
        sha256: createHash('sha256').update(contents).digest('hex'),
        bytes: () => contents,
      })),
    },
  )
}

interface World {
  readonly time: MockTime
  readonly server: HttpServer
  /** Opens a connection to the server, and gives the client's end. */
  connect(options?: FlowPairOptions): TcpFlow
}

/** A server of `site` that listens on nothing: connections are made in memory. */
async function world(site: KvRo = SITE, connectionCount = 4, options: StaticSiteOptions = {}): Promise<World> {
  const time = new MockTime()
  let accept: (flow: TcpFlow) => void = () => assert.fail('not listening')
  const stack: Stack = {
    addresses: [],
    udp: { bind: () => Promise.reject(new Error('no UDP here')) },
    tcp: {
      connect: () => Promise.reject(new Error('nobody to connect to')),
      listen: async (wanted, onFlow) => {
        accept = onFlow
        return { port: wanted, close: () => {} }
      },
    },
  }
  const wallClock = { now: () => (784111777 * 1_000_000) as WallInstant }
  const server = await serveStatic(
    { stack, site, time, clock: time, wallClock, log: NO_LOG },
    { port: port(80), connectionCount, ...options },
  )
  return {
    time,
    server,
    connect(options) {
      const [client, served] = createFlowPair(options)
      accept(served)
      return client
    },
  }
}

interface Reply {
  readonly status: number
  readonly head: string
  readonly body: Uint8Array
}

/** Sends `text`, finishes, and gives all that comes back, cut into responses by their Content-Length. */
async function exchange(text: string, methods: readonly string[] = ['GET'], site?: KvRo): Promise<Reply[]> {
  const { connect } = await world(site)
  const client = connect()
  const [received] = await Promise.all([readAll(client), sendAll(client, octets(text))])
  return split(received, methods)
}

async function sendAll(flow: TcpFlow, contents: Uint8Array): Promise<void> {
  await flow.write(contents)
  flow.shutdownWrite()
}

function split(received: Uint8Array, methods: readonly string[]): Reply[] {
  const replies: Reply[] = []
  let off = 0
  while (off < received.length) {
    const text = octetsToText(received, off, Math.min(received.length, off + 1000))
    const headLen = text.indexOf('\r\n\r\n') + 4
    const head = text.slice(0, headLen)
    const isHead = methods[replies.length] === 'HEAD'
    const bodyLen = isHead ? 0 : Number(/content-length: (\d+)/i.exec(head)?.[1] ?? 0)
    const bodyOff = off + headLen
    off = bodyOff + bodyLen
    replies.push({ status: Number(head.slice(9, 12)), head, body: received.slice(bodyOff, off) })
  }
  return replies
}

/** Asks twice, if the connection goes on: a file that was asked for before is answered in another way, and the same. */
async function get(target: string, fields = '', method = 'GET'): Promise<Reply> {
  const request = `${method} ${target} HTTP/1.1\r\nHost: h\r\n${fields}\r\n`
  const [reply, again, ...others] = await exchange(request + request, [method, method])
  assert.ok(reply !== undefined && others.length === 0)
  assert.deepEqual(again, /\r\nConnection: close\r\n/.test(reply.head) ? undefined : reply)
  return reply
}

test('http: a file that was asked for before is answered without a promise, in the call that brings the request', async () => {
  const client = promptFlow((await world()).connect()) ?? assert.fail('not a prompt flow')
  const request = octets('GET /style.css HTTP/1.1\r\nHost: h\r\nAccept-Encoding: gzip, br\r\n\r\n')
  await client.write(request)
  const first = await readAtLeast(client, 1)
  // While a file is looked up the connection is watched by reading on, and that read brings the next request.
  await client.write(request)
  assert.deepEqual(await readAtLeast(client, 1), first)
  const reply = new Uint8Array(first.length + 1)
  let promiseCount = 0
  const hook = createHook({
    init: (_id, type) => {
      if (type === 'PROMISE') promiseCount++
    },
  }).enable()
  try {
    for (let i = 0; i < 3; i++) {
      assert.equal(client.tryWrite(request, 0, request.length), request.length)
      assert.equal(client.tryRead(reply, 0, reply.length), first.length)
      assert.deepEqual(reply.subarray(0, first.length), first)
    }
    assert.equal(promiseCount, 0)
    void Promise.resolve()
    assert.equal(promiseCount, 1, 'promises are counted')
  } finally {
    hook.disable()
  }
})

test('http: a file that changes is answered as it is now, whether it lies in memory or not', async () => {
  const versions = ['one', 'two'].map((text) => crunched({ 'a.txt': octets(text) }))
  let current = versions[0] as KvRo
  let isPeeking = true
  const site: KvRo = {
    exists: (key) => current.exists(key),
    get: (key) => current.get(key),
    getPartial: (key, offBytes, lenBytes) => current.getPartial(key, offBytes, lenBytes),
    list: (key) => current.list(key),
    sizeBytes: (key) => current.sizeBytes(key),
    digest: (key) => current.digest(key),
    lastModified: (key) => current.lastModified(key),
    peek: (key) => (isPeeking ? current.peek?.(key) : undefined),
  }
  const client = (await world(site)).connect()
  const bodyNow = async (): Promise<string> => {
    await client.write(octets('GET /a.txt HTTP/1.1\r\nHost: h\r\n\r\n'))
    const reply = await readAtLeast(client, 1)
    return octetsToText(reply, reply.length - 3)
  }
  for (const text of ['one', 'two', 'one']) {
    current = versions[text === 'one' ? 0 : 1] as KvRo
    assert.deepEqual([await bodyNow(), await bodyNow()], [text, text])
    isPeeking = !isPeeking
    assert.equal(await bodyNow(), text)
  }
})

test('http: a page comes with its type, length, date and tag', async () => {
  const { head, body } = await get('/index.html')
  const digest = await SITE.digest('index.html')
  assert.equal(
    head,
    'HTTP/1.1 200 OK\r\n' +
      'Content-Type: text/html; charset=utf-8\r\n' +
      `ETag: "${digest}"\r\n` +
      'Accept-Ranges: bytes\r\n' +
      'Content-Length: 14\r\n' +
      'Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n\r\n',
  )
  assert.deepEqual(body, octets('<h1>Hello</h1>'))
})

test('http: a directory gives its index, and without the slash a redirection to it', async () => {
  assert.deepEqual((await get('/')).body, octets('<h1>Hello</h1>'))
  assert.deepEqual((await get('/docs/')).body, octets('docs'))
  const { status, head } = await get('/docs?a=b')
  assert.equal(status, 301)
  assert.match(head, /\r\nLocation: \/docs\/\?a=b\r\n/)
})

test('http: names are decoded once, queries ignored, absolute targets taken', async () => {
  assert.deepEqual((await get('/docs/a%20b.txt?x')).body, octets('spaced'))
  assert.deepEqual((await get('/%252e%252e')).body, octets('a name that looks encoded'))
  assert.deepEqual((await get('http://elsewhere/style.css')).body, octets('h1 { color: red }'))
})

test('http: what is not there is 404, what could leave the site 400 (OSEC-2026-16)', async () => {
  for (const target of [
    '/missing',
    '/docs/missing',
    '/index.html/',
    '/index.html/x',
    '/%252e%252e/secret',
    '/__proto__',
  ]) {
    assert.equal((await get(target)).status, 404, target)
  }
  for (const target of [
    '/docs/../secret',
    '/docs/..%2fsecret',
    '/%2e%2e/secret',
    '/docs%2fa',
    '//docs',
    '/a%00',
    '*',
  ]) {
    assert.equal((await get(target)).status, 400, target)
  }
})

test('http: HEAD gives the head of GET and nothing else', async () => {
  const withBody = await get('/data.bin')
  const [head, next] = await exchange(
    'HEAD /data.bin HTTP/1.1\r\nHost: h\r\n\r\nGET /empty HTTP/1.1\r\nHost: h\r\n\r\n',
    ['HEAD', 'GET'],
  )
  assert.equal(head?.head, withBody.head)
  assert.deepEqual([next?.status, next?.body.length], [200, 0])
  assert.equal((await get('/missing', '', 'HEAD')).status, 404)
})

test('http: a tag the client has gives 304 without content, another one 200 (RFC 9110 §13.1.2)', async () => {
  const digest = await SITE.digest('style.css')
  for (const tags of [`"${digest}"`, `W/"${digest}"`, `"x", "${digest}"`, `"a,b",W/"${digest}"`, '*']) {
    const { status, head, body } = await get('/style.css', `If-None-Match: ${tags}\r\n`)
    assert.deepEqual([status, body.length], [304, 0], tags)
    assert.match(head, new RegExp(`ETag: "${digest}"`))
    assert.doesNotMatch(head, /Content-Length/)
  }
  for (const tags of ['"x"', digest, `"${digest}x"`, '']) {
    assert.equal((await get('/style.css', `If-None-Match: ${tags}\r\n`)).status, 200, tags)
  }
})

test('http: a range of a file, several ranges, and none that there is (RFC 9110 §14)', async () => {
  const one = await get('/data.bin', 'Range: bytes=100-299\r\n')
  assert.equal(one.status, 206)
  assert.match(one.head, /\r\nContent-Range: bytes 100-299\/200000\r\n/)
  assert.deepEqual(one.body, BIG.slice(100, 300))
  assert.deepEqual((await get('/data.bin', 'Range: bytes=-100000\r\n')).body, BIG.slice(100_000))

  const several = await get('/style.css', 'Range: bytes=0-1,5-9\r\n')
  const [, boundary = ''] = /Content-Type: multipart\/byteranges; boundary=(\S+)\r/.exec(several.head) ?? []
  const part = (range: string, text: string) =>
    `\r\n--${boundary}\r\nContent-Type: text/css; charset=utf-8\r\nContent-Range: bytes ${range}/17\r\n\r\n${text}`
  assert.equal(several.status, 206)
  assert.equal(
    octetsToText(several.body, 0, several.body.length),
    `${part('0-1', 'h1')}${part('5-9', 'color')}\r\n--${boundary}--\r\n`,
  )

  const behind = await get('/style.css', 'Range: bytes=17-\r\n')
  assert.equal(behind.status, 416)
  assert.match(behind.head, /\r\nContent-Range: bytes \*\/17\r\n/)
})

test('http: a range is left alone when it is malformed, for HEAD, or when the file is another one (If-Range)', async () => {
  const digest = await SITE.digest('style.css')
  assert.equal((await get('/style.css', 'Range: bytes=5-4\r\n')).status, 200)
  assert.equal((await get('/style.css', 'Range: bytes=0-1\r\n', 'HEAD')).status, 200)
  assert.equal((await get('/style.css', 'Range: bytes=0-1\r\nIf-Range: "old"\r\n')).status, 200)
  assert.equal((await get('/style.css', `Range: bytes=0-1\r\nIf-Range: "${digest}"\r\n`)).status, 206)
  assert.equal((await get('/style.css', `Range: bytes=0-1\r\nIf-None-Match: "${digest}"\r\n`)).status, 304)
  assert.equal((await get('/style.css', 'If-Match: "old"\r\n')).status, 412)
})

test('http: where the store keeps dates they go out and are compared, but for those to come (RFC 9110 §8.8.2, §13.1.3)', async () => {
  const now = 784_111_777
  const site = {
    ...pick(SITE),
    lastModified: async (key: string) => ((now + (key === 'secret' ? 1 : -0.5)) * 1e6) as WallInstant,
  }
  const at = 'Sun, 06 Nov 1994 08:49:36 GMT'
  const ask = async (path: string, field: string, of: KvRo = site) => {
    const [reply] = await exchange(`GET ${path} HTTP/1.1\r\nHost: h\r\n${field}\r\n`, ['GET'], of)
    return reply ?? assert.fail('no reply')
  }
  assert.match((await ask('/style.css', '')).head, new RegExp(`\r\nLast-Modified: ${at}\r\n`))
  const known = await ask('/style.css', `If-Modified-Since: ${at}\r\n`)
  assert.equal(known.status, 304)
  assert.match(known.head, /\r\nETag: /)
  assert.doesNotMatch(known.head, /Last-Modified/)
  assert.equal((await ask('/style.css', 'If-Unmodified-Since: Sun, 06 Nov 1994 08:49:35 GMT\r\n')).status, 412)
  for (const [path, of] of [
    ['/secret', site],
    ['/style.css', SITE],
  ] as const) {
    const dateless = await ask(path, 'If-Modified-Since: Sun, 06 Nov 1994 08:49:59 GMT\r\n', of)
    assert.equal(dateless.status, 200)
    assert.doesNotMatch(dateless.head, /Last-Modified/)
  }
})

test('http: a file compressed beforehand goes to who takes it, with a tag of its own', async () => {
  const files = {
    'a.html': octets('plain'),
    'a.html.br': octets('br'),
    'a.html.gz': octets('gz'),
    'b.html': octets('only plain'),
    'c.html.gz': octets('no plain one'),
  }
  const site = crunched(files)
  const { connect } = await world(site, 4, { isPrecompressed: true, cacheControl: 'max-age=60' })
  const ask = async (path: string, accept: string) => {
    const client = connect()
    const request = `GET ${path} HTTP/1.1\r\nHost: h\r\nAccept-Encoding: ${accept}\r\n\r\n`
    const [received] = await Promise.all([readAll(client), sendAll(client, octets(request))])
    const [reply] = split(received, [])
    return reply ?? assert.fail('no reply')
  }
  const brotli = await ask('/a.html', 'gzip, br')
  assert.deepEqual(brotli.body, octets('br'))
  assert.match(brotli.head, /Content-Type: text\/html.*Vary: Accept-Encoding\r\nContent-Encoding: br\r\n/s)
  assert.match(brotli.head, new RegExp(`ETag: "${await site.digest('a.html.br')}"`))
  assert.match(brotli.head, /Cache-Control: max-age=60\r\n/)
  assert.deepEqual((await ask('/a.html', 'gzip')).body, octets('gz'))
  const plain = await ask('/a.html', 'identity')
  assert.deepEqual(plain.body, octets('plain'))
  assert.match(plain.head, /Vary: Accept-Encoding/)
  assert.doesNotMatch(plain.head, /Content-Encoding/)
  assert.doesNotMatch((await ask('/b.html', 'br')).head, /Vary/)
  assert.equal((await ask('/c.html', 'gzip')).status, 404)
})

test('http: what a file is compressed as is looked up once for each version of it', async () => {
  let plain = 'plain'
  let isBrotliThere = true
  const looked: string[] = []
  const files = () => {
    const all = { 'a.html': octets(plain), ...(isBrotliThere ? { 'a.html.br': octets('br') } : {}) }
    return crunched(all as Record<string, Uint8Array>)
  }
  const site: KvRo = {
    exists: (key) => {
      if (key !== 'a.html') looked.push(key)
      return files().exists(key)
    },
    get: (key) => files().get(key),
    getPartial: (key, off, len) => files().getPartial(key, off, len),
    list: (key) => files().list(key),
    sizeBytes: (key) => files().sizeBytes(key),
    digest: (key) => files().digest(key),
    lastModified: (key) => files().lastModified(key),
  }
  const { connect } = await world(site, 4, { isPrecompressed: true })
  const ask = async () => {
    const client = connect()
    const [received] = await Promise.all([
      readAll(client),
      sendAll(client, octets('GET /a.html HTTP/1.1\r\nHost: h\r\nAccept-Encoding: br\r\n\r\n')),
    ])
    return new TextDecoder().decode(split(received, [])[0]?.body)
  }
  const lookUps = ['a.html.br', 'a.html.zst', 'a.html.gz']
  assert.deepEqual([await ask(), await ask(), await ask()], ['br', 'br', 'br'])
  assert.deepEqual(looked, lookUps)
  plain = 'changed'
  assert.deepEqual([await ask(), await ask()], ['br', 'br'])
  assert.deepEqual(looked, [...lookUps, ...lookUps])
  isBrotliThere = false
  assert.deepEqual([await ask(), await ask()], ['changed', 'changed'])
})

test('http: other methods are 405 with Allow, unknown ones 501', async () => {
  for (const method of ['POST', 'PUT', 'DELETE', 'OPTIONS', 'TRACE', 'PATCH']) {
    const { status, head } = await get('/', '', method)
    assert.equal(status, 405, method)
    assert.match(head, /\r\nAllow: GET, HEAD\r\n/)
  }
  assert.equal((await get('example.com:443', '', 'CONNECT')).status, 405)
  assert.equal((await get('*', '', 'OPTIONS')).status, 405)
  assert.equal((await get('/', '', 'BREW')).status, 501)
  assert.equal((await get('/', '', 'get')).status, 501)
})

test('http: a file longer than any buffer arrives intact, however the octets are cut', async () => {
  for (const options of [{}, { capacityBytes: 1000 }, { chunkBytes: 777 }]) {
    const { connect } = await world()
    const client = connect(options)
    const request = 'GET /data.bin HTTP/1.1\r\nHost: h\r\n\r\n'
    const [received] = await Promise.all([readAll(client), sendAll(client, octets(request))])
    const [reply] = split(received, [])
    assert.ok(reply !== undefined && Buffer.compare(reply.body, BIG) === 0)
  }
})

test('http: pipelined requests are answered in order; content of a request is not taken for the next', async () => {
  const replies = await exchange(
    'GET / HTTP/1.1\r\nHost: h\r\n\r\n' +
      'POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 30\r\n\r\nGET /secret HTTP/1.0\r\n\r\n......' +
      'GET /missing HTTP/1.1\r\nHost: h\r\n\r\n' +
      'GET /style.css HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n' +
      'GET /secret HTTP/1.1\r\nHost: h\r\n\r\n',
  )
  assert.deepEqual(
    replies.map(({ status }) => status),
    [200, 405, 404, 200],
  )
  assert.match(replies[3]?.head ?? '', /\r\nConnection: close\r\n/)
})

test('http: HTTP/1.0 closes, unless the client asks to go on', async () => {
  const [only, ...none] = await exchange('GET / HTTP/1.0\r\n\r\nGET / HTTP/1.0\r\n\r\n')
  assert.match(only?.head ?? '', /\r\nConnection: close\r\n/)
  assert.equal(none.length, 0)
  const replies = await exchange('GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\nGET / HTTP/1.0\r\n\r\n')
  assert.match(replies[0]?.head ?? '', /\r\nConnection: keep-alive\r\n/)
  assert.equal(replies.length, 2)
})

test('http: a malformed request is refused, and ends the connection', async () => {
  for (const [text, status] of [
    ['GET / HTTP/1.1\r\n\r\n', 400],
    ['GET / HTTP/1.1\nHost: h\n\n', 400],
    ['GET / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nx', 400],
    ['POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n', 400],
    ['POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1000000\r\n\r\n', 413],
    [`GET /${'a'.repeat(9000)} HTTP/1.1\r\nHost: h\r\n\r\n`, 414],
    [`GET / HTTP/1.1\r\nHost: h\r\nA: ${'a'.repeat(17000)}\r\n\r\n`, 431],
    ['GET / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: gzip\r\n\r\n', 501],
    ['PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 505],
  ] as const) {
    const replies = await exchange(`${text}GET /secret HTTP/1.1\r\nHost: h\r\n\r\n`)
    assert.deepEqual(
      replies.map((reply) => reply.status),
      [status],
      text.slice(0, 60),
    )
    assert.match(replies[0]?.head ?? '', /\r\nConnection: close\r\n/)
  }
})

test('http: content announced with Expect is not waited for, and ends the connection (RFC 9110 §10.1.1)', async () => {
  const { connect, time, server } = await world()
  const client = connect()
  await client.write(octets('PUT /x HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n'))
  const [reply] = split(await readAll(client), ['PUT'])
  assert.equal(reply?.status, 405)
  assert.match(reply?.head ?? '', /\r\nConnection: close\r\n/)
  client.shutdownWrite()
  await time.advance(ms(1))
  assert.equal(server.counters.refusedRequests, 0)
})

test('http: a client that goes on sending after a refusal still reads it, up to a bound', async () => {
  const { connect, time } = await world()
  const client = connect()
  const replying = readAtLeast(client, 20)
  await client.write(octets('BAD\r\n'))
  for (let i = 0; i < 10; i++) await client.write(new Uint8Array(10_000))
  assert.match(octetsToText(await replying, 0, 12), /^HTTP\/1.1 400/)
  await time.advance(seconds(3))
  assert.equal(time.pendingCount, 0)
})

test('http: an idle connection is closed, a slow request reset', async () => {
  const { connect, time, server } = await world()
  const idle = connect()
  const ending = readAll(idle)
  await time.advance(seconds(29))
  assert.equal(server.counters.timeouts, 0)
  await time.advance(seconds(2))
  assert.equal((await ending).length, 0)

  const slow = connect()
  const failing = assert.rejects(readAll(slow), { code: 'connection-reset' })
  for (const char of 'GET / HTTP/1.1') {
    await slow.write(octets(char))
    await time.advance(ms(700))
  }
  await time.advance(seconds(1))
  await failing
  assert.equal(server.counters.timeouts, 2)
  assert.equal(time.pendingCount, 0)
})

test('http: a client that does not read its response is reset', async () => {
  const { connect, time, server } = await world()
  const client = connect({ capacityBytes: 1000 })
  await client.write(octets('GET /data.bin HTTP/1.1\r\nHost: h\r\n\r\n'))
  await time.advance(seconds(31))
  await assert.rejects(readAll(client), { code: 'connection-reset' })
  assert.deepEqual([server.counters.timeouts, time.pendingCount], [1, 0])
})

test('http: connections beyond the bound are reset; one that ends makes room', async () => {
  const { connect, time, server } = await world(SITE, 2)
  const [first, , third] = [connect(), connect(), connect()]
  await assert.rejects(readAll(third), { code: 'connection-reset' })
  await first.close()
  await time.advance(ms(1))
  await sendAll(connect(), octets('GET / HTTP/1.0\r\n\r\n'))
  await time.advance(ms(1))
  assert.deepEqual([server.counters.connections, server.counters.refusedConnections], [3, 1])
  assert.equal(server.counters.requests, 1)
})

test('http: a store that fails gives 500, or resets a response that has begun', async () => {
  const failing: KvRo = { ...pick(SITE), digest: () => Promise.reject(new Error('disk on fire')) }
  const replies = await exchange(
    'GET / HTTP/1.1\r\nHost: h\r\n\r\nGET /missing HTTP/1.1\r\nHost: h\r\n\r\n',
    [],
    failing,
  )
  assert.deepEqual(
    replies.map(({ status }) => status),
    [500, 404],
  )
  for (const getPartial of [
    async (key: string, off: number, len: number) => (off > 0 ? new Uint8Array(0) : SITE.getPartial(key, off, len)),
    () => Promise.reject(new Error('disk on fire')),
  ]) {
    const { connect, server } = await world({ ...pick(SITE), getPartial })
    const client = connect()
    await client.write(octets('GET /data.bin HTTP/1.1\r\nHost: h\r\n\r\n'))
    await assert.rejects(readAll(client), { code: 'connection-reset' })
    assert.equal(server.counters.failedResponses, 1)
  }
})

/** The calls of a store, to replace some of them. */
function pick(kv: KvRo): KvRo {
  return {
    exists: (key) => kv.exists(key),
    get: (key) => kv.get(key),
    getPartial: (key, off, len) => kv.getPartial(key, off, len),
    list: (key) => kv.list(key),
    sizeBytes: (key) => kv.sizeBytes(key),
    digest: (key) => kv.digest(key),
    lastModified: (key) => kv.lastModified(key),
  }
}

test('http: closing the server resets its connections', async () => {
  const { connect, server, time } = await world()
  const client = connect()
  const failing = assert.rejects(readAll(client), { code: 'connection-reset' })
  await server.close()
  await Promise.all([failing, server.closed, server.close()])
  assert.equal(time.pendingCount, 0)
})

test('http: any cutting of the same requests gives the same responses', async () => {
  const text = octets(
    'GET / HTTP/1.1\r\nHost: h\r\n\r\nPOST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabcHEAD / HTTP/1.0\r\n\r\n',
  )
  const replies: string[] = []
  for (const pieceLen of [1, 2, 3, 10, 50, 1000]) {
    const { connect } = await world()
    const client = connect()
    const receiving = readAll(client)
    for (let off = 0; off < text.length; off += pieceLen) await client.write(text.slice(off, off + pieceLen))
    client.shutdownWrite()
    const received = await receiving
    replies.push(octetsToText(received, 0, received.length))
  }
  assert.match(replies[0] ?? '', /200 OK.*405 Method.*200 OK/s)
  for (const reply of replies) assert.equal(reply, replies[0])
})
