/** What `npm run test262` stands on: that tests in test262's form end as they should, on small ones of ours. */
import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { after, before, test } from 'node:test'
import { packArchive } from './test262/archive.ts'
import { buildRunner } from './test262/build.ts'
import { compare, readExpected } from './test262/expected.ts'
import { frontmatterOf } from './test262/frontmatter.ts'
import { type Machine, runRange } from './test262/machine.ts'
import { harnessOf, originalOf } from './test262/mozilla.ts'
import { FIXTURES, fileOf, HARNESS, OWN_TESTS, type OwnTest, STUCK } from './test262/own-tests.ts'
import { type Result, reportOf } from './test262/report.ts'
import { supportOf, type Test, testsOf } from './test262/suite.ts'

let work = ''
let runner: Awaited<ReturnType<typeof buildRunner>>
before(async () => {
  work = mkdtempSync(join(tmpdir(), 'mirage-test262-'))
  runner = await buildRunner(work)
})
after(() => rmSync(work, { recursive: true }))

/** Writes a copy of "test262" with these tests. */
function writeSuite(name: string, tests: Readonly<Record<string, OwnTest>>): string {
  const folder = join(work, name)
  const write = (path: string, text: string) => {
    mkdirSync(dirname(join(folder, path)), { recursive: true })
    writeFileSync(join(folder, path), text)
  }
  for (const [path, text] of Object.entries(HARNESS)) write(`harness/${path}`, text)
  for (const [path, text] of Object.entries(FIXTURES)) write(`test/${path}`, text)
  for (const [path, own] of Object.entries(tests)) write(`test/${path}`, fileOf(own))
  return folder
}

const LIMITS = { memMib: 64, isBytecode: false, patienceMs: 30_000 }
/** Emulation takes longer. */
const LIMIT_MS = { spt: 1500, virtio: 5000 }

/** Runs them all by one machine; resolves with the failures of each. */
async function runSuite(folder: string, limits: Omit<Machine, 'image' | 'launcher'>): Promise<Map<string, string[]>> {
  const runs = testsOf(folder, ['.']).flatMap((one) => one.modes.map((mode) => ({ test: one, mode })))
  const image = runner.image(limits.target, packArchive(runs, supportOf(folder)))
  const failures = new Map(runs.map(({ test: { path } }) => [path, [] as string[]]))
  let next = 0
  await runRange({ ...limits, image, launcher: runner.launcher }, 0, runs.length, (index, failure) => {
    assert.equal(index, next++)
    if (failure !== undefined) failures.get(runs[index]?.test.path ?? '')?.push(failure)
  })
  assert.equal(next, runs.length)
  return failures
}

for (const target of ['spt', 'virtio'] as const) {
  test(`test262's form: on ${target}, tests pass and fail as they must`, async () => {
    const failures = await runSuite(writeSuite(target, OWN_TESTS), { ...LIMITS, target, limitMs: LIMIT_MS[target] })
    for (const one of testsOf(join(work, target), ['.'])) {
      const { wanted, passesSloppy = false } = OWN_TESTS[one.path] ?? {}
      const found = failures.get(one.path) ?? []
      const wantedCount = wanted === undefined ? 0 : passesSloppy ? 1 : one.modes.length
      assert.equal(found.length, wantedCount, `${one.path}: ${found.join('\n')}`)
      for (const failure of found) assert.match(failure, wanted ?? /^$/, one.path)
    }
  })
}

test('test262: by way of bytecode, tests are compiled elsewhere and functions have no text', async () => {
  const text =
    'assert(String(function f() { 1 }) === "function f() {\\n    [native code]\\n}", String(function f() { 1 }))'
  const names = ['negative/parse.js', 'negative/parse-late.js', 'module/from-script.js', 'module/negative-link.js']
  const own = {
    ...Object.fromEntries(names.map((name) => [name, OWN_TESTS[name] ?? { code: '' }])),
    'text.js': { code: text },
  }
  const limits = { ...LIMITS, target: 'spt', limitMs: LIMIT_MS.spt } as const
  const failures = await runSuite(writeSuite('bytecode', own), { ...limits, isBytecode: true })
  assert.deepEqual(
    [...failures].filter(([, found]) => found.length > 0).map(([path]) => path),
    ['negative/parse-late.js'],
  )
  assert.match(
    (await runSuite(join(work, 'bytecode'), limits)).get('text.js')?.join() ?? '',
    /^Test262Error: function f\(\) \{ 1 \}/,
  )
})

