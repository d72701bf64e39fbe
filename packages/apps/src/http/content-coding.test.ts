import assert from 'node:assert/strict'
import { test } from 'node:test'
import { CODINGS, chooseCoding } from './content-coding.ts'
import { Field, Fields } from './fields.ts'

function choose(acceptEncoding: string | undefined, suffixes = '.br .gz'): string | undefined {
  const fields = new Fields()
  if (acceptEncoding !== undefined) fields.add(new Field('accept-encoding', acceptEncoding))
  return chooseCoding(
    fields,
    CODINGS.filter(({ suffix }) => suffixes.split(' ').includes(suffix)),
  )?.name
}

test('content coding: what the client likes best, of what there is (RFC 9110 §12.5.3)', () => {
  for (const [accept, chosen] of [
    ['gzip', 'gzip'],
    ['gzip, deflate, br, zstd', 'br'],
    ['br;q=0.5, gzip;q=0.8', 'gzip'],
    ['GZIP;Q=0.3 , br ; q=0.2', 'gzip'],
    ['*', 'br'],
    ['*;q=0.1, br;q=0', 'gzip'],
    ['zstd', undefined],
    ['gzip;q=0', undefined],
    ['gzip;q=0.5, identity', undefined],
    ['gzip;q=x', undefined],
    ['gzip;level=1', undefined],
    ['', undefined],
    [undefined, undefined],
  ] as const) {
    assert.equal(choose(accept), chosen, accept)
  }
  assert.equal(choose('gzip, br', '.gz'), 'gzip')
  assert.equal(choose('gzip, br', ''), undefined)
})
