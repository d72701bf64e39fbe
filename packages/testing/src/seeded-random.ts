/** Reproducible randomness for tests: the same seed gives the same run. Not for anything that must be unpredictable. */
import type { Random } from '@mirage-ts/signatures/random'

/** Mulberry32: a 32-bit counter through a mixing function; passes what a test needs of it and fits in a line. */
export class SeededRandom implements Random {
  private state: number

  constructor(seed: number) {
    this.state = seed >>> 0
  }

  u32(): number {
    this.state = (this.state + 0x6d2b79f5) >>> 0
    let mixed = this.state
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return (mixed ^ (mixed >>> 14)) >>> 0
  }

  fill(u8: Uint8Array, off: number, end: number): void {
    for (let i = off; i < end; i++) u8[i] = this.u32() & 255
  }

  /** An integer from 0 to `bound - 1`. */
  below(bound: number): number {
    return Math.floor((this.u32() / 0x1_0000_0000) * bound)
  }

  /** True with the given probability, 0 to 1. */
  chance(probability: number): boolean {
    return this.u32() / 0x1_0000_0000 < probability
  }

  /** `lenBytes` random octets. */
  bytes(lenBytes: number): Uint8Array {
    const u8 = new Uint8Array(lenBytes)
    this.fill(u8, 0, lenBytes)
    return u8
  }
}
