/** The examples of storage on every target, with the same disks. Needs QEMU. */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { cpSync, readFileSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { gzipSync } from 'node:zlib'
import { fsck } from '@mirage-ts/testing/fat-images'
import { makeApp } from '../packages/cli/src/testing/app.ts'

const MIRAGE = fileURLToPath(new URL('../packages/cli/bin/mirage.mjs', import.meta.url))
const EXAMPLES = fileURLToPath(new URL('../examples/devices/', import.meta.url))

/** Runs the command and returns what it printed; it must end with 0. */
function mirage(folder: string, ...words: readonly string[]): Promise<string> {
  return new Promise((done, failed) => {
    execFile(process.execPath, [MIRAGE, ...words], { cwd: folder }, (error, out, err) => {
      if (error === null) done(out)
      else failed(new Error(`mirage ${words.join(' ')}: ${err}${out}`))
    })
  })
}

function example(t: TestContext, name: string): string {
  const text = (file: string): string => readFileSync(join(EXAMPLES, name, file), 'utf8')
  return makeApp(t, { 'config.ts': text('config.ts'), 'unikernel.ts': text('unikernel.ts') })
}

function emptyDisk(folder: string, name: string, lenBytes: number): string {
  const path = join(folder, name)
  writeFileSync(path, '')
  truncateSync(path, lenBytes)
  return path
}

/** What a disk is: padded to whole sectors. */
function withWholeSectors(octets: Uint8Array): Uint8Array {
  const padded = new Uint8Array(Math.ceil(octets.length / 512) * 512)
  padded.set(octets)
  return padded
}

const TARGETS = ['unix', 'spt', 'virtio'] as const

test('storage: a store counts on over starts of every target, and its image is right', async (t) => {
  const app = example(t, 'kv-rw-counter')
  const image = emptyDisk(app, 'store.img', 4 << 20)
  let count = 0
  for (const target of TARGETS) {
    await mirage(app, 'build', '-t', target)
    for (const _ of [1, 2]) {
      const out = await mirage(app, 'run', '-t', target, `--block=kv-rw=${image}`)
      assert.match(out, new RegExp(`start ${++count}\\b`), target)
    }
  }
  assert.match(await mirage(app, 'disk', 'list', image), /^1 {2}counter\/starts$/m)
  assert.match(await mirage(app, 'disk', 'check', image), /^store: 1 values/m)
})

test('storage: a FAT volume counts on over starts of every target', async (t) => {
  const app = example(t, 'kv-rw-counter')
  const image = join(app, 'fat.img')
  await mirage(app, 'disk', 'make', image, '--format=fat', '--size=2MiB')
  let count = 0
  for (const target of TARGETS) {
    await mirage(app, 'build', '-t', target, '--kv-rw', 'fat')
    const out = await mirage(app, 'run', '-t', target, `--block=kv-rw=${image}`)
    assert.match(out, new RegExp(`start ${++count}\\b`), target)
    const checked = fsck(new Uint8Array(readFileSync(image)))
    assert.equal(checked.status, 0, checked.output)
  }
})

test('storage: a game is remembered over starts of every target, and for each player', async (t) => {
  const app = example(t, 'disk-lottery')
  const image = emptyDisk(app, 'lottery.img', 64 << 10)
  let draws = 0
  for (const target of TARGETS) {
    await mirage(app, 'build', '-t', target)
    const play = (...words: string[]) =>
      mirage(app, 'run', '-t', target, `--block=lottery=${image}`, ...(words.length > 0 ? ['--', ...words] : []))
    for (const _ of [1, 2]) assert.match(await play(), new RegExp(`draw ${++draws} is `), target)
    assert.match(await play('--slot=7', '--reset'), /draw 1 is (.|\n)*score: 1\b/, target)
  }
})

test('storage: a whole disk is written and read on every target, and what no disk may do is refused', async (t) => {
  const app = example(t, 'block')
  for (const target of TARGETS) {
    const image = emptyDisk(app, `${target}.img`, 3 << 20)
    await mirage(app, 'build', '-t', target)
    const out = await mirage(app, 'run', '-t', target, `--block=disk=${image}`)
    assert.match(out, /6144 sectors of 512 octets(.|\n)*all is well/, target)
    assert.equal(readFileSync(image)[700 * 512], 700 % 251)
  }
})

test('storage: the same files wherever they are, on every target', async (t) => {
  const app = example(t, 'kv-ro')
  cpSync(join(EXAMPLES, 'kv-ro/files'), join(app, 'files'), { recursive: true })
  await mirage(app, 'disk', 'make', '--format=tar', 'files.tar', 'files')
  writeFileSync(join(app, 'files.tar.gz'), withWholeSectors(gzipSync(readFileSync(join(app, 'files.tar')))))
  await mirage(app, 'disk', 'make', '--format=fat', '--size=2MiB', 'files.fat', 'files')
  const onDisk = [
    ['tar', 'files.tar'],
    ['tar', 'files.tar.gz'],
    ['fat', 'files.fat'],
  ] as const
  const expected = ['greeting.txt', 'poems/rain.txt'].map((key) => {
    const octets = readFileSync(join(app, 'files', key))
    const digest = createHash('sha256').update(octets).digest('hex')
    return `${key}: ${octets.toString().trim()} (${digest.slice(0, 8)})`
  })
  for (const target of TARGETS) {
    const places: readonly (readonly [string, string?])[] =
      target === 'unix' ? [['crunch'], ['direct'], ...onDisk] : [['crunch'], ...onDisk]
    for (const [source, image] of places) {
      await mirage(app, 'build', '-t', target, '--kv-ro', source)
      const out = await mirage(app, 'run', '-t', target, ...(image === undefined ? [] : [`--block=kv-ro=${image}`]))
      const lines = Array.from(out.matchAll(/\[application\] (.*?)\r?$/gm), ([, line]) => line)
      assert.deepEqual(lines, expected, `${target}, ${image ?? source}`)
    }
  }
})

test('storage: what a target cannot have is not offered there', async (t) => {
  const app = example(t, 'kv-ro')
  cpSync(join(EXAMPLES, 'kv-ro/files'), join(app, 'files'), { recursive: true })
  for (const target of ['spt', 'virtio']) {
    await assert.rejects(
      mirage(app, 'configure', '-t', target, '--kv-ro', 'direct'),
      /direct(.|\n)*crunch(.|\n)*tar(.|\n)*fat/,
    )
  }
})

test('storage: several disks are found by their names', async (t) => {
  const app = makeApp(t, {
    'config.ts': `import { main, register } from '@mirage-ts/config'
import { block, defaultLog } from '@mirage-ts/config/devices'
const sizes = main('./unikernel.ts', 'start', { takes: { a: 'block', b: 'block', c: 'block', log: 'log' } })
export default register('disks', [sizes({ a: block('first'), b: block('second'), c: block('third'), log: defaultLog })])
`,
    'unikernel.ts': `import type { Block } from '@mirage-ts/signatures/block'
import type { Log } from '@mirage-ts/signatures/log'
export async function start({ a, b, c, log }: { a: Block; b: Block; c: Block; log: Log }): Promise<void> {
  log.logger('application').info(\`\${a.sectorCount} \${b.sectorCount} \${c.sectorCount}\`)
}
`,
  })
  const disks = [8, 16, 24].map((sectors, i) => emptyDisk(app, `disk${i}`, sectors * 512))
  const given = [`--block=second=${disks[1]}`, `--block=third=${disks[2]}`, `--block=first=${disks[0]}`]
  await mirage(app, 'build', '-t', 'virtio')
  assert.match(await mirage(app, 'run', ...given), / 8 16 24\b/)
})

test('storage: a store of 40 MB, written and read by a guest of 16 MiB, and by the next one', async (t) => {
  const app = makeApp(t, {
    'config.ts': `import { main, register } from '@mirage-ts/config'
import { block, defaultLog, logKv } from '@mirage-ts/config/devices'
const large = main('./unikernel.ts', 'start', { takes: { store: 'kv-transactional', log: 'log' } })
export default register('large', [large({ store: logKv(block('data')), log: defaultLog })])
`,
    'unikernel.ts': `import type { KvTransactional } from '@mirage-ts/signatures/kv'
import type { Log } from '@mirage-ts/signatures/log'

const COUNT = 10_000

export async function start({ store, log }: { store: KvTransactional; log: Log }): Promise<void> {
  const value = new Uint8Array(4096)
  const view = new DataView(value.buffer)
  const isThere = (await store.exists('folder/value 0')) === 'value'
  for (let i = 0; !isThere && i < COUNT; i++) {
    view.setUint32(2000, i)
    await store.set(\`folder/value \${i}\`, value)
    if (i % 1000 === 999) await store.flush()
  }
  for (let n = 0; n < COUNT; n++) {
    const i = (n * 7919) % COUNT
    const got = await store.get(\`folder/value \${i}\`)
    if (new DataView(got.buffer, got.byteOffset).getUint32(2000) !== i) throw new Error(\`value \${i} is wrong\`)
  }
  log.logger('large').info(\`\${isThere ? 'found' : 'made'} \${COUNT} values\`)
}
`,
  })
  const image = emptyDisk(app, 'data.img', 64 << 20)
  await mirage(app, 'build', '-t', 'spt')
  const run = () => mirage(app, 'run', '-t', 'spt', '--mem', '16', `--block=data=${image}`)
  assert.match(await run(), /made 10000 values/)
  assert.match(await run(), /found 10000 values/)
  assert.match(await mirage(app, 'disk', 'check', image), /^store: 10000 values/m)
})
