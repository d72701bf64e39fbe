/** What all our stores do with keys and failures. */
import { KvError, type KvErrorCode, messageOf } from './errors.ts'
import { utf8Encode } from './utf8.ts'

/** Greatest length of a key that can be written, in octets of UTF-8. */
export const MAX_KEY_BYTES = 1024

/** The segments of a key, none for the root; `undefined` when the key never names anything. */
export function segmentsOf(key: string): readonly string[] | undefined {
  if (key === '') return []
  return isName(key) ? key.split('/') : undefined
}

/** True when `key` can name something: no segment is empty, `.` or `..`, and none has a NUL. The root is not meant. */
export function isName(key: string): boolean {
  for (let start = 0; ; ) {
    const slash = key.indexOf('/', start)
    const lenChars = (slash < 0 ? key.length : slash) - start
    if (lenChars === 0) return false
    if (lenChars <= 2 && key.charCodeAt(start) === DOT && (lenChars === 1 || key.charCodeAt(start + 1) === DOT)) {
      return false
    }
    if (slash < 0) return !key.includes('\0')
    start = slash + 1
  }
}

const DOT = 0x2e

/** The octets of a key that a value can be written to; `bad-key` when there can be none. */
export function checkWritableKey(key: string): Uint8Array {
  // Length first: a key of a million octets is not to be taken apart.
  const octets = key.length > MAX_KEY_BYTES ? undefined : utf8Encode(key)
  if (key.length > MAX_KEY_BYTES || (octets !== undefined && octets.length > MAX_KEY_BYTES)) {
    throw kvError('bad-key', key, `it is longer than ${MAX_KEY_BYTES} octets`)
  }
  if (octets === undefined || !isName(key)) throw kvError('bad-key', key)
  return octets
}

/** The key without its last segment, and that segment. */
export function splitKey(key: string): { readonly parent: string; readonly name: string } {
  const slash = key.lastIndexOf('/')
  return { parent: slash < 0 ? '' : key.slice(0, slash), name: key.slice(slash + 1) }
}

/** `name` in the dictionary `parent`. */
export function joinKey(parent: string, name: string): string {
  return parent === '' ? name : `${parent}/${name}`
}

/** True when `key` is below the dictionary `dictionary`. */
export function isBelow(key: string, dictionary: string): boolean {
  return key !== dictionary && (dictionary === '' || key.startsWith(`${dictionary}/`))
}

/** An error about `key`: `why` says more than the code does. */
export function kvError(code: KvErrorCode, key: string, why: string = code, cause?: unknown): KvError {
  return new KvError(code, `Cannot access ${shown(key)}: ${why}`, cause === undefined ? {} : { cause })
}

/** What a failure of the device below becomes; a `KvError` stays what it is. */
export function asKvError(cause: unknown, key: string): unknown {
  if (cause instanceof KvError || cause instanceof RangeError || cause instanceof TypeError) return cause
  return kvError('io', key, messageOf(cause), cause)
}

/** Keys come from strangers: a long one is cut in messages. */
function shown(key: string): string {
  return JSON.stringify(key.length > 200 ? `${key.slice(0, 200)}...` : key)
}

/** Throws a `RangeError` unless both can be an offset and a length. */
export function checkPart(offBytes: number, lenBytes: number): void {
  if (!(offBytes >= 0 && lenBytes >= 0)) {
    throw new RangeError(`Cannot access ${lenBytes} octets at ${offBytes}: expected 0 or more`)
  }
}

/** Orders names as `KvRo.list` does. */
export function compareNames(a: { readonly name: string }, b: { readonly name: string }): number {
  return a.name < b.name ? -1 : a.name > b.name ? 1 : 0
}
