/** What a command of the tool is. */
import type { ArgKeys } from '@mirage-ts/core/boot-args'
import type { Output } from './output.ts'

/** One command: `mirage NAME [options]`. */
export interface Command {
  readonly name: string
  /** One line for the list of commands. */
  readonly summary: string
  /** More, for `mirage help NAME`. */
  readonly details: string
  /** The word it takes beside options, for help. */
  readonly argument?: string
  /** Its options beside the common ones and the configure-time keys. */
  readonly options: ArgKeys
  /** Returns the exit status. */
  run(call: Call): Promise<number>
}

/** How a command was called. */
export interface Call {
  /** The words after the command's name, up to `--`. */
  readonly words: readonly string[]
  /** The words after `--`. */
  readonly boot: readonly string[]
  /** The configuration file. */
  readonly file: string
  readonly isDryRun: boolean
  readonly output: Output
}
