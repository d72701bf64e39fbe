/**
 * What the documents and the comments name is there: files that are linked and their headings, paths, modules, scripts of npm. Whether
 * commands work is in docs-commands.test.ts, whether the tables of coverage are right in rfc-coverage.test.ts.
 */
import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { describe, it } from 'node:test'
import { ROOT } from './lib/mirage.ts'

const FOLDERS = ['bench', 'docs', 'examples', 'fuzz', 'native', 'packages', 'scripts', 'tests']
const FILES = [
  ...readdirSync(ROOT).filter((file) => file.endsWith('.md')),
  ...FOLDERS.flatMap((folder) =>
    readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' }).map((file) => `${folder}/${file}`),
  ),
].filter((file) => !/\/(?:node_modules|dist|mirage)\//.test(file))
const DOCUMENTS = FILES.filter((file) => file.endsWith('.md'))
const SOURCES = FILES.filter((file) => /\.(ts|mjs|c|h|S)$/.test(file))
/** Folders at the root whose names are no words of ordinary prose when a slash follows. */
const PATH = /(?<![\w/.@$-])((?:packages|examples|docs|tests|bench|fuzz|scripts|native)\/[\w./-]*\w)(?![*\w-])/g
/** Files of the tool's making, and of others. */
const ELSEWHERE = /^(?:crunch_\w+\.ts|constants\.ts|match\.ts|hello\.mjs|quickjs-\w+\.h|sysexits\.h)$/
const SCRIPTS = (JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { scripts: Record<string, string> })
  .scripts

function read(file: string): string {
  return readFileSync(join(ROOT, file), 'utf8')
}

/** Each match of `pattern` in `text` that `isRight` refuses, with file and line. */
function wrongIn(file: string, text: string, pattern: RegExp, isRight: (found: string) => boolean): readonly string[] {
  return text.split('\n').flatMap((line, i) =>
    [...line.matchAll(pattern)]
      .map(([, found = '']) => found)
      .filter((found) => !isRight(found))
      .map((found) => `${file}:${i + 1}: ${found}`),
  )
}

/** The anchors of the headings of a document, as GitHub makes them. */
function anchorsOf(document: string): readonly string[] {
  return [...read(document).matchAll(/^#+ (.*)$/gm)].map(([, heading = '']) =>
    heading
      .toLowerCase()
      .replaceAll(/[^\w\s-]/g, '')
      .replaceAll(' ', '-'),
  )
}

/** Of a source the comments only, line by line, so that line numbers stay. */
function commentsOf(file: string): string {
  return read(file)
    .split('\n')
    .map((line) => /^\s*(?:\/\*\*?|\*|\/\/)(.*)/.exec(line)?.[1] ?? /\s\/\/ (.*)$/.exec(line)?.[1] ?? '')
    .join('\n')
}

/** Whether `path` is there: from the root, or from the folder of the file that names it. */
function isThere(path: string, from: string): boolean {
  return existsSync(join(ROOT, path)) || existsSync(join(ROOT, dirname(from), path))
}

describe('documents', () => {
  it('link to files and headings that are there', () => {
    const wrong = DOCUMENTS.flatMap((document) =>
      wrongIn(document, read(document), /\]\(([^)\s]+)\)/g, (link) => {
        if (/^[a-z]+:/.test(link)) return true
        const [path = '', anchor] = link.split('#')
        const target = path === '' ? document : join(dirname(document), path)
        if (!existsSync(join(ROOT, target))) return false
        return anchor === undefined || anchorsOf(target).includes(anchor)
      }),
    )
    assert.deepEqual(wrong, [])
  })

  it('name paths that are there', () => {
    const wrong = DOCUMENTS.flatMap((document) =>
      wrongIn(document, read(document), PATH, (path) => isThere(path, document)),
    )
    assert.deepEqual(wrong, [])
  })

  it('name modules that are there', () => {
    const wrong = DOCUMENTS.flatMap((document) =>
      wrongIn(document, read(document), /@mirage-ts\/([\w-]+(?:\/[\w-]+)+)/g, (module) => {
        const [pkg = '', ...rest] = module.split('/')
        return ['', '.ts'].some((end) => existsSync(join(ROOT, 'packages', pkg, 'src', `${rest.join('/')}${end}`)))
      }),
    )
    assert.deepEqual(wrong, [])
  })

  it('name scripts of npm that are there', () => {
    const wrong = DOCUMENTS.flatMap((document) =>
      wrongIn(document, read(document), /npm run ([\w:-]+)/g, (script) => SCRIPTS[script] !== undefined),
    )
    assert.deepEqual(wrong, [])
  })
})

describe('comments', () => {
  it('name paths that are there', () => {
    const wrong = SOURCES.flatMap((file) => wrongIn(file, commentsOf(file), PATH, (path) => isThere(path, file)))
    assert.deepEqual(wrong, [])
  })

  it('name files that are there', () => {
    const names = new Set(FILES.map((file) => basename(file)))
    const wrong = SOURCES.flatMap((file) =>
      wrongIn(
        file,
        commentsOf(file),
        /(?<![\w/.*-])([\w-]+(?:\.test)?\.(?:ts|mjs|c|h))\b(?![\w(/-])/g,
        (name) => names.has(name) || ELSEWHERE.test(name),
      ),
    )
    assert.deepEqual(wrong, [])
  })
})
