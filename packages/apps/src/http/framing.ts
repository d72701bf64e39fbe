/** Where the content of a message ends, as its fields say (RFC 9112 §6). */
import { type Fields, HAS_CODING, HAS_CONNECTION, HAS_LENGTH } from './fields.ts'

/** Octets of content, or `chunked` when each piece says its length. */
export type Framing = number | 'chunked'

/** Why the end of the content is in doubt. */
export type FramingProblem =
  | 'bad-content-length'
  | 'length-and-coding'
  | 'bad-transfer-coding'
  | 'unknown-transfer-coding'

/**
 * What `Content-Length` and `Transfer-Encoding` say; `undefined` when neither is there. Everything that two recipients
 * could read differently is a problem.
 */
export function framingOf(fields: Fields, minor: 0 | 1): Framing | FramingProblem | undefined {
  if ((fields.marks & (HAS_LENGTH | HAS_CODING)) === 0) return undefined
  const lengths = fields.all('content-length')
  const coding = fields.get('transfer-encoding')
  if (coding !== undefined) {
    // §6.1: both fields, or a coding in HTTP/1.0, are signs of request smuggling.
    if (lengths.length > 0) return 'length-and-coding'
    // A list may have empty members; nobody who means `chunked` writes them.
    if (coding.toLowerCase() === 'chunked' && minor === 1) return 'chunked'
    const isOther = fields.tokens('transfer-encoding').some((member) => member !== 'chunked')
    return isOther ? 'unknown-transfer-coding' : 'bad-transfer-coding'
  }
  const [length, ...others] = lengths
  if (length === undefined) return undefined
  // The same length given twice may be accepted (§6.3), and is refused: nobody needs it.
  if (others.length > 0 || !/^\d{1,15}$/.test(length)) return 'bad-content-length'
  return Number(length)
}

/** RFC 9112 §9.3: true when the sender wants the connection to go on after this message. */
export function isPersistent(fields: Fields, minor: 0 | 1): boolean {
  if ((fields.marks & HAS_CONNECTION) === 0) return minor === 1
  const options = fields.tokens('connection')
  if (options.includes('close')) return false
  return minor === 1 || options.includes('keep-alive')
}
