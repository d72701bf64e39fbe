// biome-ignore-all lint/suspicious/noTemplateCurlyInString: the templates are what is tested.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { hasRegExpLiteral, whyLinked, withoutNames } from './linked.ts'

const source = (name: string) => ({ file: `/x/${name}`, name, lenBytes: 1 })
const SOURCES = [source('@a/match.ts'), source('./b.ts')]
const CODE = [
  '// @a/match.ts',
  'import { exit as exit2, asset } from "mirage:native";',
  'var m = new Map();',
  'exit2(m);',
  '// ./b.ts',
  'import { asset as asset2 } from "mirage:native";',
  'var s = "Date" + /a/.test("x"), t = MapReader;',
].join('\n')

test('linked: each part of the engine and each native function has its reasons', () => {
  assert.deepEqual(whyLinked(CODE, SOURCES, ['mapset', 'regexp', 'date']), {
    // The word in a text is enough for the compiler, which must be told.
    engine: { mapset: ['Map in @a/match.ts'], regexp: ['/.../ in ./b.ts'], date: ['Date in ./b.ts'] },
    native: { asset: ['@a/match.ts', './b.ts'], exit: ['@a/match.ts'] },
  })
})

test('linked: names of sources are no reason', () => {
  assert.equal(withoutNames(CODE, SOURCES), CODE.replace('// @a/match.ts', '').replace('// ./b.ts', ''))
})

test('linked: finds regular expressions among divisions, texts, templates and comments', () => {
  for (const code of [
    'x = /a/',
    'f(/a/)',
    'return /a/.test(b)',
    '`${/a/.test(b)}`',
    '`a${`b${x}`}` + f(`c`, /d/)',
    'if (a) {\n}\n[/ /]',
    '!/"/.test(a)',
    'a ? /b/ : c',
  ]) {
    assert.equal(hasRegExpLiteral(code), true, code)
  }
  for (const code of [
    'a / b / c',
    '(a) / b / c',
    'a[0] / 2 / 3',
    '"http://a/b"',
    "'\\'/a/'",
    '`/a/${b / c / d}/e/`',
    '// /a/\nb',
    '/* /a/ */ b',
    'a.return / b / c',
  ]) {
    assert.equal(hasRegExpLiteral(code), false, code)
  }
})
