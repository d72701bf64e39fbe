import assert from 'node:assert/strict'
import { test } from 'node:test'
import { BlockError, KvError } from '@mirage-ts/core/errors'
import { FaultyBlock } from '@mirage-ts/testing/faulty-block'
import { KvModel } from '@mirage-ts/testing/kv-model'
import { assertEqualsModel } from '@mirage-ts/testing/kv-random'
import { SeededRandom } from '@mirage-ts/testing/seeded-random'
import { createBlockSlice } from '../block-view.ts'
import { createCachedBlock } from '../cached-block.ts'
import { checkLogKv } from './check.ts'
import { createLogKv, formatLogKv, type LogKv, openLogKv } from './log-kv.ts'

const SMALL = 17 * 128

interface World {
  readonly kv: LogKv
  readonly block: FaultyBlock
  readonly random: SeededRandom
}

async function world(sectorCount = SMALL, seed = 1): Promise<World> {
  const block = new FaultyBlock(sectorCount)
  const random = new SeededRandom(seed)
  return { kv: await createLogKv({ block, random }, { cacheNodes: 16 }), block, random }
}

test('log kv: a full store says so, loses nothing, and takes more once something is removed', async () => {
  const { kv, block, random } = await world()
  const model = new KvModel()
  for (let round = 0; round < 5; round++) {
    let i = 0
    for (; ; i++) {
      const key = `round ${round}/${i}`
      const value = random.bytes(random.below(9000))
      try {
        await kv.set(key, value)
      } catch (error) {
        assert.ok(error instanceof KvError && error.code === 'no-space', String(error))
        break
      }
      model.set(key, value)
    }
    assert.ok(kv.stats.usedBytes > 0.8 * kv.stats.capacityBytes, `${kv.stats.usedBytes} of ${kv.stats.capacityBytes}`)
    await assertEqualsModel(kv, model, `round ${round}, full`)
    for (const key of [...model.values.keys()]) {
      if (random.chance(0.6)) continue
      await kv.remove(key)
      model.remove(key)
    }
    await assertEqualsModel(kv, model, `round ${round}, with room again`)
  }
  await kv.flush()
  const report = await checkLogKv({ block })
  assert.deepEqual(report.problems, [])
  assert.equal(report.keyCount, model.values.size)
})

test('log kv: cleans for ever: a hundred times its size goes through a store that is half full', async () => {
  const { kv, block, random } = await world()
  const model = new KvModel()
  let written = 0
  for (let i = 0; written < 100 * 17 * 65_536; i++) {
    const key = `${random.below(100)}`
    const value = new Uint8Array(random.below(6000)).fill(i)
    await kv.set(key, value)
    model.set(key, value)
    written += value.length
    if (i % 500 === 0) await assertEqualsModel(kv, model, `after ${i} writes`)
  }
  await kv.flush()
  assert.deepEqual((await checkLogKv({ block })).problems, [])
})

test('log kv: tells the disk which segments it needs no more, through a partition and a cache as well', async () => {
  const below = new FaultyBlock(SMALL + 64)
  let discarded = 0
  const discard = below.discard.bind(below)
  below.discard = (sector, count) => {
    discarded += count
    assert.ok(sector >= 64 && (sector - 64) % 128 === 0 && count % 128 === 0, `${count} sectors at ${sector}`)
    return discard(sector, count)
  }
  const slice = createBlockSlice({ block: below }, { firstSector: 64, sectorCount: SMALL })
  const block = createCachedBlock({ block: slice })
  const random = new SeededRandom(1)
  const kv = await createLogKv({ block, random })
  for (let i = 0; i < 400; i++) {
    await kv.set(`${i % 10}`, new Uint8Array(3000).fill(i))
    if (i % 20 === 0) await kv.flush()
  }
  await kv.flush()
  assert.ok(discarded > 8 * 128, `${discarded} sectors`)
  const again = await openLogKv({
    block: createBlockSlice({ block: below }, { firstSector: 64, sectorCount: SMALL }),
    random,
  })
  for (let i = 0; i < 10; i++) assert.equal((await again.get(`${i}`))[2999], (390 + i) & 255)
  // A disk that refuses the hint does not matter.
  below.discard = () => Promise.reject(new BlockError('io', 'no discard today'))
  for (let i = 0; i < 400; i++) await kv.set(`${i % 10}`, new Uint8Array(3000).fill(i))
  await kv.flush()
})

test('log kv: segments wear alike', async () => {
  const { kv, block, random } = await world()
  const written = new Uint32Array(17)
  const write = block.write.bind(block)
  block.write = (sector, from) => {
    const segment = Math.floor(sector / 128)
    written[segment] = (written[segment] as number) + from.length
    return write(sector, from)
  }
  for (let i = 0; i < 3000; i++) await kv.set(`${random.below(40)}`, random.bytes(3000))
  const segments = [...written.slice(1)]
  assert.ok(Math.max(...segments) < 2 * Math.min(...segments), segments.join(' '))
})

