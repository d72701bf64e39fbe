/** One HTTP/1.1 connection of a client: a request is sent, its response read, and then the next may follow. */
import { NetError } from '@mirage-ts/core/errors'
import { after } from '@mirage-ts/core/time'
import type { CancelSignal } from '@mirage-ts/signatures/cancel'
import type { Flow } from '@mirage-ts/signatures/flow'
import type { Alarm, Duration, Instant, MonotonicClock, Time } from '@mirage-ts/signatures/time'
import { type Body, octetsBody } from './body.ts'
import type { FieldLine, Fields } from './fields.ts'
import type { Framing } from './framing.ts'
import { IncomingBody } from './incoming-body.ts'
import { FlowInput } from './input.ts'
import { ownFields, sendMessage } from './outgoing.ts'
import { messageHead } from './response.ts'
import {
  mayFollow,
  type ResponseHead,
  type ResponseLimits,
  ResponseParser,
  responseFraming,
} from './response-parser.ts'

/** A request to send. */
export interface ClientRequest {
  readonly method: string
  /** Where it goes, and its Host field, as in a URL: `example.com`, `[::1]:8080`. */
  readonly authority: string
  /** What it asks for, as RFC 9112 §3.2 has it: `/where?q`; for CONNECT a host and port. */
  readonly target: string
  readonly fields?: readonly FieldLine[]
  readonly body?: Body | undefined
  /** Sends the body only once the server wants it, or has not said anything for a while (RFC 9110 §10.1.1). */
  readonly expectsContinue?: boolean
  readonly signal?: CancelSignal
}

/** The response to a request. */
export interface ClientResponse {
  readonly status: number
  readonly reason: string
  readonly fields: Fields
  /** Read it to its end or cancel it: the connection is kept busy until then. */
  readonly body: Body
  /** The connection itself after 101, or after 2xx to a CONNECT; the caller owns it then. */
  readonly upgraded?: Flow
}

export interface ClientLimits {
  readonly response: ResponseLimits
  /** Most content that a response may have. Default: no limit, for it is read as it comes. */
  readonly contentBytes: number
  /** How long a connection may take to be made. */
  readonly connectTime: Duration
  /** How long the server may take to make room for the next part of a request. */
  readonly writeTime: Duration
  /** How long the server may take from the end of a request to the head of the response. */
  readonly answerTime: Duration
  /** How long the server may take to send more of its content. */
  readonly contentTime: Duration
  /** How long to wait for 100 (Continue) before sending the body all the same. */
  readonly continueTime: Duration
  /** How long a connection is kept that nobody uses. */
  readonly idleTime: Duration
}

/** What an alarm is set to when nothing is to be waited for: see `connection.ts`. */
const SOME_DAY = (2 ** 52) as Instant

export class ClientConnection {
  /** A response has come on it: the next request may find it closed, and be tried again. */
  isReused = false
  /** Octets of the response to the request under way have come. */
  hasAnswered = false
  readonly #flow: Flow
  readonly #input: FlowInput
  readonly #clock: MonotonicClock
  readonly #limits: ClientLimits
  readonly #alarm: Alarm
  readonly #continueAlarm: Alarm
  #whenLate: () => void = () => {}
  /** Why we aborted the flow: calls that fail then fail because of this. */
  #abortReason: unknown
  /** Lets the body that waits for 100 (Continue) be sent, or not. */
  #continue: (isWanted: boolean) => void = () => {}
  #isSent = false
  /** Called once when the connection can be used again, or when it cannot. */
  #release: (isUsable: boolean) => void = () => {}

  constructor(flow: Flow, { time, clock }: { time: Time; clock: MonotonicClock }, limits: ClientLimits) {
    this.#flow = flow
    this.#input = new FlowInput(flow)
    this.#clock = clock
    this.#limits = limits
    this.#alarm = time.alarm(() => this.#whenLate())
    this.#continueAlarm = time.alarm(() => this.#continue(true))
  }

  /** Waits for the next request; `onLost` runs when the connection ends before. */
  rest(onLost: () => void): void {
    this.#allow(this.#limits.idleTime, onLost)
    // An octet without a request is none that we could make sense of.
    this.#input.watch(onLost, onLost)
  }

  close(): void {
    this.#alarm.clear()
    this.#continueAlarm.clear()
    void this.#flow.close()
  }

  abort(reason: unknown): void {
    this.#abortReason ??= reason
    this.#alarm.clear()
    this.#continueAlarm.clear()
    this.#flow.abort()
  }

