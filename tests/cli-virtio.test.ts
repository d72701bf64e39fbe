/** The `mirage` command and virtio: builds images and boots them in QEMU. Needs gcc, make, musl-dev and QEMU. */
import assert from 'node:assert/strict'
import { execFile, spawn } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { get } from 'node:http'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { readImage } from '../packages/cli/src/image.ts'
import { HELLO_CONFIG, HELLO_UNIKERNEL, makeApp } from '../packages/cli/src/testing/app.ts'

const MIRAGE = fileURLToPath(new URL('../packages/cli/bin/mirage.mjs', import.meta.url))

interface Ended {
  readonly status: number | null
  readonly out: string
  readonly error: string
}

function mirage(folder: string, ...words: readonly string[]): Promise<Ended> {
  return new Promise((done) => {
    const child = execFile(process.execPath, [MIRAGE, ...words], { cwd: folder }, (_error, out, error) => {
      done({ status: child.exitCode, out, error })
    })
  })
}

const HELLO = { 'config.ts': HELLO_CONFIG, 'unikernel.ts': HELLO_UNIKERNEL }

test('virtio: hello is built, boots, and ends with status 0; the same sources give the same image', async (t) => {
  const one = makeApp(t, HELLO)
  const built = await mirage(one, 'build', '-t', 'virtio', '--verify')
  assert.equal(built.status, 0, built.error)
  assert.match(built.out, /\nVerified: built again elsewhere it is the same, SHA-256 [0-9a-f]{64}\n$/)
  const ran = await mirage(one, 'run', '--mem', '8')
  assert.deepEqual([ran.status, ran.error], [0, ''])
  assert.match(ran.out, /INFO {2}\[application\] hello\r?\n$/)
  const image = readFileSync(join(one, 'dist/hello.virtio'))
  assert.equal(readImage(image).assets.length, 0)
  // Its log and arguments need no Date, JSON, Map or regular expression: see packages/core/src/digits.ts.
  assert(image.length <= 600_000, `hello takes ${image.length} octets`)
  const inspected = await mirage(one, 'inspect', 'dist/hello.virtio')
  assert.match(inspected.out, /\nEngine {5}QuickJS-ng \d+\.\d+\.\d+\n/)
  assert.match(inspected.out, /\n {2}mirage-runtime .*\n {2}musl .*\n {2}quickjs-ng /)
})

test('virtio: parts of the engine are linked for a reason, which is told; the name of a file is none', async (t) => {
  const app = makeApp(t, {
    'config.ts': HELLO_CONFIG,
    'match.ts': 'export const year = (): number => new Date(0).getFullYear()\n',
    'unikernel.ts': HELLO_UNIKERNEL.replace("info('hello')", 'info(String(year()) + /h+/.test("h"))').replace(
      '\n\n',
      "\nimport { year } from './match.ts'\n\n",
    ),
  })
  assert.match((await mirage(app, 'describe', '-t', 'virtio')).out, /\nLinked {5}known after mirage build\n/)
  assert.match(
    (await mirage(app, 'query', 'linked', '-t', 'virtio')).error,
    /^There is no dist\/hello\.virtio: make it/,
  )
  const built = await mirage(app, 'build', '-t', 'virtio')
  assert.equal(built.status, 0, built.error)
  const linked = JSON.parse((await mirage(app, 'query', 'linked', '--json')).out)
  assert.deepEqual(linked.engine, { date: ['Date in ./match.ts'], regexp: ['/.../ in ./unikernel.ts'] })
  assert.deepEqual(linked.left, ['json', 'mapset', 'proxy', 'weakref'])
  assert.deepEqual(linked.native.exit, ['@mirage-ts/metal/src/run.ts'])
  const text = (await mirage(app, 'query', 'linked')).out
  assert.match(
    text,
    /^date +Date in \.\/match\.ts\nregexp +.*\nnative (.|\n)*\nLeft out: json, mapset, proxy, weakref\n$/,
  )
  for (const command of [['describe'], ['inspect', 'dist/hello.virtio']]) {
    assert.match(
      (await mirage(app, ...command)).out,
      /\nLinked {5}date +Date in \.\/match\.ts\n {11}regexp +\/\.\.\.\/ in /,
    )
  }
  const other = await mirage(app, 'query', 'linked', '-t', 'unix')
  assert.match(other.error, /^There is no dist\/hello\.mjs/)
})

