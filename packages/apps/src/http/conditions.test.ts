import assert from 'node:assert/strict'
import { test } from 'node:test'
import { checkConditions, isRangeCurrent } from './conditions.ts'
import { Fields } from './fields.ts'

function fieldsOf(lines: Readonly<Record<string, string>>): Fields {
  const fields = new Fields()
  for (const [name, value] of Object.entries(lines)) fields.add(name, value)
  return fields
}

test('conditions: If-None-Match compares weakly, If-Match strongly and first (RFC 9110 §13.1, §13.2.2)', () => {
  for (const [lines, status] of [
    [{}, undefined],
    [{ 'if-none-match': '"x"' }, 304],
    [{ 'if-none-match': 'W/"x"' }, 304],
    [{ 'if-none-match': '"a,b", "x"' }, 304],
    [{ 'if-none-match': '*' }, 304],
    [{ 'if-none-match': '"y", W/"z"' }, undefined],
    [{ 'if-none-match': 'x' }, undefined],
    [{ 'if-match': '"x"' }, undefined],
    [{ 'if-match': '*' }, undefined],
    [{ 'if-match': 'W/"x"' }, 412],
    [{ 'if-match': '"y"' }, 412],
    [{ 'if-match': '"y"', 'if-none-match': '"x"' }, 412],
    [{ 'if-match': '"x"', 'if-none-match': '"x"' }, 304],
  ] as const) {
    assert.equal(checkConditions(fieldsOf(lines), 'x'), status, JSON.stringify(lines))
  }
})

test('conditions: If-Range takes a strong tag only, and no date (RFC 9110 §13.1.5)', () => {
  assert.equal(isRangeCurrent(fieldsOf({}), 'x'), true)
  assert.equal(isRangeCurrent(fieldsOf({ 'if-range': '"x"' }), 'x'), true)
  for (const value of ['W/"x"', '"y"', 'Sun, 06 Nov 1994 08:49:37 GMT']) {
    assert.equal(isRangeCurrent(fieldsOf({ 'if-range': value }), 'x'), false, value)
  }
})
