/**
 * The files of a store as a web site (RFC 9110): GET and HEAD, entity tags, `index.html` for a directory.
 *
 * Not yet here: ranges, Last-Modified, content coding, caching rules.
 */
import type { KvRo } from '@mirage-ts/signatures/kv'
import { mediaTypeOf } from './media-types.ts'
import type { Request } from './request.ts'
import { type Handler, plainResponse, type Response } from './response.ts'
import { createHttpServer, type HttpServer, type HttpServerDeps, type HttpServerOptions } from './server.ts'
import { parseTarget, pathSegments } from './target.ts'

const INDEX = 'index.html'

/** The methods of RFC 9110 §9.3 and RFC 5789: known, and not allowed here. */
const OTHER_METHODS: readonly string[] = ['POST', 'PUT', 'DELETE', 'CONNECT', 'OPTIONS', 'TRACE', 'PATCH']

/** Serves `site` over HTTP; resolves once it listens. */
export function serveStatic(
  { site, ...deps }: HttpServerDeps & { readonly site: KvRo },
  options: HttpServerOptions,
): Promise<HttpServer> {
  return createHttpServer(deps, options, createStaticHandler({ site }))
}

/** Answers with the files of `site`. */
export function createStaticHandler({ site }: { readonly site: KvRo }): Handler<Request> {
  return async (request) => {
    if (request.method !== 'GET' && request.method !== 'HEAD') {
      return OTHER_METHODS.includes(request.method) ? plainResponse(405, [['Allow', 'GET, HEAD']]) : plainResponse(501)
    }
    const target = parseTarget(request.target)
    const segments = target === undefined ? undefined : pathSegments(target.path)
    if (target === undefined || segments === undefined) return plainResponse(400)
    if (segments.at(-1) === '') segments[segments.length - 1] = INDEX
    const key = segments.join('/')
    switch (await site.exists(key)) {
      case 'value':
        return file(site, key, request)
      case 'dictionary':
        // With the slash, the relative links of its index mean what they say.
        return plainResponse(301, [['Location', `${target.path}/${target.query}`]])
      case undefined:
        return plainResponse(404)
    }
  }
}

async function file(site: KvRo, key: string, request: Request): Promise<Response> {
  const digest = await site.digest(key)
  const etag: [string, string] = ['ETag', `"${digest}"`]
  if (isKnown(request, digest)) return { status: 304, fields: [etag], body: undefined }
  const body = {
    lenBytes: await site.sizeBytes(key),
    read: (off: number, len: number) => site.getPartial(key, off, len),
  }
  return { status: 200, fields: [['Content-Type', mediaTypeOf(key)], etag], body }
}

/** RFC 9110 §13.1.2: true when the client already has what `digest` names. */
function isKnown(request: Request, digest: string): boolean {
  const tags = request.fields.get('if-none-match')
  // Tags are compared weakly, so W/ in front does not matter; a digest has no quote in it that could end one early.
  return tags === '*' || (tags ?? '').includes(`"${digest}"`)
}
