/** Running another program in the foreground. */
import { spawn } from 'node:child_process'
import { constants } from 'node:os'
import { UserError } from './errors.ts'

/** How to run it. */
export interface ChildOptions {
  readonly stdin?: 'ignore' | 'inherit'
  /** Keep what it writes to stderr, which is shown all the same. */
  readonly watchErrors?: boolean
  /** What to show of its output. */
  readonly mapOutput?: (chunk: string) => string
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

/** A program that runs. */
export interface ChildRun {
  readonly ended: Promise<ChildResult>
  /** Asks it to end; a second time kills it. */
  stop(signal?: NodeJS.Signals): void
}

/**
 * Starts a program on this terminal. What would end us ends it instead, and only this child, by its own handle; a second
 * request kills it.
 */
export function startChild(file: string, args: readonly string[], options: ChildOptions = {}): ChildRun {
  const { stdin = 'inherit', watchErrors = false, mapOutput, environment = {} } = options
  const child = spawn(file, args, {
    stdio: [stdin, mapOutput === undefined ? 'inherit' : 'pipe', watchErrors ? 'pipe' : 'inherit'],
    env: { ...process.env, ...environment },
  })
  let asked: NodeJS.Signals | undefined
  const stop = (signal: NodeJS.Signals = 'SIGTERM') => {
    child.kill(asked === undefined ? signal : 'SIGKILL')
    asked = signal
  }
  const ended = new Promise<ChildResult>((done, failed) => {
    let errors = ''
    child.stdout?.setEncoding('utf8').on('data', (chunk: string) => process.stdout.write(mapOutput?.(chunk) ?? chunk))
    child.stderr?.on('data', (chunk: Buffer) => {
      process.stderr.write(chunk)
      if (errors.length < MAX_ERRORS) errors += chunk.toString()
    })
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
      // What was held back of the last line.
      if (mapOutput !== undefined) process.stdout.write(mapOutput('\n').slice(0, -1))
      const by = signal ?? asked
      const shown = by === undefined ? (status ?? 1) : 128 + constants.signals[by]
      done({ status: shown, isSignalled: by !== undefined, errors })
    })
  })
  return { ended, stop }
}

const SIGNALS: readonly NodeJS.Signals[] = ['SIGINT', 'SIGTERM', 'SIGHUP']

/** QEMU says what is wrong in its first lines. */
const MAX_ERRORS = 64 * 1024
