/**
 * Bulk TCP over a tap, one flow: Debian's iperf3 against the example iperf3 with our own stack, under Node and as a sealed process,
 * with the offloads of the tap and without; and iperf3 against itself over Linux's stack, without offloads as the yardstick:
 * over a pair of virtual Ethernet interfaces, and over two taps that a program joins. Server and client have a processor each.
 * Medians of Mbit/s, ratios to Linux without offloads, and the processor time of the server for each MiB, relay included.
 *
 *   node --import tsx bench/tcp-tap.ts [--seconds 3] [--rounds 3] [--only sealed] [--compiled]
 *
 * With `--compiled` also a sealed process of machine code (`mirage build --native`), which takes a minute or more to build.
 *
 * Needs root and Debian's iperf3 and ethtool.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { findToolchain } from '@mirage-ts/cli/toolchain'
import { build, copyExample } from '../tests/lib/mirage.ts'
import { Namespace } from '../tests/lib/namespace.ts'
import { tapProgram } from '../tests/lib/tap.ts'
import { median } from './lib/machine.ts'
import { record } from './lib/results.ts'
import { onOtherProcessor, startPinned, stop, usageOf } from './lib/servers.ts'

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '3' },
    rounds: { type: 'string', default: '3' },
    only: { type: 'string', default: '' },
    compiled: { type: 'boolean', default: false },
  },
})
const START_LIMIT_MS = 30_000
const MIB = 1024 * 1024
/** What `ethtool -K` turns off: checksums, segments cut or joined by the interface. */
const OFFLOADS = ['tx', 'rx', 'sg', 'tso', 'gso', 'gro'] as const

interface Subject {
  readonly name: string
  /** Starts the server; its namespaces end with `end`. */
  readonly start: () => Promise<Served>
}

interface Served {
  readonly process: ChildProcess
  readonly address: string
  /** Where the client runs. */
  readonly client: Namespace
  readonly end: () => void
}

/** What a transfer came to. */
interface Transfer {
  readonly mbit: number
  /** Milliseconds of the server's processor for each MiB. */
  readonly cpuMs: number
}

interface Row {
  readonly name: string
  readonly received: Transfer
  readonly sent: Transfer
}

const YARDSTICK = 'Linux, virtual Ethernet without offloads'
const LINUX = ['iperf3', '-s']

const sealed = copyExample('applications/iperf3')
const compiled = copyExample('applications/iperf3')
const unix = copyExample('applications/iperf3')
try {
  await build(sealed.folder, '-t', 'spt')
  if (values.compiled) await build(compiled.folder, '-t', 'spt', '--native')
  await build(unix.folder, '-t', 'unix', '--net', 'direct')
  const { toolchain } = await findToolchain()
  const sealedOn =
    (tap: string, { folder } = sealed) =>
    () =>
      ours([toolchain.spt, '--net', `${tap}:tap0`, join(folder, 'dist/iperf3.spt')])
  const unixOn = (tap: string) => () =>
    ours([process.execPath, join(unix.folder, 'dist/iperf3.mjs'), `--net:service=${tap}:tap0`], toolchain.tap)
  const subjects: readonly Subject[] = [
    { name: YARDSTICK, start: () => virtualEthernet('off') },
    { name: 'Linux, virtual Ethernet with offloads', start: () => virtualEthernet('on') },
    { name: 'Linux, two plain taps and a program', start: joinedTaps },
    { name: 'ours under Node, offloads', start: unixOn('tap') },
    { name: 'ours under Node, plain', start: unixOn('plain-tap') },
    { name: 'ours as a sealed process, offloads', start: sealedOn('tap') },
    { name: 'ours as a sealed process, plain', start: sealedOn('plain-tap') },
    ...(values.compiled
      ? [
          { name: 'ours sealed and compiled, offloads', start: sealedOn('tap', compiled) },
          { name: 'ours sealed and compiled, plain', start: sealedOn('plain-tap', compiled) },
        ]
      : []),
  ]
  const rows: Row[] = []
  for (const { name, start } of subjects) {
    if (name !== YARDSTICK && !name.includes(values.only)) continue
    const served = await start()
    try {
      await isServing(served)
      rows.push({ name, received: await measure(served, []), sent: await measure(served, ['-R']) })
    } finally {
      await stop(served.process)
      served.end()
    }
  }
  print(rows)
} finally {
  sealed.remove()
  compiled.remove()
  unix.remove()
}

function print(rows: readonly Row[]): void {
  const [yardstick] = rows
  if (yardstick === undefined) return
  console.log('| | received, Mbit/s | of Linux | ms each MiB | sent, Mbit/s | of Linux | ms each MiB |')
  console.log('| --- | --- | --- | --- | --- | --- | --- |')
  for (const { name, received, sent } of rows) {
    const cells = [
      [received, yardstick.received],
      [sent, yardstick.sent],
    ].map(([one, other]) =>
      one === undefined || other === undefined
        ? ''
        : `${Math.round(one.mbit).toLocaleString('en')} | ${(one.mbit / other.mbit).toFixed(2)} | ${one.cpuMs.toFixed(2)}`,
    )
    console.log(`| ${name} | ${cells.join(' | ')} |`)
  }
  for (const { name, received, sent } of rows) {
    record({ group: 'Bulk TCP received', name, value: received.mbit, unit: 'Mbit/s' })
    record({ group: 'Bulk TCP sent', name, value: sent.mbit, unit: 'Mbit/s' })
  }
}

