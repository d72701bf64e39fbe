/** UTF-8 for an engine without `TextEncoder`. */

/** The octets of `text`; a lone surrogate becomes U+FFFD, as `TextEncoder` does. */
export function encodeUtf8(text: string): Uint8Array {
  // At most three octets for each UTF-16 unit: a pair of units makes four.
  const bytes = new Uint8Array(text.length * 3)
  let len = 0
  for (let i = 0; i < text.length; i++) {
    let code = text.codePointAt(i) as number
    if (code >= 0x10000) i++
    else if (code >= 0xd800 && code <= 0xdfff) code = 0xfffd
    if (code < 0x80) {
      bytes[len++] = code
    } else if (code < 0x800) {
      bytes[len++] = 0xc0 | (code >>> 6)
      bytes[len++] = 0x80 | (code & 63)
    } else if (code < 0x10000) {
      bytes[len++] = 0xe0 | (code >>> 12)
      bytes[len++] = 0x80 | ((code >>> 6) & 63)
      bytes[len++] = 0x80 | (code & 63)
    } else {
      bytes[len++] = 0xf0 | (code >>> 18)
      bytes[len++] = 0x80 | ((code >>> 12) & 63)
      bytes[len++] = 0x80 | ((code >>> 6) & 63)
      bytes[len++] = 0x80 | (code & 63)
    }
  }
  return bytes.subarray(0, len)
}
