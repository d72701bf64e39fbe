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
import { type Machine, runRange } from './machine.ts'
import { type Result, reportOf } from './report.ts'
import { supportOf, testsOf } from './suite.ts'

const HELP = `npm run test262 -- [OPTIONS]

Runs the tests of test262 for the language and its library in the native runtime, and prints how many pass, by folder.
Status 1 when other tests fail than tests/test262/expected-failures.txt names.

  --only PATH       these alone: a folder or a file of test262's folder test, such as built-ins/Array; may be repeated
                    (default: language, built-ins, annexB)
  --every N         every N-th test, from the first on
  --target TARGET   spt, a sealed process (default), or virtio, a machine that QEMU emulates
  --bytecode        tests are compiled, written as bytecode and read, as programs are, without the text of functions
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
/** Some tests go through all characters for each property that they have. */
const LIMIT_MS = { spt: 20_000, virtio: 200_000 }
const EXPECTED = new URL('expected-failures.txt', import.meta.url)

const { values } = parseArgs({
  options: {
    help: { type: 'boolean', default: false },
    only: { type: 'string', multiple: true },
    every: { type: 'string', default: '1' },
    target: { type: 'string', default: 'spt' },
    jobs: { type: 'string', default: String(availableParallelism()) },
    bytecode: { type: 'boolean', default: false },
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
  const every = numberOf('every')
  const { folder, origin } =
    values.suite === undefined
      ? await debianSuite(values.debian, say)
      : { folder: values.suite, origin: `test262 of ${values.suite}` }
  const tests = testsOf(folder, values.only ?? DEFAULT_PATHS).filter((_, i) => i % every === 0)
  say(`${origin}. ${tests.length} tests.`)
  const results: Result[] = tests.map((test) => ({ test, failures: [] }))
  await runAll(results, folder)

  const lines = results.flatMap(({ test, failures }) =>
    failures.map(({ mode, reason }) => `${test.path} (${mode}): ${reason}`),
  )
  if (values.failures !== undefined) writeFileSync(values.failures, lines.map((line) => `${line}\n`).join(''))
  if (values.verbose) for (const line of lines) console.log(line)
  console.log(reportOf(results))

  const expected = readExpected(readFileSync(EXPECTED, 'utf8'), values.bytecode)
  const isWhole = every === 1 && [values.only, values.suite].every((value) => value === undefined)
  const differences = compare(expected, results, isWhole)
  for (const line of differences) console.log(line)
  if (lines.length > 0 && differences.length === 0) console.log(`All failures are expected: see ${EXPECTED.pathname}.`)
  return differences.length > 0 ? 1 : 0
}

/** Runs what is not skipped, and notes the failures. */
async function runAll(results: readonly Result[], folder: string): Promise<void> {
  const { target } = values
  if (target !== 'spt' && target !== 'virtio') throw new Error(`--target ${target}: expected spt or virtio`)
  const limitMs = values.limit === undefined ? LIMIT_MS[target] : 1000 * numberOf('limit')
  const [memMib, jobCount] = [numberOf('mem'), numberOf('jobs')]
  const inOrder = results
    .filter(({ test }) => test.skipped === undefined)
    .flatMap((result) => result.test.modes.map((mode) => ({ result, test: result.test, mode })))
  // Slow ones are neighbours: they are spread over the slices.
  const sliceCount = Math.ceil(inOrder.length / SLICE)
  const runs = Array.from({ length: sliceCount }, (_, slice) =>
    inOrder.filter((_, i) => i % sliceCount === slice),
  ).flat()

  const work = mkdtempSync(join(tmpdir(), 'mirage-test262-'))
  let [doneCount, failedCount] = [0, 0]
  const ticker = setInterval(() => say(`  ${doneCount} of ${runs.length} runs, ${failedCount} failed`), 15_000)
  try {
    const { launcher, image: makeImage } = await buildRunner(work)
    const image = makeImage(target, packArchive(runs, supportOf(folder)))
    const machine: Machine = {
      target,
      image,
      launcher,
      memMib,
      isBytecode: values.bytecode,
      limitMs,
      patienceMs: PATIENCE_MS,
    }
    const note = (index: number, reason: string | undefined): void => {
      doneCount++
      if (reason === undefined) return
      failedCount++
      const run = runs[index]
      run?.result.failures.push({ mode: run.mode, reason })
    }
    const slices = Array.from({ length: sliceCount }, (_, i) => i * SLICE)
    const worker = async (): Promise<void> => {
      for (let from = slices.shift(); from !== undefined; from = slices.shift())
        await runRange(machine, from, Math.min(from + SLICE, runs.length), note)
    }
    await Promise.all(Array.from({ length: jobCount }, worker))
  } finally {
    clearInterval(ticker)
    rmSync(work, { recursive: true })
  }
}

/** What is not the result goes to standard error. */
function say(text: string): void {
  console.error(text)
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
