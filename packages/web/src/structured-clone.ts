/**
 * `structuredClone` (HTML §2.7): a deep copy of data, with its cycles and shared parts.
 *
 * Left out: transferring, and the classes of the web itself (Blob, CryptoKey).
 */
import { DOMException } from './dom-exception.ts'

/** A deep copy of `value`; a `DataCloneError` when there is something in it that is no data. */
export function structuredClone<T>(value: T): T {
  return clone(value, new Map()) as T
}

function clone(value: unknown, seen: Map<object, object>): unknown {
  if (typeof value === 'function' || typeof value === 'symbol') throw notData(String(value))
  if (typeof value !== 'object' || value === null) return value
  const known = seen.get(value)
  if (known !== undefined) return known
  const copy = emptyCopy(value, seen)
  seen.set(value, copy)
  if (value instanceof Map) {
    for (const [key, item] of [...value]) (copy as Map<unknown, unknown>).set(clone(key, seen), clone(item, seen))
  } else if (value instanceof Set) {
    for (const item of [...value]) (copy as Set<unknown>).add(clone(item, seen))
  } else if (Array.isArray(value) || copy.constructor === Object) {
    for (const key of Object.keys(value)) set(copy, key, clone((value as Record<string, unknown>)[key], seen))
  }
  return copy
}

/** A copy of everything but the parts that may refer back to the value. */
function emptyCopy(value: object, seen: Map<object, object>): object {
  if (Array.isArray(value)) return new Array(value.length)
  if (value instanceof Date) return new Date(value.getTime())
  if (value instanceof RegExp) return new RegExp(value.source, value.flags)
  if (value instanceof Boolean || value instanceof Number || value instanceof String) return Object(value.valueOf())
  if (value instanceof Map) return new Map()
  if (value instanceof Set) return new Set()
  if (value instanceof ArrayBuffer) return value.slice(0)
  if (ArrayBuffer.isView(value)) return cloneView(value, seen)
  if (value instanceof Error) return cloneError(value, seen)
  if (value instanceof Promise || value instanceof WeakMap || value instanceof WeakSet || value instanceof WeakRef) {
    throw notData(String(value))
  }
  return {}
}

function cloneView(view: ArrayBufferView, seen: Map<object, object>): object {
  const buffer = clone(view.buffer, seen) as ArrayBuffer
  if (view instanceof DataView) return new DataView(buffer, view.byteOffset, view.byteLength)
  const View = view.constructor as new (buffer: ArrayBuffer, byteOffset: number, length: number) => object
  return new View(buffer, view.byteOffset, (view as Uint8Array).length)
}

const ERRORS = { Error, EvalError, RangeError, ReferenceError, SyntaxError, TypeError, URIError }

function cloneError(error: Error, seen: Map<object, object>): Error {
  const name = Object.hasOwn(ERRORS, error.name) ? (error.name as keyof typeof ERRORS) : 'Error'
  const copy = new ERRORS[name](error.message)
  if (error.stack !== undefined)
    Object.defineProperty(copy, 'stack', { value: error.stack, configurable: true, writable: true })
  if ('cause' in error) {
    seen.set(error, copy)
    Object.defineProperty(copy, 'cause', { value: clone(error.cause, seen), configurable: true, writable: true })
  }
  return copy
}

/** An own property even when it is called `__proto__`. */
function set(target: object, key: string, value: unknown): void {
  Object.defineProperty(target, key, { value, enumerable: true, configurable: true, writable: true })
}

function notData(what: string): DOMException {
  return new DOMException(`${what} could not be cloned.`, 'DataCloneError')
}
