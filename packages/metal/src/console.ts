/** The console of a bare machine: its first serial port. */

import { consoleWrite } from 'mirage:native'
import type { Console } from '@mirage-ts/signatures/console'
import { encodeUtf8 } from './utf8.ts'

/** Makes the console. */
export function createConsole(): Console {
  return {
    write(text) {
      const bytes = encodeUtf8(text)
      consoleWrite(bytes, 0, bytes.length)
    },
  }
}