test('virtio: boot arguments, their help and their errors reach the exit status', async (t) => {
  const app = makeApp(t, HELLO)
  const quiet = await mirage(app, 'run', '-t', 'virtio', '-q', '--', '--logs=*:quiet')
  assert.deepEqual(quiet, { status: 0, out: '', error: '' })
  const help = await mirage(app, 'run', '-t', 'virtio', '--', '--help')
  assert.equal(help.status, 63)
  assert.match(help.out, /^Boot arguments of hello\r?\n/)
  const unknown = await mirage(app, 'run', '-t', 'virtio', '--', '--lgos=debug')
  assert.equal(unknown.status, 64)
  assert.match(unknown.out, /^hello: Unknown option --lgos; did you mean --logs\?\r?\n$/)
})

test('virtio: a job that fails and a device that does not start end with status 1', async (t) => {
  const failing = makeApp(t, {
    ...HELLO,
    'unikernel.ts': `${HELLO_UNIKERNEL.replace(/\n}\n$/, "\n  throw new Error('boom')\n}\n")}`,
  })
  const failed = await mirage(failing, 'run', '-t', 'virtio')
  assert.equal(failed.status, 1, failed.error)
  assert.match(failed.out, /hello: config\.ts:6: job start failed: Error: boom\r?\n +at start \(unikernel\.ts:8:\d+\)/)
  const broken = makeApp(t, {
    'config.ts': `import { device, main, register } from '@mirage-ts/config'

const broken = device('./broken.ts', 'createBroken', { makes: 'console' })
export default register('broken', [main('./unikernel.ts', 'start', { takes: { console: 'console' } })({ console: broken() })])
`,
    'broken.ts': `import type { Console } from '@mirage-ts/signatures/console'
export async function createBroken(): Promise<Console> {
  throw new Error('out of paper')
}
`,
    'unikernel.ts': `import type { Console } from '@mirage-ts/signatures/console'
export function start({ console }: { console: Console }): void {
  console.write('started')
}
`,
  })
  const ended = await mirage(broken, 'run', '-t', 'virtio')
  assert.equal(ended.status, 1, ended.error)
  assert.match(ended.out, /broken: config\.ts:4: console did not start: out of paper\r?\n$/)
})

test('virtio: a folder is carried once per content and served over a forwarded port until SIGTERM', async (t) => {
  const app = makeApp(t, {
    'config.ts': `import { bootKey, main, port, register } from '@mirage-ts/config'
import { crunch, defaultLog, genericStack } from '@mirage-ts/config/devices'

const server = main('./unikernel.ts', 'start', {
  takes: { stack: 'stack', site: 'kv-ro', log: 'log' },
  keys: { port: bootKey('port', { type: port, default: 80, doc: 'where to listen' }) },
})
export default register('server', [server({ stack: genericStack(), site: crunch('./site'), log: defaultLog })])
`,
    'unikernel.ts': `import type { Port } from '@mirage-ts/signatures/addresses'
import type { KvRo } from '@mirage-ts/signatures/kv'
import type { Log } from '@mirage-ts/signatures/log'
import type { Stack } from '@mirage-ts/signatures/stack'

const HEAD = Uint8Array.from([...'HTTP/1.0 200 OK\\r\\n\\r\\n'].map((c) => c.charCodeAt(0)))

export async function start({ stack, site, log }: { stack: Stack; site: KvRo; log: Log }, { port }: { port: Port }) {
  const body = await site.get('copy.bin')
  await stack.tcp.listen(port, async (flow) => {
    await flow.read()
    await flow.write(HEAD)
    await flow.write(body)
    await flow.close()
  })
  log.logger('server').info('listening on ' + port)
  await new Promise<never>(() => {})
}
`,
    'site/a.bin': Uint8Array.from({ length: 100_000 }, (_, i) => i % 251),
    'site/copy.bin': Uint8Array.from({ length: 100_000 }, (_, i) => i % 251),
  })
  const built = await mirage(app, 'build', '-t', 'virtio')
  assert.equal(built.status, 0, built.error)
  assert.equal(readImage(readFileSync(join(app, 'dist/server.virtio'))).assets.length, 1)
  const words = ['run', '--port', '0:8080', '--', '--port=8080']
  const child = spawn(process.execPath, [MIRAGE, ...words], { cwd: app, stdio: ['ignore', 'pipe', 'pipe'] })
  t.after(() => child.kill())
  const ended = new Promise<number | null>((done) => child.on('close', done))
  const hostPort = await new Promise<number>((done, failed) => {
    let said = ''
    let port = 0
    const read = (chunk: Buffer) => {
      said += chunk.toString()
      port = Number(/Port (\d+) of this machine/.exec(said)?.[1] ?? port)
      if (port !== 0 && said.includes('listening on 8080')) done(port)
    }
    child.stdout.on('data', read)
    child.stderr.on('data', read)
    child.on('close', (status) => failed(new Error(`ended with ${status}: ${said}`)))
  })
  const body = await new Promise<Buffer>((done, failed) => {
    get({ port: hostPort }, (response) => {
      const chunks: Buffer[] = []
      response.on('data', (chunk: Buffer) => chunks.push(chunk))
      response.on('end', () => done(Buffer.concat(chunks)))
    }).on('error', failed)
  })
  assert.deepEqual(body, readFileSync(join(app, 'site/a.bin')))
  child.kill('SIGTERM')
  assert.equal(await ended, 143)
})

