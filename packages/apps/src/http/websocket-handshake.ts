/** The opening handshake of WebSockets (RFC 6455 §4): keys and what answers them. */

import { textToOctets } from '@mirage-ts/core/octets'
import { sha1 } from '@noble/hashes/legacy.js'

const GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11'

/** A key as §4.1 has it: 16 octets in base64. */
export function isWebSocketKey(text: string): boolean {
  return /^[A-Za-z0-9+/]{21}[AQgw]==$/.test(text)
}

/** What a server answers to `key` (§4.2.2). SHA-1 keeps no secret here: it shows that the server understood. */
export function acceptOf(key: string): string {
  return base64(sha1(textToOctets(key + GUID)))
}

const DIGITS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/'

/** The base64 of octets (RFC 4648 §4). */
export function base64(octets: Uint8Array): string {
  let text = ''
  for (let i = 0; i < octets.length; i += 3) {
    const leftCount = octets.length - i
    const bits = ((octets[i] as number) << 16) | ((octets[i + 1] ?? 0) << 8) | (octets[i + 2] ?? 0)
    text += DIGITS.charAt(bits >>> 18) + DIGITS.charAt((bits >>> 12) & 63)
    text += leftCount > 1 ? DIGITS.charAt((bits >>> 6) & 63) : '='
    text += leftCount > 2 ? DIGITS.charAt(bits & 63) : '='
  }
  return text
}
