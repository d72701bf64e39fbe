/** Responses, and their heads as octets (RFC 9112 §4, RFC 9110 §15). */
import { isFieldValue, isToken } from './fields.ts'
import { writeText } from './octets.ts'

/** What a response carries, read piece by piece while it is sent. */
export interface Body {
  readonly lenBytes: number
  /** At most `lenBytes` octets from `offBytes` on, one at least; borrowed. */
  read(offBytes: number, lenBytes: number): Promise<Uint8Array>
}

/** What a handler answers. The connection adds Content-Length, Date and Connection, and leaves out the body for HEAD. */
export interface Response {
  readonly status: number
  /** Name and value; the value has one character for each octet. */
  readonly fields: readonly (readonly [name: string, value: string])[]
  readonly body: Body | undefined
}

/** Answers to a request. A rejection becomes 500. */
export type Handler<R> = (request: R) => Promise<Response>

/** The statuses we send; `reasonOf` gives other ones an empty phrase, which RFC 9112 §4 allows. */
const REASONS: Readonly<Record<number, string>> = {
  200: 'OK',
  301: 'Moved Permanently',
  304: 'Not Modified',
  400: 'Bad Request',
  404: 'Not Found',
  405: 'Method Not Allowed',
  411: 'Length Required',
  413: 'Content Too Large',
  414: 'URI Too Long',
  431: 'Request Header Fields Too Large',
  500: 'Internal Server Error',
  501: 'Not Implemented',
  505: 'HTTP Version Not Supported',
}

function reasonOf(status: number): string {
  return REASONS[status] ?? ''
}

/** A response that says in a line of text what its status is. */
export function plainResponse(status: number, fields: Response['fields'] = []): Response {
  const text = `${status} ${reasonOf(status)}\n`
  const octets = new Uint8Array(text.length)
  writeText(octets, 0, text)
  return {
    status,
    fields: [['Content-Type', 'text/plain'], ...fields],
    body: { lenBytes: octets.length, read: async (off, len) => octets.subarray(off, off + len) },
  }
}

/**
 * The head of a response, up to and with the empty line. Throws a `TypeError` when a field is not one, so that no value
 * can end its line and forge others.
 */
export function responseHead(status: number, fields: Response['fields']): string {
  let head = `HTTP/1.1 ${status} ${reasonOf(status)}\r\n`
  for (const [name, value] of fields) {
    if (!isToken(name) || !isFieldValue(value)) {
      throw new TypeError(`Cannot send field ${JSON.stringify(name)}: expected a token and a value without controls`)
    }
    head += `${name}: ${value}\r\n`
  }
  return `${head}\r\n`
}
