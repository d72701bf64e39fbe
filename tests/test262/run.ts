/**
 * Runs test262 in the native runtime: `npm run test262 -- --help`.
 *
 * The engine under test is the one of images (QuickJS-ng with our heap, C library and bindings), and the compiler besides, which
 * images leave out. Each test gets an engine of its own, in a sealed process or in a machine that QEMU emulates.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { packArchive } from './archive.ts'
import { buildRunner } from './build.ts'
import { debianSuite } from './debian.ts'
import { compare, readExpected } from './expected.ts'
import { runRange } from './machine.ts'
import { type Result, reportOf } from './report.ts'
import { supportOf, testsOf } from './suite.ts'

const HELP = `npm run test262 -- [OPTIONS]

Runs the tests of test262 for the language and its library in the native runtime, and prints how many pass, by folder.
Status 1 when other tests fail than tests/test262/expected-failures.txt names.

  --only PATH       these alone: a folder or a file of test262's folder test, such as built-ins/Array; may be repeated
                    (default: language, built-ins, annexB)
  --every N         every N-th test, from the first on
  --target TARGET   spt, a sealed process (default), or virtio, a machine that QEMU emulates
  --jobs N          machines at a time (default: one for each processor)
  --limit SECONDS   for each run of a test (default: 20, or 200 on virtio)
  --mem MIB         of each machine (default: 512)
  --suite FOLDER    a copy of test262, with folders test and harness, instead of Debian's
  --debian SUITE    the suite of Debian to fetch the files from, once (default: trixie)
  --failures FILE   writes each failure with its reason
  --verbose         prints them, too
`

const DEFAULT_PATHS = ['language', 'built-ins', 'annexB']
/** Runs of one machine: a start costs little, and the last machines should end at about the same time. */
const SLICE = 500
const PATIENCE_MS = 30_000

const { values } = parseArgs({
  options: {
    help: { type: 'boolean', default: false },
    only: { type: 'string', multiple: true },
    every: { type: 'string', default: '1' },
    target: { type: 'string', default: 'spt' },
    jobs: { type: 'string', default: String(availableParallelism()) },
    limit: { type: 'string' },
    mem: { type: 'string', default: '512' },
    suite: { type: 'string' },
    debian: { type: 'string', default: 'trixie' },
    failures: { type: 'string' },
    verbose: { type: 'boolean', default: false },
  },
})

async function main(): Promise<number> {
  if (values.help) {
    console.log(HELP)
    return 0
  }
  const { target } = values
  if (target !== 'spt' && target !== 'virtio') throw new Error(`--target ${target}: expected spt or virtio`)
  const say = (text: string) => console.error(text)
  const paths = values.only ?? DEFAULT_PATHS
  const every = numberOf('every')
  const { folder, origin } =
    values.suite === undefined
      ? await debianSuite(values.debian, say)
      : { folder: values.suite, origin: `test262 of ${values.suite}` }

  const tests = testsOf(folder, paths).filter((_, i) => i % every === 0)
  const results: Result[] = tests.map((test) => ({ test, failures: [] }))
  const queue = results.filter(({ test }) => test.skipped === undefined)
  const runs = queue.flatMap((result) => result.test.modes.map((mode) => ({ result, test: result.test, mode })))
  say(`${origin}. ${tests.length} tests, ${runs.length} runs on ${target}.`)

  const work = mkdtempSync(join(tmpdir(), 'mirage-test262-'))
  try {
    const runner = await buildRunner(work)
    const limitMs = 1000 * (values.limit === undefined ? (target === 'spt' ? 20 : 200) : numberOf('limit'))
    const image = runner.image(target, packArchive(runs, supportOf(folder)))
    const machine = {
      target,
      image,
      launcher: runner.launcher,
      memMib: numberOf('mem'),
      limitMs,
      patienceMs: PATIENCE_MS,
    } as const
    let doneCount = 0
    let failedCount = 0
    const ticker = setInterval(() => say(`  ${doneCount} of ${runs.length} runs, ${failedCount} failed`), 15_000)
    const slices = Array.from({ length: Math.ceil(runs.length / SLICE) }, (_, i) => i * SLICE)
    const worker = async (): Promise<void> => {
      for (let from = slices.shift(); from !== undefined; from = slices.shift()) {
        await runRange(machine, from, Math.min(from + SLICE, runs.length), (index, failure) => {
          doneCount++
          if (failure === undefined) return
          failedCount++
          const run = runs[index]
          run?.result.failures.push({ mode: run.mode, reason: failure })
        })
      }
    }
    await Promise.all(Array.from({ length: numberOf('jobs') }, worker)).finally(() => clearInterval(ticker))
  } finally {
    rmSync(work, { recursive: true })
  }

  const failed = results.filter(({ failures }) => failures.length > 0)
  const lines = failed.flatMap(({ test, failures }) =>
    failures.map(({ mode, reason }) => `${test.path} (${mode}): ${reason}`),
  )
  if (values.failures !== undefined) writeFileSync(values.failures, lines.map((line) => `${line}\n`).join(''))
  if (values.verbose) for (const line of lines) console.log(line)
  console.log(reportOf(results))

  const expected = readExpected(readFileSync(new URL('expected-failures.txt', import.meta.url), 'utf8'))
  const isWhole = every === 1 && values.only === undefined
  const differences = compare(expected, results, isWhole)
  for (const line of differences) console.log(line)
  if (failed.length > 0 && differences.length === 0)
    console.log(`All ${failed.length} failures are expected: see tests/test262/expected-failures.txt.`)
  return differences.length > 0 ? 1 : 0
}

function numberOf(name: 'every' | 'jobs' | 'limit' | 'mem'): number {
  const number = Number(values[name])
  if (!Number.isInteger(number) || number < 1) throw new Error(`--${name} ${values[name]}: expected a number above 0`)
  return number
}

try {
  process.exitCode = await main()
} catch (error) {
  console.error(error instanceof Error ? error.message : error)
  process.exitCode = 2
}
