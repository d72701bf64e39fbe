/**
 * What TCP costs without a network below it: two machines in one process, joined by a queue. Prints processor time for each
 * segment and connection, and octets for each idle connection. Over a tap, against Linux: bench/tcp-tap.ts.
 *
 *   node --expose-gc --import tsx bench/tcp.ts [--quick]
 */
import { ipv4 } from '@mirage-ts/core/addresses'
import { createFrame } from '@mirage-ts/core/bytes'
import { NO_LOG } from '@mirage-ts/core/log'
import { close, receive, send, shutdown } from '@mirage-ts/net/tcp/calls'
import { type Connection, type ConnectionUser, EVENT_READABLE, EVENT_WRITABLE } from '@mirage-ts/net/tcp/connection'
import { MachineFlow } from '@mirage-ts/net/tcp/flow'
import { TcpMachine } from '@mirage-ts/net/tcp/machine'
import { type TcpOptions, TcpSettings } from '@mirage-ts/net/tcp/options'
import type { IpAddress, Port } from '@mirage-ts/signatures/addresses'
import type { Frame } from '@mirage-ts/signatures/bytes'
import type { Ip } from '@mirage-ts/signatures/ip'
import type { Instant } from '@mirage-ts/signatures/time'
import { SeededRandom } from '@mirage-ts/testing/seeded-random'
import { median } from './lib/machine.ts'

/** Milliseconds of processor time so far: other programs on the machine do not count. */
function cpuMs(): number {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1000
}

const HEADROOM = 40
const PORT = 80 as Port
const MIB = 1024 * 1024
const isQuick = process.argv.includes('--quick')
const gc = (globalThis as { gc?: () => void }).gc

/** The network layer of one end: what is sent waits in `queue` for the other. */
class Wire implements Ip {
  readonly headroomBytes = HEADROOM
  readonly addresses: readonly IpAddress[]
  readonly queue: { frame: Frame; off: number; end: number }[] = []
  readonly spare: Frame[]
  constructor(address: IpAddress, spare: Frame[]) {
    this.addresses = [address]
    this.spare = spare
  }
  mtuBytes(): number {
    return 1480
  }
  source(): IpAddress | undefined {
    return this.addresses[0]
  }
  alloc(): Frame {
    return this.spare.pop() ?? createFrame(HEADROOM + 1480)
  }
  readonly isChecksumOffloaded = false
  largeBytes(): number {
    return 0
  }
  allocLarge(): undefined {}
  send(frame: Frame, off: number, end: number): void {
    this.queue.push({ frame, off, end })
  }
  free(frame: Frame): void {
    this.spare.push(frame)
  }
  listen(): void {}
  listenErrors(): void {}
  reportError(): void {}
}

const CLIENT = ipv4(10, 0, 0, 1)
const SERVER = ipv4(10, 0, 0, 2)

/** Two machines; time stands still but for what `pump` is told. */
class Pair {
  readonly client: TcpMachine
  readonly server: TcpMachine
  readonly serverSide: Connection[] = []
  now = 1_000_000 as Instant
  segmentCount = 0
  private readonly clientWire: Wire
  private readonly serverWire: Wire

  constructor(options: TcpOptions, user: (pair: Pair, connection: Connection) => ConnectionUser) {
    const spare: Frame[] = []
    this.clientWire = new Wire(CLIENT, spare)
    this.serverWire = new Wire(SERVER, spare)
    const log = NO_LOG.logger('tcp')
    const settings = new TcpSettings({ maxConnections: 20_000, maxTimeWait: 16, ...options })
    this.client = new TcpMachine({ ip: this.clientWire, random: new SeededRandom(1), log }, settings)
    this.server = new TcpMachine({ ip: this.serverWire, random: new SeededRandom(2), log }, settings)
    this.server.listen(PORT, 20_000, (connection) => {
      this.serverSide.push(connection)
      connection.user = user(this, connection)
    })
  }

  open(user: ConnectionUser): Connection {
    const opened = this.client.connect({ address: SERVER, port: PORT }, user, this.now)
    if (typeof opened === 'string') throw new Error(`Cannot connect: ${opened}`)
    this.pump()
    return opened
  }

  /** Carries segments until there are none; alarms ring when nothing else happens and `isWaiting()`. */
  pump(isWaiting: () => boolean = () => false): void {
    for (;;) {
      const moved =
        carry(this.clientWire, this.server, this.now, CLIENT, SERVER) +
        carry(this.serverWire, this.client, this.now, SERVER, CLIENT)
      this.segmentCount += moved
      this.now = (this.now + 10) as Instant
      if (this.server.nextDeadline() <= this.now) this.server.poll(this.now)
      if (this.client.nextDeadline() <= this.now) this.client.poll(this.now)
      if (moved > 0) continue
      if (!isWaiting()) return
      this.now = Math.max(this.now, Math.min(this.client.nextDeadline(), this.server.nextDeadline())) as Instant
      this.client.poll(this.now)
      this.server.poll(this.now)
    }
  }
}

