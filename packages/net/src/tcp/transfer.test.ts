/** Two of our stacks over a bad line: bytes identical, no stall, nothing left behind. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ipv4 } from '@mirage-ts/core/addresses'
import { NO_LOG } from '@mirage-ts/core/log'
import { ms, seconds } from '@mirage-ts/core/time'
import type { Port } from '@mirage-ts/signatures/addresses'
import type { TcpFlow } from '@mirage-ts/signatures/flow'
import { echo } from '@mirage-ts/testing/flow-tools'
import { type LineOptions, TestLine } from '@mirage-ts/testing/ip-line'
import { MockTime } from '@mirage-ts/testing/mock-time'
import { SeededRandom } from '@mirage-ts/testing/seeded-random'
import type { TcpOptions } from './options.ts'
import { type CountedTcp, createTcp } from './tcp.ts'

const MIB = 1024 * 1024
const A = ipv4(10, 0, 0, 1)
const B = ipv4(10, 0, 0, 2)
const PORT = 80 as Port

interface Pair {
  readonly time: MockTime
  readonly line: TestLine
  readonly a: CountedTcp
  readonly b: CountedTcp
}

function pair(options: LineOptions = {}, tcpOptions: TcpOptions = {}, seed = 1): Pair {
  const time = new MockTime()
  const random = new SeededRandom(seed)
  const line = new TestLine(time, random, [A, B], options)
  const shared = { clock: time, time, random, log: NO_LOG }
  const a = createTcp({ ip: line.a, ...shared }, tcpOptions)
  const b = createTcp({ ip: line.b, ...shared }, tcpOptions)
  return { time, line, a, b }
}

/** Writes in uneven pieces, then ends the stream. */
async function writeAll(flow: TcpFlow, octets: Uint8Array): Promise<void> {
  let off = 0
  for (let piece = 1; off < octets.length; piece = (piece * 7 + 13) % 50_000) {
    await flow.write(octets.subarray(off, off + piece))
    off += piece
  }
  flow.shutdownWrite()
}

async function readExactly(flow: TcpFlow, wanted: Uint8Array): Promise<void> {
  let off = 0
  for (;;) {
    const chunk = await flow.read()
    if (chunk === undefined) break
    assert.ok(off + chunk.length <= wanted.length, 'more octets than were written')
    if (Buffer.compare(chunk, wanted.subarray(off, off + chunk.length)) !== 0) assert.fail(`wrong octets after ${off}`)
    off += chunk.length
  }
  assert.equal(off, wanted.length)
}

/** `lenBytes` each way at once; returns the µs of mock time it took. */
async function exchange({ time, line, a, b }: Pair, lenBytes: number): Promise<number> {
  const random = new SeededRandom(7)
  const up = random.bytes(lenBytes)
  const down = random.bytes(lenBytes)
  let served: Promise<unknown> = Promise.resolve()
  const listener = await b.listen(PORT, (flow) => {
    served = Promise.all([writeAll(flow, down), readExactly(flow, up)]).then(() => flow.close())
  })
  const start = time.now()
  const flow = await time.until(a.connect({ address: B, port: PORT }))
  await time.until(Promise.all([writeAll(flow, up), readExactly(flow, down)]))
  await time.until(flow.close())
  await time.until(served)
  const tookUs = time.now() - start
  listener.close()
  await time.advance(seconds(200))
  assert.equal(a.connectionCount, 0, 'connections left at a')
  assert.equal(b.connectionCount, 0, 'connections left at b')
  assert.equal(time.pendingCount, 0, 'timers left')
  assert.equal(line.a.lentCount + line.b.lentCount, 0, 'frames left')
  return tookUs
}

test('tcp transfer: 10 MiB each way over a clean line', async () => {
  const p = pair()
  const took = await exchange(p, 10 * MIB)
  assert.equal(p.a.counters.retransmittedSegments + p.b.counters.retransmittedSegments, 0)
  assert.ok(took < 30e6, `took ${took} µs`)
})

for (const [name, options] of [
  ['1 % loss', { loss: 0.01 }],
  ['5 % loss', { loss: 0.05 }],
  ['2 % loss, 5 % reordered, 2 % duplicated', { loss: 0.02, reorder: 0.05, duplicate: 0.02 }],
  ['1 % corrupted', { corrupt: 0.01 }],
] as const) {
  test(`tcp transfer: 10 MiB each way with ${name} (tcpip #157: stalls with loss)`, async () => {
    const p = pair(options)
    const took = await exchange(p, 10 * MIB)
    assert.ok(took < 300e6, `took ${took / 1e6} s of mock time`)
  })
}

for (const [name, lenBytes, line, tcp] of [
  ['a small MTU, 50 ms away, 1 % loss', MIB, { mtuBytes: 576, delayUs: 50_000, loss: 0.01 }, {}],
  ['tiny buffers and 2 % loss', MIB, { loss: 0.02 }, { sendBufferBytes: 4096, receiveBufferBytes: 4096 }],
  ['a full queue in front of 10 Mbit/s', 4 * MIB, { rateBytes: 1.25e6, queueCount: 40, delayUs: 5000 }, {}],
  ['20 % loss', MIB / 8, { loss: 0.2 }, {}],
] as const) {
  for (let seed = 1; seed <= 3; seed++) {
    test(`tcp transfer: ${name}, seed ${seed}`, async (t) => {
      const took = await exchange(pair(line, tcp, seed), lenBytes)
      t.diagnostic(`${(took / 1e6).toFixed(1)} s of mock time`)
    })
  }
}

test('tcp transfer: the line goes dead for 20 s and comes back', async () => {
  const p = pair()
  const { time, line } = p
  const cut = async (): Promise<void> => {
    await time.sleep(ms(20))
    line.options = { loss: 1 }
    await time.sleep(seconds(20))
    line.options = {}
  }
  await Promise.all([cut(), exchange(p, 4 * MIB)])
})

test('tcp transfer: 100 connections at once with 2 % loss', async () => {
  const { time, line, a, b } = pair({ loss: 0.02, reorder: 0.02 })
  const listener = await b.listen(PORT, (flow) => {
    void echo(flow).catch((error: unknown) => assert.fail(String(error)))
  })
  const talk = async (number: number): Promise<void> => {
    const flow = await a.connect({ address: B, port: PORT })
    const octets = new SeededRandom(number).bytes(20_000)
    await Promise.all([writeAll(flow, octets), readExactly(flow, octets)])
    await flow.close()
  }
  await time.until(Promise.all(Array.from({ length: 100 }, (_, number) => talk(number))))
  listener.close()
  await time.advance(seconds(200))
  assert.equal(a.connectionCount + b.connectionCount, 0)
  assert.equal(time.pendingCount, 0)
  assert.equal(line.a.lentCount + line.b.lentCount, 0)
})
