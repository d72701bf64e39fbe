import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createOutput, sizeToString, table, timed } from './output.ts'

function collect(isWatched: boolean, isQuiet = false) {
  const said: string[] = []
  const streams = { out: () => {}, error: (text: string) => said.push(text), isWatched, hasColor: isWatched }
  return { said, output: createOutput(streams, { isQuiet, isVerbose: false }) }
}

test('output: a step of more than a second is told of on a terminal', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] })
  for (const [isWatched, isQuiet, expected] of [
    [true, false, ['bundle...\n']],
    [true, true, []],
    [false, false, []],
  ] as const) {
    const { said, output } = collect(isWatched, isQuiet)
    await timed(output, 'bundle', async () => t.mock.timers.tick(1000))
    await timed(output, 'label', async () => t.mock.timers.tick(999))
    t.mock.timers.tick(1000)
    assert.deepEqual(said, expected)
  }
})

test('output: colour only on a terminal', () => {
  assert.equal(collect(true).output.paint('good', 'ok'), '\x1b[32mok\x1b[0m')
  assert.equal(collect(false).output.paint('good', 'ok'), 'ok')
})

test('output: tables and sizes', () => {
  assert.equal(table([['a', 'b'], ['long', 'c'], ['d']]), 'a     b\nlong  c\nd')
  assert.deepEqual([999, 1500, 2_500_000].map(sizeToString), ['999 B', '1.5 kB', '2.50 MB'])
})
