import assert from 'node:assert/strict'
import { test } from 'node:test'
import { crc32 as zlibCrc32 } from 'node:zlib'
import { SeededRandom } from '@mirage-ts/testing/seeded-random'
import { crc32, crc32c } from './crc32.ts'

const CHECK = Uint8Array.from('123456789', (char) => char.charCodeAt(0))

test('crc32: the check values of the catalogue, and those of RFC 3720 appendix B.4', () => {
  assert.equal(crc32(CHECK, 0, 9), 0xcbf43926)
  assert.equal(crc32c(CHECK, 0, 9), 0xe3069283)
  assert.equal(crc32c(new Uint8Array(32), 0, 32), 0x8a9136aa)
  assert.equal(crc32c(new Uint8Array(32).fill(255), 0, 32), 0x62a8ab43)
})

test('crc32: any offset and length, and in parts', () => {
  const octets = new SeededRandom(1).bytes(64)
  for (let off = 0; off < 9; off++) {
    for (let end = off; end < 40; end++) {
      let slow = ~0
      for (let i = off; i < end; i++) {
        slow ^= octets[i] as number
        for (let bit = 0; bit < 8; bit++) slow = (slow & 1) !== 0 ? (slow >>> 1) ^ 0x82f63b78 : slow >>> 1
      }
      assert.equal(crc32c(octets, off, end), ~slow >>> 0)
      const middle = (off + end) >>> 1
      assert.equal(crc32c(octets, middle, end, crc32c(octets, off, middle)), ~slow >>> 0)
    }
  }
  if (typeof zlibCrc32 === 'function') assert.equal(crc32(octets, 0, 64), zlibCrc32(octets))
})
