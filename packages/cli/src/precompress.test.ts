import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { brotliDecompressSync, gunzipSync } from 'node:zlib'
import { SeededRandom } from '@mirage-ts/testing/seeded-random'
import { listFolder } from './crunch.ts'
import { precompress } from './precompress.ts'
import { makeApp, runMirage } from './testing/app.ts'

const PAGE = '<p>The same again and again.</p>\n'.repeat(100)

test('precompress: what becomes shorter, in both codings, the same each time', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'mirage-test-'))
  t.after(() => rmSync(folder, { recursive: true }))
  for (const [name, contents] of [
    ['page.html', PAGE],
    ['short.txt', 'too short'],
    ['picture.png', new SeededRandom(1).bytes(5000)],
    ['style.css', PAGE],
    ['style.css.gz', 'made by hand'],
  ] as const) {
    writeFileSync(join(folder, name), contents)
  }
  const made = await precompress(await listFolder(folder), '/made')
  assert.deepEqual(
    made.map(({ path }) => path),
    ['page.html.br', 'page.html.gz', 'style.css.br'],
  )
  const [br, gz] = made
  assert.equal(brotliDecompressSync(br?.octets ?? '').toString(), PAGE)
  assert.equal(gunzipSync(gz?.octets ?? '').toString(), PAGE)
  const [page] = (await listFolder(folder)).filter(({ path }) => br?.path === `${path}.br`)
  assert.equal(br?.file, `/made/${page?.sha256}-${process.versions['brotli']}.br`)
  assert.equal(gz?.octets[9], 255, 'the system that it was made on does not show')
  assert.deepEqual(await precompress(await listFolder(folder), '/made'), made)
})

test('precompress: a crunched folder carries what was made, equal contents once, and nothing of it when not asked', async (t) => {
  const config = (options: string): string => `import { main, register } from '@mirage-ts/config'
import { crunch } from '@mirage-ts/config/devices'
export default register('site', [main('./unikernel.ts', 'start', { takes: { site: 'kv-ro' } })({ site: crunch('./site'${options}) })])
`
  const app = makeApp(t, {
    'config.ts': config(', { isPrecompressed: true }'),
    'unikernel.ts':
      "import type { KvRo } from '@mirage-ts/signatures/kv'\nexport async function start({ site }: { site: KvRo }): Promise<void> { await site.list('') }\n",
    'site/index.html': PAGE,
    'site/copy.html': PAGE,
  })
  for (const target of ['unix', 'virtio']) {
    const { status, error } = await runMirage(app, 'configure', `--target=${target}`)
    assert.equal(status, 0, error)
    const module = readFileSync(join(app, 'mirage', target, 'crunch_1.ts'), 'utf8')
    assert.deepEqual(
      Array.from(module.matchAll(/path: "(.*?)"/g), ([, path]) => path),
      ['copy.html', 'copy.html.br', 'copy.html.gz', 'index.html', 'index.html.br', 'index.html.gz'],
    )
    assert.equal(new Set(Array.from(module.matchAll(/bytes: \(\) => (\S+) /g), ([, bytes]) => bytes)).size, 3)
  }
  writeFileSync(join(app, 'config.ts'), config(''))
  assert.equal((await runMirage(app, 'configure', '--target=unix')).status, 0)
  assert.doesNotMatch(readFileSync(join(app, 'mirage/unix/crunch_1.ts'), 'utf8'), /\.br|\.gz/)
})
