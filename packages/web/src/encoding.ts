/** `TextEncoder` and `TextDecoder` (Encoding §7) for UTF-8, UTF-16LE and Latin-1, and the streams of them. */
import { TransformStream } from './streams.ts'

/** Everything that UTF-8 writes as more than one octet. */
const NOT_ASCII = /[\x80-\uffff]/

/** The octets of `text`; a surrogate without its other half becomes U+FFFD. */
export function encodeUtf8(text: string): Uint8Array<ArrayBuffer> {
  if (!NOT_ASCII.test(text)) {
    const octets = new Uint8Array(text.length)
    for (let i = 0; i < text.length; i++) octets[i] = text.charCodeAt(i)
    return octets
  }
  // At most three octets for each UTF-16 unit: a pair of units makes four.
  const octets = new Uint8Array(text.length * 3)
  const { written } = encodeInto(text, octets)
  return octets.slice(0, written)
}

/** Writes as much of `text` as fits whole. */
function encodeInto(text: string, octets: Uint8Array): { read: number; written: number } {
  let at = 0
  let read = 0
  while (read < text.length) {
    let code = text.codePointAt(read) as number
    if (code >= 0xd800 && code <= 0xdfff) code = 0xfffd
    const lenBytes = code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4
    if (at + lenBytes > octets.length) break
    if (lenBytes === 1) octets[at++] = code
    else {
      octets[at++] = ((0xf00 >>> lenBytes) & 0xff) | (code >>> (6 * (lenBytes - 1)))
      for (let shift = 6 * (lenBytes - 2); shift >= 0; shift -= 6) octets[at++] = 0x80 | ((code >>> shift) & 63)
    }
    read += lenBytes === 4 ? 2 : 1
  }
  return { read, written: at }
}

/** Octets turned into characters by one call: they become its arguments. */
const PIECE_LEN = 8192

/** One character for each octet. */
export function decodeLatin1(octets: Uint8Array): string {
  let text = ''
  for (let at = 0; at < octets.length; at += PIECE_LEN) {
    text += String.fromCharCode.apply(null, octets.subarray(at, at + PIECE_LEN) as unknown as number[])
  }
  return text
}

/** The text of octets, or `undefined` when they are not UTF-8. */
export function decodeUtf8Strictly(octets: Uint8Array): string | undefined {
  const latin1 = decodeLatin1(octets)
  if (!NOT_ASCII.test(latin1)) return latin1
  try {
    // Two calls into C in place of a loop over octets: `escape` writes each as %XX, which the other reads as UTF-8.
    return decodeURIComponent(escape(latin1))
  } catch {
    // The only exception it has says that the octets are malformed.
    return undefined
  }
}

/** The text of octets that may be malformed: each maximal part of a sequence becomes U+FFFD (Encoding §8.1.1). */
function decodeUtf8Loosely(octets: Uint8Array): string {
  let text = ''
  let at = 0
  while (at < octets.length) {
    const lead = octets[at++] as number
    if (lead < 0x80) {
      text += String.fromCharCode(lead)
      continue
    }
    const moreCount = moreAfter(lead)
    let code = lead & (0x3f >>> moreCount)
    let lower = lead === 0xe0 ? 0xa0 : lead === 0xf0 ? 0x90 : 0x80
    let upper = lead === 0xed ? 0x9f : lead === 0xf4 ? 0x8f : 0xbf
    let gotCount = 0
    for (; gotCount < moreCount && at < octets.length; gotCount++) {
      const next = octets[at] as number
      if (next < lower || next > upper) break
      lower = 0x80
      upper = 0xbf
      code = (code << 6) | (next & 63)
      at++
    }
    text += moreCount > 0 && gotCount === moreCount ? String.fromCodePoint(code) : '\ufffd'
  }
  return text
}

/** Octets that follow a lead octet; 0 when it is none. */
function moreAfter(lead: number): number {
  if (lead < 0xc2 || lead > 0xf4) return 0
  return lead < 0xe0 ? 1 : lead < 0xf0 ? 2 : 3
}

/** Octets at the end that begin a sequence and do not finish it. */
function unfinishedLen(octets: Uint8Array): number {
  for (let len = 1; len <= 3 && len <= octets.length; len++) {
    const octet = octets[octets.length - len] as number
    if (octet < 0x80) return 0
    if (octet >= 0xc0) return moreAfter(octet) >= len ? len : 0
  }
  return 0
}

export class TextEncoder {
  readonly encoding = 'utf-8'

  encode(text = ''): Uint8Array<ArrayBuffer> {
    return encodeUtf8(String(text))
  }

  encodeInto(text: string, octets: Uint8Array): { read: number; written: number } {
    return encodeInto(text, octets)
  }
}

type Encoding = 'utf-8' | 'utf-16le' | 'windows-1252'

const LABELS: Readonly<Record<string, Encoding>> = {
  'unicode-1-1-utf-8': 'utf-8',
  utf8: 'utf-8',
  'utf-8': 'utf-8',
  'utf-16': 'utf-16le',
  'utf-16le': 'utf-16le',
  ascii: 'windows-1252',
  'us-ascii': 'windows-1252',
  latin1: 'windows-1252',
  'iso-8859-1': 'windows-1252',
  'windows-1252': 'windows-1252',
}

