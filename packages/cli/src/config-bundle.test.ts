/** A configuration is bundled when it has changed, and run each time. */
import assert from 'node:assert/strict'
import { readdirSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { HELLO_UNIKERNEL, makeApp, runMirage } from './testing/app.ts'

const CONFIG = `import { readFileSync } from 'node:fs'
import { main, register } from '@mirage-ts/config'
import { defaultLog, defaultTime } from '@mirage-ts/config/devices'
import { name } from './name.ts'

const beside = readFileSync(new URL('./beside.txt', import.meta.url), 'utf8')
const hello = main('./unikernel.ts', 'start', { takes: { time: 'time', log: 'log' } })
export default register(name + beside, [hello({ time: defaultTime, log: defaultLog })])
`

function setUp(t: TestContext) {
  const app = makeApp(t, {
    'config.ts': CONFIG,
    'name.ts': "export const name = 'one'\n",
    'beside.txt': '-a',
    'unikernel.ts': HELLO_UNIKERNEL,
  })
  const before = process.env['XDG_CACHE_HOME']
  process.env['XDG_CACHE_HOME'] = join(app, 'cache')
  t.after(() => {
    if (before === undefined) delete process.env['XDG_CACHE_HOME']
    else process.env['XDG_CACHE_HOME'] = before
  })
  // A file that changes while it is read is not kept: these are older.
  const edit = (name: string, text: string) => {
    writeFileSync(join(app, name), text)
    age(join(app, name))
  }
  for (const name of ['config.ts', 'name.ts']) age(join(app, name))
  return { app, edit, configs: join(app, 'cache/mirage-ts/configs') }
}

function age(file: string): void {
  const modified = statSync(file).mtimeMs / 1000 - 5
  utimesSync(file, modified, modified)
}

const nameOf = async (app: string) => (await runMirage(app, 'query', 'name')).out.trim()

test('config bundle: is made once, and run each time', async (t) => {
  const { app, configs } = setUp(t)
  assert.equal(await nameOf(app), 'one-a')
  const kept = readdirSync(configs)
  assert.deepEqual(kept.map((name) => name.replace(/[0-9a-f]+/g, 'x')).sort(), ['x-x.mjs', 'x.json'])
  const made = statSync(join(configs, kept[0] ?? '')).mtimeMs
  writeFileSync(join(app, 'beside.txt'), '-b')
  assert.equal(await nameOf(app), 'one-b')
  assert.equal(statSync(join(configs, kept[0] ?? '')).mtimeMs, made)
})

test('config bundle: is made again when a file that it imports has changed, or is gone', async (t) => {
  const { app, edit } = setUp(t)
  assert.equal(await nameOf(app), 'one-a')
  edit('name.ts', "export const name = 'three'\n")
  assert.equal(await nameOf(app), 'three-a')
  rmSync(join(app, 'name.ts'))
  assert.match((await runMirage(app, 'query', 'name')).error, /^config\.ts:4:\d+ .*name\.ts/m)
})

test('config bundle: what was kept of configurations that are gone is removed', async (t) => {
  const { app, configs, edit } = setUp(t)
  await nameOf(app)
  const [entry = ''] = readdirSync(configs).filter((name) => name.endsWith('.json'))
  const gone = JSON.stringify({ configFile: '/nowhere/config.ts', inputs: {}, language: '', name: 'x.mjs' })
  writeFileSync(join(configs, '0123.json'), gone)
  edit('name.ts', "export const name = 'four'\n")
  await nameOf(app)
  assert.deepEqual(
    readdirSync(configs).filter((name) => name.endsWith('.json')),
    [entry],
  )
})
