/** The encrypted disk with the cipher of the host. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { createAesXts } from '@mirage-ts/node/aes-xts'
import type { SectorCipher } from '@mirage-ts/signatures/sector-cipher'
import { createReadOnlyBlock } from '@mirage-ts/storage/block-view'
import { createEncryptedBlock } from '@mirage-ts/storage/encrypted-block'
import { createLogKv, openLogKv } from '@mirage-ts/storage/log/log-kv'
import { createRamBlock } from '@mirage-ts/storage/ram-block'
import {
  readOnlySectorOctet,
  runBlockConformance,
  runReadOnlyBlockConformance,
} from '@mirage-ts/testing/conformance/block-suite'
import { FaultyBlock } from '@mirage-ts/testing/faulty-block'
import { SeededRandom } from '@mirage-ts/testing/seeded-random'
import { makeApp } from '../packages/cli/src/testing/app.ts'
import { mirage } from './lib/mirage.ts'

const key = new SeededRandom(1).bytes(64)
const cipher = createAesXts({}, { key })

for (const [sectorCount, sectorBytes] of [
  [1001, 512],
  [64, 4096],
] as const) {
  runBlockConformance(test, `encrypted block, sectors of ${sectorBytes}`, async () => ({
    block: createEncryptedBlock({ block: createRamBlock({}, { sectorCount, sectorBytes }), cipher }),
    close() {},
  }))
}
runReadOnlyBlockConformance(test, 'encrypted block that is read-only', async () => {
  const below = createRamBlock({}, { sectorCount: 64 })
  const writable = createEncryptedBlock({ block: below, cipher })
  for (let sector = 0; sector < 64; sector++) {
    await writable.write(sector, new Uint8Array(512).fill(readOnlySectorOctet(sector)))
  }
  return { block: createEncryptedBlock({ block: createReadOnlyBlock({ block: below }), cipher }), close() {} }
})

test('encrypted block: what is written in clear is nowhere on the disk, and only the right key reads it', async () => {
  const below = new FaultyBlock(300)
  const block = createEncryptedBlock({ block: below, cipher })
  const secret = Buffer.from('the same secret text, '.repeat(10_000)).subarray(0, 256 * 512)
  await block.write(0, secret)
  assert.equal(Buffer.from(below.image).indexOf('secret text'), -1)
  assert.ok(below.image.subarray(0, 512).join() !== below.image.subarray(512, 1024).join())
  const other = createAesXts({}, { key: new SeededRandom(2).bytes(64) })
  const got = new Uint8Array(512)
  await createEncryptedBlock({ block: below, cipher: other }).read(7, got)
  assert.ok(Buffer.compare(got, secret.subarray(7 * 512, 8 * 512)) !== 0)
})

test('encrypted block: a new disk is blank, so a store begins on it and is found again', async () => {
  const below = new FaultyBlock(4096)
  const random = new SeededRandom(3)
  const kv = await createLogKv({ block: createEncryptedBlock({ block: below, cipher }), random })
  await kv.set(
    'name of a value',
    Uint8Array.from('contents of a value', (char) => char.charCodeAt(0)),
  )
  await kv.flush()
  const image = below.crashImage('none')
  for (const text of ['mirageKV', 'name of a value', 'contents of a value']) {
    assert.equal(Buffer.from(image).indexOf(text), -1, text)
  }
  const again = await openLogKv({ block: createEncryptedBlock({ block: FaultyBlock.of(image), cipher }), random })
  assert.equal(Buffer.from(await again.get('name of a value')).toString(), 'contents of a value')
})

test('encrypted block: refused without a cipher, and with one that does not fit the sectors', () => {
  const block = createRamBlock({}, { sectorCount: 64 })
  const none = undefined as unknown as SectorCipher
  assert.throws(() => createEncryptedBlock({ block, cipher: none }), {
    name: 'TypeError',
    message: 'Cannot encrypt a disk: no cipher was given, and it is not to be written in clear',
  })
  const odd: SectorCipher = { blockBytes: 24, encrypt: () => {}, decrypt: () => {} }
  assert.throws(() => createEncryptedBlock({ block, cipher: odd }), { message: /whole blocks of 24/ })
})

const CONFIG = `import { main, register } from '@mirage-ts/config'
import { aesXts, block, defaultLog, encryptedBlock, logKv, writable } from '@mirage-ts/config/devices'
const counter = main('./unikernel.ts', 'start', { takes: { store: 'kv-rw', log: 'log' } })
export default register('counter', [
  counter({ store: writable(logKv(encryptedBlock(block('data'), aesXts()))), log: defaultLog }),
])
`

test('encrypted block: a unikernel on unix keeps its state in one; where no cipher is, it is refused', async (t) => {
  const example = new URL('../examples/devices/kv-rw-counter/unikernel.ts', import.meta.url)
  const app = makeApp(t, {
    'config.ts': CONFIG,
    'unikernel.ts': readFileSync(example),
    'disk.key': key,
    'other.key': new SeededRandom(9).bytes(64),
    'data.img': new Uint8Array(2 << 20),
  })
  assert.equal((await mirage(app, 'build', '-t', 'unix')).status, 0)
  const run = (...words: string[]) => mirage(app, 'run', '--block=data=data.img', ...words)
  assert.match((await run()).stdout, /start 1\b/)
  assert.match((await run()).stdout, /start 2\b/)
  const wrong = await run('--', '--disk-key=other.key')
  assert.notEqual(wrong.status, 0)
  assert.match(wrong.stdout + wrong.stderr, /no superblock of a store/)
  assert.match((await run()).stdout, /start 3\b/)
  assert.equal(readFileSync(join(app, 'data.img')).indexOf('counter'), -1)
  const bare = await mirage(app, 'configure', '-t', 'spt')
  assert.notEqual(bare.status, 0)
  assert.match(bare.stderr, /^config.ts:5: This device is not there on spt: it needs unix$/m)
})
