/**
 * What every `Flow` must do, as tests. Call `runFlowConformance` from the test file of an implementation.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { CancelController } from '@mirage-ts/core/cancel'
import { NetError, type NetErrorCode } from '@mirage-ts/core/errors'
import { promptFlow } from '@mirage-ts/core/prompt-flow'
import { ms } from '@mirage-ts/core/time'
import type { Flow, PromptFlow } from '@mirage-ts/signatures/flow'
import type { Time } from '@mirage-ts/signatures/time'
import { concat, readAll, readAtLeast } from '../flow-tools.ts'
import { SeededRandom } from '../seeded-random.ts'

/** Two connected flows in a world of their own. */
export interface FlowPair {
  readonly a: Flow
  readonly b: Flow
  /** The time that the flows live in. */
  readonly time: Time
  /** Waits for a test's body; where time is mocked, moves it until the body has ended. */
  run<T>(body: Promise<T>): Promise<T>
  /** Tears the world down. */
  close(): void | Promise<void>
}

/** What some flows do and others do not. */
export interface FlowOptions {
  /** They are prompt flows. Default true. */
  readonly isPrompt?: boolean
}

/** More than any implementation may hold on the way: the kernel's socket buffers grow to some 10 MiB. */
const MORE_THAN_BUFFERED_BYTES = 64 * 1024 * 1024

/** Long enough for whatever is not blocked to have happened. */
const A_WHILE = ms(100)

/** Registers the tests, with those of a prompt flow if these are some; `makePair` is called once for each. */
export function runFlowConformance(
  name: string,
  makePair: () => Promise<FlowPair>,
  { isPrompt = true }: FlowOptions = {},
): void {
  const flowTest = (title: string, body: (pair: FlowPair) => Promise<void>): void =>
    void test(`${name}: ${title}`, async () => {
      const pair = await makePair()
      try {
        await pair.run(body(pair))
      } finally {
        await pair.close()
      }
    })

  flowTest('octets arrive intact and in order, both ways at once', async ({ a, b }) => {
    const random = new SeededRandom(1)
    const toB = random.bytes(100_000)
    const toA = random.bytes(70_000)
    const [atA, atB] = await Promise.all([readAll(a), readAll(b), sendPieces(a, toB), sendPieces(b, toA)])
    assert.ok(equal(atA, toA))
    assert.ok(equal(atB, toB))
  })

  flowTest('read resolves to undefined at the end of the stream, and again', async ({ a, b }) => {
    await a.write(Uint8Array.of(1, 2))
    a.shutdownWrite()
    assert.deepEqual(await readAtLeast(b, 2), Uint8Array.of(1, 2))
    assert.equal(await b.read(), undefined)
    assert.equal(await b.read(), undefined)
  })

  flowTest('a pending read resolves to undefined when the peer finishes', async ({ a, b, time }) => {
    const reading = b.read()
    await time.sleep(ms(1))
    a.shutdownWrite()
    assert.equal(await reading, undefined)
  })

  flowTest('after shutdownWrite the other direction goes on', async ({ a, b }) => {
    a.shutdownWrite()
    a.shutdownWrite()
    assert.equal(await b.read(), undefined)
    await b.write(Uint8Array.of(7))
    assert.deepEqual(await a.read(), Uint8Array.of(7))
    b.shutdownWrite()
    assert.equal(await a.read(), undefined)
    assert.equal(await b.read(), undefined, 'an end that was reached stays one')
  })

  flowTest('write after shutdownWrite rejects with closed', async ({ a }) => {
    a.shutdownWrite()
    await assert.rejects(a.write(Uint8Array.of(1)), hasCode('closed'))
  })

  flowTest('an empty write sends nothing', async ({ a, b }) => {
    await a.write(new Uint8Array(0))
    await a.write(Uint8Array.of(5))
    assert.deepEqual(await b.read(), Uint8Array.of(5))
  })

  flowTest('a second pending read is a TypeError, the first goes on', async ({ a, b }) => {
    const first = b.read()
    await assert.rejects(b.read(), TypeError)
    await a.write(Uint8Array.of(3))
    assert.deepEqual(await first, Uint8Array.of(3))
  })

  flowTest('a peer that does not read holds writing up, and a second write is a TypeError', async ({ a, b, time }) => {
    const { writing, writtenBytes, chunkOf } = await fill(a, time)
    await assert.rejects(a.write(Uint8Array.of(1)), TypeError)
    const [received] = await Promise.all([readAtLeast(b, writtenBytes), writing])
    assert.equal(received.length, writtenBytes)
    for (let off = 0, number = 0; off < writtenBytes; number++) {
      const chunk = chunkOf(number)
      assert.ok(equal(received.subarray(off, off + chunk.length), chunk), `chunk ${number}`)
      off += chunk.length
    }
  })

  flowTest('octets may be reused once write resolves; chunks read are the reader’s', async ({ a, b }) => {
    const buffer = new Uint8Array(1000)
    const chunks: Uint8Array[] = []
    for (let i = 1; i <= 20; i++) {
      buffer.fill(i)
      await a.write(buffer)
      const chunk = await readAtLeast(b, 1000)
      chunk.fill(chunk[0] as number)
      chunks.push(chunk)
    }
    for (const [i, chunk] of chunks.entries())
      assert.ok(chunk.length === 1000 && chunk.every((octet) => octet === i + 1))
  })

  flowTest('cancelling a read rejects with the reason and loses no data', async ({ a, b, time }) => {
    const cancelling = new CancelController()
    const reading = b.read({ signal: cancelling.signal })
    await time.sleep(ms(1))
    const reason = new Error('enough')
    cancelling.cancel(reason)
    await assert.rejects(reading, (error) => error === reason)
    await a.write(Uint8Array.of(1, 2, 3))
    await assert.rejects(b.read({ signal: cancelling.signal }), (error) => error === reason)
    assert.deepEqual(await readAtLeast(b, 3), Uint8Array.of(1, 2, 3))
  })

  flowTest('cancelling a write rejects with the reason', async ({ a, time }) => {
    const cancelling = new CancelController()
    const { writing } = await fill(a, time, cancelling)
    const reason = new Error('enough')
    cancelling.cancel(reason)
    await assert.rejects(writing, (error) => error === reason)
  })

  flowTest('close delivers what was written, is idempotent, and never rejects', async ({ a, b, time }) => {
    const sent = new SeededRandom(2).bytes(50_000)
    const received = readAll(b)
    await a.write(sent)
    await Promise.all([a.close(), a.close()])
    assert.ok(equal(await received, sent))
    await b.close()
    await time.sleep(A_WHILE)
    await a.close()
    await b.close()
  })

  flowTest('close ends pending and later calls with closed', async ({ a, b, time }) => {
    const reading = a.read()
    await time.sleep(ms(1))
    const closing = a.close()
    await assert.rejects(reading, hasCode('closed'))
    await assert.rejects(a.read(), hasCode('closed'))
    await assert.rejects(a.write(Uint8Array.of(1)), hasCode('closed'))
    assert.equal(await b.read(), undefined)
    await b.close()
    await closing
  })

  flowTest('both sides may close at once', async ({ a, b }) => {
    await Promise.all([a.close(), b.close()])
  })

  flowTest('abort resets the peer: pending and later calls reject with connection-reset', async ({ a, b, time }) => {
    const reading = b.read()
    await time.sleep(ms(1))
    a.abort()
    a.abort()
    await assert.rejects(reading, hasCode('connection-reset'))
    await assert.rejects(b.read(), hasCode('connection-reset'))
    await assert.rejects(b.write(Uint8Array.of(1)), hasCode('connection-reset'))
    await b.close()
  })

  flowTest('abort ends our own calls with a NetError; close afterwards is harmless', async ({ a, time }) => {
    const reading = a.read()
    await time.sleep(ms(1))
    a.abort()
    await assert.rejects(reading, NetError)
    await assert.rejects(a.read(), NetError)
    await assert.rejects(a.write(Uint8Array.of(1)), NetError)
    await a.close()
  })

  flowTest('a pending write rejects when the peer aborts', async ({ a, b, time }) => {
    const { writing } = await fill(a, time)
    b.abort()
    await assert.rejects(writing, hasCode('connection-reset'))
  })

  if (isPrompt) registerPromptTests(flowTest)
}

