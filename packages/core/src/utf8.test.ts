import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { utf8Decode, utf8Encode } from './utf8.ts'

test('utf8: encodes as TextEncoder does, and nothing that is not Unicode text', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      assert.deepEqual(utf8Encode(text), new TextEncoder().encode(text))
    }),
  )
  assert.equal(utf8Encode('a\ud800'), undefined)
  assert.equal(utf8Encode('\udc00b'), undefined)
})

test('utf8: decodes what a fatal TextDecoder decodes, and nothing else', () => {
  const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
  const expected = (octets: Uint8Array): string | undefined => {
    try {
      return decoder.decode(octets)
    } catch {
      return undefined // the decoder's way to say no
    }
  }
  const octet = fc.oneof(fc.nat(255), fc.constantFrom(0xc0, 0xc1, 0xe0, 0xed, 0xf0, 0xf4, 0xf5, 0x80, 0x9f, 0xa0, 0xbf))
  fc.assert(
    fc.property(fc.array(octet, { maxLength: 6 }), (octets) => {
      assert.equal(utf8Decode(Uint8Array.from(octets)), expected(Uint8Array.from(octets)))
    }),
    { numRuns: 2000 },
  )
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      assert.equal(utf8Decode(new TextEncoder().encode(text)), text)
    }),
  )
})
