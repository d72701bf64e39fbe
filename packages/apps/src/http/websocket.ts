/**
 * WebSockets (RFC 6455), both ends, over the connection that an upgrade gives.
 *
 * No extension is offered or accepted unless it is given: `compression`, which websocket-deflate.ts makes.
 */
import { NetError } from '@mirage-ts/core/errors'
import { after, minutes, seconds } from '@mirage-ts/core/time'
import { utf8Decode, utf8Encode } from '@mirage-ts/core/utf8'
import type { Cancellable } from '@mirage-ts/signatures/cancel'
import type { Flow } from '@mirage-ts/signatures/flow'
import type { Random } from '@mirage-ts/signatures/random'
import type { Alarm, Duration, MonotonicClock, Time } from '@mirage-ts/signatures/time'
import type { HttpClient } from './client.ts'
import type { HttpRequest } from './connection.ts'
import type { FieldLine } from './fields.ts'
import { listMembers } from './fields.ts'
import { type HttpResponse, plainResponse } from './response.ts'
import type { WebSocketCompression } from './websocket-deflate.ts'
import { emitFrame, type Frame, FrameParser, OPCODE } from './websocket-frame.ts'
import { acceptOf, base64, isWebSocketKey } from './websocket-handshake.ts'

export interface WebSocketDeps {
  readonly time: Time
  readonly clock: MonotonicClock
}

export interface WebSocketOptions {
  /** Longest message, whole; a longer one closes with 1009. Default 1 MiB. */
  readonly messageBytes?: number
  /** A ping is sent when nothing has come for this long, and the connection aborted after as long again. Default 1 minute. */
  readonly quietTime?: Duration
  /** Compresses messages when the other side agrees. Default: never. */
  readonly compression?: WebSocketCompression | undefined
}

const DEFAULT_MESSAGE_BYTES = 1024 * 1024
const DEFAULT_QUIET_TIME = minutes(1)

/** How long the other side may take to answer our closing. */
const CLOSE_TIME = seconds(5)

/** Why a connection ended (RFC 6455 §7.1.5, §7.4.1). */
export interface WebSocketClosing {
  /** 1005 when the other side gave none, 1006 when the connection was lost. */
  readonly code: number
  readonly reason: string
}

const EMPTY = new Uint8Array(0)

/** One end of an open WebSocket. */
export class WebSocketConnection {
  /** The subprotocol agreed on, or empty. */
  readonly protocol: string
  /** How it ended, once `receive` has given `undefined`. */
  closing: WebSocketClosing | undefined
  readonly #flow: Flow
  readonly #parser: FrameParser
  readonly #messageBytes: number
  readonly #quietTime: Duration
  readonly #clock: MonotonicClock
  readonly #alarm: Alarm
  readonly #maskRandom: Random | undefined
  readonly #compression: WebSocketCompression | undefined
  #chunk: Uint8Array = EMPTY
  #off = 0
  /** Frames are written one after the other; rejects once writing has failed. */
  #writing: Promise<void> = Promise.resolve()
  #isCloseSent = false
  #isPinged = false
  #isAborted = false

  /** `maskRandom` is what a client masks its frames with; a server has none (§5.1). `compression` has been agreed on. */
  constructor(
    flow: Flow,
    { time, clock }: WebSocketDeps,
    { messageBytes = DEFAULT_MESSAGE_BYTES, quietTime = DEFAULT_QUIET_TIME, compression }: WebSocketOptions = {},
    protocol = '',
    maskRandom: Random | undefined = undefined,
  ) {
    this.protocol = protocol
    this.#flow = flow
    this.#maskRandom = maskRandom
    this.#parser = new FrameParser(maskRandom === undefined, messageBytes, compression !== undefined)
    this.#compression = compression
    this.#messageBytes = messageBytes
    this.#quietTime = quietTime
    this.#clock = clock
    this.#alarm = time.alarm(() => this.#quiet())
    this.#alarm.set(after(clock.now(), quietTime))
  }

