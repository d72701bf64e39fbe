/** More mistakes of users, and all that they see: mistakes with keys, and devices that fail. mirage.test.ts has the rest. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { test } from 'node:test'
import { HELLO_CONFIG, HELLO_UNIKERNEL, makeApp, runMirage } from './testing/app.ts'

const HELLO = { 'config.ts': HELLO_CONFIG, 'unikernel.ts': HELLO_UNIKERNEL }

const KEYS: readonly {
  readonly name: string
  readonly config: string
  readonly words?: readonly string[]
  readonly error: string
  readonly status?: number
}[] = [
  {
    name: 'a device chosen by an argument of the booted unikernel',
    config: `import { bootKey, main, match, register, string } from '@mirage-ts/config'
import { defaultLog, defaultTime } from '@mirage-ts/config/devices'
const which = bootKey('which', { type: string, default: 'a', doc: 'which' })
const log = match(which, { a: defaultLog })
const hello = main('./unikernel.ts', 'start', { takes: { time: 'time', log: 'log' } })
export default register('hello', [hello({ time: defaultTime, log })])
`,
    error: 'config.ts:4:19 An argument of the booted unikernel cannot choose devices: make it a configureKey',
  },
  {
    name: 'a case that is no word of the key',
    config: `import { configureKey, main, match, register } from '@mirage-ts/config'
import { defaultLog, defaultTime } from '@mirage-ts/config/devices'
const which = configureKey('which', { words: ['one', 'two'], default: 'one', doc: 'which' })
const log = match(which, { one: defaultLog, tow: defaultLog })
const hello = main('./unikernel.ts', 'start', { takes: { time: 'time', log: 'log' } })
export default register('hello', [hello({ time: defaultTime, log })])
`,
    error: "config.ts:4:45 'tow' is no word of this key",
  },
  {
    name: 'a configure-time value that cannot be read',
    config: `import { configureKey, int, main, register } from '@mirage-ts/config'
import { defaultLog, defaultTime } from '@mirage-ts/config/devices'
const rounds = configureKey('rounds', { type: int, default: 1, doc: 'how often' })
const hello = main('./unikernel.ts', 'start', { takes: { time: 'time', log: 'log' } })
export default register('hello', [hello({ time: defaultTime, log: defaultLog })], { keys: [rounds] })
`,
    words: ['--rounds', 'many'],
    error: 'config.ts:3: Cannot use --rounds many: expected a whole number',
  },
  {
    name: 'two networks of one name',
    config: `import { main, register } from '@mirage-ts/config'
import { directStack, network } from '@mirage-ts/config/devices'
const job = main('./unikernel.ts', 'start', { takes: { a: 'stack', b: 'stack' } })
export default register('two', [job({ a: directStack(), b: directStack(network('service'), { group: 'b' }) })])
`,
    words: ['-t', 'virtio'],
    error: "config.ts:4: Two network devices are called 'service': give one of them another name",
  },
  {
    name: 'an unknown word of a key',
    config: HELLO_CONFIG.replace('defaultLog, defaultTime', 'defaultLog, defaultTime, genericStack')
      .replace("time: 'time', log: 'log' }", "time: 'time', log: 'log', stack: 'stack' }")
      .replace('log: defaultLog }', 'log: defaultLog, stack: genericStack() }'),
    words: ['--net', 'hots'],
    error: 'config.ts:6: Cannot choose --net hots with target unix: did you mean host?',
  },
]

for (const { name, config, words = [], error, status = 1 } of KEYS) {
  test(`mirage build: ${name}`, async (t) => {
    const app = makeApp(t, { ...HELLO, 'config.ts': config })
    assert.deepEqual(await runMirage(app, 'build', ...words), { status, out: '', error: `${error}\n` })
  })
}

test('unix: a device that does not start, and a job that fails, are told with their lines', async (t) => {
  const app = makeApp(t, {
    'config.ts': `import { device, main, register } from '@mirage-ts/config'

const broken = device('./broken.ts', 'createBroken', { makes: 'console' })
export default register('broken', [main('./unikernel.ts', 'start', { takes: { console: 'console' } })({ console: broken() })])
`,
    'broken.ts': `import type { Console } from '@mirage-ts/signatures/console'
export async function createBroken(): Promise<Console> {
  throw new Error('out of paper')
}
`,
    'unikernel.ts': `import type { Console } from '@mirage-ts/signatures/console'
export function start({ console }: { console: Console }): void {
  console.write('started')
}
`,
  })
  assert.deepEqual((await runMirage(app, 'build', '-q')).error, '')
  const ended = spawnSync(join(app, 'dist/broken.mjs'), { encoding: 'utf8' })
  assert.deepEqual([ended.status, ended.stdout], [1, 'broken: config.ts:4: console did not start: out of paper\n'])
  const failing = makeApp(t, {
    ...HELLO,
    'unikernel.ts': HELLO_UNIKERNEL.replace(/\n}\n$/, "\n  throw new Error('boom')\n}\n"),
  })
  assert.deepEqual((await runMirage(failing, 'build', '-q')).error, '')
  const { status, stdout } = spawnSync(join(failing, 'dist/hello.mjs'), { encoding: 'utf8' })
  assert.equal(status, 1)
  assert.match(stdout, /hello: config\.ts:6: job start failed: Error: boom\n +at start \(.*\/unikernel\.ts:8:\d+\)\n/)
})
