/** `fetch` over a client of ours (Fetch §5.6), for programs that are no browser: no cookies, no cache, no origin. */
/// <reference lib="webworker" />
import './globals.ts'
import type { Body } from '@mirage-ts/apps/http/body'
import type { HttpClient } from '@mirage-ts/apps/http/client'
import type { ClientRequest, ClientResponse } from '@mirage-ts/apps/http/client-connection'
import type { FieldLine } from '@mirage-ts/apps/http/fields'
import { type AnyStream, readerBody, streamOf } from './body.ts'
import { Request as OurRequest } from './request.ts'
import { Response as OurResponse } from './response.ts'

export type Fetch = (input: string | URL | Request, init?: RequestInit) => Promise<Response>

const MAX_REDIRECT_COUNT = 20

/** Makes a `fetch`. It rejects with a `TypeError` whose cause says what went wrong, or with the signal's reason. */
export function createFetch({ client }: { readonly client: HttpClient }): Fetch {
  return async (input, init) => {
    const request = new Request(input, init)
    request.signal.throwIfAborted()
    try {
      return await follow(client, request)
    } catch (error) {
      if (request.signal.aborted) throw request.signal.reason
      if (error instanceof TypeError) throw error
      throw new TypeError('fetch failed', { cause: error })
    }
  }
}

async function follow(client: HttpClient, request: Request): Promise<Response> {
  let url = new URL(request.url)
  let { method } = request
  let lines = linesOf(request.headers)
  let body = bodyOf(request)
  const hadBody = body !== undefined
  for (let count = 0; ; count++) {
    const response = await send(client, url, { method, fields: lines, body, signal: request.signal })
    const location = response.fields.get('location')
    const isRedirect = [301, 302, 303, 307, 308].includes(response.status) && location !== undefined
    if (!isRedirect || request.redirect === 'manual') return toResponse(response, url, count > 0)
    response.body.cancel(undefined)
    if (request.redirect === 'error') throw new TypeError('fetch failed: the server redirects')
    if (count === MAX_REDIRECT_COUNT) throw new TypeError('fetch failed: too many redirections')
    const next = new URL(location, url)
    if (next.hash === '') next.hash = url.hash
    const { status } = response
    // Fetch §4.4: a form that was sent is not sent again, but for 307 and 308.
    if ((status === 303 && method !== 'HEAD') || ((status === 301 || status === 302) && method === 'POST')) {
      method = 'GET'
      body = undefined
      lines = lines.filter(([name]) => !name.startsWith('content-'))
    } else if (hadBody) {
      throw new TypeError('fetch failed: the body was sent already, and the server wants it elsewhere')
    }
    // What was meant for one host is not told to another.
    if (next.origin !== url.origin) lines = lines.filter(([name]) => !/^(?:authorization|cookie|host)$/.test(name))
    url = next
  }
}

function send(
  client: HttpClient,
  url: URL,
  request: Omit<ClientRequest, 'authority' | 'target'>,
): Promise<ClientResponse> {
  if (!/^https?:$/.test(url.protocol)) throw new TypeError(`fetch failed: ${url.protocol} is not supported`)
  return client.request({
    ...request,
    authority: url.host,
    target: url.pathname + url.search,
    isSecure: url.protocol === 'https:',
  })
}

function linesOf(headers: Headers): FieldLine[] {
  const lines: FieldLine[] = []
  for (const [name, value] of headers) lines.push([name, value])
  if (!headers.has('accept')) lines.push(['accept', '*/*'])
  return lines
}

function bodyOf(request: Request): Body | undefined {
  const ours: unknown = request
  if (ours instanceof OurRequest) return ours.takeBody()
  return request.body === null ? undefined : readerBody(request.body as AnyStream)
}

function toResponse({ status, reason, fields, body }: ClientResponse, { href }: URL, isRedirected: boolean): Response {
  const hasNoBody = [101, 204, 205, 304].includes(status) || body.lenBytes === 0
  if ((globalThis.Response as unknown) === OurResponse) {
    const received = {
      status,
      statusText: reason,
      lines: fields.lines(),
      content: hasNoBody ? undefined : body,
      url: href,
      isRedirected,
    }
    return OurResponse.ofReceived(received) as unknown as Response
  }
  const stream = hasNoBody ? null : (streamOf(body) as unknown as ReadableStream)
  const response = new Response(stream, { status, statusText: reason, headers: fields.lines() as [string, string][] })
  return Object.defineProperties(response, { url: { value: href }, redirected: { value: isRedirected } })
}
