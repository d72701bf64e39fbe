/** The standard log: one line per message, `TIME LEVEL [source] text`, on a console. */
import type { Console } from '@mirage-ts/signatures/console'
import type { Log, Logger, LogLevel, LogMessage } from '@mirage-ts/signatures/log'
import type { WallClock } from '@mirage-ts/signatures/time'

const SEVERITY: Readonly<Record<LogLevel, number>> = { error: 0, warn: 1, info: 2, debug: 3 }
const QUIET = -1

/** Level of each source; `*` is for the sources not named. `quiet` keeps nothing. */
export type LogLevels = ReadonlyMap<string, LogLevel | 'quiet'>

/**
 * Reads `*:info,tcp:debug`; a level without a source is for all. Returns a sentence when the text is malformed.
 */
export function parseLogLevels(text: string): LogLevels | string {
  const levels = new Map<string, LogLevel | 'quiet'>()
  for (const part of text.split(',')) {
    const [source, level] = part.includes(':') ? part.split(':', 2) : ['*', part]
    if (source === undefined || source === '' || level === undefined || !(level in SEVERITY || level === 'quiet')) {
      return `expected SOURCE:LEVEL with LEVEL one of quiet, error, warn, info, debug; got ${JSON.stringify(part)}`
    }
    levels.set(source, level as LogLevel | 'quiet')
  }
  return levels
}

export interface LogOptions {
  /** As {@link parseLogLevels} reads it. Default `*:info`. */
  readonly levels?: string
}

/** Makes a log that writes to `console` with the time of `clock`. */
export function createLog({ console, clock }: { console: Console; clock: WallClock }, options: LogOptions = {}): Log {
  const levels = parseLogLevels(options.levels ?? '*:info')
  if (typeof levels === 'string') throw new TypeError(`Cannot set log levels: ${levels}`)
  return {
    logger(source: string): Logger {
      const level = levels.get(source) ?? levels.get('*') ?? 'info'
      return new ConsoleLogger(console, clock, source, level === 'quiet' ? QUIET : SEVERITY[level])
    },
  }
}

class ConsoleLogger implements Logger {
  readonly debugOn: boolean
  readonly #console: Console
  readonly #clock: WallClock
  readonly #source: string
  readonly #severity: number

  constructor(console: Console, clock: WallClock, source: string, severity: number) {
    this.debugOn = severity >= SEVERITY.debug
    this.#console = console
    this.#clock = clock
    this.#source = source
    this.#severity = severity
  }

  error(message: LogMessage): void {
    this.#write('error', message)
  }
  warn(message: LogMessage): void {
    this.#write('warn', message)
  }
  info(message: LogMessage): void {
    this.#write('info', message)
  }
  debug(message: LogMessage): void {
    this.#write('debug', message)
  }

  #write(level: LogLevel, message: LogMessage): void {
    if (SEVERITY[level] > this.#severity) return
    const time = new Date(Math.floor(this.#clock.now() / 1000)).toISOString()
    const text = typeof message === 'string' ? message : message()
    this.#console.write(`${time} ${level.toUpperCase().padEnd(5)} [${this.#source}] ${text}\n`)
  }
}

/** A log that keeps nothing: for tests and for parts used without one. */
export const NO_LOG: Log = {
  logger: () => ({ debugOn: false, error: ignore, warn: ignore, info: ignore, debug: ignore }),
}

function ignore(): void {}
