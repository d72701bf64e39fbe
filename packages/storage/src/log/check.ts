/** Looks at everything in a log store and says what is wrong with it; it changes nothing. */
import { KvError, messageOf } from '@mirage-ts/core/errors'
import type { Block } from '@mirage-ts/signatures/block'
import { readSuperblock } from './format.ts'
import { CHUNK, HEAD, INLINE } from './leaf.ts'
import { Log } from './log.ts'
import { isLeaf } from './node.ts'
import { recover } from './recover.ts'
import { Tree } from './tree.ts'
import { Values } from './values.ts'

export interface CheckReport {
  /** What is wrong, a sentence each; none when all is well. At most a hundred are kept. */
  readonly problems: readonly string[]
  readonly keyCount: number
  /** Octets of all values. */
  readonly valueBytes: number
  readonly usedBytes: number
  readonly capacityBytes: number
}

const MAX_PROBLEMS = 100

/** The store only reads here. */
const NO_RANDOM = { fill: () => {}, u32: () => 0 }

/** Checks the store on `block`: every checksum, the order of keys, the length of values, and the counts of used space. */
export async function checkLogKv(
  { block }: { readonly block: Block },
  { onProgress = () => {} }: { readonly onProgress?: (keyCount: number) => void } = {},
): Promise<CheckReport> {
  const problems: string[] = []
  const note = (problem: unknown): void => {
    if (problems.length < MAX_PROBLEMS) problems.push(messageOf(problem))
  }
  let keyCount = 0
  let valueBytes = 0
  try {
    const geometry = await readSuperblock(block)
    const recovered = await recover(block, geometry)
    const log = new Log(block, NO_RANDOM, geometry, recovered.log)
    const tree = await Tree.open(log, 64, recovered.tree)
    const values = new Values(log, tree)
    const live = new Uint32Array(geometry.segmentCount)
    const use = ({ address, units }: { readonly address: number; readonly units: number }): void => {
      const segment = log.segmentOf(address)
      live[segment] = (live[segment] as number) + units
    }
    let lastKey: string | undefined
    await tree.walk(async (node, slot) => {
      use(slot)
      if (!isLeaf(node)) return
      for (const entry of node.entries()) {
        if (lastKey !== undefined && entry.key <= lastKey) note(`Sector ${slot.address}: keys are out of order`)
        lastKey = entry.key
        if (entry.tag !== INLINE) use(entry)
        if (entry.tag === CHUNK) continue
        keyCount++
        valueBytes += entry.sizeBytes
        onProgress(keyCount)
        const count = entry.tag === HEAD ? values.chunkCount(entry.sizeBytes) : 0
        for (let i = 0; i < count; i++) await values.readChunk(entry, i).catch(note)
      }
    }, note)
    if (keyCount !== recovered.tree.keyCount)
      note(`The store counts ${recovered.tree.keyCount} keys, there are ${keyCount}`)
    for (const [segment, units] of live.entries()) {
      if (units !== log.live[segment]) {
        note(
          `Segment ${segment}, sector ${log.sectorOf(segment)}: ${log.live[segment]} units are counted, ${units} are in use`,
        )
      }
    }
    const { liveUnits, capacityUnits } = log
    const { unitBytes } = geometry
    return {
      problems,
      keyCount,
      valueBytes,
      usedBytes: liveUnits * unitBytes,
      capacityBytes: capacityUnits * unitBytes,
    }
  } catch (error) {
    if (!(error instanceof KvError)) throw error
    note(error)
    return { problems, keyCount, valueBytes, usedBytes: 0, capacityBytes: 0 }
  }
}