test('virtio: two networks are attached by name, each with its own stack and keys; constants cut the image', async (t) => {
  const app = makeApp(t, {
    'config.ts': `import { configureFlag, main, register } from '@mirage-ts/config'
import { defaultLog, directStack, network } from '@mirage-ts/config/devices'

const gate = main('./unikernel.ts', 'start', { takes: { outside: 'stack', inside: 'stack', log: 'log' } })
const inside = directStack(network('management'), { group: 'management' })
export default register('gate', [gate({ outside: directStack(), inside, log: defaultLog })], {
  keys: [configureFlag('verbose', { doc: 'say more' })],
})
`,
    'unikernel.ts': `import type { Port } from '@mirage-ts/signatures/addresses'
import type { Log } from '@mirage-ts/signatures/log'
import type { Stack } from '@mirage-ts/signatures/stack'

const octets = (text: string) => Uint8Array.from([...text].map((c) => c.charCodeAt(0)))

export async function start({ outside, inside, log }: { outside: Stack; inside: Stack; log: Log }) {
  if (import.meta.mirage.verbose) log.logger('gate').info('a sentence that nobody asked for')
  for (const [name, stack] of [['outside', outside], ['inside', inside]] as const) {
    await stack.tcp.listen(80 as Port, async (flow) => {
      await flow.read()
      await flow.write(octets('HTTP/1.0 200 OK\\r\\n\\r\\n' + name))
      await flow.close()
    })
  }
  log.logger('gate').info('open')
  await new Promise<never>(() => {})
}
`,
  })
  const built = await mirage(app, 'build', '-t', 'virtio')
  assert.equal(built.status, 0, built.error)
  assert.equal(readFileSync(join(app, 'dist/gate.virtio')).includes('nobody asked for'), false)
  const missing = await mirage(app, 'run', '--net', 'management=stream:/nowhere')
  assert.deepEqual([missing.status, missing.out], [1, ''])
  assert.match(missing.error, /^gate needs network 'management', and nothing listens on \/nowhere: give --net /)
  const ports = ['--port', 'service=0:80', '--port', 'management=0:80']
  const words = ['run', ...ports, '--', '--management-ipv4=10.0.3.15/24', '--management-ipv4-gateway=10.0.3.2']
  const child = spawn(process.execPath, [MIRAGE, ...words], { cwd: app, stdio: ['ignore', 'pipe', 'pipe'] })
  t.after(() => child.kill())
  const hostPorts = await new Promise<number[]>((done, failed) => {
    let said = ''
    const read = (chunk: Buffer) => {
      said += chunk.toString()
      const found = [...said.matchAll(/Port (\d+) of this machine/g)].map((match) => Number(match[1]))
      if (found.length === 2 && said.includes('open')) done(found)
    }
    child.stdout.on('data', read)
    child.stderr.on('data', read)
    child.on('close', (status) => failed(new Error(`ended with ${status}: ${said}`)))
  })
  const answers = await Promise.all(
    hostPorts.map(async (port) => await (await fetch(`http://127.0.0.1:${port}/`)).text()),
  )
  assert.deepEqual(answers, ['outside', 'inside'])
})

test('virtio: what is missing to build is named with its package', async (t) => {
  const app = makeApp(t, HELLO)
  const cache = join(app, 'cache')
  const child = await new Promise<Ended>((done) => {
    const run = execFile(
      process.execPath,
      [MIRAGE, 'build', '-t', 'virtio'],
      { cwd: app, env: { PATH: join(app, 'nothing'), XDG_CACHE_HOME: cache } },
      (_error, out, error) => done({ status: run.exitCode, out, error }),
    )
  })
  assert.equal(child.status, 1)
  assert.match(child.error, /^Compiling the native runtime needs gcc, make.*; on Debian: apt-get install gcc make/)
  assert.equal(existsSync(join(app, 'dist')), false)
})
