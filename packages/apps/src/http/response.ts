/** Responses, and their heads as octets (RFC 9112 §4, RFC 9110 §15). */
import type { Flow } from '@mirage-ts/signatures/flow'
import { type Body, latin1Body } from './body.ts'
import { type FieldLine, isFieldValue, isToken } from './fields.ts'

/**
 * What a handler answers. The connection delimits the body and says how (Content-Length or chunked), adds Date and
 * Connection, and leaves out the body for HEAD. Fields of a handler that contradict it are not sent.
 */
export interface HttpResponse {
  readonly status: number
  readonly fields: readonly FieldLine[]
  readonly body?: Body | undefined
  /**
   * With status 101, or 2xx to a CONNECT (RFC 9110 §7.8, §9.3.6): takes the connection over once the head is sent. The
   * flow is closed when the promise settles, if it has not been.
   */
  readonly upgrade?: (flow: Flow) => Promise<void>
}

/** The statuses of RFC 9110 and some of others; `reasonOf` gives the rest an empty phrase, which RFC 9112 §4 allows. */
const REASONS: Readonly<Record<number, string>> = {
  100: 'Continue',
  101: 'Switching Protocols',
  103: 'Early Hints',
  200: 'OK',
  201: 'Created',
  202: 'Accepted',
  203: 'Non-Authoritative Information',
  204: 'No Content',
  205: 'Reset Content',
  206: 'Partial Content',
  300: 'Multiple Choices',
  301: 'Moved Permanently',
  302: 'Found',
  303: 'See Other',
  304: 'Not Modified',
  307: 'Temporary Redirect',
  308: 'Permanent Redirect',
  400: 'Bad Request',
  401: 'Unauthorized',
  402: 'Payment Required',
  403: 'Forbidden',
  404: 'Not Found',
  405: 'Method Not Allowed',
  406: 'Not Acceptable',
  408: 'Request Timeout',
  409: 'Conflict',
  410: 'Gone',
  411: 'Length Required',
  412: 'Precondition Failed',
  413: 'Content Too Large',
  414: 'URI Too Long',
  415: 'Unsupported Media Type',
  416: 'Range Not Satisfiable',
  417: 'Expectation Failed',
  418: "I'm a teapot",
  421: 'Misdirected Request',
  422: 'Unprocessable Content',
  426: 'Upgrade Required',
  428: 'Precondition Required',
  429: 'Too Many Requests',
  431: 'Request Header Fields Too Large',
  500: 'Internal Server Error',
  501: 'Not Implemented',
  502: 'Bad Gateway',
  503: 'Service Unavailable',
  504: 'Gateway Timeout',
  505: 'HTTP Version Not Supported',
}

export function reasonOf(status: number): string {
  return REASONS[status] ?? ''
}

/** A response that says in a line of text what its status is. */
export function plainResponse(status: number, fields: readonly FieldLine[] = []): HttpResponse {
  return {
    status,
    fields: [['Content-Type', 'text/plain'], ...fields],
    body: latin1Body(`${status} ${reasonOf(status)}\n`),
  }
}

/** The head of a message up to and with the empty line. */
export function messageHead(startLine: string, fields: readonly FieldLine[]): string {
  return `${startLine}\r\n${fieldLines(fields)}\r\n`
}

/**
 * Fields as lines. Throws a `TypeError` when one is none, so that no value can end its line and forge others.
 */
export function fieldLines(fields: readonly FieldLine[]): string {
  let lines = ''
  for (const [name, value] of fields) {
    if (!isToken(name) || !isFieldValue(value)) {
      throw new TypeError(`Cannot send field ${JSON.stringify(name)}: expected a token and a value without controls`)
    }
    lines += `${name}: ${value}\r\n`
  }
  return lines
}
