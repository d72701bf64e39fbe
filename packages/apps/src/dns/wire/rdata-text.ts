/** RDATA in presentation format (RFC 1035 §5.1, RFC 3597 §5 and the RFC of each type), both ways. */
import { parseIpv4 } from '@mirage-ts/core/addresses'
import { toHex } from '@mirage-ts/core/bytes'
import { octetsToText, textToOctets } from '@mirage-ts/core/octets'
import { isName, type Name, nameToString, parseName } from './name.ts'
import { typeBitMaps } from './nsec.ts'
import { type Field, fieldEnd, isRdataWellFormed, layoutOf } from './rdata.ts'
import { formatApl, formatLoc, parseApl, parseLoc } from './rdata-odd.ts'
import { formatSvcParams, parseSvcParams } from './svc-params.ts'
import { base32Hex, base64, ipv6Text, parseBase32Hex, parseBase64, parseHex, parseIpv6, unescapeText } from './text.ts'
import { parseType, typeToString } from './types.ts'

/** A word of presentation format. Escapes are still in it: what a dot or a quote means depends on the field. */
export interface Word {
  readonly text: string
  readonly isQuoted: boolean
}

const MAX_RDATA_LEN = 0xffff

/** Prints RDATA that has been checked; names are absolute. */
export function formatRdata(type: number, rdata: Uint8Array): string {
  const layout = layoutOf(type)
  if (layout === undefined || !isRdataWellFormed(type, rdata)) {
    return `\\# ${rdata.length}${rdata.length === 0 ? '' : ` ${toHex(rdata)}`}`
  }
  const words: string[] = []
  let off = 0
  for (const field of layout) {
    const end = fieldEnd(field, rdata, off, rdata.length)
    const word = formatField(field, rdata, off, end)
    if (word !== '') words.push(word)
    off = end
  }
  return words.join(' ')
}

function formatField(field: Field, u8: Uint8Array, off: number, end: number): string {
  const dv = new DataView(u8.buffer, u8.byteOffset)
  switch (field) {
    case 'u8':
      return String(u8[off])
    case 'u16':
      return String(dv.getUint16(off))
    case 'u32':
      return String(dv.getUint32(off))
    case 'type':
      return typeToString(dv.getUint16(off))
    case 'time':
      return formatTime(dv.getUint32(off))
    case 'ipv4':
      return u8.subarray(off, end).join('.')
    case 'ipv6':
      return ipv6Text(u8, off)
    case 'eui48':
    case 'eui64':
      return toHex(u8, off, end).replaceAll(/(..)(?!$)/g, '$1-')
    case 'locator':
      return toHex(u8, off, end).replaceAll(/(....)(?!$)/g, '$1:')
    case 'name':
    case 'oldName':
    case 'plainName':
      return nameToString(octetsToText(u8, off, end) as Name)
    case 'string':
      return quoted(octetsToText(u8, off + 1, end))
    case 'string?':
      return off === end ? '' : quoted(octetsToText(u8, off + 1, end))
    case 'strings':
      return formatStrings(u8, off, end)
    case 'text':
      return quoted(octetsToText(u8, off, end))
    case 'tag':
      return octetsToText(u8, off + 1, end)
    case 'hex':
      return toHex(u8, off, end)
    case 'hex8':
      return end === off + 1 ? '-' : toHex(u8, off + 1, end)
    case 'base32hex8':
      return base32Hex(u8, off + 1, end)
    case 'base64':
      return base64(u8, off, end)
    case 'types':
      return formatTypes(u8, off, end)
    case 'svcParams':
      return formatSvcParams(u8, off, end)
    case 'apl':
      return formatApl(u8, off, end)
    case 'loc':
      return formatLoc(dv, off)
  }
}

function quoted(octets: string): string {
  let text = ''
  for (const char of octets) {
    const code = char.charCodeAt(0)
    if (code < 0x20 || code >= 0x7f) text += `\\${String(code).padStart(3, '0')}`
    else text += char === '"' || char === '\\' ? `\\${char}` : char
  }
  return `"${text}"`
}

function formatStrings(u8: Uint8Array, off: number, end: number): string {
  const strings: string[] = []
  for (let at = off; at < end; at += 1 + (u8[at] as number)) {
    strings.push(quoted(octetsToText(u8, at + 1, at + 1 + (u8[at] as number))))
  }
  return strings.join(' ')
}

/** RFC 4034 §3.2: YYYYMMDDHHmmSS. */
function formatTime(value: number): string {
  return new Date(value * 1000).toISOString().replaceAll(/\D/g, '').slice(0, 14)
}

