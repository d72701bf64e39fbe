/** Hosts of URLs (URL Standard §3.5): names, IPv4 in all of its spellings, IPv6, and opaque ones. */
import { encodeOpaque } from './percent.ts'

const FORBIDDEN_HOST = /[\0\t\n\r #/:<>?@[\\\]^|]/
const FORBIDDEN_DOMAIN = /[^\x21-\x7e]|[#/:<>?@[\\\]^|%]/

/** A host as URLs print it; `undefined` when `text` is none. */
export function parseHost(text: string, isSpecial: boolean): string | undefined {
  if (text.startsWith('[')) {
    if (!text.endsWith(']')) return undefined
    const pieces = parseIpv6(text.slice(1, -1))
    return pieces === undefined ? undefined : `[${ipv6ToString(pieces)}]`
  }
  if (!isSpecial) {
    if (FORBIDDEN_HOST.test(text)) return undefined
    return encodeOpaque(text)
  }
  const domain = domainToAscii(percentDecode(text))
  if (domain === undefined || domain === '' || FORBIDDEN_DOMAIN.test(domain)) return undefined
  return endsInNumber(domain) ? parseIpv4(domain) : domain
}

/** Decodes percent-escapes of UTF-8; malformed ones become U+FFFD, which no host may have. */
function percentDecode(text: string): string {
  if (!text.includes('%')) return text
  return text.replace(/(?:%[0-9a-f]{2})+/gi, (escapes) => {
    try {
      return decodeURIComponent(escapes)
    } catch {
      // The octets are not UTF-8.
      return '\ufffd'
    }
  })
}

/** Soft hyphen, zero-width joiners and the like: UTS #46 drops them. */
const IGNORED = /\u00ad|\u034f|[\u180b-\u180d]|\u200b|\u2060|\u2064|[\ufe00-\ufe0f]|\ufeff/g

function domainToAscii(text: string): string | undefined {
  if (!/[\x80-\uffff]/.test(text)) return text.toLowerCase()
  const mapped = text
    .replace(IGNORED, '')
    .normalize('NFKC')
    .toLowerCase()
    .normalize('NFC')
    .replace(/[\u3002\uff0e\uff61]/g, '.')
  if (mapped.includes('\ufffd')) return undefined
  const labels = mapped.split('.').map((label) => (/[\x80-\uffff]/.test(label) ? `xn--${punycode(label)}` : label))
  return labels.join('.')
}

/** RFC 3492 §6.3. */
function punycode(label: string): string {
  const codes = Array.from(label, (char) => char.codePointAt(0) as number)
  let output = codes
    .filter((code) => code < 128)
    .map((code) => String.fromCharCode(code))
    .join('')
  const basicCount = output.length
  let handled = basicCount
  if (basicCount > 0) output += '-'
  let code = 128
  let delta = 0
  let bias = 72
  while (handled < codes.length) {
    const next = Math.min(...codes.filter((one) => one >= code))
    delta += (next - code) * (handled + 1)
    code = next
    for (const one of codes) {
      if (one < code) delta++
      if (one !== code) continue
      let rest = delta
      for (let k = 36; ; k += 36) {
        const threshold = Math.min(26, Math.max(1, k - bias))
        if (rest < threshold) break
        output += digit(threshold + ((rest - threshold) % (36 - threshold)))
        rest = Math.floor((rest - threshold) / (36 - threshold))
      }
      output += digit(rest)
      bias = adapt(delta, handled + 1, handled === basicCount)
      delta = 0
      handled++
    }
    delta++
    code++
  }
  return output
}

function digit(value: number): string {
  return 'abcdefghijklmnopqrstuvwxyz0123456789'.charAt(value)
}

/** RFC 3492 §6.1. */
function adapt(delta: number, count: number, isFirst: boolean): number {
  let rest = Math.floor(delta / (isFirst ? 700 : 2))
  rest += Math.floor(rest / count)
  let k = 0
  for (; rest > 455; k += 36) rest = Math.floor(rest / 35)
  return k + Math.floor((36 * rest) / (rest + 38))
}

function endsInNumber(domain: string): boolean {
  const parts = domain.split('.')
  if (parts.at(-1) === '' && parts.length > 1) parts.pop()
  return /^(?:\d+|0x[0-9a-f]*)$/.test(parts.at(-1) ?? '')
}

/** An address in 1 to 4 numbers, each decimal, octal or hexadecimal. */
function parseIpv4(domain: string): string | undefined {
  const parts = domain.split('.')
  if (parts.at(-1) === '' && parts.length > 1) parts.pop()
  if (parts.length > 4) return undefined
  const numbers = parts.map(ipv4Number)
  let address = 0
  for (const [i, number] of numbers.entries()) {
    const isLast = i === numbers.length - 1
    // The last number fills all octets that are left.
    if (number === undefined || number >= (isLast ? 256 ** (5 - numbers.length) : 256)) return undefined
    address += isLast ? number : number * 256 ** (3 - i)
  }
  return [24, 16, 8, 0].map((shift) => Math.floor(address / 2 ** shift) % 256).join('.')
}

function ipv4Number(text: string): number | undefined {
  if (/^0x[0-9a-f]*$/.test(text)) return text === '0x' ? 0 : Number(text)
  if (/^0[0-7]+$/.test(text)) return Number.parseInt(text, 8)
  return /^(?:0|[1-9]\d*)$/.test(text) ? Number(text) : undefined
}

/** The eight pieces of an IPv6 address (RFC 4291 §2.2). */
function parseIpv6(text: string): number[] | undefined {
  const halves = text.split('::')
  if (halves.length > 2) return undefined
  const [head, tail] = halves.map((half, i) => piecesOf(half, i === halves.length - 1))
  if (head === undefined) return undefined
  if (halves.length === 1) return head.length === 8 ? head : undefined
  if (tail === undefined || head.length + tail.length > 7) return undefined
  return [...head, ...Array<number>(8 - head.length - tail.length).fill(0), ...tail]
}

/** Pieces between colons; the last two may be written as an IPv4 address when `isEnd`. */
function piecesOf(text: string, isEnd: boolean): number[] | undefined {
  if (text === '') return []
  const pieces: number[] = []
  const words = text.split(':')
  for (const [i, word] of words.entries()) {
    if (/^[0-9a-f]{1,4}$/i.test(word)) {
      pieces.push(Number.parseInt(word, 16))
      continue
    }
    const octets = word.split('.').map((octet) => (/^(?:0|[1-9]\d{0,2})$/.test(octet) ? Number(octet) : 256))
    const [a = 0, b = 0, c = 0, d = 0] = octets
    if (!isEnd || i < words.length - 1 || octets.length !== 4 || octets.some((octet) => octet > 255)) return undefined
    pieces.push(a * 256 + b, c * 256 + d)
  }
  return pieces
}

/** RFC 5952: the longest run of zeros, of two at least, is left out. */
function ipv6ToString(pieces: readonly number[]): string {
  const words = pieces.map((piece) => piece.toString(16))
  let bestOff = 0
  let bestLen = 1
  for (let off = 0; off < 8; off++) {
    let len = 0
    while (off + len < 8 && pieces[off + len] === 0) len++
    if (len > bestLen) {
      bestOff = off
      bestLen = len
    }
  }
  if (bestLen < 2) return words.join(':')
  return `${words.slice(0, bestOff).join(':')}::${words.slice(bestOff + bestLen).join(':')}`
}
