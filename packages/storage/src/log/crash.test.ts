import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FaultyBlock } from '@mirage-ts/testing/faulty-block'
import { runCrashes } from '@mirage-ts/testing/kv-crash'
import { SeededRandom } from '@mirage-ts/testing/seeded-random'
import { createLogKv, formatLogKv, openLogKv } from './log-kv.ts'

/** The smallest disk there may be, so that cleaning happens all the time. */
async function smallDisk(sectorBytes: number): Promise<Uint8Array> {
  const block = new FaultyBlock((17 * 65_536) / sectorBytes, sectorBytes)
  await formatLogKv({ block, random: new SeededRandom(9) })
  return block.image
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
      image: await smallDisk(sectorBytes),
      sectorBytes,
      open: (block) => openLogKv({ block, random }, { cacheNodes: 16 }),
      lives: 30,
      steps: 100,
      imagesPerCut: 3,
      maxBytes,
    })
    assert.ok(report.cuts > 500, JSON.stringify(report))
  })
}

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
