import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { HELLO_CONFIG, HELLO_UNIKERNEL, makeApp, runMirage } from './testing/app.ts'

const HELLO = { 'config.ts': HELLO_CONFIG, 'unikernel.ts': HELLO_UNIKERNEL }

test('mirage build: makes an executable program for unix that runs', async (t) => {
  const app = makeApp(t, HELLO)
  const built = await runMirage(app, 'build')
  assert.equal(built.error, '')
  assert.equal(built.status, 0)
  assert.match(built.out, /^Built dist\/hello\.mjs \([\d.]+ kB\) in [\d.]+ s\n$/)
  const text = execFileSync(join(app, 'dist/hello.mjs'), { encoding: 'utf8' })
  assert.match(text, /INFO {2}\[application\] hello\n$/)
  assert.equal(execFileSync(join(app, 'dist/hello.mjs'), ['--logs=*:quiet'], { encoding: 'utf8' }), '')
})

test('mirage build: the same sources give the same bytes', async (t) => {
  const [one, other] = [makeApp(t, HELLO), makeApp(t, HELLO)]
  await runMirage(one, 'build', '-q')
  await runMirage(other, 'build', '-q')
  assert.deepEqual(readFileSync(join(one, 'dist/hello.mjs')), readFileSync(join(other, 'dist/hello.mjs')))
})

test('mirage configure: writes what describe said, and remembers', async (t) => {
  const app = makeApp(t, HELLO)
  const configured = await runMirage(app, 'configure', '-t', 'virtio')
  assert.deepEqual(configured, {
    status: 0,
    out: 'Configured hello for virtio: 4 devices. Now run mirage build.\n',
    error: '',
  })
  assert.deepEqual(readdirSync(join(app, 'mirage')).sort(), ['.gitignore', 'context.json', 'keys.d.ts', 'virtio'])
  assert.deepEqual(readdirSync(join(app, 'mirage/virtio')).sort(), [
    'assets.d.ts',
    'checked.tsbuildinfo',
    'main.ts',
    'tsconfig.json',
  ])
  const described = await runMirage(app, 'describe')
  assert.equal(
    described.out,
    `Name       hello
Keys       target=virtio
           console=serial (default)
At boot    logs=*:info (default)
Output     dist/hello.virtio
Linked     known after mirage build
Devices
  job_5                   start of ./unikernel.ts, config.ts:6
  ├ time: time_1          createTime of @mirage-ts/metal/time, config.ts:6
  └ log: log_4            createLog of @mirage-ts/core/log, config.ts:6
    ├ console: console_2  createConsole of @mirage-ts/metal/console, config.ts:6
    └ clock: wallClock_3  createWallClock of @mirage-ts/metal/clock, config.ts:6
`,
  )
  assert.match((await runMirage(app, 'describe', '-t', 'unix')).out, /target=unix\n/)
})

test('mirage clean: removes what it generated and nothing else', async (t) => {
  const app = makeApp(t, HELLO)
  await runMirage(app, 'build')
  writeFileSync(join(app, 'mirage/notes.txt'), 'mine')
  const dry = await runMirage(app, 'clean', '--dry-run')
  assert.match(dry.out, /would remove dist\/hello\.mjs\n/)
  assert.ok(existsSync(join(app, 'dist/hello.mjs')))
  assert.equal((await runMirage(app, 'clean')).status, 0)
  assert.deepEqual(readdirSync(app).sort(), ['config.ts', 'mirage', 'node_modules', 'package.json', 'unikernel.ts'])
  assert.deepEqual(readdirSync(join(app, 'mirage')), ['notes.txt'])
})

test('mirage --dry-run: says what would be written, and writes nothing', async (t) => {
  const app = makeApp(t, HELLO)
  const { out } = await runMirage(app, 'build', '--dry-run')
  assert.match(out, /^would write mirage\/\.gitignore\n.*would write dist\/hello\.mjs\n$/s)
  assert.equal(existsSync(join(app, 'mirage')), false)
})

