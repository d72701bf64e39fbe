/**
 * Request smuggling: each trick that makes two recipients see different requests, by the name it is known under, against
 * a whole server. Either the request is refused and the connection ends, or it is read in the one way RFC 9112 has.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { port } from '@mirage-ts/core/addresses'
import { NO_LOG } from '@mirage-ts/core/log'
import { octetsToText, textToOctets } from '@mirage-ts/core/octets'
import type { Ipv4 } from '@mirage-ts/signatures/addresses'
import type { WallInstant } from '@mirage-ts/signatures/time'
import { readAll } from '@mirage-ts/testing/flow-tools'
import { createLoopbackStack } from '@mirage-ts/testing/loopback-stack'
import { MockTime } from '@mirage-ts/testing/mock-time'
import { collect } from './body.ts'
import { createHttpServer } from './server.ts'

/** What a server made of `text`: the requests its handler saw, and the statuses it sent. */
async function attack(text: string): Promise<{ seen: string[]; statuses: number[] }> {
  const seen: string[] = []
  const time = new MockTime()
  const stack = createLoopbackStack()
  await createHttpServer(
    { stack, time, clock: time, wallClock: { now: () => 0 as WallInstant }, log: NO_LOG },
    { port: port(80) },
    async ({ method, target, authority, content }) => {
      const octets = await collect(content)
      seen.push(`${method} ${target} ${authority} ${octetsToText(octets, 0, octets.length)}`.trimEnd())
      return { status: 200, fields: [] }
    },
  )
  const client = await stack.tcp.connect({ address: stack.addresses[0] as Ipv4, port: port(80) })
  await client.write(textToOctets(text))
  client.shutdownWrite()
  const received = await time.until(readAll(client))
  const reply = octetsToText(received, 0, received.length)
  return { seen, statuses: [...reply.matchAll(/HTTP\/1\.1 (\d{3})/g)].map((match) => Number(match[1])) }
}

/** The request that must never be seen, or only where it stands in the open. */
const SMUGGLED = 'GET /smuggled HTTP/1.1\r\nHost: evil\r\n\r\n'

/** Head lines of a POST; the content follows. */
function post(...lines: readonly string[]): string {
  return ['POST / HTTP/1.1', 'Host: h', ...lines, '', ''].join('\r\n')
}