/** What a prompt flow must do at once. */
function registerPromptTests(flowTest: (title: string, body: (pair: FlowPair) => Promise<void>) => void): void {
  const promptTest = (title: string, body: (a: PromptFlow, b: PromptFlow, time: Time) => Promise<void>): void =>
    flowTest(title, async ({ a, b, time }) => {
      const [promptA, promptB] = [promptFlow(a), promptFlow(b)]
      assert.ok(promptA !== undefined && promptB !== undefined, 'both ends are prompt')
      await body(promptA, promptB, time)
    })

  promptTest('octets go both ways without promises, and wake their reader once', async (a, b, time) => {
    const sent = new SeededRandom(3).bytes(1_000)
    const into = new Uint8Array(300)
    assert.equal(b.tryRead(into, 0, 300), 0)
    let wakeCount = 0
    b.onReadable(() => wakeCount++)
    await time.sleep(ms(1))
    assert.equal(wakeCount, 0)
    assert.equal(a.tryWrite(sent, 100, 600), 500)
    assert.equal(a.tryWrite(sent, 600, 600), 0)
    await time.sleep(A_WHILE)
    assert.equal(wakeCount, 1)
    const received: Uint8Array[] = []
    for (let len = b.tryRead(into, 50, 250); len > 0; len = b.tryRead(into, 50, 250)) {
      assert.ok(len <= 200)
      received.push(into.slice(50, 50 + len))
      await time.sleep(ms(1))
    }
    assert.ok(equal(concat(received), sent.subarray(100, 600)))
    assert.equal(into[49], 0)
    assert.equal(into[250], 0)
  })

  promptTest('tryRead says that read has something to tell: the end, and a failure', async (a, b, time) => {
    const into = new Uint8Array(10)
    let wakeCount = 0
    assert.equal(b.tryRead(into, 0, 10), 0)
    b.onReadable(() => wakeCount++)
    await a.write(Uint8Array.of(1, 2))
    a.shutdownWrite()
    await time.sleep(A_WHILE)
    assert.equal(b.tryRead(into, 0, 10), 2)
    assert.equal(b.tryRead(into, 0, 10), -1)
    assert.equal(await b.read(), undefined)
    assert.equal(a.tryRead(into, 0, 10), 0)
    a.onReadable(() => wakeCount++)
    b.abort()
    await time.sleep(A_WHILE)
    assert.equal(wakeCount, 2)
    assert.equal(a.tryRead(into, 0, 10), -1)
    assert.equal(a.tryWrite(into, 0, 10), 0)
    await assert.rejects(a.read(), hasCode('connection-reset'))
    assert.equal(b.tryRead(into, 0, 10), -1)
    assert.equal(b.tryWrite(into, 0, 10), 0)
  })

  promptTest('closing wakes the reader, and nothing is written after shutdownWrite', async (a) => {
    let isAwake = false
    assert.equal(a.tryRead(new Uint8Array(1), 0, 1), 0)
    a.onReadable(() => {
      isAwake = true
    })
    a.shutdownWrite()
    assert.equal(a.tryWrite(Uint8Array.of(1), 0, 1), 0)
    const closing = a.close()
    assert.ok(isAwake)
    assert.equal(a.tryRead(new Uint8Array(1), 0, 1), -1)
    await closing
  })

  promptTest('a full buffer takes what fits; write goes on behind it', async (a, b, time) => {
    const octets = new SeededRandom(4).bytes(MORE_THAN_BUFFERED_BYTES / 16)
    const lenBytes = a.tryWrite(octets, 0, octets.length)
    assert.ok(lenBytes > 0 && lenBytes < octets.length, `${lenBytes}`)
    const writing = a.write(octets.subarray(lenBytes))
    assert.throws(() => a.tryWrite(octets, 0, 1), TypeError)
    await time.sleep(ms(1))
    const received = readAll(b)
    await writing
    a.shutdownWrite()
    assert.ok(equal(await received, octets))
  })

  promptTest('a pending read is not to be disturbed, and makes a wake forgotten', async (a, b, time) => {
    let isAwake = false
    assert.equal(b.tryRead(new Uint8Array(1), 0, 1), 0)
    b.onReadable(() => {
      isAwake = true
    })
    const reading = b.read()
    assert.throws(() => b.tryRead(new Uint8Array(1), 0, 1), TypeError)
    assert.throws(() => b.onReadable(() => {}), TypeError)
    await a.write(Uint8Array.of(3))
    assert.deepEqual(await reading, Uint8Array.of(3))
    await time.sleep(A_WHILE)
    assert.equal(isAwake, false)
  })
}

