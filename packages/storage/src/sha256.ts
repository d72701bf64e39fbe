/** SHA-256 (FIPS 180-4), for the digests of values. In parts, so that a value need not be in memory at once. */
import { toHex } from '@mirage-ts/core/bytes'

/** The first 32 bits of the fractional parts of the cube roots of the first 64 primes (§4.2.2). */
const K: Int32Array = primeRoots(64, 1 / 3)
/** Likewise of the square roots of the first 8 (§5.3.3). */
const INITIAL: Int32Array = primeRoots(8, 1 / 2)

const BLOCK_LEN = 64

export class Sha256 {
  private readonly state: Int32Array = INITIAL.slice()
  private readonly block = new Uint8Array(BLOCK_LEN)
  private readonly view = new DataView(this.block.buffer)
  private readonly words = new Int32Array(64)
  /** Octets so far. */
  private lenBytes = 0

  update(octets: Uint8Array): this {
    for (let off = 0; off < octets.length; ) {
      const filled = this.lenBytes % BLOCK_LEN
      const part = octets.subarray(off, off + BLOCK_LEN - filled)
      this.block.set(part, filled)
      this.lenBytes += part.length
      off += part.length
      if (this.lenBytes % BLOCK_LEN === 0) this.compress()
    }
    return this
  }

  /** The digest in lowercase hexadecimal; the object is done with. */
  hex(): string {
    const lenBytes = this.lenBytes
    const filled = lenBytes % BLOCK_LEN
    this.block.fill(0, filled)
    this.block[filled] = 0x80
    if (filled >= BLOCK_LEN - 8) {
      this.compress()
      this.block.fill(0)
    }
    this.view.setUint32(56, Math.floor(lenBytes / 0x2000_0000))
    this.view.setUint32(60, (lenBytes * 8) >>> 0)
    this.compress()
    for (const [i, word] of this.state.entries()) this.view.setInt32(4 * i, word)
    return toHex(this.block, 0, 32)
  }

  /** §6.2.2 */
  private compress(): void {
    const { words, state } = this
    for (let i = 0; i < 16; i++) words[i] = this.view.getInt32(4 * i)
    for (let i = 16; i < 64; i++) {
      const w15 = words[i - 15] as number
      const w2 = words[i - 2] as number
      const s0 = ((w15 >>> 7) | (w15 << 25)) ^ ((w15 >>> 18) | (w15 << 14)) ^ (w15 >>> 3)
      const s1 = ((w2 >>> 17) | (w2 << 15)) ^ ((w2 >>> 19) | (w2 << 13)) ^ (w2 >>> 10)
      words[i] = ((words[i - 16] as number) + s0 + (words[i - 7] as number) + s1) | 0
    }
    let [a, b, c, d, e, f, g, h] = state as unknown as [number, number, number, number, number, number, number, number]
    for (let i = 0; i < 64; i++) {
      const s1 = ((e >>> 6) | (e << 26)) ^ ((e >>> 11) | (e << 21)) ^ ((e >>> 25) | (e << 7))
      const t1 = (h + s1 + ((e & f) ^ (~e & g)) + (K[i] as number) + (words[i] as number)) | 0
      const s0 = ((a >>> 2) | (a << 30)) ^ ((a >>> 13) | (a << 19)) ^ ((a >>> 22) | (a << 10))
      const t2 = (s0 + ((a & b) ^ (a & c) ^ (b & c))) | 0
      h = g
      g = f
      f = e
      e = (d + t1) | 0
      d = c
      c = b
      b = a
      a = (t1 + t2) | 0
    }
    for (const [i, word] of [a, b, c, d, e, f, g, h].entries()) state[i] = ((state[i] as number) + word) | 0
  }
}

/** SHA-256 of `octets` in lowercase hexadecimal. */
export function sha256Hex(octets: Uint8Array): string {
  return new Sha256().update(octets).hex()
}

function primeRoots(count: number, power: number): Int32Array {
  const roots = new Int32Array(count)
  for (let n = 2, found = 0; found < count; n++) {
    let isPrime = true
    for (let d = 2; d * d <= n; d++) if (n % d === 0) isPrime = false
    if (!isPrime) continue
    const root = n ** power
    roots[found++] = ((root - Math.floor(root)) * 0x1_0000_0000) | 0
  }
  return roots
}
