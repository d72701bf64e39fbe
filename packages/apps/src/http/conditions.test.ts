import assert from 'node:assert/strict'
import { test } from 'node:test'
import { checkConditions, isRangeCurrent } from './conditions.ts'
import { Field, Fields } from './fields.ts'

function fieldsOf(lines: Readonly<Record<string, string>>): Fields {
  const fields = new Fields()
  for (const [name, value] of Object.entries(lines)) fields.add(new Field(name, value))
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

test('conditions: dates count where there is no tag, in any of three forms (RFC 9110 §5.6.7, §13.1.3, §13.1.4, §13.2.2)', () => {
  const changed = 784_111_777
  const at = 'Sun, 06 Nov 1994 08:49:37 GMT'
  const before = 'Sun, 06 Nov 1994 08:49:36 GMT'
  for (const [lines, status] of [
    [{ 'if-modified-since': at }, 304],
    [{ 'if-modified-since': 'Sunday, 06-Nov-94 08:49:37 GMT' }, 304],
    [{ 'if-modified-since': 'Sun Nov  6 08:49:37 1994' }, 304],
    [{ 'if-modified-since': 'Sunday, 06-Nov-44 08:49:37 GMT' }, 304],
    [{ 'if-modified-since': 'Sunday, 06-Nov-45 08:49:37 GMT' }, undefined],
    [{ 'if-modified-since': before }, undefined],
    [{ 'if-modified-since': '1994-11-06T08:49:37Z' }, undefined],
    [{ 'if-modified-since': 'Thu, 31 Apr 2025 08:49:37 GMT' }, undefined],
    [{ 'if-modified-since': 'Thu, 30 Abc 2025 08:49:37 GMT' }, undefined],
    [{ 'if-modified-since': `${at}, ${at}` }, undefined],
    [{ 'if-modified-since': at, 'if-none-match': '"y"' }, undefined],
    [{ 'if-modified-since': before, 'if-none-match': '"x"' }, 304],
    [{ 'if-unmodified-since': at }, undefined],
    [{ 'if-unmodified-since': before }, 412],
    [{ 'if-unmodified-since': 'never' }, undefined],
    [{ 'if-unmodified-since': before, 'if-match': '"x"' }, undefined],
    [{ 'if-unmodified-since': at, 'if-match': '"y"' }, 412],
    [{ 'if-unmodified-since': at, 'if-modified-since': at }, 304],
    [{ 'if-unmodified-since': before, 'if-none-match': '"x"' }, 412],
  ] as const) {
    assert.equal(checkConditions(fieldsOf(lines), 'x', changed), status, JSON.stringify(lines))
  }
  for (const name of ['if-modified-since', 'if-unmodified-since']) {
    for (const value of [at, before]) assert.equal(checkConditions(fieldsOf({ [name]: value }), 'x'), undefined)
  }
})

test('conditions: If-Range takes a strong tag only, and no date (RFC 9110 §13.1.5)', () => {
  assert.equal(isRangeCurrent(fieldsOf({}), 'x'), true)
  assert.equal(isRangeCurrent(fieldsOf({ 'if-range': '"x"' }), 'x'), true)
  for (const value of ['W/"x"', '"y"', 'Sun, 06 Nov 1994 08:49:37 GMT']) {
    assert.equal(isRangeCurrent(fieldsOf({ 'if-range': value }), 'x'), false, value)
  }
})
