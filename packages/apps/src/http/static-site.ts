/**
 * The files of a store as a web site (RFC 9110): GET and HEAD, entity tags and conditions, ranges, files compressed
 * beforehand, `index.html` for a directory. Dates go out, and are compared, where the store keeps them.
 */
import { KvError } from '@mirage-ts/core/errors'
import type { KvRo } from '@mirage-ts/signatures/kv'
import type { WallClock, WallInstant } from '@mirage-ts/signatures/time'
import { type Body, concatBodies, latin1Body, octetsBody, rangeBody } from './body.ts'
import { checkConditions, isRangeCurrent } from './conditions.ts'
import type { Handler, HttpRequest } from './connection.ts'
import { CODINGS, type ContentCoding, chooseCoding } from './content-coding.ts'
import { httpDate } from './date.ts'
import { type FieldLine, type Fields, HAS_CONDITION } from './fields.ts'
import { mediaTypeOf } from './media-types.ts'
import { frozenFields } from './outgoing.ts'
import { type ByteRange, contentRange, parseRange } from './ranges.ts'
import { type HttpResponse, plainResponse } from './response.ts'
import { createHttpServer, type HttpServer, type HttpServerDeps, type HttpServerOptions } from './server.ts'
import { pathSegments } from './target.ts'

const INDEX = 'index.html'

/** The methods of RFC 9110 §9.3 and RFC 5789: known, and not allowed here. */
const OTHER_METHODS: readonly string[] = ['POST', 'PUT', 'DELETE', 'CONNECT', 'OPTIONS', 'TRACE', 'PATCH']

export interface StaticSiteOptions {
  /**
   * Serves `page.html.br`, `.zst` or `.gz` in place of `page.html` to clients that take it. Which of them are there is looked up
   * when a file is asked for that is new, or has changed: change it last. Default false.
   */
  readonly isPrecompressed?: boolean
  /** The Cache-Control field of every file. Default: none. */
  readonly cacheControl?: string
}

/** Content of requests is of no use to a site. */
const LIMITS = { contentBytes: 64 * 1024 }

/** Files remembered; beyond, all are forgotten. */
const MAX_FILES = 1024

/** Serves `site` over HTTP; resolves once it listens. */
export function serveStatic(
  { site, ...deps }: HttpServerDeps & { readonly site: KvRo },
  options: HttpServerOptions & StaticSiteOptions,
): Promise<HttpServer> {
  const handler = createStaticHandler({ site, wallClock: deps.wallClock }, options)
  return createHttpServer(deps, { ...options, limits: { ...LIMITS, ...options.limits } }, handler)
}