test('mirage crunch: equal contents are carried once, and the bytes arrive', async (t) => {
  const app = makeApp(t, {
    'config.ts': `import { main, register } from '@mirage-ts/config'
import { crunch, defaultConsole } from '@mirage-ts/config/devices'
const show = main('./unikernel.ts', 'start', { takes: { site: 'kv-ro', console: 'console' } })
export default register('show', [show({ site: crunch('./site'), console: defaultConsole })])
`,
    'unikernel.ts': `import type { Console } from '@mirage-ts/signatures/console'
import type { KvRo } from '@mirage-ts/signatures/kv'
export async function start({ site, console }: { site: KvRo; console: Console }): Promise<void> {
  for (const key of ['a.bin', 'copy.bin', 'sub/b.bin']) console.write(key + ' ' + [...(await site.get(key))].join() + '\\n')
}
`,
    'site/a.bin': Uint8Array.of(0, 255, 128),
    'site/copy.bin': Uint8Array.of(0, 255, 128),
    'site/sub/b.bin': Uint8Array.of(1),
  })
  const built = await runMirage(app, 'build')
  assert.equal(built.error, '')
  const crunched = readFileSync(join(app, 'mirage/unix/crunch_1.ts'), 'utf8')
  assert.equal(crunched.match(/^import file_/gm)?.length, 2)
  const text = execFileSync(join(app, 'dist/show.mjs'), { encoding: 'utf8' })
  assert.equal(text, 'a.bin 0,255,128\ncopy.bin 0,255,128\nsub/b.bin 1\n')
  await runMirage(app, 'configure', '-t', 'virtio')
  const assets = readFileSync(join(app, 'mirage/virtio/crunch_1.ts'), 'utf8').match(/asset\(\d\)/g)
  assert.deepEqual(assets, ['asset(0)', 'asset(0)', 'asset(1)'])
})

test('mirage crunch: a folder that is not there is told of its line', async (t) => {
  const config = HELLO_CONFIG.replace('defaultLog, defaultTime', 'crunch, defaultLog, defaultTime')
    .replace("time: 'time', ", "time: 'time', site: 'kv-ro', ")
    .replace('time: defaultTime,', "time: defaultTime, site: crunch('./sight'),")
  const app = makeApp(t, { ...HELLO, 'config.ts': config })
  assert.deepEqual(await runMirage(app, 'build'), {
    status: 1,
    out: '',
    error: 'config.ts:6: Cannot read folder ./sight\n',
  })
})

/** Each wrong config.ts or unikernel.ts, and all that the user sees. */
const MISTAKES: readonly {
  readonly name: string
  readonly files: Readonly<Record<string, string>>
  readonly words?: readonly string[]
  readonly error: string
  readonly status?: number
}[] = [
  {
    name: 'a device of the wrong kind',
    files: {
      'config.ts': HELLO_CONFIG.replace('defaultLog, defaultTime }', 'defaultLog, defaultNetwork }').replace(
        'time: defaultTime',
        'time: defaultNetwork',
      ),
    },
    error: 'config.ts:6:43 Expected a device of kind time, got one of kind network',
  },
  {
    name: 'a missing dependency',
    files: { 'config.ts': HELLO_CONFIG.replace(', log: defaultLog', '').replace('defaultLog, ', '') },
    error: "config.ts:6:41 Dependency 'log' is missing",
  },
  {
    name: 'several missing dependencies',
    files: { 'config.ts': HELLO_CONFIG.replace('{ time: defaultTime, log: defaultLog }', '{}') },
    error: 'config.ts:6:41 Dependencies time, log are missing',
  },
  {
    name: 'an excess dependency',
    files: { 'config.ts': HELLO_CONFIG.replace('log: defaultLog }', 'log: defaultLog, clock: defaultTime }') },
    error: "config.ts:6:79 There is no dependency 'clock' to give",
  },
  {
    name: 'an unknown kind',
    files: { 'config.ts': HELLO_CONFIG.replace("time: 'time'", "time: 'tiem'") },
    error: "config.ts:4:58 There is no kind of device called 'tiem'",
  },
  {
    name: 'devices that depend on each other',
    files: {
      'config.ts': `import { device, main, register } from '@mirage-ts/config'
const twin = device('./twin.ts', 'createTwin', { takes: { other: 'console' }, makes: 'console' })
const one = twin({ other: two })
const two = twin({ other: one })
export default register('twins', [main('./unikernel.ts', 'start', { takes: { one: 'console' } })({ one })])
`,
    },
    error: `config.ts:3:27 Block-scoped variable 'two' used before its declaration.
config.ts:3:27 Variable 'two' is used before being assigned.`,
  },
  {
    name: 'a module that does not exist',
    files: { 'config.ts': HELLO_CONFIG.replace('./unikernel.ts', './unikernl.ts') },
    error: 'config.ts:6: There is no module ./unikernl.ts',
  },
  {
    name: 'an export that does not exist',
    files: { 'config.ts': HELLO_CONFIG.replace("'start'", "'strat'") },
    error: 'config.ts:6: Module ./unikernel.ts exports no strat',
  },
  {
    name: 'an application that wants something else than config.ts gives',
    files: {
      'unikernel.ts': HELLO_UNIKERNEL.replace('log: Log }', 'log: { shout(): void } }').replace(/ {2}log\..*\n/, ''),
    },
    error: `config.ts:6: start of ./unikernel.ts does not fit: Property 'shout' is missing in type 'Log' but required in type '{ shout(): void; }'.`,
  },
  {
    name: 'a type error of the application',
    files: { 'unikernel.ts': HELLO_UNIKERNEL.replace('ms(1)', "ms('1')") },
    error: "unikernel.ts:6:23 Argument of type 'string' is not assignable to parameter of type 'number'.",
  },
  {
    name: 'a config.ts that throws',
    files: { 'config.ts': HELLO_CONFIG.replace('export', "if ('a'.length === 1) throw new Error('boom')\nexport") },
    error: 'config.ts:6: Error: boom',
  },
  {
    name: 'a config.ts with a syntax error',
    files: { 'config.ts': 'const x = = 3\n' },
    error: 'config.ts:1:11 Expression expected.',
  },
  {
    name: 'a config.ts without a unikernel',
    files: { 'config.ts': 'export const x = 1\n' },
    error: "config.ts: has no unikernel; it should end with: export default register('name', [...])",
  },
  {
    name: 'a key with a bad default',
    files: {
      'config.ts': `import { bootKey, main, port, register } from '@mirage-ts/config'

const key = bootKey('port', { type: port, default: 70000, doc: 'where' })
export default register('bad', [main('./unikernel.ts', 'start', { keys: { port: key } })()])
`,
    },
    error: "config.ts:3: Cannot use '70000' as the default of key 'port': expected a port, 0 to 65535",
  },
  {
    name: 'an application that imports node:fs on a bare target',
    files: { 'unikernel.ts': `import { readFileSync } from 'node:fs'\n${HELLO_UNIKERNEL}readFileSync('x')\n` },
    words: ['-t', 'virtio'],
    error: 'unikernel.ts:1:30 node:fs needs Node.js, which this target does not have',
  },
  {
    name: 'an unknown option',
    files: {},
    words: ['--tagret', 'unix'],
    error: 'Unknown option --tagret; did you mean --target?',
    status: 2,
  },
  {
    name: 'a bad target',
    files: {},
    words: ['-t', 'unx'],
    error: 'Cannot read -t unx: expected one of unix, spt, virtio',
    status: 2,
  },
  {
    name: 'a boot argument at the wrong stage',
    files: {},
    words: ['--logs=debug'],
    error: `Unknown option --logs; --help lists them all
--logs is an argument of the unikernel: give it after --, as in mirage run -- --logs=...`,
    status: 2,
  },
]

