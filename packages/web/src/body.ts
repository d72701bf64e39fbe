/**
 * What `Request` and `Response` have in common: a body (Fetch §5.3).
 *
 * Octets that are there stay octets until somebody asks for a stream: a response of text goes from its handler to the
 * connection without one.
 */
import { collect, type Body as HttpBody, octetsBody } from '@mirage-ts/apps/http/body'
import { Blob } from './blob.ts'
import { encodeUtf8, octetsOf, TextDecoder } from './encoding.ts'
import { emitMultipart, FormData, parseFormData } from './form-data.ts'
import type { Headers } from './headers.ts'
import { ReadableStream } from './streams.ts'
import { URLSearchParams } from './url.ts'

export type BodyInit =
  | string
  | ArrayBuffer
  | ArrayBufferView
  | Blob
  | FormData
  | URLSearchParams
  | ReadableStream<Uint8Array>

/** Where the octets are. */
export type Source = Uint8Array | HttpBody | ReadableStream<Uint8Array> | null

/** Octets, and the type that goes with them. */
export interface TypedSource {
  readonly source: Source
  readonly type?: string
}

let formCount = 0

export class BodyHolder {
  readonly headers: Headers
  private source: Source
  private stream: ReadableStream<Uint8Array> | undefined
  private isUsed = false

  constructor(headers: Headers, { source, type }: TypedSource) {
    this.headers = headers
    this.source = source
    if (type !== undefined && !headers.has('content-type')) headers.set('content-type', type)
  }

  get body(): ReadableStream<Uint8Array> | null {
    if (this.source === null) return null
    if (this.stream === undefined) {
      this.stream =
        this.source instanceof ReadableStream
          ? this.source
          : streamOf(httpBodyOf(this.source), () => {
              this.isUsed = true
            })
    }
    return this.stream
  }

  get bodyUsed(): boolean {
    return this.isUsed
  }

  async bytes(): Promise<Uint8Array> {
    return (await this.consume()).slice()
  }

  async arrayBuffer(): Promise<ArrayBuffer> {
    return (await this.bytes()).buffer as ArrayBuffer
  }

  async text(): Promise<string> {
    return new TextDecoder().decode(await this.consume())
  }

  async json(): Promise<unknown> {
    return JSON.parse(await this.text()) as unknown
  }

  async blob(): Promise<Blob> {
    return new Blob([await this.consume()], { type: this.headers.get('content-type') ?? '' })
  }

  async formData(): Promise<FormData> {
    return parseFormData(await this.consume(), this.headers.get('content-type') ?? '')
  }

  /** Takes the body to send it: nobody else can use it any more. */
  takeBody(): HttpBody | undefined {
    if (this.source === null) return undefined
    this.use()
    return this.stream === undefined && !(this.source instanceof ReadableStream)
      ? httpBodyOf(this.source)
      : readerBody(this.body as ReadableStream<Uint8Array>)
  }

  /** Splits the body in two; this keeps one. */
  protected teeBody(): BodyInit | null {
    if (this.isUsed || this.stream?.locked === true) throw new TypeError('Cannot clone: the body is already used')
    if (this.source === null) return null
    if (this.source instanceof Uint8Array && this.stream === undefined) return this.source as Uint8Array<ArrayBuffer>
    const [one, other] = (this.body as ReadableStream<Uint8Array>).tee()
    this.source = one
    this.stream = one
    return other
  }

  private async consume(): Promise<Uint8Array> {
    const body = this.takeBody()
    return body === undefined ? new Uint8Array(0) : collect(body)
  }

  private use(): void {
    if (this.isUsed || this.stream?.locked === true) throw new TypeError('Body is unusable: it was already read')
    this.isUsed = true
  }
}

/** Fetch §5.2. */
export function extract(body: BodyInit | null | undefined): TypedSource {
  if (body === null || body === undefined) return { source: null }
  if (typeof body === 'string') return { source: encodeUtf8(body), type: 'text/plain;charset=UTF-8' }
  if (body instanceof ReadableStream) return { source: body }
  if (body instanceof ArrayBuffer || ArrayBuffer.isView(body)) return { source: octetsOf(body).slice() }
  if (body instanceof URLSearchParams) {
    return { source: encodeUtf8(body.toString()), type: 'application/x-www-form-urlencoded;charset=UTF-8' }
  }
  if (body instanceof Blob) {
    return { source: readerBody(body.stream()), ...(body.type === '' ? {} : { type: body.type }) }
  }
  if (body instanceof FormData) {
    const boundary = `----mirage-form-${Date.now().toString(36)}-${formCount++}`
    return { source: lateBody(() => emitMultipart(body, boundary)), type: `multipart/form-data; boundary=${boundary}` }
  }
  return { source: encodeUtf8(String(body)), type: 'text/plain;charset=UTF-8' }
}

function httpBodyOf(source: Uint8Array | HttpBody): HttpBody {
  return source instanceof Uint8Array ? octetsBody(source) : source
}

/** A body that is made when it is read. */
function lateBody(make: () => Promise<Uint8Array>): HttpBody {
  let isRead = false
  return {
    lenBytes: undefined,
    read: async () => {
      if (isRead) return undefined
      isRead = true
      return make()
    },
    cancel: () => {
      isRead = true
    },
  }
}

/** A stream of what a body has; it is read as the stream is. `onRead` runs when that begins. */
export function streamOf(body: HttpBody, onRead: () => void = () => {}): ReadableStream<Uint8Array> {
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        onRead()
        const piece = await body.read()
        if (piece === undefined) controller.close()
        else controller.enqueue(piece)
      },
      cancel(reason) {
        body.cancel(reason)
      },
    },
    { highWaterMark: 0 },
  )
}

/** What {@link readerBody} uses of a stream: Node's and ours have it. */
export interface AnyStream {
  getReader(): {
    read(): Promise<{ readonly done: boolean; readonly value?: unknown }>
    cancel(reason: unknown): Promise<void>
  }
}

/** A body that reads a stream of octets. */
export function readerBody(stream: AnyStream): HttpBody {
  const reader = stream.getReader()
  return {
    lenBytes: undefined,
    read: async () => {
      while (true) {
        const { done, value } = await reader.read()
        if (done) return undefined
        if (!(value instanceof Uint8Array))
          throw new TypeError('Cannot send a body: its stream has a piece that is no Uint8Array')
        if (value.length > 0) return value
      }
    },
    cancel: (reason) => {
      // What the stream makes of it is its own affair.
      reader.cancel(reason).catch(() => {})
    },
  }
}