/** Matches a `NetError` of that code. */
export function hasCode(code: NetErrorCode): (error: unknown) => true {
  return (error) => {
    assert.ok(error instanceof NetError, `a NetError, not ${String(error)}`)
    assert.equal(error.code, code, error.message)
    return true
  }
}

/** Writes in pieces of odd sizes, then finishes. */
async function sendPieces(flow: Flow, octets: Uint8Array): Promise<void> {
  const random = new SeededRandom(octets.length)
  for (let off = 0; off < octets.length; ) {
    const end = Math.min(octets.length, off + 1 + random.below(9000))
    await flow.write(octets.subarray(off, end))
    off = end
  }
  flow.shutdownWrite()
}

/** Writes until a write does not end by itself. `writing` is that one, and `writtenBytes` counts it too. */
async function fill(
  flow: Flow,
  time: Time,
  { signal }: Pick<CancelController, 'signal'> = new CancelController(),
): Promise<{ writing: Promise<void>; writtenBytes: number; chunkOf: (number: number) => Uint8Array }> {
  const chunkOf = (number: number): Uint8Array => new Uint8Array(64 * 1024).fill(number % 251)
  let writtenBytes = 0
  for (let number = 0; writtenBytes < MORE_THAN_BUFFERED_BYTES; number++) {
    const chunk = chunkOf(number)
    writtenBytes += chunk.length
    const writing = flow.write(chunk, { signal })
    // Some tests make this write fail: that is theirs to see, not the process's.
    writing.catch(() => {})
    const isWritten = await Promise.race([writing.then(() => true), time.sleep(A_WHILE).then(() => false)])
    if (!isWritten) return { writing, writtenBytes, chunkOf }
  }
  throw new assert.AssertionError({ message: `nothing held writing up for ${writtenBytes} octets` })
}

function equal(one: Uint8Array, other: Uint8Array): boolean {
  return one.length === other.length && one.every((octet, i) => octet === other[i])
}
