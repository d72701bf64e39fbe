/**
 * Bulk TCP over a tap: our stack under Node against Linux's, with the offloads of the tap and without; and Linux against Linux
 * over two such taps, which Node joins (the same relay and the same sockets, no offloads). Medians of 3, Mbit/s, and the
 * processor time of our process for each MiB, of which the part in user mode does not depend on who else is at work. Root only:
 *
 *   node --import tsx bench/tcp-tap.ts [--offload | --plain]
 */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import type { Port } from '@mirage-ts/signatures/addresses'
import { LINUX, LINUX_ADDRESS, LinuxLink } from '../tests/lib/linux-tcp.ts'
import { Namespace } from '../tests/lib/namespace.ts'
import { median } from './lib/machine.ts'

const BULK = fileURLToPath(new URL('./lib/tcp-bulk.mjs', import.meta.url))
const TAP_SOURCE = fileURLToPath(new URL('../native/host/tap.c', import.meta.url))
const LEN_BYTES = 128 * 1024 * 1024
let nextPort = 3000

interface Peer {
  line(): Promise<unknown>
}

/** Starts tcp-bulk.mjs in a namespace. */
function bulkPeer(namespace: string, ...args: (string | number)[]): Peer {
  const child = spawn('ip', ['netns', 'exec', namespace, process.execPath, BULK, ...args.map(String)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const lines = createInterface(child.stdout)[Symbol.asyncIterator]()
  return { line: async () => JSON.parse((await lines.next()).value ?? 'null') }
}

function mbitPerS(ms: number): number {
  return (LEN_BYTES * 8) / 1000 / ms
}

interface Run {
  readonly mbit: number
  /** Milliseconds of our processor for each MiB: in user mode, and in all. */
  readonly userMs: number
  readonly cpuMs: number
}

/** One transfer between our stack and Linux's. */
async function ours(link: LinuxLink, isUp: boolean): Promise<Run> {
  const port = nextPort++ as Port
  const peer = bulkPeer(link.namespaceName, 'serve', LINUX, port, isUp ? 0 : LEN_BYTES)
  await peer.line()
  const cpu = process.cpuUsage()
  const started = performance.now()
  const flow = await link.stack.tcp.connect({ address: LINUX_ADDRESS, port })
  const piece = new Uint8Array(256 * 1024)
  for (let left = isUp ? LEN_BYTES : 0; left > 0; left -= piece.length) await flow.write(piece)
  flow.shutdownWrite()
  // What arrives is only counted, by its end.
  for (let chunk = await flow.read(); chunk !== undefined; chunk = await flow.read()) flow.recycle?.(chunk)
  await peer.line()
  const took = performance.now() - started
  const { user, system } = process.cpuUsage(cpu)
  await flow.close()
  const mib = LEN_BYTES / 1024 / 1024
  return { mbit: mbitPerS(took), userMs: user / 1000 / mib, cpuMs: (user + system) / 1000 / mib }
}

/** Two namespaces with a tap each, whose frames this process passes on. */
async function linuxPair(): Promise<{ names: readonly [string, string]; close: () => void }> {
  const folder = mkdtempSync(join(tmpdir(), 'mirage-bench-'))
  const tap = join(folder, 'mirage-tap')
  execFileSync('cc', ['-D_GNU_SOURCE', '-O2', '-o', tap, TAP_SOURCE])
  const namespaces = [new Namespace(), new Namespace()] as const
  const relays: ChildProcess[] = []
  const sockets = []
  for (const [i, namespace] of namespaces.entries()) {
    const path = join(folder, `${i}.sock`)
    const relay = spawn('ip', ['netns', 'exec', namespace.name, tap, 'tap0', path], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    relays.push(relay)
    await createInterface(relay.stdout)[Symbol.asyncIterator]().next()
    namespace.ip('addr', 'add', `10.77.0.${i + 1}/24`, 'dev', 'tap0')
    namespace.ip('link', 'set', 'tap0', 'up')
    sockets.push(connect(path))
  }
  const [a, b] = sockets
  if (a !== undefined && b !== undefined) {
    a.on('error', () => {}).pipe(b)
    b.on('error', () => {}).pipe(a)
  }
  const close = (): void => {
    for (const relay of relays) relay.kill()
    for (const namespace of namespaces) namespace.remove()
    rmSync(folder, { recursive: true, force: true })
  }
  return { names: [namespaces[0].name, namespaces[1].name], close }
}

async function linux(names: readonly [string, string]): Promise<number> {
  const port = nextPort++
  const server = bulkPeer(names[0], 'serve', LINUX, port, 0)
  await server.line()
  const started = performance.now()
  bulkPeer(names[1], 'send', LINUX, port, LEN_BYTES)
  await server.line()
  return mbitPerS(performance.now() - started)
}

async function thrice<T>(run: () => Promise<T>): Promise<T[]> {
  const results = []
  for (let i = 0; i < 3; i++) results.push(await run())
  return results
}

const pair = await linuxPair()
const linuxMbit = median(await thrice(() => linux(pair.names)))
pair.close()
console.log(`Linux to Linux over two taps:    ${linuxMbit.toFixed(0).padStart(6)} Mbit/s`)
for (const hasOffload of [true, false]) {
  if (process.argv.includes(hasOffload ? '--plain' : '--offload')) continue
  const link = await LinuxLink.open({ hasOffload, hasLine: false })
  for (const isUp of [true, false]) {
    const runs = await thrice(() => ours(link, isUp))
    const mbit = median(runs.map((run) => run.mbit))
    const userMs = median(runs.map((run) => run.userMs))
    const cpuMs = median(runs.map((run) => run.cpuMs))
    console.log(
      `${isUp ? 'We send to Linux' : 'We receive from Linux'}, ${hasOffload ? 'offloads' : 'plain'}:`.padEnd(33) +
        `${mbit.toFixed(0).padStart(6)} Mbit/s, ${(mbit / linuxMbit).toFixed(2)} of that; ` +
        `${userMs.toFixed(2)} ms in user mode for each MiB, ${cpuMs.toFixed(2)} in all`,
    )
  }
  link.close()
}
