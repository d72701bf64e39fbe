/** Storage on booted images: the same disks on every target, and the stores on the engine of bare targets. Needs QEMU. */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { readFileSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { fileURLToPath } from 'node:url'
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

test('storage: a store counts on over boots of virtio and starts of unix, and its image is right', async (t) => {
  const app = example(t, 'kv-rw-counter')
  const image = emptyDisk(app, 'store.img', 4 << 20)
  await mirage(app, 'build', '-t', 'virtio')
  for (const count of [1, 2]) {
    assert.match(await mirage(app, 'run', '-t', 'virtio', `--block=kv-rw=${image}`), new RegExp(`start ${count}\\b`))
  }
  assert.match(await mirage(app, 'run', '-t', 'unix', `--block=kv-rw=${image}`), /start 3\b/)
  assert.match(await mirage(app, 'disk', 'list', image), /^1 {2}counter\/starts$/m)
  assert.match(await mirage(app, 'disk', 'check', image), /^store: 1 values/m)
})

test('storage: a whole disk is written and read on virtio, and what no disk may do is refused', async (t) => {
  const app = example(t, 'block')
  const image = emptyDisk(app, 'disk.img', 3 << 20)
  await mirage(app, 'build', '-t', 'virtio')
  assert.match(await mirage(app, 'run', `--block=disk=${image}`), /6144 sectors of 512 octets(.|\n)*all is well/)
  assert.equal(readFileSync(image)[700 * 512], 700 % 251)
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

test('storage: every store does random work on the engine as its model says', async (t) => {
  const app = makeApp(t, {
    'config.ts': `import { main, register } from '@mirage-ts/config'
import { block, defaultLog, fatKv, logKv, memoryKv, writable } from '@mirage-ts/config/devices'
const takes = { memory: 'kv-rw', log: 'kv-rw', fat: 'kv-rw', logs: 'log' } as const
const work = main('./unikernel.ts', 'start', { takes })
const stores = { memory: writable(memoryKv()), log: writable(logKv(block('log'))), fat: fatKv(block('fat')) }
export default register('stores', [work({ ...stores, logs: defaultLog })])
`,
    'unikernel.ts': ENGINE_WORK,
  })
  const log = emptyDisk(app, 'log.img', 2 << 20)
  const fat = join(app, 'fat.img')
  await mirage(app, 'disk', 'make', fat, '--format=fat', '--size=2MiB')
  await mirage(app, 'build', '-t', 'virtio')
  const out = await mirage(app, 'run', `--block=log=${log}`, `--block=fat=${fat}`)
  for (const name of ['memory', 'log', 'fat']) assert.match(out, new RegExp(`${name}: \\d+ steps as the model`), out)
  assert.match(await mirage(app, 'disk', 'check', log), /^store: /)
  const checked = fsck(new Uint8Array(readFileSync(fat)))
  assert.equal(checked.status, 0, checked.output)
})

/** Random changes, and everything compared with the model: as the tests on Node do, with what the engine has. */
const ENGINE_WORK = `import { KvError } from '@mirage-ts/core/errors'
import type { KvRw } from '@mirage-ts/signatures/kv'
import type { Log } from '@mirage-ts/signatures/log'
import { KvModel } from '@mirage-ts/testing/kv-model'
import { SeededRandom } from '@mirage-ts/testing/seeded-random'

const STEPS = 60

export async function start({ logs, ...stores }: Readonly<Record<'memory' | 'log' | 'fat', KvRw>> & { logs: Log }): Promise<void> {
  for (const [name, kv] of Object.entries(stores)) {
    const random = new SeededRandom(5)
    const model = new KvModel()
    const key = (): string =>
      Array.from({ length: 1 + random.below(3) }, () => ['a', 'b', 'a longer name', 'é'][random.below(4)]).join('/')
    for (let i = 0; i < STEPS; i++) {
      const [at, to] = [key(), key()]
      const octets = new Uint8Array(random.below(random.chance(0.1) ? 3000 : 300)).fill(random.below(256))
      const off = random.below(500)
      const choice = random.below(10)
      let expected: string | undefined
      let change: Promise<void>
      if (choice < 5) [expected, change] = [model.set(at, octets), kv.set(at, octets)]
      else if (choice < 7) [expected, change] = [model.setPartial(at, off, octets), kv.setPartial(at, off, octets)]
      else if (choice < 9) [expected, change] = [model.remove(at), kv.remove(at)]
      else [expected, change] = [model.rename(at, to), kv.rename(at, to)]
      const got = await change.then(() => undefined, (error: unknown) => (error instanceof KvError ? error.code : String(error)))
      if (got !== expected) throw new Error(\`\${name}, step \${i}: \${got}, expected \${expected}\`)
      if (i % 30 === 29) await compare(name, kv, model)
    }
    await kv.flush()
    await compare(name, kv, model)
    logs.logger('application').info(\`\${name}: \${STEPS} steps as the model\`)
  }
}

async function compare(name: string, kv: KvRw, model: KvModel): Promise<void> {
  let count = 0
  const walk = async (dictionary: string): Promise<void> => {
    for (const entry of await kv.list(dictionary)) {
      const key = dictionary === '' ? entry.name : \`\${dictionary}/\${entry.name}\`
      if (entry.kind === 'dictionary') {
        await walk(key)
        continue
      }
      count++
      const [got, expected] = [await kv.get(key), model.values.get(key)]
      if (expected === undefined || got.length !== expected.length || got.some((octet, i) => octet !== expected[i])) {
        throw new Error(\`\${name}: the value of \${key} is wrong\`)
      }
    }
  }
  await walk('')
  if (count !== model.values.size) throw new Error(\`\${name}: \${count} values, expected \${model.values.size}\`)
}
`
