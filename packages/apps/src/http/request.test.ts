import assert from 'node:assert/strict'
import { test } from 'node:test'
import { octetsToText } from '@mirage-ts/core/octets'
import fc from 'fast-check'
import { REFUSAL_STATUS, type RefusalReason, type RequestHead, RequestParser } from './request.ts'

const LIMITS = { requestLineBytes: 100, fieldsBytes: 200, fieldCount: 5 }

function octets(text: string): Uint8Array {
  return Uint8Array.from(text, (char) => char.charCodeAt(0))
}

/** Feeds all of `text`; what came of it, and the text not used. */
function parse(text: string): { outcome: RequestHead | RefusalReason | undefined; rest: string } {
  const parser = new RequestParser(LIMITS)
  const chunk = octets(text)
  const off = parser.push(chunk, 0)
  return { outcome: parser.outcome, rest: octetsToText(chunk, off, chunk.length) }
}

function accepted(text: string): RequestHead {
  const { outcome } = parse(text)
  assert.ok(typeof outcome === 'object', `accepted, not ${outcome}: ${JSON.stringify(text)}`)
  return outcome
}

test('request: a plain one gives its parts, and leaves what follows', () => {
  const { outcome, rest } = parse('GET /a?b=c HTTP/1.1\r\nHost: example.com\r\nX-Two:\t a b \t\r\n\r\nGET /next')
  assert.ok(typeof outcome === 'object')
  const { method, target, minor, framing, isPersistent, fields } = outcome
  assert.deepEqual([method, target, minor, framing, isPersistent], ['GET', '/a?b=c', 1, 0, true])
  assert.deepEqual([outcome.path, outcome.query, outcome.authority], ['/a', '?b=c', 'example.com'])
  assert.equal(fields.get('host'), 'example.com')
  assert.equal(fields.get('x-two'), 'a b')
  assert.equal(fields.get('absent'), undefined)
  assert.equal(rest, 'GET /next')
})

test('request: one empty line in front is ignored, not two (RFC 9112 §2.2)', () => {
  accepted('\r\nGET / HTTP/1.0\r\n\r\n')
  assert.equal(parse('\r\n\r\nGET / HTTP/1.0\r\n\r\n').outcome, 'bad-request-line')
})

test('request: fields of one name are joined in order (RFC 9110 §5.3)', () => {
  const { fields } = accepted('GET / HTTP/1.0\r\nA: 1\r\nb: x\r\na: 2\r\n\r\n')
  assert.equal(fields.get('a'), '1, 2')
  assert.deepEqual(fields.tokens('a'), ['1', '2'])
})

test('request: octets above 7F in a value are kept as they are', () => {
  assert.equal(accepted('GET / HTTP/1.0\r\nA: \xa0\xff\r\n\r\n').fields.get('a'), '\xa0\xff')
})

test('request: the connection persists as RFC 9112 §9.3 says', () => {
  for (const [version, connection, expected] of [
    ['1.1', '', true],
    ['1.1', 'Connection: close\r\n', false],
    ['1.1', 'Connection: keep-alive, Close\r\n', false],
    ['1.1', 'Connection: upgrade\r\n', true],
    ['1.0', '', false],
    ['1.0', 'Connection: Keep-Alive\r\n', true],
    ['1.0', 'Connection: keep-alive\r\nConnection: close\r\n', false],
    ['1.7', '', true],
  ] as const) {
    const request = accepted(`GET / HTTP/${version}\r\nHost: h\r\n${connection}\r\n`)
    assert.equal(request.isPersistent, expected, `${version} ${connection}`)
  }
})

test('request: an absolute target says whom it is for, not the Host field (RFC 9112 §3.2.2)', () => {
  const { authority, path, query } = accepted('GET http://a:81/p?q HTTP/1.1\r\nHost: b\r\n\r\n')
  assert.deepEqual([authority, path, query], ['a:81', '/p', '?q'])
  assert.equal(accepted('CONNECT a:443 HTTP/1.1\r\nHost: b\r\n\r\n').authority, 'a:443')
  assert.equal(accepted('CONNECT [::1]:443 HTTP/1.1\r\nHost: b\r\n\r\n').authority, '[::1]:443')
  assert.equal(accepted('OPTIONS * HTTP/1.1\r\nHost: b\r\n\r\n').authority, 'b')
})

