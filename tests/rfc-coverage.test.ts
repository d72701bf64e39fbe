/**
 * The tables of docs/rfc-coverage*.md and docs/native-coverage.md: every file they name is there, and every test they name says what they say of it. Where
 * a table has tests with parts of their titles, each row has one, or begins with "no" and says why not.
 */
import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { ROOT } from './lib/mirage.ts'

const DOCS = join(ROOT, 'docs')
/** Documents whose rows name tests by title. */
const STRICT = ['rfc-coverage-ip.md', 'rfc-coverage-tcp.md', 'native-coverage.md']

interface Row {
  readonly line: number
  readonly what: string
  readonly how: string
  readonly file: string
  readonly test: string
}

/** The rows of the tables with columns for file and test. */
function rowsOf(text: string): readonly Row[] {
  const rows: Row[] = []
  let isTable = false
  for (const [index, line] of text.split('\n').entries()) {
    const cells = line.startsWith('|')
      ? line
          .slice(1, -1)
          .split('|')
          .map((cell) => cell.trim())
      : []
    const [what = '', how = '', file = '', test = ''] = cells
    if (file === 'file' && test === 'test') isTable = true
    else if (cells.length !== 4) isTable = isTable && cells.length > 0
    else if (isTable && !what.startsWith('---')) rows.push({ line: index + 1, what, how, file, test })
  }
  return rows
}

/** Where a document says that its files are: the folders named outside of its tables. */
function foldersOf(text: string): readonly string[] {
  const prose = text.split('\n').filter((line) => !line.startsWith('|'))
  return ['', ...[...prose.join('\n').matchAll(/`([\w./-]+\/)`/g)].map(([, folder = '']) => folder)]
}

/** Files that a document calls by a shorter name. */
function aliasesOf(text: string): ReadonlyMap<string, string> {
  const found = text.matchAll(/`([\w-]+)`\s+(?:is|stands\s+for)\s+`([\w./-]+\.(?:ts|mjs))`/g)
  const more = text.matchAll(/and\s+`([\w-]+)`\s+for\s+`([\w./-]+\.ts)`/g)
  return new Map([...found, ...more].map(([, name = '', path = '']) => [name, path]))
}

function find(folders: readonly string[], path: string): string | undefined {
  return folders.map((folder) => join(ROOT, folder, path)).find(existsSync)
}

const TITLE = /\b(?:\w*[tT]est|it|describe)\(\s*(?:'([^']*)'|`([^`]*)`|"([^"]*)")/g
/** In `native/tests/run.mjs` tests are the properties of tables. */
const IMAGE_TITLE = /^ *\[?(?:'([^']*)'|`([^`]*)`|(\w+))(?::|,$)/gm

const titles = new Map<string, string>()

/** What the tests of a file are called, one after the other; what `${}` would fill in stays as it is written. */
function titlesOf(path: string): string {
  const known = titles.get(path)
  if (known !== undefined) return known
  const calls = readFileSync(path, 'utf8').matchAll(path.endsWith('.mjs') ? IMAGE_TITLE : TITLE)
  const joined = [...calls].map(([, a, b, c]) => a ?? b ?? c ?? '').join('\n')
  titles.set(path, joined)
  return joined
}

for (const name of readdirSync(DOCS).filter((one) => /^(rfc-coverage-.*|native-coverage)\.md$/.test(one))) {
  describe(name, () => {
    const text = readFileSync(join(DOCS, name), 'utf8')
    const [rows, folders, aliases] = [rowsOf(text), foldersOf(text), aliasesOf(text)]
    assert(rows.length > 10, `${name} has no tables`)

    it('names files that are there', () => {
      const missing = rows.flatMap(({ line, file }) =>
        [...file.matchAll(/`([\w./-]+\.\w+)`/g)]
          .filter(([, path = '']) => find(folders, path) === undefined)
          .map(([, path]) => `line ${line}: ${path}`),
      )
      assert.deepEqual(missing, [])
    })

    if (!STRICT.includes(name)) return
    it('names tests that are there, by their titles', () => {
      const wrong: string[] = []
      for (const { line, test } of rows) {
        for (const [, file = '', title = ''] of test.matchAll(/`([^`]+)`(?: "([^"]*)")?/g)) {
          const path = find(folders, aliases.get(file) ?? (file.endsWith('.ts') ? file : `${file}.test.ts`))
          if (path === undefined) wrong.push(`line ${line}: no file ${file}`)
          else if (title === '' || !titlesOf(path).includes(title))
            wrong.push(`line ${line}: ${file} has no "${title}"`)
        }
      }
      assert.deepEqual(wrong, [])
    })

    it('has a test for each row, or says why not', () => {
      const empty = rows.filter(({ how, file, test }) => {
        const isShown = /`[^`]+`/.test(file) && /`[^`]+` "/.test(test)
        return !isShown && !/^(no: |the application)/.test(how)
      })
      assert.deepEqual(
        empty.map(({ line, what }) => `line ${line}: ${what}`),
        [],
      )
    })
  })
}
