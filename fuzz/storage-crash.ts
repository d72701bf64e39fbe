/**
 * Cuts the power of the log store at every write, again and again, until enough disks were opened and compared:
 * `node --import tsx fuzz/storage-crash.ts --cuts 100000 --seed 1`. A seed that fails is reproduced by that seed alone.
 */
import { parseArgs } from 'node:util'
import { checkLogKv } from '@mirage-ts/storage/log/check'
import { formatLogKv, openLogKv } from '@mirage-ts/storage/log/log-kv'
import { FaultyBlock } from '@mirage-ts/testing/faulty-block'
import { runCrashes } from '@mirage-ts/testing/kv-crash'
import { SeededRandom } from '@mirage-ts/testing/seeded-random'

const { values } = parseArgs({
  options: { cuts: { type: 'string', default: '100000' }, seed: { type: 'string', default: '1' } },
})

let cuts = 0
let writes = 0
let noSpace = 0
const begun = Date.now()
for (let seed = Number(values.seed); cuts < Number(values.cuts); seed++) {
  const random = new SeededRandom(seed)
  const sectorBytes = random.chance(0.3) ? 4096 : 512
  const maxBytes = [200, 3000, 9000, 40_000, 100_000][random.below(5)] as number
  const empty = new FaultyBlock(((17 + random.below(8)) * 65_536) / sectorBytes, sectorBytes)
  await formatLogKv({ block: empty, random })
  const options = {
    random,
    image: empty.image,
    sectorBytes,
    open: (block: FaultyBlock) => openLogKv({ block, random }, { cacheNodes: 16 + random.below(100) }),
    // The whole disk is checked now and then: it takes longer than everything else.
    check: async (block: FaultyBlock) => {
      if (!random.chance(0.02)) return
      const { problems } = await checkLogKv({ block })
      if (problems.length > 0) throw new Error(problems.join('\n'))
    },
    lives: 40,
    steps: 150,
    imagesPerCut: 3,
    maxBytes,
  }
  try {
    const report = await runCrashes(options)
    cuts += report.cuts
    writes += report.writes
    noSpace += report.noSpace
  } catch (error) {
    throw new Error(`seed ${seed}, sectors of ${sectorBytes}, values up to ${maxBytes}`, { cause: error })
  }
  if (seed % 10 === 0) console.log(`seed ${seed}: ${cuts} cuts, ${writes} writes, disk full ${noSpace} times`)
}
console.log(`${cuts} crashed disks were right, ${Math.round((Date.now() - begun) / 1000)} s`)
