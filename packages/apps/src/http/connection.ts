/**
 * One HTTP/1.1 connection of a server (RFC 9112 §9): requests are read, answered and, when the client asks for it,
 * followed by the next; pipelined ones are answered in order.
 */

import { endpointToString } from '@mirage-ts/core/addresses'
import { messageOf, NetError } from '@mirage-ts/core/errors'
import type { Counters } from '@mirage-ts/core/metrics'
import { textToOctets } from '@mirage-ts/core/octets'
import type { Endpoint } from '@mirage-ts/signatures/addresses'
import type { CancelSignal } from '@mirage-ts/signatures/cancel'
import type { TcpFlow } from '@mirage-ts/signatures/flow'
import type { Logger } from '@mirage-ts/signatures/log'
import type { Duration, MonotonicClock, Time } from '@mirage-ts/signatures/time'
import { type Body, NO_CONTENT, OctetsBody } from './body.ts'
import type { Desk, Desks } from './desk.ts'
import { ContentError } from './errors.ts'
import { HAS_EXPECTATION } from './fields.ts'
import { IncomingBody } from './incoming-body.ts'
import { type Late, Link, type LinkUser } from './link.ts'
import { ownLines, sendMessage } from './outgoing.ts'
import { REFUSAL_STATUS, type RequestHead, type RequestLimits, type RequestMemo, RequestParser } from './request.ts'
import { type HttpResponse, plainResponse, reasonOf } from './response.ts'
import { checkedResponse, type HeadEnds, hasContent, headStart, isUpgrade, responseFraming } from './response-head.ts'
import { ServedRequest } from './served-request.ts'

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

/** What the connections of a server share. */
export interface ConnectionContext {
  readonly time: Time
  readonly clock: MonotonicClock
  readonly headEnds: HeadEnds
  readonly log: Logger
  readonly limits: ConnectionLimits
  readonly counters: Counters<HttpCounter>
  readonly memo: RequestMemo
  readonly desks: Desks
}

/** A connection that is being served. */
export interface ServedConnection {
  /** Begins; called once. */
  start(): void
  /** Ends it after the response that is under way, or at once when there is none. */
  finish(): void
  /** Ends it at once. */
  abort(): void
}

/** Makes what serves `flow` to its end, which it closes or aborts; then `onEnded` runs, once. */
export function serveConnection(
  flow: TcpFlow,
  handler: Handler<HttpRequest>,
  context: ConnectionContext,
  onEnded: (connection: ServedConnection) => void,
): ServedConnection {
  return new Connection(flow, handler, context, onEnded)
}

/** Why a turn ended: for want of octets, for want of an answer, for ever, or for work that waits and says if another turn follows. */
type Pause = 'octets' | 'answer' | 'end' | (() => Promise<boolean>)

/** Somebody who waits for an answer. */
interface Waiter {
  readonly resolve: (response: HttpResponse) => void
  readonly reject: (reason: unknown) => void
}

/**
 * In a turn a connection does what needs no waiting: it takes what has arrived, asks the handler, and sends what is answered,
 * for as many requests as there are. Promises cost an interpreter more than all of this together. What has to wait (content of
 * requests, bodies that are not in memory, clients that do not read) is done between two turns.
 */
class Connection implements ServedConnection, LinkUser {
  private readonly link: Link
  private readonly handler: Handler<HttpRequest>
  private readonly context: ConnectionContext
  private readonly onEnded: (connection: ServedConnection) => void
  private readonly parser: RequestParser
  /** The request being answered. */
  private request: ServedRequest | undefined = undefined
  /** The handler has been asked and has not answered yet. */
  private isAsking = false
  /** Takes the answer, if it is not for a turn. */
  private waiter: Waiter | undefined = undefined
  /** A turn begins when octets arrive. */
  private isWaiting = false
  /** The time for the head that has begun is running. */
  private isHeadTimed = false
  /** No request is served after the one under way. */
  private isFinishing = false
  private isOver = false

  constructor(
    flow: TcpFlow,
    handler: Handler<HttpRequest>,
    context: ConnectionContext,
    onEnded: (connection: ServedConnection) => void,
  ) {
    this.link = new Link(flow, context, this)
    this.handler = handler
    this.context = context
    this.onEnded = onEnded
    this.parser = new RequestParser(context.limits.request, context.memo)
  }

