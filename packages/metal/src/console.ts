/** The console of a bare machine: its first serial port, or what took its place. */

import { consolePrint } from 'mirage:native'
import type { Console } from '@mirage-ts/signatures/console'

/** What the machine itself writes to, its last words too. */
export interface MachineConsole extends Console {
  /** Returns when the device has taken what was written, or takes nothing. */
  drain(): void
}

let current: MachineConsole = { write: consolePrint, drain: () => {} }

/** Makes the console. */
export function createConsole(): Console {
  return { write: consolePrint }
}

/** The console that the machine uses now. */
export function machineConsole(): MachineConsole {
  return current
}

/** From now on the machine uses this one. */
export function replaceMachineConsole(console: MachineConsole): void {
  current = console
}
