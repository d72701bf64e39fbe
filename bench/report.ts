/**
 * Runs the benchmarks one after the other and writes what they found as a page with charts.
 *
 *   npm run bench [-- --only boot,devices] [--out dist/bench]
 *
 * A benchmark that fails, or whose peers are not installed, is named on the page with what it said. All of them take about
 * half an hour.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { cpus } from 'node:os'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { ROOT } from '../tests/lib/mirage.ts'
import { barChart, escapeHtml } from './lib/chart.ts'
import { RESULTS_VARIABLE, type Result } from './lib/results.ts'

/** The file of each, and what it is about. */
const BENCHMARKS: Readonly<Record<string, string>> = {
  boot: 'Size, memory and start of a hello',
  devices: 'Packets and blocks of a sealed process and of a machine',
  tcp: 'TCP without devices',
  'tcp-tap': 'Bulk TCP over a tap',
  connections: 'Many TCP connections over a tap',
  http: 'HTTP',
  dns: 'DNS',
  vm: 'Our images against a Linux machine',
  storage: 'Storage',
  tool: 'The mirage command',
}

const { values } = parseArgs({
  options: {
    only: { type: 'string' },
    out: { type: 'string', default: join(ROOT, 'dist/bench') },
    help: { type: 'boolean', default: false },
  },
})
if (values.help) {
  const list = Object.entries(BENCHMARKS).map(([name, about]) => `  ${name.padEnd(12)}${about}\n`)
  process.stdout.write(`npm run bench [-- OPTIONS]: measures, and writes a page with charts

  --only NAME,NAME  these alone; all of them take about half an hour
  --out FOLDER      where index.html and results.json go, by default dist/bench

${list.join('')}
Each is a script of its own, too: node --import tsx bench/NAME.ts, whose first lines name its options.
`)
  process.exit()
}
const names = values.only?.split(',') ?? Object.keys(BENCHMARKS)
const unknown = names.filter((name) => BENCHMARKS[name] === undefined)
if (unknown.length > 0) {
  throw new Error(`There is no benchmark ${unknown.join(', ')}: there are ${Object.keys(BENCHMARKS).join(', ')}`)
}
const out = resolve(values.out)
mkdirSync(out, { recursive: true })

interface Run {
  readonly name: string
  readonly status: number | null
  readonly output: string
  readonly results: readonly Result[]
}

const runs: Run[] = []
for (const name of names) {
  console.log(`\n${name}: ${BENCHMARKS[name]}`)
  runs.push(await run(name))
  // After each: what was found is there even when a later one is interrupted.
  writeFileSync(join(out, 'index.html'), page(runs))
}
writeFileSync(join(out, 'results.json'), `${JSON.stringify(runs, null, 2)}\n`)
console.log(`\nSee ${join(out, 'index.html')}`)
if (runs.some(({ status }) => status !== 0)) process.exitCode = 1

async function run(name: string): Promise<Run> {
  const file = join(out, `${name}.jsonl`)
  rmSync(file, { force: true })
  const child = spawn(process.execPath, ['--expose-gc', '--import', 'tsx', join(ROOT, `bench/${name}.ts`)], {
    cwd: ROOT,
    env: { ...process.env, [RESULTS_VARIABLE]: file },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk: Buffer) => {
      output += chunk.toString()
      process.stdout.write(chunk)
    })
  }
  const [status] = (await once(child, 'close')) as [number | null]
  const lines = existsSync(file) ? readFileSync(file, 'utf8').trim().split('\n') : []
  rmSync(file, { force: true })
  return { name, status, output, results: lines.map((line) => JSON.parse(line) as Result) }
}

function page(all: readonly Run[]): string {
  const { model = 'a processor without a name' } = cpus()[0] ?? {}
  const sections = all.map(({ name, status, output, results }) => {
    const groups = [...new Set(results.map(({ group }) => group))]
    const charts = groups.map(
      (group) => `<h3>${escapeHtml(group)}</h3>${barChart(results.filter((result) => result.group === group))}`,
    )
    const failed = status === 0 ? '' : `<p class="failed">It ended with status ${status}.</p>`
    const text = `<details${charts.length === 0 ? ' open' : ''}><summary>as text</summary><pre>${escapeHtml(output)}</pre></details>`
    return `<h2>${escapeHtml(BENCHMARKS[name] ?? name)}</h2><p><code>bench/${name}.ts</code></p>${failed}${charts.join('')}${text}`
  })
  return `<!doctype html>
<html lang="en"><meta charset="utf-8"><title>mirage-ts: measurements</title>
<style>
body { font: 15px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; color: #222 }
h2 { margin-top: 2.5rem; border-bottom: 1px solid #ccc } h3 { margin-bottom: .3rem; font-size: 1rem }
svg text { font-size: 13px; fill: #222 } .bar { fill: #4a7fb5 } .over { fill: #c8553d } .limit { stroke: #222; stroke-dasharray: 3 2 }
.failed { color: #c8553d } pre { overflow-x: auto; background: #f4f4f4; padding: .7rem; font-size: 12px }
</style>
<h1>mirage-ts: measurements</h1>
<p>${escapeHtml(model)}, ${cpus().length} processors, Node ${process.version}. Numbers of one chart were taken in one run on this
machine: compare them with each other, not with those of another. A dashed line is a bound of ours.</p>
${sections.join('\n')}
</html>
`
}
