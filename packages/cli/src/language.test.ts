/** What the words of the language do to an artefact. */
import assert from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { readLabel } from './label.ts'
import { HELLO_CONFIG, HELLO_UNIKERNEL, makeApp, runMirage } from './testing/app.ts'

const PRINT = `import type { Console } from '@mirage-ts/signatures/console'
`

test('language: a branch that a constant excludes is not in the artefact, nor what only it uses', async (t) => {
  const app = makeApp(t, {
    'config.ts': `import { bool, configureKey, ipv6Address, main, port, register } from '@mirage-ts/config'
import { defaultConsole } from '@mirage-ts/config/devices'

const color = configureKey('door-color', { words: ['red', 'green'], default: 'red', doc: 'of the door' })
const loud = configureKey('loud', { type: bool, default: false, doc: 'louder' })
const at = configureKey('at', { type: port, default: 80, doc: 'where' })
const from = configureKey('from', { type: ipv6Address, default: '::1', doc: 'where' })

const show = main('./unikernel.ts', 'start', { takes: { console: 'console' }, keys: { at, from } })
export default register('show', [show({ console: defaultConsole })], { keys: [color, loud] })
`,
    'unikernel.ts': `${PRINT}import type { Ipv6, Port } from '@mirage-ts/signatures/addresses'
import { green } from './green.ts'

export function start({ console }: { console: Console }, { at, from }: { at: Port; from: Ipv6 }): void {
  if (import.meta.mirage.doorColor === 'green') console.write(green())
  else console.write('the door is red')
  console.write(import.meta.mirage.loud ? '!!!' : '.')
  console.write(' ' + at + ' ' + from + ' ' + import.meta.mirage.target + '\\n')
}
`,
    'green.ts': `export function green(): string {
  return 'the door is green'
}
`,
  })
  const build = async (...words: string[]) => {
    const { error, status } = await runMirage(app, 'build', ...words)
    assert.deepEqual([error, status], ['', 0])
    return readFileSync(join(app, 'dist/show.mjs'), 'utf8').replace(/\n\/\/ mirage-label: .*\n/, '\n')
  }
  const show = () => execFileSync(join(app, 'dist/show.mjs'), { encoding: 'utf8' })
  const red = await build()
  assert.match(red, /the door is red/)
  assert.doesNotMatch(red, /the door is green|!!!/)
  assert.equal(show(), 'the door is red. 80 1 unix\n')
  const green = await build('--door-color', 'green', '--loud', '--at=8080', '--from', '::f')
  assert.match(green, /the door is green/)
  assert.doesNotMatch(green, /the door is red/)
  assert.equal(show(), 'the door is green!!! 8080 15 unix\n')
  // Other choices than it was built with: it is built again before it runs.
  const ran = await runMirage(app, 'run', '-q', '--door-color', 'red', '--', '--logs')
  assert.equal(ran.status, 64)
  assert.match(readFileSync(join(app, 'dist/show.mjs'), 'utf8'), /the door is red/)
  const bad = await runMirage(app, 'build', '--at=70000')
  assert.equal(bad.error, 'config.ts:6: Cannot use --at 70000: expected a port, 0 to 65535\n')
})

test('language: several jobs run together, with devices and kinds of the application itself', async (t) => {
  const app = makeApp(t, {
    'config.ts': `import { device, main, register } from '@mirage-ts/config'
import { defaultConsole, defaultTime } from '@mirage-ts/config/devices'
import type { Thermometer } from './thermometer.ts'

declare module '@mirage-ts/config' {
  interface Kinds {
    thermometer: Thermometer
  }
}

const thermometer = device('./thermometer.ts', 'createThermometer', {
  takes: { time: 'time' },
  makes: 'thermometer',
  options: { celsius: 21 },
})
const room = thermometer({ time: defaultTime })
const show = (label: string) =>
  main('./unikernel.ts', 'start', { takes: { room: 'thermometer', console: 'console' }, options: { label } })
export default register('weather', [
  show('one')({ room, console: defaultConsole }),
  show('two')({ room, console: defaultConsole }),
])
`,
    'thermometer.ts': `import type { Time } from '@mirage-ts/signatures/time'
export interface Thermometer {
  read(): number
}
export function createThermometer(_deps: { time: Time }, { celsius }: { celsius: number }): Thermometer {
  return { read: () => celsius++ }
}
`,
    'unikernel.ts': `${PRINT}import type { Thermometer } from './thermometer.ts'
export async function start(
  { room, console }: { room: Thermometer; console: Console },
  { label }: { label: string },
): Promise<void> {
  console.write(label + ' ' + room.read() + '\\n')
}
`,
  })
  const { error } = await runMirage(app, 'build')
  assert.equal(error, '')
  assert.equal(execFileSync(join(app, 'dist/weather.mjs'), { encoding: 'utf8' }), 'one 21\ntwo 22\n')
})