function carry(from: Wire, to: TcpMachine, now: Instant, src: IpAddress, dst: IpAddress): number {
  const { queue } = from
  const count = queue.length
  for (let i = 0; i < count; i++) {
    const one = queue[i]
    if (one === undefined) break
    to.input(one.frame, one.off, one.end, src, dst, false, now)
    from.spare.push(one.frame)
  }
  queue.splice(0, count)
  return count
}

/** Reads whatever comes. */
class Sink implements ConnectionUser {
  connection: Connection | undefined = undefined
  receivedBytes = 0
  private readonly pair: Pair
  constructor(pair: Pair, connection: Connection | undefined) {
    this.pair = pair
    this.connection = connection
  }
  onEvents(events: number): void {
    if ((events & EVENT_READABLE) === 0 || this.connection === undefined) return
    for (;;) {
      const chunk = receive(this.pair.server, this.connection, 65536, this.pair.now)
      if (chunk === undefined) return
      this.receivedBytes += chunk.length
    }
  }
}

/** Writes until it has written all. */
class Source implements ConnectionUser {
  connection: Connection | undefined = undefined
  leftBytes: number
  private readonly pair: Pair
  private readonly piece = new Uint8Array(65536)
  constructor(pair: Pair, leftBytes: number) {
    this.pair = pair
    this.leftBytes = leftBytes
  }
  onEvents(events: number): void {
    if ((events & EVENT_WRITABLE) !== 0) this.write()
  }
  write(): void {
    if (this.connection === undefined) return
    while (this.leftBytes > 0) {
      const accepted = send(this.pair.client, this.connection, this.piece, 0, this.piece.length, this.pair.now)
      if (accepted === 0) return
      this.leftBytes -= accepted
    }
  }
}

const nobody: ConnectionUser = { onEvents: () => {} }

/** µs for each segment of a bulk transfer, both machines and the checksums included. */
function bulk(): { usPerSegment: number; mbitPerS: number } {
  let sink: Sink | undefined
  const pair = new Pair({}, (pair, connection) => {
    sink = new Sink(pair, connection)
    return sink
  })
  const lenBytes = (isQuick ? 16 : 128) * MIB
  const source = new Source(pair, lenBytes)
  source.connection = pair.open(source)
  pair.segmentCount = 0
  const started = cpuMs()
  source.write()
  pair.pump(() => (sink?.receivedBytes ?? 0) < lenBytes)
  const us = (cpuMs() - started) * 1000
  return { usPerSegment: us / pair.segmentCount, mbitPerS: (lenBytes * 8) / us }
}

/** Connections opened, asked one question and closed, each second. */
function connections(): number {
  const request = new Uint8Array(100)
  const pair = new Pair({}, (pair, connection) => ({
    onEvents: (events) => {
      if ((events & EVENT_READABLE) === 0) return
      const chunk = receive(pair.server, connection, 65536, pair.now)
      if (chunk !== undefined) send(pair.server, connection, chunk, 0, chunk.length, pair.now)
      shutdown(pair.server, connection, pair.now)
    },
  }))
  const count = isQuick ? 2_000 : 20_000
  const started = cpuMs()
  for (let i = 0; i < count; i++) {
    const connection = pair.open(nobody)
    send(pair.client, connection, request, 0, request.length, pair.now)
    pair.pump()
    receive(pair.client, connection, 65536, pair.now)
    close(pair.client, connection, pair.now)
    pair.pump()
  }
  return (count * 1000) / (cpuMs() - started)
}

/**
 * `count` connections opened, each asked one question while all are open, then closed: connections each second, and octets of
 * memory for each when all were open, both ends.
 */
function concurrent(count: number): { perSecond: number; openBytes: number } {
  const request = new Uint8Array(100)
  const pair = new Pair({ maxTimeWait: count }, (pair, connection) => ({
    onEvents: (events) => {
      if ((events & EVENT_READABLE) === 0) return
      const chunk = receive(pair.server, connection, 65536, pair.now)
      if (chunk !== undefined) send(pair.server, connection, chunk, 0, chunk.length, pair.now)
      else shutdown(pair.server, connection, pair.now)
    },
  }))
  gc?.()
  const before = memoryBytes()
  const started = cpuMs()
  const all = Array.from({ length: count }, () => pair.open(nobody))
  let us = cpuMs() - started
  gc?.()
  const openBytes = (memoryBytes() - before) / count
  const asking = cpuMs()
  for (const connection of all) {
    send(pair.client, connection, request, 0, request.length, pair.now)
    pair.pump()
    if (receive(pair.client, connection, 65536, pair.now)?.length !== request.length) throw new Error('no answer')
  }
  for (const connection of all) {
    close(pair.client, connection, pair.now)
    pair.pump()
  }
  us += cpuMs() - asking
  return { perSecond: (count * 1000) / us, openBytes }
}

