import assert from 'node:assert/strict'
import { mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import type { KvRw } from '@mirage-ts/signatures/kv'
import { runKvRwConformance } from '@mirage-ts/testing/conformance/kv-rw-suite'
import { createDirectoryKvRw } from './kv-directory-rw.ts'

runKvRwConformance(
  test,
  'directory kv-rw',
  async () => {
    const folder = await mkdtemp(join(tmpdir(), 'mirage-test-'))
    return {
      kv: await createDirectoryKvRw({}, { folder }),
      reopen: () => createDirectoryKvRw({}, { folder }),
      close: () => rm(folder, { recursive: true }),
    }
  },
  { stepCount: 200 },
)

async function opened(t: TestContext): Promise<{ kv: KvRw; root: string; folder: string }> {
  const folder = await mkdtemp(join(tmpdir(), 'mirage-test-'))
  t.after(() => rm(folder, { recursive: true }))
  const root = join(folder, 'root')
  await mkdir(root)
  return { kv: await createDirectoryKvRw({}, { folder: root }), root, folder }
}

test('directory kv-rw: values are files, and nothing else stays behind', async (t) => {
  const { kv, root } = await opened(t)
  await kv.set('a/b', Uint8Array.of(65))
  assert.equal(await readFile(join(root, 'a/b'), 'utf8'), 'A')
  await kv.setPartial('a/b', 1, Uint8Array.of(66))
  await kv.flush()
  assert.equal(await readFile(join(root, 'a/b'), 'utf8'), 'AB')
  await kv.remove('a')
  assert.deepEqual(await readdir(root, { recursive: true }), ['.mirage-tmp'])
})

test('directory kv-rw: its own folder is no key, and what a crash left there goes', async (t) => {
  const { kv, root } = await opened(t)
  await writeFile(join(root, '.mirage-tmp', 'half'), 'half')
  assert.equal(await kv.exists('.mirage-tmp/half'), undefined)
  await assert.rejects(kv.get('.mirage-tmp/half'), { code: 'not-found' })
  await assert.rejects(kv.set('.mirage-tmp/half', Uint8Array.of(1)), { code: 'bad-key' })
  await assert.rejects(kv.rename('.mirage-tmp', 'x'), { code: 'not-found' })
  assert.deepEqual(await kv.list(''), [])
  await createDirectoryKvRw({}, { folder: root })
  assert.deepEqual(await readdir(join(root, '.mirage-tmp')), [])
})

test('directory kv-rw: writes through no symbolic link that leads out', async (t) => {
  const { kv, root, folder } = await opened(t)
  await writeFile(join(folder, 'secret'), 'outside')
  await symlink('..', join(root, 'up'))
  await symlink('../secret', join(root, 'out'))
  await assert.rejects(kv.set('up/secret', Uint8Array.of(1)), { code: 'bad-key' })
  await assert.rejects(kv.set('up/new', Uint8Array.of(1)), { code: 'bad-key' })
  await kv.set('out', Uint8Array.of(1)) // takes the place of the link
  assert.equal(await readFile(join(folder, 'secret'), 'utf8'), 'outside')
  assert.deepEqual((await readdir(folder)).sort(), ['root', 'secret'])
})

test('directory kv-rw: names longer than the host takes are bad keys', async (t) => {
  const { kv } = await opened(t)
  await assert.rejects(kv.set(`a/${'x'.repeat(300)}`, Uint8Array.of(1)), { code: 'bad-key' })
  assert.deepEqual(await kv.list(''), [])
})
