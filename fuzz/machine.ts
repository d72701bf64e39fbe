/**
 * Tells a machine lies, by firmware, command line, PCI and hostile devices, until the time is up:
 * `npm run fuzz:machine -- --seconds 60 --seed 1`. A batch that fails is reproduced by its seed alone.
 */
import { parseArgs } from 'node:util'
import { SeededRandom } from '@mirage-ts/testing/seeded-random'
import { SUBJECTS } from './machine-subjects.ts'

const ROUNDS = 500

const { values } = parseArgs({
  options: { seconds: { type: 'string', default: '60' }, seed: { type: 'string', default: '1' } },
})
const end = Date.now() + Number(values.seconds) * 1000

for (let seed = Number(values.seed); Date.now() < end; seed++) {
  const counts: string[] = []
  for (const [name, run] of Object.entries(SUBJECTS)) {
    try {
      counts.push(`${name} ${await run(new SeededRandom(seed), ROUNDS)}`)
    } catch (cause) {
      throw new Error(`seed ${seed}, ${name}`, { cause })
    }
  }
  console.log(`seed ${seed}: ${counts.join(', ')}`)
}