function memoryBytes(): number {
  const { heapUsed, arrayBuffers } = process.memoryUsage()
  return heapUsed + arrayBuffers
}

/**
 * µs for each segment when one octet is sent on each of `busyCount` of `count` connections in turn, twice a second on each. Were the time between
 * two segments of a connection not always the same, timers would expire for many connections that do not for few (delayed
 * acknowledgements, for one), and the figures would be of different work.
 */
function many(count: number, busyCount = count): number {
  const pair = new Pair({ noDelay: true }, (pair, connection) => new Sink(pair, connection))
  const all = Array.from({ length: count }, () => pair.open(nobody)).slice(-busyCount)
  // What opening has left behind is not part of the cost of a segment.
  gc?.()
  const one = new Uint8Array(1)
  const rounds = Math.ceil((isQuick ? 20_000 : 100_000) / busyCount)
  pair.segmentCount = 0
  const started = cpuMs()
  for (let round = 0; round < rounds; round++) {
    for (const connection of all) {
      pair.now = (pair.now + Math.round(500_000 / busyCount)) as Instant
      send(pair.client, connection, one, 0, one.length, pair.now)
      pair.pump()
    }
  }
  return ((cpuMs() - started) * 1000) / pair.segmentCount
}

/** Octets of memory for each of `count` idle connections that have carried text. One end of each. */
function idleBytes(count: number): number | undefined {
  if (gc === undefined) return undefined
  // As an application has them: with a flow on each end.
  const flows: MachineFlow[] = []
  const pair: Pair = new Pair({}, (_, connection) => {
    const flow = new MachineFlow(serverHost, connection)
    flows.push(flow)
    return flow
  })
  const now = (): Instant => pair.now
  const touched = (): void => {}
  const serverHost = { machine: pair.server, now, touched }
  const clientHost = { machine: pair.client, now, touched }
  const text = new Uint8Array(3000)
  for (let i = 0; i < 5; i++) gc()
  const before = process.memoryUsage()
  for (let i = 0; i < count; i++) {
    const connection = pair.open(nobody)
    flows.push(new MachineFlow(clientHost, connection))
    send(pair.client, connection, text, 0, text.length, pair.now)
    pair.pump()
    receive(pair.server, pair.serverSide.at(-1) as Connection, 65536, pair.now)
  }
  for (let i = 0; i < 3; i++) {
    pair.now = (pair.now + 1e6) as Instant
    pair.client.poll(pair.now)
    pair.server.poll(pair.now)
    pair.pump()
  }
  const inBuffers = pair.client.memory.usedBytes + pair.server.memory.usedBytes
  if (inBuffers !== 0 || flows.length < 2 * count)
    throw new Error(`${inBuffers} octets are left in buffers of idle connections`)
  for (let i = 0; i < 5; i++) gc()
  const after = process.memoryUsage()
  return (after.heapUsed + after.arrayBuffers - before.heapUsed - before.arrayBuffers) / (2 * count)
}

/** The median of three runs after a warming one. */
function thrice(run: () => number): number {
  run()
  return median([run(), run(), run()])
}

console.log('TCP without a network: two machines in one process (processor time, medians of 3)')
const idle = idleBytes(10_000)
console.log(
  idle === undefined
    ? 'idle connections: run with --expose-gc'
    : `10,000 idle connections: ${idle.toFixed(0)} octets each`,
)
const transfers = [bulk(), bulk(), bulk(), bulk()].slice(1)
console.log(
  `bulk: ${median(transfers.map((one) => one.usPerSegment)).toFixed(2)} µs a segment, acknowledgements counted; ` +
    `${median(transfers.map((one) => one.mbitPerS)).toFixed(0)} Mbit/s with both ends on one core`,
)
console.log(`connect, one request, close: ${thrice(connections).toFixed(0)} a second`)
const all = [concurrent(10_000), concurrent(10_000), concurrent(10_000)]
const openBytes =
  gc === undefined ? '' : `; ${median(all.map((one) => one.openBytes)).toFixed(0)} octets each, both ends`
console.log(
  `10,000 at once, opened, asked, closed: ${median(all.map((one) => one.perSecond)).toFixed(0)} a second${openBytes}`,
)
// Ten busy ones of many show what our tables and timers cost; all of them busy, what the caches of the processor do.
for (const count of [10, 100, 1000, 10_000]) {
  const few = thrice(() => many(count, 10))
  const busy = count === 10 ? few : thrice(() => many(count))
  const name = `${String(count).padStart(6)} connections`
  console.log(`${name}: ${few.toFixed(2)} µs a segment when 10 of them are busy, ${busy.toFixed(2)} when all are`)
}
