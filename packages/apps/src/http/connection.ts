/**
 * One HTTP/1.1 connection of a server (RFC 9112 §9): requests are read, answered and, when the client asks for it,
 * followed by the next; pipelined ones are answered in order.
 */

import { endpointToString } from '@mirage-ts/core/addresses'
import { CancelController } from '@mirage-ts/core/cancel'
import { messageOf, NetError } from '@mirage-ts/core/errors'
import type { Counters } from '@mirage-ts/core/metrics'
import { textToOctets } from '@mirage-ts/core/octets'
import { after, seconds } from '@mirage-ts/core/time'
import type { Endpoint } from '@mirage-ts/signatures/addresses'
import type { CancelSignal } from '@mirage-ts/signatures/cancel'
import type { TcpFlow } from '@mirage-ts/signatures/flow'
import type { Logger } from '@mirage-ts/signatures/log'
import type { Alarm, Duration, Instant, MonotonicClock, Time } from '@mirage-ts/signatures/time'
import type { Body } from './body.ts'
import { ContentError } from './errors.ts'
import type { Fields } from './fields.ts'
import type { Framing } from './framing.ts'
import { IncomingBody } from './incoming-body.ts'
import { FlowInput } from './input.ts'
import { ownLines, sendMessage } from './outgoing.ts'
import { REFUSAL_STATUS, type RefusalReason, type RequestHead, type RequestLimits, RequestParser } from './request.ts'
import { type HttpResponse, plainResponse, reasonOf } from './response.ts'

/** What a client may still send, once we have answered for the last time, before it is reset. */
const LINGER_BYTES = 1024 * 1024
const LINGER_TIME = seconds(2)

/** A deadline that is not expected to come; an alarm that is put off costs less than one that is cleared and set again. */
const SOME_DAY = (2 ** 52) as Instant

/** A request as its handler gets it. */
export interface HttpRequest extends RequestHead {
  /** What is left unread is read and thrown away after the response, or the connection ends. */
  readonly content: Body
  /** The client. */
  readonly remote: Endpoint
  /** Cancelled when the connection is lost before the response is complete. */
  readonly signal: CancelSignal
}

/** Answers to a request. What it throws becomes 500, or the status of a {@link ContentError}. */
export type Handler<R> = (request: R) => HttpResponse | Promise<HttpResponse>

export interface ConnectionLimits {
  readonly request: RequestLimits
  /** Most content that a request may have; more is refused with 413. */
  readonly contentBytes: number
  /** Content that a handler leaves unread is read and thrown away up to this length; beyond, the connection ends. */
  readonly drainBytes: number
  /** How long a client may wait before it sends a request. */
  readonly idleTime: Duration
  /** How long the head of a request may take to arrive, from its first octet on. */
  readonly requestTime: Duration
  /** How long a client may take to send more of its content. */
  readonly contentTime: Duration
  /** How long a handler may take to answer; then 503 is answered for it. */
  readonly answerTime: Duration
  /** How long a client may take to make room for the next part of a response. */
  readonly writeTime: Duration
}

/** What connections count. */
export type HttpCounter =
  | 'requests'
  | 'refusedRequests'
  | 'failedResponses'
  | 'timeouts'
  | 'lostConnections'
  | 'upgrades'

export interface ConnectionContext {
  readonly time: Time
  readonly clock: MonotonicClock
  /** The current date as HTTP writes it. */
  readonly date: () => string
  readonly log: Logger
  readonly limits: ConnectionLimits
  readonly counters: Counters<HttpCounter>
}

/** A connection that is being served. */
export interface ServedConnection {
  /** Resolves when it has ended; never rejects. */
  readonly ended: Promise<void>
  /** Ends it after the response that is under way, or at once when there is none. */
  finish(): void
  /** Ends it at once. */
  abort(): void
}

/** Serves `flow` to its end, which it closes or aborts. */
export function serveConnection(
  flow: TcpFlow,
  handler: Handler<HttpRequest>,
  context: ConnectionContext,
): ServedConnection {
  const connection = new Connection(flow, handler, context)
  return {
    ended: connection.run(),
    finish: () => connection.finish(),
    abort: () => connection.abort(),
  }
}

