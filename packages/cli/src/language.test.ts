/** What the words of the language do to an artefact. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
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
