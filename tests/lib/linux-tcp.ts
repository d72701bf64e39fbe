/** Our stack and Linux's on the two ends of a tap, with a bad line between them, and transfers over it. Root only. */
import assert from 'node:assert/strict'
import { execFileSync, spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { ipv4, macToString } from '@mirage-ts/core/addresses'
import { createMonotonicClock } from '@mirage-ts/node/clock'
import { createNetwork } from '@mirage-ts/node/network'
import { createRandom } from '@mirage-ts/node/random'
import { createTime } from '@mirage-ts/node/time'
import type { Port } from '@mirage-ts/signatures/addresses'
import type { TcpFlow } from '@mirage-ts/signatures/flow'
import type { Network } from '@mirage-ts/signatures/network'
import type { Alarm, Time } from '@mirage-ts/signatures/time'
import { createTestStack, type TestStack } from '@mirage-ts/testing/direct-stack'
import { ImpairedNetwork } from '@mirage-ts/testing/impaired-network'
import { SeededRandom } from '@mirage-ts/testing/seeded-random'
import { Namespace } from './namespace.ts'

const PEER = fileURLToPath(new URL('../tcp-linux-peer.mjs', import.meta.url))
const TAP_SOURCE = fileURLToPath(new URL('../../native/host/tap.c', import.meta.url))
export const LINUX = '10.77.0.1'
export const OURS = '10.77.0.2'
export const LINUX_ADDRESS = ipv4(10, 77, 0, 1)

export interface Transfer {
  readonly role: 'connect' | 'listen'
  /** Octets that we send, and that Linux sends, at once. */
  readonly upBytes: number
  readonly downBytes: number
  /** Linux reads a piece in so many milliseconds. */
  readonly slowMs?: number
}

/** A namespace with Linux's end of the tap, the line, and our stack. */
export class LinuxLink {
  readonly stack: TestStack
  /** Our end of the tap, below the line. */
  readonly network: Network
  private readonly badLine: ImpairedNetwork | undefined
  private readonly namespace: Namespace
  private readonly folder: string
  private readonly alarms: readonly Alarm[]
  private nextPort = 2000

  private constructor(
    stack: TestStack,
    network: Network,
    line: ImpairedNetwork | undefined,
    namespace: Namespace,
    folder: string,
    alarms: readonly Alarm[],
  ) {
    this.stack = stack
    this.network = network
    this.badLine = line
    this.namespace = namespace
    this.folder = folder
    this.alarms = alarms
  }

  /** With `hasOffload` the tap and our stack leave each other what they can, which a bad line between them would undo: there is none. */
  static async open({ mtuBytes = 1500, seed = 5, hasOffload = false, hasLine = true } = {}): Promise<LinuxLink> {
    const folder = mkdtempSync(join(tmpdir(), 'mirage-tcp-'))
    const tap = tapProgram()
    const namespace = new Namespace()
    // The relay that our own device starts opens the tap in the namespace.
    const inNamespace = join(folder, 'mirage-tap')
    writeFileSync(inNamespace, `#!/bin/sh\nexec ip netns exec ${namespace.name} ${tap} "$@"\n`, { mode: 0o755 })
    const given = process.env['MIRAGE_TAP']
    process.env['MIRAGE_TAP'] = inNamespace
    const attachment = 'tap:tap0'
    const opening = createNetwork({ random: createRandom() }, { attachment, offload: hasOffload })
    if (given === undefined) delete process.env['MIRAGE_TAP']
    else process.env['MIRAGE_TAP'] = given
    const network = await opening
    namespace.ip('addr', 'add', `${LINUX}/24`, 'dev', 'tap0')
    namespace.ip('link', 'set', 'tap0', 'mtu', String(mtuBytes), 'up')
    // Linux need not ask for our address: it gives up after three lost answers, which is not what these tests are about.
    namespace.ip('neigh', 'replace', OURS, 'lladdr', macToString(network.mac), 'dev', 'tap0')
    const clock = createMonotonicClock()
    const time = createTime()
    const alarms: Alarm[] = []
    // What our stack still waits for (neighbours, for one) must not keep the process alive.
    const alarm: Time['alarm'] = (ring) => {
      const made = time.alarm(ring)
      alarms.push(made)
      return made
    }
    const both = { now: () => clock.now(), sleep: time.sleep.bind(time), alarm }
    const line =
      hasOffload || !hasLine ? undefined : new ImpairedNetwork(network, both, new SeededRandom(seed), mtuBytes)
    const stack = createTestStack(line ?? network, both, `${OURS}/24`, { seed: createRandom().u32() })
    return new LinuxLink(stack, network, line, namespace, folder, alarms)
  }

  get line(): ImpairedNetwork {
    assert(this.badLine !== undefined, 'there is no line')
    return this.badLine
  }

  get namespaceName(): string {
    return this.namespace.name
  }

  close(): void {
    for (const alarm of this.alarms) alarm.clear()
    this.network.close()
    this.badLine?.close()
    this.namespace.remove()
    rmSync(this.folder, { recursive: true, force: true })
  }

  /** Starts the peer; the function returned waits for its next line of JSON. */
  peer(...args: (string | number)[]): () => Promise<unknown> {
    const child = spawn('ip', ['netns', 'exec', this.namespace.name, process.execPath, PEER, ...args.map(String)], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    const lines = createInterface(child.stdout)[Symbol.asyncIterator]()
    return async () => JSON.parse((await lines.next()).value ?? '"ended"')
  }

  /** Carries out a transfer and checks every octet; returns the milliseconds it took. */
  async transfer({ role, upBytes, downBytes, slowMs }: Transfer): Promise<number> {
    const port = this.nextPort++ as Port
    const slow = slowMs === undefined ? [] : [slowMs]
    let flow: TcpFlow
    let line: () => Promise<unknown>
    let started = performance.now()
    if (role === 'connect') {
      line = this.peer('server', LINUX, port, downBytes, ...slow)
      assert.equal(await line(), 'listening')
      started = performance.now()
      flow = await this.stack.tcp.connect({ address: LINUX_ADDRESS, port })
    } else {
      let accept: (flow: TcpFlow) => void = () => {}
      const accepted = new Promise<TcpFlow>((resolve) => {
        accept = resolve
      })
      const listener = await this.stack.tcp.listen(port, (flow) => accept(flow))
      const outcome = this.peer('client', OURS, port, downBytes, ...slow)()
      line = () => outcome
      const first = await Promise.race([accepted, outcome.then((said) => JSON.stringify(said))])
      if (typeof first === 'string') throw new Error(`Linux did not connect: ${first}`)
      flow = first
      started = performance.now()
      listener.close()
    }
    const [ours, theirs] = await Promise.all([receiveAll(flow), line(), sendAll(flow, upBytes)])
    const tookMs = performance.now() - started
    await flow.close()
    assert.deepEqual(ours, { bytes: downBytes, sha256: hashOf(downBytes) })
    assert.deepEqual(theirs, { bytes: upBytes, sha256: hashOf(upBytes) })
    return Math.round(tookMs)
  }
}

let builtTap: string | undefined

/** mirage-tap, built once for the process; the folder goes with it. */
function tapProgram(): string {
  const given = process.env['MIRAGE_TAP'] ?? builtTap
  if (given !== undefined) return given
  const folder = mkdtempSync(join(tmpdir(), 'mirage-tap-'))
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }))
  builtTap = join(folder, 'mirage-tap')
  execFileSync('cc', ['-D_GNU_SOURCE', '-O2', '-o', builtTap, TAP_SOURCE], { stdio: 'inherit' })
  return builtTap
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