  /** Sends a request and reads the head of its response. `release` is called once, when the connection is free or lost. */
  async exchange(request: ClientRequest, release: (isUsable: boolean) => void): Promise<ClientResponse> {
    let isReleased = false
    this.hasAnswered = false
    this.#isSent = false
    const abort = () => this.abort(request.signal?.reason)
    this.#release = (isUsable) => {
      if (isReleased) return
      isReleased = true
      request.signal?.removeEventListener('abort', abort)
      release(isUsable)
    }
    request.signal?.addEventListener('abort', abort)
    try {
      const sending = this.#send(request)
      // When the server answers before it has all, that is what counts; when it does not, reading fails as well.
      sending.catch((error: unknown) => {
        request.body?.cancel(error)
        if (!this.hasAnswered) this.abort(error)
      })
      return await this.#receive(request)
    } catch (error) {
      this.abort(error)
      this.#release(false)
      throw this.#abortReason ?? error
    }
  }

  async #send({ method, authority, target, fields = [], body, expectsContinue }: ClientRequest): Promise<void> {
    const framing: Framing = body === undefined ? 0 : (body.lenBytes ?? 'chunked')
    const lines: FieldLine[] = [['Host', authority], ...ownFields(fields).filter(([name]) => !/^host$/i.test(name))]
    const isExpecting = expectsContinue === true && framing !== 0
    if (isExpecting) lines.push(['Expect', '100-continue'])
    if (framing === 'chunked') lines.push(['Transfer-Encoding', 'chunked'])
    // RFC 9110 §8.6: methods that are made for content say that there is none.
    else if (framing > 0 || METHODS_WITH_CONTENT.includes(method)) lines.push(['Content-Length', String(framing)])
    for (const [name, value] of fields) {
      if (/^connection$/i.test(name)) lines.push([name, value])
    }
    const head = messageHead(`${method} ${target} HTTP/1.1`, lines)
    const write = (octets: Uint8Array) => this.#write(octets)
    if (isExpecting) {
      await sendMessage(write, head, undefined, 0)
      if (!(await this.#isContinued())) {
        body?.cancel(undefined)
        return
      }
      await sendMessage(write, '', body, framing)
    } else {
      await sendMessage(write, head, body, framing)
    }
    this.#isSent = true
    if (!this.hasAnswered) this.#allow(this.#limits.answerTime, () => this.#late('an answer'))
  }

  #isContinued(): Promise<boolean> {
    return new Promise((resolve) => {
      this.#continue = resolve
      if (this.hasAnswered) resolve(false)
      else this.#continueAlarm.set(after(this.#clock.now(), this.#limits.continueTime))
    })
  }

  async #receive(request: ClientRequest): Promise<ClientResponse> {
    const head = await this.#readFinalHead()
    this.#continueAlarm.clear()
    this.#continue(false)
    const { status, reason, fields } = head
    const isTunnel = request.method === 'CONNECT' && status >= 200 && status < 300
    if (status === 101 || isTunnel) {
      this.#alarm.clear()
      this.#release(false)
      return { status, reason, fields, body: octetsBody(new Uint8Array(0)), upgraded: this.#input.detach() }
    }
    const framing = responseFraming(head, request.method)
    if (typeof framing === 'string' && framing !== 'chunked' && framing !== 'close') throw protocolError(framing)
    const { contentBytes, contentTime, response } = this.#limits
    if (typeof framing === 'number' && framing > contentBytes) throw protocolError('content too large')
    const content = new IncomingBody(this.#input, {
      framing,
      limits: response,
      contentBytes,
      onWait: () => {
        this.#allow(contentTime, () => this.#late('content'))
        return undefined
      },
      onArrived: () => this.#alarm.set(SOME_DAY),
    })
    this.#alarm.set(SOME_DAY)
    const finish = () => {
      // Octets that nobody asked for would be taken for the next response.
      const isUsable = this.#isSent && this.#input.isEmpty && mayFollow(head, framing)
      this.isReused = true
      if (!isUsable) this.close()
      this.#release(isUsable)
    }
    if (content.isEnded) finish()
    return { status, reason, fields, body: this.#watched(content, finish) }
  }

  /** The content with what its end and its failure mean for the connection. */
  #watched(content: IncomingBody, finish: () => void): Body {
    return {
      lenBytes: content.lenBytes,
      read: async () => {
        if (content.isEnded) return undefined
        try {
          const piece = await content.read()
          if (content.isEnded) finish()
          return piece
        } catch (error) {
          this.abort(error)
          this.#release(false)
          throw this.#abortReason ?? error
        }
      },
      cancel: (reason) => {
        if (content.isEnded) return
        this.abort(reason ?? new NetError('cancelled', 'The response was cancelled'))
        this.#release(false)
      },
      trailers: () => content.trailers(),
    }
  }

  /** The head of the response proper; interim ones only say that the server goes on (RFC 9110 §15.2). */
  async #readFinalHead(): Promise<ResponseHead> {
    for (let interimCount = 0; interimCount < MAX_INTERIM_COUNT; interimCount++) {
      const head = await this.#readHead()
      if (head.status >= 200 || head.status === 101) {
        this.hasAnswered = true
        return head
      }
      if (head.status === 100) this.#continue(true)
    }
    throw protocolError('too many interim responses')
  }

  async #readHead(): Promise<ResponseHead> {
    const input = this.#input
    const parser = new ResponseParser(this.#limits.response)
    while (parser.outcome === undefined) {
      if (!(await input.fill())) throw new NetError('connection-reset', 'The server closed the connection unasked')
      input.off = parser.push(input.chunk, input.off, input.end)
    }
    if (typeof parser.outcome === 'string') throw protocolError(parser.outcome)
    return parser.outcome
  }

  async #write(octets: Uint8Array): Promise<void> {
    this.#allow(this.#limits.writeTime, () => this.#late('room for the request'))
    await this.#flow.write(octets)
    this.#alarm.set(SOME_DAY)
  }

  #allow(duration: Duration, whenLate: () => void): void {
    this.#whenLate = whenLate
    this.#alarm.set(after(this.#clock.now(), duration))
  }

  #late(what: string): void {
    this.abort(new NetError('timed-out', `The server took too long: no ${what}`))
  }
}

/** RFC 9110 §15.2 sets no limit; an endless row of them would keep us for ever. */
const MAX_INTERIM_COUNT = 20

const METHODS_WITH_CONTENT = ['POST', 'PUT', 'PATCH']

function protocolError(why: string): NetError {
  return new NetError('protocol', `Cannot use the response: ${why}`)
}