  start(): void {
    this.turn()
  }

  finish(): void {
    this.isFinishing = true
    if (this.isWaiting && !this.parser.hasBegun) this.link.end()
  }

  abort(): void {
    const { link } = this
    link.isEnding = true
    link.flow.abort()
    this.lost(new NetError('closed', 'The server ended the connection'))
  }

  /** One turn, which begins with `answer` to the request under way. */
  private turn(answer?: HttpResponse): void {
    const { link, context } = this
    const desk = context.desks.take()
    let pause: Pause
    try {
      pause = this.serve(desk, answer)
      const sending = link.send(desk)
      if (sending !== undefined) pause = this.behind(sending, pause)
      link.input.keep()
    } catch (error) {
      this.failed(error)
      return
    } finally {
      context.desks.give(desk)
    }
    if (pause === 'octets') this.waitForOctets()
    else if (pause === 'answer') link.input.whenReadable(this.onReadable)
    else if (pause === 'end') void link.close().then(() => this.over())
    else void this.work(pause)
  }

  /** Serves requests up to one that has to wait. */
  private serve(desk: Desk, answer: HttpResponse | undefined): Pause {
    const { link, parser } = this
    const { input } = link
    let pause = answer === undefined ? undefined : this.respond(desk, this.request as ServedRequest, answer)
    while (pause === undefined) {
      while (parser.outcome === undefined) {
        const lenBytes = input.poll(desk.input)
        if (lenBytes === 0) return 'octets'
        if (lenBytes < 0) return () => this.reachEnd()
        input.off = parser.push(input.chunk, input.off, input.end)
      }
      const head = parser.outcome
      parser.reset()
      this.isHeadTimed = false
      pause = typeof head === 'string' ? () => this.refuse(REFUSAL_STATUS[head], head) : this.take(desk, head)
    }
    return pause
  }

  /** Answers a request. Undefined when the next one may follow at once. */
  private take(desk: Desk, head: RequestHead): Pause | undefined {
    this.context.counters.requests++
    if (head.framing !== 0 || (head.fields.marks & HAS_EXPECTATION) !== 0) return () => this.answerContent(head)
    const request = new ServedRequest(head, NO_CONTENT, this.link.flow)
    this.request = request
    const answer = this.ask(request)
    if (!(answer instanceof Promise)) return this.respond(desk, request, answer)
    this.expect(answer, undefined)
    return 'answer'
  }

  /** Puts a response on the desk, if its body is in memory. Undefined when the next request may follow at once. */
  private respond(desk: Desk, request: ServedRequest, response: HttpResponse): Pause | undefined {
    const { body, status } = response
    if (isUpgrade(response, request)) return () => this.upgrade(response)
    const octets = body instanceof OctetsBody ? body.octets : undefined
    if (body !== undefined && octets === undefined) return () => this.respondSlowly(request, response)
    const goesOn = request.isPersistent && !this.isFinishing
    const start = headStart(response, octets === undefined ? 0 : octets.length, request.method)
    const isSent = request.method !== 'HEAD' && hasContent(status)
    if (!desk.add(start, this.context.headEnds.get(request.minor, goesOn), isSent ? octets : undefined)) {
      return () => this.respondSlowly(request, response)
    }
    this.request = undefined
    return goesOn ? undefined : 'end'
  }

  /** What the handler answers, or will; or what is answered for it. */
  private ask(request: ServedRequest): HttpResponse | Promise<HttpResponse> {
    try {
      const answer = this.handler(request)
      return answer instanceof Promise ? answer : checkedResponse(answer)
    } catch (error) {
      return this.answerFor(request, error)
    }
  }

  /** What is answered for a handler that failed. */
  private answerFor({ method, target }: ServedRequest, error: unknown): HttpResponse {
    const { counters, log } = this.context
    if (error instanceof ContentError) {
      counters.refusedRequests++
      this.isFinishing = true
      return plainResponse(error.status)
    }
    counters.failedResponses++
    log.error(() => `Cannot answer ${method} ${target}: ${messageOf(error)}`)
    return plainResponse(500)
  }

  /** The first of three takes place: the answer, the loss of the connection, the end of the time. */
  private expect(answer: Promise<HttpResponse>, waiter: Waiter | undefined): void {
    this.isAsking = true
    this.waiter = waiter
    this.allowAnswer()
    answer.then(
      (response) => this.hasAnswered(response),
      (error) => this.hasRefused(error),
    )
  }

