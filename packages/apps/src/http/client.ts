/**
 * An HTTP/1.1 client: keeps connections to reuse them, so many for each host. Requests are not pipelined: a server that is
 * slow with one would hold up the others.
 */
import { parseIp } from '@mirage-ts/core/addresses'
import { NetError } from '@mirage-ts/core/errors'
import { Switch } from '@mirage-ts/core/switch'
import { minutes, seconds } from '@mirage-ts/core/time'
import type { Port } from '@mirage-ts/signatures/addresses'
import type { Cancellable } from '@mirage-ts/signatures/cancel'
import type { Flow, TcpFlow } from '@mirage-ts/signatures/flow'
import type { HappyEyeballs } from '@mirage-ts/signatures/happy-eyeballs'
import type { Stack } from '@mirage-ts/signatures/stack'
import type { MonotonicClock, Time } from '@mirage-ts/signatures/time'
import { ClientConnection, type ClientLimits, type ClientRequest, type ClientResponse } from './client-connection.ts'
import { DEFAULT_RESPONSE_LIMITS } from './response-parser.ts'

export interface HttpClientDeps {
  readonly stack: Stack
  readonly time: Time
  readonly clock: MonotonicClock
  /** Connects to hosts that are names; without it hosts are addresses. */
  readonly eyeballs?: HappyEyeballs
  /** Makes a flow private for `https:`: TLS as a client of `host`. Without it such requests fail. */
  readonly secure?: (flow: Flow, host: string) => Promise<Flow>
}

export interface HttpClientOptions {
  /** Connections to one host at a time; more requests wait. Default 6. */
  readonly hostConnectionCount?: number
  /** Requests that may wait for a connection to one host; more are refused. Default 256. */
  readonly waitingCount?: number
  readonly limits?: Partial<ClientLimits>
}

export interface HttpClientRequest extends ClientRequest {
  /** True for `https:`. */
  readonly isSecure?: boolean
}

export interface HttpClient {
  /**
   * Sends a request; resolves once the head of the response is there. Rejects with a `NetError`: those of `connect`, and
   * `timed-out`, `protocol`, `connection-reset`; with the signal's reason when cancelled.
   */
  request(request: HttpClientRequest): Promise<ClientResponse>
  /** Connections that wait for a request. */
  readonly idleCount: number
  /** Closes idle connections and aborts the others. Idempotent. */
  close(): void
}

const DEFAULT_HOST_CONNECTION_COUNT = 6
const DEFAULT_WAITING_COUNT = 256

const DEFAULT_LIMITS: ClientLimits = {
  response: DEFAULT_RESPONSE_LIMITS,
  contentBytes: Number.POSITIVE_INFINITY,
  connectTime: seconds(30),
  writeTime: seconds(30),
  answerTime: minutes(1),
  contentTime: seconds(30),
  continueTime: seconds(1),
  idleTime: seconds(20),
}

/** RFC 9110 §9.2.2: methods that may be sent again when it is not known what became of them. */
const IDEMPOTENT: readonly string[] = ['GET', 'HEAD', 'OPTIONS', 'TRACE', 'PUT', 'DELETE']

/** Makes a client. */
export function createHttpClient(deps: HttpClientDeps, options: HttpClientOptions = {}): HttpClient {
  const { hostConnectionCount = DEFAULT_HOST_CONNECTION_COUNT, waitingCount = DEFAULT_WAITING_COUNT, limits } = options
  return new PooledClient(deps, { ...DEFAULT_LIMITS, ...limits }, hostConnectionCount, waitingCount)
}

/** The connections to one host and port. */
interface Host {
  readonly idle: ClientConnection[]
  readonly busy: Set<ClientConnection>
  /** Connections, with those being made; at most `hostConnectionCount`. */
  openCount: number
  /** Requests that wait for one to be free. */
  readonly waiting: (() => void)[]
}

class PooledClient implements HttpClient {
  readonly #deps: HttpClientDeps
  readonly #limits: ClientLimits
  readonly #hostConnectionCount: number
  readonly #waitingCount: number
  readonly #hosts = new Map<string, Host>()
  #isClosed = false

  constructor(deps: HttpClientDeps, limits: ClientLimits, hostConnectionCount: number, waitingCount: number) {
    this.#deps = deps
    this.#limits = limits
    this.#hostConnectionCount = hostConnectionCount
    this.#waitingCount = waitingCount
  }

