import assert from 'node:assert/strict'
import { test } from 'node:test'
import { octetsToText, textToOctets } from '@mirage-ts/core/octets'
import fc from 'fast-check'
import { ChunkedParser, emitChunk } from './chunked.ts'

const LIMITS = { fieldsBytes: 200, fieldCount: 5 }

/** Feeds `text` in pieces; the data, what came of it, and the text not used. */
function parse(text: string, pieceLen = text.length) {
  const parser = new ChunkedParser(LIMITS)
  let data = ''
  let off = 0
  while (off < text.length && parser.outcome === undefined) {
    const chunk = textToOctets(text.slice(off, off + pieceLen))
    off += parser.push(chunk, 0)
    data += octetsToText(chunk, parser.dataOff, parser.dataEnd)
  }
  return { data, outcome: parser.outcome, rest: text.slice(off) }
}

test('chunked: data, extensions that are ignored, trailers; what follows is left (RFC 9112 §7.1)', () => {
  const text = '4\r\nWiki\r\n0A;a;b=c;d="e \\" f"\r\n0123456789\r\n000\r\nX-Sum: 1\r\nx-sum: 2\r\n\r\nGET /'
  for (const pieceLen of [1, 2, 3, 7, 1000]) {
    const { data, outcome, rest } = parse(text, pieceLen)
    assert.equal(data, 'Wiki0123456789')
    assert.ok(typeof outcome === 'object')
    assert.deepEqual(outcome.lines(), [
      ['x-sum', '1'],
      ['x-sum', '2'],
    ])
    assert.equal(rest, 'GET /')
  }
})

/** Each reason with content that has it. */
const REFUSED = {
  'bad-chunk-size': [
    '\r\n',
    ' 4\r\n',
    '4 \r\n',
    '\t4\r\n',
    '0x4\r\n',
    '+4\r\n',
    '-4\r\n',
    '4_0\r\n',
    'g\r\n',
    '4,4\r\n',
    'ffffffffffffff\r\n',
    '00000000000004\r\n',
    '4 ;a\r\n',
    '4; a\r\n',
    '4;a =b\r\n',
    '4;\r\n',
    '4;a="b\r\n',
    '4;a=b c\r\n',
  ],
  'bad-chunk-end': ['1\r\nab\r\n', '1\r\na\n', '1\r\na\rb', '1\r\na0\r\n\r\n'],
  'bare-lf': ['4\nWiki\r\n', '0\n\n', '0\r\n\n', '0\r\nA: b\n\r\n', '4;a\nb\r\n'],
  'bad-octet': ['4;\rX\r\n', '4\r\r\n', '4;a="\0"\r\n', '0\r\nA: \0\r\n'],
  'folded-line': ['0\r\nA: b\r\n c\r\n\r\n'],
  'bad-field-name': ['0\r\nA : b\r\n\r\n', '0\r\nGET / HTTP/1.1\r\n\r\n'],
  'fields-too-large': [`0\r\nA: ${'a'.repeat(200)}\r\n`, `0\r\n${'a: b\r\n'.repeat(6)}\r\n`],
  'chunk-line-too-long': [`1;a=${'a'.repeat(300)}\r\n`, `1;a=${'a'.repeat(200)}\r\na\r\n`.repeat(30)],
  'bad-trailer': ['0\r\nContent-Length: 3\r\n\r\n', '0\r\nTransfer-Encoding: chunked\r\n\r\n', '0\r\nHost: h\r\n\r\n'],
}

for (const [reason, texts] of Object.entries(REFUSED)) {
  test(`chunked: refused as ${reason}`, () => {
    for (const text of texts) {
      for (const pieceLen of [1, text.length]) assert.equal(parse(text, pieceLen).outcome, reason, JSON.stringify(text))
    }
  })
}

test('chunked: a truncated one has no outcome, wherever it is cut', () => {
  const text = '3;a=b\r\nabc\r\n0\r\nA: b\r\n\r\n'
  for (let end = 0; end < text.length; end++) assert.equal(parse(text.slice(0, end)).outcome, undefined)
})

test('chunked: what is emitted is read back, however it is cut', () => {
  fc.assert(
    fc.property(
      fc.array(fc.uint8Array({ minLength: 1, maxLength: 40 })),
      fc.integer({ min: 1, max: 50 }),
      (all, len) => {
        const pieces = all.map((piece) => octetsToText(piece, 0, piece.length))
        const text = all.map((piece) => emitChunk('', piece)).map((u8) => octetsToText(u8, 0, u8.length))
        const { data, outcome } = parse(`${text.join('')}0\r\n\r\n`, len)
        assert.equal(data, pieces.join(''))
        assert.equal(typeof outcome, 'object')
      },
    ),
  )
})

test('chunked: random text never throws and never gives more than it has', () => {
  const pieces = fc.constantFrom('0', '1', 'a', '\r\n', '\r', '\n', ';', '=', '"', ' ', 'A: b', '\0')
  fc.assert(
    fc.property(fc.array(pieces), fc.integer({ min: 1, max: 9 }), (all, len) => {
      const text = all.join('')
      assert.ok(parse(text, len).data.length <= text.length)
    }),
    { numRuns: 2000 },
  )
})
