/**
 * The Internet checksum (RFC 1071), reference version.
 *
 * A bare-metal build replaces this module with `@mirage-ts/metal/checksum`, which has the same functions in C; a test
 * image compares the two. Import it by its package path, `@mirage-ts/core/checksum`, so that the replacement finds it.
 */

const isLittleEndian = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1

/** Octets from which on a view of words pays for itself: it costs as much as 32 steps of the plain loop. */
const LEAST_VIEW_LEN = 64
/** Words in a row whose halves add up to less than 2^31, so that the engine stays with integers. */
const BLOCK_WORDS = 8192

/**
 * One's-complement sum of `u8[off, end)` in network order, added to the partial sum `initial` (below 2^53) and folded to
 * 16 bits, not complemented. Sums of consecutive ranges chain when all but the last have an even length.
 */
export function checksum(u8: Uint8Array, off: number, end: number, initial: number): number {
  let sum = (initial % 0x10000) + Math.floor(initial / 0x10000)
  let at = off
  if (isLittleEndian && end - off >= LEAST_VIEW_LEN && ((u8.byteOffset + off) & 1) === 0) {
    let swapped = 0
    if (((u8.byteOffset + off) & 2) !== 0) {
      swapped = (u8[at] as number) | ((u8[at + 1] as number) << 8)
      at += 2
    }
    const wordCount = (end - at) >> 2
    // Summing byte-swapped words gives the byte-swapped sum (RFC 1071 §2 (B)): native words, one swap at the end.
    swapped = fold(swapped + sumOfHalves(new Int32Array(u8.buffer, u8.byteOffset + at, wordCount)))
    sum += ((swapped & 0xff) << 8) | (swapped >>> 8)
    at += 4 * wordCount
  }
  for (; at + 1 < end; at += 2) sum += ((u8[at] as number) << 8) | (u8[at + 1] as number)
  if (at < end) sum += (u8[at] as number) << 8
  return fold(sum)
}

/** Four words at a time: half the time of one at a time under V8. */
function sumOfHalves(words: Int32Array): number {
  let sum = 0
  for (let i = 0; i < words.length; ) {
    const stop = Math.min(words.length, i + BLOCK_WORDS)
    let low = 0
    let high = 0
    for (; i + 3 < stop; i += 4) {
      const a = words[i] as number
      const b = words[i + 1] as number
      const c = words[i + 2] as number
      const d = words[i + 3] as number
      low += (a & 0xffff) + (b & 0xffff) + (c & 0xffff) + (d & 0xffff)
      high += (a >>> 16) + (b >>> 16) + (c >>> 16) + (d >>> 16)
    }
    for (; i < stop; i++) {
      const word = words[i] as number
      low += word & 0xffff
      high += word >>> 16
    }
    sum += low + high
  }
  return sum
}

function fold(value: number): number {
  let sum = value
  while (sum > 0xffff) sum = (sum & 0xffff) + Math.floor(sum / 0x10000)
  return sum
}
