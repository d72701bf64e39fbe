import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { foldedEqual, foldedHash, octetsCopy, octetsEqual, octetsToText, textToOctets, writeText } from './octets.ts'

const lower = (u8: Uint8Array) => u8.map((octet) => (octet >= 0x41 && octet <= 0x5a ? octet + 0x20 : octet))

describe('octets', () => {
  it('are text of the same length and back, more than a call takes arguments too', () => {
    const all = Uint8Array.from({ length: 20_000 }, (_, i) => i)
    const text = octetsToText(all)
    assert.deepEqual([text.length, text.charCodeAt(255), text.charCodeAt(19_999)], [20_000, 255, 19_999 & 255])
    assert.deepEqual(textToOctets(text), all)
    assert.equal(octetsToText(all, 0x41, 0x44), 'ABC')
  })

  it('are written where they are told to, or not at all', () => {
    const u8 = new Uint8Array(4)
    assert.equal(writeText(u8, 1, 'aé'), 3)
    assert.deepEqual(u8, Uint8Array.of(0, 0x61, 0xe9, 0))
    assert.throws(() => writeText(u8, 2, 'abc'), RangeError)
    assert.deepEqual(u8, Uint8Array.of(0, 0x61, 0xe9, 0))
    assert.equal(writeText(u8, 0, 'Ā€'), 2)
    assert.deepEqual(u8.subarray(0, 2), Uint8Array.of(0x00, 0xac))
  })

  it('are equal, and have equal hashes, when only the case of letters differs', () => {
    const octets = fc.uint8Array({ maxLength: 40 })
    const seed = fc.integer({ min: 0, max: 2 ** 32 - 1 })
    fc.assert(
      fc.property(octets, octets, seed, fc.nat(3), (a, b, secret, shift) => {
        const moved = new Uint8Array(a.length + shift)
        moved.set(lower(a), shift)
        assert.equal(foldedEqual(a, 0, moved, shift, a.length), true)
        assert.equal(foldedHash(a, 0, a.length, secret), foldedHash(moved, shift, moved.length, secret))
        const len = Math.min(a.length, b.length)
        const isSame = Buffer.compare(lower(a.subarray(0, len)), lower(b.subarray(0, len))) === 0
        assert.equal(foldedEqual(a, 0, b, 0, len), isSame)
        const isExact = Buffer.compare(a.subarray(0, len), b.subarray(0, len)) === 0
        assert.equal(octetsEqual(a, 0, b, 0, len), isExact)
        assert.equal(octetsEqual(a, 0, moved, shift, a.length), Buffer.compare(a, lower(a)) === 0)
      }),
    )
  })

  it('are copied, also over themselves', () => {
    const u8 = Uint8Array.of(1, 2, 3, 4)
    octetsCopy(u8, 0, 3, u8, 1)
    assert.deepEqual(u8, Uint8Array.of(1, 1, 2, 3))
    assert.throws(() => octetsCopy(u8, 0, 3, u8, 2), RangeError)
  })

  it('have other hashes under another seed', () => {
    const u8 = textToOctets('www.example.com')
    const hashes = new Set(Array.from({ length: 1000 }, (_, seed) => foldedHash(u8, 0, u8.length, seed)))
    assert.ok(hashes.size > 990)
  })
})
