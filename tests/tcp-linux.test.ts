/**
 * Our TCP against Linux's, over a tap in a network namespace: both roles, clean and lossy.
 *
 * Needs root, `ip`, and mirage-tap (built from native/host/tap.c here when a C compiler is there); skipped otherwise.
 */
import assert from 'node:assert/strict'
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { after, before, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { ipv4 } from '@mirage-ts/core/addresses'
import { createMonotonicClock } from '@mirage-ts/node/clock'
import { createNetwork } from '@mirage-ts/node/network'
import { createRandom } from '@mirage-ts/node/random'
import { createTime } from '@mirage-ts/node/time'
import type { Port } from '@mirage-ts/signatures/addresses'
import type { TcpFlow } from '@mirage-ts/signatures/flow'
import type { FrameHandler, Network } from '@mirage-ts/signatures/network'
import type { Alarm, Time } from '@mirage-ts/signatures/time'
import { createTestStack, type TestStack } from '@mirage-ts/testing/direct-stack'
import { SeededRandom } from '@mirage-ts/testing/seeded-random'

const MIB = 1024 * 1024
const HERE = fileURLToPath(new URL('.', import.meta.url))
const PEER = join(HERE, 'tcp-linux-peer.mjs')
const NETNS = `mirage-tcp-${process.pid}`
const LINUX = ipv4(10, 77, 0, 1)
const OURS = '10.77.0.2'

let folder = ''
let relay: ChildProcess | undefined
let network: Network
let loss: Lossy
let stack: TestStack
let whyNot: string | undefined
let nextPort = 2000
/** TIME-WAIT must not keep the test alive. */
const alarms: Alarm[] = []

function sh(program: string, ...args: string[]): string {
  return execFileSync(program, args, { stdio: ['ignore', 'pipe', 'pipe'], encoding: 'utf8' })
}

/** Loses frames both ways. */
class Lossy implements Network {
  probability = 0
  private readonly below: Network
  private readonly random = new SeededRandom(5)
  constructor(below: Network) {
    this.below = below
  }
  get mac() {
    return this.below.mac
  }
  get mtuBytes() {
    return this.below.mtuBytes
  }
  get headroomBytes() {
    return this.below.headroomBytes
  }
  get stats() {
    return this.below.stats
  }
  alloc: Network['alloc'] = () => this.below.alloc()
  free: Network['free'] = (frame) => this.below.free(frame)
  send: Network['send'] = (frame, off, end) => {
    if (this.random.chance(this.probability)) this.below.free(frame)
    else this.below.send(frame, off, end)
  }
  listen(handler: FrameHandler): void {
    this.below.listen((frame, off, end) => {
      if (!this.random.chance(this.probability)) handler(frame, off, end)
    })
  }
  close(): void {
    this.below.close()
  }
}

before(async () => {
  try {
    folder = mkdtempSync(join(tmpdir(), 'mirage-tcp-'))
    const tap = process.env['MIRAGE_TAP'] ?? join(folder, 'mirage-tap')
    if (process.env['MIRAGE_TAP'] === undefined) {
      sh('cc', '-D_GNU_SOURCE', '-O2', '-o', tap, join(HERE, '../native/host/tap.c'))
    }
    sh('ip', 'netns', 'add', NETNS)
    const path = join(folder, 'tap.sock')
    relay = spawn('ip', ['netns', 'exec', NETNS, tap, 'tap0', path], { stdio: ['ignore', 'pipe', 'inherit'] })
    await firstLine(relay)
    sh('ip', '-n', NETNS, 'addr', 'add', '10.77.0.1/24', 'dev', 'tap0')
    sh('ip', '-n', NETNS, 'link', 'set', 'tap0', 'up')
    const random = createRandom()
    network = await createNetwork({ random }, { attachment: `stream:${path}` })
    loss = new Lossy(network)
    const clock = createMonotonicClock()
    const time = createTime()
    const alarm: Time['alarm'] = (ring) => {
      const made = time.alarm(ring)
      alarms.push(made)
      return made
    }
    const both = { now: () => clock.now(), sleep: time.sleep.bind(time), alarm }
    stack = createTestStack(loss, both, `${OURS}/24`, { seed: random.u32() })
  } catch (error) {
    whyNot = `no tap in a network namespace: ${error instanceof Error ? error.message.split('\n')[0] : error}`
  }
})

after(() => {
  for (const alarm of alarms) alarm.clear()
  network?.close()
  relay?.kill()
  try {
    sh('ip', 'netns', 'delete', NETNS)
  } catch {
    // It was never made.
  }
  rmSync(folder, { recursive: true, force: true })
})

function firstLine(child: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('close', () => reject(new Error('ended without a word')))
    if (child.stdout !== null) createInterface(child.stdout).once('line', resolve)
  })
}

