import assert from 'node:assert/strict'
import { test } from 'node:test'
import { editDistance, nearest } from './suggest.ts'

test('edit distance: counts insertions, deletions, replacements and swaps of neighbours', () => {
  assert.equal(editDistance('', 'abc'), 3)
  assert.equal(editDistance('abc', 'abc'), 0)
  assert.equal(editDistance('ipv4', 'ipv6'), 1)
  assert.equal(editDistance('biuld', 'build'), 1)
  assert.equal(editDistance('kitten', 'sitting'), 3)
})

test('nearest: finds a slip, a beginning, and nothing when nothing is near', () => {
  const names = ['ipv4', 'ipv4-gateway', 'logs', 'port']
  assert.equal(nearest('lgos', names), 'logs')
  assert.equal(nearest('ipv4-gatway', names), 'ipv4-gateway')
  assert.equal(nearest('ipv4-g', names), 'ipv4-gateway')
  assert.equal(nearest('colour', names), undefined)
  assert.equal(nearest('x', names), undefined)
})
