/** The opening handshake of WebSockets (RFC 6455 §4): keys and what answers them. */
import { textToOctets } from './octets.ts'

const GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11'

/** A key as §4.1 has it: 16 octets in base64. */
export function isWebSocketKey(text: string): boolean {
  return /^[A-Za-z0-9+/]{21}[AQgw]==$/.test(text)
}

/** What a server answers to `key` (§4.2.2). */
export function acceptOf(key: string): string {
  return base64(sha1(textToOctets(key + GUID)))
}

const DIGITS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/'

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

/** SHA-1 (RFC 3174) of a few octets. Not for secrets: the handshake only shows that the server understood it. */
export function sha1(message: Uint8Array): Uint8Array {
  const blockCount = ((message.length + 8) >>> 6) + 1
  const padded = new Uint8Array(blockCount * 64)
  padded.set(message)
  padded[message.length] = 0x80
  const dv = new DataView(padded.buffer)
  dv.setUint32(padded.length - 4, message.length * 8)
  const state = [0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0]
  const words = new Int32Array(80)
  for (let off = 0; off < padded.length; off += 64) {
    for (let i = 0; i < 16; i++) words[i] = dv.getInt32(off + 4 * i)
    for (let i = 16; i < 80; i++) {
      words[i] = rotate(word(words, i - 3) ^ word(words, i - 8) ^ word(words, i - 14) ^ word(words, i - 16), 1)
    }
    mix(state, words)
  }
  const digest = new Uint8Array(20)
  for (const [i, value] of state.entries()) new DataView(digest.buffer).setInt32(4 * i, value)
  return digest
}

/** RFC 3174 §6.1, steps c to e. */
function mix(state: number[], words: Int32Array): void {
  let [a = 0, b = 0, c = 0, d = 0, e = 0] = state
  for (let i = 0; i < 80; i++) {
    const [f, k] = i < 20 ? [(b & c) | (~b & d), 0x5a827999] : round(i, b, c, d)
    const next = (rotate(a, 5) + f + e + k + word(words, i)) | 0
    e = d
    d = c
    c = rotate(b, 30)
    b = a
    a = next
  }
  for (const [i, value] of [a, b, c, d, e].entries()) state[i] = ((state[i] ?? 0) + value) | 0
}

function round(i: number, b: number, c: number, d: number): [number, number] {
  if (i < 40) return [b ^ c ^ d, 0x6ed9eba1]
  return i < 60 ? [(b & c) | (b & d) | (c & d), 0x8f1bbcdc] : [b ^ c ^ d, 0xca62c1d6]
}

function word(words: Int32Array, i: number): number {
  return words[i] as number
}

function rotate(value: number, count: number): number {
  return (value << count) | (value >>> (32 - count))
}
