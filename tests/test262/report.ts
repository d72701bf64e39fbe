/** Results by folder, as a table. */
import type { Mode, Test } from './suite.ts'

export interface Result {
  readonly test: Test
  /** The modes it failed in, and why. */
  readonly failures: { readonly mode: Mode; readonly reason: string }[]
}

interface Tally {
  passed: number
  failed: number
  skipped: number
}

/** A row for each folder two deep, one for each folder at the top, and what was skipped for what reason. */
export function reportOf(results: readonly Result[]): string {
  const rows = new Map<string, Tally>()
  const reasons = new Map<string, number>()
  for (const { test, failures } of results) {
    const parts = test.path.split('/')
    const names = [parts.slice(0, Math.min(2, Math.max(1, parts.length - 1))).join('/'), `${parts[0]}, all`, 'all']
    for (const name of names) {
      const row = rows.get(name) ?? { passed: 0, failed: 0, skipped: 0 }
      row[test.skipped !== undefined ? 'skipped' : failures.length > 0 ? 'failed' : 'passed']++
      rows.set(name, row)
    }
    if (test.skipped !== undefined) reasons.set(test.skipped, (reasons.get(test.skipped) ?? 0) + 1)
  }
  const order = (name: string) => (name === 'all' ? 2 : name.endsWith(', all') ? 1 : 0)
  const sorted = [...rows].sort(([a], [b]) => order(a) - order(b) || a.localeCompare(b))
  const widest = Math.max(...sorted.map(([name]) => name.length))
  const table = sorted.map(([name, { passed, failed, skipped }]) => {
    const columns = [passed, failed, skipped].map((count) => String(count).padStart(8)).join('')
    const [ofRun, ofAll] = [percent(passed, passed + failed), percent(passed, passed + failed + skipped)]
    return `${name.padEnd(widest)}${columns}${ofRun.padStart(10)}${ofAll.padStart(10)}`
  })
  const head = `${'tests'.padEnd(widest)}  passed  failed skipped   of run    of all`
  const skipped = [...reasons].sort(([, a], [, b]) => b - a).map(([reason, count]) => `skipped ${count}: ${reason}`)
  return [head, ...table, ...skipped].join('\n')
}

/** Rounded down: only all of them are 100 %. */
function percent(part: number, whole: number): string {
  return whole === 0 ? '-' : `${(Math.floor((part / whole) * 10_000) / 100).toFixed(2)} %`
}
