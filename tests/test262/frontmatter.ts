/** What a test of test262 says of itself, in a comment at its start: YAML, of which it uses little (CONTRIBUTING.md there). */

/** Where a negative test must end: before it runs, while its modules are found and linked, or while it runs. */
export type Phase = 'parse' | 'resolution' | 'runtime'

export interface Frontmatter {
  readonly flags: readonly string[]
  readonly includes: readonly string[]
  readonly features: readonly string[]
  /** The error that it must end with. */
  readonly negative?: { readonly phase: Phase; readonly type: string }
}

const BLOCK = /\/\*---([\s\S]*?)---\*\//
const PHASES: readonly string[] = ['parse', 'resolution', 'runtime']

/** Reads it; throws an Error when a negative test does not say how it ends. */
export function frontmatterOf(text: string): Frontmatter {
  const lines = dedent((BLOCK.exec(text)?.[1] ?? '').split(/\r\n|\n|\r/))
  const list = (key: string) => listOf(lines, key)
  const result = { flags: list('flags'), includes: list('includes'), features: list('features') }
  const from = lines.findIndex((line) => line.startsWith('negative:'))
  if (from < 0) return result
  const rest = lines.slice(from + 1)
  const value = (key: string) =>
    rest.map((line) => new RegExp(`^\\s+${key}: *(\\S+)`).exec(line)?.[1]).find((found) => found !== undefined)
  const [phase = '', type] = [value('phase'), value('type')]
  if (!PHASES.includes(phase) || type === undefined) throw new Error('"negative" lacks a phase or a type')
  return { ...result, negative: { phase: phase as Phase, type } }
}

/** Some have all of it indented. */
function dedent(lines: readonly string[]): readonly string[] {
  const [indent = ''] = /^ */.exec(lines.find((line) => line.trim() !== '') ?? '') ?? []
  return lines.map((line) => (line.startsWith(indent) ? line.slice(indent.length) : line))
}

/** `key: [a, b]`, which may go over lines, or a line `- a` for each. */
function listOf(lines: readonly string[], key: string): readonly string[] {
  const from = lines.findIndex((line) => line.startsWith(`${key}:`))
  if (from < 0) return []
  let to = from + 1
  while (to < lines.length && /^(\s|-|$)/.test(lines[to] ?? '')) to++
  const text = lines
    .slice(from, to)
    .join('\n')
    .slice(key.length + 1)
  const inline = /\[([^\]]*)\]/.exec(text)?.[1]
  const words = inline === undefined ? text.split(/^\s*-/m).slice(1) : inline.split(',')
  return words.map((word) => word.replace(/#.*/, '').trim()).filter((word) => word !== '')
}
