/** The functions that images have in C do what their references in TypeScript do, for any octets, offsets and starts. */
import assert from 'node:assert/strict'
import { rmSync } from 'node:fs'
import { after, before, test } from 'node:test'
import { build, makeFolder, mirage } from './lib/mirage.ts'

const CONFIG = `import { main, register } from '@mirage-ts/config'
import { defaultLog, defaultRandom } from '@mirage-ts/config/devices'
const compare = main('./unikernel.ts', 'start', { takes: { log: 'log', random: 'random' } })
export default register('compare', [compare({ log: defaultLog, random: defaultRandom })])
`

/** By its package path a module is replaced, by its file it is the reference. */
const UNIKERNEL = `import * as checksums from '@mirage-ts/core/checksum'
import * as hashes from '@mirage-ts/core/siphash'
import type { Log } from '@mirage-ts/signatures/log'
import type { Random } from '@mirage-ts/signatures/random'
import * as crcs from '@mirage-ts/storage/crc32'
import * as checksumReference from '../../packages/core/src/checksum.ts'
import * as hashReference from '../../packages/core/src/siphash.ts'
import * as crcReference from '../../packages/storage/src/crc32.ts'

const ROUNDS = 400

export async function start({ log, random }: { log: Log; random: Random }): Promise<void> {
  const logger = log.logger('compare')
  const buffer = new Uint8Array(5000)
  const words = new DataView(new ArrayBuffer(16))
  const drawn = new Uint8Array(words.buffer)
  let wrongCount = 0
  const same = (name: string, got: unknown, wanted: unknown) => {
    if (String(got) === String(wanted)) return
    wrongCount++
    logger.error(name + ': got ' + got + ', the reference says ' + wanted)
  }
  for (let round = 0; round < ROUNDS; round++) {
    random.fill(buffer, 0, buffer.length)
    random.fill(drawn, 0, drawn.length)
    // Short ones often, and views that begin anywhere.
    const limit = round % 2 === 0 ? 40 : 2000
    const u8 = buffer.subarray(words.getUint16(0) % 9)
    const off = words.getUint16(2) % limit
    const end = off + (words.getUint16(4) % limit)
    const initial = words.getUint32(8)
    const range = '[' + off + ', ' + end + ') from ' + initial
    same('checksum ' + range, checksums.checksum(u8, off, end, initial), checksumReference.checksum(u8, off, end, initial))
    for (const name of ['crc32', 'crc32c'] as const) {
      same(name + ' ' + range, crcs[name](u8, off, end, initial), crcReference[name](u8, off, end, initial))
      same(name + ' ' + range, crcs[name](u8, off, end), crcReference[name](u8, off, end))
    }
    const one = new Uint8Array(8)
    const other = new Uint8Array(8)
    hashes.sipHash24(drawn, u8, end, one)
    hashReference.sipHash24(drawn, u8, end, other)
    same('sipHash24 of ' + end, one, other)
  }
  const isNative = crcs.crc32c !== (crcReference.crc32c as unknown) && checksums.checksum !== checksumReference.checksum
  logger.info(ROUNDS + ' rounds, ' + wrongCount + ' differences, ' + (isNative ? 'native' : 'all of them references'))
}
`

let folder = ''
before(() => {
  folder = makeFolder({ 'config.ts': CONFIG, 'unikernel.ts': UNIKERNEL })
})
after(() => rmSync(folder, { recursive: true, force: true }))

for (const target of ['spt', 'virtio']) {
  test(`native functions equal their references on ${target}`, async () => {
    await build(folder, '-t', target)
    const { stdout, stderr } = await mirage(folder, 'run', '-t', target)
    assert.match(stdout, /\] 400 rounds, 0 differences, native\r?\n$/, stdout + stderr)
  })
}