/** Characters 80 to 9F of windows-1252, which the web takes Latin-1 for. */
const WINDOWS_1252 = '€\x81‚ƒ„…†‡ˆ‰Š‹Œ\x8dŽ\x8f\x90‘’“”•–—˜™š›œ\x9džŸ'

const EMPTY: Uint8Array = new Uint8Array(0)

export class TextDecoder {
  readonly encoding: Encoding
  readonly fatal: boolean
  readonly ignoreBOM: boolean
  /** What a streaming call left over. */
  private rest = EMPTY
  private isBomSeen = false
  private isStreaming = false

  constructor(label = 'utf-8', { fatal = false, ignoreBOM = false }: TextDecoderOptions = {}) {
    const encoding = LABELS[String(label).trim().toLowerCase()]
    if (encoding === undefined) throw new RangeError(`Cannot decode ${JSON.stringify(label)}: it is not supported here`)
    this.encoding = encoding
    this.fatal = fatal
    this.ignoreBOM = ignoreBOM
  }

  decode(
    input: ArrayBufferLike | ArrayBufferView = EMPTY,
    { stream = false }: { readonly stream?: boolean } = {},
  ): string {
    if (!this.isStreaming) {
      this.rest = EMPTY
      this.isBomSeen = false
    }
    this.isStreaming = stream
    let octets = octetsOf(input)
    if (this.rest.length > 0) {
      const joined = new Uint8Array(this.rest.length + octets.length)
      joined.set(this.rest)
      joined.set(octets, this.rest.length)
      octets = joined
    }
    const keptLen = !stream ? 0 : this.encoding === 'utf-8' ? unfinishedLen(octets) : octets.length & 1
    this.rest = keptLen > 0 && this.encoding !== 'windows-1252' ? octets.slice(octets.length - keptLen) : EMPTY
    return this.withoutBom(this.decodeWhole(octets.subarray(0, octets.length - this.rest.length)))
  }

  private decodeWhole(octets: Uint8Array): string {
    if (this.encoding === 'windows-1252') {
      return decodeLatin1(octets).replace(/[\x80-\x9f]/g, (char) => WINDOWS_1252.charAt(char.charCodeAt(0) - 0x80))
    }
    const text = this.encoding === 'utf-8' ? decodeUtf8Strictly(octets) : decodeUtf16(octets)
    if (text !== undefined) return text
    if (this.fatal) throw new TypeError(`Cannot decode: the octets are not ${this.encoding}`)
    return this.encoding === 'utf-8' ? decodeUtf8Loosely(octets) : decodeUtf16Loosely(octets)
  }

  private withoutBom(text: string): string {
    if (this.isBomSeen || text === '') return text
    this.isBomSeen = true
    return !this.ignoreBOM && text.startsWith('\ufeff') ? text.slice(1) : text
  }
}

export interface TextDecoderOptions {
  readonly fatal?: boolean
  readonly ignoreBOM?: boolean
}

function decodeUtf16(octets: Uint8Array): string | undefined {
  if (octets.length % 2 !== 0) return undefined
  const text = utf16Units(octets)
  return text.isWellFormed() ? text : undefined
}

function decodeUtf16Loosely(octets: Uint8Array): string {
  return utf16Units(octets).toWellFormed() + (octets.length % 2 === 0 ? '' : '\ufffd')
}

function utf16Units(octets: Uint8Array): string {
  let text = ''
  for (let i = 0; i + 1 < octets.length; i += 2) {
    text += String.fromCharCode((octets[i] as number) | ((octets[i + 1] as number) << 8))
  }
  return text
}

/** The octets of a buffer or a view, not copied. */
export function octetsOf(input: ArrayBufferLike | ArrayBufferView): Uint8Array {
  if (input instanceof Uint8Array) return input
  if (ArrayBuffer.isView(input)) return new Uint8Array(input.buffer, input.byteOffset, input.byteLength)
  return new Uint8Array(input)
}

export class TextEncoderStream extends TransformStream<string, Uint8Array> {
  readonly encoding = 'utf-8'

  constructor() {
    // A pair of surrogates may come in two pieces.
    let pending = ''
    super({
      transform(piece, controller) {
        const text = pending + String(piece)
        const isSplit = /[\ud800-\udbff]$/.test(text)
        pending = isSplit ? text.slice(-1) : ''
        const whole = isSplit ? text.slice(0, -1) : text
        if (whole !== '') controller.enqueue(encodeUtf8(whole))
      },
      flush(controller) {
        if (pending !== '') controller.enqueue(encodeUtf8(pending))
      },
    })
  }
}

export class TextDecoderStream extends TransformStream<ArrayBufferView | ArrayBuffer, string> {
  readonly encoding: string
  readonly fatal: boolean
  readonly ignoreBOM: boolean

  constructor(label = 'utf-8', options: TextDecoderOptions = {}) {
    const decoder = new TextDecoder(label, options)
    super({
      transform(piece, controller) {
        const text = decoder.decode(piece, { stream: true })
        if (text !== '') controller.enqueue(text)
      },
      flush(controller) {
        const text = decoder.decode()
        if (text !== '') controller.enqueue(text)
      },
    })
    this.encoding = decoder.encoding
    this.fatal = decoder.fatal
    this.ignoreBOM = decoder.ignoreBOM
  }
}
