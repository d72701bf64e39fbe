/**
 * Keys of the tree. The segments of a key of the store are joined by an octet 0, which no segment has, so that all below a
 * dictionary is next to each other; a piece of a value has two such octets and its number behind the value's key.
 */

import { segmentsOf } from '@mirage-ts/core/kv-key'
import { utf8Decode, utf8Encode } from '@mirage-ts/core/utf8'
import { octetsToText } from './node.ts'

/** Longer than any key: what can be asked for is cut off here before it is taken apart. */
const MAX_ASKED = 4096

/** The key of the tree for a key of the store, `''` for the root; `undefined` when it never names anything. */
export function treeKeyOf(key: string): string | undefined {
  if (key.length > MAX_ASKED || segmentsOf(key) === undefined) return undefined
  const octets = utf8Encode(key)
  return octets === undefined ? undefined : octetsToText(octets, 0, octets.length).replaceAll('/', '\0')
}

/** The key of piece `number` of a value, from 1. */
export function chunkKey(treeKey: string, number: number): string {
  return `${treeKey}\0\0${String.fromCharCode(number >>> 24, (number >>> 16) & 255, (number >>> 8) & 255, number & 255)}`
}

/** What the key of everything below a dictionary begins with. */
export function belowPrefix(treeKey: string): string {
  return treeKey === '' ? '' : `${treeKey}\0`
}

/** Less than no key that begins with `prefix`, and less than every greater key. */
export function behind(prefix: string): string {
  return `${prefix}\x01`
}

/** The octets of a key of the tree. */
export function octetsOf(treeKey: string): Uint8Array {
  return Uint8Array.from(treeKey, (char) => char.charCodeAt(0))
}

/** The name that these octets spell; it was encoded by us, so anything else is a damage that no checksum saw. */
export function nameOf(text: string): string | undefined {
  return utf8Decode(octetsOf(text))
}
