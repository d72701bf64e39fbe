/** Headers of tar archives: ustar and pax (POSIX.1-2017, pax), and what GNU tar adds (long names, sizes in base 256). */
import { utf8Decode, utf8Encode } from '@mirage-ts/core/utf8'
import type { WallInstant } from '@mirage-ts/signatures/time'

export const TAR_BLOCK = 512

// POSIX.1-2017 pax, "ustar Interchange Format"
const NAME = 0
const NAME_LEN = 100
const MODE = 100
const SIZE = 124
const SIZE_LEN = 12
const MTIME = 136
const CHECKSUM = 148
const CHECKSUM_LEN = 8
const TYPE = 156
const LINK = 157
const LINK_LEN = 100
const MAGIC = 257
const VERSION = 263
const PREFIX = 345
const PREFIX_LEN = 155

/** What microseconds in a number can say, in seconds. */
const MAX_SECONDS = 9e9

export interface TarHeader {
  /** As it is written; `undefined` when it is not UTF-8. */
  readonly path: string | undefined
  readonly link: string | undefined
  /** A character: `0` is a file, `5` a folder. */
  readonly type: string
  readonly sizeBytes: number
  /** When the file was last changed; `undefined` when the header says no time after 1970. */
  readonly mtime: WallInstant | undefined
}

/** Reads the header in `u8[off, off + 512)`. */
export function parseTarHeader(u8: Uint8Array, off: number): TarHeader | 'zero' | 'bad-checksum' | 'bad-size' {
  let sum = 0
  for (let i = 0; i < TAR_BLOCK; i++) sum += u8[off + i] as number
  if (sum === 0) return 'zero'
  // The checksum is made with its own field full of spaces.
  for (let i = CHECKSUM; i < CHECKSUM + CHECKSUM_LEN; i++) sum += 0x20 - (u8[off + i] as number)
  if (parseNumber(u8, off + CHECKSUM, CHECKSUM_LEN) !== sum) return 'bad-checksum'
  const sizeBytes = parseNumber(u8, off + SIZE, SIZE_LEN)
  if (sizeBytes === undefined) return 'bad-size'
  const name = parseText(u8, off + NAME, NAME_LEN)
  // GNU's magic is "ustar  ": there the prefix field holds other things.
  const isPosix = parseText(u8, off + MAGIC, 6) === 'ustar'
  const prefix = isPosix ? parseText(u8, off + PREFIX, PREFIX_LEN) : ''
  const path = name === undefined || prefix === undefined || prefix === '' ? name : `${prefix}/${name}`
  const type = String.fromCharCode(u8[off + TYPE] as number)
  const seconds = parseNumber(u8, off + MTIME, SIZE_LEN)
  const mtime = seconds === undefined || seconds > MAX_SECONDS ? undefined : ((seconds * 1_000_000) as WallInstant)
  return { path, link: parseText(u8, off + LINK, LINK_LEN), type: type === '\0' ? '0' : type, sizeBytes, mtime }
}

/** A number in octal text, or in base 256 when the first bit is set; `undefined` when it is neither, or too large. */
function parseNumber(u8: Uint8Array, off: number, lenBytes: number): number | undefined {
  const first = u8[off] as number
  let value = 0
  if ((first & 0x80) !== 0) {
    if (first !== 0x80) return undefined // negative, or beyond any disk
    for (let i = 1; i < lenBytes; i++) value = value * 256 + (u8[off + i] as number)
    return Number.isSafeInteger(value) ? value : undefined
  }
  let text = ''
  for (let i = 0; i < lenBytes && u8[off + i] !== 0; i++) text += String.fromCharCode(u8[off + i] as number)
  text = text.trim()
  if (!/^[0-7]*$/.test(text)) return undefined
  return text === '' ? 0 : Number.parseInt(text, 8)
}

function parseText(u8: Uint8Array, off: number, lenBytes: number): string | undefined {
  let end = off
  while (end < off + lenBytes && u8[end] !== 0) end++
  return utf8Decode(u8, off, end)
}

