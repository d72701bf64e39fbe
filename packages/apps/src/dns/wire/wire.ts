/**
 * Reading and writing the pieces of a message: numbers, octets and names with compression (RFC 1035 §4.1.4).
 *
 * A pointer must lead back, to before the run of labels that it ends: so no chain of pointers has a loop. A chain is also
 * bounded, because a message of pointers to pointers would otherwise take time quadratic in its length.
 */

import { octetsToText } from '@mirage-ts/core/octets'
import { MAX_NAME_LEN, type Name, type NameKey, nameKey, ROOT } from './name.ts'

/** Pointers followed for one name: as many as a name can have labels. */
const MAX_JUMP_COUNT = 127
/** A pointer has 14 bits. */
const MAX_POINTER = 0x3fff
const POINTER = 0xc0

/** Why a message cannot be read further. */
export type WireReason =
  | 'truncated'
  | 'bad-label'
  | 'name-too-long'
  | 'bad-pointer'
  | 'pointer-too-deep'
  | 'compressed-rdata'
  | 'bad-rdata'

/**
 * Reads from a message. After a failure `reason` is set, and everything read since is zero, empty or the root: check it
 * once, at the end.
 */
export class WireReader {
  readonly u8: Uint8Array
  readonly dv: DataView
  /** Where the message begins: what pointers count from. */
  readonly start: number
  /** Where the message ends. */
  readonly end: number
  /** The next octet to read; never beyond `end`. */
  pos: number
  reason: WireReason | undefined = undefined

  constructor(u8: Uint8Array, off = 0, end: number = u8.length) {
    this.u8 = u8
    this.dv = new DataView(u8.buffer, u8.byteOffset, u8.byteLength)
    this.start = off
    this.end = end
    this.pos = off
  }

  get leftBytes(): number {
    return this.end - this.pos
  }

  fail(reason: WireReason): undefined {
    this.reason ??= reason
    this.pos = this.end
    return undefined
  }

  get8(): number {
    if (!this.has(1)) return 0
    return this.u8[this.pos++] as number
  }

  get16(): number {
    if (!this.has(2)) return 0
    this.pos += 2
    return this.dv.getUint16(this.pos - 2)
  }

  get32(): number {
    if (!this.has(4)) return 0
    this.pos += 4
    return this.dv.getUint32(this.pos - 4)
  }

  /** A copy. */
  getBytes(lenBytes: number): Uint8Array {
    if (!this.has(lenBytes)) return new Uint8Array(0)
    this.pos += lenBytes
    return this.u8.slice(this.pos - lenBytes, this.pos)
  }

  /** A name; `mayCompress` is false inside of RDATA where pointers are forbidden (RFC 3597 §4). */
  getName(mayCompress = true): Name {
    const u8 = this.u8
    let name = ''
    let off = this.pos
    /** Where the run of labels being read began, and the end of the name where the message goes on. */
    let runOff = off
    let endOff = -1
    let jumpCount = 0
    for (;;) {
      if (off >= this.end) return this.badName('truncated')
      const len = u8[off] as number
      if (len === 0) {
        if (endOff < 0) endOff = off + 1
        name += octetsToText(u8, runOff, off + 1)
        break
      }
      if (len < 64) {
        off += 1 + len
        if (name.length + off - runOff >= MAX_NAME_LEN) return this.badName('name-too-long')
        continue
      }
      if (len < POINTER) return this.badName('bad-label')
      if (off + 2 > this.end) return this.badName('truncated')
      if (!mayCompress) return this.badName('compressed-rdata')
      const target = this.start + (((len & 63) << 8) | (u8[off + 1] as number))
      if (target >= runOff) return this.badName('bad-pointer')
      if (++jumpCount > MAX_JUMP_COUNT) return this.badName('pointer-too-deep')
      if (endOff < 0) endOff = off + 2
      name += octetsToText(u8, runOff, off)
      runOff = target
      off = target
    }
    this.pos = endOff
    return name as Name
  }

  private badName(reason: WireReason): Name {
    this.fail(reason)
    return ROOT
  }

  private has(lenBytes: number): boolean {
    if (this.pos + lenBytes <= this.end) return true
    this.fail('truncated')
    return false
  }
}

/**
 * Writes a message into a buffer that it keeps. What does not fit is not written: `hasOverflowed` says so, and
 * `rewind` goes back to where everything still fitted.
 */
export class WireWriter {
  readonly u8: Uint8Array
  readonly dv: DataView
  /** The next octet to write. */
  pos = 0
  hasOverflowed = false
  private limit = 0
  /** Where names, and the ends of names, stand already. Only those that a pointer can reach. */
  private readonly offsets = new Map<NameKey, number>()

  constructor(capacityBytes: number) {
    this.u8 = new Uint8Array(capacityBytes)
    this.dv = new DataView(this.u8.buffer)
  }

  /** Begins a message of at most `limitBytes`. */
  start(limitBytes: number = this.u8.length): void {
    this.pos = 0
    this.limit = Math.min(limitBytes, this.u8.length)
    this.hasOverflowed = false
    this.offsets.clear()
  }

  /** Goes back to `pos`, forgetting what was written after it. */
  rewind(pos: number): void {
    this.pos = pos
    this.hasOverflowed = false
    for (const [name, off] of this.offsets) if (off >= pos) this.offsets.delete(name)
  }

  /** Keeps `lenBytes` at the end of the message free, or gives them back when negative. */
  reserve(lenBytes: number): void {
    this.limit -= lenBytes
  }

  put8(value: number): void {
    if (this.hasRoom(1)) this.u8[this.pos++] = value
  }

  put16(value: number): void {
    if (!this.hasRoom(2)) return
    this.dv.setUint16(this.pos, value)
    this.pos += 2
  }

  put32(value: number): void {
    if (!this.hasRoom(4)) return
    this.dv.setUint32(this.pos, value)
    this.pos += 4
  }

  putBytes(bytes: Uint8Array): void {
    if (!this.hasRoom(bytes.length)) return
    this.u8.set(bytes, this.pos)
    this.pos += bytes.length
  }

  /** Writes text whose characters are octets. */
  putText(text: string): void {
    if (!this.hasRoom(text.length)) return
    const { u8, pos } = this
    for (let i = 0; i < text.length; i++) u8[pos + i] = text.charCodeAt(i)
    this.pos = pos + text.length
  }

  /** Says that `name` stands at `off`, written by other means, so that pointers can lead to it. */
  noteName(name: Name, off: number): void {
    const key = nameKey(name)
    for (let at = 0; at < key.length - 1 && off + at <= MAX_POINTER; at += 1 + key.charCodeAt(at)) {
      const suffix = key.slice(at) as NameKey
      if (!this.offsets.has(suffix)) this.offsets.set(suffix, off + at)
    }
  }

  /** Writes a name, its end as a pointer when it stands in the message already. */
  putCompressedName(name: Name): void {
    const key = nameKey(name)
    for (let off = 0; off < key.length - 1; off += 1 + key.charCodeAt(off)) {
      const suffix = key.slice(off) as NameKey
      const known = this.offsets.get(suffix)
      if (known !== undefined) {
        this.putText(name.slice(0, off))
        this.put16((POINTER << 8) | known)
        return
      }
      if (this.pos + off <= MAX_POINTER) this.offsets.set(suffix, this.pos + off)
    }
    this.putText(name)
  }

  private hasRoom(lenBytes: number): boolean {
    if (this.hasOverflowed || this.pos + lenBytes > this.limit) {
      this.hasOverflowed = true
      return false
    }
    return true
  }
}
