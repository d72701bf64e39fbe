import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { FunctionCode } from './bytecode.ts'
import { decode, flowOf, Unsupported } from './flow.ts'
import { type OpcodeTable, parseOpcodes } from './opcodes.ts'

/** A small table of our own: numbers follow the order. */
const TABLE: OpcodeTable = parseOpcodes(`
DEF(push_i32, 5, 0, 1, i32)
DEF(push_7, 1, 0, 1, none_int)
DEF(drop, 1, 1, 0, none)
DEF(dup, 1, 1, 2, none)
DEF(if_false8, 2, 1, 0, label8)
DEF(goto8, 2, 0, 0, label8)
DEF(catch, 5, 0, 1, label)
DEF(return, 1, 1, 0, none)
DEF(return_undef, 1, 0, 0, none)
DEF(get_loc_check, 3, 0, 1, loc)
DEF(put_loc1, 1, 1, 0, none_loc)
DEF(set_loc_uninitialized, 3, 0, 0, loc)
`)
const NAMES = new Map(TABLE.map(({ name, code }) => [name, code]))

/** A function of instructions by name, with the octets of their operands. */
function functionOf(...parts: readonly (string | number)[]): FunctionCode {
  const code = Uint8Array.from(parts.map((part) => (typeof part === 'number' ? part : (NAMES.get(part) as number))))
  return {
    index: 0,
    name: 'f',
    parent: undefined,
    isNormal: true,
    isStrict: true,
    argumentCount: 0,
    variableCount: 2,
    capturedCount: 0,
    variables: [],
    closure: [],
    constants: [],
    code,
    line: 1,
  }
}

describe('the flow of a function', () => {
  it('gives short instructions their long names, and jumps the places they lead to', () => {
    const { code } = functionOf('push_7', 'if_false8', 3, 'push_i32', 1, 2, 0, 0, 'put_loc1', 'return_undef')
    const decoded = [...decode(code, TABLE).values()].map(({ name, operand, pc }) => [pc, name, operand])
    assert.deepEqual(decoded, [
      [0, 'push_i32', 7],
      [1, 'if_false', 5],
      [3, 'push_i32', 513],
      [8, 'put_loc', 1],
      [9, 'return_undef', 0],
    ])
  })

  it('knows what is on the stack where paths meet', () => {
    const fn = functionOf('push_7', 'push_7', 'if_false8', 3, 'drop', 'push_7', 'return')
    const { blocks } = flowOf(fn, TABLE)
    assert.deepEqual(
      blocks.map(({ start, stack }) => [start, stack]),
      [
        [0, []],
        [6, ['value']],
      ],
    )
  })

  it('leaves out what is not reached', () => {
    const fn = functionOf('goto8', 3, 'drop', 'drop', 'return_undef')
    assert.deepEqual(
      flowOf(fn, TABLE).blocks.map(({ start }) => start),
      [0, 4],
    )
  })

  it('gives a handler the exception instead of its mark', () => {
    const fn = functionOf('push_7', 'catch', 7, 0, 0, 0, 'drop', 'return', 'drop', 'return')
    const handler = flowOf(fn, TABLE).blocks.find(({ start }) => start === 9)
    assert.deepEqual(handler?.stack, ['value', 'value'])
  })

  it('knows which variables are initialised on every path', () => {
    const fn = functionOf(
      'set_loc_uninitialized',
      1,
      0,
      'push_7',
      'if_false8',
      3,
      'push_7',
      'put_loc1',
      'get_loc_check',
      1,
      0,
      'return',
    )
    const met = flowOf(fn, TABLE).blocks.find(({ start }) => start === 8)
    assert.deepEqual([...(met?.initialised ?? [])], [0])
  })

  it('refuses paths that meet with different stacks, and a stack that is empty', () => {
    assert.throws(() => flowOf(functionOf('push_7', 'if_false8', 2, 'push_7', 'return_undef'), TABLE), Unsupported)
    assert.throws(() => flowOf(functionOf('drop', 'return_undef'), TABLE), Unsupported)
    assert.throws(() => flowOf(functionOf('push_7'), TABLE), Unsupported)
  })
})
