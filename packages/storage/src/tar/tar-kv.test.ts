import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { linkSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, truncateSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { KvError } from '@mirage-ts/core/errors'
import { type KvContents, runKvRoConformance } from '@mirage-ts/testing/conformance/kv-ro-suite'
import { contentsOf } from '@mirage-ts/testing/kv-random'
import { SeededRandom } from '@mirage-ts/testing/seeded-random'
import { ramBlockOf } from '../ram-block.ts'
import { emitTarHeader, paddedLen, TAR_END_LEN } from './header.ts'
import { createTarKv } from './tar-kv.ts'

/** An archive as we write it. */
function archiveOf(contents: KvContents): Uint8Array {
  const parts: Uint8Array[] = []
  for (const [path, octets] of contents) {
    const padded = new Uint8Array(paddedLen(octets.length))
    padded.set(octets)
    parts.push(emitTarHeader({ path, sizeBytes: octets.length, mtimeSeconds: 1_700_000_000 }), padded)
  }
  parts.push(new Uint8Array(TAR_END_LEN))
  return Uint8Array.from(Buffer.concat(parts))
}

/** The image on a disk: padded to whole sectors. */
function diskOf(image: Uint8Array, sectorBytes = 512) {
  const padded = new Uint8Array(Math.ceil(image.length / sectorBytes) * sectorBytes)
  padded.set(image)
  return ramBlockOf(padded, sectorBytes)
}

runKvRoConformance(test, 'tar kv', async (contents) => ({
  kv: await createTarKv({ block: diskOf(archiveOf(contents)) }),
  close() {},
}))
runKvRoConformance(test, 'tar kv in gzip, 4 KiB sectors', async (contents) => ({
  kv: await createTarKv({ block: diskOf(gzipSync(archiveOf(contents)), 4096) }),
  close() {},
}))

/** A folder with what archives have trouble with. */
function sampleFolder(t: TestContext): { folder: string; expected: Map<string, Uint8Array> } {
  const folder = mkdtempSync(join(tmpdir(), 'mirage-test-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const expected = new Map<string, Uint8Array>()
  const random = new SeededRandom(1)
  const add = (key: string, octets: Uint8Array): void => {
    mkdirSync(dirname(join(folder, key)), { recursive: true })
    writeFileSync(join(folder, key), octets)
    expected.set(key, octets)
  }
  add('plain.txt', random.bytes(700))
  add('empty', new Uint8Array(0))
  add('sub/folder/file', random.bytes(5000))
  add(`${'long/'.repeat(28)}${'n'.repeat(90)}`, random.bytes(10))
  add('ümlaut/日本', random.bytes(512))
  linkSync(join(folder, 'plain.txt'), join(folder, 'hard link'))
  expected.set('hard link', expected.get('plain.txt') as Uint8Array)
  symlinkSync('plain.txt', join(folder, 'symbolic'))
  return { folder, expected }
}

for (const format of ['gnu', 'pax', 'ustar']) {
  test(`tar kv: reads what GNU tar writes, format ${format}`, (t) => {
    const { folder, expected } = sampleFolder(t)
    const image = execFileSync('tar', [`--format=${format}`, '-C', folder, '-cf', '-', '.'], { maxBuffer: 1e8 })
    return createTarKv({ block: diskOf(image) }).then(async (kv) => {
      assert.deepEqual(new Map([...(await contentsOf(kv))].sort()), new Map([...expected].sort()))
      assert.equal(kv.skippedCount, 1)
    })
  })
}

test('tar kv: GNU tar reads what we write', (t) => {
  const { folder, expected } = sampleFolder(t)
  const out = join(folder, 'out')
  mkdirSync(out)
  execFileSync('tar', ['-C', out, '-xf', '-'], { input: archiveOf(expected) })
  assert.equal(execFileSync('diff', ['-r', join(folder, 'sub'), join(out, 'sub')]).length, 0)
  assert.equal(execFileSync('diff', ['-r', join(folder, 'long'), join(out, 'long')]).length, 0)
  assert.equal(execFileSync('diff', ['-r', join(folder, 'ümlaut'), join(out, 'ümlaut')]).length, 0)
})

test('tar kv: an entry whose path leads out, or is absolute, is not there (OSEC-2026-08)', async () => {
  const contents = new Map([['good', Uint8Array.of(1)]])
  for (const path of ['../evil', 'a/../../evil', '/etc/passwd', 'a//b', 'a/./b', 'nul\0name', '..', '.']) {
    contents.set(path, Uint8Array.of(2))
  }
  const kv = await createTarKv({ block: diskOf(archiveOf(contents)) })
  // In a header of fixed length a name ends at the NUL.
  assert.deepEqual([...(await contentsOf(kv)).keys()].sort(), ['good', 'nul'])
  assert.equal(kv.skippedCount, 7)
})

test('tar kv: tells when files were changed, to the nanosecond of pax cut to microseconds', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'mirage-test-'))
  t.after(() => rmSync(folder, { recursive: true }))
  writeFileSync(join(folder, 'a'), 'a')
  utimesSync(join(folder, 'a'), 0, 1_234_567_890.25)
  for (const [format, seconds] of [
    ['gnu', 1_234_567_890],
    ['pax', 1_234_567_890.25],
  ] as const) {
    const archive = execFileSync('tar', ['-C', folder, `--format=${format}`, '-cf', '-', 'a'])
    assert.equal(await (await createTarKv({ block: diskOf(archive) })).lastModified('a'), seconds * 1e6, format)
  }
})

