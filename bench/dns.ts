/**
 * Queries per second of the dns-server example on unix, against NSD, with dnsperf: the same zone, the same run, over the
 * loopback interface; server and client on a core each. Prints ratios: absolute numbers depend on the machine. The
 * processor time that a query takes is less disturbed than the rate by whatever else runs there.
 *
 *   node --import tsx bench/dns.ts [--names 10,10000] [--seconds 3] [--rounds 3]
 */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { build, copyExample } from '../tests/lib/mirage.ts'

const QUERY_COUNT = 100_000
/** Linux counts processor time in hundredths of a second. */
const US_PER_TICK = 10_000
const OUR_PORT = 15_353
const NSD_PORT = 15_354

const { values } = parseArgs({
  options: {
    names: { type: 'string', default: '10,10000' },
    seconds: { type: 'string', default: '3' },
    rounds: { type: 'string', default: '3' },
  },
})

interface Result {
  readonly perSecond: number
  readonly lost: number
  /** Processor time of the server for one query. */
  readonly cpuUs: number
}

const work = mkdtempSync(join(tmpdir(), 'mirage-bench-'))
try {
  for (const nameCount of values.names.split(',').map(Number)) await compare(nameCount)
} finally {
  rmSync(work, { recursive: true, force: true })
}

async function compare(nameCount: number): Promise<void> {
  const zone = zoneText(nameCount)
  const queries = join(work, 'queries')
  // A fixed stride that reaches every name and looks random.
  const lines = Array.from({ length: QUERY_COUNT }, (_, i) => `h${(i * 7919) % nameCount}.example.com A`)
  writeFileSync(queries, lines.join('\n'))
  const ours = await startOurs(zone)
  const nsd = await startNsd(zone)
  try {
    const results: Record<'ours' | 'nsd', Result[]> = { ours: [], nsd: [] }
    for (let round = 0; round < Number(values.rounds); round++) {
      results.nsd.push(dnsperf(NSD_PORT, queries, nsd))
      results.ours.push(dnsperf(OUR_PORT, queries, ours.process))
    }
    const [a, b] = [results.ours, results.nsd].map((list) => median(list.map((result) => result.perSecond)))
    const [c, d] = [results.ours, results.nsd].map((list) => median(list.map((result) => result.cpuUs)))
    const lost = Math.max(...results.ours.map((result) => result.lost))
    console.log(`${nameCount} names, unix with host sockets against NSD:`)
    console.log(`  q/s ${a?.toFixed(0)} / ${b?.toFixed(0)} = ${ratio(a, b)}; most lost in a round: ${lost}`)
    console.log(`  processor time for a query, µs: ${c?.toFixed(1)} / ${d?.toFixed(1)} = ${ratio(c, d)}`)
  } finally {
    await stop(ours.process)
    await stop(nsd)
    ours.remove()
  }
}

function zoneText(nameCount: number): string {
  const lines = ['$TTL 60', '@ SOA ns root 1 3600 600 86400 60', '@ NS ns', 'ns A 10.0.0.1']
  for (let i = 0; i < nameCount; i++) lines.push(`h${i} A 10.${i >>> 16}.${(i >>> 8) & 255}.${i & 255}`)
  return `${lines.join('\n')}\n`
}

async function startOurs(zone: string): Promise<{ readonly process: ChildProcess; remove(): void }> {
  const { folder, remove } = copyExample('applications/dns-server')
  rmSync(join(folder, 'zones'), { recursive: true })
  mkdirSync(join(folder, 'zones'))
  writeFileSync(join(folder, 'zones/example.com.zone'), zone)
  await build(folder, '-t', 'unix')
  const program = join(folder, 'dist/dns-server.mjs')
  const child = spawn('taskset', ['-c', '0', process.execPath, program, `--port=${OUR_PORT}`, '--rate=0'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  await once(child.stdout, 'data')
  return { process: child, remove }
}

async function startNsd(zone: string): Promise<ChildProcess> {
  writeFileSync(join(work, 'zone'), zone)
  writeFileSync(
    join(work, 'nsd.conf'),
    `server:
  ip-address: 127.0.0.1
  port: ${NSD_PORT}
  server-count: 1
  username: ""
  chroot: ""
  zonesdir: "${work}"
  database: ""
  pidfile: "${work}/nsd.pid"
  xfrdfile: "${work}/xfrd.state"
  zonelistfile: "${work}/zone.list"
  xfrdir: "${work}"
  rrl-ratelimit: 0
remote-control:
  control-enable: no
zone:
  name: "example.com"
  zonefile: "zone"
`,
  )
  const child = spawn('taskset', ['-c', '0', 'nsd', '-d', '-c', join(work, 'nsd.conf')], { stdio: 'ignore' })
  for (let i = 0; i < 200; i++) {
    try {
      const answer = execFileSync('dig', ['@127.0.0.1', '-p', String(NSD_PORT), '+short', '+time=1', 'h0.example.com'])
      if (answer.length > 0) return child
    } catch {
      // Not listening yet.
    }
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
  throw new Error('NSD does not answer')
}

function dnsperf(port: number, queries: string, server: ChildProcess): Result {
  const before = cpuTicks(server.pid as number)
  const args = [
    '-s',
    '127.0.0.1',
    '-p',
    String(port),
    '-d',
    queries,
    '-l',
    values.seconds,
    '-c',
    '4',
    '-T',
    '1',
    '-q',
    '100',
  ]
  const output = execFileSync('taskset', ['-c', '1', 'dnsperf', ...args], { encoding: 'utf8' })
  const field = (name: string) => Number(new RegExp(`${name}:\\s+([\\d.]+)`).exec(output)?.[1])
  return {
    perSecond: field('Queries per second'),
    lost: field('Queries lost'),
    cpuUs: ((cpuTicks(server.pid as number) - before) * US_PER_TICK) / field('Queries completed'),
  }
}

/** Processor time of a process and those it started, user and system. */
function cpuTicks(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'latin1').replace(/^.*\)/, '').trim().split(' ')
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'latin1').trim().split(' ')
  const own = Number(fields[11]) + Number(fields[12])
  return children.filter((child) => child !== '').reduce((sum, child) => sum + cpuTicks(Number(child)), own)
}

function ratio(a = 0, b = 0): string {
  return (a / b).toFixed(2)
}

function median(list: readonly number[]): number {
  return [...list].sort((a, b) => a - b)[Math.floor(list.length / 2)] ?? 0
}

async function stop(child: ChildProcess): Promise<void> {
  child.kill()
  if (child.exitCode === null && child.signalCode === null) await once(child, 'close')
}