test('log kv: any bit that flips is noticed, or does not matter', async () => {
  const { kv, block, random } = await world()
  const model = new KvModel()
  for (let i = 0; i < 120; i++) {
    const value = random.bytes(random.below(i % 10 === 0 ? 40_000 : 800))
    await kv.set(`dir${i % 7}/${i}`, value)
    model.set(`dir${i % 7}/${i}`, value)
    if (i % 30 === 29) await kv.flush()
  }
  await kv.flush()
  let noticedCount = 0
  for (let i = 0; i < 400; i++) {
    const disk = FaultyBlock.of(block.image)
    const sector = random.below(disk.sectorCount)
    disk.flipBit(sector, random.below(4096))
    try {
      const opened = await openLogKv({ block: disk, random }, { cacheNodes: 16 })
      for (const [key, value] of model.values) {
        try {
          assert.ok(
            Buffer.compare(await opened.get(key), value) === 0,
            `bit in sector ${sector}: wrong value of ${key}`,
          )
        } catch (error) {
          if (!(error instanceof KvError && (error.code === 'corrupt' || error.code === 'not-found'))) throw error
          // An older state is what a crash could have left; a value of the last state that is not right never is.
          if (error.code === 'corrupt') assert.match(error.message, /sector \d+/)
          noticedCount++
          break
        }
      }
    } catch (error) {
      if (!(error instanceof KvError)) throw error
      assert.equal(error.code, 'corrupt')
      assert.match(error.message, /sector \d+/)
      noticedCount++
    }
    await checkLogKv({ block: disk })
  }
  assert.ok(noticedCount > 50, `${noticedCount} noticed`)
})

test('log kv: check names the sector of a damage', async () => {
  const { kv, block } = await world()
  await kv.set('a', new Uint8Array(5000).fill(0xab))
  await kv.set('b', new Uint8Array(5000).fill(0xcd))
  await kv.flush()
  const sector = Math.floor(block.image.indexOf(0xcd) / 512)
  block.flipBit(sector + 1, 77)
  const { problems } = await checkLogKv({ block })
  // The log is not followed over a record that is damaged, so the whole batch is not there.
  assert.ok(problems.length <= 1, problems.join('\n'))
  await assert.rejects(
    checkLogKv({ block: new FaultyBlock(8) }).then(({ problems: [first] }) => Promise.reject(new Error(first))),
    /no superblock/,
  )
})

test('log kv: a disk that is not a store is refused, and left alone', async () => {
  const block = new FaultyBlock(SMALL)
  block.image.fill(7, 0, 100)
  const before = block.image.slice()
  await assert.rejects(createLogKv({ block, random: new SeededRandom(1) }), { code: 'corrupt', message: /superblock/ })
  assert.deepEqual(block.image, before)
  await assert.rejects(createLogKv({ block: new FaultyBlock(100), random: new SeededRandom(1) }), /at least 1114112/)
})

test('log kv: an older store on the same disk is never seen again', async () => {
  const { kv, block, random } = await world()
  for (let i = 0; i < 50; i++) await kv.set(`old ${i}`, random.bytes(3000))
  await kv.flush()
  await formatLogKv({ block, random })
  const again = await openLogKv({ block, random })
  assert.deepEqual(await again.list(''), [])
  await again.set('new', random.bytes(10))
  await again.flush()
  assert.deepEqual(await (await openLogKv({ block, random })).list(''), [{ name: 'new', kind: 'value' }])
})

test('log kv: after a write has failed it takes no changes, gives what it has, and the disk has the last flush', async () => {
  const { kv, block, random } = await world()
  await kv.set('a', random.bytes(5000))
  await kv.flush()
  block.writesLeft = 0
  await kv.set('b', Uint8Array.of(1))
  await assert.rejects(kv.flush(), { name: 'KvError', code: 'io' })
  block.writesLeft = 1000
  await assert.rejects(kv.set('c', Uint8Array.of(1)), { code: 'io', message: /failed before/ })
  await assert.rejects(kv.flush(), { code: 'io' })
  assert.equal(await kv.sizeBytes('a'), 5000)
  const opened = await openLogKv({ block: FaultyBlock.of(block.crashImage('all')), random })
  assert.deepEqual(await opened.list(''), [{ name: 'a', kind: 'value' }])
})

test('log kv: a sector that cannot be read is an io error of the value, others are there', async () => {
  const { kv, block, random } = await world()
  await kv.set('a', new Uint8Array(5000).fill(0xab))
  await kv.set('b', random.bytes(5000))
  await kv.flush()
  block.unreadable.add(Math.floor(block.image.indexOf(0xab) / 512) + 2)
  await assert.rejects(kv.get('a'), { name: 'KvError', code: 'io', message: /"a".*sector/ })
  assert.equal((await kv.get('b')).length, 5000)
  await kv.set('a', Uint8Array.of(1))
  assert.equal((await kv.get('a')).length, 1)
})

test('log kv: refuses a store made for other sectors, or larger than its disk', async () => {
  const { block, random } = await world()
  await assert.rejects(openLogKv({ block: FaultyBlock.of(block.image, 4096), random }), /made for sectors of 512/)
  const cut = FaultyBlock.of(block.image.slice(0, 1_000_000 - (1_000_000 % 512)))
  await assert.rejects(openLogKv({ block: cut, random }), /shorter than the store/)
})
