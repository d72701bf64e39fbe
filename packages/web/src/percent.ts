/** Percent-encoding as URLs have it (URL Standard §1.3, §5). */
import { encodeUtf8 } from './encoding.ts'

// Percent-encode sets (§1.3).
const C0_SET = /[^\x20-\x7e]/gu
const FRAGMENT_SET = /[^\x21-\x7e]|["<>`]/gu
const QUERY_SET = /[^\x21-\x7e]|["#<>]/gu
const SPECIAL_QUERY_SET = /[^\x21-\x7e]|["#<>']/gu
const PATH_SET = /[^\x21-\x7e]|["#<>?^`{}]/gu
const USERINFO_SET = /[^\x21-\x7e]|["#<>?`{}/:;=@[\\\]^|]/gu

function encodeChar(char: string): string {
  const code = char.charCodeAt(0)
  if (code >= 0x80) return encodeURIComponent(char)
  return `%${code < 16 ? '0' : ''}${code.toString(16).toUpperCase()}`
}

function encode(text: string, set: RegExp): string {
  return text.replace(set, encodeChar)
}

export function encodeOpaque(text: string): string {
  return encode(text, C0_SET)
}

export function encodeFragment(text: string): string {
  return encode(text, FRAGMENT_SET)
}

export function encodeUserinfo(text: string): string {
  return encode(text, USERINFO_SET)
}

export function encodePath(text: string): string {
  return encode(text, PATH_SET)
}

export function encodeQuery(text: string, isSpecial: boolean): string {
  return encode(text, isSpecial ? SPECIAL_QUERY_SET : QUERY_SET)
}

/** Percent-encodes everything that `application/x-www-form-urlencoded` does not leave as it is (§5.2). */
export function formEncode(text: string): string {
  if (!/[^A-Za-z0-9*\-._]/.test(text)) return text
  let encoded = ''
  for (const octet of encodeUtf8(text)) {
    const char = String.fromCharCode(octet)
    if (/[A-Za-z0-9*\-._]/.test(char)) encoded += char
    else encoded += octet === 0x20 ? '+' : `%${octet < 16 ? '0' : ''}${octet.toString(16).toUpperCase()}`
  }
  return encoded
}
