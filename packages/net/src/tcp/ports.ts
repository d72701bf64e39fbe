/** Ephemeral ports (RFC 6056 §3.3.1, algorithm 1: a random port, then the next that is free). */
import type { Port } from '@mirage-ts/signatures/addresses'
import type { Random } from '@mirage-ts/signatures/random'

/** RFC 6056 §3.2: "the range 1024-65535". */
const FIRST_PORT = 1024
const PORT_COUNT = 65536 - FIRST_PORT

/** A port for which `isFree` holds; undefined when there is none. */
export function choosePort(random: Random, isFree: (port: Port) => boolean): Port | undefined {
  // The bias of the remainder is below 2^-16: it helps nobody guess.
  const first = random.u32() % PORT_COUNT
  for (let i = 0; i < PORT_COUNT; i++) {
    const port = (FIRST_PORT + ((first + i) % PORT_COUNT)) as Port
    if (isFree(port)) return port
  }
  return undefined
}
