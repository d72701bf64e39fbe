/**
 * Many TCP connections to an echo service over a tap: our stack under Node and as a sealed process, and Linux's stack under Node
 * over a pair of virtual Ethernet interfaces. How fast they open, what 10,000 idle ones take of memory, requests a second when 10
 * to 10,000 of them are busy in turn, and connections a second that are opened, asked once and closed; of each, how many a second
 * and the server's processor time, which depends least on what else the machine does. Server and client have a processor each; the
 * client is one Node process, whose own bound Linux's row shows.
 *
 *   node --import tsx bench/connections.ts [--connections 10000] [--seconds 3]
 *
 * Root only.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { findToolchain } from '@mirage-ts/cli/toolchain'
import { build, ROOT } from '../tests/lib/mirage.ts'
import { Namespace } from '../tests/lib/namespace.ts'
import { record } from './lib/results.ts'
import { onOtherProcessor, startPinned, stop, usageOf } from './lib/servers.ts'

const { values } = parseArgs({
  options: { connections: { type: 'string', default: '10000' }, seconds: { type: 'string', default: '3' } },
})
const CLIENT = fileURLToPath(new URL('./lib/echo-many.mjs', import.meta.url))
const START_LIMIT_MS = 30_000
const PORT = 7
/** Connections beside those that are open, which may still be closing. */
const SPARE_CONNECTIONS = 2000

const CONFIG = `import { main, register } from '@mirage-ts/config'
import { defaultNetwork, genericStack } from '@mirage-ts/config/devices'
const echo = main('./unikernel.ts', 'start', { takes: { stack: 'stack' } })
const maxConnections = ${Number(values.connections) + SPARE_CONNECTIONS}
export default register('echo', [echo({ stack: genericStack(defaultNetwork, { maxConnections }) })])
`
const ECHO = `import type { Port } from '@mirage-ts/signatures/addresses'
import type { TcpFlow } from '@mirage-ts/signatures/flow'
import type { Stack } from '@mirage-ts/signatures/stack'
async function echo(flow: TcpFlow): Promise<void> {
  for (let chunk = await flow.read(); chunk !== undefined; chunk = await flow.read()) await flow.write(chunk)
  await flow.close()
}
export async function start({ stack }: { stack: Stack }): Promise<void> {
  await stack.tcp.listen(${PORT} as Port, (flow) => void echo(flow).catch(() => flow.abort()))
  await new Promise(() => {})
}
`

interface Server {
  readonly name: string
  readonly process: ChildProcess
  readonly client: Namespace
}

interface Step {
  readonly step: 'opened' | 'asked' | 'closed' | 'short'
  readonly count: number
  readonly perSecond: number
  readonly busy: number
}

mkdirSync(join(ROOT, 'dist'), { recursive: true })
const folder = mkdtempSync(join(ROOT, 'dist/bench-'))
writeFileSync(join(folder, 'config.ts'), CONFIG)
writeFileSync(join(folder, 'unikernel.ts'), ECHO)
writeFileSync(join(folder, 'package.json'), '{ "name": "echo", "private": true, "type": "module" }\n')
const namespaces: Namespace[] = []
try {
  for (const start of [linux, unix, sealed]) {
    const server = await start()
    try {
      await measure(server)
    } finally {
      await stop(server.process)
    }
  }
} finally {
  for (const namespace of namespaces) namespace.remove()
  rmSync(folder, { recursive: true })
}

async function measure({ name, process, client }: Server): Promise<void> {
  await isServing(client)
  const command = onOtherProcessor([globalThis.process.execPath, CLIENT, '10.0.0.2', String(PORT)])
  const limits = [values.connections, values.seconds]
  const child = spawn('ip', ['netns', 'exec', client.name, ...command, ...limits], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  const failed = new Promise<never>((_, reject) => {
    child.once('exit', (status) => status !== 0 && reject(new Error(`The client of ${name} ended with ${status}`)))
  })
  let last = usageOf(process)
  /** What took place since the last step, how many a second, and the server's processor time for each. */
  const found = (what: string, { perSecond, count }: Step): void => {
    const now = usageOf(process)
    record({ group: `${what}: rate`, name, value: perSecond, unit: '/s' })
    record({ group: `${what}: processor time each`, name, value: (now.cpuUs - last.cpuUs) / count, unit: 'µs' })
  }
  const steps = (async () => {
    for await (const line of createInterface(child.stdout)) {
      const step = JSON.parse(line) as Step
      if (step.step === 'opened') {
        found('Connections opened', step)
        await sleep(1000)
        const bytes = ((usageOf(process).memoryKb - last.memoryKb) * 1024) / step.count
        record({ group: 'Memory of an idle connection', name, value: bytes, unit: 'octets' })
      } else if (step.step === 'asked') {
        found(`Requests on ${step.busy} connections in turn`, step)
      } else if (step.step === 'short') {
        found('Connections opened, asked once and closed', step)
      }
      last = usageOf(process)
      child.stdin.write('\n')
    }
  })()
  await Promise.race([steps, failed])
}

async function isServing(client: Namespace): Promise<void> {
  for (const end = Date.now() + START_LIMIT_MS; Date.now() < end; ) {
    const isThere = await client.run('nc', '-z', '-w', '1', '10.0.0.2', String(PORT)).then(
      () => true,
      () => false, // not yet
    )
    if (isThere) return
    await sleep(100)
  }
  throw new Error('The echo service does not answer')
}

function onTap(): Namespace {
  const client = new Namespace()
  namespaces.push(client)
  client.addTap('tap0', '10.0.0.1/24')
  return client
}

async function unix(): Promise<Server> {
  await build(folder, '-t', 'unix', '--net', 'direct')
  const client = onTap()
  const { toolchain } = await findToolchain()
  const command = [process.execPath, join(folder, 'dist/echo.mjs'), '--ipv4=10.0.0.2/24', '--net:service=tap:tap0']
  const child = startPinned(command, { namespace: client, env: { MIRAGE_TAP: toolchain.tap } })
  return { name: 'ours under Node', process: child, client }
}

async function sealed(): Promise<Server> {
  await build(folder, '-t', 'spt')
  const client = onTap()
  const { toolchain } = await findToolchain()
  const image = join(folder, 'dist/echo.spt')
  const command = [toolchain.spt, '--mem', '256', '--net', 'tap:tap0', image, '--ipv4=10.0.0.2/24']
  return { name: 'ours as a sealed process', process: startPinned(command, { namespace: client }), client }
}

async function linux(): Promise<Server> {
  await build(folder, '-t', 'unix', '--net', 'host')
  const client = new Namespace()
  const server = new Namespace()
  namespaces.push(client, server)
  client.ip('link', 'add', 'veth0', 'type', 'veth', 'peer', 'name', 'veth0', 'netns', server.name)
  for (const [side, cidr] of [[client, '10.0.0.1/24'] as const, [server, '10.0.0.2/24'] as const]) {
    side.ip('addr', 'add', cidr, 'dev', 'veth0')
    side.ip('link', 'set', 'veth0', 'up')
  }
  const child = startPinned([process.execPath, join(folder, 'dist/echo.mjs')], { namespace: server })
  return { name: 'Linux, under Node', process: child, client }
}
