/**
 * SipHash-2-4 (Aumasson and Bernstein, 2012): a fast keyed hash of 64 bits, for cookies and for tables that strangers fill.
 *
 * The reference version, replaced on bare targets as `@mirage-ts/core/checksum` is. Words are kept as halves, low half first.
 */

/** Two words that hold the state of v0 to v3: low halves at even places. */
const v: Int32Array = new Int32Array(8)

/** Hashes `input[0, end)` under the first 16 octets of `key` into the first 8 of `out`. */
export function sipHash24(key: Uint8Array, input: Uint8Array, end: number, out: Uint8Array): void {
  const [k0, k0h, k1, k1h] = [wordAt(key, 0), wordAt(key, 4), wordAt(key, 8), wordAt(key, 12)]
  // "somepseudorandomlygeneratedbytes", the constant of the paper.
  v[0] = k0 ^ 0x70736575
  v[1] = k0h ^ 0x736f6d65
  v[2] = k1 ^ 0x6e646f6d
  v[3] = k1h ^ 0x646f7261
  v[4] = k0 ^ 0x6e657261
  v[5] = k0h ^ 0x6c796765
  v[6] = k1 ^ 0x79746573
  v[7] = k1h ^ 0x74656462
  const whole = end & ~7
  for (let off = 0; off < whole; off += 8) absorb(wordAt(input, off), wordAt(input, off + 4))
  let low = 0
  let high = (end & 255) << 24
  for (let i = whole; i < end; i++) {
    const octet = input[i] as number
    if (i - whole < 4) low |= octet << (8 * (i - whole))
    else high |= octet << (8 * (i - whole - 4))
  }
  absorb(low, high)
  v[4] = (v[4] as number) ^ 0xff
  for (let i = 0; i < 4; i++) round()
  for (let half = 0; half < 2; half++) {
    const word = (v[half] as number) ^ (v[2 + half] as number) ^ (v[4 + half] as number) ^ (v[6 + half] as number)
    for (let i = 0; i < 4; i++) out[4 * half + i] = (word >>> (8 * i)) & 255
  }
}

/** Little endian. */
function wordAt(u8: Uint8Array, off: number): number {
  const high = ((u8[off + 2] as number) << 16) | ((u8[off + 3] as number) << 24)
  return (u8[off] as number) | ((u8[off + 1] as number) << 8) | high
}

function absorb(low: number, high: number): void {
  v[6] = (v[6] as number) ^ low
  v[7] = (v[7] as number) ^ high
  round()
  round()
  v[0] = (v[0] as number) ^ low
  v[1] = (v[1] as number) ^ high
}

function round(): void {
  addRotateXor(0, 2, 13)
  rotate(0, 32)
  addRotateXor(4, 6, 16)
  addRotateXor(0, 6, 21)
  addRotateXor(4, 2, 17)
  rotate(4, 32)
}

/** `a += b`, then `b` rotated left by `bits` and xored with `a`. */
function addRotateXor(a: number, b: number, bits: number): void {
  const low = ((v[a] as number) >>> 0) + ((v[b] as number) >>> 0)
  v[a + 1] = (v[a + 1] as number) + (v[b + 1] as number) + (low > 0xffffffff ? 1 : 0)
  v[a] = low
  rotate(b, bits)
  v[b] = (v[b] as number) ^ (v[a] as number)
  v[b + 1] = (v[b + 1] as number) ^ (v[a + 1] as number)
}

function rotate(at: number, bits: number): void {
  const low = v[at] as number
  const high = v[at + 1] as number
  if (bits === 32) {
    v[at] = high
    v[at + 1] = low
    return
  }
  v[at] = (low << bits) | (high >>> (32 - bits))
  v[at + 1] = (high << bits) | (low >>> (32 - bits))
}