  get idleCount(): number {
    let count = 0
    for (const { idle } of this.#hosts.values()) count += idle.length
    return count
  }

  async request(request: HttpClientRequest): Promise<ClientResponse> {
    const key = `${request.isSecure === true ? 'https' : 'http'}://${request.authority}`
    const canRepeat = request.body === undefined && IDEMPOTENT.includes(request.method)
    while (true) {
      request.signal?.throwIfAborted()
      const connection = await this.#acquire(key, request)
      try {
        return await connection.exchange(request, (isUsable) => this.#release(key, connection, isUsable))
      } catch (error) {
        // RFC 9112 §9.3.1: the server may have closed a connection just when we used it again.
        const isStale = connection.isReused && !connection.hasAnswered && isLoss(error)
        if (!isStale || !canRepeat || request.signal?.aborted === true) throw error
      }
    }
  }

  close(): void {
    this.#isClosed = true
    const reason = new NetError('closed', 'The client was closed')
    for (const { idle, busy, waiting } of this.#hosts.values()) {
      for (const connection of idle) connection.close()
      for (const connection of busy) connection.abort(reason)
      for (const go of waiting) go()
    }
    this.#hosts.clear()
  }

  /** A connection that is free, or a new one as soon as there may be one. */
  async #acquire(key: string, request: HttpClientRequest): Promise<ClientConnection> {
    while (true) {
      if (this.#isClosed) throw new NetError('closed', 'Cannot send a request: the client was closed')
      const host = this.#host(key)
      const connection = host.idle.pop()
      if (connection !== undefined) {
        host.busy.add(connection)
        return connection
      }
      if (host.openCount < this.#hostConnectionCount) return this.#open(key, host, request)
      if (host.waiting.length >= this.#waitingCount) {
        throw new NetError('no-ports', `Cannot send a request to ${request.authority}: too many are waiting`)
      }
      await waitTurn(host.waiting, request)
    }
  }

  #host(key: string): Host {
    const host = this.#hosts.get(key) ?? { idle: [], busy: new Set(), openCount: 0, waiting: [] }
    this.#hosts.set(key, host)
    return host
  }

  async #open(key: string, host: Host, request: HttpClientRequest): Promise<ClientConnection> {
    host.openCount++
    try {
      const flow = await this.#connect(request)
      const connection = new ClientConnection(flow, this.#deps, this.#limits)
      host.busy.add(connection)
      return connection
    } catch (error) {
      this.#forget(key, host)
      throw error
    }
  }

  async #connect({ authority, isSecure = false, signal }: HttpClientRequest): Promise<Flow> {
    const { secure, time } = this.#deps
    const [hostname, port] = splitAuthority(authority, isSecure ? 443 : 80)
    if (isSecure && secure === undefined) {
      throw new NetError('no-route', `Cannot connect to https://${authority}: this client has no TLS`)
    }
    const flow = await withTimeLimit(time, this.#limits.connectTime, signal, (limited) =>
      this.#connectTo(hostname, port, { signal: limited }),
    )
    return isSecure && secure !== undefined ? secure(flow, hostname) : flow
  }

  async #connectTo(hostname: string, port: Port, options: Cancellable): Promise<TcpFlow> {
    const { stack, eyeballs } = this.#deps
    // RFC 3986 §3.2.2: IPv6 addresses stand in brackets.
    const address = parseIp(hostname.replace(/^\[(.*)\]$/, '$1'))
    if (address !== undefined) return stack.tcp.connect({ address, port }, options)
    if (eyeballs !== undefined) return eyeballs.connect(hostname, port, options)
    throw new NetError('no-route', `Cannot connect to ${hostname}: this client has no resolver for names`)
  }

  #release(key: string, connection: ClientConnection, isUsable: boolean): void {
    const host = this.#hosts.get(key)
    if (host?.busy.delete(connection) !== true) return
    if (!isUsable) {
      this.#forget(key, host)
      return
    }
    host.idle.push(connection)
    connection.rest(() => {
      const at = host.idle.indexOf(connection)
      if (at < 0) return
      host.idle.splice(at, 1)
      connection.close()
      this.#forget(key, host)
    })
    host.waiting.shift()?.()
  }

  /** A connection is no more. */
  #forget(key: string, host: Host): void {
    host.openCount--
    host.waiting.shift()?.()
    if (host.openCount === 0 && host.waiting.length === 0 && this.#hosts.get(key) === host) this.#hosts.delete(key)
  }
}

function waitTurn(waiting: (() => void)[], { signal }: Cancellable): Promise<void> {
  return new Promise((resolve, reject) => {
    const go = () => {
      signal?.removeEventListener('abort', cancel)
      resolve()
    }
    const cancel = () => {
      waiting.splice(waiting.indexOf(go), 1)
      reject(signal?.reason)
    }
    signal?.addEventListener('abort', cancel)
    waiting.push(go)
  })
}

/** Host and port of `example.com:81` or `[::1]:81`. */
function splitAuthority(authority: string, defaultPort: number): [host: string, port: Port] {
  const [, host = authority, port] = /^(.*?)(?::(\d{1,5}))?$/.exec(authority) ?? []
  return [host, Number(port ?? defaultPort) as Port]
}

/** True for the failures of a connection that was closed before it was used. */
function isLoss(error: unknown): boolean {
  return error instanceof NetError && (error.code === 'connection-reset' || error.code === 'closed')
}

/** Runs `work` with a signal that is cancelled with `outer`, or when `duration` has passed. */
async function withTimeLimit<T>(
  time: Time,
  duration: ClientLimits['connectTime'],
  outer: Cancellable['signal'],
  work: (signal: NonNullable<Cancellable['signal']>) => Promise<T>,
): Promise<T> {
  return Switch.run(async (sw) => {
    sw.forkDaemon(async () => {
      await time.sleep(duration, { signal: sw.signal })
      throw new NetError('timed-out', 'Cannot connect: it takes too long')
    })
    if (outer !== undefined) {
      sw.forkDaemon(
        () =>
          new Promise((resolve, reject) => {
            const cancel = () => reject(outer.reason)
            outer.addEventListener('abort', cancel)
            sw.signal.addEventListener('abort', () => {
              outer.removeEventListener('abort', cancel)
              resolve()
            })
          }),
      )
    }
    return await work(sw.signal)
  })
}
