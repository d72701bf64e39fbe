/** Random segments: nothing throws, nothing grows (seeded; raise ROUNDS to search longer). */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ipv4 } from '@mirage-ts/core/addresses'
import { createFrame } from '@mirage-ts/core/bytes'
import { NO_LOG } from '@mirage-ts/core/log'
import { ms, seconds } from '@mirage-ts/core/time'
import type { Port } from '@mirage-ts/signatures/addresses'
import type { Frame } from '@mirage-ts/signatures/bytes'
import type { TcpFlow } from '@mirage-ts/signatures/flow'
import { TestLine } from '@mirage-ts/testing/ip-line'
import { MockTime } from '@mirage-ts/testing/mock-time'
import { SeededRandom } from '@mirage-ts/testing/seeded-random'
import { type Seq, seq } from '../seq.ts'
import { emitTcp, NO_OPTION, setTcpChecksum, TcpHeader } from '../wire/tcp.ts'
import type { TcpCounterName } from './counters.ts'
import { createTcp } from './tcp.ts'

const ROUNDS = 20_000
const US = ipv4(10, 0, 0, 1)
const PORTS = [80, 81, 40000, 40001, 40002] as Port[]
const MAX_CONNECTIONS = 32

/** Numbers around which it gets interesting: those of the last segments that the machine sent. */
interface Hints {
  seqs: Seq[]
  acks: Seq[]
}

function fuzz(seed: number): void {
  const name = `tcp fuzz ${seed}: random segments never throw and never grow`
  test(name, async () => {
    const time = new MockTime()
    const random = new SeededRandom(seed)
    const line = new TestLine(time, random, [US, ipv4(10, 0, 0, 2)])
    const tcp = createTcp(
      { ip: line.a, clock: time, time, random, log: NO_LOG },
      { maxConnections: MAX_CONNECTIONS, maxTimeWait: 8, receiveBufferBytes: 4096, sendBufferBytes: 8192 },
    )
    const hints: Hints = { seqs: [seq(0)], acks: [seq(0)] }
    line.a.send = (frame, off) => {
      hints.acks.push(frame.dv.getUint32(off + 4) as Seq)
      hints.seqs.push(frame.dv.getUint32(off + 8) as Seq)
      if (hints.acks.length > 40) {
        hints.acks.shift()
        hints.seqs.shift()
      }
      line.a.free(frame)
    }
    const flows: TcpFlow[] = []
    await tcp.listen(
      80 as Port,
      (flow) => {
        flows.push(flow)
      },
      { backlogCount: 8 },
    )
    const frame = createFrame(1600)
    for (let round = 0; round < ROUNDS; round++) {
      const end = randomSegment(random, frame, hints)
      const peer = ipv4(10, 0, 0, 2 + random.below(3))
      if (!random.chance(0.05)) setTcpChecksum(frame, 0, Math.max(20, end), peer, US)
      line.a.handler?.(frame, 0, end, peer, US, 0)
      const flow = flows[random.below(flows.length + 1)]
      if (flow !== undefined) act(random, flow)
      if (flows.length > 50) flows.splice(0, 25)
      if (random.chance(0.02)) await time.advance(ms(random.below(3000)))
      assert.ok(tcp.connectionCount <= MAX_CONNECTIONS)
      line.a.isFull = random.chance(0.02)
    }
    line.a.isFull = false
    for (const flow of flows) flow.abort()
    await time.advance(seconds(400))
    assert.equal(line.a.lentCount, 0, 'frames lent')
    for (const [counter, count] of Object.entries(tcp.counters))
      if (count > 0) neverReached.delete(counter as TcpCounterName)
  })
}

/** Writes a segment that is wrong in some way, or in none, and returns its end. */
function randomSegment(random: SeededRandom, frame: Frame, hints: Hints): number {
  const near = (numbers: Seq[]): Seq => {
    const base = numbers[random.below(numbers.length)] ?? seq(0)
    switch (random.below(5)) {
      case 0:
        return seq(random.u32())
      case 1:
        return seq(base + random.below(10_000) - 5000)
      case 2:
        return seq(base + random.below(5) - 2)
      default:
        return base
    }
  }
  const h = new TcpHeader()
  h.srcPort = PORTS[random.below(PORTS.length)] as Port
  h.dstPort = random.chance(0.9) ? (80 as Port) : (81 as Port)
  h.seq = near(hints.seqs)
  h.ack = near(hints.acks)
  h.flags = random.chance(0.3)
    ? random.below(64)
    : ([0x02, 0x10, 0x10, 0x10, 0x18, 0x11, 0x04, 0x12][random.below(8)] ?? 0)
  h.window = random.chance(0.2) ? 0 : random.below(65536)
  h.mss = random.chance(0.2) ? random.below(65536) : NO_OPTION
  h.windowScale = random.chance(0.2) ? random.below(256) : NO_OPTION
  const textAt = emitTcp(frame, 0, h)
  const textLen = random.chance(0.5) ? 0 : random.below(1400)
  if (textLen > 0) frame.u8.fill(random.below(256), textAt, textAt + textLen)
  let end = textAt + textLen
  if (random.chance(0.1)) frame.u8[12] = random.below(256)
  if (random.chance(0.1)) frame.u8[20 + random.below(8)] = random.below(256)
  if (random.chance(0.05)) end = random.below(end + 1)
  return end
}

/** What a user might do with a flow; every promise is handled. */
function act(random: SeededRandom, flow: TcpFlow): void {
  const ignore = (): void => {}
  switch (random.below(12)) {
    case 0:
      flow.abort()
      return
    case 1:
      flow.close().then(ignore, ignore)
      return
    case 2:
      flow.shutdownWrite()
      return
    case 3:
    case 4:
      flow.write(new Uint8Array(random.below(5000))).then(ignore, ignore)
      return
    case 5:
      flow.read().then(ignore, ignore)
      return
    default:
    // It does nothing, so that buffers fill up.
  }
}

/** What random segments must have run into by the end; the rest has tests of its own. */
const neverReached = new Set<TcpCounterName>([
  'truncated',
  'bad-data-offset',
  'bad-option',
  'bad-checksum',
  'no-connection',
  'backlog-full',
  'unacceptable',
  'bad-ack',
  'no-ack',
  'reset-not-exact',
  'syn-in-connection',
  'text-dropped',
  'timeouts',
  'probes',
  'noFrame',
])

for (let seed = 1; seed <= 3; seed++) fuzz(seed)

test('tcp fuzz: reached every reason to drop a segment', () => {
  assert.deepEqual([...neverReached], [])
})
