import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { parseTarget, pathSegments } from './target.ts'

test('target: origin and absolute form give path and query (RFC 9112 §3.2)', () => {
  for (const [target, path, query, authority] of [
    ['/', '/', ''],
    ['/a/b?c=d?e', '/a/b', '?c=d?e'],
    ['/?', '/', '?'],
    ['http://example.com/a', '/a', '', 'example.com'],
    ['HTTPS://example.com', '/', '', 'example.com'],
    ['http://example.com:80?q', '/', '?q', 'example.com:80'],
  ] as const) {
    assert.deepEqual(parseTarget(target), { authority, path, query }, target)
  }
})

test('target: other forms are none', () => {
  for (const target of ['*', 'example.com:80', '', '?q', 'a/b', '/a#b', 'ftp://h/a', 'http:///a', 'http://', '#']) {
    assert.equal(parseTarget(target), undefined, target)
  }
})

test('target: segments are decoded once', () => {
  assert.deepEqual(pathSegments('/'), [''])
  assert.deepEqual(pathSegments('/a/b.html'), ['a', 'b.html'])
  assert.deepEqual(pathSegments('/a/'), ['a', ''])
  assert.deepEqual(pathSegments('/%61%20b/%C3%A4'), ['a b', 'ä'])
  assert.deepEqual(pathSegments('/%252e%252e/%252f'), ['%2e%2e', '%2f'])
  assert.deepEqual(pathSegments('/..a/a../...'), ['..a', 'a..', '...'])
})

test('target: what could leave the site is refused (OSEC-2026-16: %2f decoded after dot segments were removed)', () => {
  for (const path of [
    '/..',
    '/../etc/passwd',
    '/a/../b',
    '/a/..',
    '/.',
    '/./a',
    '/a/./b',
    '/%2e%2e/etc/passwd',
    '/%2E%2e',
    '/.%2e/a',
    '/%2e',
    '/a%2fb',
    '/..%2fetc%2fpasswd',
    '/%2e%2e%2fetc',
    '/a/..%2F..%2Fb',
    '/..\\a',
    '/..%5ca',
    '/a%5c..%5cb',
    '/\\',
    '/a%00',
    '/%00',
    '/a%00.html',
    '//etc/passwd',
    '//evil.example/a',
    '/a//b',
  ]) {
    assert.equal(pathSegments(path), undefined, path)
  }
})

test('target: malformed escapes are refused', () => {
  for (const path of [
    '/%',
    '/%4',
    '/%zz',
    '/a%',
    '/%u0041',
    '/%C0%AE',
    '/%c0%af',
    '/%E0%80%AF',
    '/%ff',
    '/%ed%a0%80',
  ]) {
    assert.equal(pathSegments(path), undefined, path)
  }
})

test('target: whatever comes, no segment is more than a name', () => {
  const pieces = fc.constantFrom(
    '/',
    '.',
    '..',
    '%2e',
    '%2f',
    '%5c',
    '\\',
    '%00',
    '%25',
    '2e',
    '2f',
    'a',
    '%',
    '%c3%a4',
  )
  fc.assert(
    fc.property(fc.array(pieces), (all) => {
      const segments = pathSegments(`/${all.join('')}`) ?? []
      for (const segment of segments) assert.ok(segment !== '.' && segment !== '..' && !/[/\\\0]/.test(segment))
      assert.ok(!segments.slice(0, -1).includes(''))
    }),
    { numRuns: 3000 },
  )
})
