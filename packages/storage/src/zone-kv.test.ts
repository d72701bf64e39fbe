import assert from 'node:assert/strict'
import { test } from 'node:test'
import { runKvRoConformance } from '@mirage-ts/testing/conformance/kv-ro-suite'
import { FaultyBlock } from '@mirage-ts/testing/faulty-block'
import { ramBlockOf } from './ram-block.ts'
import { createZoneKv, type Zone } from './zone-kv.ts'

runKvRoConformance(test, 'zones of a block', async (contents) => {
  const image = new Uint8Array(1 << 20)
  const zones: Zone[] = []
  let offBytes = 100
  for (const [key, octets] of contents) {
    image.set(octets, offBytes)
    zones.push({ key, offBytes, lenBytes: octets.length })
    offBytes += octets.length + 300
  }
  return { kv: createZoneKv({ block: ramBlockOf(image, 4096) }, { zones }), close() {} }
})

test('zones of a block: up to the end of the disk when nothing else was said', async () => {
  const kv = createZoneKv({ block: ramBlockOf(new Uint8Array(2048)) }, { zones: [{ key: 'rest', offBytes: 700 }] })
  assert.equal(await kv.sizeBytes('rest'), 1348)
})

test('zones of a block: refuses what is not on the disk, and names that are no keys', () => {
  const block = ramBlockOf(new Uint8Array(2048))
  for (const [offBytes, lenBytes] of [
    [-1, 5],
    [0, 2049],
    [2000, 49],
    [0.5, 1],
    [0, Number.NaN],
  ] as const) {
    assert.throws(() => createZoneKv({ block }, { zones: [{ key: 'a', offBytes, lenBytes }] }), RangeError)
  }
  for (const keys of [[''], ['../a'], ['/a'], ['a\0'], ['a', 'a'], ['a', 'a/b']]) {
    const zones = keys.map((key) => ({ key, offBytes: 0, lenBytes: 1 }))
    assert.throws(() => createZoneKv({ block }, { zones }), { name: 'KvError', code: 'bad-key' }, keys.join())
  }
})

test('zones of a block: a disk that fails is an io error of the key', async () => {
  const block = new FaultyBlock(8)
  block.unreadable.add(3)
  const kv = createZoneKv({ block }, { zones: [{ key: 'a', offBytes: 0 }] })
  await assert.rejects(kv.get('a'), { name: 'KvError', code: 'io', message: /"a".*sector 3/ })
  await assert.rejects(kv.digest('a'), { code: 'io' })
})