  /**
   * The next message, text or octets; `undefined` when the connection has ended, in whatever way: see `closing`. One call
   * at a time. Pings are answered and pongs taken while it waits.
   */
  async receive(): Promise<string | Uint8Array | undefined> {
    let parts: Uint8Array[] = []
    let opcode = 0
    let lenBytes = 0
    let isCompressed = false
    while (this.closing === undefined) {
      const frame = await this.#readFrame()
      if (frame === undefined) break
      if (frame.opcode >= OPCODE.close) {
        this.#control(frame)
        continue
      }
      // §5.4: a message begins with its type and goes on without.
      if ((frame.opcode === OPCODE.continuation) !== opcode > 0) return this.#fail(1002, 'fragments in disorder')
      if (frame.opcode !== OPCODE.continuation) {
        opcode = frame.opcode
        isCompressed = frame.isCompressed
      }
      lenBytes += frame.payload.length
      if (lenBytes > this.#messageBytes) return this.#fail(1009, 'message too long')
      parts.push(frame.payload)
      if (!frame.isFinal) continue
      const whole = join(parts, lenBytes)
      parts = []
      const octets = isCompressed ? this.#compression?.decompress(whole, this.#messageBytes) : whole
      if (octets === 'too-long') return this.#fail(1009, 'message too long')
      if (octets === undefined || octets === 'malformed') return this.#fail(1007, 'message cannot be decompressed')
      if (opcode === OPCODE.binary) return octets
      return utf8Decode(octets) ?? this.#fail(1007, 'text is not UTF-8')
    }
    this.#alarm.clear()
    return undefined
  }

  /** Sends a message; resolves when it was accepted into a bounded buffer. Octets may be reused then. */
  send(message: string | Uint8Array): Promise<void> {
    if (this.#isCloseSent || this.closing !== undefined) {
      return Promise.reject(new NetError('closed', 'Cannot send: the WebSocket is closed'))
    }
    const isText = typeof message === 'string'
    const octets = isText ? (utf8Encode(message.toWellFormed()) ?? EMPTY) : message
    const opcode = isText ? OPCODE.text : OPCODE.binary
    const compression = this.#compression
    if (compression === undefined || octets.length <= compression.leastBytes) return this.#write(opcode, octets)
    const compressed = compression.compress(octets)
    // What gets no shorter goes as it is.
    if (compressed.length >= octets.length) return this.#write(opcode, octets)
    return this.#write(opcode, compressed, true)
  }

  /** Asks whether the other side is there. */
  ping(): Promise<void> {
    return this.#write(OPCODE.ping, EMPTY)
  }

  /**
   * Begins to close; goes on receiving, so that `receive` says when the other side has answered. `code` is 1000 or 3000 to
   * 4999, or one of RFC 6455 §7.4.1. Idempotent.
   */
  close(code = 1000, reason = ''): void {
    this.#sendClose(code, reason)
  }

  /** Ends it at once. */
  abort(): void {
    this.#isAborted = true
    this.closing ??= { code: 1006, reason: '' }
    this.#alarm.clear()
    this.#flow.abort()
  }

  async #readFrame(): Promise<Frame | undefined> {
    try {
      while (true) {
        if (this.#off === this.#chunk.length) {
          const chunk = await this.#flow.read()
          if (chunk === undefined) break
          this.#chunk = chunk
          this.#off = 0
          this.#isPinged = false
          if (!this.#isCloseSent) this.#alarm.set(after(this.#clock.now(), this.#quietTime))
        }
        this.#off = this.#parser.push(this.#chunk, this.#off)
        const { outcome } = this.#parser
        if (typeof outcome === 'object') return outcome
        if (outcome !== undefined) return this.#fail(outcome === 'frame-too-long' ? 1009 : 1002, outcome)
      }
    } catch {
      // Lost, or we aborted it: that is what 1006 says.
    }
    this.#end({ code: 1006, reason: '' })
    return undefined
  }

  #control({ opcode, payload }: Frame): void {
    if (opcode === OPCODE.ping) void this.#write(OPCODE.pong, payload).catch(ignore)
    if (opcode !== OPCODE.close) return
    const code = payload.length >= 2 ? ((payload[0] as number) << 8) | (payload[1] as number) : 1005
    const reason = utf8Decode(payload, Math.min(2, payload.length))
    if (payload.length === 1 || reason === undefined || (payload.length > 0 && !isCloseCode(code))) {
      this.#fail(1002, 'malformed close')
      return
    }
    // §5.5.1: answered with what was said.
    this.#sendClose(code === 1005 ? undefined : code, '')
    this.#end({ code, reason })
  }

