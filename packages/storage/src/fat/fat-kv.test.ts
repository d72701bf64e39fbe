import assert from 'node:assert/strict'
import { test } from 'node:test'
import { runKvRwConformance } from '@mirage-ts/testing/conformance/kv-rw-suite'
import { fsck } from '@mirage-ts/testing/fat-images'
import { ramBlockOf } from '../ram-block.ts'
import { createFatKv } from './fat-kv.ts'
import { formatFat } from './format.ts'

for (const [bits, sectorCount, sectorBytes] of [
  [12, 6000, 512],
  [16, 20_000, 512],
  [32, 70_000, 512],
  [12, 1000, 4096],
] as const) {
  runKvRwConformance(
    test,
    `fat kv, FAT ${bits}, sectors of ${sectorBytes}`,
    async () => {
      const image = new Uint8Array(sectorCount * sectorBytes)
      const block = ramBlockOf(image, sectorBytes)
      await formatFat({ block }, { bits })
      const kv = await createFatKv({ block })
      return {
        kv,
        reopen: () => createFatKv({ block: ramBlockOf(image.slice(), sectorBytes) }),
        close: async () => {
          await kv.flush()
          const { status, output } = fsck(image)
          assert.equal(status, 0, output)
        },
      }
    },
    { isFat: true, stepCount: 200 },
  )
}