/** Each type of keys, its default, what is given on the command line, and what the job gets. */
const TYPES = [
  ['string', "'x'", 'a b', 'a b'],
  ['int', '3', '-7', '-7'],
  ['float', '0.5', '0.25', '0.25'],
  ['bool', 'true', 'false', 'false'],
  ["oneOf('a', 'b')", "'a'", 'b', 'b'],
  ['listOf(int)', "'1,2'", '4,5', '4/5'],
  ['ipv4Address', "'10.0.0.1'", '10.0.0.2', '167772162'],
  ['ipv6Address', "'::1'", '::f', '15'],
  ['ipAddress', "'::1'", '0.0.0.9', '9'],
  ['ipv4Cidr', "'10.0.0.1/8'", '0.0.0.1/24', '1/24'],
  ['ipv6Cidr', "'fd00::1/64'", '::3/128', '3/128'],
  ['macAddress', "'02:00:00:00:00:01'", '00:00:00:00:01:00', '256'],
  ['port', '80', '443', '443'],
  ['duration', "'5ms'", '1.5s', '1500000'],
  ['byteSize', "'64KiB'", '1kB', '1000'],
  ['logLevels', "'*:info'", 'tcp:debug', 'tcp:debug'],
] as const

test('language: arguments of every type reach a job, in their group, and malformed ones end with 64', async (t) => {
  const names = [...new Set(TYPES.map(([type]) => type.replace(/\(.*/, '')))]
  const keys = TYPES.map(
    ([type, preset], i) =>
      `  k${i}: bootKey('k${i}', { type: ${type}, default: ${preset}, doc: 'a key', group: 'of' }),`,
  )
  const app = makeApp(t, {
    'config.ts': `import { bootKey, main, register, ${names.join(', ')} } from '@mirage-ts/config'
import { defaultConsole } from '@mirage-ts/config/devices'
const keys = {
${keys.join('\n')}
}
export default register('keys', [main('./unikernel.ts', 'start', { takes: { console: 'console' }, keys })({ console: defaultConsole })])
`,
    'unikernel.ts': `${PRINT}export function start({ console }: { console: Console }, options: Readonly<Record<string, unknown>>): void {
  const text = (value: unknown): string => typeof value === 'object' && value !== null ? Object.values(value).join('/') : String(value)
  console.write(Object.values(options).map((value) => text(value) + '\\n').join(''))
}
`,
  })
  assert.equal((await runMirage(app, 'build')).error, '')
  const given = TYPES.map(([, , word], i) => `--of-k${i}=${word}`)
  const program = join(app, 'dist/keys.mjs')
  assert.deepEqual(
    execFileSync(program, given, { encoding: 'utf8' }).trimEnd().split('\n'),
    TYPES.map(([, , , expected]) => expected),
  )
  for (const [i, [type]] of TYPES.entries()) {
    if (type === 'string') continue
    const { status, stdout } = spawnSync(program, [`--of-k${i}=?`], { encoding: 'utf8' })
    assert.equal(status, 64, type)
    assert.match(stdout, new RegExp(`^keys: Cannot read --of-k${i}=\\?: expected .+\\n$`), type)
  }
})

test('language: npm packages of a device are checked to be installed, and carried', async (t) => {
  const app = makeApp(t, {
    'config.ts': HELLO_CONFIG.replace("log: 'log' } }", "log: 'log' }, packages: ['left-side'] }"),
    'unikernel.ts': HELLO_UNIKERNEL.replace("info('hello')", 'info(left(2))').replace(
      '\n\n',
      "\n// @ts-expect-error: it has no types\nimport { left } from 'left-side'\n\n",
    ),
  })
  const missing = await runMirage(app, 'build')
  assert.equal(
    missing.error,
    'config.ts:6: start needs the npm package left-side, which is not installed: npm install left-side\n',
  )
  // The folder of a file's own imports is the application's: a package beside the linked ones is enough.
  const inner = join(app, 'inner')
  for (const name of ['config.ts', 'unikernel.ts', 'package.json']) {
    mkdirSync(inner, { recursive: true })
    writeFileSync(join(inner, name), readFileSync(join(app, name)))
  }
  const files = {
    'package.json':
      '{ "name": "left-side", "version": "1.2.3", "license": "MIT", "type": "module", "main": "main.js" }',
    'main.js': "export const left = (n) => 'left'.repeat(n)\n",
  }
  for (const [name, text] of Object.entries(files)) {
    const path = join(inner, 'node_modules/left-side', name)
    mkdirSync(dirname(path), { recursive: true })
    writeFileSync(path, text)
  }
  const built = await runMirage(inner, 'build')
  assert.equal(built.error, '')
  assert.match(execFileSync(join(inner, 'dist/hello.mjs'), { encoding: 'utf8' }), /leftleft\n$/)
  const parts = readLabel(readFileSync(join(inner, 'dist/hello.mjs')))?.bom.components ?? []
  const left = parts.find((part) => part.name === 'left-side')
  assert.deepEqual(
    [left?.version, left?.purl, left?.licenses],
    ['1.2.3', 'pkg:npm/left-side@1.2.3', [{ expression: 'MIT' }]],
  )
})