/** Answers with the files of `site`. Without a clock nobody could say which dates are past, and none go out. */
export function createStaticHandler(
  { site, wallClock }: { readonly site: KvRo; readonly wallClock?: WallClock },
  { isPrecompressed = false, cacheControl }: StaticSiteOptions = {},
): Handler<HttpRequest> {
  const common: readonly FieldLine[] = cacheControl === undefined ? [] : [['Cache-Control', cacheControl]]
  const files = new KnownFiles(site, isPrecompressed ? CODINGS : [])
  const answer = async (request: HttpRequest): Promise<HttpResponse> => {
    if (!isRead(request)) {
      return OTHER_METHODS.includes(request.method) ? plainResponse(405, [['Allow', 'GET, HEAD']]) : plainResponse(501)
    }
    const segments = pathSegments(request.path)
    if (segments === undefined) return plainResponse(400)
    if (segments.at(-1) === '') segments[segments.length - 1] = INDEX
    const key = segments.join('/')
    const known = await files.get(key)
    if (known === undefined) return plainResponse(404)
    // With the slash, the relative links of its index mean what they say.
    if (known === 'dictionary') return plainResponse(301, [['Location', `${request.path}/${request.query}`]])
    const coding = known.codingFor(request.fields)
    const codedDigest = coding === undefined ? undefined : await files.digest(key + coding.suffix)
    if (coding !== undefined && codedDigest === undefined) files.forget(key)
    const isCoded = coding !== undefined && codedDigest !== undefined
    const fileKey = isCoded ? key + coding.suffix : key
    const digest = codedDigest ?? known.digest
    const modified = pastSeconds(await site.lastModified(fileKey), wallClock)
    let sent = known.sent.get(fileKey)
    if (sent === undefined || sent.digest !== digest || sent.modified !== modified) {
      const lines: FieldLine[] = [['Content-Type', mediaTypeOf(key)], ...common]
      if (known.codings.length > 0) lines.push(['Vary', 'Accept-Encoding'])
      if (isCoded) lines.push(['Content-Encoding', coding.name])
      if (modified !== undefined) lines.push(['Last-Modified', httpDate(modified)])
      const fields = frozenFields([...lines, ['ETag', `"${digest}"`], ['Accept-Ranges', 'bytes']])
      sent = { key: fileKey, digest, modified, lenBytes: await site.sizeBytes(fileKey), fields }
      known.sent.set(fileKey, sent)
    }
    return file(site, sent, request, undefined)
  }
  /** The same for a file that was sent before and lies in memory, without waiting. Undefined for another one. */
  const answerAtOnce = (request: HttpRequest): HttpResponse | undefined => {
    if (site.peek === undefined || !isRead(request) || request.path.includes('%')) return undefined
    const key = request.path.slice(1)
    const known = files.known(key.endsWith('/') || key === '' ? key + INDEX : key)
    if (known === undefined || site.peek(known.key)?.digest !== known.digest) return undefined
    const coding = known.codingFor(request.fields)
    const fileKey = coding === undefined ? known.key : known.key + coding.suffix
    const sent = known.sent.get(fileKey)
    const found = site.peek(fileKey)
    if (sent === undefined || found === undefined || sent.digest !== found.digest) return undefined
    if (found.lastModified !== undefined && sent.modified !== pastSeconds(found.lastModified, wallClock))
      return undefined
    return file(site, sent, request, found.octets)
  }
  return (request) => answerAtOnce(request) ?? answer(request)
}

function isRead({ method }: HttpRequest): boolean {
  return method === 'GET' || method === 'HEAD'
}

/** A file asked for lately, as long as its digest stays what it is. */
class KnownFile {
  readonly key: string
  readonly digest: string
  /** In which it lies in the store, too. */
  readonly codings: readonly ContentCoding[]
  /** What was sent of it, by the keys of the plain file and the coded ones. */
  readonly sent: Map<string, Representation> = new Map()
  /** What a client accepts, and what comes of it: most say the same. */
  private accepted: string | undefined = undefined
  private coding: ContentCoding | undefined = undefined

  constructor(key: string, digest: string, codings: readonly ContentCoding[]) {
    this.key = key
    this.digest = digest
    this.codings = codings
  }

  codingFor(fields: Fields): ContentCoding | undefined {
    if (this.codings.length === 0) return undefined
    const accepted = fields.get('accept-encoding')
    if (accepted !== this.accepted) {
      this.accepted = accepted
      this.coding = chooseCoding(fields, this.codings)
    }
    return this.coding
  }
}

/** Files asked for lately: looked up, and their fields made, once for each version of a file. */
class KnownFiles {
  private readonly site: KvRo
  private readonly codings: readonly ContentCoding[]
  private readonly files = new Map<string, KnownFile>()

  constructor(site: KvRo, codings: readonly ContentCoding[]) {
    this.site = site
    this.codings = codings
  }

  /** What was known of a file the last time that it was asked for. */
  known(key: string): KnownFile | undefined {
    return this.files.get(key)
  }

  async get(key: string): Promise<KnownFile | 'dictionary' | undefined> {
    const known = this.files.get(key)
    if (known !== undefined && known.digest === (await this.digest(key))) return known
    const kind = await this.site.exists(key)
    if (kind !== 'value') return kind
    const kinds = await Promise.all(this.codings.map(({ suffix }) => this.site.exists(key + suffix)))
    const codings = this.codings.filter((_, i) => kinds[i] === 'value')
    const file = new KnownFile(key, await this.site.digest(key), codings)
    if (this.files.size >= MAX_FILES) this.files.clear()
    this.files.set(key, file)
    return file
  }

