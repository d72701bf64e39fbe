/** Presentation of two types with a form of their own: LOC (RFC 1876) and APL (RFC 3123). Texts of octets, as elsewhere. */
import { toHex } from '@mirage-ts/core/bytes'
import { octetsToText } from '@mirage-ts/core/octets'
import { ipv6Text, parseHex, parseIpv6 } from './text.ts'

/** RFC 1876 §2: thousandths of a second of arc from the equator and the prime meridian, which are 2^31. */
const MERIDIAN = 0x8000_0000
/** Centimetres below the reference spheroid where altitudes begin. */
const ALTITUDE_BASE_CM = 10_000_000

export function formatLoc(dv: DataView, off: number): string {
  return [
    angle(dv.getUint32(off + 4), 'N', 'S'),
    angle(dv.getUint32(off + 8), 'E', 'W'),
    metres(dv.getUint32(off + 12) - ALTITUDE_BASE_CM),
    ...[1, 2, 3].map((i) => metres((dv.getUint8(off + i) >>> 4) * 10 ** (dv.getUint8(off + i) & 15))),
  ].join(' ')
}

function angle(value: number, positive: string, negative: string): string {
  const thousandths = Math.abs(value - MERIDIAN)
  const degrees = Math.floor(thousandths / 3_600_000)
  const minutes = Math.floor(thousandths / 60_000) % 60
  const seconds = ((thousandths % 60_000) / 1000).toFixed(3)
  return `${degrees} ${minutes} ${seconds} ${value >= MERIDIAN ? positive : negative}`
}

function metres(centimetres: number): string {
  return `${(centimetres / 100).toFixed(2)}m`
}

/** The octets of a place: degrees, minutes and seconds with N, S, E, W, then metres; `undefined` when it is none. */
export function parseLoc(words: readonly string[]): string | undefined {
  const text = words.join(' ')
  const size = String.raw`(?: (\d{1,8}(?:\.\d{1,2})?)m?)?`
  const angles = String.raw`(\d{1,2}|1[0-7]\d|180)(?: (\d{1,2})(?: (\d{1,2}(?:\.\d{1,3})?))?)?`
  const match = new RegExp(
    `^${angles} ([NS]) ${angles} ([EW]) (-?\\d{1,8}(?:\\.\\d{1,2})?)m?${size}${size}${size}$`,
    'i',
  ).exec(text)
  if (match === null) return undefined
  const latitude = angleOf(match.slice(1, 5), 90)
  const longitude = angleOf(match.slice(5, 9), 180)
  const altitude = Math.round(Number(match[9]) * 100) + ALTITUDE_BASE_CM
  if (latitude === undefined || longitude === undefined || altitude < 0 || altitude > 0xffffffff) return undefined
  const sizes = [sizeOf(match[10] ?? '1'), sizeOf(match[11] ?? '10000'), sizeOf(match[12] ?? '10')]
  const octets = new Uint8Array(16)
  const dv = new DataView(octets.buffer)
  octets.set([0, ...sizes])
  dv.setUint32(4, latitude)
  dv.setUint32(8, longitude)
  dv.setUint32(12, altitude)
  return octetsToText(octets)
}

function angleOf(
  [degrees, minutes = '0', seconds = '0', letter = '']: readonly string[],
  max: number,
): number | undefined {
  if (Number(minutes) > 59 || Number(seconds) >= 60) return undefined
  const thousandths = Math.round((Number(degrees) * 3600 + Number(minutes) * 60 + Number(seconds)) * 1000)
  if (thousandths > max * 3_600_000) return undefined
  return /[NE]/i.test(letter) ? MERIDIAN + thousandths : MERIDIAN - thousandths
}

/** A length in metres as a digit and a power of ten, in centimetres. */
function sizeOf(text: string): number {
  const centimetres = Math.round(Number(text) * 100)
  const power = centimetres === 0 ? 0 : Math.min(9, Math.floor(Math.log10(centimetres)))
  return (Math.min(9, Math.floor(centimetres / 10 ** power)) << 4) | power
}

export function formatApl(u8: Uint8Array, off: number, end: number): string {
  const items: string[] = []
  for (let at = off; at < end; at += 4 + ((u8[at + 3] as number) & 127)) {
    const family = ((u8[at] as number) << 8) | (u8[at + 1] as number)
    const len = (u8[at + 3] as number) & 127
    const address = new Uint8Array(family === 1 ? 4 : family === 2 ? 16 : len)
    address.set(u8.subarray(at + 4, at + 4 + len))
    const text = family === 1 ? address.join('.') : family === 2 ? ipv6Text(address) : toHex(address)
    items.push(`${(u8[at + 3] as number) & 128 ? '!' : ''}${family}:${text}/${u8[at + 2]}`)
  }
  return items.join(' ')
}

export function parseApl(words: readonly string[]): string | undefined {
  let octets = ''
  for (const word of words) {
    const [, not = '', family = '', text = '', prefix = ''] = /^(!?)(\d{1,5}):([^/]+)\/(\d{1,3})$/.exec(word) ?? []
    const address = addressOf(Number(family), text)
    const isPrefixRight = Number(prefix) <= (family === '1' ? 32 : family === '2' ? 128 : 255)
    if (address === undefined || address.length > 127 || !isPrefixRight || Number(family) > 0xffff) return undefined
    // RFC 3123 §4: zeros at the end are left out.
    const len = address.findLastIndex((octet) => octet !== 0) + 1
    octets += String.fromCharCode(
      Number(family) >>> 8,
      Number(family) & 255,
      Number(prefix),
      (not === '' ? 0 : 128) | len,
    )
    octets += octetsToText(address, 0, len)
  }
  return octets
}

function addressOf(family: number, text: string): Uint8Array | undefined {
  if (family === 2) return parseIpv6(text)
  if (family !== 1) return parseHex(text)
  const octets = /^\d{1,3}(\.\d{1,3}){3}$/.test(text) ? text.split('.').map(Number) : [256]
  return octets.every((octet) => octet <= 255) ? Uint8Array.from(octets) : undefined
}
