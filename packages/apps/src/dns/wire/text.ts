/** Octets as text and back: escapes (RFC 1035 §5.1), hexadecimal, base32hex and base64 (RFC 4648), IPv6 addresses (RFC 5952). */

/** The octet that the escape at `i` stands for, `\DDD` or `\X`, or -1. */
export function escapedAt(text: string, i: number): number {
  if (escapeLen(text, i) === 2) return i + 1 < text.length ? text.charCodeAt(i + 1) : -1
  const digits = text.slice(i + 1, i + 4)
  return /^\d{3}$/.test(digits) && Number(digits) <= 255 ? Number(digits) : -1
}

/** How many characters the escape at `i` has. */
export function escapeLen(text: string, i: number): number {
  const code = text.charCodeAt(i + 1)
  return code >= 0x30 && code <= 0x39 ? 4 : 2
}

/** The octets that a word with escapes stands for; `undefined` when one is malformed, or a character is no octet. */
export function unescapeText(text: string): string | undefined {
  let octets = ''
  for (let i = 0; i < text.length; i++) {
    const isEscape = text[i] === '\\'
    const octet = isEscape ? escapedAt(text, i) : text.charCodeAt(i)
    if (octet < 0 || octet > 255) return undefined
    octets += String.fromCharCode(octet)
    if (isEscape) i += escapeLen(text, i) - 1
  }
  return octets
}

/** Octets as text with escapes for those that do not print and for what `special` matches. */
export function escapeText(octets: string, special: RegExp): string {
  if (/^[\w-]*$/.test(octets)) return octets
  let text = ''
  for (const char of octets) {
    const code = char.charCodeAt(0)
    if (code <= 0x20 || code >= 0x7f) text += `\\${String(code).padStart(3, '0')}`
    else text += special.test(char) ? `\\${char}` : char
  }
  return text
}

/** The octets of hexadecimal text, or `undefined`. */
export function parseHex(text: string): Uint8Array | undefined {
  return /^(?:[0-9a-f]{2})*$/i.test(text) ? decodeBits(text.toLowerCase(), '0123456789abcdef', 4) : undefined
}

const BASE32HEX = '0123456789abcdefghijklmnopqrstuv'
const BASE64 = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/'

export function parseBase64(text: string): Uint8Array | undefined {
  return /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/.test(text)
    ? decodeBits(text.replaceAll('=', ''), BASE64, 6)
    : undefined
}

/** Without padding, as NSEC3 has it (RFC 5155 §3.3). */
export function parseBase32Hex(text: string): Uint8Array | undefined {
  return /^[0-9a-v]*$/i.test(text) && ![1, 3, 6].includes(text.length % 8)
    ? decodeBits(text.toLowerCase(), BASE32HEX, 5)
    : undefined
}

export function base64(u8: Uint8Array, off = 0, end: number = u8.length): string {
  const text = encodeBits(u8, off, end, BASE64, 6)
  return text + '='.repeat((4 - (text.length % 4)) % 4)
}

export function base32Hex(u8: Uint8Array, off: number, end: number): string {
  return encodeBits(u8, off, end, BASE32HEX, 5)
}

function decodeBits(text: string, alphabet: string, width: number): Uint8Array {
  const u8 = new Uint8Array(Math.floor((text.length * width) / 8))
  let len = 0
  let held = 0
  let heldBits = 0
  for (const digit of text) {
    held = ((held << width) | alphabet.indexOf(digit)) & 0xffff
    heldBits += width
    if (heldBits < 8) continue
    heldBits -= 8
    u8[len++] = (held >>> heldBits) & 255
  }
  return u8
}

function encodeBits(u8: Uint8Array, off: number, end: number, alphabet: string, width: number): string {
  let text = ''
  let held = 0
  let heldBits = 0
  for (let i = off; i < end; i++) {
    held = ((held << 8) | (u8[i] as number)) & 0xffff
    heldBits += 8
    while (heldBits >= width) {
      heldBits -= width
      text += alphabet[(held >>> heldBits) & ((1 << width) - 1)]
    }
  }
  return heldBits === 0 ? text : text + alphabet[(held << (width - heldBits)) & ((1 << width) - 1)]
}

/** The 16 octets of an IPv6 address, or `undefined`: `2001:db8::1`, also with an IPv4 address at its end. */
export function parseIpv6(text: string): Uint8Array | undefined {
  const dotted = /^(.*:)(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/.exec(text)
  if (dotted !== null) {
    const octets = dotted.slice(2).map(Number)
    if (octets.some((octet) => octet > 255)) return undefined
    const [a = 0, b = 0, c = 0, d = 0] = octets
    return parseIpv6(`${dotted[1]}${((a << 8) | b).toString(16)}:${((c << 8) | d).toString(16)}`)
  }
  const halves = text.split('::')
  if (halves.length > 2) return undefined
  const [head = [], tail = []] = halves.map((half) => (half === '' ? [] : half.split(':')))
  const missingCount = 8 - head.length - tail.length
  if (halves.length === 2 ? missingCount < 1 : missingCount !== 0) return undefined
  const u8 = new Uint8Array(16)
  const groups = [...head, ...new Array<string>(missingCount).fill('0'), ...tail]
  for (const [i, group] of groups.entries()) {
    if (!/^[0-9a-f]{1,4}$/i.test(group)) return undefined
    const value = Number.parseInt(group, 16)
    u8[2 * i] = value >>> 8
    u8[2 * i + 1] = value & 255
  }
  return u8
}

/** The address at `off`: lower case, the longest run of zeros as `::` (RFC 5952 §4). */
export function ipv6Text(u8: Uint8Array, off = 0): string {
  const groups = Array.from({ length: 8 }, (_, i) =>
    (((u8[off + 2 * i] as number) << 8) | (u8[off + 2 * i + 1] as number)).toString(16),
  )
  const text = groups.join(':')
  const longest = [...text.matchAll(/(?<![^:])0(?::0)+(?![^:])/g)].sort((a, b) => b[0].length - a[0].length)[0]
  if (longest === undefined) return text
  const before = text.slice(0, longest.index).replace(/:$/, '')
  const after = text.slice(longest.index + longest[0].length).replace(/^:/, '')
  return `${before}::${after}`
}
