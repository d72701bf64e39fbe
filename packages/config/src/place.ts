/** Where in the user's configuration something was written: every message about it names that line. */

/** A line of a source file. */
export interface Place {
  /** Absolute path. */
  readonly file: string
  /** From 1. */
  readonly line: number
}

/** The configuration is wrong at a known line: one sentence for the user, no stack. */
export class ConfigError extends Error {
  readonly place: Place | undefined
  constructor(message: string, place: Place | undefined) {
    super(message)
    this.name = 'ConfigError'
    this.place = place
  }
}

/** True of a {@link ConfigError}, whichever copy of this package it comes from. */
export function isConfigError(error: unknown): error is ConfigError {
  return error instanceof Error && error.name === 'ConfigError'
}

/** This package's own folder: its frames are never the user's. */
function ownFolder(): string {
  knownFolder ??= frames()[0]?.file.replace(/[^/]*$/, '') ?? ''
  return knownFolder
}

let knownFolder: string | undefined

/**
 * The nearest line on the stack outside of this package, or `undefined` when there is none: the devices that
 * `devices.ts` makes when it is loaded have no line yet.
 */
export function callerPlace(): Place | undefined {
  return userFrame(frames())
}

/**
 * Gives `value` the {@link callerPlace} of now. Most lines are never asked for, and to read a stack takes longer than all else
 * that a config.ts does: it is read when somebody asks.
 */
export function placed<T extends object>(value: T): T & { readonly place: Place | undefined } {
  const limit: unknown = Reflect.get(Error, 'stackTraceLimit')
  // Devices are made of others: the line that matters may be far up.
  Reflect.set(Error, 'stackTraceLimit', 30)
  const made = new Error()
  Reflect.set(Error, 'stackTraceLimit', limit)
  let found: { readonly place: Place | undefined } | undefined
  return Object.defineProperty(value, 'place', {
    enumerable: true,
    get() {
      found ??= { place: userFrame(stackPlaces(made.stack ?? '')) }
      return found.place
    },
  }) as T & { readonly place: Place | undefined }
}

function frames(): Place[] {
  return stackPlaces(new Error().stack ?? '')
}

function userFrame(places: readonly Place[]): Place | undefined {
  return places.find((frame) => !frame.file.startsWith(ownFolder()) || frame.file.endsWith('.test.ts'))
}

/** The lines of a stack, in source files: Node has mapped them back to TypeScript. */
export function stackPlaces(stack: string): Place[] {
  const places: Place[] = []
  for (const line of stack.split('\n')) {
    // An async frame is not a caller, but whoever waits for the import of config.ts.
    if (/^ +at async /.test(line)) continue
    const [, file, number] = /^ +at (?:.*\()?((?:file:\/\/)?\/[^()]*?):(\d+):\d+\)?$/.exec(line) ?? []
    if (file === undefined) continue
    places.push({ file: decodeURI(file.replace(/^file:\/\//, '').replace(/\?.*$/, '')), line: Number(number) })
  }
  return places
}