/** Starts the peer; the function returned waits for its next line of JSON. */
function peer(...args: (string | number)[]): () => Promise<unknown> {
  const child = spawn('ip', ['netns', 'exec', NETNS, process.execPath, PEER, ...args.map(String)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const lines = createInterface(child.stdout)[Symbol.asyncIterator]()
  return async () => JSON.parse((await lines.next()).value ?? '"ended"')
}

function pattern(off: number, len: number): Uint8Array {
  const octets = new Uint8Array(len)
  for (let i = 0; i < len; i++) octets[i] = ((off + i) * 2654435761) >>> 24
  return octets
}

function hashOf(len: number): string {
  const hash = createHash('sha256')
  for (let off = 0; off < len; off += 65536) hash.update(pattern(off, Math.min(65536, len - off)))
  return hash.digest('hex')
}

async function sendAll(flow: TcpFlow, len: number): Promise<void> {
  for (let off = 0; off < len; off += 40_000) await flow.write(pattern(off, Math.min(40_000, len - off)))
  flow.shutdownWrite()
}

async function receiveAll(flow: TcpFlow): Promise<{ bytes: number; sha256: string }> {
  const hash = createHash('sha256')
  let bytes = 0
  for (let chunk = await flow.read(); chunk !== undefined; chunk = await flow.read()) {
    hash.update(chunk)
    bytes += chunk.length
  }
  return { bytes, sha256: hash.digest('hex') }
}

interface Case {
  readonly name: string
  readonly upBytes: number
  readonly downBytes: number
  readonly loss?: number
  readonly slowMs?: number
}

const CASES: readonly Case[] = [
  { name: 'nothing at all', upBytes: 0, downBytes: 0 },
  { name: '10 MiB from us', upBytes: 10 * MIB, downBytes: 0 },
  { name: '10 MiB to us', upBytes: 0, downBytes: 10 * MIB },
  { name: '10 MiB each way at once', upBytes: 10 * MIB, downBytes: 10 * MIB },
  { name: '4 MiB each way at once with 1 % loss', upBytes: 4 * MIB, downBytes: 4 * MIB, loss: 0.01 },
  { name: '1 MiB each way at once with 5 % loss', upBytes: MIB, downBytes: MIB, loss: 0.05 },
  { name: '8 MiB to a slow reader (zero windows)', upBytes: 8 * MIB, downBytes: 0, slowMs: 5 },
]

for (const role of ['connect', 'listen'] as const) {
  for (const one of CASES) {
    test(`tcp against Linux: we ${role}; ${one.name}`, { timeout: 120_000 }, async (t) => {
      if (whyNot !== undefined) return t.skip(whyNot)
      loss.probability = one.loss ?? 0
      const port = nextPort++ as Port
      const slow = one.slowMs === undefined ? [] : [one.slowMs]
      const started = performance.now()
      let flow: TcpFlow
      let line: () => Promise<unknown>
      if (role === 'connect') {
        line = peer('server', '10.77.0.1', port, one.downBytes, ...slow)
        assert.equal(await line(), 'listening')
        flow = await stack.tcp.connect({ address: LINUX, port })
      } else {
        let accept: (flow: TcpFlow) => void = () => {}
        const accepted = new Promise<TcpFlow>((resolve) => {
          accept = resolve
        })
        const listener = await stack.tcp.listen(port, (flow) => accept(flow))
        line = peer('client', OURS, port, one.downBytes, ...slow)
        flow = await accepted
        listener.close()
      }
      const [ours, theirs] = await Promise.all([receiveAll(flow), line(), sendAll(flow, one.upBytes)])
      await flow.close()
      loss.probability = 0
      assert.deepEqual(ours, { bytes: one.downBytes, sha256: hashOf(one.downBytes) })
      assert.deepEqual(theirs, { bytes: one.upBytes, sha256: hashOf(one.upBytes) })
      t.diagnostic(`${Math.round(performance.now() - started)} ms`)
    })
  }
}

test('tcp against Linux: connecting to a closed port is refused', async (t) => {
  if (whyNot !== undefined) return t.skip(whyNot)
  await assert.rejects(stack.tcp.connect({ address: LINUX, port: 1 as Port }), { code: 'connection-refused' })
})

test('tcp against Linux: connecting to our closed port is refused', async (t) => {
  if (whyNot !== undefined) return t.skip(whyNot)
  assert.deepEqual(await peer('client', OURS, 1, 0)(), { error: 'ECONNREFUSED' })
})
