/** The adapter: listeners, connecting, cancelling, handlers that fail, ICMP errors. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ipv4 } from '@mirage-ts/core/addresses'
import { frameOf } from '@mirage-ts/core/bytes'
import { CancelController } from '@mirage-ts/core/cancel'
import { NetError } from '@mirage-ts/core/errors'
import { NO_LOG } from '@mirage-ts/core/log'
import { minutes, ms, NEVER, seconds } from '@mirage-ts/core/time'
import type { Port } from '@mirage-ts/signatures/addresses'
import type { TcpFlow } from '@mirage-ts/signatures/flow'
import type { IpErrorKind } from '@mirage-ts/signatures/ip'
import type { Log } from '@mirage-ts/signatures/log'
import type { Duration } from '@mirage-ts/signatures/time'
import { TestLine } from '@mirage-ts/testing/ip-line'
import { MockTime } from '@mirage-ts/testing/mock-time'
import { SeededRandom } from '@mirage-ts/testing/seeded-random'
import { Script } from '@mirage-ts/testing/tcp-script'
import { abort } from './calls.ts'
import type { TcpOptions } from './options.ts'
import { createTcp } from './tcp.ts'

const A = ipv4(10, 0, 0, 1)
const B = ipv4(10, 0, 0, 2)
const PORT = 80 as Port

function world(options: TcpOptions = {}, log: Log = NO_LOG) {
  const time = new MockTime()
  const random = new SeededRandom(1)
  const line = new TestLine(time, random, [A, B])
  const a = createTcp({ ip: line.a, clock: time, time, random, log }, options)
  const b = createTcp({ ip: line.b, clock: time, time, random, log }, options)
  return { time, line, a, b }
}

/** A rejection that is looked at later, or not at all, is none that nobody handles. */
function watched<T>(promise: Promise<T>): Promise<T> {
  promise.catch(() => {})
  return promise
}

function code(wanted: string): (error: unknown) => boolean {
  return (error) => error instanceof NetError && error.code === wanted
}

test('tcp: a handler that throws loses its flow and nothing else', async () => {
  const errors: string[] = []
  const log: Log = {
    logger: () => ({
      debugOn: false,
      error: (message) => errors.push(typeof message === 'string' ? message : message()),
      warn: () => {},
      info: () => {},
      debug: () => {},
    }),
  }
  const { time, a, b } = world({}, log)
  await b.listen(PORT, () => {
    throw new Error('boom')
  })
  const flow = await time.until(a.connect({ address: B, port: PORT }))
  await assert.rejects(time.until(watched(flow.read())), code('connection-reset'))
  assert.deepEqual(errors, ['Handler of port 80 failed: boom'])
  assert.equal(b.connectionCount, 0)
})

test('tcp: a handler may write, read and close at once', async () => {
  const { time, a, b } = world()
  await b.listen(PORT, (flow) => {
    void watched(flow.write(Uint8Array.of(1, 2, 3)).then(() => flow.close()))
  })
  const flow = await time.until(a.connect({ address: B, port: PORT }))
  assert.deepEqual(await time.until(flow.read()), Uint8Array.of(1, 2, 3))
  assert.equal(await time.until(flow.read()), undefined)
  await time.until(flow.close())
})

test('tcp: listening twice on a port is address-in-use, on 0 a free one, and closing frees it', async () => {
  const { b } = world()
  const first = await b.listen(PORT, () => {})
  await assert.rejects(
    b.listen(PORT, () => {}),
    code('address-in-use'),
  )
  const other = await b.listen(0 as Port, () => {})
  assert.ok(other.port >= 1024)
  first.close()
  first.close()
  await b.listen(PORT, () => {})
  await assert.rejects(
    b.listen(81 as Port, () => {}, { backlogCount: 0 }),
    RangeError,
  )
})

test('tcp: connecting: refused, no answer, no route', async () => {
  const { time, line, a } = world()
  await assert.rejects(time.until(watched(a.connect({ address: B, port: PORT }))), code('connection-refused'))
  line.options = { loss: 1 }
  await assert.rejects(time.until(watched(a.connect({ address: B, port: PORT }))), code('timed-out'))
  line.a.source = () => undefined
  await assert.rejects(a.connect({ address: B, port: PORT }), code('no-route'))
  await assert.rejects(a.connect({ address: B, port: 0 as Port }), RangeError)
  assert.equal(a.connectionCount, 0)
  assert.equal(time.pendingCount, 0)
})