test('test262: a test that does not look at the time is ended, and the next one is run', async () => {
  const folder = writeSuite('stuck', { 'a-stuck.js': STUCK, 'b-next.js': { code: 'assert(true, "")' } })
  const failures = await runSuite(folder, { ...LIMITS, target: 'spt', limitMs: 500, patienceMs: 3000 })
  assert.match(failures.get('a-stuck.js')?.join() ?? '', STUCK.wanted ?? /^$/)
  assert.deepEqual(failures.get('b-next.js'), [])
})

test('test262: what cannot be run is skipped for a reason, and a test may not ask for a harness that is not there', () => {
  const folder = writeSuite('skips', {
    'agents.js': { code: '$262.agent.start("")' },
    'blocks.js': { about: 'flags: [CanBlockIsTrue]', code: '' },
    'feature.js': { about: 'features: [Array.prototype.at, Temporal]', code: '' },
    'none.js': { about: 'includes: [none.js]', code: '' },
  })
  const tests = testsOf(folder, ['.'])
  assert.deepEqual(
    tests.map(({ skipped }) => skipped?.split(',')[0]),
    ['needs several agents (threads)', 'needs several agents (threads)', 'feature Temporal', undefined],
  )
  const runs = tests.map((one) => ({ test: one, mode: 'sloppy' as const }))
  assert.throws(() => packArchive(runs, supportOf(folder)), /none\.js includes none\.js, which the harness lacks/)
  assert.throws(() => testsOf(folder, ['absent']), /No test at .*absent/)
  assert.throws(
    () => frontmatterOf(fileOf({ about: 'negative:\n  phase: early', code: '' })),
    /lacks a phase or a type/,
  )
})

test('test262: what Mozilla does to files is undone', () => {
  const text = fileOf({ about: 'flags: [onlyStrict]', code: 'f()' })
  const sloppy = fileOf({ code: 'f()' })
  const mozilla = (parts: string[]) => Buffer.from(parts.join('\n'))
  const header = '// |reftest| skip-if(true) module -- why'
  const end = ['reportCompare(0, 0);', '']
  assert.equal(originalOf(mozilla([header, "'use strict';", text, ...end])).toString(), text)
  assert.equal(originalOf(mozilla([sloppy, ...end])).toString(), sloppy)
  assert.equal(originalOf(mozilla(["'use strict';", sloppy])).toString(), `'use strict';\n${sloppy}`)
  const octets = Buffer.from([0x2f, 0x2f, 0xff, 0xfe, 0x0a])
  assert.deepEqual(originalOf(Buffer.concat([Buffer.from(`${header}\n`), octets])), octets)
  const shell = '// GENERATED\n// file: a.js\nvar a\n\n// file: test262-host.js\nhost()\n// file: b.js\nvar b\n'
  assert.deepEqual(
    [...harnessOf(shell)],
    [
      ['a.js', 'var a\n\n'],
      ['b.js', 'var b\n'],
    ],
  )
})

test('test262: the report counts tests by folder, and tells what the list of known failures does not', () => {
  const result = (path: string, failure?: string, skipped?: string): Result => ({
    test: { path, text: Buffer.alloc(0), about: frontmatterOf(''), modes: [], ...(skipped && { skipped }) } as Test,
    failures: failure === undefined ? [] : [{ mode: 'sloppy', reason: failure }],
  })
  const results = [result('a/b/c/1.js', 'why'), result('a/b/2.js'), result('a/b/3.js'), result('a/x.js', '', 'reason')]
  assert.match(reportOf(results), /a\/b +2 +1 +0 +66\.66 % +66\.66 %\n/)
  assert.match(reportOf(results), /\nall +2 +1 +1 +66\.66 % +50\.00 %\nskipped 1: reason$/)
  const differences = (list: string, isWhole = true, isBytecode = false) =>
    compare(readExpected(list, isBytecode), results, isWhole)
  assert.deepEqual(differences('# why\na/b/c/1.js\na/x.js # why'), [])
  assert.deepEqual(differences('a/b/ 1\na/x.js'), [])
  assert.deepEqual(differences('a/x.js\na/b/2.js'), [
    'unexpected failure: a/b/c/1.js',
    '0 failures in a/b/2.js, expected 1: mend the list',
  ])
  assert.deepEqual(differences('a/ 1'), ['2 failures in a/, not 1'])
  assert.deepEqual(differences('a/ 3', false), [])
  assert.deepEqual(differences('a/x.js\n[bytecode]\na/b/c/1.js', true, true), [])
  assert.deepEqual(differences('a/x.js\n[bytecode]\na/b/c/1.js'), ['unexpected failure: a/b/c/1.js'])
  assert.throws(() => readExpected('a/b', false), /Expected a test, or a folder and a number of failures, got: a\/b/)
})
