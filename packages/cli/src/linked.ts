/**
 * Why an image has the parts it has: which sources of its bundle need an optional part of the engine's library, and which call
 * native functions. The bytecode compiler decides what is linked (`native/host/bytecode.c`); this tells whom to blame.
 */
import type { BundledSource } from './bundle.ts'
import { table } from './output.ts'

/** What was linked and who needs it. */
export interface Linked {
  /** Optional parts of the engine's library, each with its reasons: `Map in @mirage-ts/core/src/log.ts`. */
  readonly engine: Readonly<Record<string, readonly string[]>>
  /** Native functions, each with the sources that import it. */
  readonly native: Readonly<Record<string, readonly string[]>>
}

/** The optional parts of the engine that are not in an image. */
export function leftOut({ engine }: Linked): readonly string[] {
  return Object.keys(WORDS).filter((part) => !Object.hasOwn(engine, part))
}

/** What was linked, as text: each part with one reason a line. */
export function describeLinked(linked: Linked): string {
  const rows = [...Object.entries(linked.engine), ...Object.entries(linked.native).map(nativeRow)]
  const lines = rows.flatMap(([part, reasons]) => reasons.map((reason, i) => [i === 0 ? part : '', reason]))
  return [table(lines), `Left out: ${leftOut(linked).join(', ') || 'nothing'}`].join('\n')
}

/** The same in short, a part a line. */
export function summarizeLinked({ engine, native }: Linked): readonly string[] {
  const rows = Object.entries(engine).map(([part, [first = '', ...more]]) => {
    return [part, more.length === 0 ? first : `${first}, and ${more.length} more`]
  })
  rows.push(['native', `${Object.keys(native).length} functions; mirage query linked tells who needs what`])
  return table(rows).split('\n')
}

function nativeRow([name, sources]: readonly [string, readonly string[]]): readonly [string, readonly string[]] {
  return [`native ${name}`, sources]
}

/** The words by which the bytecode compiler knows that a program needs a part; the methods make a RegExp of a string. */
const WORDS: Readonly<Record<string, readonly string[]>> = {
  date: ['Date'],
  json: ['JSON'],
  mapset: ['Map', 'Set', 'WeakMap', 'WeakSet'],
  proxy: ['Proxy'],
  weakref: ['WeakRef', 'FinalizationRegistry'],
  regexp: ['RegExp', 'match', 'matchAll', 'search'],
}

const NATIVE_IMPORT = /^import \{([^}]*)\} from "mirage:native";$/gm

/** Finds who needs the parts `features` of the engine, and native functions, in a bundle made of `sources`. */
export function whyLinked(code: string, sources: readonly BundledSource[], features: readonly string[]): Linked {
  const parts = partsOf(code, new Set(sources.map(({ name }) => name)))
  const native: Record<string, string[]> = {}
  for (const { name, text } of parts) {
    for (const [, list = ''] of text.matchAll(NATIVE_IMPORT)) {
      for (const imported of list.split(',')) {
        const known = imported.trim().replace(/ as .*/, '')
        if (known === '') continue
        native[known] = [...(native[known] ?? []), name]
      }
    }
  }
  const engine = Object.fromEntries(features.map((feature) => [feature, reasonsFor(feature, parts)]))
  return { engine, native: Object.fromEntries(Object.entries(native).sort(([a], [b]) => (a < b ? -1 : 1))) }
}

/** The code without the comments that name sources: a file called `match.ts` needs no regular expressions. */
export function withoutNames(code: string, sources: readonly BundledSource[]): string {
  const comments = new Set(sources.map(({ name }) => `// ${name}`))
  const lines = code.split('\n')
  // The lines stay: stacks are read by their numbers.
  return lines.map((line) => (comments.has(line) ? '' : line)).join('\n')
}

interface Part {
  readonly name: string
  readonly text: string
}

/** The bundle source by source: a comment says where each begins. */
function partsOf(code: string, names: ReadonlySet<string>): readonly Part[] {
  const parts: { name: string; lines: string[] }[] = []
  for (const line of code.split('\n')) {
    const name = line.startsWith('// ') ? line.slice(3) : ''
    if (names.has(name)) parts.push({ name, lines: [] })
    else parts.at(-1)?.lines.push(line)
  }
  return parts.map(({ name, lines }) => ({ name, text: lines.join('\n') }))
}

function reasonsFor(feature: string, parts: readonly Part[]): readonly string[] {
  const words = new RegExp(`(?<![\\w$])(?:${(WORDS[feature] ?? []).join('|')})(?![\\w$])`, 'g')
  const reasons = parts.flatMap(({ name, text }) => {
    const used = [...new Set(text.match(words))].sort()
    if (feature === 'regexp' && hasRegExpLiteral(text)) used.unshift('/.../')
    return used.length === 0 ? [] : [`${used.join(', ')} in ${name}`]
  })
  return reasons.sort()
}

/** Words after which a slash begins a regular expression, not a division. */
const BEFORE_LITERAL = /(?:^|[^\w$.])(?:return|typeof|case|in|of|void|delete|do|else|instanceof|new|throw|yield|await)$/

/** True when code has a regular expression literal; strings, templates and comments have none. */
export function hasRegExpLiteral(code: string): boolean {
  if (!code.includes('/')) return false
  /** Braces open at the start of each template's expression that we are in. */
  const templates: number[] = []
  let depth = 0
  // From one character that matters to the next: bundles are long.
  const marks = /["'`/{}]/g
  for (let mark = marks.exec(code); mark !== null; mark = marks.exec(code)) {
    const c = mark[0]
    const at = mark.index
    if (c === '"' || c === "'") marks.lastIndex = endOfText(code, at + 1, c)
    else if (c === '`' || (c === '}' && templates.at(-1) === depth)) {
      if (c === '}') templates.pop()
      marks.lastIndex = endOfTemplate(code, at + 1)
      if (code[marks.lastIndex - 1] === '{') templates.push(depth)
    } else if (c === '{') depth++
    else if (c === '}') depth--
    else if (code[at + 1] === '/') marks.lastIndex = indexOrEnd(code, '\n', at)
    else if (code[at + 1] === '*') marks.lastIndex = indexOrEnd(code, '*/', at) + 2
    else {
      const before = code.slice(Math.max(0, at - 20), at).trimEnd()
      if (before === '' || /[^\w$)\]}"'`]$/.test(before) || BEFORE_LITERAL.test(before)) return true
    }
  }
  return false
}

function endOfText(code: string, start: number, quote: string): number {
  let i = start
  while (i < code.length && code[i] !== quote) i += code[i] === '\\' ? 2 : 1
  return i + 1
}

/** Behind the end of a template, or behind the `${` of an expression in it. */
function endOfTemplate(code: string, start: number): number {
  let i = start
  while (i < code.length) {
    if (code[i] === '`') return i + 1
    if (code[i] === '$' && code[i + 1] === '{') return i + 2
    i += code[i] === '\\' ? 2 : 1
  }
  return i
}

function indexOrEnd(code: string, text: string, from: number): number {
  const at = code.indexOf(text, from)
  return at < 0 ? code.length : at
}
