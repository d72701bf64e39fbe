/** `atob` and `btoa` (HTML §8.3): base64 of text whose characters are octets. */

import { base64 } from '@mirage-ts/apps/http/websocket-handshake'
import { textToOctets } from '@mirage-ts/core/octets'
import { DOMException } from './dom-exception.ts'

const DIGITS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/'

export function btoa(text: string): string {
  const value = String(text)
  if (/[\u0100-\uffff]/.test(value)) {
    throw new DOMException('Cannot encode: a character is none of U+0000 to U+00FF', 'InvalidCharacterError')
  }
  return base64(textToOctets(value))
}

export function atob(text: string): string {
  let digits = String(text).replace(/[\t\n\f\r ]/g, '')
  if (digits.length % 4 === 0) digits = digits.replace(/={1,2}$/, '')
  if (digits.length % 4 === 1 || /[^A-Za-z0-9+/]/.test(digits)) {
    throw new DOMException('Cannot decode: the text is not base64', 'InvalidCharacterError')
  }
  let octets = ''
  let bits = 0
  let bitCount = 0
  for (const digit of digits) {
    bits = ((bits << 6) | DIGITS.indexOf(digit)) & 0xffff
    bitCount += 6
    if (bitCount < 8) continue
    bitCount -= 8
    octets += String.fromCharCode((bits >>> bitCount) & 0xff)
  }
  return octets
}
