/** A gzip stream (RFC 1952) of one member, inflated into memory: what an archive on a disk, padded to whole sectors, is. */
import { KvError, messageOf } from '@mirage-ts/core/errors'
import { crc32 } from '@mirage-ts/storage/crc32'
import { Inflate } from 'fflate/browser'
import type { ByteSource } from '../byte-source.ts'

const LITTLE = true
const HEADER_LEN = 10
const TRAILER_LEN = 8
const FLAG_EXTRA = 4
const FLAG_NAME = 8
const FLAG_COMMENT = 16
const FLAG_HEADER_CRC = 2
/** Names and comments in the header that are longer are not believed. */
const MAX_HEADER_LEN = 65_536
const PIECE_BYTES = 65_536

/** True when the source begins like gzip with the only method there is. */
export function isGzip(head: Uint8Array): boolean {
  return head[0] === 0x1f && head[1] === 0x8b && head[2] === 8
}

/** Inflates the stream that `source` begins with; what follows it must be zeros. At most `maxBytes` come out. */
export async function gunzip(source: ByteSource, maxBytes: number): Promise<Uint8Array> {
  const headerLen = await headerLenOf(source)
  const pieces: Uint8Array[] = []
  let lenBytes = 0
  const inflate = new Inflate((piece) => {
    lenBytes += piece.length
    if (lenBytes > maxBytes) throw new KvError('no-space', `Cannot unpack: it is longer than ${maxBytes} octets`)
    pieces.push(piece)
  })
  // The end of the compressed data is not known before it is inflated: what the stream does not need is left over.
  let tail: Uint8Array = new Uint8Array(0)
  for (let off = headerLen; off < source.lenBytes; off += PIECE_BYTES) {
    const piece = await source.read(off, Math.min(PIECE_BYTES, source.lenBytes - off))
    tail = lastOctets(tail, piece)
    try {
      inflate.push(piece, off + PIECE_BYTES >= source.lenBytes)
    } catch (error) {
      if (error instanceof KvError) throw error
      throw bad(source, off, messageOf(error))
    }
  }
  const octets = new Uint8Array(lenBytes)
  pieces.reduce((off, piece) => {
    octets.set(piece, off)
    return off + piece.length
  }, 0)
  if (!hasTrailer(tail, crc32(octets, 0, lenBytes), lenBytes)) throw bad(source, source.lenBytes - 1, 'wrong checksum')
  return octets
}

/** Keeps the last octets before the zeros of the padding: a trailer, and as many zeros behind it as belong to it. */
function lastOctets(before: Uint8Array, piece: Uint8Array): Uint8Array {
  let end = piece.length
  while (end > 0 && piece[end - 1] === 0) end--
  if (end === 0) return before
  const joined = new Uint8Array(TRAILER_LEN + end)
  joined.set(
    before.subarray(Math.max(0, before.length - TRAILER_LEN)),
    TRAILER_LEN - Math.min(before.length, TRAILER_LEN),
  )
  joined.set(piece.subarray(0, end), TRAILER_LEN)
  return joined.slice(-TRAILER_LEN)
}

/** CRC and length, of which up to seven octets may be zeros that look like padding. */
function hasTrailer(tail: Uint8Array, crc: number, lenBytes: number): boolean {
  const trailer = new Uint8Array(TRAILER_LEN)
  const view = new DataView(trailer.buffer)
  view.setUint32(0, crc, LITTLE)
  view.setUint32(4, lenBytes >>> 0, LITTLE)
  let end = TRAILER_LEN
  while (end > 0 && trailer[end - 1] === 0) end--
  for (let i = 1; i <= end; i++) if (tail[tail.length - i] !== trailer[end - i]) return false
  return true
}

async function headerLenOf(source: ByteSource): Promise<number> {
  const head = await source.read(0, Math.min(MAX_HEADER_LEN, source.lenBytes))
  const flags = head[3] ?? 0
  let off = HEADER_LEN
  if ((flags & FLAG_EXTRA) !== 0) off += 2 + ((head[off] ?? 0) | ((head[off + 1] ?? 0) << 8))
  for (const flag of [FLAG_NAME, FLAG_COMMENT]) {
    if ((flags & flag) === 0) continue
    const end = head.indexOf(0, off)
    if (end < 0) throw bad(source, 0, 'a header without end')
    off = end + 1
  }
  if ((flags & FLAG_HEADER_CRC) !== 0) off += 2
  if (off >= head.length) throw bad(source, 0, 'a header without end')
  return off
}

function bad(source: ByteSource, off: number, what: string): KvError {
  return new KvError('corrupt', `Cannot read the gzip stream, sector ${source.sectorOf(off)}: ${what}`)
}