class Connection {
  private readonly flow: TcpFlow
  private readonly input: FlowInput
  private readonly handler: Handler<HttpRequest>
  private readonly context: ConnectionContext
  /** Rings when somebody is too slow. */
  private readonly alarm: Alarm
  private whenLate: () => void = () => {}
  /** The request being answered. */
  private request: ServedRequest | undefined
  /** The last write, until it has settled. */
  private writing: Promise<void> | undefined
  /** We ended the connection ourselves: calls that fail then are no news. */
  private isEnding = false
  /** Waiting for a request that has not begun. */
  private isIdle = false
  /** No request is served after the one under way. */
  private isFinishing = false

  constructor(flow: TcpFlow, handler: Handler<HttpRequest>, context: ConnectionContext) {
    this.flow = flow
    this.input = new FlowInput(flow)
    this.handler = handler
    this.context = context
    this.alarm = context.time.alarm(() => this.whenLate())
  }

  async run(): Promise<void> {
    try {
      let goesOn = true
      while (goesOn) goesOn = await this.serveOne()
    } catch (error) {
      this.ended(error)
    }
    this.alarm.clear()
  }

  finish(): void {
    this.isFinishing = true
    if (this.isIdle) this.end()
  }

  abort(): void {
    this.isEnding = true
    this.flow.abort()
    this.request?.lose(new NetError('closed', 'The server ended the connection'))
  }

  /** Answers one request; true when another may follow. Otherwise the flow is closed. */
  private async serveOne(): Promise<boolean> {
    const { limits, counters } = this.context
    const head = await this.readHead()
    if (head === undefined) {
      await this.close()
      return false
    }
    if (typeof head === 'string') return this.refuse(REFUSAL_STATUS[head], head)
    counters.requests++
    if (typeof head.framing === 'number' && head.framing > limits.contentBytes) return this.refuse(413, 'too large')
    // RFC 9110 §10.1.1: HTTP/1.0 had no expectations.
    const expectation = head.minor === 1 ? head.fields.get('expect')?.toLowerCase() : undefined
    if (expectation !== undefined && expectation !== '100-continue') return this.refuse(417, 'unknown expectation')
    return this.answer(head, expectation !== undefined && head.framing !== 0)
  }

  /** The head of the next request or why there is none to answer; `undefined` when the client has finished. */
  private async readHead(): Promise<RequestHead | RefusalReason | undefined> {
    const { limits } = this.context
    const input = this.input
    const parser = new RequestParser(limits.request)
    this.isIdle = true
    while (parser.outcome === undefined) {
      if (input.isEmpty) {
        if (this.isIdle) this.allow(limits.idleTime, () => this.end())
        if (!(await input.fill())) return undefined
      }
      if (this.isIdle) this.allow(limits.requestTime)
      this.isIdle = false
      input.off = parser.push(input.chunk, input.off)
    }
    return parser.outcome
  }

  private async answer(head: RequestHead, expectsContinue: boolean): Promise<boolean> {
    const { limits } = this.context
    // Until the client was told to go on, whether it will send its content is its choice (RFC 9110 §10.1.1).
    let isContentUncertain = expectsContinue
    let isHeadSent = false
    const content = new IncomingBody(this.input, {
      framing: head.framing,
      limits: limits.request,
      contentBytes: limits.contentBytes,
      onWait: () => {
        this.allow(limits.contentTime)
        if (!isContentUncertain || isHeadSent) return undefined
        isContentUncertain = false
        return this.write(CONTINUE)
      },
      onArrived: () => {
        // Content that comes without waiting for us makes it certain, too.
        isContentUncertain = false
        this.rest()
      },
    })
    const request = new ServedRequest(head, content, this.flow.remote)
    this.request = request
    const answering = this.handle(request)
    // A client that goes away while its request is being answered is noticed by reading on.
    if (content.isEnded) this.input.watch((reason) => request.lose(reason))
    const response = await answering
    this.rest()
    if (isUpgrade(response, head)) return this.upgrade(response)
    // Content that nobody has read up to here is read after the response, or the connection ends with it.
    const mayGoOn = head.isPersistent && !isContentUncertain && !this.isFinishing
    const { lines, framing } = this.delimit(response, head, mayGoOn)
    const isPersistent = mayGoOn && framing !== 'close'
    // The body of the response may be made of the content, and asks for it before the head is sent.
    const onHead = () => {
      isHeadSent = true
    }
    request.onLost = () => {}
    await this.respond(response, lines, head.method === 'HEAD' || !hasContent(response.status) ? 0 : framing, onHead)
    const isRead = !isContentUncertain && (content.isEnded || (await content.drain(limits.drainBytes)))
    this.request = undefined
    if (isPersistent && isRead && !this.isFinishing) return true
    if (isRead) await this.close()
    else await this.linger()
    return false
  }

