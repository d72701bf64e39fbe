/**
 * What the drivers carry: UDP echoed over a tap, by a sealed process, by a machine under QEMU's emulation and by Linux itself;
 * blocks read and written by the first two, and by Node on the same file system.
 *
 *   node --import tsx bench/devices.ts [--seconds 3]
 *
 * One client in Node, with 64 datagrams on their way: it has its own bound, which Linux's row shows. Root only.
 */
import type { ChildProcess } from 'node:child_process'
import {
  closeSync,
  fsyncSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readSync,
  rmSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { build, mirage, ROOT, Running } from '../tests/lib/mirage.ts'
import { Namespace, NO_NAMESPACES } from '../tests/lib/namespace.ts'
import { record } from './lib/results.ts'

const { values } = parseArgs({ options: { seconds: { type: 'string', default: '3' } } })
const seconds = Number(values.seconds)
const DISK_BYTES = 32 << 20
const SMALL = 4096
const LARGE = 1 << 20

const ECHO_CONFIG = `import { main, register } from '@mirage-ts/config'
import { defaultLog, genericStack } from '@mirage-ts/config/devices'
const echo = main('./unikernel.ts', 'start', { takes: { stack: 'stack', log: 'log' } })
export default register('echo', [echo({ stack: genericStack(), log: defaultLog })])
`
const ECHO = `import type { Port } from '@mirage-ts/signatures/addresses'
import type { Log } from '@mirage-ts/signatures/log'
import type { Stack } from '@mirage-ts/signatures/stack'
export async function start({ stack, log }: { stack: Stack; log: Log }): Promise<void> {
  const socket = await stack.udp.bind(7 as Port, (octets, from) => socket.trySend(octets, from))
  log.logger('echo').info('ready')
  await new Promise(() => {})
}
`

const BLOCK_CONFIG = `import { main, register } from '@mirage-ts/config'
import { block, defaultClock, defaultLog } from '@mirage-ts/config/devices'
const blocks = main('./unikernel.ts', 'start', { takes: { disk: 'block', clock: 'clock', log: 'log' } })
export default register('blocks', [blocks({ disk: block('disk'), clock: defaultClock, log: defaultLog })])
`
const BLOCKS = `import type { Block } from '@mirage-ts/signatures/block'
import type { Log } from '@mirage-ts/signatures/log'
import type { MonotonicClock } from '@mirage-ts/signatures/time'
const DEPTH = 8
export async function start({ disk, clock, log }: { disk: Block; clock: MonotonicClock; log: Log }): Promise<void> {
  const report = log.logger('blocks')
  for (const [name, lenBytes] of [['small', ${SMALL}], ['large', ${LARGE}]] as const) {
    const places = Math.floor((disk.sectorCount * disk.sectorBytes) / lenBytes)
    for (const action of ['read', 'write'] as const) {
      const until = clock.now() + ${seconds} * 1_000_000
      const from = clock.now()
      let count = 0
      let state = 1
      const work = async (): Promise<void> => {
        const octets = new Uint8Array(lenBytes)
        while (clock.now() < until) {
          state = (Math.imul(state, 1664525) + 1013904223) >>> 0
          const place = name === 'small' ? state % places : count % places
          await disk[action](place * (lenBytes / disk.sectorBytes), octets)
          count++
        }
      }
      await Promise.all(Array.from({ length: name === 'small' ? DEPTH : 1 }, work))
      await disk.flush()
      report.info([name, action, (count * 1e6) / (clock.now() - from)].join(' '))
    }
  }
}
`

const SERVER = `const socket = require('node:dgram').createSocket('udp4')
socket.on('message', (octets, from) => socket.send(octets, from.port, from.address)).bind(7, () => console.log('ready'))`

/** Keeps a window of datagrams on their way, starts again what was lost, and prints how many came back in a second. */
const CLIENT = `const [seconds, window, address] = [${seconds}, Number(process.argv[1]), process.argv[2]]
const socket = require('node:dgram').createSocket('udp4')
const octets = Buffer.alloc(64, 1)
let count = 0, last = 0
const send = () => socket.send(octets, 7, address)
socket.on('message', () => { count++; send() })
socket.bind(0, () => { for (let i = 0; i < window; i++) send() })
setInterval(() => { if (count === last) for (let i = 0; i < window; i++) send(); last = count }, 200)
let warm = 0
setTimeout(() => { warm = count }, 500)
setTimeout(() => { console.log((count - warm) / seconds); process.exit() }, 500 + seconds * 1000)`

if (NO_NAMESPACES !== false) throw new Error(NO_NAMESPACES)
mkdirSync(join(ROOT, 'dist'), { recursive: true })
const folder = mkdtempSync(join(ROOT, 'dist/bench-'))
try {
  await echoes()
  await disks()
} finally {
  rmSync(folder, { recursive: true, force: true })
}

function application(name: string, config: string, unikernel: string): string {
  const app = join(folder, name)
  mkdirSync(app)
  writeFileSync(join(app, 'config.ts'), config)
  writeFileSync(join(app, 'unikernel.ts'), unikernel)
  return app
}

async function echoes(): Promise<void> {
  const app = application('echo', ECHO_CONFIG, ECHO)
  await withNamespace(async (namespace) => {
    const linux = spawnNode(namespace, SERVER)
    await new Promise((ready) => linux.stdout?.once('data', ready))
    await measureEcho('Linux, Node’s sockets', namespace, '127.0.0.1')
    linux.kill()
  })
  for (const target of ['spt', 'virtio']) {
    await build(app, '-t', target)
    await withNamespace(async (namespace) => {
      namespace.addTap('tap0', '10.0.0.1/24')
      const args = ['-t', target, '--net', 'tap:tap0', '--', '--ipv4=10.0.0.2/24']
      const running = await Running.start(app, args, { ready: /ready/, namespace: namespace.name })
      await measureEcho(target === 'spt' ? 'spt' : 'virtio, emulated', namespace, '10.0.0.2')
      await running.stop()
    })
  }
}

async function withNamespace(work: (namespace: Namespace) => Promise<void>): Promise<void> {
  const namespace = new Namespace()
  try {
    await work(namespace)
  } finally {
    namespace.remove()
  }
}

function spawnNode(namespace: Namespace, script: string, ...args: readonly string[]): ChildProcess {
  return namespace.start([process.execPath, '-e', script, ...args], { stdio: ['ignore', 'pipe', 'inherit'] })
}

async function measureEcho(name: string, namespace: Namespace, address: string): Promise<void> {
  const many = Number(await namespace.run(process.execPath, '-e', CLIENT, '64', address))
  record({ group: 'UDP echo, 64 on their way', name, value: many, unit: 'packets/s' })
  const one = Number(await namespace.run(process.execPath, '-e', CLIENT, '1', address))
  record({ group: 'UDP echo, one at a time', name, value: 1e6 / one, unit: 'µs there and back' })
}

async function disks(): Promise<void> {
  const app = application('blocks', BLOCK_CONFIG, BLOCKS)
  const file = join(folder, 'disk.raw')
  writeFileSync(file, new Uint8Array(DISK_BYTES))
  onNode(file)
  for (const target of ['spt', 'virtio']) {
    await build(app, '-t', target)
    const { status, stdout, stderr } = await mirage(app, 'run', '-t', target, '--block', `disk=${file}`)
    if (status !== 0) throw new Error(stdout + stderr)
    for (const [, size, action = '', rate] of stdout.matchAll(/\[blocks\] (small|large) (read|write) ([\d.]+)/g)) {
      recordBlock(target === 'spt' ? 'spt' : 'virtio, emulated', size === 'small', action, Number(rate))
    }
  }
}

function recordBlock(name: string, isSmall: boolean, action: string, rate: number): void {
  const group = isSmall ? `4 KiB at random, ${action}` : `1 MiB in sequence, ${action}`
  record({ group, name, value: rate, unit: isSmall ? 'each second' : 'MiB/s' })
}

/** The same on this machine's file system, through its cache, as the others. */
function onNode(file: string): void {
  const fd = openSync(file, 'r+')
  for (const lenBytes of [SMALL, LARGE]) {
    const octets = new Uint8Array(lenBytes)
    const places = DISK_BYTES / lenBytes
    for (const action of ['read', 'write'] as const) {
      const from = performance.now()
      let count = 0
      let state = 1
      for (; performance.now() < from + seconds * 1000; count++) {
        state = (Math.imul(state, 1664525) + 1013904223) >>> 0
        const place = (lenBytes === SMALL ? state : count) % places
        if (action === 'read') readSync(fd, octets, 0, lenBytes, place * lenBytes)
        else writeSync(fd, octets, 0, lenBytes, place * lenBytes)
      }
      if (action === 'write') fsyncSync(fd)
      recordBlock('Linux, Node’s files', lenBytes === SMALL, action, count / ((performance.now() - from) / 1000))
    }
  }
  closeSync(fd)
}