test('tcp: a cancelled connect rejects with the reason, leaves nothing, and the peer gets a reset', async () => {
  const { time, a, b } = world()
  await b.listen(PORT, () => {})
  const controller = new CancelController()
  const connecting = watched(a.connect({ address: B, port: PORT }, { signal: controller.signal }))
  const reason = new Error('enough')
  controller.cancel(reason)
  await assert.rejects(connecting, reason)
  assert.equal(a.connectionCount, 0)
  await time.advance(seconds(1))
  assert.equal(b.connectionCount, 0, 'the SYN,ACK was answered with RST')
})

test('tcp: connecting when all connections are taken is no-ports, at once (tcpip #462: 65535 connects hang)', async () => {
  const { time, line, a } = world({ maxConnections: 3 })
  line.options = { loss: 1 }
  const pending = [1, 2, 3].map(() => watched(a.connect({ address: B, port: PORT })))
  await assert.rejects(a.connect({ address: B, port: PORT }), code('no-ports'))
  for (const one of pending) await assert.rejects(time.until(one), code('timed-out'))
  assert.equal(a.connectionCount, 0)
})

test('tcp: 70,000 connects to one endpoint, one after the other, never run out of ports (tcpip #462)', () => {
  const s = new Script()
  for (let i = 0; i < 70_000; i++) {
    const opened = s.machine.connect({ address: B, port: PORT }, s, s.now)
    if (typeof opened === 'string') assert.fail(`connect ${i}: ${opened}`)
    abort(s.machine, opened, 'closed', s.now)
    s.sent.length = 0
  }
  assert.equal(s.machine.connectionCount, 0)
  assert.equal(s.machine.nextDeadline(), NEVER)
})

test('tcp: a write that waits for a dead peer rejects after the user timeout (mirage #622: write never returns)', async () => {
  const { time, line, a, b } = world()
  await b.listen(PORT, () => {})
  const flow = await time.until(a.connect({ address: B, port: PORT }))
  line.options = { loss: 1 }
  const writing = watched(flow.write(new Uint8Array(1 << 20)))
  await assert.rejects(time.until(writing, seconds(101)), code('timed-out'))
  await assert.rejects(flow.read(), code('timed-out'))
  await flow.close()
})

test('tcp: a flow has a user timeout of its own (RFC 5482); times that are too short are refused', async () => {
  const { time, line, a, b } = world({ userTimeout: minutes(10) })
  await b.listen(PORT, () => {})
  const flow = await time.until(a.connect({ address: B, port: PORT }))
  assert.throws(() => flow.tune?.({ userTimeout: ms(999) }), RangeError)
  assert.throws(() => flow.tune?.({ keepAlive: Number.NaN as Duration }), RangeError)
  flow.tune?.({ userTimeout: seconds(30) })
  line.options = { loss: 1 }
  await flow.write(new Uint8Array(1))
  const read = watched(flow.read())
  await time.advance(seconds(31))
  await assert.rejects(read, code('timed-out'))
})

test('tcp: closing resolves when all is delivered, also to a peer that goes away meanwhile', async () => {
  const { time, a, b } = world()
  let served: TcpFlow | undefined
  await b.listen(PORT, (flow) => {
    served = flow
  })
  const flow = await time.until(a.connect({ address: B, port: PORT }))
  await time.until(flow.write(new Uint8Array(100_000)))
  const closing = flow.close()
  await time.advance(ms(0.25))
  assert.ok(served !== undefined)
  served.abort()
  await time.until(closing)
  assert.equal(a.counters.resetsReceived, 1)
  assert.equal(a.connectionCount + b.connectionCount, 0)
})

test('tcp: a reset shows in both directions, and what was not read is lost', async () => {
  const { time, a, b } = world()
  await b.listen(PORT, (flow) => {
    void watched(flow.write(Uint8Array.of(1)).then(() => flow.abort()))
  })
  const flow = await time.until(a.connect({ address: B, port: PORT }))
  await time.advance(seconds(1))
  await assert.rejects(flow.read(), code('connection-reset'))
  await assert.rejects(flow.write(Uint8Array.of(1)), code('connection-reset'))
})

