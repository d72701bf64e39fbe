/** What the command tells the user: data on stdout, progress on stderr. */

/** How much to say. */
export interface Output {
  /** The result of the command. */
  print(text: string): void
  /** What is being done, when it may take more than a second; silent with `-q`. */
  progress(text: string): void
  /** What takes longer than a second; only where somebody watches a terminal. */
  working(text: string): void
  /** Each step with its time; only with `-v`. */
  detail(text: string): void
  /** The text in a colour on a terminal, as it is elsewhere. */
  paint(color: Color, text: string): string
}

/** Colours of the terminal, by their meaning. */
export type Color = 'good' | 'bad' | 'unsure'

/** Select Graphic Rendition (ECMA-48 §8.3.117): green, red, yellow. */
const SGR: Readonly<Record<Color, number>> = { good: 32, bad: 31, unsure: 33 }

/** Where text goes. */
export interface Streams {
  out(text: string): void
  error(text: string): void
  /** Colours may be used on `out`. */
  readonly hasColor?: boolean
  /** Somebody watches `error`. */
  readonly isWatched?: boolean
}

/** The streams of this process. */
export const PROCESS_STREAMS: Streams = {
  out: (text) => process.stdout.write(text),
  error: (text) => process.stderr.write(text),
  // https://no-color.org
  hasColor: process.stdout.isTTY === true && !process.env['NO_COLOR'],
  isWatched: process.stderr.isTTY === true,
}

export function createOutput(
  streams: Streams,
  options: { readonly isQuiet: boolean; readonly isVerbose: boolean },
): Output {
  return {
    print: (text) => {
      if (!options.isQuiet) streams.out(`${text}\n`)
    },
    progress: (text) => {
      if (!options.isQuiet) streams.error(`${text}\n`)
    },
    working: (text) => {
      if (streams.isWatched === true && !options.isQuiet) streams.error(`${text}\n`)
    },
    detail: (text) => {
      if (options.isVerbose) streams.error(`${text}\n`)
    },
    paint: (color, text) => (streams.hasColor === true ? `\x1b[${SGR[color]}m${text}\x1b[0m` : text),
  }
}

/** A step that takes longer is told of while it lasts. */
const SLOW_MS = 1000

/** Runs a step; with `-v` its time is shown. */
export async function timed<T>(output: Output, step: string, run: () => Promise<T>): Promise<T> {
  const start = performance.now()
  const slow = setTimeout(() => output.working(`${step}...`), SLOW_MS)
  try {
    return await run()
  } finally {
    clearTimeout(slow)
    output.detail(`${step}: ${Math.round(performance.now() - start)} ms`)
  }
}

/** `943 kB`, for people. */
export function sizeToString(lenBytes: number): string {
  if (lenBytes < 1000) return `${lenBytes} B`
  return lenBytes < 1e6 ? `${(lenBytes / 1e3).toFixed(1)} kB` : `${(lenBytes / 1e6).toFixed(2)} MB`
}

/** Rows as text, their columns aligned. */
export function table(rows: readonly (readonly string[])[]): string {
  const widths: number[] = []
  for (const row of rows) for (const [i, cell] of row.entries()) widths[i] = Math.max(widths[i] ?? 0, cell.length)
  return rows
    .map((row) =>
      row
        .map((cell, i) => cell.padEnd(widths[i] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n')
}
