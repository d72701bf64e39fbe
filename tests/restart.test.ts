/** An application that asks to be started again, as a user runs it: on each target, with and without `--restart`. */
import assert from 'node:assert/strict'
import { cpSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { build, makeFolder, mirage, ROOT } from './lib/mirage.ts'

const EXIT_RESTART = 75

describe('a restart that the application asks for', () => {
  let folder = ''
  before(() => {
    folder = makeFolder()
    cpSync(join(ROOT, 'tests/restart'), folder, { recursive: true })
  })
  after(() => rmSync(folder, { recursive: true, force: true }))

  for (const target of ['unix', 'spt', 'virtio']) {
    it(`on ${target} ends with status 75, or with --restart begins anew`, async () => {
      const file = join(folder, `${target}.raw`)
      writeFileSync(file, new Uint8Array(4096))
      await build(folder, '-t', target)
      const run = (...words: readonly string[]) => mirage(folder, 'run', '-t', target, `--block=${file}`, ...words)
      const first = await run()
      assert.deepEqual([startsIn(first.stdout), first.status], [['1'], EXIT_RESTART], first.stdout + first.stderr)
      assert.match(first.stdout, /^restart: restarting\r?\n$/m)
      assert.equal(first.stderr, 'It asked to be started again: mirage run --restart does that.\n')
      const others = await run('--restart')
      assert.deepEqual([startsIn(others.stdout), others.status], [['2', '3'], 1], others.stdout + others.stderr)
      assert.match(others.stdout, /job start failed: Error: that is enough/)
      assert.equal(others.stderr, '')
    })
  }
})

function startsIn(output: string): readonly string[] {
  return [...output.matchAll(/\[restart\] start (\d+)/g)].map(([, start = '']) => start)
}
