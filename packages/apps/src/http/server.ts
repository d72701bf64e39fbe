/** An HTTP/1.1 server: accepts connections, as many as it may, and hands each to a connection loop. */
import { type Counters, createCounters } from '@mirage-ts/core/metrics'
import { seconds } from '@mirage-ts/core/time'
import type { Port } from '@mirage-ts/signatures/addresses'
import type { TcpFlow } from '@mirage-ts/signatures/flow'
import type { Log } from '@mirage-ts/signatures/log'
import type { Stack } from '@mirage-ts/signatures/stack'
import type { TcpListener } from '@mirage-ts/signatures/tcp'
import type { MonotonicClock, Time, WallClock } from '@mirage-ts/signatures/time'
import { type ConnectionContext, type ConnectionLimits, type HttpCounter, serveConnection } from './connection.ts'
import { createHttpDate } from './date.ts'
import { DEFAULT_REQUEST_LIMITS, type Request } from './request.ts'
import type { Handler } from './response.ts'

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
  /** Stops listening and resets every connection; resolves when all have ended. Idempotent. */
  close(): Promise<void>
}

const DEFAULT_CONNECTION_COUNT = 256

const DEFAULT_LIMITS: ConnectionLimits = {
  request: DEFAULT_REQUEST_LIMITS,
  contentBytes: 64 * 1024,
  idleTime: seconds(30),
  requestTime: seconds(10),
  writeTime: seconds(30),
}

/** Serves what `handler` answers; resolves once it listens. */
export async function createHttpServer(
  { stack, time, clock, wallClock, log }: HttpServerDeps,
  { port, connectionCount = DEFAULT_CONNECTION_COUNT, limits }: HttpServerOptions,
  handler: Handler<Request>,
): Promise<HttpServer> {
  const counters: HttpCounters = createCounters([
    'connections',
    'refusedConnections',
    'requests',
    'refusedRequests',
    'failedResponses',
    'timeouts',
    'lostConnections',
  ])
  const context: ConnectionContext = {
    time,
    clock,
    date: createHttpDate(wallClock),
    log: log.logger('http'),
    limits: { ...DEFAULT_LIMITS, ...limits },
    counters,
  }
  const connections = new Map<TcpFlow, Promise<void>>()
  const listener = await stack.tcp.listen(port, (flow) => {
    if (connections.size >= connectionCount) {
      counters.refusedConnections++
      flow.abort()
      return
    }
    counters.connections++
    const serving = serveConnection(flow, handler, context).then(() => void connections.delete(flow))
    connections.set(flow, serving)
  })
  context.log.info(() => `Listening on port ${listener.port}`)
  return new ListeningServer(listener, connections, counters)
}

class ListeningServer implements HttpServer {
  readonly port: Port
  readonly counters: HttpCounters
  readonly closed: Promise<void>
  readonly #listener: TcpListener
  readonly #connections: ReadonlyMap<TcpFlow, Promise<void>>
  #resolveClosed: () => void = () => {}

  constructor(listener: TcpListener, connections: ReadonlyMap<TcpFlow, Promise<void>>, counters: HttpCounters) {
    this.port = listener.port
    this.counters = counters
    this.#listener = listener
    this.#connections = connections
    this.closed = new Promise((resolve) => {
      this.#resolveClosed = resolve
    })
  }

  async close(): Promise<void> {
    this.#listener.close()
    for (const flow of this.#connections.keys()) flow.abort()
    await Promise.all(this.#connections.values())
    this.#resolveClosed()
  }
}
