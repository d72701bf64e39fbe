import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createRandom } from './random.ts'

test('random: fills what it is asked to, and nothing else', () => {
  const u8 = new Uint8Array(100)
  createRandom().fill(u8, 10, 90)
  assert.ok([...u8.subarray(0, 10), ...u8.subarray(90)].every((octet) => octet === 0))
  assert.ok(new Set(u8.subarray(10, 90)).size > 20)
})

test('random: numbers are unsigned 32-bit, spread over the range, and do not repeat with the pool', () => {
  const random = createRandom()
  const numbers = Array.from({ length: 2000 }, () => random.u32())
  assert.ok(numbers.every((number) => number === number >>> 0))
  assert.ok(new Set(numbers).size > 1990)
  assert.ok(numbers.some((number) => number > 0xc0000000) && numbers.some((number) => number < 0x40000000))
})
