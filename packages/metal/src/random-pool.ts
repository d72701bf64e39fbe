/** A `Random` of a function that fills octets: words are drawn a block at a time. */
import type { Random } from '@mirage-ts/signatures/random'

const POOL_LEN = 256

/** Makes the source. */
export function randomOf(fill: Random['fill']): Random {
  const pool = new Uint8Array(POOL_LEN)
  const words = new Uint32Array(pool.buffer)
  let next = words.length
  return {
    fill,
    u32() {
      if (next === words.length) {
        fill(pool, 0, POOL_LEN)
        next = 0
      }
      const word = words[next] as number
      words[next++] = 0 // a number handed out is not kept
      return word
    },
  }
}
