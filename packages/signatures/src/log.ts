/** Logging as a device: sources with levels, messages built only when somebody will read them. */

export type LogLevel = 'error' | 'warn' | 'info' | 'debug'

/** A message, or a function that builds it: the function runs only when the level is on. */
export type LogMessage = string | (() => string)

/** One source of messages. Writing never blocks the caller and never throws. */
export interface Logger {
  /** True when `debug` messages of this source are kept. Test it before building arguments on the packet path. */
  readonly debugOn: boolean
  error(message: LogMessage): void
  warn(message: LogMessage): void
  info(message: LogMessage): void
  debug(message: LogMessage): void
}

/** Where messages go, with a level for each source. */
export interface Log {
  /** The logger called `source`; two calls with one name give loggers of the same level. */
  logger(source: string): Logger
}
