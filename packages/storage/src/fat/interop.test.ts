import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { KvError } from '@mirage-ts/core/errors'
import type { WallInstant } from '@mirage-ts/signatures/time'
import { fsck, fsckRepair, runOnImage } from '@mirage-ts/testing/fat-images'
import { FaultyBlock } from '@mirage-ts/testing/faulty-block'
import { contentsOf } from '@mirage-ts/testing/kv-random'
import { SeededRandom } from '@mirage-ts/testing/seeded-random'
import { ramBlockOf } from '../ram-block.ts'
import { createFatKv } from './fat-kv.ts'
import { formatFat } from './format.ts'

const octets = (text: string): Uint8Array => Uint8Array.from(text, (char) => char.charCodeAt(0))

function temporary(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'mirage-test-'))
  t.after(() => rmSync(folder, { recursive: true }))
  return folder
}

for (const [words, sectors] of [
  [['-F', '12'], 2880],
  [['-F', '12', '-f', '1'], 2000],
  [['-F', '16', '-s', '4'], 40_000],
  [['-F', '16', '-r', '64'], 20_000],
  [['-F', '32', '-s', '1'], 70_000],
  [['-F', '16', '-S', '4096', '-s', '1'], 40_000],
] as const) {
  test(`fat kv: reads and writes what mkfs.vfat ${words.join(' ')} made and mtools filled`, async (t) => {
    const folder = temporary(t)
    const big = new SeededRandom(1).bytes(100_001)
    writeFileSync(join(folder, 'big.bin'), big)
    writeFileSync(join(folder, 'A long name with ünicode.txt'), 'long')
    writeFileSync(join(folder, 'SHORT.TXT'), 'short')
    let { image } = runOnImage(new Uint8Array(sectors * 512), 'mkfs.vfat', ...words, 'IMAGE')
    for (const args of [
      ['mmd', '-i', 'IMAGE', '::sub'],
      ['mcopy', '-i', 'IMAGE', join(folder, 'big.bin'), '::sub/big.bin'],
      ['mcopy', '-i', 'IMAGE', join(folder, 'A long name with ünicode.txt'), '::'],
      ['mcopy', '-i', 'IMAGE', join(folder, 'SHORT.TXT'), '::'],
    ] as const) {
      const ran = runOnImage(image, args[0], ...args.slice(1))
      assert.equal(ran.status, 0, ran.output)
      image = ran.image
    }
    const block = FaultyBlock.of(image)
    const kv = await createFatKv({ block })
    const contents = await contentsOf(kv)
    assert.deepEqual([...contents.keys()].sort(), ['A long name with ünicode.txt', 'SHORT.TXT', 'sub/big.bin'])
    assert.deepEqual(await kv.get('sub/big.bin'), big)
    assert.deepEqual(await kv.get('A long name with ünicode.txt'), octets('long'))
    await kv.set('sub/deeper/new file.dat', big.subarray(0, 70_000))
    await kv.setPartial('sub/big.bin', 50_000, octets('changed'))
    await kv.remove('SHORT.TXT')
    await kv.rename('A long name with ünicode.txt', 'renamed.txt')
    await kv.flush()
    const checked = fsck(block.image)
    assert.equal(checked.status, 0, checked.output)
    for (const [key, value] of [
      ['sub/deeper/new file.dat', big.subarray(0, 70_000)],
      ['renamed.txt', octets('long')],
      ['sub/big.bin', await kv.get('sub/big.bin')],
    ] as const) {
      const out = join(folder, 'out')
      const ran = runOnImage(block.image, 'mcopy', '-n', '-i', 'IMAGE', `::${key}`, out)
      assert.equal(ran.status, 0, ran.output)
      assert.ok(Buffer.compare(readFileSync(out), value) === 0, key)
      rmSync(out)
    }
  })
}

async function fresh(sectorCount: number, bits: 12 | 16 | 32 = 12) {
  const block = new FaultyBlock(sectorCount)
  await formatFat({ block }, { bits })
  return { block, kv: await createFatKv({ block }) }
}

