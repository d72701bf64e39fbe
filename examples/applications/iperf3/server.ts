/** The server: one test at a time, as iperf3 does it. */
import { cancellable } from '@mirage-ts/core/cancel'
import { messageOf } from '@mirage-ts/core/errors'
import { FlowReader } from '@mirage-ts/core/flow-reader'
import { octetsToText } from '@mirage-ts/core/octets'
import { after, between, ms, seconds } from '@mirage-ts/core/time'
import type { Port } from '@mirage-ts/signatures/addresses'
import type { TcpFlow } from '@mirage-ts/signatures/flow'
import type { Log, Logger } from '@mirage-ts/signatures/log'
import type { Stack } from '@mirage-ts/signatures/stack'
import type { MonotonicClock, Time } from '@mirage-ts/signatures/time'
import {
  COOKIE_BYTES,
  checkParameters,
  expectState,
  MAX_PARAMETERS_BYTES,
  MAX_RESULTS_BYTES,
  MAX_STREAMS,
  readJson,
  readState,
  resultsOf,
  STATE,
  totalOf,
  writeJson,
  writeState,
} from './protocol.ts'
import { Streams, Watch } from './streams.ts'

/** Connections that may be open without having said their cookie. */
const MAX_GREETINGS = 2 * MAX_STREAMS

export interface Iperf3Deps {
  readonly stack: Stack
  readonly time: Time
  readonly clock: MonotonicClock
  readonly log: Log
}

/** Listens; resolves once it does. */
export async function serveIperf3(deps: Iperf3Deps, port: Port): Promise<void> {
  const server = new Server(deps)
  await deps.stack.tcp.listen(port, (flow) => server.accept(flow))
}

class Server {
  private readonly deps: Iperf3Deps
  private readonly log: Logger
  private test: Test | undefined
  private greetingCount = 0

  constructor(deps: Iperf3Deps) {
    this.deps = deps
    this.log = deps.log.logger('iperf3')
  }

  accept(flow: TcpFlow): void {
    if (this.greetingCount >= MAX_GREETINGS) {
      flow.abort()
      return
    }
    const reader = new FlowReader(flow, { maxBytes: MAX_RESULTS_BYTES })
    const watch = new Watch(this.deps)
    this.greetingCount++
    reader
      .readExactly(COOKIE_BYTES, { signal: watch.signal })
      .finally(() => {
        this.greetingCount--
        watch.end()
      })
      .then((cookie) => (cookie === undefined ? flow.close() : this.greet(flow, reader, octetsToText(cookie))))
      .catch((error) => {
        this.log.warn(() => `A test has failed: ${messageOf(error)}`)
        flow.abort()
      })
  }

  private async greet(flow: TcpFlow, reader: FlowReader, cookie: string): Promise<void> {
    if (this.test?.isWaitingFor(cookie)) return this.test.add(flow, reader)
    if (this.test !== undefined) {
      await flow.write(new Uint8Array([STATE.ACCESS_DENIED]))
      return flow.close()
    }
    const test = new Test(this.deps, flow, reader, cookie)
    this.test = test
    try {
      this.log.info(await test.run())
    } finally {
      test.end()
      this.test = undefined
    }
    await flow.close()
  }
}

class Test {
  private readonly deps: Iperf3Deps
  private readonly control: TcpFlow
  private readonly reader: FlowReader
  private readonly cookie: string
  private readonly watch: Watch
  private readonly streams: Streams
  private wantedCount = 0
  private complete: () => void = () => {}

  constructor(deps: Iperf3Deps, control: TcpFlow, reader: FlowReader, cookie: string) {
    this.deps = deps
    this.control = control
    this.reader = reader
    this.cookie = cookie
    this.watch = new Watch(deps)
    this.streams = new Streams(this.watch)
  }

  isWaitingFor(cookie: string): boolean {
    return cookie === this.cookie && this.streams.count < this.wantedCount
  }

  add(flow: TcpFlow, reader: FlowReader): void {
    this.streams.add(flow, reader)
    this.watch.touch()
    if (this.streams.count === this.wantedCount) this.complete()
  }

  /** Resolves to a line about the test. */
  async run(): Promise<string> {
    const { control, reader, watch, streams } = this
    const { clock } = this.deps
    await writeState(control, STATE.PARAM_EXCHANGE, watch)
    const parameters = checkParameters(await readJson(reader, MAX_PARAMETERS_BYTES, watch))
    if (typeof parameters === 'number') return this.refuse(parameters)
    const { streamCount, isReverse, blockBytes, omitSeconds } = parameters
    await this.openStreams(streamCount)

    await writeState(control, STATE.TEST_START, watch)
    const startedAt = after(clock.now(), seconds(omitSeconds))
    streams.start({ isSender: isReverse, blockBytes, countedFrom: startedAt })
    await writeState(control, STATE.TEST_RUNNING, watch)
    await expectState(reader, STATE.TEST_END, watch)
    const tookSeconds = between(startedAt, watch.touch()) / 1e6
    streams.finish()

    await writeState(control, STATE.EXCHANGE_RESULTS, watch)
    const theirBytes = totalOf(await readJson(reader, MAX_RESULTS_BYTES, watch))
    if (!isReverse) await this.drain(theirBytes)
    await writeJson(control, resultsOf(streams.bytes, tookSeconds), watch)
    await writeState(control, STATE.DISPLAY_RESULTS, watch)
    // IPERF_DONE, or the end.
    await readState(reader, watch)
    return reportLine(isReverse ? 'Sent' : 'Received', streams.totalBytes, tookSeconds)
  }

  end(): void {
    this.wantedCount = 0
    this.watch.end()
    this.streams.abort()
  }

  private async openStreams(count: number): Promise<void> {
    const isComplete = cancellable<void>(
      this.watch.signal,
      (resolve) => {
        this.complete = resolve
      },
      () => {},
    )
    this.wantedCount = count
    await writeState(this.control, STATE.CREATE_STREAMS, this.watch)
    await isComplete
  }

  /** What the client has sent may still be on its way when it says so: a second's grace makes both counts agree. */
  private async drain(sentBytes: number): Promise<void> {
    for (let i = 0; i < 100 && this.streams.totalBytes < sentBytes; i++) await this.deps.time.sleep(ms(10), this.watch)
  }

  private async refuse(error: number): Promise<string> {
    const message = new Uint8Array(9)
    message[0] = STATE.SERVER_ERROR
    // The number of the error, then the operating system's, which there is not.
    new DataView(message.buffer).setUint32(1, error)
    await this.control.write(message, this.watch)
    return `Refused a test with error ${error}`
  }
}

/** `Received 4194304 octets in 0.12 s: 279.6 Mbit/s` */
export function reportLine(what: string, bytes: number, tookSeconds: number): string {
  const rate = tookSeconds > 0 ? (bytes * 8) / tookSeconds / 1e6 : 0
  return `${what} ${bytes} octets in ${tookSeconds.toFixed(2)} s: ${rate.toFixed(1)} Mbit/s`
}