/** Each trick, what is sent, and the one status that answers it. */
const REFUSED: readonly (readonly [name: string, text: string, status: number])[] = [
  ['CL.TE: both lengths', `${post('Content-Length: 6', 'Transfer-Encoding: chunked')}0\r\n\r\n`, 400],
  ['TE.CL: both lengths, the other way round', `${post('Transfer-Encoding: chunked', 'Content-Length: 4')}5c\r\n`, 400],
  ['CL.CL: two different lengths', post('Content-Length: 0', `Content-Length: ${SMUGGLED.length}`), 400],
  ['CL.CL: the same length twice', post('Content-Length: 0', 'Content-Length: 0'), 400],
  ['CL: a list of lengths', post('Content-Length: 0, 0'), 400],
  ['CL: a sign', post('Content-Length: +0'), 400],
  ['CL: negative', post('Content-Length: -1'), 400],
  ['CL: hexadecimal', post('Content-Length: 0x0'), 400],
  ['CL: a fraction', post('Content-Length: 0.0'), 400],
  ['CL: a number beyond 2^53', post('Content-Length: 18446744073709551616'), 400],
  ['CL: digits that are not ASCII', post('Content-Length: \xb2'), 400],
  ['CL: an underscore', post('Content-Length: 1_0'), 400],
  ['CL: empty', post('Content-Length:'), 400],
  ['CL: a comment behind', post('Content-Length: 0 (x)'), 400],
  ['TE: a space before the colon', post('Transfer-Encoding : chunked'), 400],
  ['TE: a tab before the colon', post('Transfer-Encoding\t: chunked'), 400],
  ['TE: folded onto the next line', post('Transfer-Encoding:', ' chunked'), 400],
  ['TE: a field hidden in a folded line', post('X: y', ' Transfer-Encoding: chunked'), 400],
  ['TE: vertical tab in front of the coding', post('Transfer-Encoding: \x0bchunked'), 400],
  ['TE: form feed behind the coding', post('Transfer-Encoding: chunked\x0c'), 400],
  ['TE: NUL behind the coding', post('Transfer-Encoding: chunked\0'), 400],
  ['TE: octet A0 taken for a space', post('Transfer-Encoding: \xa0chunked'), 501],
  ['TE: quoted', post('Transfer-Encoding: "chunked"'), 501],
  ['TE: misspelled', post('Transfer-Encoding: xchunked'), 501],
  ['TE: identity behind', post('Transfer-Encoding: chunked, identity'), 501],
  ['TE: chunked not last', post('Transfer-Encoding: chunked, gzip'), 501],
  ['TE: chunked twice', post('Transfer-Encoding: chunked, chunked'), 400],
  ['TE: two lines', post('Transfer-Encoding: chunked', 'Transfer-Encoding: cow'), 501],
  ['TE: an empty member', post('Transfer-Encoding: , chunked'), 400],
  ['TE: parameter', post('Transfer-Encoding: chunked;q=1'), 501],
  ['TE: in HTTP/1.0', `POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`, 400],
  ['bare CR for the end of a line', `GET / HTTP/1.1\r\nHost: h\rTransfer-Encoding: chunked\r\n\r\n`, 400],
  ['bare LF for the end of a line', `GET / HTTP/1.1\r\nHost: h\nTransfer-Encoding: chunked\r\n\r\n`, 400],
  ['bare LF for the end of the request line', `GET / HTTP/1.1\nHost: h\r\n\r\n`, 400],
  ['CR CR LF', `GET / HTTP/1.1\r\nHost: h\r\r\n\r\n`, 400],
  ['NUL in a name', `GET / HTTP/1.1\r\nHost: h\r\nX\0: y\r\n\r\n`, 400],
  ['a field before the first', `GET / HTTP/1.1\r\n Host: h\r\n\r\n`, 400],
  ['no colon', `GET / HTTP/1.1\r\nHost: h\r\nGET /smuggled HTTP/1.1\r\n\r\n`, 400],
  ['two Hosts', `GET / HTTP/1.1\r\nHost: h\r\nHost: evil\r\n\r\n`, 400],
  ['no Host', `GET / HTTP/1.1\r\n\r\n`, 400],
  ['a path in Host', `GET / HTTP/1.1\r\nHost: h/evil\r\n\r\n`, 400],
  ['a user in Host', `GET / HTTP/1.1\r\nHost: h@evil\r\n\r\n`, 400],
  ['white space in the target', `GET /a b HTTP/1.1\r\nHost: h\r\n\r\n`, 400],
  ['a second version', `GET / HTTP/1.1 HTTP/1.1\r\nHost: h\r\n\r\n`, 400],
  ['HTTP/0.9', `GET /\r\n\r\n`, 400],
  ['the preface of HTTP/2', `PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n`, 505],
  ['an absolute target with a user', `GET http://h@evil/ HTTP/1.1\r\nHost: h\r\n\r\n`, 400],
  ['an authority for a method other than CONNECT', `GET h:80 HTTP/1.1\r\nHost: h\r\n\r\n`, 400],
  ['`*` for a method other than OPTIONS', `GET * HTTP/1.1\r\nHost: h\r\n\r\n`, 400],
  ['a fragment in the target', `GET /#a HTTP/1.1\r\nHost: h\r\n\r\n`, 400],
]

