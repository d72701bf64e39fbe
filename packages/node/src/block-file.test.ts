import assert from 'node:assert/strict'
import { mkdtemp, rm, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { runBlockConformance } from '@mirage-ts/testing/conformance/block-suite'
import { createFileBlock } from './block-file.ts'

runBlockConformance(test, 'file block', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'mirage-test-'))
  const path = join(folder, 'disk')
  await writeFile(path, new Uint8Array(2000 * 512))
  const block = await createFileBlock({}, { path })
  return {
    block,
    async close() {
      await block.close()
      await rm(folder, { recursive: true })
    },
  }
})

async function diskOf(t: TestContext, octets: Uint8Array): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'mirage-test-'))
  t.after(() => rm(folder, { recursive: true }))
  const path = join(folder, 'disk')
  await writeFile(path, octets)
  return path
}

test('file block: what was written is in the file', async (t) => {
  const path = await diskOf(t, new Uint8Array(4096))
  const first = await createFileBlock({}, { path, sectorBytes: 1024 })
  assert.equal(first.sectorCount, 4)
  await first.write(3, new Uint8Array(1024).fill(7))
  await first.flush()
  await first.close()
  const second = await createFileBlock({}, { path, isReadOnly: true })
  const octets = new Uint8Array(512)
  await second.read(7, octets)
  assert.equal(octets[511], 7)
  await assert.rejects(second.write(0, octets), { code: 'read-only' })
  await assert.rejects(second.discard(0, 1), { code: 'read-only' })
  await second.flush()
  await second.close()
})

test('file block: refuses a file that is not there, or is not whole sectors', async (t) => {
  await assert.rejects(createFileBlock({}, { path: join(tmpdir(), 'mirage-no-such-disk') }), /Cannot open disk/)
  await assert.rejects(createFileBlock({}, { path: await diskOf(t, new Uint8Array(700)) }), /whole sectors of 512/)
  await assert.rejects(createFileBlock({}, { path: await diskOf(t, new Uint8Array(0)) }), /whole sectors/)
})

test('file block: a file cut short below us is an error of the sector', async (t) => {
  const path = await diskOf(t, new Uint8Array(4096))
  const block = await createFileBlock({}, { path })
  await truncate(path, 1024)
  await assert.rejects(block.read(5, new Uint8Array(512)), { code: 'io', message: /sector 5.*shorter/ })
  await block.close()
})
