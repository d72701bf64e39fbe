/** Randomness of the CPU's own generator (RDSEED, RDRAND). */

import { entropyAvailable, entropyFill } from 'mirage:native'
import type { Random } from '@mirage-ts/signatures/random'
import { randomOf } from './random-pool.ts'

/** Makes the source. Throws when the CPU has no generator: nothing that asks for randomness can be trusted then. */
export function createRandom(): Random {
  if (!entropyAvailable()) {
    throw new Error('Cannot make a random source: this CPU has neither RDSEED nor RDRAND (QEMU: -cpu max)')
  }
  return randomOf(entropyFill)
}
