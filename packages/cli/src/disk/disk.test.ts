import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { fsck, runOnImage } from '@mirage-ts/testing/fat-images'
import { disk } from '../commands/disk.ts'
import { UserError } from '../errors.ts'
import { createOutput } from '../output.ts'

/** Runs `mirage disk WORDS`. */
async function runDisk(...words: readonly string[]): Promise<{ status: number; out: string; error: string }> {
  let out = ''
  const streams = {
    out: (text: string) => {
      out += text
    },
    error: () => {},
  }
  const output = createOutput(streams, { isQuiet: false, isVerbose: false })
  try {
    const status = await disk.run({ words, boot: [], file: 'config.ts', isDryRun: false, output })
    return { status, out, error: '' }
  } catch (error) {
    if (!(error instanceof UserError)) throw error
    return { status: error.status, out, error: error.message }
  }
}

/** A folder with a folder `files` in it. */
function sample(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'mirage-test-'))
  t.after(() => rmSync(folder, { recursive: true }))
  mkdirSync(join(folder, 'files/sub folder'), { recursive: true })
  writeFileSync(join(folder, 'files/a.txt'), 'hello')
  writeFileSync(join(folder, 'files/sub folder/ümlaut.bin'), new Uint8Array(100_000).fill(7))
  return folder
}

for (const format of ['store', 'fat', 'tar']) {
  test(`mirage disk: ${format} is made, filled, listed, checked and extracted`, async (t) => {
    const folder = sample(t)
    const image = join(folder, 'image')
    const made = await runDisk('make', image, join(folder, 'files'), `--format=${format}`, '--size=4MiB')
    assert.deepEqual(made, { status: 0, out: 'Added 2 files, 100.0 kB\n', error: '' })
    const added = await runDisk('add', image, join(folder, 'files/a.txt'), 'deep/er/name')
    assert.deepEqual(added, { status: 0, out: 'Added 1 file, 5 B\n', error: '' })
    const listed = await runDisk('list', image)
    assert.equal(listed.out, '     5  a.txt\n     5  deep/er/name\n100000  sub folder/ümlaut.bin\n')
    assert.equal((await runDisk('list', image, 'deep')).out, '5  deep/er/name\n')
    const checked = await runDisk('check', image)
    assert.equal(checked.status, 0, checked.out)
    const out = join(folder, 'out')
    assert.equal((await runDisk('extract', image, out)).out, 'Extracted 3 files, 100.0 kB\n')
    assert.equal(readFileSync(join(out, 'deep/er/name'), 'utf8'), 'hello')
    assert.equal(readFileSync(join(out, 'sub folder/ümlaut.bin')).length, 100_000)
    const again = await runDisk('extract', image, out)
    assert.match(again.error, /^Cannot write .*a.txt: EEXIST/)
  })
}

test('mirage disk: GNU tar and fsck.vfat and mtools accept what it makes', async (t) => {
  const folder = sample(t)
  const [tar, fat] = [join(folder, 'x.tar'), join(folder, 'x.img')]
  await runDisk('make', tar, join(folder, 'files'), '--format=tar')
  assert.equal(execFileSync('tar', ['-xOf', tar, 'a.txt'], { encoding: 'utf8' }), 'hello')
  execFileSync('tar', ['-rf', tar, '-C', folder, 'files/a.txt'])
  assert.match((await runDisk('list', tar)).out, /5 {2}files\/a\.txt/)
  await runDisk('make', fat, join(folder, 'files'), '--format=fat', '--size=8MiB')
  const octets = new Uint8Array(readFileSync(fat))
  assert.equal(fsck(octets).status, 0, fsck(octets).output)
  assert.match(runOnImage(octets, 'mdir', '-i', 'IMAGE', '-/', '-b', '::').output, /sub folder\/ümlaut\.bin/)
})

test('mirage disk: reads an archive in gzip, and a volume in a partition', async (t) => {
  const folder = sample(t)
  const packed = join(folder, 'x.tar.gz')
  execFileSync('tar', ['-czf', packed, '-C', join(folder, 'files'), '.'])
  truncateSync(packed, 1024)
  assert.match((await runDisk('list', packed)).out, /5 {2}a\.txt/)
  assert.match((await runDisk('add', packed, join(folder, 'files'))).error, /packed with gzip/)
  const volume = join(folder, 'volume')
  await runDisk('make', volume, join(folder, 'files'), '--format=fat', '--size=1MiB')
  const whole = new Uint8Array(2 ** 21)
  // A partition table with one entry: type 1, from sector 64 on, as long as the volume.
  const view = new DataView(whole.buffer)
  view.setUint8(446 + 4, 1)
  view.setUint32(446 + 8, 64, true)
  view.setUint32(446 + 12, 2048, true)
  view.setUint16(510, 0xaa55, true)
  whole.set(readFileSync(volume), 64 * 512)
  const path = join(folder, 'disk')
  writeFileSync(path, whole)
  assert.match((await runDisk('list', path)).error, /it has partitions/)
  assert.match((await runDisk('list', path, '--partition=1')).out, /5 {2}a\.txt/)
  assert.match((await runDisk('list', path, '--partition=2')).error, /Cannot find partition 2: the disk has 1/)
})

test('mirage disk: check finds damage and ends with 1', async (t) => {
  const folder = sample(t)
  for (const format of ['store', 'fat']) {
    const image = join(folder, format)
    await runDisk('make', image, join(folder, 'files'), `--format=${format}`, '--size=4MiB')
    const octets = readFileSync(image)
    if (format === 'store') octets.fill(0, 8192, 12_288)
    else octets.fill(0, 512, 12_000)
    writeFileSync(image, octets)
    const checked = await runDisk('check', image)
    assert.equal(checked.status, 1, format)
    assert.match(checked.out, /sector|clusters/)
  }
})

test('mirage disk: extracting writes through no link that leads out', async (t) => {
  const folder = sample(t)
  const image = join(folder, 'image')
  await runDisk('make', image, join(folder, 'files'))
  mkdirSync(join(folder, 'out'))
  mkdirSync(join(folder, 'elsewhere'))
  symlinkSync('../elsewhere', join(folder, 'out/sub folder'))
  assert.match((await runDisk('extract', image, join(folder, 'out'))).error, /leads out of .* through a link/)
  assert.deepEqual(readdirSync(join(folder, 'elsewhere')), [])
})

test('mirage disk: says what is wrong with a command line', async (t) => {
  const folder = sample(t)
  const image = join(folder, 'image')
  for (const [words, message] of [
    [[], /^Unknown action : see/],
    [['mkae', image], /did you mean make\?/],
    [['list'], /Give an image: mirage disk list IMAGE/],
    [['add', image], /Give a path/],
    [['check', image, 'x'], /Unexpected argument x/],
    [['make', image, '--format=ext4'], /expected one of store, fat, tar/],
  ] as const) {
    const { status, error } = await runDisk(...words)
    assert.equal(status, 2, error)
    assert.match(error, message)
  }
  assert.match((await runDisk('list', image)).error, /Cannot open disk/)
  await runDisk('make', image)
  assert.match((await runDisk('make', image)).error, /is there already; --force/)
  assert.equal((await runDisk('make', image, '--force', '--size=2MiB')).status, 0)
  assert.match((await runDisk('make', image, '--force', '--size=100KiB')).error, /expected at least/)
  assert.match((await runDisk('add', image, join(folder, 'nothing'))).error, /There is no/)
})
