import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Lock } from './lock.ts'

/** Runs `kinds` at once, each taking two turns, and tells who entered and left in order. */
async function trace(kinds: readonly ('shared' | 'exclusive')[]): Promise<string> {
  const lock = new Lock()
  const events: string[] = []
  await Promise.all(
    kinds.map((kind, i) =>
      lock[kind](async () => {
        events.push(`+${i}`)
        await undefined
        await undefined
        events.push(`-${i}`)
      }),
    ),
  )
  return events.join(' ')
}

test('lock: one alone, in the order of asking', async () => {
  assert.equal(await trace(['exclusive', 'exclusive', 'exclusive']), '+0 -0 +1 -1 +2 -2')
})

test('lock: sharers together, but not past one who waits to be alone', async () => {
  assert.equal(await trace(['shared', 'shared', 'exclusive', 'shared', 'shared']), '+0 +1 -0 -1 +2 -2 +3 +4 -3 -4')
})

test('lock: a failure leaves it', async () => {
  const lock = new Lock()
  await assert.rejects(lock.exclusive(() => Promise.reject(new Error('no'))))
  await assert.rejects(lock.shared(() => Promise.reject(new Error('no'))))
  assert.equal(await lock.exclusive(async () => 7), 7)
})
