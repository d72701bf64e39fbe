/** An HTTP/1.1 server: accepts connections, as many as it may, and hands each to a connection loop. */
import { type Counters, createCounters } from '@mirage-ts/core/metrics'
import { after, minutes, seconds } from '@mirage-ts/core/time'
import type { Port } from '@mirage-ts/signatures/addresses'
import type { TcpFlow } from '@mirage-ts/signatures/flow'
import type { Log } from '@mirage-ts/signatures/log'
import type { Stack } from '@mirage-ts/signatures/stack'
import type { TcpListener } from '@mirage-ts/signatures/tcp'
import type { Duration, MonotonicClock, Time, WallClock } from '@mirage-ts/signatures/time'
import {
  type ConnectionContext,
  type ConnectionLimits,
  type Handler,
  type HttpCounter,
  type HttpRequest,
  type ServedConnection,
  serveConnection,
} from './connection.ts'
import { createHttpDate } from './date.ts'
import { Desks } from './desk.ts'
import { DEFAULT_REQUEST_LIMITS, RequestMemo } from './request.ts'
import { HeadEnds } from './response-head.ts'

export interface HttpServerDeps {
  readonly stack: Stack
  readonly time: Time
  readonly clock: MonotonicClock
  /** For the Date field. */
  readonly wallClock: WallClock
  readonly log: Log
}

export interface HttpServerOptions {
  /** 0 for any free one. */
  readonly port: Port
  /** Connections at a time; one more is reset. Default 256. */
  readonly connectionCount?: number
  readonly limits?: Partial<ConnectionLimits>
}

/** The counters of a server. */
export type HttpCounters = Counters<HttpCounter | 'connections' | 'refusedConnections'>

/** A server that listens. */
export interface HttpServer {
  readonly port: Port
  readonly counters: Readonly<HttpCounters>
  /** Resolves when the server has been closed. */
  readonly closed: Promise<void>
  /**
   * Stops listening, lets the responses under way be finished, and resolves when all connections have ended; those that
   * have not after `graceTime` (10 seconds unless given) are reset.
   */
  shutdown(graceTime?: Duration): Promise<void>
  /** Stops listening and resets every connection; resolves when all have ended. Idempotent. */
  close(): Promise<void>
}

const DEFAULT_CONNECTION_COUNT = 256

const DEFAULT_GRACE_TIME = seconds(10)

const DEFAULT_LIMITS: ConnectionLimits = {
  request: DEFAULT_REQUEST_LIMITS,
  contentBytes: 1024 * 1024,
  drainBytes: 64 * 1024,
  idleTime: seconds(30),
  requestTime: seconds(10),
  contentTime: seconds(30),
  answerTime: minutes(1),
  writeTime: seconds(30),
}

/** Serves what `handler` answers; resolves once it listens. */
export async function createHttpServer(
  { stack, time, clock, wallClock, log }: HttpServerDeps,
  { port, connectionCount = DEFAULT_CONNECTION_COUNT, limits }: HttpServerOptions,
  handler: Handler<HttpRequest>,
): Promise<HttpServer> {
  const counters: HttpCounters = createCounters([
    'connections',
    'refusedConnections',
    'requests',
    'refusedRequests',
    'failedResponses',
    'timeouts',
    'lostConnections',
    'upgrades',
  ])
  const context: ConnectionContext = {
    time,
    clock,
    headEnds: new HeadEnds(createHttpDate(wallClock)),
    log: log.logger('http'),
    limits: { ...DEFAULT_LIMITS, ...limits },
    counters,
    memo: new RequestMemo(),
    desks: new Desks(),
  }
  const connections = new Connections()
  const listener = await stack.tcp.listen(port, (flow: TcpFlow) => {
    if (connections.all.size >= connectionCount) {
      counters.refusedConnections++
      flow.abort()
      return
    }
    counters.connections++
    connections.add(flow, handler, context)
  })
  context.log.info(() => `Listening on port ${listener.port}`)
  return new ListeningServer(listener, connections, context, counters)
}

/** The connections of a server that have not ended. */
class Connections {
  readonly all: Set<ServedConnection> = new Set()
  #whenNone: (() => void)[] = []

  add(flow: TcpFlow, handler: Handler<HttpRequest>, context: ConnectionContext): void {
    const connection = serveConnection(flow, handler, context, this.#onEnded)
    this.all.add(connection)
    connection.start()
  }

  /** Resolves when there are none. */
  ended(): Promise<void> {
    return new Promise((resolve) => {
      if (this.all.size === 0) resolve()
      else this.#whenNone.push(resolve)
    })
  }

  readonly #onEnded = (connection: ServedConnection): void => {
    this.all.delete(connection)
    if (this.all.size > 0) return
    const waiting = this.#whenNone
    this.#whenNone = []
    for (const wake of waiting) wake()
  }
}

class ListeningServer implements HttpServer {
  readonly port: Port
  readonly counters: HttpCounters
  readonly closed: Promise<void>
  readonly #listener: TcpListener
  readonly #connections: Connections
  readonly #context: ConnectionContext
  #resolveClosed: () => void = () => {}

  constructor(listener: TcpListener, connections: Connections, context: ConnectionContext, counters: HttpCounters) {
    this.port = listener.port
    this.counters = counters
    this.#listener = listener
    this.#connections = connections
    this.#context = context
    this.closed = new Promise((resolve) => {
      this.#resolveClosed = resolve
    })
  }

  async shutdown(graceTime: Duration = DEFAULT_GRACE_TIME): Promise<void> {
    const { time, clock } = this.#context
    const alarm = time.alarm(() => this.#abort())
    alarm.set(after(clock.now(), graceTime))
    this.#listener.close()
    for (const connection of this.#connections.all) connection.finish()
    await this.#ended()
    alarm.clear()
  }

  async close(): Promise<void> {
    this.#listener.close()
    this.#abort()
    await this.#ended()
  }

  #abort(): void {
    for (const connection of this.#connections.all) connection.abort()
  }

  async #ended(): Promise<void> {
    await this.#connections.ended()
    this.#resolveClosed()
  }
}
