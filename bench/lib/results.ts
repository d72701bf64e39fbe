/** What a benchmark found, printed as a line and, under `npm run bench`, kept for the report's charts. */
import { appendFileSync } from 'node:fs'

/** A number of one chart: bars of one group have one unit. */
export interface Result {
  readonly group: string
  readonly name: string
  readonly value: number
  readonly unit: string
  /** A bound that we set ourselves, drawn as a line. */
  readonly limit?: number
}

/** Where results are appended, one JSON object on a line. */
export const RESULTS_VARIABLE = 'MIRAGE_BENCH_RESULTS'

export function record(result: Result): void {
  const { group, name, value, unit, limit } = result
  const bound = limit === undefined ? '' : ` (at most ${limit})`
  console.log(`${group}: ${name.padEnd(32)} ${shown(value)} ${unit}${bound}`)
  const file = process.env[RESULTS_VARIABLE]
  if (file !== undefined) appendFileSync(file, `${JSON.stringify(result)}\n`)
}

/** Three digits, or all of a large number. */
export function shown(value: number): string {
  return value >= 1000 ? Math.round(value).toLocaleString('en') : String(Number(value.toPrecision(3)))
}
