/** NSEC records: the types that a name has (RFC 4034 §4.1, RFC 6762 §6.1). */
import { octetsToText, textToOctets } from '@mirage-ts/core/octets'
import type { Name } from './name.ts'

/** The type bit maps field (RFC 4034 §4.1.2), an octet in each character. */
export function typeBitMaps(types: readonly number[]): string {
  const windows = new Map<number, Uint8Array>()
  for (const type of [...types].sort((a, b) => a - b)) {
    const bits = windows.get(type >>> 8) ?? new Uint8Array(32)
    windows.set(type >>> 8, bits)
    const at = (type & 255) >>> 3
    bits[at] = (bits[at] as number) | (0x80 >>> (type & 7))
  }
  let octets = ''
  for (const [window, bits] of windows) {
    const len = bits.findLastIndex((octet) => octet !== 0) + 1
    octets += String.fromCharCode(window, len) + octetsToText(bits, 0, len)
  }
  return octets
}

/** RDATA: `next` is the name after the owner, in multicast DNS the owner itself. */
export function nsecRdata(next: Name, types: readonly number[]): Uint8Array {
  return nsecRdataOf(next, typeBitMaps(types))
}

/** The same with bit maps as {@link typeBitMaps} makes them. */
export function nsecRdataOf(next: Name, bitMaps: string): Uint8Array {
  return textToOctets(next + bitMaps)
}

/** The bit maps of a NSEC record. */
export function nsecBitMaps(rdata: Uint8Array): string {
  let off = 0
  while (rdata[off] !== 0) off += 1 + (rdata[off] as number)
  return octetsToText(rdata, off + 1)
}
