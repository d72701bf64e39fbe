/** The head of a response as the connection sends it: what the handler says, and what the connection adds (RFC 9112 §6, §9). */
import type { Framing } from './framing.ts'
import { type OwnLines, ownLines } from './outgoing.ts'
import type { RequestHead } from './request.ts'
import { type HttpResponse, reasonOf } from './response.ts'

/** RFC 9110 §6.4.1: responses that never have content. */
export function hasContent(status: number): boolean {
  return status >= 200 && status !== 204 && status !== 304
}

/** True when the response hands the connection over (RFC 9110 §7.8, §9.3.6). */
export function isUpgrade({ status, upgrade }: HttpResponse, { method }: RequestHead): boolean {
  return upgrade !== undefined && (status === 101 || (method === 'CONNECT' && status >= 200 && status < 300))
}

/** RFC 9110 §15: `response`, if its status is that of a final one, or of one that hands the connection over. */
export function checkedResponse(response: HttpResponse): HttpResponse {
  const { status } = response
  if (
    Number.isInteger(status) &&
    status <= 999 &&
    (status >= 200 || (status === 101 && response.upgrade !== undefined))
  ) {
    return response
  }
  throw new TypeError(`expected a status of 200 to 999, got ${status}`)
}

/** How the content of `response` is delimited; `close`: by the end of the connection. */
export function responseFraming({ body, fields }: HttpResponse, minor: 0 | 1 | undefined): Framing | 'close' {
  if (body === undefined) return 0
  const framing = body.lenBytes ?? ownLines(fields).declaredLength ?? 'chunked'
  return framing === 'chunked' && minor === 0 ? 'close' : framing
}

/** The status line and the fields that say what the response is, for a request with `method`. */
export function headStart({ status, fields, body }: HttpResponse, framing: Framing | 'close', method?: string): string {
  const own = ownLines(fields)
  // RFC 9110 §8.6, §15.4.5: where there is no content, a length would be that of another response.
  const length = method === 'HEAD' && body === undefined ? (own.declaredLength ?? framing) : framing
  if (own.start !== '' && own.status === status && own.length === length) return own.start
  const start = `HTTP/1.1 ${status} ${reasonOf(status)}\r\n${own.text}${hasContent(status) ? lengthLine(length) : ''}`
  return remember(own, status, length, start)
}

function lengthLine(length: Framing | 'close'): string {
  if (typeof length === 'number') return `Content-Length: ${length}\r\n`
  return length === 'chunked' ? 'Transfer-Encoding: chunked\r\n' : ''
}

function remember(own: OwnLines, status: number, length: Framing | 'close', start: string): string {
  own.status = status
  own.length = length
  own.start = start
  return start
}

/** The lines that end a head: the date, and what becomes of the connection. */
export class HeadEnds {
  private readonly date: () => string
  private lastDate = ''
  /** For HTTP/1.1, with the last date, when the connection goes on. */
  private usual = ''

  /** `date` gives the current one as HTTP writes it. */
  constructor(date: () => string) {
    this.date = date
  }

  get(minor: 0 | 1 | undefined, goesOn: boolean): string {
    const date = this.date()
    if (date !== this.lastDate) {
      this.lastDate = date
      this.usual = `Date: ${date}\r\n\r\n`
    }
    if (goesOn && minor === 1) return this.usual
    return `Date: ${date}\r\nConnection: ${goesOn ? 'keep-alive' : 'close'}\r\n\r\n`
  }
}
