/**
 * The Internet checksum (RFC 1071), reference version.
 *
 * A bare-metal build replaces this module with `@mirage-ts/metal/checksum`, which has the same functions in C; a test
 * image compares the two. Import it by its package path, `@mirage-ts/core/checksum`, so that the replacement finds it.
 */

const isLittleEndian = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1

/**
 * One's-complement sum of `u8[off, end)` in network order, added to the partial sum `initial` (below 2^32) and folded to
 * 16 bits, not complemented. Sums of consecutive ranges chain when all but the last have an even length.
 */
export function checksum(u8: Uint8Array, off: number, end: number, initial: number): number {
  let sum = (initial % 0x10000) + Math.floor(initial / 0x10000)
  const start = u8.byteOffset + off
  const evenLen = (end - off) & ~1
  if (isLittleEndian && (start & 1) === 0) {
    // Summing byte-swapped words gives the byte-swapped sum (RFC 1071 §2 (B)): native words, one swap at the end.
    const words = new Uint16Array(u8.buffer, start, evenLen >> 1)
    let swapped = 0
    for (let i = 0; i < words.length; i++) swapped += words[i] as number
    while (swapped > 0xffff) swapped = (swapped & 0xffff) + Math.floor(swapped / 0x10000)
    sum += ((swapped & 0xff) << 8) | (swapped >>> 8)
  } else {
    for (let i = off; i < off + evenLen; i += 2) sum += ((u8[i] as number) << 8) | (u8[i + 1] as number)
  }
  if (evenLen !== end - off) sum += (u8[end - 1] as number) << 8
  while (sum > 0xffff) sum = (sum & 0xffff) + Math.floor(sum / 0x10000)
  return sum
}
