/** The examples of the guide, docs/mirage-tool.md: each is built as it is written there, and run. */
import assert from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { makeApp, runMirage } from '../packages/cli/src/testing/app.ts'

const guide = readFileSync(new URL('../docs/mirage-tool.md', import.meta.url), 'utf8')

/** The files of each example: its blocks of code, which begin with a comment that names the file. */
function examples(): ReadonlyMap<string, Readonly<Record<string, string>>> {
  const found = new Map<string, Readonly<Record<string, string>>>()
  for (const section of guide.split('<!-- example: ').slice(1)) {
    const blocks = [...section.matchAll(/```ts\n\/\/ (\S+)\n(.*?)```/gs)]
    found.set(/^\w+/.exec(section)?.[0] ?? '', Object.fromEntries(blocks.map(([, file, text]) => [file, text])))
  }
  return found
}

/** What each prints; `undefined` when it needs more than a process has. */
const OUTPUT: Readonly<Record<string, RegExp | undefined>> = {
  thermometer: /INFO {2}\[weather\] 21 degrees\n$/,
  door: /^the door is red\n$/,
  gate: undefined,
  phoenix: /^phoenix: restarting\n$/,
}
/** Where it is not 0. */
const STATUS: Readonly<Record<string, number>> = { phoenix: 75 }

test('guide: every example is known here', () => {
  assert.deepEqual([...examples().keys()].sort(), Object.keys(OUTPUT).sort())
})

for (const [name, files] of examples()) {
  test(`guide: the example ${name} builds and does what it says`, async (t) => {
    const app = makeApp(t, files)
    const { status, error } = await runMirage(app, 'build')
    assert.deepEqual([status, error], [0, ''])
    const artefact = /register\('(\w+)'/.exec(files['config.ts'] ?? '')?.[1]
    const expected = OUTPUT[name]
    if (expected === undefined) return
    const ran = spawnSync(join(app, `dist/${artefact}.mjs`), { encoding: 'utf8' })
    assert.match(ran.stdout, expected)
    assert.equal(ran.status, STATUS[name] ?? 0, ran.stderr)
    if (name !== 'door') return
    assert.equal((await runMirage(app, 'build', '--door-color', 'green', '--rounds', '2')).status, 0)
    const program = readFileSync(join(app, 'dist/door.mjs'), 'utf8')
    assert.doesNotMatch(program.replace(/^\/\/ mirage-label: .*$/m, ''), /red/)
    assert.equal(execFileSync(join(app, 'dist/door.mjs'), { encoding: 'utf8' }), 'the door is green\n'.repeat(2))
  })
}

test('guide: every command is in its table', async (t) => {
  const { out } = await runMirage(makeApp(t, {}), 'help')
  const commands = [...out.matchAll(/^ {2}([a-z]+) {2,}/gm)].map((match) => match[1])
  for (const command of commands) {
    if (command !== 'help')
      assert.ok(guide.includes(`\n| \`mirage ${command}`), `mirage ${command} is not in the guide`)
  }
})
