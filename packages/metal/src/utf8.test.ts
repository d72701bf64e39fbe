import assert from 'node:assert/strict'
import { it } from 'node:test'
import fc from 'fast-check'
import { encodeUtf8 } from './utf8.ts'

it('utf8: gives the octets that TextEncoder gives, lone surrogates included', () => {
  const anyText = fc.string({ unit: 'binary' })
  const units = fc.array(fc.integer({ min: 0, max: 0xffff })).map((codes) => String.fromCharCode(...codes))
  fc.assert(
    fc.property(fc.oneof(anyText, units), (text) => {
      assert.deepEqual(encodeUtf8(text), new TextEncoder().encode(text))
    }),
  )
})