/** The records `LENGTH KEY=VALUE\n` of a pax header; `undefined` when they make no sense. */
export function parsePax(u8: Uint8Array): ReadonlyMap<string, string> | undefined {
  const records = new Map<string, string>()
  for (let off = 0; off < u8.length && u8[off] !== 0; ) {
    const space = u8.indexOf(0x20, off)
    if (space < 0 || space - off > 10) return undefined
    const digits = String.fromCharCode(...u8.subarray(off, space))
    const end = off + Number(digits)
    if (!/^[1-9]\d*$/.test(digits) || end > u8.length || end <= space + 1 || u8[end - 1] !== 0x0a) return undefined
    const equals = u8.indexOf(0x3d, space)
    if (equals < 0 || equals >= end) return undefined
    const key = utf8Decode(u8, space + 1, equals)
    const value = utf8Decode(u8, equals + 1, end - 1)
    if (key === undefined) return undefined
    // A value that is not UTF-8 is no name of ours: an empty one is refused later.
    records.set(key, value ?? '')
    off = end
  }
  return records
}

export interface TarFile {
  /** Relative, `/`-separated. */
  readonly path: string
  readonly sizeBytes: number
  /** Seconds since 1970. */
  readonly mtimeSeconds: number
}

/** The header of a file as GNU tar and others read it: ustar, with a pax header in front when ustar cannot say it. */
export function emitTarHeader({ path, sizeBytes, mtimeSeconds }: TarFile): Uint8Array {
  const name = utf8Encode(path)
  if (name === undefined) throw new TypeError(`Cannot archive ${JSON.stringify(path)}: it is no Unicode text`)
  const isPlain = name.length === path.length && name.length <= NAME_LEN && sizeBytes < 8 ** 11
  const header = emitUstar(name.subarray(0, NAME_LEN), '0', Math.min(sizeBytes, 8 ** 11 - 1), mtimeSeconds)
  if (isPlain) return header
  const records = paxRecord('path', path) + (sizeBytes < 8 ** 11 ? '' : paxRecord('size', String(sizeBytes)))
  const payload = utf8Encode(records) as Uint8Array
  const paxName = utf8Encode('PaxHeaders/entry') as Uint8Array
  const octets = new Uint8Array(TAR_BLOCK + paddedLen(payload.length) + TAR_BLOCK)
  octets.set(emitUstar(paxName, 'x', payload.length, mtimeSeconds))
  octets.set(payload, TAR_BLOCK)
  octets.set(header, octets.length - TAR_BLOCK)
  return octets
}

/** What stands behind the last file. */
export const TAR_END_LEN: number = 2 * TAR_BLOCK

/** Contents are followed by zeros up to a multiple of 512. */
export function paddedLen(sizeBytes: number): number {
  return Math.ceil(sizeBytes / TAR_BLOCK) * TAR_BLOCK
}

function emitUstar(name: Uint8Array, type: string, sizeBytes: number, mtimeSeconds: number): Uint8Array {
  const u8 = new Uint8Array(TAR_BLOCK)
  const put = (off: number, text: string): void => {
    for (let i = 0; i < text.length; i++) u8[off + i] = text.charCodeAt(i)
  }
  const octal = (off: number, lenBytes: number, value: number): void =>
    put(
      off,
      Math.floor(value)
        .toString(8)
        .padStart(lenBytes - 1, '0'),
    )
  u8.set(name, NAME)
  octal(MODE, 8, 0o644)
  octal(MODE + 8, 8, 0) // owner
  octal(MODE + 16, 8, 0) // group
  octal(SIZE, SIZE_LEN, sizeBytes)
  octal(MTIME, SIZE_LEN, mtimeSeconds)
  u8[TYPE] = type.charCodeAt(0)
  put(MAGIC, 'ustar')
  put(VERSION, '00')
  u8.fill(0x20, CHECKSUM, CHECKSUM + CHECKSUM_LEN)
  octal(
    CHECKSUM,
    CHECKSUM_LEN - 1,
    u8.reduce((sum, octet) => sum + octet, 0),
  )
  u8[CHECKSUM + CHECKSUM_LEN - 2] = 0
  return u8
}

/** A record whose length counts itself. */
function paxRecord(key: string, value: string): string {
  const lenBytes = (utf8Encode(` ${key}=${value}\n`) as Uint8Array).length
  let total = lenBytes + String(lenBytes).length
  if (String(total).length > String(lenBytes).length) total = lenBytes + String(total).length
  return `${total} ${key}=${value}\n`
}
