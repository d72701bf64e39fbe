/**
 * A web server whose handler is the web's own: a `Request` goes in, a `Response` comes out.
 *
 *     import { serve } from '@mirage-ts/web/serve'
 *
 *     const server = await serve(deps, { port }, (request) => new Response(`hello from ${request.url}`))
 *
 * `Request` and `Response` are those of Node.js where there are some, ours elsewhere: see `globals.ts`.
 */
/// <reference lib="webworker" />
import './globals.ts'
import { measured } from '@mirage-ts/apps/http/body'
import type { Handler, HttpRequest } from '@mirage-ts/apps/http/connection'
import type { FieldLine } from '@mirage-ts/apps/http/fields'
import { type HttpResponse, plainResponse } from '@mirage-ts/apps/http/response'
import {
  createHttpServer,
  type HttpServer,
  type HttpServerDeps,
  type HttpServerOptions,
} from '@mirage-ts/apps/http/server'
import { type AnyStream, readerBody, streamOf } from './body.ts'
import { Request as OurRequest, ReceivedRequest } from './request.ts'
import { Response as OurResponse } from './response.ts'
import { takeUpgrade } from './upgrade.ts'

/** Answers to a request. What it throws becomes 500. */
export type WebHandler = (request: Request) => Response | Promise<Response>

/** Serves what `handler` answers; resolves once it listens. */
export function serve(deps: HttpServerDeps, options: HttpServerOptions, handler: WebHandler): Promise<HttpServer> {
  return createHttpServer(deps, options, toHttpHandler(handler))
}

/** The handler of an HTTP server that asks `handler`. */
export function toHttpHandler(handler: WebHandler): Handler<HttpRequest> {
  const urlOf = createUrlMaker()
  return (received) => {
    const url = urlOf(received)
    if (url === undefined) return plainResponse(400)
    // The web has no `Request` with these methods.
    if (/^(?:CONNECT|TRACE|TRACK)$/.test(received.method)) return plainResponse(501)
    const request = makeRequest(received, url)
    const answer = (response: Response) => takeUpgrade(request, received) ?? toHttpResponse(response)
    const response = handler(request)
    // What is there already is answered without a promise.
    return isPromise(response) ? Promise.resolve(response).then(answer) : answer(response)
  }
}

/** Anything with a `then` is awaited, as `await` would. */
function isPromise(response: Response | PromiseLike<Response>): response is PromiseLike<Response> {
  return typeof (response as Partial<PromiseLike<Response>> | undefined)?.then === 'function'
}

/** Characters that URLs keep as they are, in path and query alike. */
const PLAIN = /^[A-Za-z0-9\-._~!$&()*+,;=:@/%?]*$/

/** Makes a function that gives the URL of a request, or `undefined` when it makes none. */
function createUrlMaker(): (request: HttpRequest) => string | undefined {
  // Clients ask one host nearly always: its name is looked at once.
  let lastAuthority = ''
  let lastOrigin: string | undefined
  return ({ authority, path, query }) => {
    if (authority !== lastAuthority || lastOrigin === undefined) {
      const text = `http://${authority === '' ? 'localhost' : authority}`
      lastOrigin = URL.canParse(text) ? new URL(text).origin : undefined
      lastAuthority = authority
    }
    if (lastOrigin === undefined) return undefined
    const target = path === '' ? '/*' : path + query
    if (PLAIN.test(target) && !/\/\.|%2e/i.test(path)) return lastOrigin + target
    return new URL(lastOrigin + target).href
  }
}

/** True where `Request` and `Response` are ours: then nothing has to become a stream that is none. */
function isOurs(): boolean {
  return (globalThis.Request as unknown) === OurRequest
}

function makeRequest(received: HttpRequest, url: string): Request {
  const { method, fields, content } = received
  // A GET may have content on the wire, but not on the web; what is not read is skipped.
  const hasBody = received.framing !== 0 && method !== 'GET' && method !== 'HEAD'
  if (isOurs()) {
    const arrived = new ReceivedRequest(
      method,
      url,
      fields.lines(),
      hasBody ? content : undefined,
      () => received.signal,
    )
    return new OurRequest(arrived) as unknown as Request
  }
  const request = new Request(url, {
    method,
    headers: fields.lines() as [string, string][],
    ...(hasBody ? { body: streamOf(content) as unknown as ReadableStream, duplex: 'half' } : {}),
  })
  // Giving Node's Request a signal costs as much as all the rest; few handlers ask for it.
  let signal: AbortSignal | undefined
  Object.defineProperty(request, 'signal', {
    get: () => {
      signal ??= signalOf(received)
      return signal
    },
  })
  return request
}

function signalOf({ signal }: HttpRequest): AbortSignal {
  const controller = new AbortController()
  if (signal.aborted) controller.abort(signal.reason)
  else signal.addEventListener('abort', () => controller.abort(signal.reason))
  return controller.signal
}

function toHttpResponse(response: Response): HttpResponse | Promise<HttpResponse> {
  if (response === null || typeof response !== 'object' || !('headers' in response)) {
    throw new TypeError('Cannot answer: the handler gave no Response')
  }
  const { status, headers } = response
  const ours: unknown = response
  if (ours instanceof OurResponse) return { status, fields: ours.headers.lines(), body: ours.takeBody() }
  const { body } = response
  const fields: FieldLine[] = []
  for (const [name, value] of headers) fields.push([name, value])
  if (body === null) return { status, fields }
  // Text and octets are streams here as well: sent with their length, in one write.
  return measured(readerBody(body as AnyStream)).then((content) => ({ status, fields, body: content }))
}
