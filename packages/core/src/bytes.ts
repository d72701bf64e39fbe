/** Packet buffers and reading of octets. */
import type { ChecksumState, Frame } from '@mirage-ts/signatures/bytes'

/** A packet buffer; drivers extend it, so that all frames have their fields in the same places. */
export class PlainFrame implements Frame {
  readonly u8: Uint8Array
  readonly dv: DataView
  checksumState: ChecksumState = 0
  checksumFrom = 0
  checksumAt = 0
  segmentBytes = 0

  constructor(u8: Uint8Array) {
    this.u8 = u8
    this.dv = new DataView(u8.buffer, u8.byteOffset, u8.byteLength)
  }
}

/** A packet buffer of a driver that knows its buffers by number. */
export class SlotFrame extends PlainFrame {
  readonly slot: number

  constructor(u8: Uint8Array, slot: number) {
    super(u8)
    this.slot = slot
  }
}

/** Makes a packet buffer of `lenBytes` zeroed octets. */
export function createFrame(lenBytes: number): Frame {
  return frameOf(new Uint8Array(lenBytes))
}

/** Sees `u8` as a packet buffer; the octets are shared, not copied. */
export function frameOf(u8: Uint8Array): Frame {
  return new PlainFrame(u8)
}

/** Octets from hexadecimal text; white space between octets is ignored, so that tests can lay out a packet. */
export function fromHex(text: string): Uint8Array {
  const digits = text.replaceAll(/\s+/g, '')
  if (digits.length % 2 !== 0 || !/^[0-9a-fA-F]*$/.test(digits)) {
    throw new TypeError(`Cannot read hexadecimal ${JSON.stringify(text)}: expected pairs of hex digits`)
  }
  const octets = new Uint8Array(digits.length / 2)
  for (let i = 0; i < octets.length; i++) octets[i] = Number.parseInt(digits.slice(2 * i, 2 * i + 2), 16)
  return octets
}

/** Lowercase hexadecimal of `u8[off, end)`. */
export function toHex(u8: Uint8Array, off = 0, end: number = u8.length): string {
  let text = ''
  for (let i = off; i < end; i++) text += (u8[i] as number).toString(16).padStart(2, '0')
  return text
}
