/**
 * What the drivers carry: UDP echoed over a tap, by a sealed process, by a machine under QEMU's emulation, by a Linux machine
 * under the same, and by Linux itself; blocks of one file read and written by all of these, too.
 *
 *   node --import tsx bench/devices.ts [--seconds 3]
 *
 * One client in Node, with 64 datagrams on their way: it has its own bound, which Linux's row shows. Root only.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
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
import { linuxDevicesMachine } from './lib/linux-devices.ts'
import { record } from './lib/results.ts'

const { values } = parseArgs({ options: { seconds: { type: 'string', default: '3' } } })
const seconds = Number(values.seconds)
const DISK_BYTES = 32 << 20
const SMALL = 4096
const LARGE = 1 << 20

/** Ours, on each machine; Linux, which finds no devices on the smallest, is on a PC. */
const GUESTS = [
  { name: 'spt', target: 'spt', machine: [] },
  { name: 'virtio on microvm, emulated', target: 'virtio', machine: [] },
  { name: 'virtio on q35, emulated', target: 'virtio', machine: ['--machine', 'q35'] },
]
const QEMU = 'qemu-system-x86_64'
const EMULATED_PC = [
  ...['-accel', 'tcg', '-cpu', 'max', '-M', 'q35', '-nodefaults', '-no-user-config', '-no-reboot'],
  ...['-display', 'none', '-serial', 'stdio', '-monitor', 'none'],
]

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
const linuxWords = linuxDevicesMachine(seconds)
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
  for (const { name, target, machine } of GUESTS) {
    await build(app, '-t', target)
    await withNamespace(async (namespace) => {
      namespace.addTap('tap0', '10.0.0.1/24')
      const args = ['-t', target, ...machine, '--net', 'tap:tap0', '--', '--ipv4=10.0.0.2/24']
      const running = await Running.start(app, args, { ready: /ready/, namespace: namespace.name })
      await measureEcho(name, namespace, '10.0.0.2')
      await running.stop()
    })
  }
  await withNamespace(async (namespace) => {
    namespace.addTap('tap0', '10.0.0.1/24')
    const tap = [
      '-netdev',
      'tap,id=n0,ifname=tap0,script=no,downscript=no',
      '-device',
      'virtio-net-pci,netdev=n0,romfile=',
    ]
    const linux = spawn('ip', ['netns', 'exec', namespace.name, QEMU, ...EMULATED_PC, ...linuxWords, ...tap], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    await outputOf(linux, /ready/)
    await measureEcho('Linux on q35, emulated', namespace, '10.0.0.2')
    linux.kill()
    await once(linux, 'close')
  })
}

/** What it says, until that matches, or it ends. */
async function outputOf(child: ChildProcess, until?: RegExp): Promise<string> {
  let output = ''
  for await (const chunk of child.stdout?.setEncoding('utf8').iterator({ destroyOnReturn: false }) ?? []) {
    output += chunk
    if (until?.test(output)) break
  }
  return output
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
  for (const { name, target, machine } of GUESTS) {
    await build(app, '-t', target)
    const { status, stdout, stderr } = await mirage(app, 'run', '-t', target, ...machine, '--block', `disk=${file}`)
    if (status !== 0) throw new Error(stdout + stderr)
    recordBlocks(name, stdout)
  }
  const drive = ['-drive', `if=none,id=b0,format=raw,file=${file}`, '-device', 'virtio-blk-pci,drive=b0']
  const linux = spawn(QEMU, [...EMULATED_PC, ...linuxWords, ...drive], { stdio: ['ignore', 'pipe', 'inherit'] })
  recordBlocks('Linux on q35, emulated', await outputOf(linux))
}

function recordBlocks(name: string, output: string): void {
  const found = [...output.matchAll(/\[blocks\] (small|large) (read|write) ([\d.]+)/g)]
  if (found.length !== 4) throw new Error(`${name} did not measure four rates:\n${output}`)
  for (const [, size, action = '', rate] of found) recordBlock(name, size === 'small', action, Number(rate))
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
