/** `Request` (Fetch §5.4) for a server and a client; what only a browser can mean is left at its default. */
import type { Body as HttpBody } from '@mirage-ts/apps/http/body'
import type { FieldLine } from '@mirage-ts/apps/http/fields'
import type { CancelSignal } from '@mirage-ts/signatures/cancel'
import { AbortController, type AbortSignal } from './abort.ts'
import { BodyHolder, type BodyInit, extract, type TypedSource } from './body.ts'
import { Headers, type HeadersInit } from './headers.ts'
import { URL } from './url.ts'

export type Redirect = 'follow' | 'error' | 'manual'

export interface RequestInit {
  readonly method?: string
  readonly headers?: HeadersInit
  readonly body?: BodyInit | null
  readonly signal?: AbortSignal | null
  readonly redirect?: Redirect
  readonly duplex?: 'half'
}

/** A request that was received, as `serve` makes it. */
export class ReceivedRequest {
  readonly method: string
  readonly url: string
  readonly lines: readonly FieldLine[]
  readonly content: HttpBody | undefined
  /** Gives the signal of a client that went away. */
  readonly signal: () => CancelSignal

  constructor(
    method: string,
    url: string,
    lines: readonly FieldLine[],
    content: HttpBody | undefined,
    signal: () => CancelSignal,
  ) {
    this.method = method
    this.url = url
    this.lines = lines
    this.content = content
    this.signal = signal
  }
}

const NORMALIZED = /^(?:delete|get|head|options|post|put)$/i
const FORBIDDEN = /^(?:connect|trace|track)$/i

export class Request extends BodyHolder {
  readonly method: string
  readonly redirect: Redirect
  readonly cache = 'default'
  readonly credentials = 'same-origin'
  readonly destination = ''
  readonly duplex = 'half'
  readonly integrity = ''
  readonly keepalive = false
  readonly mode = 'cors'
  readonly referrer = 'about:client'
  readonly referrerPolicy = ''
  readonly url: string
  private ownSignal: AbortSignal | undefined
  private readonly received: ReceivedRequest | undefined

  constructor(input: string | URL | Request | ReceivedRequest, init: RequestInit = {}) {
    const received = input instanceof ReceivedRequest ? input : undefined
    const { method, url, headers, body, redirect, signal } =
      received === undefined ? partsOf(input, init) : arrived(received)
    super(headers, body)
    this.method = method
    this.url = url
    this.redirect = redirect
    this.ownSignal = signal
    this.received = received
  }

  get signal(): AbortSignal {
    if (this.ownSignal === undefined) {
      const controller = new AbortController()
      this.ownSignal = controller.signal
      const lost = this.received?.signal()
      if (lost?.aborted === true) controller.abort(lost.reason)
      else lost?.addEventListener('abort', () => controller.abort(lost.reason))
    }
    return this.ownSignal
  }

  clone(): Request {
    const body = this.teeBody()
    const { method, headers, redirect, signal } = this
    return new Request(this.url, { method, headers, redirect, body, signal })
  }

  get [Symbol.toStringTag](): string {
    return 'Request'
  }
}

interface RequestParts {
  readonly method: string
  readonly url: string
  readonly headers: Headers
  readonly body: TypedSource
  readonly redirect: Redirect
  readonly signal: AbortSignal | undefined
}

function arrived({ method, url, lines, content }: ReceivedRequest): RequestParts {
  const body = { source: content ?? null }
  return { method, url, headers: Headers.ofLines(lines), body, redirect: 'follow', signal: undefined }
}

/** Fetch §5.4, the constructor's steps. */
function partsOf(input: string | URL | Request | ReceivedRequest, init: RequestInit): RequestParts {
  const from = input instanceof Request ? input : undefined
  const method = checkMethod(init.method ?? from?.method ?? 'GET')
  const body = init.body === undefined ? { source: from?.takeBody() ?? null } : extract(init.body)
  if ((method === 'GET' || method === 'HEAD') && body.source !== null) {
    throw new TypeError(`Cannot make a request: ${method} has no body`)
  }
  const signal = init.signal === undefined ? from?.signal : init.signal
  return {
    method,
    url: from?.url ?? checkUrl(String(input)),
    headers: new Headers(init.headers ?? from?.headers),
    body,
    redirect: init.redirect ?? from?.redirect ?? 'follow',
    signal: signal ?? undefined,
  }
}

function checkMethod(method: string): string {
  const text = String(method)
  if (!/^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/.test(text)) throw new TypeError(`Invalid method ${JSON.stringify(text)}`)
  if (FORBIDDEN.test(text)) throw new TypeError(`Cannot make a request: ${text} is not allowed`)
  return NORMALIZED.test(text) ? text.toUpperCase() : text
}

function checkUrl(text: string): string {
  const url = new URL(text)
  if (url.username !== '' || url.password !== '') throw new TypeError('Cannot make a request: its URL has credentials')
  return url.href
}
