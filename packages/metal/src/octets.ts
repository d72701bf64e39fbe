/** Octets that stand for characters, in C: takes the place of `@mirage-ts/core/octets` on bare targets. */
import { writeText } from 'mirage:native'

export { foldedEqual, foldedHash, octetsCopy, octetsEqual, octetsToText, writeText } from 'mirage:native'

export function textToOctets(text: string): Uint8Array {
  const octets = new Uint8Array(text.length)
  writeText(octets, 0, text)
  return octets
}
