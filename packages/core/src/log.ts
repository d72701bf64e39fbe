/** The standard log: one line per message, `TIME LEVEL [source] text`, on a console. */
import type { Console } from '@mirage-ts/signatures/console'
import type { Log, Logger, LogLevel, LogMessage } from '@mirage-ts/signatures/log'
import type { WallClock } from '@mirage-ts/signatures/time'
import { isoTime } from './iso-time.ts'

const QUIET = -1
const ERROR = 0
const WARN = 1
const INFO = 2
const DEBUG = 3

/** What holds where no rule says otherwise, and as a rule. */
const DEFAULT_LEVEL = 'info'
const DEFAULT_LEVELS = '*:info'

/** A part of `*:info,tcp:debug`. */
export interface LogLevelRule {
  /** `*` is for the sources that no rule names. */
  readonly source: string
  /** `quiet` keeps nothing. */
  readonly level: LogLevel | 'quiet'
}

/** Level of each source; of several rules for one the last counts. */
export type LogLevels = readonly LogLevelRule[]

/**
 * Reads `*:info,tcp:debug`; a level without a source is for all. Returns a sentence when the text is malformed.
 *
 * It runs at every start of a machine, on an engine to which each part of the library is new then: hence only `indexOf`, and no
 * rule for what holds without.
 */
export function parseLogLevels(text: string): LogLevels | string {
  if (text === DEFAULT_LEVELS) return []
  const levels: LogLevelRule[] = []
  for (let start = 0; start <= text.length; ) {
    const comma = text.indexOf(',', start)
    const end = comma < 0 ? text.length : comma
    const part = text.slice(start, end)
    const colon = part.indexOf(':')
    const source = colon < 0 ? '*' : part.slice(0, colon)
    const level = colon < 0 ? part : part.slice(colon + 1)
    if (source === '' || severityOf(level) === undefined) {
      return `expected SOURCE:LEVEL with LEVEL one of quiet, error, warn, info, debug; got "${part}"`
    }
    levels.push({ source, level: level as LogLevel | 'quiet' })
    start = end + 1
  }
  return levels
}

function severityOf(level: string): number | undefined {
  switch (level) {
    case 'info':
      return INFO
    case 'debug':
      return DEBUG
    case 'warn':
      return WARN
    case 'error':
      return ERROR
    case 'quiet':
      return QUIET
    default:
      return undefined
  }
}

/** The severity that messages of `source` must not exceed. */
function severityFor(levels: LogLevels, source: string): number {
  let common: string = DEFAULT_LEVEL
  let own: string | undefined
  for (let i = 0; i < levels.length; i++) {
    const rule = levels[i] as LogLevelRule
    if (rule.source === source) own = rule.level
    else if (rule.source === '*') common = rule.level
  }
  return severityOf(own ?? common) as number
}

export interface LogOptions {
  /** As {@link parseLogLevels} reads it. Default `*:info`. */
  readonly levels?: string
}

/** Makes a log that writes to `console` with the time of `clock`. */
export function createLog({ console, clock }: { console: Console; clock: WallClock }, options: LogOptions = {}): Log {
  const levels = parseLogLevels(options.levels ?? DEFAULT_LEVELS)
  if (typeof levels === 'string') throw new TypeError(`Cannot set log levels: ${levels}`)
  return { logger: (source) => new ConsoleLogger(console, clock, source, severityFor(levels, source)) }
}

class ConsoleLogger implements Logger {
  readonly debugOn: boolean
  private readonly console: Console
  private readonly clock: WallClock
  private readonly source: string
  private readonly severity: number

  constructor(console: Console, clock: WallClock, source: string, severity: number) {
    this.debugOn = severity >= DEBUG
    this.console = console
    this.clock = clock
    this.source = source
    this.severity = severity
  }

  error(message: LogMessage): void {
    this.write(ERROR, 'ERROR', message)
  }
  warn(message: LogMessage): void {
    this.write(WARN, 'WARN ', message)
  }
  info(message: LogMessage): void {
    this.write(INFO, 'INFO ', message)
  }
  debug(message: LogMessage): void {
    this.write(DEBUG, 'DEBUG', message)
  }

  private write(severity: number, level: string, message: LogMessage): void {
    if (severity > this.severity) return
    const text = typeof message === 'string' ? message : message()
    this.console.write(`${isoTime(this.clock.now())} ${level} [${this.source}] ${text}\n`)
  }
}

/** A log that keeps nothing: for tests and for parts used without one. */
export const NO_LOG: Log = {
  logger: () => ({ debugOn: false, error: ignore, warn: ignore, info: ignore, debug: ignore }),
}

function ignore(): void {}
