import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { ValueStack } from './values.ts'

/** A stack with a borrowed variable, an owned temporary and a number. */
function example(): ValueStack {
  const stack = new ValueStack()
  stack.push({ text: 'l0', type: 'any', lender: 'l0' })
  stack.pushComputed('make()')
  stack.push({ text: 'MAKE_INT(1)', type: 'int' })
  stack.lines.length = 0
  return stack
}

describe('the stack of values', () => {
  it('frees what it owns, and nothing else', () => {
    const stack = example()
    for (let i = 0; i < 3; i++) stack.release(stack.pop())
    assert.deepEqual(stack.lines, ['FREE(t0);'])
  })

  it('gives borrowed values a reference when their variable is about to change', () => {
    const stack = example()
    stack.settle('l0')
    assert.deepEqual(stack.lines, ['t1 = DUP(l0);'])
    assert.equal(stack.entries[0]?.owner, 't1')
  })

  it('gives a copy a reference before the original goes', () => {
    const stack = example()
    stack.pop()
    const original = stack.pop()
    stack.push(stack.alias(original))
    stack.release(original)
    assert.deepEqual(stack.lines, ['t1 = DUP(t0);', 'FREE(t0);'])
  })

  it('puts every value where its depth says, each with a reference', () => {
    const stack = example()
    stack.flush()
    assert.deepEqual(stack.lines, ['s0 = DUP(l0);', 's1 = t0;', 's2 = MAKE_INT(1);'])
  })

  it('exchanges two values without losing one', () => {
    const stack = new ValueStack()
    stack.begin(['value', 'value'])
    const top = stack.pop()
    const below = stack.pop()
    stack.push(top)
    stack.push(below)
    stack.flush()
    assert.deepEqual(stack.lines, ['t0 = s0;', 's0 = s1;', 's1 = t0;'])
  })
})
