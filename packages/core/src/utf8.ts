/** UTF-8 (RFC 3629) without the web's `TextEncoder` and `TextDecoder`, which the engine of bare targets lacks. */

/** The octets of `text`, or `undefined` when it has a surrogate without its other half: no Unicode text. */
export function utf8Encode(text: string): Uint8Array | undefined {
  // At most three octets for each UTF-16 unit: a pair of units makes four.
  const octets = new Uint8Array(text.length * 3)
  let len = 0
  for (let i = 0; i < text.length; i++) {
    const code = text.codePointAt(i) as number
    if (code < 0x80) octets[len++] = code
    else if (code < 0x800) {
      octets[len++] = 0xc0 | (code >>> 6)
      octets[len++] = 0x80 | (code & 63)
    } else if (code < 0x10000) {
      if (code >= 0xd800 && code <= 0xdfff) return undefined
      octets[len++] = 0xe0 | (code >>> 12)
      octets[len++] = 0x80 | ((code >>> 6) & 63)
      octets[len++] = 0x80 | (code & 63)
    } else {
      i++
      octets[len++] = 0xf0 | (code >>> 18)
      octets[len++] = 0x80 | ((code >>> 12) & 63)
      octets[len++] = 0x80 | ((code >>> 6) & 63)
      octets[len++] = 0x80 | (code & 63)
    }
  }
  return octets.subarray(0, len)
}

/** The text of `u8[off, end)`, or `undefined` when it is not UTF-8: overlong forms and surrogates are not. */
export function utf8Decode(u8: Uint8Array, off = 0, end: number = u8.length): string | undefined {
  let text = ''
  let at = off
  while (at < end) {
    const lead = u8[at++] as number
    if (lead < 0x80) {
      text += String.fromCharCode(lead)
      continue
    }
    const moreCount = lead >= 0xf0 ? 3 : lead >= 0xe0 ? 2 : 1
    if (lead < 0xc2 || lead > 0xf4 || at + moreCount > end) return undefined
    let code = lead & (0x3f >> moreCount)
    for (let i = 0; i < moreCount; i++) {
      const next = u8[at++] as number
      if ((next & 0xc0) !== 0x80) return undefined
      code = (code << 6) | (next & 63)
    }
    const least = moreCount === 3 ? 0x10000 : moreCount === 2 ? 0x800 : 0x80
    if (code < least || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff)) return undefined
    text += String.fromCodePoint(code)
  }
  return text
}
