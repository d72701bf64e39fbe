import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { type TestContext, test } from 'node:test'
import type { KvRo } from '@mirage-ts/signatures/kv'
import { runKvRoConformance } from '@mirage-ts/testing/conformance/kv-ro-suite'
import { createDirectoryKv } from './kv-directory.ts'

runKvRoConformance(test, 'directory kv', async (contents) => {
  const folder = await mkdtemp(join(tmpdir(), 'mirage-test-'))
  for (const [key, octets] of contents) {
    await mkdir(dirname(join(folder, key)), { recursive: true })
    await writeFile(join(folder, key), octets)
  }
  return { kv: await createDirectoryKv({}, { folder }), close: () => rm(folder, { recursive: true }) }
})

/** A folder `root` served, beside a file `secret` and a folder `root-2`. */
async function served(t: TestContext): Promise<{ kv: KvRo; root: string }> {
  const folder = await mkdtemp(join(tmpdir(), 'mirage-test-'))
  t.after(() => rm(folder, { recursive: true }))
  const root = join(folder, 'root')
  await mkdir(join(root, 'sub'), { recursive: true })
  await mkdir(join(folder, 'root-2'))
  await writeFile(join(root, 'sub', 'file'), 'inside')
  await writeFile(join(folder, 'secret'), 'outside')
  await writeFile(join(folder, 'root-2', 'secret'), 'outside')
  return { kv: await createDirectoryKv({}, { folder: root }), root }
}

test('directory kv: a symbolic link is followed inside the folder, and never out of it', async (t) => {
  const { kv, root } = await served(t)
  await symlink('sub', join(root, 'inside'))
  await symlink('..', join(root, 'up'))
  await symlink('../secret', join(root, 'out'))
  await symlink('../root-2', join(root, 'sibling'))
  await symlink('/etc', join(root, 'etc'))
  await symlink('loop', join(root, 'loop'))
  assert.equal(Buffer.from(await kv.get('inside/file')).toString(), 'inside')
  for (const key of ['up', 'up/secret', 'up/root/sub/file/..', 'out', 'sibling/secret', 'etc/passwd', 'loop']) {
    assert.equal(await kv.exists(key), undefined, key)
    await assert.rejects(kv.get(key), { code: 'not-found' }, key)
  }
  assert.deepEqual(
    (await kv.list('')).map((entry) => entry.name),
    ['inside', 'sub'],
  )
})

test('directory kv: what is neither file nor folder is not there', async (t) => {
  const { kv, root } = await served(t)
  assert.equal(spawnSync('mkfifo', [join(root, 'fifo')]).status, 0)
  assert.equal(await kv.exists('fifo'), undefined)
  await assert.rejects(kv.get('fifo'), { code: 'not-found' })
})

test('directory kv: refuses a folder that is not one', async (t) => {
  const { root } = await served(t)
  await assert.rejects(createDirectoryKv({}, { folder: join(root, 'sub', 'file') }), /expected a folder/)
  await assert.rejects(createDirectoryKv({}, { folder: join(root, 'missing') }))
})