  private allowAnswer(): void {
    if (this.isAsking) this.link.allow(this.context.limits.answerTime, 'answer')
  }

  private hasAnswered(response: HttpResponse): void {
    if (!this.isAsking) {
      // It comes when nobody wants it any more.
      response?.body?.cancel(undefined)
      return
    }
    try {
      this.settle(checkedResponse(response))
    } catch (error) {
      this.hasRefused(error)
    }
  }

  private hasRefused(error: unknown): void {
    if (this.isAsking) this.settle(this.answerFor(this.request as ServedRequest, error))
  }

  private settle(response: HttpResponse): void {
    const { waiter } = this
    this.isAsking = false
    this.link.rest()
    if (waiter === undefined) this.turn(response)
    else waiter.resolve(response)
  }

  /** The client has gone away. */
  private lost(reason: unknown): void {
    const { waiter } = this
    this.request?.lose(reason)
    if (!this.isAsking) return
    this.isAsking = false
    if (waiter === undefined) this.failed(reason)
    else waiter.reject(reason)
  }

  /** Notices a client that goes away while it is being answered. */
  private watch(): void {
    this.link.input.watch((reason) => this.lost(reason))
  }

  onLate(what: Late): void {
    const { counters } = this.context
    if (what === 'answer') {
      counters.timeouts++
      this.isFinishing = true
      this.settle(plainResponse(503))
    } else if (what === 'request') {
      if (!this.isFinishing) counters.timeouts++
      this.link.end()
    } else {
      counters.timeouts++
      this.link.isEnding = true
      this.link.flow.abort()
    }
  }

  /** What comes after a turn whose responses the client has no room for yet. */
  private behind(sending: Promise<void>, pause: Pause): Pause {
    if (pause === 'answer') {
      sending.then(
        () => this.allowAnswer(),
        (reason) => this.lost(reason),
      )
      return pause
    }
    return async () => {
      await sending
      if (pause === 'end') return this.close()
      return pause === 'octets' || pause()
    }
  }

  private waitForOctets(): void {
    const { link, parser } = this
    const { limits } = this.context
    if (!parser.hasBegun) link.allow(limits.idleTime, 'request')
    else if (!this.isHeadTimed) link.allow(limits.requestTime, 'client')
    this.isHeadTimed = parser.hasBegun
    this.isWaiting = true
    link.input.whenReadable(this.onReadable)
  }

  private readonly onReadable = (): void => {
    if (this.isWaiting) {
      this.isWaiting = false
      this.turn()
    } else if (this.isAsking) {
      // Another request, the end of the stream or of the connection: reading on tells.
      this.watch()
    }
  }

  private async work(pause: () => Promise<boolean>): Promise<void> {
    try {
      if (await pause()) this.turn()
      else this.over()
    } catch (error) {
      this.failed(error)
    }
  }

  /** No more will come: the client has finished, or is lost. */
  private async reachEnd(): Promise<boolean> {
    if (await this.link.input.fill()) return true
    return this.close()
  }

  private async close(): Promise<false> {
    await this.link.close()
    return false
  }

  /** Answers a request that has content, or may have. */
  private async answerContent(head: RequestHead): Promise<boolean> {
    const { link } = this
    const { limits } = this.context
    if (typeof head.framing === 'number' && head.framing > limits.contentBytes) return this.refuse(413, 'too large')
    // RFC 9110 §10.1.1: HTTP/1.0 had no expectations.
    const expectation = head.minor === 1 ? head.fields.get('expect')?.toLowerCase() : undefined
    if (expectation !== undefined && expectation !== '100-continue') return this.refuse(417, 'unknown expectation')
    // Until the client was told to go on, whether it will send its content is its choice (RFC 9110 §10.1.1).
    let isContentUncertain = expectation !== undefined && head.framing !== 0
    let isHeadSent = false
    const content = new IncomingBody(link.input, {
      framing: head.framing,
      limits: limits.request,
      contentBytes: limits.contentBytes,
      onWait: () => {
        link.allow(limits.contentTime, 'client')
        if (!isContentUncertain || isHeadSent) return undefined
        isContentUncertain = false
        return link.write(CONTINUE)
      },
      onArrived: () => {
        // Content that comes without waiting for us makes it certain, too.
        isContentUncertain = false
        link.rest()
      },
    })
    const request = new ServedRequest(head, content, link.flow)
    this.request = request
    const answer = this.ask(request)
    if (content.isEnded) this.watch()
    const response = answer instanceof Promise ? await this.answered(answer) : answer
    link.rest()
    if (isUpgrade(response, head)) return this.upgrade(response)
    // Content that nobody has read up to here is read after the response, or the connection ends with it.
    const mayGoOn = head.isPersistent && !isContentUncertain && !this.isFinishing
    // The body of the response may be made of the content, and asks for it before the head is sent.
    const onHead = () => {
      isHeadSent = true
    }
    const goesOn = await this.send(head, response, mayGoOn, onHead)
    const isRead = !isContentUncertain && (content.isEnded || (await content.drain(limits.drainBytes)))
    this.request = undefined
    if (goesOn && isRead && !this.isFinishing) return true
    if (isRead) await link.close()
    else await link.linger()
    return false
  }

