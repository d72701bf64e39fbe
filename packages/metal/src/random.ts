/** Randomness of a bare machine: the CPU's own generator (RDSEED, RDRAND), a block at a time. */

import { entropyAvailable, entropyFill } from 'mirage:native'
import type { Random } from '@mirage-ts/signatures/random'

const POOL_LEN = 256

/** Makes the source. Throws when the CPU has no generator: nothing that asks for randomness can be trusted then. */
export function createRandom(): Random {
  if (!entropyAvailable()) {
    throw new Error('Cannot make a random source: this CPU has neither RDSEED nor RDRAND (QEMU: -cpu max)')
  }
  const pool = new Uint8Array(POOL_LEN)
  const words = new Uint32Array(pool.buffer)
  let next = words.length
  return {
    fill: (u8, off, end) => entropyFill(u8, off, end),
    u32() {
      if (next === words.length) {
        entropyFill(pool, 0, POOL_LEN)
        next = 0
      }
      const word = words[next] as number
      words[next++] = 0 // a number handed out is not kept
      return word
    },
  }
}
