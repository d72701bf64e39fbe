import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { describe, it } from 'node:test'
import { parseFirstAtom, parseOpcodes } from './opcodes.ts'

const folder = join(
  dirname(createRequire(import.meta.url).resolve('@scriptc/runtime/package.json')),
  'vendor/quickjs-ng',
)
const opcodes = parseOpcodes(readFileSync(join(folder, 'quickjs-opcode.h'), 'utf8'))

describe("the engine's instructions", () => {
  it('are numbered as in its header, without those between its phases', () => {
    assert.deepEqual(opcodes[0], { code: 0, name: 'invalid', size: 1, pops: 0, pushes: 0, format: 'none' })
    assert.deepEqual(opcodes[1], { code: 1, name: 'push_i32', size: 5, pops: 0, pushes: 1, format: 'i32' })
    assert.equal(opcodes.at(-1)?.name, 'typeof_is_function')
    assert.ok(opcodes.every(({ name }) => !name.startsWith('scope_') && name !== 'label'))
    assert.ok(opcodes.length < 256)
  })

  it('know the first atom of a program', () => {
    assert.equal(parseFirstAtom('DEF(null, "null") /* first */\nDEF(false, "false")\n// DEF(no, "no")\n'), 3)
  })
})