  /** The digest of a file now; `undefined` when it has gone away. */
  async digest(key: string): Promise<string | undefined> {
    try {
      return await this.site.digest(key)
    } catch (error) {
      if (!(error instanceof KvError) || error.code !== 'not-found') throw error
      return undefined
    }
  }

  forget(key: string): void {
    this.files.delete(key)
  }
}

/** What there is to send. */
interface Representation {
  readonly key: string
  readonly digest: string
  /** Seconds since 1970, when the store knows. */
  readonly modified: number | undefined
  readonly lenBytes: number
  readonly fields: readonly FieldLine[]
}

/** RFC 9110 §8.8.2.1: nothing has changed in the future; a date there, or a clock not set yet, says nothing. */
function pastSeconds(instant: WallInstant | undefined, wallClock?: WallClock): number | undefined {
  return instant === undefined || wallClock === undefined || instant > wallClock.now()
    ? undefined
    : Math.floor(instant / 1_000_000)
}

/** Fields that a 304 leaves out (RFC 9110 §15.4.5): the client has them. */
const KNOWN_FIELD = /^(Content-.*|Accept-Ranges|Last-Modified)$/

/** Answers with a file, or as the conditions of the request ask; `octets` are its contents when they lie in memory. */
function file(site: KvRo, sent: Representation, request: HttpRequest, octets: Uint8Array | undefined): HttpResponse {
  const { digest, modified, lenBytes, fields } = sent
  if ((request.fields.marks & HAS_CONDITION) === 0)
    return { status: 200, fields, body: bodyOf(site, sent, octets, 0, lenBytes) }
  const status = checkConditions(request.fields, digest, modified)
  if (status === 412) return plainResponse(412)
  if (status === 304) {
    return { status, fields: fields.filter(([name]) => !KNOWN_FIELD.test(name)) }
  }
  // RFC 9110 §14.2: a Range field is for GET alone.
  const field = request.method === 'GET' ? request.fields.get('range') : undefined
  const ranges =
    field === undefined || !isRangeCurrent(request.fields, digest) ? undefined : parseRange(field, lenBytes)
  if (ranges === undefined) return { status: 200, fields, body: bodyOf(site, sent, octets, 0, lenBytes) }
  if (ranges === 'unsatisfiable') return plainResponse(416, [['Content-Range', `bytes */${lenBytes}`]])
  const part = ({ off, end }: ByteRange): Body => bodyOf(site, sent, octets, off, end)
  const [first, ...others] = ranges
  if (first !== undefined && others.length === 0) {
    return { status: 206, fields: [...fields, ['Content-Range', contentRange(first, lenBytes)]], body: part(first) }
  }
  return multipart(fields, ranges, lenBytes, digest, part)
}

function bodyOf(
  site: KvRo,
  { key, lenBytes }: Representation,
  octets: Uint8Array | undefined,
  off: number,
  end: number,
): Body {
  if (octets === undefined) return rangeBody(off, end, (at, len) => site.getPartial(key, at, len))
  return octetsBody(end - off === lenBytes ? octets : octets.subarray(off, end))
}

/** RFC 9110 §14.6: several ranges in one response. */
function multipart(
  fields: readonly FieldLine[],
  ranges: readonly ByteRange[],
  lenBytes: number,
  digest: string,
  part: (range: ByteRange) => Body,
): HttpResponse {
  // Not in the file, unless it had its own digest in it.
  const boundary = digest.slice(0, 32)
  const type = fields.find(([name]) => name === 'Content-Type')?.[1] ?? ''
  const parts = ranges.flatMap((range) => [
    latin1Body(`\r\n--${boundary}\r\nContent-Type: ${type}\r\nContent-Range: ${contentRange(range, lenBytes)}\r\n\r\n`),
    part(range),
  ])
  return {
    status: 206,
    fields: [
      ['Content-Type', `multipart/byteranges; boundary=${boundary}`],
      ...fields.filter(([name]) => name !== 'Content-Type'),
    ],
    body: concatBodies([...parts, latin1Body(`\r\n--${boundary}--\r\n`)]),
  }
}