  #sendClose(code: number | undefined, reason: string): void {
    if (this.#isCloseSent || this.closing !== undefined) return
    this.#isCloseSent = true
    const text = utf8Encode(reason.toWellFormed()) ?? EMPTY
    if (text.length > 123) throw new RangeError('Cannot close a WebSocket: expected a reason of at most 123 octets')
    const payload = new Uint8Array(code === undefined ? 0 : 2 + text.length)
    if (code !== undefined) {
      payload.set([code >>> 8, code & 0xff])
      payload.set(text, 2)
    }
    this.#writing = this.#writing.then(() => this.#flow.write(this.#frame(OPCODE.close, payload)))
    this.#writing.catch(ignore)
    this.#alarm.set(after(this.#clock.now(), CLOSE_TIME))
  }

  /** Ends the connection because of what the other side sent (§7.1.7). */
  #fail(code: number, reason: string): undefined {
    this.#sendClose(code, reason)
    this.#end({ code, reason })
    return undefined
  }

  #end(closing: WebSocketClosing): void {
    this.closing ??= closing
    this.#alarm.clear()
    if (this.#isAborted) return
    void this.#writing.then(
      () => this.#flow.close(),
      () => this.#flow.abort(),
    )
  }

  #write(opcode: number, payload: Uint8Array, isCompressed = false): Promise<void> {
    const frame = this.#frame(opcode, payload, isCompressed)
    const writing = this.#writing.then(() => {
      if (this.#isCloseSent && opcode !== OPCODE.close)
        throw new NetError('closed', 'Cannot send: the WebSocket is closed')
      return this.#flow.write(frame)
    })
    this.#writing = writing
    writing.catch(ignore)
    return writing
  }

  #frame(opcode: number, payload: Uint8Array, isCompressed = false): Uint8Array {
    if (this.#maskRandom === undefined) return emitFrame(opcode, true, payload, undefined, isCompressed)
    const key = new Uint8Array(4)
    this.#maskRandom.fill(key, 0, 4)
    return emitFrame(opcode, true, payload, key, isCompressed)
  }

  #quiet(): void {
    if (this.#isCloseSent || this.#isPinged) {
      this.abort()
      return
    }
    this.#isPinged = true
    this.#alarm.set(after(this.#clock.now(), this.#quietTime))
    void this.ping().catch(ignore)
  }
}

/** What writing fails of, reading tells. */
function ignore(): void {}

function join(parts: readonly Uint8Array[], lenBytes: number): Uint8Array {
  if (parts.length === 1) return parts[0] as Uint8Array
  const all = new Uint8Array(lenBytes)
  let off = 0
  for (const part of parts) {
    all.set(part, off)
    off += part.length
  }
  return all
}

/** §7.4: codes that may be sent. */
function isCloseCode(code: number): boolean {
  return (
    (code >= 1000 && code <= 1014 && code !== 1004 && code !== 1005 && code !== 1006) || (code >= 3000 && code <= 4999)
  )
}

/** What the handshake of a client asks for. */
export interface WebSocketOffer {
  /** Fields of the answer with status 101. */
  readonly fields: readonly FieldLine[]
  readonly protocol: string
  readonly isCompressed: boolean
}

/** What a server has to know of a request to see whether it is a handshake. */
export type HandshakeRequest = Pick<HttpRequest, 'method' | 'fields' | 'minor'>

/**
 * Reads the handshake of a client (§4.2.1); gives the answer that refuses it when it is none. `protocols` are those that
 * the server speaks, best first.
 */
