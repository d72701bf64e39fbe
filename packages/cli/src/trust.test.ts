/** Builds that can be checked: reproduced elsewhere, recorded, made again from a record. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { copyFileSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { sha256 } from './label.ts'
import { HELLO_CONFIG, HELLO_UNIKERNEL, makeApp, runMirage } from './testing/app.ts'

const HELLO = { 'config.ts': HELLO_CONFIG, 'unikernel.ts': HELLO_UNIKERNEL }
const CRUNCH = {
  'config.ts': `import { configureFlag, main, register } from '@mirage-ts/config'
import { crunch, defaultConsole } from '@mirage-ts/config/devices'
const show = main('./unikernel.ts', 'start', { takes: { site: 'kv-ro', console: 'console' } })
const keys = [configureFlag('loud', { doc: 'louder' })]
export default register('show', [show({ site: crunch('./site'), console: defaultConsole })], { keys })
`,
  'unikernel.ts': `import type { Console } from '@mirage-ts/signatures/console'
import type { KvRo } from '@mirage-ts/signatures/kv'
export async function start({ site, console }: { site: KvRo; console: Console }): Promise<void> {
  console.write(import.meta.mirage.loud + ' ' + (await site.get('a.txt')).length + '\\n')
}
`,
  'site/a.txt': 'hello',
  'site/b.txt': 'more',
}

test('mirage build --verify: says that a build elsewhere is the same', async (t) => {
  const app = makeApp(t, CRUNCH)
  const { out, error, status } = await runMirage(app, 'build', '--loud', '--verify')
  assert.deepEqual([status, error], [0, ''])
  const digest = sha256(readFileSync(join(app, 'dist/show.mjs')))
  assert.match(out, new RegExp(`^Built .*\\nVerified: built again elsewhere it is the same, SHA-256 ${digest}\\n$`))
  // By hand: a folder of another depth, a build of its own.
  const deep = join(app, 'a/b/c/d')
  mkdirSync(join(deep, 'site'), { recursive: true })
  symlinkSync(join(app, 'node_modules'), join(deep, 'node_modules'))
  for (const name of ['package.json', ...Object.keys(CRUNCH)]) copyFileSync(join(app, name), join(deep, name))
  assert.equal((await runMirage(deep, 'build', '--loud', '-q')).status, 0)
  assert.equal(sha256(readFileSync(join(deep, 'dist/show.mjs'))), digest)
})

test('mirage build --verify: a build that depends on its folder fails', async (t) => {
  const config = HELLO_CONFIG.replace("takes: { time: 'time', log: 'log' }", '$&, options: { where: import.meta.url }')
  const unikernel = HELLO_UNIKERNEL.replace('Promise<void> {', 'Promise<void> {').replace(
    'log: Log })',
    'log: Log }, _options: { where: string })',
  )
  const app = makeApp(t, { 'config.ts': config, 'unikernel.ts': unikernel })
  const { error, status } = await runMirage(app, 'build', '--verify')
  assert.equal(status, 1)
  assert.match(error, /^hello is not reproducible: built again elsewhere, octet \d+ differs, near ".*config\.ts/)
})

test('mirage build --record: commits what the build is made of, and builds it again', async (t) => {
  const app = makeApp(t, HELLO)
  const repository = `${app}.git`
  const git = (...words: string[]) => execFileSync('git', ['--git-dir', repository, ...words], { encoding: 'utf8' })
  t.after(() => rmSync(repository, { recursive: true, force: true }))
  const first = await runMirage(app, 'build', '--record', repository, '--record-image')
  assert.deepEqual([first.status, first.error], [0, ''])
  const digest = sha256(readFileSync(join(app, 'dist/hello.mjs')))
  assert.equal(git('log', '--format=%s', 'mirage/hello.unix'), `hello for unix: ${digest.slice(0, 16)}\n`)
  assert.deepEqual(git('ls-tree', '-r', '--name-only', 'mirage/hello.unix').trim().split('\n'), [
    'dist/hello.mjs',
    'label.json',
    'mirage.json',
    'source/config.ts',
    'source/package.json',
    'source/unikernel.ts',
  ])
  assert.deepEqual(JSON.parse(git('show', 'mirage/hello.unix:mirage.json')), {
    name: 'hello',
    target: 'unix',
    keys: { target: 'unix' },
    sha256: digest,
  })
  writeFileSync(join(app, 'unikernel.ts'), HELLO_UNIKERNEL.replace("'hello'", "'goodbye'"))
  assert.equal((await runMirage(app, 'build', '-q', '--record', repository)).status, 0)
  assert.match(git('log', '-p', '--format=%s', '-1', 'mirage/hello.unix'), /\n-.*'hello'.*\n\+.*'goodbye'/)
  const again = await runMirage(app, 'build', '--record', repository, '--from-record', 'mirage/hello.unix~1')
  assert.deepEqual(again, {
    status: 0,
    out: 'Built hello for unix again: the same bytes as record mirage/hello.unix~1\n',
    error: '',
  })
  assert.equal(sha256(readFileSync(join(app, 'dist/hello.mjs'))), digest)
  const none = await runMirage(app, 'build', '--record', repository, '--from-record', 'elsewhere')
  assert.match(none.error, / has no record elsewhere\n$/)
  assert.match((await runMirage(app, 'build', '--from-record', 'x')).error, /^--from-record needs the repository/)
})
