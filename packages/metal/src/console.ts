/** The console of a bare machine: its first serial port. */

import { consolePrint } from 'mirage:native'
import type { Console } from '@mirage-ts/signatures/console'

/** Makes the console. */
export function createConsole(): Console {
  return { write: consolePrint }
}
