/**
 * `console` on a log, source `app` (Console Standard). Values that are not text are shown as JSON; there are no format
 * specifiers, no colours, and a table is its JSON too.
 */
import type { Log } from '@mirage-ts/signatures/log'
import type { MonotonicClock } from '@mirage-ts/signatures/time'

/** Counters and timers at most: labels may come from requests. */
const MAX_LABELS = 1000

type Write = (...args: unknown[]) => void

/** Makes the object that programs call `console`. */
export function createConsole(log: Log, clock: MonotonicClock) {
  const logger = log.logger('app')
  let indent = ''
  const text = (args: readonly unknown[]) => indent + args.map(show).join(' ').replaceAll('\n', `\n${indent}`)
  const counts = new Map<string, number>()
  const startsUs = new Map<string, number>()
  const info: Write = (...args) => logger.info(() => text(args))
  const debug: Write = (...args) => logger.debug(() => text(args))
  const warn: Write = (...args) => logger.warn(() => text(args))
  const error: Write = (...args) => logger.error(() => text(args))
  const group: Write = (...args) => {
    if (args.length > 0) info(...args)
    indent += '  '
  }
  const timeLog = (label: string, args: readonly unknown[]): void => {
    const start = startsUs.get(label)
    if (start === undefined) warn(`Timer '${label}' does not exist`)
    else info(`${label}: ${(clock.now() - start) / 1000}ms`, ...args)
  }
  return {
    debug,
    log: info,
    info,
    warn,
    error,
    trace: (...args: unknown[]): void => debug('Trace:', ...args),
    dir: (value: unknown): void => info(value),
    dirxml: info,
    table: (value: unknown): void => info(value),
    assert(condition?: unknown, ...args: unknown[]): void {
      if (condition) return
      if (typeof args[0] === 'string') error(`Assertion failed: ${args[0]}`, ...args.slice(1))
      else error('Assertion failed', ...args)
    },
    count(label: unknown = 'default'): void {
      const name = String(label)
      const count = (counts.get(name) ?? 0) + 1
      if (count > 1 || counts.size < MAX_LABELS) counts.set(name, count)
      info(`${name}: ${count}`)
    },
    countReset(label: unknown = 'default'): void {
      if (!counts.delete(String(label))) warn(`Count for '${String(label)}' does not exist`)
    },
    time(label: unknown = 'default'): void {
      const name = String(label)
      if (startsUs.has(name)) warn(`Timer '${name}' already exists`)
      else if (startsUs.size < MAX_LABELS) startsUs.set(name, clock.now())
    },
    timeLog: (label: unknown = 'default', ...args: unknown[]): void => timeLog(String(label), args),
    timeEnd(label: unknown = 'default'): void {
      timeLog(String(label), [])
      startsUs.delete(String(label))
    },
    group,
    groupCollapsed: group,
    groupEnd(): void {
      indent = indent.slice(2)
    },
    clear(): void {},
  }
}

function show(value: unknown): string {
  if (value instanceof Error)
    return value.stack?.includes(value.message) ? value.stack : `${value.name}: ${value.message}`
  if (typeof value !== 'object' || value === null) return String(value)
  try {
    return JSON.stringify(value) ?? String(value)
  } catch {
    // A cycle, or a BigInt.
    return String(value)
  }
}
