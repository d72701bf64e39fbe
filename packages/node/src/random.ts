/** Random octets from the system's generator. */
import { randomFillSync } from 'node:crypto'
import type { Random } from '@mirage-ts/signatures/random'

/** One call of the system generator costs far more than the octets: `u32` draws this many at a time. */
const POOL_COUNT = 256

export function createRandom(): Random {
  return new NodeRandom()
}

class NodeRandom implements Random {
  readonly #pool = new Uint32Array(POOL_COUNT)
  /** Next unused number of the pool. */
  #next = POOL_COUNT

  fill(u8: Uint8Array, off: number, end: number): void {
    randomFillSync(u8, off, end - off)
  }

  u32(): number {
    if (this.#next === POOL_COUNT) {
      randomFillSync(this.#pool)
      this.#next = 0
    }
    return this.#pool[this.#next++] as number
  }
}
