/**
 * Requests per second of the static-website and hono-api examples on unix, against nginx (one worker) and Node's own http,
 * with wrk: the same small file, the same run, over the loopback interface; server and client on a core each. With root, also
 * over our own stack and a tap. Prints ratios: absolute numbers depend on the machine.
 *
 *   node --import tsx bench/http.ts [--connections 1,32,256] [--seconds 3] [--rounds 3]
 *
 * Needs Debian's wrk and nginx-light.
 */
import { type ChildProcess, execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { findToolchain } from '@mirage-ts/cli/toolchain'
import { build, copyExample, ROOT } from '../tests/lib/mirage.ts'
import { Namespace, NO_NAMESPACES } from '../tests/lib/namespace.ts'
import { medianBy, onOtherProcessor, startPinned, usageOf } from './lib/servers.ts'

const { values } = parseArgs({
  options: {
    connections: { type: 'string', default: '1,32,256' },
    seconds: { type: 'string', default: '3' },
    rounds: { type: 'string', default: '3' },
  },
})

const SITE = join(ROOT, 'examples/applications/static-website/site')
const FILE = 'style.css'

interface Server {
  readonly name: string
  readonly url: string
  readonly process: ChildProcess
  /** Where wrk runs. */
  readonly namespace?: Namespace
}

const work = mkdtempSync(join(tmpdir(), 'mirage-bench-'))
const cleanups: (() => void)[] = [() => rmSync(work, { recursive: true, force: true })]
const servers: Server[] = []
try {
  await startServers()
  console.log(`${FILE}, ${readFileSync(join(SITE, FILE)).length} octets; hono-api answers / with a line of text`)
  const counts = values.connections.split(',').map(Number)
  for (const isKept of [true, false]) for (const connectionCount of counts) await compare(connectionCount, isKept)
} finally {
  for (const { process } of servers) process.kill()
  for (const cleanup of cleanups.reverse()) cleanup()
}

async function startServers(): Promise<void> {
  const website = await example('applications/static-website', 'static-website')
  const api = await example('applications/hono-api', 'hono-api')
  await start('nginx', 18_081, ['nginx', '-c', nginxConfig(18_081), '-p', work])
  await start('Node http', 18_082, [process.execPath, nodeServer(), '18082'])
  await start('ours, host sockets', 18_083, [process.execPath, website, '--port=18083', '--logs=quiet'])
  await start('hono-api, host sockets', 18_084, [process.execPath, api, '--port=18084', '--logs=quiet'], '/')
  if (NO_NAMESPACES !== false) return
  const namespace = new Namespace()
  cleanups.push(() => namespace.remove())
  namespace.addTap('tap0', '10.0.0.1/24')
  const direct = await example('applications/static-website', 'static-website', '--net', 'direct')
  const command = [process.execPath, direct, '--ipv4=10.0.0.2/24', '--net:service=tap:tap0', '--logs=quiet']
  const { toolchain } = await findToolchain()
  const child = startPinned(command, { namespace, env: { MIRAGE_TAP: toolchain.tap } })
  servers.push({ name: 'ours, own stack over a tap', url: `http://10.0.0.2/${FILE}`, process: child, namespace })
  for (const [name, tap, subnet, how] of [
    ['ours, spt over a tap', 'tap1', '10.0.1', []],
    ['ours, spt, machine code', 'tap2', '10.0.2', ['--native']],
  ] as const) {
    const sealed = copyExample('applications/static-website')
    cleanups.push(sealed.remove)
    await build(sealed.folder, '-t', 'spt', ...how)
    namespace.addTap(tap, `${subnet}.1/24`)
    const image = join(sealed.folder, 'dist/static-website.spt')
    const words = [toolchain.spt, '--net', `tap:${tap}`, image, `--ipv4=${subnet}.2/24`, '--logs=quiet']
    servers.push({ name, url: `http://${subnet}.2/${FILE}`, process: startPinned(words, { namespace }), namespace })
  }
  await sleep(4000)
}

async function example(path: string, name: string, ...args: readonly string[]): Promise<string> {
  const { folder, remove } = copyExample(path)
  cleanups.push(remove)
  await build(folder, '-t', 'unix', ...args)
  return join(folder, `dist/${name}.mjs`)
}

function nginxConfig(port: number): string {
  const file = join(work, 'nginx.conf')
  writeFileSync(
    file,
    `daemon off; worker_processes 1; pid ${work}/nginx.pid; error_log ${work}/error.log;
    events { worker_connections 1024; }
    http { access_log off; types { text/css css; } keepalive_requests 100000000; sendfile on; tcp_nopush on;
      client_body_temp_path ${work}/a; proxy_temp_path ${work}/b; fastcgi_temp_path ${work}/c; uwsgi_temp_path ${work}/d; scgi_temp_path ${work}/e;
      server { listen 127.0.0.1:${port}; root ${SITE}; } }`,
  )
  return file
}

function nodeServer(): string {
  const file = join(work, 'server.mjs')
  writeFileSync(
    file,
    `import { createServer } from 'node:http'
    import { readFileSync } from 'node:fs'
    const body = readFileSync(${JSON.stringify(join(SITE, FILE))})
    createServer((request, response) => {
      response.writeHead(200, { 'Content-Type': 'text/css', 'Content-Length': body.length, ETag: '"x"' })
      response.end(body)
    }).listen(Number(process.argv[2]), '127.0.0.1')`,
  )
  return file
}

async function start(name: string, port: number, command: readonly string[], path = `/${FILE}`): Promise<void> {
  servers.push({ name, url: `http://127.0.0.1:${port}${path}`, process: startPinned(command) })
  while (!(await isListening(port))) await sleep(50)
}

async function isListening(port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1')
  // `once` rejects with an error event.
  return await once(socket, 'connect')
    .then(
      () => true,
      () => false,
    )
    .finally(() => socket.destroy())
}

async function compare(connectionCount: number, isKept: boolean): Promise<void> {
  const results = new Map<Server, Result[]>()
  for (let round = 0; round < Number(values.rounds); round++) {
    for (const server of servers) {
      const result = await wrk(server, connectionCount, isKept)
      results.set(server, [...(results.get(server) ?? []), result])
    }
  }
  console.log(`\n${connectionCount} connections, ${isKept ? 'kept' : 'one for each request'}:`)
  const node = medianBy(results.get(servers[1] as Server) ?? [], rateOf)
  for (const [server, list] of results) {
    const { rate, cpuUs, p50, p99, errors } = medianBy(list, rateOf)
    const ratio = (rate / node.rate).toFixed(2)
    const memory = `${Math.round(usageOf(server.process).memoryKb / 1024)} MB`
    const work = `${cpuUs.toFixed(0)} µs of CPU (${(cpuUs / node.cpuUs).toFixed(2)})`
    console.log(
      `  ${server.name.padEnd(28)} ${String(Math.round(rate)).padStart(7)} req/s, ${ratio} of Node's, ${work}, p50 ${p50}, p99 ${p99}, ${memory}${errors}`,
    )
  }
}

interface Result {
  readonly rate: number
  /** Processor time of the server for each request: what other programs on the machine change least. */
  readonly cpuUs: number
  readonly p50: string
  readonly p99: string
  readonly errors: string
}

function rateOf({ rate }: Result): number {
  return rate
}

async function wrk(server: Server, connectionCount: number, isKept: boolean): Promise<Result> {
  const { url, namespace } = server
  const before = usageOf(server.process).cpuUs
  const args = [
    '-t1',
    `-c${connectionCount}`,
    `-d${values.seconds}s`,
    '--latency',
    ...(isKept ? [] : ['-H', 'Connection: close']),
    url,
  ]
  const command = onOtherProcessor(['wrk', ...args])
  const output =
    namespace === undefined
      ? execFileSync(command[0] as string, command.slice(1), { encoding: 'utf8' })
      : await namespace.run(command[0] as string, ...command.slice(1))
  const find = (pattern: RegExp) => pattern.exec(output)?.[1] ?? '?'
  const failed = /(Socket errors.*|Non-2xx.*)/.exec(output)?.[1]
  return {
    rate: Number(find(/Requests\/sec:\s+([\d.]+)/)),
    cpuUs: (usageOf(server.process).cpuUs - before) / Number(find(/(\d+) requests in/)),
    p50: find(/^ +50% +(\S+)/m),
    p99: find(/^ +99% +(\S+)/m),
    errors: failed === undefined ? '' : `; ${failed}`,
  }
}
