import { test } from 'node:test'
import { runKvTransactionalConformance } from '@mirage-ts/testing/conformance/kv-rw-suite'
import { FaultyBlock } from '@mirage-ts/testing/faulty-block'
import { SeededRandom } from '@mirage-ts/testing/seeded-random'
import { createLogKv, openLogKv } from './log-kv.ts'

for (const [name, sectorCount, sectorBytes, cacheNodes] of [
  ['log kv', 8192, 512, 512],
  ['log kv on 4 KiB sectors with the smallest cache', 1024, 4096, 1],
] as const) {
  runKvTransactionalConformance(test, name, async () => {
    const block = new FaultyBlock(sectorCount, sectorBytes)
    const random = new SeededRandom(1)
    return {
      kv: await createLogKv({ block, random }, { cacheNodes }),
      reopen: () => openLogKv({ block: FaultyBlock.of(block.crashImage('none'), sectorBytes), random }),
      close() {},
    }
  })
}
