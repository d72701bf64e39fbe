/**
 * The assertions of the conformance suites: those of `node:assert/strict` that they use, in plain TypeScript, so that the
 * suites run on the engine of an image as well.
 */

/** Something is not as a test expects it. */
export class AssertionError extends Error {
  override readonly name = 'AssertionError'
}

export function ok(value: unknown, message = 'expected a true value'): asserts value {
  if (!value) throw new AssertionError(message)
}

export function equal(got: unknown, expected: unknown, message = ''): void {
  if (!Object.is(got, expected)) throw difference(got, expected, message)
}

/** Compares arrays, octets, maps and plain objects by what is in them. */
export function deepEqual(got: unknown, expected: unknown, message = ''): void {
  if (!isDeepEqual(got, expected)) throw difference(got, expected, message)
}

/** Compares octets without printing them. */
export function equalOctets(got: Uint8Array, expected: Uint8Array, message = ''): void {
  const at = firstDifference(got, expected)
  if (at < 0) return
  const lengths = `${got.length} octets, expected ${expected.length}`
  throw new AssertionError(`${message}: ${lengths}; octet ${at} is ${got[at]}, expected ${expected[at]}`)
}

export function match(got: string, pattern: RegExp, message = ''): void {
  if (!pattern.test(got)) throw difference(got, pattern, message)
}

/** What an error must be: of this class, accepted by a function, or with these properties. */
export type ExpectedError =
  | (new (
      ...args: never[]
    ) => Error)
  | ((error: unknown) => true)
  | Readonly<Record<string, string | RegExp>>

/** Waits until `promise` settles; it must reject with what `expected` says. */
export async function rejects(promise: Promise<unknown>, expected: ExpectedError, message = ''): Promise<void> {
  const outcome = await promise.then(
    (value) => ({ isRejected: false, value }),
    (error: unknown) => ({ isRejected: true, value: error }),
  )
  if (!outcome.isRejected) throw new AssertionError(`${message}: expected a rejection, got ${show(outcome.value)}`)
  const error = outcome.value
  if (typeof expected === 'object') {
    for (const [name, wanted] of Object.entries(expected)) {
      const got = (error as Readonly<Record<string, unknown>>)[name]
      if (wanted instanceof RegExp ? !wanted.test(String(got)) : got !== wanted) {
        throw difference(`${name} ${String(got)} of ${String(error)}`, wanted, message)
      }
    }
  } else if (isErrorClass(expected)) {
    if (!(error instanceof expected)) throw difference(String(error), expected.name, message)
  } else expected(error)
}

function isErrorClass(expected: unknown): expected is new (...args: never[]) => Error {
  return expected === Error || (expected as { readonly prototype?: unknown }).prototype instanceof Error
}

function isDeepEqual(a: unknown, b: unknown): boolean {
  if (Object.is(a, b)) return true
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false
  if (a instanceof Uint8Array || b instanceof Uint8Array) {
    return a instanceof Uint8Array && b instanceof Uint8Array && firstDifference(a, b) < 0
  }
  if (a instanceof Map || b instanceof Map) {
    if (!(a instanceof Map && b instanceof Map) || a.size !== b.size) return false
    for (const [key, value] of a) if (!b.has(key) || !isDeepEqual(value, b.get(key))) return false
    return true
  }
  if (Array.isArray(a) !== Array.isArray(b)) return false
  const keys = Object.keys(a)
  return (
    keys.length === Object.keys(b).length &&
    keys.every((key) => key in b && isDeepEqual(a[key as keyof typeof a], b[key as keyof typeof b]))
  )
}

/** Where `a` and `b` begin to differ, or -1. Looks at four octets in a step where it can: an engine may interpret this. */
function firstDifference(a: Uint8Array, b: Uint8Array): number {
  const end = Math.min(a.length, b.length)
  let at = 0
  if (((a.byteOffset | b.byteOffset) & 3) === 0) {
    const wordCount = end >>> 2
    const aWords = new Int32Array(a.buffer, a.byteOffset, wordCount)
    const bWords = new Int32Array(b.buffer, b.byteOffset, wordCount)
    let word = 0
    while (word < wordCount && aWords[word] === bWords[word]) word++
    at = word * 4
  }
  while (at < end && a[at] === b[at]) at++
  return at === end && a.length === b.length ? -1 : at
}

function difference(got: unknown, expected: unknown, message: string): AssertionError {
  return new AssertionError(`${message}${message === '' ? '' : ': '}got ${show(got)}, expected ${show(expected)}`)
}

const SHOWN_CHARACTERS = 300

function show(value: unknown): string {
  if (value instanceof RegExp) return String(value)
  if (value instanceof Uint8Array) return `${value.length} octets ${value.subarray(0, 32).join(' ')}`
  const plain = value instanceof Map ? [...value.keys()] : value
  const text = typeof plain === 'object' ? JSON.stringify(plain) : typeof plain === 'string' ? plain : String(plain)
  return text.length > SHOWN_CHARACTERS ? `${text.slice(0, SHOWN_CHARACTERS)}...` : text
}