test('request: chunked content is announced by its one coding', () => {
  for (const coding of ['chunked', 'Chunked', ' \t chunked ']) {
    const { framing } = accepted(`POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding:${coding}\r\n\r\n`)
    assert.equal(framing, 'chunked', coding)
  }
})

/** Each reason with requests that have it; `\r\n\r\n` is added, and a Host where there is none to test. */
const REFUSED: Readonly<Record<RefusalReason, readonly string[]>> = {
  'bad-request-line': [
    'GET',
    'GET /',
    'GET  / HTTP/1.1',
    'GET / HTTP/1.1 ',
    ' GET / HTTP/1.1',
    'GET /a b HTTP/1.1',
    'GET\t/ HTTP/1.1',
    'G(T / HTTP/1.1',
    'GET / http/1.1',
    'GET / HTTP/1.10',
    'GET / HTTP/11',
    'GET /\xe4 HTTP/1.1',
  ],
  'bare-lf': ['GET / HTTP/1.1\nHost: h', 'GET / HTTP/1.1\r\nHost: h\n', 'GET / HTTP/1.1\r\nA: 1\nB: 2'],
  'bad-octet': [
    'GET / HTTP/1.1\r\nHost: h\r\nA: a\rb',
    'GET / HTTP/1.1\r\nHost: h\r\nA: a\0b',
    'GET / HTTP/1.1\r\nHost: h\r\nA: \x7f',
    'GET /\rfoo HTTP/1.1\r\nHost: h',
    'GET / HTTP/1.1\r\r\nHost: h',
  ],
  'folded-line': [
    'GET / HTTP/1.1\r\nHost: h\r\nA: b\r\n c',
    'GET / HTTP/1.1\r\nHost: h\r\nA: b\r\n\tc',
    'GET / HTTP/1.1\r\n Host: h',
  ],
  'bad-field-name': [
    'GET / HTTP/1.1\r\nHost : h',
    'GET / HTTP/1.1\r\nHost: h\r\n: x',
    'GET / HTTP/1.1\r\nHost: h\r\nno colon',
    'GET / HTTP/1.1\r\nHost: h\r\nA B: c',
    'GET / HTTP/1.1\r\nHost: h\r\nÄ: c',
  ],
  'bad-host': [
    'GET / HTTP/1.1',
    'GET / HTTP/1.1\r\nHost: a\r\nHost: a',
    'GET / HTTP/1.0\r\nHost: a\r\nHost: b',
    'GET / HTTP/1.1\r\nHost: a b',
    'GET / HTTP/1.1\r\nHost: a/b',
    'GET / HTTP/1.1\r\nHost: a@b',
  ],
  'bad-content-length': [
    'POST / HTTP/1.0\r\nContent-Length: 1\r\nContent-Length: 1',
    'POST / HTTP/1.0\r\nContent-Length: 1\r\nContent-Length: 2',
    'POST / HTTP/1.0\r\nContent-Length: 1, 1',
    'POST / HTTP/1.0\r\nContent-Length: -1',
    'POST / HTTP/1.0\r\nContent-Length: +1',
    'POST / HTTP/1.0\r\nContent-Length: 0x10',
    'POST / HTTP/1.0\r\nContent-Length: 1e3',
    'POST / HTTP/1.0\r\nContent-Length:',
    'POST / HTTP/1.0\r\nContent-Length: 1 2',
    'POST / HTTP/1.0\r\nContent-Length: 9999999999999999',
  ],
  'length-and-coding': [
    'POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nTransfer-Encoding: chunked',
    'GET / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nContent-Length: 0',
  ],
  'bad-transfer-coding': [
    'POST / HTTP/1.0\r\nTransfer-Encoding: chunked',
    'POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked, chunked',
    'POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked',
    'POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding:',
    'POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: ,chunked',
  ],
  'unknown-transfer-coding': [
    'POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: gzip, chunked',
    'POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked, identity',
    'POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: xchunked',
    'POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: \xa0chunked',
  ],
  'bad-target': [
    'GET * HTTP/1.1\r\nHost: h',
    'GET a/b HTTP/1.1\r\nHost: h',
    'GET example.com:80 HTTP/1.1\r\nHost: h',
    'GET /a#b HTTP/1.1\r\nHost: h',
    'GET http://user@h/ HTTP/1.1\r\nHost: h',
    'GET http:///a HTTP/1.1\r\nHost: h',
    'GET http://a"b/ HTTP/1.1\r\nHost: h',
    'GET ftp://h/ HTTP/1.1\r\nHost: h',
    'CONNECT / HTTP/1.1\r\nHost: h',
    'CONNECT h HTTP/1.1\r\nHost: h',
    'CONNECT h:1/ HTTP/1.1\r\nHost: h',
    'CONNECT * HTTP/1.1\r\nHost: h',
  ],
  'request-line-too-long': [`GET /${'a'.repeat(100)} HTTP/1.1`, 'A'.repeat(101)],
  'fields-too-large': [
    `GET / HTTP/1.1\r\nA: ${'a'.repeat(200)}`,
    `GET / HTTP/1.1\r\n${'A'.repeat(201)}`,
    'GET / HTTP/1.1\r\na: 1\r\na: 1\r\na: 1\r\na: 1\r\na: 1\r\na: 1',
  ],
  'unsupported-version': ['GET / HTTP/2.0', 'PRI * HTTP/2.0', 'GET / HTTP/0.9'],
}