export function readHandshake(
  { method, fields, minor }: HandshakeRequest,
  protocols: readonly string[] = [],
  compression?: WebSocketCompression,
): WebSocketOffer | HttpResponse {
  const isUpgrade = fields.tokens('connection').includes('upgrade') && fields.tokens('upgrade').includes('websocket')
  if (!isUpgrade || minor === 0) return plainResponse(426, [['Upgrade', 'websocket']])
  const [key, ...others] = fields.all('sec-websocket-key')
  if (method !== 'GET' || key === undefined || others.length > 0 || !isWebSocketKey(key)) return plainResponse(400)
  if (fields.get('sec-websocket-version') !== '13') return plainResponse(426, [['Sec-WebSocket-Version', '13']])
  const offered = listMembers(fields.get('sec-websocket-protocol') ?? '')
  const protocol = protocols.find((one) => offered.includes(one)) ?? ''
  const answer: FieldLine[] = [
    ['Upgrade', 'websocket'],
    ['Sec-WebSocket-Accept', acceptOf(key)],
  ]
  if (protocol !== '') answer.push(['Sec-WebSocket-Protocol', protocol])
  const extension = compression?.accept(fields.get('sec-websocket-extensions') ?? '')
  if (extension !== undefined) answer.push(['Sec-WebSocket-Extensions', extension])
  return { fields: answer, protocol, isCompressed: extension !== undefined }
}

/** Answers a request with a WebSocket that `serve` uses; it is closed when that is over. */
export function webSocketResponse(
  deps: WebSocketDeps,
  request: HandshakeRequest,
  serve: (socket: WebSocketConnection) => Promise<void>,
  options: WebSocketOptions & { readonly protocols?: readonly string[] } = {},
): HttpResponse {
  const offer = readHandshake(request, options.protocols, options.compression)
  if ('status' in offer) return offer
  return {
    status: 101,
    fields: offer.fields,
    upgrade: async (flow) => {
      const compression = offer.isCompressed ? options.compression : undefined
      const socket = new WebSocketConnection(flow, deps, { ...options, compression }, offer.protocol)
      await serve(socket)
      socket.close()
      // What still comes is not wanted; only the answer to our closing is.
      while ((await socket.receive()) !== undefined);
    },
  }
}

/** Opens a WebSocket as a client (§4.1). Rejects with a `NetError`; `protocol` when the server does not agree. */
export async function connectWebSocket(
  { client, random, ...deps }: WebSocketDeps & { readonly client: HttpClient; readonly random: Random },
  target: { readonly authority: string; readonly target: string; readonly isSecure?: boolean },
  {
    protocols = [],
    fields = [],
    signal,
    ...options
  }: WebSocketOptions &
    Cancellable & { readonly protocols?: readonly string[]; readonly fields?: readonly FieldLine[] } = {},
): Promise<WebSocketConnection> {
  const nonce = new Uint8Array(16)
  random.fill(nonce, 0, 16)
  const key = base64(nonce)
  const response = await client.request({
    ...target,
    method: 'GET',
    fields: [
      ...fields,
      ['Connection', 'Upgrade'],
      ['Upgrade', 'websocket'],
      ['Sec-WebSocket-Key', key],
      ['Sec-WebSocket-Version', '13'],
      ...(options.compression === undefined ? [] : [['Sec-WebSocket-Extensions', options.compression.offer] as const]),
      ...(protocols.length === 0 ? [] : [['Sec-WebSocket-Protocol', protocols.join(', ')] as const]),
    ],
    ...(signal === undefined ? {} : { signal }),
  })
  const { status, upgraded } = response
  const protocol = response.fields.get('sec-websocket-protocol') ?? ''
  const extension = response.fields.get('sec-websocket-extensions')
  const isAgreed =
    response.fields.tokens('upgrade').includes('websocket') &&
    response.fields.get('sec-websocket-accept') === acceptOf(key) &&
    (extension === undefined || options.compression?.isAgreeable(extension) === true) &&
    (protocol === '' || protocols.includes(protocol))
  if (upgraded === undefined || !isAgreed) {
    response.body.cancel(undefined)
    upgraded?.abort()
    const why = upgraded === undefined ? `it answers ${status}` : 'its handshake is wrong'
    throw new NetError('protocol', `Cannot open a WebSocket to ${target.authority}: ${why}`)
  }
  const compression = extension === undefined ? undefined : options.compression
  return new WebSocketConnection(upgraded, deps, { ...options, compression }, protocol, random)
}