  private answered(answer: Promise<HttpResponse>): Promise<HttpResponse> {
    return new Promise((resolve, reject) => this.expect(answer, { resolve, reject }))
  }

  /** Sends a response whose body is not in memory, or too large for the desk. */
  private async respondSlowly(request: ServedRequest, response: HttpResponse): Promise<boolean> {
    this.watch()
    const goesOn = await this.send(request, response, request.isPersistent && !this.isFinishing)
    this.request = undefined
    return (goesOn && !this.isFinishing) || this.close()
  }

  /** Sends a response; true when another may follow. */
  private async send(
    head: RequestHead | undefined,
    response: HttpResponse,
    mayGoOn: boolean,
    onHead: () => void = () => {},
  ): Promise<boolean> {
    const { body, status } = response
    const framing = responseFraming(response, head?.minor)
    const goesOn = mayGoOn && framing !== 'close'
    const text = headStart(response, framing, head?.method) + this.context.headEnds.get(head?.minor, goesOn)
    const write = (octets: Uint8Array) => {
      onHead()
      return this.link.write(octets)
    }
    try {
      await sendMessage(write, text, body, head?.method === 'HEAD' || !hasContent(status) ? 0 : framing)
    } catch (error) {
      body?.cancel(error)
      throw error
    }
    return goesOn
  }

  /** Answers a request that cannot be served, for the last time: where the next one would begin is not known. */
  private async refuse(status: number, reason: string): Promise<false> {
    const { counters, log } = this.context
    counters.refusedRequests++
    if (log.debugOn) log.debug(`${endpointToString(this.link.flow.remote)} refused: ${reason}`)
    await this.send(undefined, plainResponse(status), false)
    await this.link.linger()
    return false
  }

  /** Hands the connection over to another protocol. */
  private async upgrade({ status, fields, upgrade }: HttpResponse): Promise<false> {
    const { link } = this
    const connection = status === 101 ? 'Connection: Upgrade\r\n' : ''
    const head = `HTTP/1.1 ${status} ${reasonOf(status)}\r\n${ownLines(fields).text}${connection}\r\n`
    this.context.counters.upgrades++
    await link.write(textToOctets(head))
    link.restForEver()
    await upgrade?.(link.input.detach())
    await link.flow.close()
    return false
  }

  /** Something failed: the flow, because the client went away or was late, or the body of a response. */
  private failed(error: unknown): void {
    const { link } = this
    const { counters, log } = this.context
    const remote = endpointToString(link.flow.remote)
    this.request?.lose(error)
    if (link.isEnding) {
      log.debug(() => `${remote} was late, or the server ends`)
    } else if (error instanceof NetError) {
      counters.lostConnections++
      log.debug(() => `${remote} went away: ${error.message}`)
    } else {
      // The head is on its way: a response that ends early is the only way left to say that it failed.
      counters.failedResponses++
      log.error(() => `Cannot finish a response to ${remote}: ${messageOf(error)}`)
    }
    if (!link.isEnding) link.flow.abort()
    this.over()
  }

  private over(): void {
    if (this.isOver) return
    this.isOver = true
    this.isWaiting = false
    this.isAsking = false
    this.request = undefined
    this.link.restForEver()
    this.onEnded(this)
  }
}

const CONTINUE = textToOctets('HTTP/1.1 100 Continue\r\n\r\n')