/** Our server on one end of a tap, Linux on the other. */
async function ours(command: readonly string[], relay?: string): Promise<Served> {
  const client = new Namespace()
  client.addTap('tap0', '10.0.0.1/24')
  const child = startPinned([...command, '--ipv4=10.0.0.2/24', '--logs=quiet'], {
    namespace: client,
    ...(relay === undefined ? {} : { env: { MIRAGE_TAP: relay } }),
  })
  return { process: child, address: '10.0.0.2', client, end: () => client.remove() }
}

async function virtualEthernet(offload: 'on' | 'off'): Promise<Served> {
  const client = new Namespace()
  const server = new Namespace()
  client.ip('link', 'add', 'veth0', 'type', 'veth', 'peer', 'name', 'veth0', 'netns', server.name)
  for (const [side, cidr] of [[client, '10.0.0.1/24'] as const, [server, '10.0.0.2/24'] as const]) {
    await side.run('ethtool', '-K', 'veth0', ...OFFLOADS.flatMap((name) => [name, offload]))
    side.ip('addr', 'add', cidr, 'dev', 'veth0')
    side.ip('link', 'set', 'veth0', 'up')
  }
  const end = (): void => {
    client.remove()
    server.remove()
  }
  return { process: startPinned(LINUX, { namespace: server }), address: '10.0.0.2', client, end }
}

/** Two namespaces with a tap each, whose frames this process passes on by way of `mirage-tap`. */
async function joinedTaps(): Promise<Served> {
  const folder = mkdtempSync(join(tmpdir(), 'mirage-bench-'))
  const namespaces = [new Namespace(), new Namespace()] as const
  const relays: ChildProcess[] = []
  const sockets = []
  for (const [i, namespace] of namespaces.entries()) {
    const path = join(folder, `${i}.sock`)
    const relay = namespace.start([tapProgram(), 'tap0', path], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    relays.push(relay)
    await createInterface(relay.stdout as Readable)
      [Symbol.asyncIterator]()
      .next()
    namespace.ip('addr', 'add', `10.0.0.${i + 1}/24`, 'dev', 'tap0')
    namespace.ip('link', 'set', 'tap0', 'up')
    sockets.push(connect(path))
  }
  const [a, b] = sockets
  if (a !== undefined && b !== undefined) {
    a.on('error', () => {}).pipe(b)
    b.on('error', () => {}).pipe(a)
  }
  const end = (): void => {
    for (const relay of relays) relay.kill()
    for (const namespace of namespaces) namespace.remove()
    rmSync(folder, { recursive: true, force: true })
  }
  const child = startPinned(LINUX, { namespace: namespaces[1] })
  return { process: child, address: '10.0.0.2', client: namespaces[0], end }
}

/** Waits until the server takes a short test. */
async function isServing({ client, address, process: { exitCode } }: Served): Promise<void> {
  for (const end = Date.now() + START_LIMIT_MS; Date.now() < end && exitCode === null; ) {
    const isThere = await client.run('timeout', '5', 'iperf3', '-c', address, '-n', '100K').then(
      () => true,
      () => false, // not yet
    )
    if (isThere) return
    await sleep(100)
  }
  throw new Error(`Nothing at ${address} answers iperf3`)
}

/** The medians of some rounds; Linux sends, or with `-R` receives. */
async function measure({ client, address, process }: Served, options: readonly string[]): Promise<Transfer> {
  const runs: Transfer[] = []
  for (let round = 0; round < Number(values.rounds); round++) {
    const before = usageOf(process).cpuUs
    const limit = ['timeout', String(Number(values.seconds) + 20)]
    const test = ['iperf3', '-c', address, '--json', '-t', values.seconds, ...options]
    const command = ['ip', 'netns', 'exec', client.name, ...limit, ...onOtherProcessor(test)]
    // Not in this process: it may be carrying the frames.
    const text = await output(command)
    const { bytes, bits_per_second: rate } = (JSON.parse(text) as Report).end.sum_received
    runs.push({ mbit: rate / 1e6, cpuMs: (usageOf(process).cpuUs - before) / 1000 / (bytes / MIB) })
  }
  return { mbit: median(runs.map(({ mbit }) => mbit)), cpuMs: median(runs.map(({ cpuMs }) => cpuMs)) }
}

interface Report {
  readonly end: { readonly sum_received: { readonly bytes: number; readonly bits_per_second: number } }
}

function output([file = '', ...args]: readonly string[]): Promise<string> {
  const child = spawn(file, args, { stdio: ['ignore', 'pipe', 'inherit'] })
  let text = ''
  child.stdout.on('data', (chunk: Buffer) => {
    text += chunk.toString()
  })
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (status) => {
      if (status === 0) resolve(text)
      else reject(new Error(`${args.join(' ')} ended with ${status}: ${text.slice(-500)}`))
    })
  })
}