test('tar kv: the later of two files of a name counts', async () => {
  const first = archiveOf(new Map([['a', Uint8Array.of(1)]])).subarray(0, 1024)
  const second = archiveOf(new Map([['a', Uint8Array.of(2, 2)]]))
  const kv = await createTarKv({ block: diskOf(Buffer.concat([first, second])) })
  assert.deepEqual(await kv.get('a'), Uint8Array.of(2, 2))
})

test('tar kv: sparse files are left out, what follows them is there', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'mirage-test-'))
  t.after(() => rmSync(folder, { recursive: true }))
  writeFileSync(join(folder, 'a'), 'x')
  truncateSync(join(folder, 'a'), 10_000_000)
  writeFileSync(join(folder, 'b'), 'after')
  for (const format of ['gnu', 'pax']) {
    const image = execFileSync('tar', [`--format=${format}`, '-S', '-C', folder, '-cf', '-', 'a', 'b'])
    const kv = await createTarKv({ block: diskOf(image) })
    assert.deepEqual([...(await contentsOf(kv)).keys()], ['b'], format)
  }
})

test('tar kv: says what is wrong, and in which sector', async () => {
  const image = archiveOf(new Map([['a', new Uint8Array(1000)]]))
  const broken = (change: (octets: Uint8Array) => void, message: RegExp) => {
    const copy = image.slice()
    change(copy)
    return assert.rejects(createTarKv({ block: diskOf(copy) }), { name: 'KvError', code: 'corrupt', message })
  }
  await broken((octets) => octets.set([0x41], 3), /sector 0: bad-checksum/)
  await assert.rejects(createTarKv({ block: diskOf(image.subarray(0, 1024)) }), /sector 0: contents beyond the end/)
  await assert.rejects(createTarKv({ block: diskOf(image) }, { maxEntries: 0 }), /more than 0 entries/)
  const zipped = gzipSync(image)
  await assert.rejects(createTarKv({ block: diskOf(zipped) }, { maxInflatedBytes: 1000 }), /longer than 1000 octets/)
  zipped[30] = (zipped[30] as number) ^ 1
  await assert.rejects(createTarKv({ block: diskOf(zipped) }), { code: 'corrupt' })
})

test('tar kv: damaged archives give what is there or a corrupt error, and never hang', async () => {
  const random = new SeededRandom(3)
  const plain = archiveOf(
    new Map([
      ['a', random.bytes(600)],
      [`${'x'.repeat(80)}/${'ü'.repeat(90)}`, random.bytes(30)],
      ['b/c', random.bytes(10)],
    ]),
  )
  for (let i = 0; i < 1500; i++) {
    const image = i % 3 === 0 ? Uint8Array.from(gzipSync(plain)) : plain.slice()
    for (let n = 0; n < 1 + random.below(3); n++) image[random.below(image.length)] = random.below(256)
    if (i % 3 === 1) fixChecksums(image)
    const cut = random.chance(0.2) ? image.subarray(0, random.below(image.length)) : image
    try {
      await contentsOf(await createTarKv({ block: diskOf(cut) }))
    } catch (error) {
      assert.ok(error instanceof KvError && error.code === 'corrupt', String((error as Error).stack))
    }
  }
})

/** Makes the checksum of every sector that looks like a header right, so that damage gets past it. */
function fixChecksums(image: Uint8Array): void {
  for (let off = 0; off + 512 <= image.length; off += 512) {
    if (String.fromCharCode(...image.subarray(off + 257, off + 262)) !== 'ustar') continue
    image.fill(0x20, off + 148, off + 156)
    const sum = image.subarray(off, off + 512).reduce((total, octet) => total + octet, 0)
    image.set(
      Array.from(`${sum.toString(8).padStart(6, '0')}\0 `, (char) => char.charCodeAt(0)),
      off + 148,
    )
  }
}
