/**
 * One HTTP/1.1 connection of a server (RFC 9112 §9): requests are read, answered and, when the client asks for it,
 * followed by the next; pipelined ones are answered in order.
 */

import { endpointToString } from '@mirage-ts/core/addresses'
import { messageOf, NetError } from '@mirage-ts/core/errors'
import type { Counters } from '@mirage-ts/core/metrics'
import { after, seconds } from '@mirage-ts/core/time'
import type { TcpFlow } from '@mirage-ts/signatures/flow'
import type { Logger } from '@mirage-ts/signatures/log'
import type { Alarm, Duration, MonotonicClock, Time } from '@mirage-ts/signatures/time'
import { writeText } from './octets.ts'
import { REFUSAL_STATUS, type RefusalReason, type Request, type RequestLimits, RequestParser } from './request.ts'
import { type Body, type Handler, plainResponse, type Response, responseHead } from './response.ts'

/** Octets of a body read and written at a time. */
const PART_LEN = 32 * 1024

/** What a client may still send, once we have answered for the last time, before it is reset. */
const LINGER_BYTES = 1024 * 1024
const LINGER_TIME = seconds(2)

const EMPTY = new Uint8Array(0)

export interface ConnectionLimits {
  readonly request: RequestLimits
  /** Content that a handler leaves unread is read and thrown away up to this length; more is refused. */
  readonly contentBytes: number
  /** How long a client may wait before it sends a request. */
  readonly idleTime: Duration
  /** How long a request may take to arrive, from its first octet on. */
  readonly requestTime: Duration
  /** How long a client may take to make room for the next part of a response. */
  readonly writeTime: Duration
}

/** What connections count. */
export type HttpCounter = 'requests' | 'refusedRequests' | 'failedResponses' | 'timeouts' | 'lostConnections'

export interface ConnectionContext {
  readonly time: Time
  readonly clock: MonotonicClock
  /** The current date as HTTP writes it. */
  readonly date: () => string
  readonly log: Logger
  readonly limits: ConnectionLimits
  readonly counters: Counters<HttpCounter>
}

/** Serves `flow` to its end, which it closes or aborts. Never rejects. */
export async function serveConnection(
  flow: TcpFlow,
  handler: Handler<Request>,
  context: ConnectionContext,
): Promise<void> {
  await new Connection(flow, handler, context).run()
}

class Connection {
  readonly #flow: TcpFlow
  readonly #handler: Handler<Request>
  readonly #context: ConnectionContext
  /** Rings when the client is too slow. */
  readonly #alarm: Alarm
  /** What ends then: the connection in an orderly way, or at once. */
  #whenLate: 'close' | 'abort' = 'close'
  #isLate = false
  /** The octets read last, those from `off` on not yet used. */
  #chunk: Uint8Array = EMPTY
  #off = 0

  constructor(flow: TcpFlow, handler: Handler<Request>, context: ConnectionContext) {
    this.#flow = flow
    this.#handler = handler
    this.#context = context
    this.#alarm = context.time.alarm(() => this.#late())
  }

  async run(): Promise<void> {
    try {
      let goesOn = true
      while (goesOn) goesOn = await this.#serveOne()
    } catch (error) {
      this.#ended(error)
    }
    this.#alarm.clear()
  }

