/**
 * How long the tool takes for the website: configuring and building with the native runtime cached, building again after
 * a change of one line, describing; beside what plain esbuild takes for the same bundle. Each figure is the median of
 * several runs, as a ratio to esbuild's too. `node --import tsx bench/tool.ts [-t unix|virtio]`
 */
import { execFileSync, spawnSync } from 'node:child_process'
import { appendFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { copyExample, ROOT } from '../tests/lib/mirage.ts'

const ROUNDS = 5
const MIRAGE = join(ROOT, 'packages/cli/bin/mirage.mjs')
const target = process.argv.includes('-t') ? (process.argv[process.argv.indexOf('-t') + 1] ?? 'virtio') : 'virtio'
const { folder, remove } = copyExample('applications/static-website')

function mirage(...words: readonly string[]): void {
  const { status, stderr } = spawnSync(process.execPath, [MIRAGE, ...words], { cwd: folder, encoding: 'utf8' })
  if (status !== 0) throw new Error(`mirage ${words.join(' ')} failed:\n${stderr}`)
}

/** Bundles the generated program as the tool does, in a process of its own. */
function esbuild(): void {
  const platform = target === 'unix' ? ['--platform=node'] : ['--platform=neutral', '--external:mirage:native']
  const args = [`mirage/${target}/main.ts`, '--bundle', '--format=esm', '--main-fields=module,main', ...platform]
  const options = [
    '--loader:.html=binary',
    '--outfile=dist/plain.mjs',
    '--log-level=error',
    '--sourcemap',
    '--sources-content=false',
  ]
  execFileSync(join(ROOT, 'node_modules/.bin/esbuild'), [...args, ...options], { cwd: folder })
}

/** Median of several runs, each after `prepare`. */
function median(run: () => void, prepare: () => void = () => {}): number {
  const times = Array.from({ length: ROUNDS }, () => {
    prepare()
    const start = performance.now()
    run()
    return performance.now() - start
  })
  return times.sort((a, b) => a - b)[Math.floor(ROUNDS / 2)] ?? 0
}

try {
  // Compiles the native runtime if need be, and bundles the tool itself.
  mirage('build', '-t', target, '-q')
  const plain = target === 'virtio' ? median(esbuild) : undefined
  const rows: readonly (readonly [string, number, number])[] = [
    [
      'configure and build, cold',
      median(
        () => mirage('build', '-t', target, '-q'),
        () => {
          for (const name of ['mirage', 'dist']) rmSync(join(folder, name), { recursive: true, force: true })
        },
      ),
      2000,
    ],
    [
      'build after a change of one line',
      median(
        () => mirage('build', '-t', target, '-q'),
        () => appendFileSync(join(folder, 'unikernel.ts'), '// one line more\n'),
      ),
      400,
    ],
    ['describe', median(() => mirage('describe', '-t', target, '-q')), 500],
  ]
  console.log(`The website for ${target}; median of ${ROUNDS} runs, each a process of its own`)
  if (plain !== undefined) console.log(`${'plain esbuild, bundle only'.padEnd(34)} ${plain.toFixed(0).padStart(6)} ms`)
  for (const [what, ms, aimMs] of rows) {
    const ratio = plain === undefined ? '' : `  ${(ms / plain).toFixed(1)} times esbuild`
    console.log(`${what.padEnd(34)} ${ms.toFixed(0).padStart(6)} ms  (aim ${aimMs})${ratio}`)
  }
} finally {
  remove()
}
