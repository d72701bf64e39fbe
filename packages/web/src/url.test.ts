/** Our URL against that of Node, which follows the same standard. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { URLSearchParams as OurParams, URL as OurUrl } from './url.ts'

const PARTS = [
  'href',
  'origin',
  'protocol',
  'username',
  'password',
  'host',
  'hostname',
  'port',
  'pathname',
  'search',
  'hash',
] as const

/** The parts of a URL, or why there is none. */
function parts(Url: typeof URL, text: string, base?: string): string {
  try {
    const url = base === undefined ? new Url(text) : new Url(text, base)
    return PARTS.map((part) => `${part}=${url[part]}`).join('\n')
  } catch (error) {
    return error instanceof TypeError ? 'invalid' : String(error)
  }
}

const Ours = OurUrl as unknown as typeof URL

/** Characters and words that mean something somewhere in a URL. */
const PIECES = [
  'http:',
  'https:',
  'file:',
  'ftp:',
  'x:',
  'a',
  'B',
  'localhost',
  'c:',
  'c|',
  '/',
  '//',
  '\\',
  '?',
  '#',
  '@',
  ':',
  '80',
  '443',
  '08',
  '0x7f',
  '256',
  '99999',
  '.',
  '..',
  '%2e',
  '%2E%2e',
  '%',
  '%zz',
  '%41',
  '[',
  ']',
  '[::1]',
  '[1::2:3]',
  '[::ffff:1.2.3.4]',
  '1.2',
  ' ',
  '\t',
  '\n',
  '"',
  '<',
  '`',
  '{',
  '|',
  "'",
  '=',
  '&',
  '+',
  '~',
  '$',
  'é',
  '\u{1f600}',
  '\0',
  ';',
  ',',
]

test('url: random texts are taken apart as Node does it, alone and relative to a base', () => {
  const text = fc.array(fc.constantFrom(...PIECES), { maxLength: 9 }).map((all) => all.join(''))
  const bases = fc.constantFrom(
    undefined,
    'http://h/a/b?c#d',
    'https://u:p@h:8080/',
    'file:///c:/x/y',
    'file://h/x',
    'x://h/a/b',
    'x:/a/b',
    'mailto:a@b',
  )
  fc.assert(
    fc.property(text, bases, (input, base) => {
      // Node 20 takes any text before a fragment for relative to a URL without segments.
      fc.pre(base !== 'mailto:a@b' || !/[^#]#/.test(input))
      // And leaves no slash of `x:/..`.
      fc.pre(!/\.|%2e/i.test(input) || /^(https?|ftp|file):/.test(parts(Ours, input, base).slice(5)))
      assert.equal(parts(Ours, input, base), parts(URL, input, base))
    }),
    { numRuns: 10_000, seed: 1 },
  )
})

test('url: what people write', () => {
  for (const text of [
    'http://example.com',
    'HTTP://EXAMPLE.COM:80/%7Efoo/../bar?x=1#y',
    'https://user:pa%20ss@host:443/a/./b//c',
    'http://0x7f.1/',
    'http://1.2.3/',
    'http://256.1.1.1/',
    'http://1.2.3.4.5/',
    'http://[2001:DB8:0:0:1::1]:80/',
    'http://[::ffff:192.168.1.1]/',
    'http://[1:2:3:4:5:6:7::]/',
    'http://[::1',
    'http://a b/',
    'http://a%00b/',
    'http://a%41b/',
    'http://bücher.example/',
    'http://Straße.example/',
    'http://例え.テスト/',
    'http://mañana.com/ñ?ñ#ñ',
    'file:///etc/passwd',
    'file:c:\\x\\y',
    'file://localhost/x',
    'data:text/plain,hello world',
    'javascript:alert(1)',
    'blob:https://example.com/uuid',
    'http:///x',
    'http:x',
    '//x',
    '',
    'x',
    'http://h:65536/',
    'http://h:/',
    'http://@h/',
    'http://h/\ud800',
  ]) {
    assert.equal(parts(Ours, text), parts(URL, text), text)
  }
})

test('url: setters do as Node does', () => {
  const starts = fc.constantFrom(
    'http://u:p@h:81/a/b?c=d#e',
    'https://h/',
    'file:///c:/x',
    'x://h:1/a',
    'mailto:a@b',
    'x:/a',
  )
  const setter = fc.constantFrom(
    'protocol',
    'username',
    'password',
    'host',
    'hostname',
    'port',
    'pathname',
    'search',
    'hash' as const,
  )
  const value = fc.array(fc.constantFrom(...PIECES), { maxLength: 4 }).map((all) => all.join(''))
  fc.assert(
    fc.property(starts, setter, value, (start, name, text) => {
      // Node 20 leaves a URL without a host as it is; the standard gives it an empty one.
      fc.pre(!(start === 'x:/a' && name.startsWith('host')))
      // And forgets the port when it is given one that is no number.
      fc.pre(name === 'port' ? /^(?:\d|$)/.test(text) : name !== 'host' || !/:\D|^\s*:/.test(text))
      fc.pre(name !== 'pathname' || start.startsWith('http') || !/\.|%2e/i.test(text))
      const ours = new Ours(start)
      const theirs = new URL(start)
      ours[name as 'host'] = text
      theirs[name as 'host'] = text
      assert.equal(ours.href, theirs.href, `${start} ${name}=${JSON.stringify(text)}`)
    }),
    { numRuns: 5000, seed: 1 },
  )
})

test('url: search parameters and the URL follow each other', () => {
  const url = new OurUrl('http://h/?a=1&b=2&a=3')
  const { searchParams } = url
  assert.deepEqual([searchParams.getAll('a'), searchParams.get('c'), searchParams.size], [['1', '3'], null, 3])
  searchParams.set('a', 'x y&é')
  assert.equal(url.href, 'http://h/?a=x+y%26%C3%A9&b=2')
  url.search = '?z=%20'
  assert.deepEqual([...searchParams], [['z', ' ']])
  searchParams.delete('z')
  assert.equal(url.href, 'http://h/')
})

test('url: parameters are read and printed as Node does it', () => {
  const text = fc
    .array(fc.constantFrom('a', '=', '&', '+', '%20', '%', '%c3%a9', '%c3', '%ff', '?', ' ', '~', '*'))
    .map((all) => all.join(''))
  fc.assert(
    fc.property(text, (input) => {
      const ours = new OurParams(input)
      const theirs = new URLSearchParams(input)
      assert.deepEqual([...ours], [...theirs])
      assert.equal(ours.toString(), theirs.toString())
      ours.sort()
      theirs.sort()
      assert.equal(ours.toString(), theirs.toString())
    }),
    { numRuns: 3000, seed: 1 },
  )
  assert.equal(new OurParams({ a: '1', b: '2' }).toString(), 'a=1&b=2')
  assert.equal(new OurParams([['a', '1']]).toString(), 'a=1')
  assert.throws(() => new OurParams([['a']]), TypeError)
})
