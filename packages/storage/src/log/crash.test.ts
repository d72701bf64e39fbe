import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FaultyBlock } from '@mirage-ts/testing/faulty-block'
import { runCrashes } from '@mirage-ts/testing/kv-crash'
import { SeededRandom } from '@mirage-ts/testing/seeded-random'
import { createLogKv, formatLogKv, openLogKv } from './log-kv.ts'

/** The smallest disk there may be, two thirds full, so that cleaning and reusing segments happen all the time. */
async function smallDisk(sectorBytes: number) {
  const block = new FaultyBlock((17 * 65_536) / sectorBytes, sectorBytes)
  const random = new SeededRandom(9)
  const kv = await createLogKv({ block, random })
  const contents = new Map<string, Uint8Array>()
  for (let i = 0; i < 12; i++) {
    const value = random.bytes(30_000)
    await kv.set(`ballast/${i}`, value)
    contents.set(`ballast/${i}`, value)
  }
  await kv.flush()
  return { image: block.image, contents }
}

for (const [name, sectorBytes, maxBytes, seed] of [
  ['small values', 512, 3000, 1],
  ['values of several pieces', 512, 40_000, 2],
  ['sectors of 4 KiB', 4096, 9000, 3],
] as const) {
  test(`log kv: keeps what was flushed through crashes at every write; ${name}`, async () => {
    const random = new SeededRandom(seed)
    const report = await runCrashes({
      random,
      ...(await smallDisk(sectorBytes)),
      sectorBytes,
      open: (block) => openLogKv({ block, random }, { cacheNodes: 16 }),
      lives: 14,
      steps: 100,
      imagesPerCut: 2,
      maxBytes,
    })
    assert.ok(report.cuts > 200, JSON.stringify(report))
  })
}

test('log kv: what an earlier run left behind the head never completes a batch', async () => {
  const block = new FaultyBlock(17 * 128)
  const random = new SeededRandom(5)
  const kv = await createLogKv({ block, random })
  const value = random.bytes(3000)
  await kv.set('kept', value)
  await kv.flush()
  const before = block.crashImage('none')
  await kv.set('a', value)
  await kv.set('b', value)
  await kv.flush()
  // The power went before the value of `a`, six sectors, was on the disk; the rest of the batch was.
  const image = block.crashImage('none')
  const changed = [...Array(17 * 128).keys()].filter((sector) => {
    const at = sector * 512
    return Buffer.compare(image.subarray(at, at + 512), before.subarray(at, at + 512)) !== 0
  })
  for (const sector of changed.slice(0, 6)) {
    image.set(before.subarray(sector * 512, sector * 512 + 512), sector * 512)
  }
  const second = FaultyBlock.of(image)
  const again = await openLogKv({ block: second, random })
  assert.deepEqual(await again.list(''), [{ name: 'kept', kind: 'value' }])
  // The same change once more, and only a part of it gets to the disk: the old rest must not be taken for its end.
  const images: Uint8Array[] = []
  second.beforeChange = () => {
    for (let i = 0; i < 200 && second.pendingCount > 0; i++) images.push(second.crashImage(random))
  }
  await again.set('a', value)
  await again.flush()
  assert.ok(images.length > 0)
  for (const crashed of images) {
    const third = await openLogKv({ block: FaultyBlock.of(crashed), random })
    const names = (await third.list('')).map(({ name }) => name)
    assert.ok(!names.includes('b'), names.join(' '))
  }
})

test('log kv: a crash while the disk is formatted leaves a disk that can be formatted', async () => {
  const random = new SeededRandom(4)
  const images: Uint8Array[] = []
  const block = new FaultyBlock(17 * 128)
  block.beforeChange = () => {
    for (let i = 0; i < 5; i++) images.push(block.crashImage(random))
  }
  await formatLogKv({ block, random })
  images.push(block.crashImage('none'))
  for (const image of images)
    assert.deepEqual(await (await createLogKv({ block: FaultyBlock.of(image), random })).list(''), [])
})
