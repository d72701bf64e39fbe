/** The conformance suites of storage on the engine: in a sealed process, and in an image that QEMU boots. */
import assert from 'node:assert/strict'
import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { readOnlySectorOctet } from '@mirage-ts/testing/conformance/block-suite'
import { CONTENTS } from '@mirage-ts/testing/conformance/kv-ro-suite'
import { fsck } from '@mirage-ts/testing/fat-images'
import { build, makeFolder, mirage, ROOT } from './lib/mirage.ts'

const SECTOR_BYTES = 512
/** As many as there are: a suite that is left out shows. */
const TEST_COUNT = 184

let folder = ''

/** An image of this length, with these octets at these places. */
function imageOf(name: string, sectorCount: number, parts: readonly (readonly [number, Uint8Array])[] = []): string {
  const octets = new Uint8Array(sectorCount * SECTOR_BYTES)
  for (const [off, part] of parts) octets.set(part, off)
  const path = join(folder, name)
  writeFileSync(path, octets)
  return path
}

/** The table of a disk with two partitions: from sector 8 on 100, from 200 on 1,500. */
function partitionTable(): readonly (readonly [number, Uint8Array])[] {
  const entry = (first: number, count: number): Uint8Array => {
    const octets = new Uint8Array(16)
    octets[4] = 0x83
    new DataView(octets.buffer).setUint32(8, first, true)
    new DataView(octets.buffer).setUint32(12, count, true)
    return octets
  }
  return [
    [446, entry(8, 100)],
    [462, entry(200, 1500)],
    [510, Uint8Array.of(0x55, 0xaa)],
  ]
}

async function disk(...words: readonly string[]): Promise<void> {
  const { status, stdout, stderr } = await mirage(folder, 'disk', ...words)
  assert.equal(status, 0, stdout + stderr)
}

describe('conformance suites of storage', () => {
  before(async () => {
    folder = makeFolder()
    cpSync(join(ROOT, 'tests/storage-suites'), folder, { recursive: true })
    let isUpper = false
    for (const [key, octets] of CONTENTS) {
      isUpper = !isUpper
      for (const place of isUpper ? ['files', 'upper'] : ['files']) {
        const file = join(folder, place, key)
        mkdirSync(dirname(file), { recursive: true })
        writeFileSync(file, octets)
      }
    }
    await disk('make', '--format=tar', 'files.tar', 'files')
    await disk('make', '--format=fat', '--size=2MiB', 'files.fat', 'files')
  })
  after(() => rmSync(folder, { recursive: true, force: true }))

  for (const target of ['spt', 'virtio']) {
    it(`pass on the engine of ${target}`, async () => {
      const sectors = Array.from({ length: 64 }, (_, i): readonly [number, Uint8Array] => [
        i * SECTOR_BYTES,
        new Uint8Array(SECTOR_BYTES).fill(readOnlySectorOctet(i)),
      ])
      const fat = imageOf(`${target}.fat`, 8000)
      const log = imageOf(`${target}.log`, 8000)
      const blocks = {
        disk: imageOf(`${target}.disk`, 2000),
        numbered: imageOf(`${target}.numbered`, 64, sectors),
        partitioned: imageOf(`${target}.partitioned`, 1800, partitionTable()),
        log,
        fat,
        'files-tar': join(folder, 'files.tar'),
        'files-fat': join(folder, 'files.fat'),
      }
      await build(folder, '-t', target)
      const given = Object.entries(blocks).map(([name, file]) => `--block=${name}=${file}`)
      const { status, stdout, stderr } = await mirage(folder, 'run', '-t', target, ...given)
      assert.equal(status, 0, stdout + stderr)
      const [, passed, failed] = /(\d+) tests passed, (\d+) failed/.exec(stdout) ?? []
      assert.equal(failed, '0', stdout + stderr)
      assert.ok(Number(passed) >= TEST_COUNT, `only ${passed} tests ran`)
      const checked = fsck(new Uint8Array(readFileSync(fat)))
      assert.equal(checked.status, 0, checked.output)
      await disk('check', log)
    })
  }
})
