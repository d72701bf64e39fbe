import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { checksum } from './checksum.ts'

/** RFC 1071 as it is written: add 16-bit words, odd octet padded with zero, fold. */
function bySpecification(octets: Uint8Array, initial: number): number {
  let sum = BigInt(initial)
  for (let i = 0; i < octets.length; i += 2) sum += BigInt((octets[i] as number) * 256 + (octets[i + 1] ?? 0))
  while (sum > 0xffffn) sum = (sum & 0xffffn) + (sum >> 16n)
  return Number(sum)
}

describe('checksum', () => {
  it('gives the sum of the example in RFC 1071 §3', () => {
    assert.equal(checksum(Uint8Array.of(0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7), 0, 8, 0), 0xddf2)
  })

  it('equals the specification for any octets, alignment, odd length and initial sum', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 300 }),
        fc.nat(9),
        fc.nat(9),
        fc.nat(0xffffffff),
        (u8, before, shift, initial) => {
          const view = new Uint8Array(u8.length + before + shift).subarray(shift)
          view.set(u8, before)
          assert.equal(checksum(view, before, before + u8.length, initial), bySpecification(u8, initial))
        },
      ),
    )
  })

  it('equals the specification for long octets, all of them 0xff, at every alignment', () => {
    for (const lenBytes of [63, 64, 65, 66, 67, 68, 1460, 65_535, 140_001]) {
      for (const shift of [0, 1, 2, 3]) {
        const view = new Uint8Array(lenBytes + 4).fill(0xff).subarray(shift, shift + lenBytes)
        assert.equal(checksum(view, 0, lenBytes, 0xffffffff), bySpecification(view, 0xffffffff))
        for (let i = 0; i < lenBytes; i++) view[i] = (i * 2654435761) >>> 24
        assert.equal(checksum(view, 0, lenBytes, 1), bySpecification(view, 1))
      }
    }
  })

  it('chains over ranges of even length', () => {
    const octets = Uint8Array.from({ length: 101 }, (_, i) => i * 7)
    assert.equal(checksum(octets, 60, 101, checksum(octets, 0, 60, 0)), checksum(octets, 0, 101, 0))
  })
})
