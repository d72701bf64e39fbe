/**
 * Damages partition tables, archives, FAT volumes and stores, and reads what is left, until the time is up:
 * `node --import tsx fuzz/storage-parsers.ts --seconds 60 --seed 1`. Whatever the disk says, the answer is a value or a
 * `KvError` or `BlockError` of code `corrupt` (or what follows from it), memory stays bounded, and reading ends.
 */
import { parseArgs } from 'node:util'
import { BlockError, KvError } from '@mirage-ts/core/errors'
import { createFatKv } from '@mirage-ts/storage/fat/fat-kv'
import { formatFat } from '@mirage-ts/storage/fat/format'
import { checkLogKv } from '@mirage-ts/storage/log/check'
import { createLogKv, openLogKv } from '@mirage-ts/storage/log/log-kv'
import { readPartitions } from '@mirage-ts/storage/partition'
import { createRamBlock, ramBlockOf } from '@mirage-ts/storage/ram-block'
import { emitTarHeader, paddedLen, TAR_END_LEN } from '@mirage-ts/storage/tar/header'
import { createTarKv } from '@mirage-ts/storage/tar/tar-kv'
import { contentsOf } from '@mirage-ts/testing/kv-random'
import { SeededRandom } from '@mirage-ts/testing/seeded-random'

const { values } = parseArgs({
  options: { seconds: { type: 'string', default: '60' }, seed: { type: 'string', default: '1' } },
})
const end = Date.now() + Number(values.seconds) * 1000
const random = new SeededRandom(Number(values.seed))

interface Subject {
  readonly name: string
  readonly image: Uint8Array
  read(image: Uint8Array): Promise<unknown>
}

async function filled(kind: 'fat' | 'store', sectorCount: number): Promise<Uint8Array> {
  const block = createRamBlock({}, { sectorCount })
  if (kind === 'fat') await formatFat({ block })
  const kv = kind === 'fat' ? await createFatKv({ block }) : await createLogKv({ block, random })
  for (let i = 0; i < 60; i++) await kv.set(`dir ${i % 5}/sub/a name ${i}`, random.bytes(random.below(3000)))
  await kv.flush()
  const image = new Uint8Array(sectorCount * 512)
  await block.read(0, image)
  return image
}

function archive(): Uint8Array {
  const parts: Uint8Array[] = []
  for (const path of ['a', 'b/c', `${'long '.repeat(40)}/x`, 'ü']) {
    const sizeBytes = random.below(2000)
    const contents = new Uint8Array(paddedLen(sizeBytes))
    parts.push(emitTarHeader({ path, sizeBytes, mtimeSeconds: 0 }), contents)
  }
  return Uint8Array.from(Buffer.concat([...parts, new Uint8Array(TAR_END_LEN)]))
}

const subjects: readonly Subject[] = [
  { name: 'tar', image: archive(), read: async (image) => contentsOf(await createTarKv({ block: ramBlockOf(image) })) },
  { name: 'fat', image: await filled('fat', 4000), read: workOnFat },
  { name: 'store', image: await filled('store', 17 * 128), read: workOnStore },
  { name: 'partitions', image: random.bytes(64 * 512), read: (image) => readPartitions(ramBlockOf(withTable(image))) },
]

async function workOnFat(image: Uint8Array): Promise<void> {
  const kv = await createFatKv({ block: ramBlockOf(image) })
  await contentsOf(kv)
  await kv.set('dir 1/new/file', new Uint8Array(3000))
  await kv.remove('dir 1')
  await kv.flush()
}

async function workOnStore(image: Uint8Array): Promise<void> {
  await checkLogKv({ block: ramBlockOf(image) })
  const kv = await openLogKv({ block: ramBlockOf(image), random })
  await contentsOf(kv)
  for (let i = 0; i < 100; i++) await kv.set(`more ${i}`, new Uint8Array(3000))
  await kv.flush()
}

function withTable(image: Uint8Array): Uint8Array {
  image[510] = 0x55
  image[511] = 0xaa
  return image
}

const counts = new Map<string, number>()
while (Date.now() < end) {
  for (const { name, image, read } of subjects) {
    const damaged = image.slice()
    const used = random.chance(0.5) ? damaged.length : Math.min(damaged.length, 16_384)
    for (let n = random.below(6); n >= 0; n--) damaged[random.below(used)] = random.below(256)
    const state = random.u32()
    try {
      await read(damaged)
    } catch (error) {
      const isExpected =
        (error instanceof KvError && error.code !== 'io') || (error instanceof BlockError && error.code === 'corrupt')
      if (!isExpected) throw new Error(`${name}, seed ${values.seed}, after ${state}`, { cause: error })
    }
    counts.set(name, (counts.get(name) ?? 0) + 1)
  }
}
console.log([...counts].map(([name, count]) => `${count} of ${name}`).join(', '))
console.log(`heap ${Math.round(process.memoryUsage().heapUsed / 1e6)} MB`)
