/** Our stack and Linux's on the two ends of a tap, with a bad line between them, and transfers over it. Root only. */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import { ipv4, macToString, parseIp } from '@mirage-ts/core/addresses'
import { ms } from '@mirage-ts/core/time'
import { createRandom } from '@mirage-ts/node/random'
import type { IpAddress, Port } from '@mirage-ts/signatures/addresses'
import type { TcpFlow } from '@mirage-ts/signatures/flow'
import type { Network } from '@mirage-ts/signatures/network'
import { createTestStack, type TestStack } from '@mirage-ts/testing/direct-stack'
import { createDualTestStack } from '@mirage-ts/testing/dual-stack'
import { ImpairedNetwork } from '@mirage-ts/testing/impaired-network'
import { SeededRandom } from '@mirage-ts/testing/seeded-random'
import { Namespace } from './namespace.ts'
import { createEndingTime, openTapIn } from './tap.ts'

const PEER = fileURLToPath(new URL('../tcp-linux-peer.mjs', import.meta.url))
export const LINUX = '10.77.0.1'
export const OURS = '10.77.0.2'
export const LINUX_ADDRESS: IpAddress = ipv4(10, 77, 0, 1)
const LINUX6 = 'fd00:77::1'
const OURS6 = 'fd00:77::2'

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
  private readonly time: ReturnType<typeof createEndingTime>
  private readonly ours: string
  /** Linux's address, of the version that transfers use. */
  readonly linux: string
  private nextPort = 2000

  private constructor(
    stack: TestStack,
    network: Network,
    line: ImpairedNetwork | undefined,
    namespace: Namespace,
    time: ReturnType<typeof createEndingTime>,
    ours: string,
    linux: string,
  ) {
    this.ours = ours
    this.linux = linux
    this.stack = stack
    this.network = network
    this.badLine = line
    this.namespace = namespace
    this.time = time
  }

  /** With `hasOffload` the tap and our stack leave each other what they can, which a bad line between them would undo: there is none. */
  static async open({
    mtuBytes = 1500,
    seed = 5,
    hasOffload = false,
    hasLine = true,
    isIpv6 = false,
  } = {}): Promise<LinuxLink> {
    const namespace = new Namespace()
    const network = await openTapIn(namespace, 'tap0', { offload: hasOffload, mtuBytes: Math.max(mtuBytes, 1500) })
    namespace.ip('addr', 'add', `${LINUX}/24`, 'dev', 'tap0')
    namespace.ip('link', 'set', 'tap0', 'mtu', String(mtuBytes), 'up')
    if (isIpv6) namespace.ip('-6', 'addr', 'add', `${LINUX6}/64`, 'dev', 'tap0', 'nodad')
    // Linux need not ask for our address: it gives up after three lost answers, which is not what these tests are about.
    const ours = isIpv6 ? OURS6 : OURS
    namespace.ip('neigh', 'replace', ours, 'lladdr', macToString(network.mac), 'dev', 'tap0')
    const time = createEndingTime()
    const isDirect = hasOffload || !hasLine
    const line = isDirect ? undefined : new ImpairedNetwork(network, time, new SeededRandom(seed), mtuBytes)
    const options = { seed: createRandom().u32() }
    const stack = isIpv6
      ? createDualTestStack(line ?? network, time, `${OURS}/24`, { ...options, ipv6: `${OURS6}/64` })
      : createTestStack(line ?? network, time, `${OURS}/24`, options)
    // Nobody may have objected to the address for a second (RFC 4862 §5.4).
    while (isIpv6 && !stack.addresses.includes(parseIp(OURS6) as IpAddress)) await time.sleep(ms(50))
    return new LinuxLink(stack, network, line, namespace, time, ours, isIpv6 ? LINUX6 : LINUX)
  }

  get line(): ImpairedNetwork {
    assert(this.badLine !== undefined, 'there is no line')
    return this.badLine
  }

  get namespaceName(): string {
    return this.namespace.name
  }

  close(): void {
    this.time.end()
    this.network.close()
    this.badLine?.close()
    this.namespace.remove()
  }

  /** Runs a program on Linux's side to its end and returns what it printed; a failure is an error with that. */
  run(file: string, ...args: readonly string[]): Promise<string> {
    return this.namespace.run(file, ...args)
  }

  /** Starts the peer; the function returned waits for its next line of JSON. */
  peer(...args: (string | number)[]): () => Promise<unknown> {
    const child = this.namespace.start([process.execPath, PEER, ...args.map(String)], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    const lines = createInterface(child.stdout as Readable)[Symbol.asyncIterator]()
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
      line = this.peer('server', this.linux, port, downBytes, ...slow)
      assert.equal(await line(), 'listening')
      started = performance.now()
      flow = await this.stack.tcp.connect({ address: parseIp(this.linux) as IpAddress, port })
    } else {
      let accept: (flow: TcpFlow) => void = () => {}
      const accepted = new Promise<TcpFlow>((resolve) => {
        accept = resolve
      })
      const listener = await this.stack.tcp.listen(port, (flow) => accept(flow))
      const outcome = this.peer('client', this.ours, port, downBytes, ...slow)()
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
