import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { KvRo } from '@mirage-ts/signatures/kv'
import { runKvRoConformance } from '@mirage-ts/testing/conformance/kv-ro-suite'
import { createMemoryKv } from './memory-kv.ts'
import { createOverlayKv } from './overlay-kv.ts'

async function storeOf(values: Iterable<readonly [string, Uint8Array]>): Promise<KvRo> {
  const kv = createMemoryKv()
  for (const [key, value] of values) await kv.set(key, value)
  return kv
}

// Every other file is in the upper store; the lower one has those again, with wrong contents.
runKvRoConformance(test, 'overlay kv', async (contents) => {
  const upper = await storeOf([...contents].filter((_, i) => i % 2 === 0))
  const lower = await storeOf([...contents].map(([key, value], i) => [key, i % 2 === 0 ? new Uint8Array(3) : value]))
  return { kv: createOverlayKv({ upper, lower }), close() {} }
})

test('overlay kv: a value above hides a dictionary below, a dictionary above a value below', async () => {
  const one = Uint8Array.of(1)
  const kv = createOverlayKv({
    upper: await storeOf([
      ['a', one],
      ['b/up', one],
    ]),
    lower: await storeOf([
      ['a/hidden', one],
      ['b', one],
      ['c/low', one],
    ]),
  })
  assert.equal(await kv.exists('a/hidden'), undefined)
  await assert.rejects(kv.get('a/hidden'), { code: 'not-found' })
  await assert.rejects(kv.list('a'), { code: 'dictionary-expected' })
  assert.deepEqual(await kv.list('b'), [{ name: 'up', kind: 'value' }])
  await assert.rejects(kv.get('b'), { code: 'value-expected' })
  assert.equal((await kv.get('c/low'))[0], 1)
})
