/**
 * Reads the header, the question and the OPT record of an ordinary query in place, without allocating: the hot path of
 * the server. A message of another shape is for `parseMessage`.
 */
import { foldedHash } from '@mirage-ts/core/octets'
import type { Frame } from '@mirage-ts/signatures/bytes'
import { HEADER_LEN, MAX_UDP_LEN } from '../wire/message.ts'
import { OPTION, TYPE } from '../wire/types.ts'

/** RFC 1035 §3.1, with the root's octet. */
const MAX_NAME_LEN = 255
const OPT_LEN = 11
/** RFC 7873 §4: a client's cookie, alone or with a server's of 8 to 32 octets. */
const CLIENT_COOKIE_LEN = 8
const MAX_COOKIE_LEN = 40

/** How a message looks to {@link QueryView.read}. */
export type QueryShape = 'ordinary' | 'other' | 'bad-cookie'

/** A query as it lies in a buffer; the object is filled again and again. */
export class QueryView {
  /** Where the question section ends. */
  end = 0
  type = 0
  class = 0
  /** The question has an OPT record: only then the next three say something. */
  hasEdns = false
  ednsVersion = 0
  isDnssecOk = false
  /** The longest answer over UDP that the asker takes. */
  udpBytes = MAX_UDP_LEN
  /** Where the cookie of the OPT record begins, and its length: 0 when there is none. */
  cookieOff = 0
  cookieLen = 0
  /** Of name (in any case), type and class. */
  hash = 0
  private readonly seed: number

  /** `seed` is secret: whoever does not know it cannot choose names with equal hashes. */
  constructor(seed: number) {
    this.seed = seed | 0
  }

  /** Reads the message at `[0, end)`: one question in it, nothing else but at most an OPT record. */
  read(frame: Frame, end: number): QueryShape {
    const { u8, dv } = frame
    if (end < HEADER_LEN + 5 || dv.getInt32(4) !== 0x0001_0000 || dv.getUint16(8) !== 0) return 'other'
    const lastOff = Math.min(end - 5, HEADER_LEN + MAX_NAME_LEN - 1)
    let off = HEADER_LEN
    for (let len = u8[off] as number; len !== 0; len = u8[off] as number) {
      off += 1 + len
      if (len > 63 || off > lastOff) return 'other'
    }
    const typeAndClass = dv.getInt32(off + 1)
    this.end = off + 5
    this.type = typeAndClass >>> 16
    this.class = typeAndClass & 0xffff
    // Type and class are no text: their case counts.
    this.hash = Math.imul(foldedHash(u8, HEADER_LEN, off + 1, this.seed) ^ typeAndClass, 0x9e3779b1)
    return this.readOpt(u8, dv, off + 5, end)
  }

  private readOpt(u8: Uint8Array, dv: DataView, off: number, end: number): QueryShape {
    const additionalCount = dv.getUint16(10)
    this.cookieLen = 0
    if (additionalCount === 0) {
      this.hasEdns = false
      return off === end ? 'ordinary' : 'other'
    }
    if (additionalCount > 1 || off + OPT_LEN > end || u8[off] !== 0 || dv.getUint16(off + 1) !== TYPE.OPT)
      return 'other'
    this.hasEdns = true
    this.udpBytes = Math.max(MAX_UDP_LEN, dv.getUint16(off + 3))
    this.ednsVersion = u8[off + 6] as number
    this.isDnssecOk = (u8[off + 7] as number) >= 128
    if (off + OPT_LEN + dv.getUint16(off + 9) !== end) return 'other'
    let at = off + OPT_LEN
    while (at + 4 <= end) {
      const len = dv.getUint16(at + 2)
      // The first cookie counts (RFC 7873 §5.2).
      if (dv.getUint16(at) === OPTION.COOKIE && this.cookieLen === 0) {
        this.cookieOff = at + 4
        this.cookieLen = len
        if (len !== CLIENT_COOKIE_LEN && (len < 2 * CLIENT_COOKIE_LEN || len > MAX_COOKIE_LEN)) return 'bad-cookie'
      }
      at += 4 + len
    }
    return at === end ? 'ordinary' : 'other'
  }
}