  /** Answers one request; true when another may follow. Otherwise the flow is closed. */
  async #serveOne(): Promise<boolean> {
    const { limits, counters } = this.#context
    const request = await this.#readRequest()
    if (request === undefined) {
      await this.#close()
      return false
    }
    if (typeof request === 'string') {
      await this.#refuse(REFUSAL_STATUS[request], request)
      return false
    }
    counters.requests++
    if (request.contentLen > limits.contentBytes) {
      await this.#refuse(413, 'content too large')
      return false
    }
    // Whoever expects 100 (Continue) has not sent its content, and whether it does after another answer is its choice
    // (RFC 9110 §10.1.1): what comes next could be taken for a request.
    const isContentUncertain = request.contentLen > 0 && request.fields.get('expect') !== undefined
    if (!isContentUncertain) await this.#skip(request.contentLen)
    const isPersistent = request.isPersistent && !isContentUncertain
    this.#alarm.clear()
    await this.#respond(await this.#answer(request), request, isPersistent)
    if (isContentUncertain) await this.#linger()
    else if (!isPersistent) await this.#close()
    return isPersistent
  }

  /** The next request or why there is none to answer; `undefined` when the client has finished. */
  async #readRequest(): Promise<Request | RefusalReason | undefined> {
    const { limits } = this.#context
    const parser = new RequestParser(limits.request)
    let hasBegun = false
    while (parser.outcome === undefined) {
      if (this.#off === this.#chunk.length) {
        if (!hasBegun) this.#allow(limits.idleTime, 'close')
        if (!(await this.#readChunk())) return undefined
      }
      if (!hasBegun) this.#allow(limits.requestTime, 'abort')
      hasBegun = true
      this.#off = parser.push(this.#chunk, this.#off)
    }
    return parser.outcome
  }

  /** Reads more octets; false at the end of the stream. */
  async #readChunk(): Promise<boolean> {
    const chunk = await this.#flow.read()
    this.#chunk = chunk ?? EMPTY
    this.#off = 0
    return chunk !== undefined
  }

  /** Throws `lenBytes` octets of content away. */
  async #skip(lenBytes: number): Promise<void> {
    let leftBytes = lenBytes
    while (leftBytes > 0) {
      if (this.#off === this.#chunk.length && !(await this.#readChunk())) return
      const skippedBytes = Math.min(leftBytes, this.#chunk.length - this.#off)
      this.#off += skippedBytes
      leftBytes -= skippedBytes
    }
  }

  async #answer(request: Request): Promise<Response> {
    try {
      return await this.#handler(request)
    } catch (error) {
      this.#context.counters.failedResponses++
      this.#context.log.error(() => `Cannot answer ${request.method} ${request.target}: ${messageOf(error)}`)
      return plainResponse(500)
    }
  }

  /** Answers a request that cannot be served, for the last time: where the next one would begin is not known. */
  async #refuse(status: number, reason: string): Promise<void> {
    const { counters, log } = this.#context
    counters.refusedRequests++
    if (log.debugOn) log.debug(`${endpointToString(this.#flow.remote)} refused: ${reason}`)
    await this.#respond(plainResponse(status), undefined, false)
    await this.#linger()
  }

  async #respond(response: Response, request: Request | undefined, isPersistent: boolean): Promise<void> {
    const { date, log } = this.#context
    const { status, body } = response
    const fields = [...response.fields]
    // RFC 9110 §8.6, §15.4.5: a 304 has no content, and the length would be that of another response.
    if (status !== 304) fields.push(['Content-Length', String(body?.lenBytes ?? 0)])
    fields.push(['Date', date()])
    if (!isPersistent) fields.push(['Connection', 'close'])
    else if (request?.minor === 0) fields.push(['Connection', 'keep-alive'])
    if (log.debugOn && request !== undefined) {
      log.debug(`${endpointToString(this.#flow.remote)} ${request.method} ${request.target} ${status}`)
    }
    await this.#send(responseHead(status, fields), request?.method === 'HEAD' ? undefined : body)
  }

  /** Sends a head and a body; the head shares a write with the body's first part. */
  async #send(head: string, body: Body | undefined): Promise<void> {
    const lenBytes = body?.lenBytes ?? 0
    let part = body === undefined || lenBytes === 0 ? EMPTY : await readPart(body, 0)
    const first = new Uint8Array(head.length + part.length)
    first.set(part, writeText(first, 0, head))
    await this.#write(first)
    for (let off = part.length; body !== undefined && off < lenBytes; off += part.length) {
      part = await readPart(body, off)
      await this.#write(part)
    }
  }

  async #write(octets: Uint8Array): Promise<void> {
    this.#allow(this.#context.limits.writeTime, 'abort')
    await this.#flow.write(octets)
  }

  async #close(): Promise<void> {
    this.#allow(this.#context.limits.writeTime, 'abort')
    await this.#flow.close()
  }

  /**
   * Closes after an answer to a client that may still be sending (RFC 9112 §9.6): octets that arrive at a closed
   * connection are answered with a reset, and a reset may destroy the answer before it is read.
   */
  async #linger(): Promise<void> {
    this.#flow.shutdownWrite()
    this.#allow(LINGER_TIME, 'close')
    let readBytes = 0
    while (readBytes < LINGER_BYTES && (await this.#readChunk())) readBytes += this.#chunk.length
    await this.#close()
  }

  /** Gives the client until `duration` from now for what it is to do next. */
  #allow(duration: Duration, whenLate: 'close' | 'abort'): void {
    this.#whenLate = whenLate
    this.#alarm.set(after(this.#context.clock.now(), duration))
  }

  #late(): void {
    this.#isLate = true
    this.#context.counters.timeouts++
    // Either ends the call that `run` waits in.
    if (this.#whenLate === 'close') void this.#flow.close()
    else this.#flow.abort()
  }

  /** Something failed: the flow, because the client went away or was late, or the body of a response. */
  #ended(error: unknown): void {
    const { counters, log } = this.#context
    const remote = endpointToString(this.#flow.remote)
    if (this.#isLate) {
      log.debug(() => `${remote} was late`)
    } else if (error instanceof NetError) {
      counters.lostConnections++
      log.debug(() => `${remote} went away: ${error.message}`)
    } else {
      // The head is on its way: a response that ends early is the only way left to say that it failed.
      counters.failedResponses++
      log.error(() => `Cannot finish a response to ${remote}: ${messageOf(error)}`)
    }
    if (!this.#isLate) this.#flow.abort()
  }
}

async function readPart(body: Body, off: number): Promise<Uint8Array> {
  const part = await body.read(off, Math.min(PART_LEN, body.lenBytes - off))
  if (part.length === 0) throw new Error(`expected ${body.lenBytes} octets, got ${off}`)
  return part
}
