/**
 * Keys of the tree. The segments of a key of the store are joined by an octet 0, which no segment has, so that all below a
 * dictionary is next to each other; a piece of a value has two such octets and its number behind the value's key.
 */

import { checkWritableKey, isName, kvError, MAX_KEY_BYTES } from '@mirage-ts/core/kv-key'
import { octetsToText, textToOctets } from '@mirage-ts/core/octets'
import { utf8Decode, utf8Encode } from '@mirage-ts/core/utf8'

/** Longer than any key: what can be asked for is cut off here before it is taken apart. */
const MAX_ASKED = 4096

/** The key of the tree for a key of the store, `''` for the root; `undefined` when it never names anything. */
export function treeKeyOf(key: string): string | undefined {
  if (key === '') return ''
  if (key.length > MAX_ASKED || !isName(key)) return undefined
  if (ASCII.test(key)) return key.replaceAll('/', '\0')
  const octets = utf8Encode(key)
  return octets === undefined ? undefined : octetsToText(octets).replaceAll('/', '\0')
}

/** The key of the tree for a key that a value can be written to; throws `bad-key` when there can be none. */
export function writableTreeKey(key: string): string {
  const treeKey = key.length > MAX_KEY_BYTES ? undefined : treeKeyOf(key)
  if (treeKey === undefined || treeKey === '' || treeKey.length > MAX_KEY_BYTES) {
    checkWritableKey(key) // says why
    throw kvError('bad-key', key)
  }
  return treeKey
}

/** Text that is its own UTF-8. */
const ASCII = /^[\0-\x7f]*$/

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

/** The name that these octets spell; it was encoded by us, so anything else is a damage that no checksum saw. */
export function nameOf(text: string): string | undefined {
  return ASCII.test(text) ? text : utf8Decode(textToOctets(text))
}