function formatTypes(u8: Uint8Array, off: number, end: number): string {
  const types: string[] = []
  for (let at = off; at < end; at += 2 + (u8[at + 1] as number)) {
    for (let bit = 0; bit < 8 * (u8[at + 1] as number); bit++) {
      const isSet = ((u8[at + 2 + (bit >>> 3)] as number) << (bit & 7)) & 0x80
      if (isSet) types.push(typeToString(((u8[at] as number) << 8) | bit))
    }
  }
  return types.join(' ')
}

/**
 * Reads RDATA from words; names that are not absolute continue with `origin`. Returns a sentence when it cannot: what was
 * wanted and what was there.
 */
export function parseRdata(type: number, words: readonly Word[], origin: Name): Uint8Array | string {
  if (words[0]?.text === '\\#' && !words[0].isQuoted) return parseUnknown(type, words.slice(1))
  const layout = layoutOf(type)
  if (layout === undefined) return `expected \\# LENGTH HEX, for ${typeToString(type)} has no other form here`
  let octets = ''
  let at = 0
  for (const field of layout) {
    const rest = words.slice(at)
    const takesAll = TO_THE_END.has(field)
    const [first] = rest
    if (first === undefined && !MAY_BE_EMPTY.has(field)) return `expected ${WANTED[field]}, got nothing more`
    const parsed = takesAll ? parseRest(field, rest) : parseWord(field, first as Word, origin)
    if (parsed === undefined) {
      return `expected ${WANTED[field]}, got ${rest
        .map((word) => word.text)
        .join(' ')
        .slice(0, 80)}`
    }
    octets += parsed
    at = takesAll ? words.length : at + 1
  }
  const extra = words[at]
  if (extra !== undefined) return `expected the end of the record, got ${extra.text}`
  return octets.length > MAX_RDATA_LEN ? 'expected at most 65535 octets of data' : textToOctets(octets)
}

const TO_THE_END: ReadonlySet<Field> = new Set([
  'string?',
  'strings',
  'hex',
  'base64',
  'types',
  'svcParams',
  'apl',
  'loc',
])
/** A DS record that says "delete" has a digest, but an empty list of types or parameters is allowed. */
const MAY_BE_EMPTY: ReadonlySet<Field> = new Set(['string?', 'types', 'svcParams', 'apl'])

const WANTED: Readonly<Record<Field, string>> = {
  u8: 'a number from 0 to 255',
  u16: 'a number from 0 to 65535',
  u32: 'a number from 0 to 4294967295 (or a time like 1h30m)',
  type: 'a type',
  time: 'a time like 20260131235959',
  ipv4: 'an IPv4 address',
  ipv6: 'an IPv6 address',
  eui48: 'six octets like 00-00-5e-00-53-2a',
  eui64: 'eight octets like 00-00-5e-ef-10-00-00-2a',
  locator: 'four groups like 0014:4fff:ff20:ee64',
  name: 'a domain name',
  oldName: 'a domain name',
  plainName: 'a domain name',
  string: 'a string of at most 255 octets',
  'string?': 'a string of at most 255 octets or nothing',
  strings: 'strings of at most 255 octets',
  hex: 'hexadecimal digits',
  hex8: 'hexadecimal digits or -',
  base32hex8: 'base32hex digits',
  base64: 'base64 digits',
  text: 'a string',
  tag: 'letters and digits',
  types: 'types',
  svcParams: 'service parameters like alpn=h2, each once',
  apl: 'prefixes like 1:192.0.2.0/24',
  loc: 'a place like 42 21 54 N 71 06 18 W -24m 30m',
}

function parseUnknown(type: number, words: readonly Word[]): Uint8Array | string {
  const [length, ...digits] = words
  const octets = parseHex(digits.map((word) => word.text).join(''))
  if (octets === undefined || length?.text !== String(octets.length) || octets.length > MAX_RDATA_LEN) {
    return 'expected \\# with a length and as many octets in hexadecimal'
  }
  return isRdataWellFormed(type, octets) ? octets : `expected what a ${typeToString(type)} record can hold`
}