for (const { name, files, words = [], error, status = 1 } of MISTAKES) {
  test(`mirage build: ${name}`, async (t) => {
    const app = makeApp(t, { ...HELLO, ...files })
    assert.deepEqual(await runMirage(app, 'build', ...words), { status, out: '', error: `${error}\n` })
    assert.equal(existsSync(join(app, 'dist')), false)
  })
}

test('mirage run: builds when needed, passes on arguments, and ends with the status of the program', async (t) => {
  const app = makeApp(t, HELLO)
  const ran = await runMirage(app, 'run', '-q', '--', '--logs=*:quiet')
  assert.deepEqual(ran, { status: 0, out: '', error: '' })
  writeFileSync(join(app, 'unikernel.ts'), HELLO_UNIKERNEL)
  utimesSync(join(app, 'unikernel.ts'), new Date(), new Date(Date.now() + 10_000))
  const old = await runMirage(app, 'run', '--', '--logs=*:quiet')
  assert.equal(old.error, 'Starting what was built before unikernel.ts changed; build it again with mirage build.\n')
  const tap = await runMirage(app, 'run', '-q', '--net', 'tap:tap0')
  assert.equal(tap.error, 'hello has no network device to attach to tap:tap0; build it with --net direct\n')
  const port = await runMirage(app, 'run', '-q', '--port', '8080:80')
  assert.match(port.error, /^--port is for virtio: /)
})

test('mirage: an impossible choice names the possible ones', async (t) => {
  const app = makeApp(t, {
    ...HELLO,
    'config.ts': `import { main, register } from '@mirage-ts/config'
import { genericStack } from '@mirage-ts/config/devices'
export default register('net', [main('./unikernel.ts', 'start', { takes: { stack: 'stack' } })({ stack: genericStack() })])
`,
  })
  const { status, error } = await runMirage(app, 'describe', '-t', 'virtio', '--net', 'host')
  assert.equal(error, 'config.ts:3: Cannot choose --net host with target virtio: expected direct\n')
  assert.equal(status, 1)
  assert.match((await runMirage(app, 'describe', '--net', 'direct')).out, /createDirectStack/)
})

test('mirage: no config.ts, unknown command, help', async (t) => {
  const app = makeApp(t, {})
  const { status, error } = await runMirage(app, 'build')
  assert.equal(status, 1)
  assert.match(error, /^There is no config\.ts in .*: go to an application's folder, or give -f FILE\n$/)
  assert.deepEqual(await runMirage(app, 'biuld'), {
    status: 2,
    out: '',
    error: 'Unknown command biuld; did you mean build?\n',
  })
  assert.match((await runMirage(app, 'help')).out, /^mirage: build a unikernel from TypeScript\n/)
  assert.match((await runMirage(app, 'build', '--help')).out, /^mirage build: make the artefact/)
})
