/** Service parameters of SVCB and HTTPS records in presentation format (RFC 9460 §2.1, §7). Texts of octets, as elsewhere. */
import { parseIpv4 } from '@mirage-ts/core/addresses'
import { octetsToText } from '@mirage-ts/core/octets'
import { base64, ipv6Text, parseBase64, parseIpv6, unescapeText } from './text.ts'

const MANDATORY = 0
const ALPN = 1
const NO_DEFAULT_ALPN = 2
const PORT = 3
const IPV4HINT = 4
const ECH = 5
const IPV6HINT = 6
const KEYS: readonly string[] = [
  'mandatory',
  'alpn',
  'no-default-alpn',
  'port',
  'ipv4hint',
  'ech',
  'ipv6hint',
  'dohpath',
  'ohttp',
]

export function formatSvcParams(u8: Uint8Array, off: number, end: number): string {
  const params: string[] = []
  for (let at = off; at < end; ) {
    const key = ((u8[at] as number) << 8) | (u8[at + 1] as number)
    const next = at + 4 + (((u8[at + 2] as number) << 8) | (u8[at + 3] as number))
    const value = formatValue(key, u8.subarray(at + 4, next))
    params.push(value === '' ? keyName(key) : `${keyName(key)}=${value}`)
    at = next
  }
  return params.join(' ')
}

function keyName(key: number): string {
  return KEYS[key] ?? `key${key}`
}

function formatValue(key: number, value: Uint8Array): string {
  const octets = octetsToText(value)
  if (value.length === 0) return ''
  // A value that its key does not allow is printed as octets: it must be possible to look at it.
  if (key === MANDATORY && value.length % 2 === 0)
    return pairs(octets)
      .map((pair) => keyName(u16(pair)))
      .join(',')
  if (key === PORT && value.length === 2) return String(u16(octets))
  if (key === IPV4HINT && value.length % 4 === 0) {
    return Array.from({ length: value.length / 4 }, (_, i) => value.subarray(4 * i, 4 * i + 4).join('.')).join(',')
  }
  if (key === IPV6HINT && value.length % 16 === 0) {
    return Array.from({ length: value.length / 16 }, (_, i) => ipv6Text(value, 16 * i)).join(',')
  }
  if (key === ECH) return base64(value)
  const ids = key === ALPN ? alpnIds(octets) : undefined
  return quote(ids === undefined ? escapeOctets(octets) : ids.map((id) => escapeOctets(id, true)).join(','))
}

function pairs(octets: string): string[] {
  return Array.from({ length: octets.length / 2 }, (_, i) => octets.slice(2 * i, 2 * i + 2))
}

function u16(octets: string): number {
  return (octets.charCodeAt(0) << 8) | octets.charCodeAt(1)
}

function alpnIds(octets: string): string[] | undefined {
  const ids: string[] = []
  for (let at = 0; at < octets.length; ) {
    const next = at + 1 + octets.charCodeAt(at)
    if (next === at + 1 || next > octets.length) return undefined
    ids.push(octets.slice(at + 1, next))
    at = next
  }
  return ids
}

/** In a list a comma and a backslash are escaped once more (RFC 9460 appendix A.1). */
function escapeOctets(octets: string, isInList = false): string {
  let text = ''
  for (const char of octets) {
    const code = char.charCodeAt(0)
    if (code < 0x20 || code >= 0x7f) text += `\\${String(code).padStart(3, '0')}`
    else if (char === '\\') text += isInList ? '\\\\\\\\' : '\\\\'
    else if (char === ',' && isInList) text += '\\\\,'
    else text += char === '"' ? '\\"' : char
  }
  return text
}

function quote(text: string): string {
  return /[\s;()"]/.test(text) ? `"${text}"` : text
}

/** The octets of parameters like `alpn=h2,h3` and `port=53`, sorted by key; `undefined` when one is malformed or twice. */
export function parseSvcParams(words: readonly string[]): string | undefined {
  const params = new Map<number, string>()
  for (const word of words) {
    const [name = ''] = word.split('=', 1)
    const key = parseKey(name)
    const octets = key === undefined ? undefined : parseValue(key, word.slice(name.length + 1))
    if (key === undefined || octets === undefined || params.has(key)) return undefined
    params.set(key, octets)
  }
  // RFC 9460 §8: what is mandatory must be there.
  const mandatory = params.get(MANDATORY)
  if (mandatory !== undefined && !pairs(mandatory).every((pair) => params.has(u16(pair)))) return undefined
  if (params.has(NO_DEFAULT_ALPN) && !params.has(ALPN)) return undefined
  return [...params]
    .sort(([a], [b]) => a - b)
    .map(([key, octets]) => number16(key) + number16(octets.length) + octets)
    .join('')
}

function parseKey(text: string): number | undefined {
  const at = KEYS.indexOf(text)
  if (at >= 0) return at
  const number = /^key(0|[1-9]\d{0,4})$/.exec(text)?.[1]
  return number !== undefined && Number(number) < 0xffff ? Number(number) : undefined
}

function number16(value: number): string {
  return String.fromCharCode(value >>> 8, value & 255)
}

function parseValue(key: number, text: string): string | undefined {
  const items = splitList(text)
  switch (key) {
    case MANDATORY: {
      const keys = items?.map(parseKey).sort((a, b) => (a ?? 0) - (b ?? 0))
      const isRight = keys?.every((one, i) => one !== undefined && one !== MANDATORY && one !== keys[i - 1])
      return isRight ? keys?.map((one) => number16(one as number)).join('') : undefined
    }
    case ALPN:
      if (items === undefined || items.some((id) => id === '' || id.length > 255)) return undefined
      return items.map((id) => String.fromCharCode(id.length) + id).join('')
    case NO_DEFAULT_ALPN:
      return text === '' ? '' : undefined
    case PORT:
      return /^\d{1,5}$/.test(text) && Number(text) <= 0xffff ? number16(Number(text)) : undefined
    case IPV4HINT: {
      const hints = items?.map(parseIpv4) ?? []
      if (hints.length === 0 || hints.includes(undefined)) return undefined
      return (hints as number[]).map((hint) => number16(hint >>> 16) + number16(hint & 0xffff)).join('')
    }
    case ECH: {
      const octets = parseBase64(text)
      return octets === undefined || octets.length === 0 ? undefined : octetsToText(octets)
    }
    case IPV6HINT: {
      const hints = items?.map(parseIpv6) ?? []
      if (hints.length === 0 || hints.includes(undefined)) return undefined
      return (hints as Uint8Array[]).map((hint) => octetsToText(hint)).join('')
    }
    default:
      return unescapeText(text)
  }
}

/** The items of a list with commas between them; a `\,` of the list's own escapes belongs to an item. */
function splitList(text: string): string[] | undefined {
  const octets = unescapeText(text)
  if (octets === undefined) return undefined
  const items = ['']
  for (let i = 0; i < octets.length; i++) {
    if (octets[i] === ',') items.push('')
    else {
      if (octets[i] === '\\') i++
      items[items.length - 1] += octets.charAt(i)
    }
  }
  return items
}