test('tcp: what the peer wrote before its FIN is read after the connection is gone', async () => {
  const { time, a, b } = world()
  await b.listen(PORT, (flow) => {
    void watched(flow.write(Uint8Array.of(1, 2)).then(() => flow.close()))
  })
  const flow = await time.until(a.connect({ address: B, port: PORT }))
  flow.shutdownWrite()
  await time.advance(seconds(300))
  assert.equal(a.connectionCount + b.connectionCount, 0)
  assert.deepEqual(await flow.read(), Uint8Array.of(1, 2))
  assert.equal(await flow.read(), undefined)
})

/** Tells `a` of an ICMP error about the SYN it sent last. */
async function icmpDuring(kind: IpErrorKind, quotedLen = 8) {
  const w = world()
  let quoted: Uint8Array | undefined
  const { send } = w.line.a
  w.line.a.send = (frame, off, end, protocol, src, dst) => {
    quoted = frame.u8.slice(off, end)
    send.call(w.line.a, frame, off, end, protocol, src, dst)
  }
  w.line.options = { loss: 1 }
  const connecting = watched(w.a.connect({ address: B, port: PORT }))
  await w.time.advance(ms(1))
  assert.ok(quoted !== undefined)
  w.line.a.errorHandler?.(kind, frameOf(quoted), 0, quotedLen, A, B)
  return { ...w, connecting, quoted }
}

test('tcp icmp: port or protocol unreachable refuses a connection being opened (RFC 1122 §4.2.3.9)', async () => {
  for (const kind of ['port-unreachable', 'protocol-unreachable'] as const) {
    const { connecting, a } = await icmpDuring(kind)
    await assert.rejects(connecting, code('connection-refused'))
    assert.equal(a.connectionCount, 0)
  }
})

test('tcp icmp: host unreachable only names the failure of a later timeout (RFC 1122 §4.2.3.9)', async () => {
  const { connecting, a, time } = await icmpDuring('host-unreachable')
  assert.equal(a.connectionCount, 1)
  await assert.rejects(time.until(connecting), code('host-unreachable'))
})

test('tcp icmp: a quote that is too short or not of an octet in flight is ignored (RFC 5927 §4.1)', async () => {
  const short = await icmpDuring('port-unreachable', 7)
  assert.equal(short.a.counters['bad-icmp'], 1)
  assert.equal(short.a.connectionCount, 1)
  const { a, line, quoted } = await icmpDuring('time-exceeded')
  const forged = frameOf(quoted)
  forged.dv.setUint32(4, forged.dv.getUint32(4) + 1)
  line.a.errorHandler?.('port-unreachable', forged, 0, 8, A, B)
  assert.equal(a.counters['bad-icmp'], 1)
  assert.equal(a.connectionCount, 1)
})

test('tcp icmp: a hard error does not end an established connection (RFC 5927 §5.2)', async () => {
  const { time, line, a, b } = world()
  await b.listen(PORT, () => {})
  const flow = await time.until(a.connect({ address: B, port: PORT }))
  let quoted: Uint8Array | undefined
  const { send } = line.a
  line.a.send = (frame, off, end, protocol, src, dst) => {
    quoted = frame.u8.slice(off, end)
    send.call(line.a, frame, off, end, protocol, src, dst)
  }
  await flow.write(Uint8Array.of(1))
  assert.ok(quoted !== undefined)
  line.a.errorHandler?.('port-unreachable', frameOf(quoted), 0, 8, A, B)
  assert.equal(a.counters['bad-icmp'], 0)
  await time.advance(seconds(1))
  assert.equal(a.connectionCount, 1)
})

test('tcp: the same seed and the same calls give the same segments', async () => {
  const run = async (): Promise<string[]> => {
    const { time, line, a, b } = world()
    const seen: string[] = []
    const { send } = line.a
    line.a.send = (frame, off, end, protocol, src, dst) => {
      seen.push(`${time.now()} ${Buffer.from(frame.u8.subarray(off, end)).toString('hex')}`)
      send.call(line.a, frame, off, end, protocol, src, dst)
    }
    line.options = { loss: 0.05 }
    await b.listen(PORT, (flow) => void watched(flow.write(new Uint8Array(50_000)).then(() => flow.close())))
    const flow = await time.until(a.connect({ address: B, port: PORT }))
    while ((await time.until(flow.read())) !== undefined);
    await time.until(flow.close())
    return seen
  }
  assert.deepEqual(await run(), await run())
})