for (const [reason, requests] of Object.entries(REFUSED)) {
  test(`request: refused as ${reason} (${REFUSAL_STATUS[reason as RefusalReason]})`, () => {
    for (const text of requests) assert.equal(parse(`${text}\r\n\r\n`).outcome, reason, JSON.stringify(text))
  })
}

test('request: the limits are met exactly', () => {
  const line = `GET /${'a'.repeat(100 - 'GET / HTTP/1.0\r\n'.length)} HTTP/1.0\r\n`
  accepted(`${line}\r\n`)
  accepted(`GET / HTTP/1.0\r\nA: ${'a'.repeat(200 - 'A: \r\n\r\n'.length)}\r\n\r\n`)
})

test('request: a truncated one has no outcome, wherever it is cut', () => {
  const text = 'GET /a HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n'
  for (let end = 0; end < text.length; end++) assert.equal(parse(text.slice(0, end)).outcome, undefined)
})

test('request: any chunking of the same octets gives the same outcome', () => {
  const heads = Object.values(REFUSED).flat()
  const texts = fc.constantFrom(...heads, 'GET / HTTP/1.1\r\nHost: h\r\nA: 1', '\r\nHEAD /x HTTP/1.0\r\nB: 2')
  fc.assert(
    fc.property(texts, fc.array(fc.integer({ min: 1, max: 20 }), { minLength: 1 }), (head, lens) => {
      const text = `${head}\r\n\r\nrest`
      const whole = parse(text)
      const parser = new RequestParser(LIMITS)
      let off = 0
      for (let i = 0; off < text.length && parser.outcome === undefined; i++) {
        const chunk = octets(text.slice(off, off + (lens[i % lens.length] as number)))
        off += parser.push(chunk, 0)
      }
      assert.deepEqual(parser.outcome, whole.outcome)
      if (typeof whole.outcome === 'object') assert.equal(text.slice(off), whole.rest)
    }),
  )
})

test('request: random octets never throw', () => {
  const pieces = fc.constantFrom(
    '\r\n',
    '\n',
    '\r',
    ' ',
    ':',
    'GET',
    '/',
    'HTTP/1.1',
    'Host: h',
    '\0',
    'a',
    '\xff',
    '\t',
  )
  fc.assert(
    fc.property(
      fc.oneof(
        fc.uint8Array({ maxLength: 400 }),
        fc.array(pieces).map((all) => octets(all.join(''))),
      ),
      (u8) => {
        const parser = new RequestParser(LIMITS)
        const off = parser.push(u8, 0)
        assert.ok(off <= u8.length)
      },
    ),
    { numRuns: 2000 },
  )
})

test('request: an endless line costs no more than its limit', () => {
  const parser = new RequestParser()
  const chunk = new Uint8Array(65536).fill(0x20)
  assert.equal(parser.push(chunk, 0), 0)
  assert.equal(parser.outcome, 'request-line-too-long')
})
