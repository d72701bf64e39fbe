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
const OWN_FOLDER = frames()[0]?.file.replace(/[^/]*$/, '') ?? ''

/**
 * The nearest line on the stack outside of this package, or `undefined` when there is none: the devices that
 * `devices.ts` makes when it is loaded have no line yet.
 */
export function callerPlace(): Place | undefined {
  return frames().find((frame) => !frame.file.startsWith(OWN_FOLDER) || frame.file.endsWith('.test.ts'))
}

function frames(): Place[] {
  return stackPlaces(new Error().stack ?? '')
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
