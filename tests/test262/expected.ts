/**
 * Failures that are known: `expected-failures.txt` has a line for each test, or for a folder and how many fail in it, below
 * a comment that says why they do. What follows a line `[bytecode]` fails only by way of bytecode.
 */
import type { Result } from './report.ts'

/** A test, or a folder, which ends with a slash. */
export interface Entry {
  readonly path: string
  readonly count: number
}

/** Throws an Error when a line is neither a path nor a folder and a number. */
export function readExpected(text: string, isBytecode: boolean): readonly Entry[] {
  const [always = '', byBytecode = ''] = text.split(/^\[bytecode\]$/m)
  const lines = (isBytecode ? always + byBytecode : always).split('\n').map((line) => line.replace(/#.*/, '').trim())
  return lines
    .filter((line) => line !== '')
    .map((line) => {
      const [, path, count] = /^(\S+\.js|\S+\/(?= ))(?: (\d+))?$/.exec(line) ?? []
      if (path === undefined) throw new Error(`Expected a test, or a folder and a number of failures, got: ${line}`)
      return { path, count: Number(count ?? 1) }
    })
}

/** A line for each difference; that fewer fail than expected is one only when all tests have been run. */
export function compare(expected: readonly Entry[], results: readonly Result[], isWhole: boolean): readonly string[] {
  const failed = results.filter(({ failures }) => failures.length > 0).map(({ test }) => test.path)
  const covers = ({ path }: Entry, name: string) => (path.endsWith('/') ? name.startsWith(path) : name === path)
  const unexpected = failed.filter((path) => !expected.some((entry) => covers(entry, path)))
  const changed = expected.flatMap((entry) => {
    const count = failed.filter((path) => covers(entry, path)).length
    if (count > entry.count) return [`${count} failures in ${entry.path}, not ${entry.count}`]
    if (count < entry.count && isWhole)
      return [`${count} failures in ${entry.path}, expected ${entry.count}: mend the list`]
    return []
  })
  return [...unexpected.map((path) => `unexpected failure: ${path}`), ...changed]
}
