/**
 * CRC-32 in its two usual polynomials, four octets at a step. Chains: `crc32(b, 0, n, crc32(a, 0, m))` is that of a then b.
 */

const isLittleEndian = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1

/** CRC-32 of `u8[off, end)` as GPT and gzip use it (IEEE 802.3). */
export function crc32(u8: Uint8Array, off: number, end: number, initial = 0): number {
  return update(IEEE, u8, off, end, initial)
}

/** CRC-32C (Castagnoli) of `u8[off, end)`: finds more errors in blocks of a few KiB; what our store uses. */
export function crc32c(u8: Uint8Array, off: number, end: number, initial = 0): number {
  return update(CASTAGNOLI, u8, off, end, initial)
}

type Tables = readonly [Uint32Array, Uint32Array, Uint32Array, Uint32Array]

const IEEE = makeTables(0xedb88320)
const CASTAGNOLI = makeTables(0x82f63b78)

/** `tables[k][n]`: what octet `n` does to the remainder when `k` octets follow it. */
function makeTables(reversedPolynomial: number): Tables {
  const tables: Tables = [new Uint32Array(256), new Uint32Array(256), new Uint32Array(256), new Uint32Array(256)]
  for (let n = 0; n < 256; n++) {
    let crc = n
    for (let bit = 0; bit < 8; bit++) crc = (crc & 1) !== 0 ? (crc >>> 1) ^ reversedPolynomial : crc >>> 1
    tables[0][n] = crc
  }
  for (let k = 1; k < 4; k++) {
    for (let n = 0; n < 256; n++) {
      const before = (tables[k - 1] as Uint32Array)[n] as number
      ;(tables[k] as Uint32Array)[n] = (before >>> 8) ^ (tables[0][before & 255] as number)
    }
  }
  return tables
}

function update([t0, t1, t2, t3]: Tables, u8: Uint8Array, off: number, end: number, initial: number): number {
  let crc = ~initial
  let at = off
  const headEnd = isLittleEndian ? Math.min(end, off + (-(u8.byteOffset + off) & 3)) : end
  while (at < headEnd) crc = (crc >>> 8) ^ (t0[(crc ^ (u8[at++] as number)) & 255] as number)
  const wordCount = (end - at) >>> 2
  if (wordCount > 0) {
    const words = new Int32Array(u8.buffer, u8.byteOffset + at, wordCount)
    for (let i = 0; i < wordCount; i++) {
      const word = crc ^ (words[i] as number)
      crc =
        (t3[word & 255] as number) ^
        (t2[(word >>> 8) & 255] as number) ^
        (t1[(word >>> 16) & 255] as number) ^
        (t0[word >>> 24] as number)
    }
    at += wordCount * 4
  }
  while (at < end) crc = (crc >>> 8) ^ (t0[(crc ^ (u8[at++] as number)) & 255] as number)
  return ~crc >>> 0
}