test('fat kv: tells when files were written: itself, and what mtools wrote', async (t) => {
  process.env['TZ'] = 'UTC' // FAT has no time zone: mtools takes that of the system, we take UTC
  const folder = temporary(t)
  const block = new FaultyBlock(2880)
  await formatFat({ block })
  const moment = (Date.UTC(2024, 1, 29, 23, 59, 58) * 1000) as WallInstant
  const kv = await createFatKv({ block, clock: { now: () => moment } })
  await kv.set('folder/ours', octets('1'))
  await kv.flush()
  assert.equal(await kv.lastModified('folder/ours'), moment)
  assert.equal(await kv.lastModified('folder'), moment)
  assert.equal(await kv.lastModified(''), undefined)
  const file = join(folder, 'theirs')
  writeFileSync(file, '2')
  utimesSync(file, 0, Date.UTC(2001, 8, 9, 1, 46, 40) / 1000)
  const ran = runOnImage(block.image, 'mcopy', '-m', '-i', 'IMAGE', file, '::')
  assert.equal(ran.status, 0, ran.output)
  const theirs = await createFatKv({ block: FaultyBlock.of(ran.image) })
  assert.equal(await theirs.lastModified('theirs'), Date.UTC(2001, 8, 9, 1, 46, 40) * 1000)
})

test('fat kv: times are those of the clock', async () => {
  const block = new FaultyBlock(2880)
  await formatFat({ block })
  const clock = { now: () => (Date.UTC(2026, 10, 21, 12, 34, 56) * 1000) as WallInstant }
  const kv = await createFatKv({ block, clock })
  await kv.set('FILE', octets('x'))
  await kv.flush()
  assert.match(runOnImage(block.image, 'mdir', '-i', 'IMAGE', '::').output, /FILE +1 2026-11-21 +12:34/)
})

test('fat kv: two names that differ in case only are one, and the second is refused', async () => {
  const { kv } = await fresh(2880)
  await kv.set('Readme.txt', octets('1'))
  await assert.rejects(kv.set('README.TXT', octets('2')), { code: 'bad-key', message: /differs in case only/ })
  await assert.rejects(kv.rename('Readme.txt', 'readme.txt'), { code: 'bad-key' })
  assert.equal(await kv.exists('README.TXT'), undefined)
})

test('fat kv: names that FAT does not take are bad keys', async () => {
  const { kv } = await fresh(2880)
  for (const key of [
    'a:b',
    'a*',
    'a?',
    'a"b',
    'a<b',
    'a|b',
    'a\\b',
    'a.',
    'a ',
    'a\n',
    'con',
    'nul.txt',
    'x'.repeat(256),
    'a/com1',
  ]) {
    await assert.rejects(kv.set(key, octets('1')), { code: 'bad-key' }, JSON.stringify(key))
  }
  assert.deepEqual(await kv.list(''), [])
})

test('fat kv: hundreds of names that begin alike, and names of any length', async () => {
  const { block, kv } = await fresh(20_000, 16)
  const names = Array.from({ length: 120 }, (_, i) => `beginning.${i}.text`)
  for (let len = 1; len <= 255; len += 6) names.push(`${'n'.repeat(len - 1)}${len % 10}`)
  for (const name of names) await kv.set(`folder/${name}`, octets(name))
  await kv.flush()
  const again = await createFatKv({ block })
  for (const name of names) assert.deepEqual(await again.get(`folder/${name}`), octets(name), name)
  const { status, output } = fsck(block.image)
  assert.equal(status, 0, output)
})

test('fat kv: a full volume says so, loses nothing, and takes more once something is removed', async () => {
  const { block, kv } = await fresh(2000)
  for (let round = 0; round < 3; round++) {
    let i = 0
    const value = new Uint8Array(9000).fill(round)
    while (true) {
      try {
        await kv.set(`round${round}/${i}`, value)
      } catch (error) {
        assert.ok(error instanceof KvError && error.code === 'no-space', String(error))
        break
      }
      i++
    }
    assert.ok(i > 90, `${i} values`)
    await assert.rejects(kv.setPartial(`round${round}/0`, 0, new Uint8Array(100_000)), { code: 'no-space' })
    assert.equal((await kv.get(`round${round}/${i - 1}`))[0], round)
    await kv.flush()
    assert.equal(fsck(block.image).status, 0, fsck(block.image).output)
    await kv.remove(`round${round}`)
  }
})

test('fat kv: the fixed root folder of FAT 12 can be full', async () => {
  const { kv } = await fresh(2880)
  let count = 0
  await assert.rejects(
    async () => {
      while (true) {
        await kv.set(`FILE${count}`, new Uint8Array(0))
        count++
      }
    },
    { code: 'no-space' },
  )
  assert.equal(count, 512)
})