  /** What the handler answers, or what is answered for it. */
  private async handle(request: ServedRequest): Promise<HttpResponse> {
    const { limits, counters, log } = this.context
    try {
      const answering = this.handler(request)
      if (!(answering instanceof Promise)) return checked(answering)
      // The first of three: the answer, the loss of the connection, the end of the time.
      const first = new Promise<HttpResponse>((resolve, reject) => {
        answering.then(resolve, reject)
        request.onLost = (reason) => {
          drop(answering)
          reject(reason)
        }
        this.allow(limits.answerTime, () => {
          counters.timeouts++
          this.isFinishing = true
          drop(answering)
          resolve(plainResponse(503))
        })
      })
      return checked(await first)
    } catch (error) {
      if (error instanceof ContentError) {
        counters.refusedRequests++
        this.isFinishing = true
        return plainResponse(error.status)
      }
      if (request.isLost) throw error
      counters.failedResponses++
      log.error(() => `Cannot answer ${request.method} ${request.target}: ${messageOf(error)}`)
      return plainResponse(500)
    }
  }

  /** How the content of a response is delimited, and the head that says so. */
  private delimit(response: HttpResponse, head: RequestHead | undefined, mayGoOn: boolean) {
    const { status, body } = response
    const { text, declaredLength } = ownLines(response.fields)
    let framing: Framing | 'close' = body === undefined ? 0 : (body.lenBytes ?? declaredLength ?? 'chunked')
    if (framing === 'chunked' && head?.minor === 0) framing = 'close'
    // RFC 9110 §8.6, §15.4.5: where there is no content, a length would be that of another response.
    const lenBytes = head?.method === 'HEAD' && body === undefined ? (declaredLength ?? framing) : framing
    let lines = `HTTP/1.1 ${status} ${reasonOf(status)}\r\n${text}`
    if (hasContent(status)) {
      if (typeof lenBytes === 'number') lines += `Content-Length: ${lenBytes}\r\n`
      else if (framing === 'chunked') lines += 'Transfer-Encoding: chunked\r\n'
    }
    lines += `Date: ${this.context.date()}\r\n`
    if (!mayGoOn || framing === 'close') lines += 'Connection: close\r\n'
    else if (head?.minor === 0) lines += 'Connection: keep-alive\r\n'
    return { lines: `${lines}\r\n`, framing }
  }

  private async respond(
    { body }: HttpResponse,
    head: string,
    framing: Framing | 'close',
    onHead: () => void = () => {},
  ): Promise<void> {
    try {
      const write = (octets: Uint8Array) => {
        onHead()
        return this.write(octets)
      }
      await sendMessage(write, head, body, framing)
    } catch (error) {
      body?.cancel(error)
      throw error
    }
  }

  /** Answers a request that cannot be served, for the last time: where the next one would begin is not known. */
  private async refuse(status: number, reason: string): Promise<false> {
    const { counters, log } = this.context
    counters.refusedRequests++
    if (log.debugOn) log.debug(`${endpointToString(this.flow.remote)} refused: ${reason}`)
    const response = plainResponse(status)
    const { lines, framing } = this.delimit(response, undefined, false)
    await this.respond(response, lines, framing)
    await this.linger()
    return false
  }

  /** Hands the connection over to another protocol. */
  private async upgrade({ status, fields, upgrade }: HttpResponse): Promise<false> {
    const connection = status === 101 ? 'Connection: Upgrade\r\n' : ''
    const head = `HTTP/1.1 ${status} ${reasonOf(status)}\r\n${ownLines(fields).text}${connection}\r\n`
    this.context.counters.upgrades++
    await this.write(textToOctets(head))
    this.alarm.clear()
    await upgrade?.(this.input.detach())
    await this.flow.close()
    return false
  }

  /** Writes behind what is being written: 100 (Continue) may be, when a response begins. */
  private async write(octets: Uint8Array): Promise<void> {
    this.allow(this.context.limits.writeTime)
    const writing =
      this.writing === undefined ? this.flow.write(octets) : this.writing.then(() => this.flow.write(octets))
    this.writing = writing
    await writing
    if (this.writing === writing) this.writing = undefined
    // The next part may take its time: that is not for the client to answer for.
    this.rest()
  }

