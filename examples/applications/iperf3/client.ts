/** The client: measures towards a server, ours or iperf3's own. */
import { NetError } from '@mirage-ts/core/errors'
import { FlowReader } from '@mirage-ts/core/flow-reader'
import { between } from '@mirage-ts/core/time'
import type { Endpoint } from '@mirage-ts/signatures/addresses'
import type { TcpFlow } from '@mirage-ts/signatures/flow'
import type { Random } from '@mirage-ts/signatures/random'
import type { Duration } from '@mirage-ts/signatures/time'
import {
  COOKIE_BYTES,
  DEFAULT_BLOCK_BYTES,
  expectState,
  MAX_RESULTS_BYTES,
  readJson,
  readState,
  resultsOf,
  STATE,
  totalOf,
  writeJson,
  writeState,
} from './protocol.ts'
import type { Iperf3Deps } from './server.ts'
import { Streams, Watch } from './streams.ts'

const COOKIE_LETTERS = 'abcdefghijklmnopqrstuvwxyz234567'

export interface MeasureOptions {
  /** How long; does not matter when `bytes` is given. */
  readonly duration: Duration
  /** How much; 0 for as much as goes in the time. */
  readonly bytes: number
  readonly streamCount: number
  /** The server sends. */
  readonly isReverse: boolean
}

export interface Measured {
  readonly sentBytes: number
  readonly receivedBytes: number
  readonly tookSeconds: number
}

/** Carries out one test. Rejects with a `NetError`: `protocol` when the server refuses it or does not speak as iperf3 does. */
export async function measure(
  deps: Iperf3Deps & { readonly random: Random },
  server: Endpoint,
  options: MeasureOptions,
): Promise<Measured> {
  const watch = new Watch(deps)
  const streams = new Streams(watch, options.bytes === 0 ? undefined : options.bytes)
  let control: TcpFlow | undefined
  try {
    control = await deps.stack.tcp.connect(server, watch)
    const measured = await runTest(deps, server, options, control, watch, streams)
    await control.close()
    return measured
  } catch (error) {
    control?.abort()
    throw error
  } finally {
    watch.end()
    streams.abort()
  }
}

async function runTest(
  { stack, time, clock, random }: Iperf3Deps & { readonly random: Random },
  server: Endpoint,
  { duration, bytes, streamCount, isReverse }: MeasureOptions,
  control: TcpFlow,
  watch: Watch,
  streams: Streams,
): Promise<Measured> {
  const reader = new FlowReader(control, { maxBytes: MAX_RESULTS_BYTES })
  const cookie = createCookie(random)
  await control.write(cookie, watch)
  await expectParameterExchange(reader, watch)
  const parameters = {
    tcp: true,
    omit: 0,
    time: bytes === 0 ? Math.ceil(duration / 1e6) : 0,
    num: bytes,
    blockcount: 0,
    parallel: streamCount,
    len: DEFAULT_BLOCK_BYTES,
    pacing_timer: 1000,
    client_version: '3.12',
    ...(isReverse ? { reverse: true } : {}),
  }
  await writeJson(control, parameters, watch)
  await expectUnrefused(reader, STATE.CREATE_STREAMS, watch)
  for (let i = 0; i < streamCount; i++) {
    const flow = await stack.tcp.connect(server, watch)
    streams.add(flow)
    await flow.write(cookie, watch)
  }
  await expectUnrefused(reader, STATE.TEST_START, watch)
  await expectUnrefused(reader, STATE.TEST_RUNNING, watch)
  const startedAt = clock.now()
  const end = bytes === 0 ? time.sleep(duration, watch) : streams.reachGoal(watch)
  streams.start({ isSender: !isReverse, blockBytes: DEFAULT_BLOCK_BYTES })
  await end
  const tookSeconds = between(startedAt, clock.now()) / 1e6
  streams.finish()

  await writeState(control, STATE.TEST_END, watch)
  await expectUnrefused(reader, STATE.EXCHANGE_RESULTS, watch)
  const ourBytes = streams.totalBytes
  await writeJson(control, resultsOf(streams.bytes, tookSeconds), watch)
  const theirBytes = totalOf(await readJson(reader, MAX_RESULTS_BYTES, watch))
  await expectState(reader, STATE.DISPLAY_RESULTS, watch)
  await writeState(control, STATE.IPERF_DONE, watch)
  const [sentBytes, receivedBytes] = isReverse ? [theirBytes, ourBytes] : [ourBytes, theirBytes]
  return { sentBytes, receivedBytes, tookSeconds }
}

async function expectParameterExchange(reader: FlowReader, watch: Watch): Promise<void> {
  const state = await readState(reader, watch)
  if (state === STATE.PARAM_EXCHANGE) return
  throw new NetError('protocol', 'Cannot begin a test: the server is busy with another one, or is not iperf3')
}

async function expectUnrefused(reader: FlowReader, wanted: number, watch: Watch): Promise<void> {
  const state = await readState(reader, watch)
  if (state === wanted) return
  if (state !== STATE.SERVER_ERROR)
    throw new NetError('protocol', `Cannot go on with the test: got state ${state}, not ${wanted}`)
  const numbers = await reader.readExactly(8, watch)
  const error = numbers === undefined ? 0 : new DataView(numbers.buffer, numbers.byteOffset).getUint32(0)
  throw new NetError('protocol', `Cannot go on with the test: the server refuses it with error ${error} of iperf3`)
}

function createCookie(random: Random): Uint8Array {
  const cookie = new Uint8Array(COOKIE_BYTES)
  random.fill(cookie, 0, COOKIE_BYTES - 1)
  for (let i = 0; i < COOKIE_BYTES - 1; i++) cookie[i] = COOKIE_LETTERS.charCodeAt((cookie[i] as number) & 31)
  return cookie
}
