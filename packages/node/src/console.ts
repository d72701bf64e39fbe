/** The console of a Unix process: its standard output. */
import { stdout } from 'node:process'
import type { Console } from '@mirage-ts/signatures/console'

export function createConsole(): Console {
  // A reader that went away (`mirage run | head`) must not end the application: writing a console does not fail.
  stdout.on('error', () => {})
  return { write: (text) => void stdout.write(text) }
}