/** Chunked content that is malformed. */
const CHUNKED = post('Transfer-Encoding: chunked')
const REFUSED_CHUNKS: readonly (readonly [name: string, content: string])[] = [
  ['a size with 0x', '0x0\r\n\r\n'],
  ['a size with a sign', '+0\r\n\r\n'],
  ['a size with a space', '0 \r\n\r\n'],
  ['a size that wraps around 2^64', '10000000000000000\r\n\r\n'],
  ['a size with an underscore', '0_0\r\n\r\n'],
  ['no size', '\r\n0\r\n\r\n'],
  ['a bare LF behind the size', '0\n\r\n'],
  ['a bare CR in an extension (TERM.EXT)', '0;a\rb\r\n\r\n'],
  ['a bare LF in an extension (EXT.TERM)', '0;a\nb\r\n\r\n'],
  ['data longer than its size', '1\r\nab\r\n0\r\n\r\n'],
  ['a bare LF behind the data (SPILL.TERM)', '1\r\na\n0\r\n\r\n'],
  ['two octets that are not CR LF behind the data', '1\r\naXX0\r\n\r\n'],
  ['a bare LF for the last line', '0\r\n\n'],
  ['Content-Length in the trailers', '0\r\nContent-Length: 5\r\n\r\n'],
  ['Host in the trailers', '0\r\nHost: evil\r\n\r\n'],
  ['a folded trailer', '0\r\nA: b\r\n c\r\n\r\n'],
  ['a request for a trailer', `0\r\n${SMUGGLED}`],
]

for (const [name, text, status] of REFUSED) {
  test(`smuggling: ${name}: ${status}`, async () => {
    assert.deepEqual(await attack(text + SMUGGLED), { seen: [], statuses: [status] })
  })
}

for (const [name, content] of REFUSED_CHUNKS) {
  test(`smuggling: chunked, ${name}: 400`, async () => {
    assert.deepEqual(await attack(CHUNKED + content + SMUGGLED), { seen: [], statuses: [400] })
  })
}

test('smuggling: content that looks like a request is content (CL.0)', async () => {
  const text = `${post(`Content-Length: ${SMUGGLED.length}`) + SMUGGLED}GET /next HTTP/1.1\r\nHost: h\r\n\r\n`
  assert.deepEqual(await attack(text), {
    seen: [`POST / h ${SMUGGLED}`.trimEnd(), 'GET /next h'],
    statuses: [200, 200],
  })
})

test('smuggling: content of a GET is content', async () => {
  const text = `GET / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nGET /GET /next HTTP/1.1\r\nHost: h\r\n\r\n`
  assert.deepEqual(await attack(text), { seen: ['GET / h GET /', 'GET /next h'], statuses: [200, 200] })
})

test('smuggling: a chunk extension is ignored, not taken for a size', async () => {
  assert.deepEqual(await attack(`${CHUNKED}1;2\r\na\r\n0;5="x"\r\n\r\n`), { seen: ['POST / h a'], statuses: [200] })
})

test('smuggling: with Expect, content that was not asked for is no request', async () => {
  const { seen } = await attack(post(`Content-Length: ${SMUGGLED.length}`, 'Expect: 100-continue') + SMUGGLED)
  assert.deepEqual(seen, [`POST / h ${SMUGGLED}`.trimEnd()])
})

test('smuggling: an absolute target overrides Host (RFC 9112 §3.2.2)', async () => {
  const { seen } = await attack('GET http://a/p HTTP/1.1\r\nHost: b\r\n\r\n')
  assert.deepEqual(seen, ['GET http://a/p a'])
})

test('smuggling: names that a gateway turns into others stay what they are', async () => {
  const { seen } = await attack(`${post('Transfer_Encoding: chunked', 'Content-Length: 3')}abc`)
  assert.deepEqual(seen, ['POST / h abc'])
})

test('smuggling: a closed connection does not serve what follows', async () => {
  const { seen } = await attack(`GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n${SMUGGLED}`)
  assert.deepEqual(seen, ['GET / h'])
})