test('fat kv: a crash at any write loses no old file, and fsck.vfat repairs without loss', async () => {
  const random = new SeededRandom(11)
  let cuts = 0
  for (const [bits, sectors] of [
    [12, 2000],
    [16, 10_000],
    [32, 70_000],
  ] as const) {
    const { block, kv } = await fresh(sectors, bits)
    /** For each key what a crash may leave of it. */
    const allowed = new Map<string, (Uint8Array | undefined)[]>()
    const current = new Map<string, Uint8Array>()
    const images: Uint8Array[] = []
    block.tearsSectors = false // FAT cannot do without
    block.beforeChange = () => {
      for (let i = 0; i < (bits === 32 ? 1 : 2); i++) images.push(block.crashImage(random))
    }
    const look = async (label: string): Promise<void> => {
      for (const image of images.splice(0)) {
        cuts++
        const repaired = cuts % 30 === 0 ? fsckRepair(image) : undefined
        for (const crashed of repaired === undefined ? [image] : [image, repaired.image]) {
          const left = await contentsOf(await createFatKv({ block: ramBlockOf(crashed) }))
          for (const [key, versions] of allowed) {
            const value = left.get(key)
            const isRight = versions.some((version) =>
              version === undefined ? value === undefined : value !== undefined && Buffer.compare(version, value) === 0,
            )
            assert.ok(isRight, `FAT ${bits}, ${label}: ${key} has ${value?.length} octets\n${repaired?.output}`)
          }
        }
      }
    }
    for (let i = 0; i < (bits === 32 ? 30 : 100); i++) {
      if (random.chance(0.15)) {
        await kv.flush()
        await look(`flush before step ${i}`)
        allowed.clear()
        for (const [key, value] of current) allowed.set(key, [value])
        continue
      }
      const key = `${['a', 'b', 'some folder/in another'][random.below(3)]}/${['x', 'A longer name.txt', 'y.z'][random.below(3)]}`
      const versions = allowed.get(key) ?? [current.get(key)]
      allowed.set(key, versions)
      if (random.chance(0.3) && current.has(key)) {
        versions.push(undefined)
        await kv.remove(key)
        current.delete(key)
      } else {
        const value = random.bytes(random.below(6000))
        versions.push(value)
        await kv.set(key, value)
        current.set(key, value)
      }
      await look(`step ${i}`)
    }
  }
  assert.ok(cuts > 300, `${cuts} cuts`)
})

test('fat kv: damaged volumes give what is there or a corrupt error, and never hang', async () => {
  const random = new SeededRandom(3)
  for (const [bits, sectors] of [
    [12, 2000],
    [16, 10_000],
    [32, 70_000],
  ] as const) {
    const { block, kv } = await fresh(sectors, bits)
    for (let i = 0; i < 30; i++) await kv.set(`dir ${i % 4}/sub/a file with a name ${i}`, random.bytes(2000))
    await kv.flush()
    const used: number[] = []
    for (let sector = 0; sector < sectors; sector++) {
      if (block.image.subarray(sector * 512, sector * 512 + 512).some((octet) => octet !== 0)) used.push(sector)
    }
    for (let i = 0; i < (bits === 32 ? 15 : 250); i++) {
      const image = block.image.slice()
      for (let n = 0; n < 1 + random.below(8); n++) {
        const sector = random.chance(0.3) ? 0 : (used[random.below(used.length)] as number)
        image[sector * 512 + random.below(512)] = random.below(256)
      }
      try {
        const damaged = await createFatKv({ block: ramBlockOf(image) })
        await contentsOf(damaged)
        await damaged.set('dir 1/new/file', random.bytes(3000))
        await damaged.remove('dir 1')
        await damaged.flush()
      } catch (error) {
        assert.ok(error instanceof KvError, String((error as Error).stack))
        assert.ok(error.code !== 'io', String(error.stack))
      }
    }
  }
})

test('fat kv: a folder that contains itself is an error', async () => {
  const { block, kv } = await fresh(2880)
  await kv.set('A/B/C', octets('1'))
  await kv.flush()
  // The entry of B is the third one in the cluster of A: it is pointed at A.
  const image = block.image.slice()
  const entryOff = image.findIndex((_, i) => i % 32 === 0 && image[i] === 0x42 && image[i + 11] === 0x10)
  const rootEntry = image.findIndex((_, i) => i % 32 === 0 && image[i] === 0x41 && image[i + 11] === 0x10)
  image[entryOff + 26] = image[rootEntry + 26] as number
  const damaged = await createFatKv({ block: FaultyBlock.of(image) })
  await assert.rejects(damaged.remove('A'), { code: 'corrupt', message: /without end/ })
})
