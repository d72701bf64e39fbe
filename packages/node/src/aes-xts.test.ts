import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { runSectorCipherConformance } from '@mirage-ts/testing/conformance/sector-cipher-suite'
import { createAesXts, createAesXtsFromFile } from './aes-xts.ts'

const keyOf = (first: number, len: number): Uint8Array => Uint8Array.from({ length: len }, (_, i) => first + i)

for (const len of [32, 64]) {
  runSectorCipherConformance(test, `AES-XTS with a key of ${len} octets`, (key) =>
    createAesXts({}, { key: keyOf(100 * key, len) }),
  )
}

test('AES-XTS: the first octets of vector 10 of IEEE 1619-2007 annex B', () => {
  const key = Buffer.from(
    '27182818284590452353602874713526624977572470936999595749669676273141592653589793238462643383279502884197169399375105820974944592',
    'hex',
  )
  const octets = Uint8Array.from({ length: 512 }, (_, i) => i & 255)
  createAesXts({}, { key }).encrypt(0xff, octets, 0, 512)
  assert.equal(
    Buffer.from(octets.subarray(0, 32)).toString('hex'),
    '1c3b3a102f770386e4836c99e370cf9bea00803f5e482357a4ae12d414a3e63b',
  )
})

test('AES-XTS: refuses keys of other lengths, and those whose halves are equal', (t) => {
  for (const len of [0, 16, 48, 65]) {
    assert.throws(() => createAesXts({}, { key: keyOf(0, len) }), { name: 'TypeError', message: /expected 32 or 64/ })
  }
  assert.throws(() => createAesXts({}, { key: new Uint8Array(64) }), { name: 'TypeError', message: /halves are equal/ })
  const folder = mkdtempSync(join(tmpdir(), 'mirage-test-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const keyFile = join(folder, 'key')
  assert.throws(() => createAesXtsFromFile({}, { keyFile }), { message: /^Cannot read the key of the disk from / })
  writeFileSync(keyFile, keyOf(0, 64))
  assert.equal(createAesXtsFromFile({}, { keyFile }).blockBytes, 16)
})
