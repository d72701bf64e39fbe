/** Running another program in the foreground. */
import { spawn } from 'node:child_process'
import { constants } from 'node:os'
import { UserError } from './errors.ts'

/** How to run it. */
export interface ChildOptions {
  readonly stdin?: 'ignore' | 'inherit'
  /** Keep what it writes to stderr, which is shown all the same. */
  readonly watchErrors?: boolean
  /** Added to our own environment. */
  readonly environment?: Readonly<Record<string, string>>
}

/** How it ended. */
export interface ChildResult {
  /** Its exit status, or 128 + n when signal n ended it or asked it to end, as in a shell. */
  readonly status: number
  /** A signal ended it, or we were asked to end and passed that on. */
  readonly isSignalled: boolean
  readonly errors: string
}

/**
 * Runs a program on this terminal. What would end us ends it instead, and only this child, by its own handle; a second
 * request kills it.
 */
export function runChild(file: string, args: readonly string[], options: ChildOptions = {}): Promise<ChildResult> {
  const { stdin = 'inherit', watchErrors = false, environment = {} } = options
  return new Promise((done, failed) => {
    const child = spawn(file, args, {
      stdio: [stdin, 'inherit', watchErrors ? 'pipe' : 'inherit'],
      env: { ...process.env, ...environment },
    })
    let errors = ''
    let asked: NodeJS.Signals | undefined
    child.stderr?.on('data', (chunk: Buffer) => {
      process.stderr.write(chunk)
      if (errors.length < MAX_ERRORS) errors += chunk.toString()
    })
    const stop = (signal: NodeJS.Signals) => {
      child.kill(asked === undefined ? signal : 'SIGKILL')
      asked = signal
    }
    for (const signal of SIGNALS) process.on(signal, stop)
    const forget = () => {
      for (const signal of SIGNALS) process.off(signal, stop)
    }
    child.on('error', (cause) => {
      forget()
      failed(new UserError(`Cannot run ${file}: ${cause.message}`, { cause }))
    })
    child.on('close', (status, signal) => {
      forget()
      const by = signal ?? asked
      const shown = by === undefined ? (status ?? 1) : 128 + constants.signals[by]
      done({ status: shown, isSignalled: by !== undefined, errors })
    })
  })
}

const SIGNALS: readonly NodeJS.Signals[] = ['SIGINT', 'SIGTERM', 'SIGHUP']

/** QEMU says what is wrong in its first lines. */
const MAX_ERRORS = 64 * 1024
