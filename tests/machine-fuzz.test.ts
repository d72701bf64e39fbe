/** A few batches of `fuzz/machine.ts`, always the same ones: firmware, command lines, PCI and devices that lie. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { SeededRandom } from '@mirage-ts/testing/seeded-random'
import { SUBJECTS } from '../fuzz/machine-subjects.ts'

describe('lies', () => {
  for (const [name, run] of Object.entries(SUBJECTS)) {
    it(`of ${name} do no harm, and some are believed`, async () => {
      let count = 0
      for (let seed = 1; seed <= 3; seed++) count += await run(new SeededRandom(seed), 60)
      assert.ok(count > 0)
    })
  }
})
