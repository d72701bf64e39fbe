import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  readOnlySectorOctet,
  runBlockConformance,
  runReadOnlyBlockConformance,
} from '@mirage-ts/testing/conformance/block-suite'
import { FaultyBlock } from '@mirage-ts/testing/faulty-block'
import { SeededRandom } from '@mirage-ts/testing/seeded-random'
import { createBlockSlice, createReadOnlyBlock } from './block-view.ts'
import { createCachedBlock } from './cached-block.ts'
import { createRamBlock } from './ram-block.ts'

const ram = (sectorCount: number) => createRamBlock({}, { sectorCount })

runBlockConformance(test, 'ram block', async () => ({ block: ram(2000), close() {} }))
runBlockConformance(test, 'ram block of 4 KiB sectors', async () => ({
  block: createRamBlock({}, { sectorCount: 64, sectorBytes: 4096 }),
  close() {},
}))
runBlockConformance(test, 'slice of a block', async () => ({
  block: createBlockSlice({ block: ram(2000) }, { firstSector: 100, sectorCount: 70 }),
  close() {},
}))
for (const [lineCount, lineSectors] of [
  [256, 8],
  [3, 8],
  [1, 1],
  [5, 7],
] as const) {
  runBlockConformance(test, `cached block, ${lineCount} lines of ${lineSectors}`, async () => ({
    block: createCachedBlock({ block: ram(1001) }, { lineCount, lineSectors }),
    close() {},
  }))
}

runBlockConformance(test, 'faulty block that is not told to fail', async () => ({
  block: new FaultyBlock(1001),
  close() {},
}))

async function numbered(): Promise<FaultyBlock> {
  const block = new FaultyBlock(100)
  for (let sector = 0; sector < 100; sector++) {
    await block.write(sector, new Uint8Array(512).fill(readOnlySectorOctet(sector)))
  }
  await block.flush()
  return block
}

runReadOnlyBlockConformance(test, 'read-only view', async () => ({
  block: createReadOnlyBlock({ block: await numbered() }),
  close() {},
}))
runReadOnlyBlockConformance(test, 'cache of a read-only view', async () => ({
  block: createCachedBlock({ block: createReadOnlyBlock({ block: await numbered() }) }, { lineCount: 4 }),
  close() {},
}))
runReadOnlyBlockConformance(test, 'slice of a read-only view', async () => ({
  block: createBlockSlice(
    { block: createReadOnlyBlock({ block: await numbered() }) },
    { firstSector: 0, sectorCount: 64 },
  ),
  close() {},
}))

test('read-only view: flushes nothing', async () => {
  const block = await numbered()
  await createReadOnlyBlock({ block }).flush()
  assert.equal(block.flushCount, 1)
})

test('slice of a block: refuses one that is not on the device', () => {
  for (const [firstSector, sectorCount] of [
    [0, 11],
    [10, 1],
    [-1, 2],
  ] as const) {
    assert.throws(() => createBlockSlice({ block: ram(10) }, { firstSector, sectorCount }), RangeError)
  }
})

test('cached block: reads a line once, keeps writes back until a flush, and writes neighbours in one transfer', async () => {
  const block = new FaultyBlock(1000)
  const cache = createCachedBlock({ block })
  const octets = new Uint8Array(512).fill(1)
  for (let sector = 0; sector < 32; sector++) await cache.write(sector, octets)
  assert.equal(block.readCount, 4)
  assert.equal(block.writeCount, 0)
  await cache.flush()
  assert.equal(block.writeCount, 1)
  assert.equal(block.flushCount, 1)
  await cache.read(17, octets)
  assert.equal(block.readCount, 4)
})

test('cached block: what was flushed survives a crash, with a cache of any size', async () => {
  for (const lineCount of [1, 2, 16]) {
    const block = new FaultyBlock(256)
    const cache = createCachedBlock({ block }, { lineCount, lineSectors: 4 })
    const random = new SeededRandom(lineCount)
    const model = new Uint8Array(block.image.length)
    for (let i = 0; i < 300; i++) {
      const sector = random.below(250)
      const octets = random.bytes(512 * (1 + random.below(6)))
      await cache.write(sector, octets)
      model.set(octets, sector * 512)
    }
    await cache.flush()
    assert.deepEqual(block.crashImage('none'), model)
  }
})

test('cached block: a failed write-back is reported and tried again', async () => {
  const block = new FaultyBlock(100)
  const cache = createCachedBlock({ block })
  await cache.write(5, new Uint8Array(512).fill(5))
  block.writesLeft = 0
  await assert.rejects(cache.flush(), { code: 'io' })
  block.writesLeft = 10
  await cache.flush()
  assert.equal(block.crashImage('none')[5 * 512], 5)
})
