import assert from 'node:assert/strict'
import { test } from 'node:test'
import { contentRange, parseRange } from './ranges.ts'

test('ranges: first and last, open, suffix; those behind the end are left out (RFC 9110 §14.1.2)', () => {
  for (const [field, ranges] of [
    ['bytes=0-4', [[0, 5]]],
    ['bytes=5-', [[5, 10]]],
    ['bytes=-3', [[7, 10]]],
    ['bytes=-30', [[0, 10]]],
    ['bytes=9-100', [[9, 10]]],
    ['BYTES=0-0', [[0, 1]]],
    [
      'bytes= 0-1 ,\t5-6,',
      [
        [0, 2],
        [5, 7],
      ],
    ],
    [
      'bytes=7-8, 2-3, 50-60',
      [
        [7, 9],
        [2, 4],
      ],
    ],
  ] as const) {
    const expected = ranges.map(([off, end]) => ({ off, end }))
    assert.deepEqual(parseRange(field, 10), expected, field)
  }
})

test('ranges: all behind the end are unsatisfiable', () => {
  for (const field of ['bytes=10-', 'bytes=10-20', 'bytes=-0', 'bytes=99-, 100-']) {
    assert.equal(parseRange(field, 10), 'unsatisfiable', field)
  }
  assert.equal(parseRange('bytes=0-', 0), 'unsatisfiable')
})

test('ranges: malformed, of another unit, too many or more than the whole: ignored (RFC 9110 §14.2)', () => {
  const many = Array.from({ length: 17 }, (_, i) => `${i}-${i}`).join(',')
  for (const field of [
    '',
    'bytes',
    'bytes=',
    'bytes=-',
    'bytes=a-b',
    'bytes=5-4',
    'bytes=1-2-3',
    'lines=1-2',
    'bytes=+1-2',
    'bytes=0-9,0-9',
    'bytes=1-2;3-4',
    'bytes=9999999999999999-',
    `bytes=${many}`,
  ]) {
    assert.equal(parseRange(field, 10), undefined, field)
  }
})

test('ranges: Content-Range says where and of how much', () => {
  assert.equal(contentRange({ off: 2, end: 5 }, 10), 'bytes 2-4/10')
})