/** A field of one word, as octets; `undefined` when the word is not of that kind. */
function parseWord(field: Field, { text }: Word, origin: Name): string | undefined {
  switch (field) {
    case 'u8':
      return numberOctets(parseNumber(text, 0xff), 1)
    case 'u16':
      return numberOctets(parseNumber(text, 0xffff), 2)
    case 'u32':
      return numberOctets(parseNumber(text, 0xffffffff) ?? parseTtl(text), 4)
    case 'type':
      return numberOctets(parseType(text), 2)
    case 'time':
      return numberOctets(parseTime(text), 4)
    case 'ipv4':
      return numberOctets(parseIpv4(text), 4)
    case 'ipv6':
      return textOf(parseIpv6(text))
    case 'eui48':
      return /^..(-..){5}$/.test(text) ? textOf(parseHex(text.replaceAll('-', ''))) : undefined
    case 'eui64':
      return /^..(-..){7}$/.test(text) ? textOf(parseHex(text.replaceAll('-', ''))) : undefined
    case 'locator':
      return /^[0-9a-f]{1,4}(:[0-9a-f]{1,4}){3}$/i.test(text)
        ? textOf(parseHex(text.replaceAll(/[^:]+/g, (group) => group.padStart(4, '0')).replaceAll(':', '')))
        : undefined
    case 'name':
    case 'oldName':
    case 'plainName': {
      const name = text === '@' ? origin : parseName(text, origin)
      return isName(name) ? name : undefined
    }
    case 'string':
      return withLength(unescapeText(text))
    case 'tag':
      return /^[A-Za-z0-9]+$/.test(text) ? withLength(text) : undefined
    case 'text':
      return unescapeText(text)
    case 'hex8':
      return withLength(text === '-' ? '' : textOf(parseHex(text)))
    case 'base32hex8':
      return withLength(textOf(parseBase32Hex(text)))
    default:
      return undefined
  }
}

/** A field of all the words that are left. */
function parseRest(field: Field, words: readonly Word[]): string | undefined {
  const joined = words.map((word) => word.text).join('')
  switch (field) {
    case 'string?':
      return words.length === 0 ? '' : words.length === 1 ? withLength(unescapeText(joined)) : undefined
    case 'strings': {
      const strings = words.map((word) => withLength(unescapeText(word.text)))
      return strings.includes(undefined) ? undefined : strings.join('')
    }
    case 'hex':
      return textOf(parseHex(joined))
    case 'base64':
      return textOf(parseBase64(joined))
    case 'types':
      return parseTypes(words)
    case 'svcParams':
      return parseSvcParams(words.map((word) => word.text))
    case 'apl':
      return parseApl(words.map((word) => word.text))
    case 'loc':
      return parseLoc(words.map((word) => word.text))
    default:
      return undefined
  }
}

function textOf(octets: Uint8Array | undefined): string | undefined {
  return octets === undefined ? undefined : octetsToText(octets)
}

function withLength(octets: string | undefined): string | undefined {
  return octets === undefined || octets.length > 255 ? undefined : String.fromCharCode(octets.length) + octets
}

function parseNumber(text: string, max: number): number | undefined {
  return /^\d{1,10}$/.test(text) && Number(text) <= max ? Number(text) : undefined
}

function numberOctets(value: number | undefined, len: number): string | undefined {
  if (value === undefined) return undefined
  if (len === 4) return String.fromCharCode(value >>> 24, (value >>> 16) & 255, (value >>> 8) & 255, value & 255)
  let octets = ''
  for (let shift = 8 * (len - 1); shift >= 0; shift -= 8) octets += String.fromCharCode((value >>> shift) & 255)
  return octets
}

/** A time to live in seconds, `3600` or `1w2d3h4m5s`; `undefined` when it is none. At most 2^31 - 1 (RFC 2181 §8). */
export function parseTtl(text: string): number | undefined {
  const match = /^(?:(\d+)w)?(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s?)?$/i.exec(text)
  if (match === null || text === '') return undefined
  const [weeks = 0, days = 0, hours = 0, minutes = 0, secs = 0] = match.slice(1).map((digits) => Number(digits ?? 0))
  const value = (((weeks * 7 + days) * 24 + hours) * 60 + minutes) * 60 + secs
  return value <= 0x7fffffff ? value : undefined
}

function parseTime(text: string): number | undefined {
  const match = /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)$/.exec(text)
  if (match === null) return parseNumber(text, 0xffffffff)
  const [year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0] = match.slice(1).map(Number)
  // RFC 4034 §3.1.5: modulo 2^32.
  return Math.floor(Date.UTC(year, month - 1, day, hour, minute, second) / 1000) % 0x1_0000_0000
}

function parseTypes(words: readonly Word[]): string | undefined {
  const types = words.map((word) => parseType(word.text))
  if (types.includes(undefined)) return undefined
  return typeBitMaps(types as number[])
}
