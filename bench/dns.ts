/**
 * Queries per second of the dns-server example, as a sealed process and on unix, against NSD and BIND (one process each), with
 * dnsperf: the same zone, the same run; servers and client on a processor each. Ours is reached over a tap with its own stack,
 * or over a pair of virtual Ethernet interfaces with Linux's, as the others are. Prints ratios: absolute numbers depend on the
 * machine. The processor time that a query takes is less disturbed than the rate by whatever else runs there. Also how long a
 * server takes until it answers, and the memory that a name takes: what there is more of than with the first number of names.
 *
 *   node --import tsx bench/dns.ts [--names 10,10000,1000000] [--seconds 4] [--rounds 3]
 *
 * Needs root and Debian's dnsperf, nsd and bind9.
 */
import { type ChildProcess, execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { findToolchain } from '@mirage-ts/cli/toolchain'
import { build, copyExample, ROOT } from '../tests/lib/mirage.ts'
import { Namespace } from '../tests/lib/namespace.ts'
import { medianBy, onOtherProcessor, startPinned, stop, usageOf } from './lib/servers.ts'

/** As many different ones as there are names, and no fewer than this. */
const MIN_QUERY_COUNT = 100_000
const START_LIMIT_MS = 200_000
/** Of ours: nobody is limited, as nobody is by the others. */
const OPTIONS = ['--rate=0', '--logs=quiet']

const { values } = parseArgs({
  options: {
    names: { type: 'string', default: '10,10000,1000000' },
    seconds: { type: 'string', default: '4' },
    rounds: { type: 'string', default: '3' },
  },
})

interface Server {
  readonly name: string
  readonly address: string
  readonly port: number
  readonly process: ChildProcess
}

interface Result {
  readonly perSecond: number
  readonly lost: number
  /** Processor time of the server for one query. */
  readonly cpuUs: number
}

/** Memory with the first number of names, by server. */
const baselines = new Map<string, { readonly nameCount: number; readonly memoryKb: number }>()

const work = mkdtempSync(join(tmpdir(), 'mirage-bench-'))
/** Where the client runs, and where those servers do that use Linux's stack. */
const client = new Namespace()
const host = new Namespace()
try {
  client.ip('link', 'add', 'veth0', 'type', 'veth', 'peer', 'name', 'veth0', 'netns', host.name)
  for (const [namespace, cidr] of [[client, '10.9.0.1/24'] as const, [host, '10.9.0.2/24'] as const]) {
    namespace.ip('addr', 'add', cidr, 'dev', 'veth0')
    namespace.ip('link', 'set', 'veth0', 'up')
  }
  client.addTap('tap0', '10.9.1.1/24')
  client.addTap('tap1', '10.9.2.1/24')
  for (const nameCount of values.names.split(',').map(Number)) await compare(nameCount)
} finally {
  client.remove()
  host.remove()
  rmSync(work, { recursive: true, force: true })
}

async function compare(nameCount: number): Promise<void> {
  const queries = join(work, 'queries')
  // A fixed stride that reaches every name and looks random.
  const lines = Array.from(
    { length: Math.max(MIN_QUERY_COUNT, nameCount) },
    (_, i) => `h${(i * 7919) % nameCount}.example.com A`,
  )
  writeFileSync(queries, lines.join('\n'))
  const example = copyExample('applications/dns-server')
  rmSync(join(example.folder, 'zones'), { recursive: true })
  mkdirSync(join(example.folder, 'zones'))
  const zoneFile = join(example.folder, 'zones/example.com.zone')
  writeFileSync(zoneFile, zoneText(nameCount))
  // One at a time: none shall wait for another's turn on the processor.
  const starters = [startNsd, startBind, startSealed, startCompiled, startUnixDirect, startUnixHost]
  let nsd: Result | undefined
  console.log(`${nameCount} names:`)
  try {
    for (const start of starters) {
      const server = await start(zoneFile, example.folder, nameCount)
      const startedAt = performance.now()
      try {
        await answers(server)
        const loadMs = performance.now() - startedAt
        const results = Array.from({ length: Number(values.rounds) }, () => dnsperf(server, queries))
        const result = medianBy(results, ({ perSecond }) => perSecond)
        nsd ??= result
        print(server, result, nsd, Math.max(...results.map(({ lost }) => lost)))
        printLoad(server, nameCount, loadMs)
      } finally {
        await stop(server.process)
      }
    }
  } finally {
    example.remove()
  }
}

function print({ name, process }: Server, { perSecond, cpuUs }: Result, nsd: Result, lost: number): void {
  const rate = `${String(Math.round(perSecond)).padStart(7)} q/s, ${(perSecond / nsd.perSecond).toFixed(2)} of NSD`
  const time = `${cpuUs.toFixed(1)} µs of processor time each (${(cpuUs / nsd.cpuUs).toFixed(1)})`
  const memory = `${Math.round(usageOf(process).memoryKb / 1024)} MB`
  console.log(`  ${name.padEnd(28)} ${rate}, ${time}, ${memory}, ${lost} lost`)
}

function printLoad({ name, process }: Server, nameCount: number, loadMs: number): void {
  const { memoryKb } = usageOf(process)
  const base = baselines.get(name) ?? { nameCount, memoryKb }
  baselines.set(name, base)
  const moreNames = nameCount - base.nameCount
  const each = moreNames > 0 ? `, ${Math.round(((memoryKb - base.memoryKb) * 1024) / moreNames)} octets a name` : ''
  console.log(`  ${''.padEnd(28)} answers ${(loadMs / 1000).toFixed(1)} s after its start${each}`)
}

function zoneText(nameCount: number): string {
  const lines = ['$TTL 60', '@ SOA ns root 1 3600 600 86400 60', '@ NS ns', 'ns A 10.0.0.1']
  for (let i = 0; i < nameCount; i++) lines.push(`h${i} A 10.${i >>> 16}.${(i >>> 8) & 255}.${i & 255}`)
  return `${lines.join('\n')}\n`
}

async function startSealed(_zone: string, folder: string, nameCount: number): Promise<Server> {
  await build(folder, '-t', 'spt')
  return await startImage('ours, sealed, over a tap', folder, nameCount)
}

async function startCompiled(_zone: string, folder: string, nameCount: number): Promise<Server> {
  await build(folder, '-t', 'spt', '--native')
  return await startImage('ours, sealed, machine code', folder, nameCount)
}

async function startImage(name: string, folder: string, nameCount: number): Promise<Server> {
  const { toolchain } = await findToolchain()
  const mem = String(128 + Math.ceil(nameCount / 2500))
  const image = join(folder, 'dist/dns-server.spt')
  const command = [toolchain.spt, '--mem', mem, '--net', 'tap:tap0', image, '--ipv4=10.9.1.2/24', ...OPTIONS]
  return {
    name,
    address: '10.9.1.2',
    port: 53,
    process: startPinned(command, { namespace: client }),
  }
}

async function startUnixDirect(_zone: string, folder: string): Promise<Server> {
  await build(folder, '-t', 'unix', '--net', 'direct')
  const { toolchain } = await findToolchain()
  const program = join(folder, 'dist/dns-server.mjs')
  const command = [process.execPath, program, '--ipv4=10.9.2.2/24', '--net:service=tap:tap1', ...OPTIONS]
  const child = startPinned(command, { namespace: client, env: { MIRAGE_TAP: toolchain.tap } })
  return { name: 'ours, Node, over a tap', address: '10.9.2.2', port: 53, process: child }
}

async function startUnixHost(_zone: string, folder: string): Promise<Server> {
  await build(folder, '-t', 'unix', '--net', 'host')
  const command = [process.execPath, join(folder, 'dist/dns-server.mjs'), '--port=53', ...OPTIONS]
  return {
    name: 'ours, Node, host sockets',
    address: '10.9.0.2',
    port: 53,
    process: startPinned(command, { namespace: host }),
  }
}

async function startNsd(zone: string): Promise<Server> {
  const config = join(work, 'nsd.conf')
  writeFileSync(
    config,
    `server:
  ip-address: 10.9.0.2
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
  zonefile: "${zone}"
`,
  )
  return {
    name: 'NSD',
    address: '10.9.0.2',
    port: 53,
    process: startPinned(['nsd', '-d', '-c', config], { namespace: host }),
  }
}

async function startBind(zone: string): Promise<Server> {
  const config = join(work, 'named.conf')
  writeFileSync(
    config,
    `options {
  directory "${work}"; listen-on { 10.9.0.2; }; listen-on-v6 { none; }; recursion no; pid-file none;
  session-keyfile none; minimal-responses yes;
};
controls { };
zone "example.com" { type primary; file "${zone}"; };
`,
  )
  const command = ['named', '-f', '-n', '1', '-c', config]
  return { name: 'BIND', address: '10.9.0.2', port: 53, process: startPinned(command, { namespace: host }) }
}

/** Waits until the server has loaded its zone. */
async function answers({ name, address, port, process }: Server): Promise<void> {
  const end = Date.now() + START_LIMIT_MS
  while (Date.now() < end && process.exitCode === null) {
    const output = await client
      .run('dig', `@${address}`, '-p', String(port), '+short', '+time=1', '+tries=1', 'h0.example.com')
      .catch(() => '') // Not listening yet.
    if (/^10\./m.test(output)) return
    await sleep(100)
  }
  throw new Error(`${name} does not answer`)
}

function dnsperf(server: Server, queries: string): Result {
  const before = usageOf(server.process).cpuUs
  const target = ['-s', server.address, '-p', String(server.port), '-d', queries]
  const load = ['-l', values.seconds, '-c', '4', '-T', '1', '-q', '100']
  const command = ['ip', 'netns', 'exec', client.name, ...onOtherProcessor(['dnsperf', ...target, ...load])]
  const output = execFileSync(command[0] as string, command.slice(1), { encoding: 'utf8', cwd: ROOT })
  const field = (name: string) => Number(new RegExp(`${name}:\\s+([\\d.]+)`).exec(output)?.[1])
  return {
    perSecond: field('Queries per second'),
    lost: field('Queries lost'),
    cpuUs: (usageOf(server.process).cpuUs - before) / field('Queries completed'),
  }
}
