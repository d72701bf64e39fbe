import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import { SeededRandom } from '@mirage-ts/testing/seeded-random'
import { Sha256, sha256Hex } from './sha256.ts'

test('sha256: equals that of Node for every length around the padding', () => {
  const octets = new SeededRandom(1).bytes(400)
  for (let len = 0; len <= 400; len++) {
    const part = octets.subarray(0, len)
    assert.equal(sha256Hex(part), createHash('sha256').update(part).digest('hex'), `${len} octets`)
  }
})

test('sha256: in parts', () => {
  const octets = new SeededRandom(2).bytes(1000)
  const hash = new Sha256()
  for (let off = 0, len = 0; off < 1000; off += len++) hash.update(octets.subarray(off, off + len))
  assert.equal(hash.hex(), createHash('sha256').update(octets).digest('hex'))
})
