/** `Response` (Fetch §5.5). */
import type { Body as HttpBody } from '@mirage-ts/apps/http/body'
import type { FieldLine } from '@mirage-ts/apps/http/fields'
import { BodyHolder, type BodyInit, extract, streamOf } from './body.ts'
import { Headers, type HeadersInit } from './headers.ts'
import { URL } from './url.ts'

export interface ResponseInit {
  readonly status?: number
  readonly statusText?: string
  readonly headers?: HeadersInit
}

/** A response that was received, as `fetch` gives it. */
export interface ReceivedResponse {
  readonly status: number
  readonly statusText: string
  readonly lines: readonly FieldLine[]
  readonly content: HttpBody | undefined
  readonly url: string
  readonly isRedirected: boolean
}

const NULL_BODY_STATUSES = [101, 103, 204, 205, 304]
const REDIRECT_STATUSES = [301, 302, 303, 307, 308]

export class Response extends BodyHolder {
  readonly status: number
  readonly statusText: string
  readonly type: string = 'default'
  readonly url: string = ''
  readonly redirected: boolean = false

  constructor(body?: BodyInit | null, { status = 200, statusText = '', headers }: ResponseInit = {}) {
    if (!Number.isInteger(status) || status < 200 || status > 599) {
      throw new RangeError(`Cannot make a response: expected a status of 200 to 599, got ${status}`)
    }
    if (body !== null && body !== undefined && NULL_BODY_STATUSES.includes(status)) {
      throw new TypeError(`Cannot make a response: status ${status} has no body`)
    }
    super(new Headers(headers), extract(body))
    this.status = status
    this.statusText = String(statusText)
  }

  static json(value: unknown, init: ResponseInit = {}): Response {
    const text = JSON.stringify(value)
    if (text === undefined) throw new TypeError('Cannot make a response: the value is not JSON')
    const headers = new Headers(init.headers)
    if (!headers.has('content-type')) headers.set('content-type', 'application/json')
    return new Response(text, { ...init, headers })
  }

  static redirect(url: string | URL, status = 302): Response {
    if (!REDIRECT_STATUSES.includes(status)) throw new RangeError(`Cannot redirect with status ${status}`)
    return new Response(null, { status, headers: { location: new URL(url).href } })
  }

  static error(): Response {
    const response = new Response()
    return Object.assign(response, { type: 'error', status: 0 })
  }

  /** A response that was received. */
  static ofReceived({ status, statusText, lines, content, url, isRedirected }: ReceivedResponse): Response {
    const response = new Response(content === undefined ? null : streamOf(content), { statusText })
    return Object.assign(response, {
      status,
      url,
      redirected: isRedirected,
      type: 'basic',
      headers: Headers.ofLines(lines),
    })
  }

  get ok(): boolean {
    return this.status >= 200 && this.status < 300
  }

  clone(): Response {
    const body = this.teeBody()
    const { status, statusText, headers, url, redirected, type } = this
    // Its status may be one that a body cannot be given with.
    const copy = new Response(body, { statusText, headers })
    return Object.assign(copy, { status, url, redirected, type })
  }

  get [Symbol.toStringTag](): string {
    return 'Response'
  }
}
