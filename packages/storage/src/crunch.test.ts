import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import { runKvRoConformance } from '@mirage-ts/testing/conformance/kv-ro-suite'
import { type CrunchFile, createCrunch } from './crunch.ts'

function crunchFile(path: string, octets: Uint8Array): CrunchFile {
  return { path, sha256: createHash('sha256').update(octets).digest('hex'), bytes: () => octets }
}

runKvRoConformance(test, 'crunch', async (contents) => ({
  kv: createCrunch({}, { files: [...contents].map(([path, octets]) => crunchFile(path, octets)) }),
  close: () => {},
}))

test('crunch: an empty store has an empty root', async () => {
  const kv = createCrunch({}, { files: [] })
  assert.deepEqual(await kv.list(''), [])
  assert.equal(await kv.exists('x'), undefined)
})

test('crunch: values are lent, not copied', async () => {
  const octets = new Uint8Array(10)
  const kv = createCrunch({}, { files: [crunchFile('a', octets)] })
  assert.equal(await kv.get('a'), octets)
  assert.equal((await kv.getPartial('a', 2, 4)).buffer, octets.buffer)
})

test('crunch: refuses paths that are no keys, and two files of one name', () => {
  const octets = new Uint8Array(0)
  for (const path of ['', '/a', 'a/', 'a//b', '.', '../a', 'a/../b', 'a\0']) {
    assert.throws(() => createCrunch({}, { files: [crunchFile(path, octets)] }), TypeError, path)
  }
  for (const [first, second] of [
    ['a', 'a'],
    ['a', 'a/b'],
    ['a/b', 'a'],
  ] as const) {
    assert.throws(() => createCrunch({}, { files: [first, second].map((path) => crunchFile(path, octets)) }), TypeError)
  }
})
