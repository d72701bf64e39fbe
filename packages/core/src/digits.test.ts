import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { parseDecimal, parseHexadecimal } from './digits.ts'

const anyText = fc.oneof(fc.string({ maxLength: 8 }), fc.stringMatching(/^[0-9a-fA-F]{0,8}$/))

describe('digits', () => {
  it('reads decimal digits as a regular expression and Number would', () => {
    const expected = (text: string) => (/^\d{1,5}$/.test(text) ? Number(text) : undefined)
    fc.assert(fc.property(anyText, (text) => assert.equal(parseDecimal(text, 5), expected(text))))
    assert.equal(parseDecimal('00065', 5), 65)
    assert.equal(parseDecimal('', 5), undefined)
  })

  it('reads hexadecimal digits as a regular expression and parseInt would', () => {
    const expected = (text: string) => (/^[0-9a-f]{1,4}$/i.test(text) ? Number.parseInt(text, 16) : undefined)
    fc.assert(fc.property(anyText, (text) => assert.equal(parseHexadecimal(text, 4), expected(text))))
    // Next to the digits and letters in ASCII.
    for (const c of '/:@G`g') assert.equal(parseHexadecimal(c, 4), undefined)
  })
})