  private async close(): Promise<void> {
    this.allow(this.context.limits.writeTime)
    await this.flow.close()
  }

  /**
   * Closes after an answer to a client that may still be sending (RFC 9112 §9.6): octets that arrive at a closed
   * connection are answered with a reset, and a reset may destroy the answer before it is read.
   */
  private async linger(): Promise<void> {
    this.flow.shutdownWrite()
    this.allow(LINGER_TIME, () => this.end())
    let readBytes = 0
    while (readBytes < LINGER_BYTES && (await this.input.fill())) readBytes += this.input.take(LINGER_BYTES).length
    await this.close()
  }

  /** Gives `duration` from now for what comes next; afterwards the connection is reset, unless something else is said. */
  private allow(duration: Duration, whenLate: () => void = this.abortLate): void {
    this.whenLate = whenLate
    this.alarm.set(after(this.context.clock.now(), duration))
  }

  /** Sets no limit to what comes next. */
  private rest(): void {
    this.alarm.set(SOME_DAY)
  }

  private readonly abortLate = (): void => {
    this.isEnding = true
    this.context.counters.timeouts++
    this.flow.abort()
  }

  /** Ends an idle connection in an orderly way, and with it the call that `run` waits in. */
  private end(): void {
    this.isEnding = true
    if (!this.isFinishing) this.context.counters.timeouts++
    void this.flow.close()
  }

  /** Something failed: the flow, because the client went away or was late, or the body of a response. */
  private ended(error: unknown): void {
    const { counters, log } = this.context
    const remote = endpointToString(this.flow.remote)
    this.request?.lose(error)
    if (this.isEnding) {
      log.debug(() => `${remote} was late, or the server ends`)
      return
    }
    if (error instanceof NetError) {
      counters.lostConnections++
      log.debug(() => `${remote} went away: ${error.message}`)
    } else {
      // The head is on its way: a response that ends early is the only way left to say that it failed.
      counters.failedResponses++
      log.error(() => `Cannot finish a response to ${remote}: ${messageOf(error)}`)
    }
    this.flow.abort()
  }
}

/** Most handlers never ask for the signal: it is made when they do. */
class ServedRequest implements HttpRequest {
  readonly method: string
  readonly target: string
  readonly path: string
  readonly query: string
  readonly authority: string
  readonly minor: 0 | 1
  readonly fields: Fields
  readonly framing: Framing
  readonly isPersistent: boolean
  readonly content: Body
  readonly remote: Endpoint
  /** Called when the connection is lost. */
  onLost: (reason: unknown) => void = () => {}
  isLost = false
  private reason: unknown
  private controller: CancelController | undefined

  constructor(head: RequestHead, content: Body, remote: Endpoint) {
    this.method = head.method
    this.target = head.target
    this.path = head.path
    this.query = head.query
    this.authority = head.authority
    this.minor = head.minor
    this.fields = head.fields
    this.framing = head.framing
    this.isPersistent = head.isPersistent
    this.content = content
    this.remote = remote
  }

  get signal(): CancelSignal {
    if (this.controller === undefined) {
      this.controller = new CancelController()
      if (this.isLost) this.controller.cancel(this.reason)
    }
    return this.controller.signal
  }

  /** The client has gone away. */
  lose(reason: unknown): void {
    if (this.isLost) return
    this.isLost = true
    this.reason = reason
    this.controller?.cancel(reason)
    this.onLost(reason)
  }
}

/** RFC 9110 §15: the status of a final response, or of one that hands the connection over. */
function checked(response: HttpResponse): HttpResponse {
  const { status, upgrade } = response
  if (Number.isInteger(status) && status <= 999 && (status >= 200 || (status === 101 && upgrade !== undefined))) {
    return response
  }
  throw new TypeError(`expected a status of 200 to 999, got ${status}`)
}

/** A response that comes when nobody wants it any more. */
function drop(answering: Promise<HttpResponse>): void {
  void answering.then(
    ({ body }) => body?.cancel(undefined),
    () => {},
  )
}

const CONTINUE = textToOctets('HTTP/1.1 100 Continue\r\n\r\n')

/** RFC 9110 §6.4.1: responses that never have content. */
function hasContent(status: number): boolean {
  return status >= 200 && status !== 204 && status !== 304
}

function isUpgrade({ status, upgrade }: HttpResponse, { method }: RequestHead): boolean {
  return upgrade !== undefined && (status === 101 || (method === 'CONNECT' && status >= 200 && status < 300))
}
