/** Looks at every file of a FAT volume and says what is wrong with it; it changes nothing. */
import { KvError, messageOf } from '@mirage-ts/core/errors'
import { joinKey } from '@mirage-ts/core/kv-key'
import type { Block } from '@mirage-ts/signatures/block'
import { FatVolume } from './volume.ts'

export interface FatCheckReport {
  /** What is wrong, a sentence each; none when all is well. At most a hundred are kept. */
  readonly problems: readonly string[]
  readonly fileCount: number
  readonly valueBytes: number
  /** Clusters in use that belong to no file: space that a crash has left behind. */
  readonly lostBytes: number
  readonly usedBytes: number
  readonly capacityBytes: number
}

const MAX_PROBLEMS = 100
const MAX_DEPTH = 128

/** Checks the volume on `block`: chains against lengths, clusters that two files share, clusters that nobody has. */
export async function checkFat({ block }: { readonly block: Block }): Promise<FatCheckReport> {
  const problems: string[] = []
  const note = (problem: string): void => {
    if (problems.length < MAX_PROBLEMS) problems.push(problem)
  }
  let volume: FatVolume
  try {
    volume = await FatVolume.open(block, undefined)
  } catch (error) {
    if (!(error instanceof KvError)) throw error
    return { problems: [error.message], fileCount: 0, valueBytes: 0, lostBytes: 0, usedBytes: 0, capacityBytes: 0 }
  }
  const { clusterBytes, clusterCount, rootCluster } = volume.volume
  const owned = new Uint8Array(clusterCount + 2)
  let fileCount = 0
  let valueBytes = 0
  let ownedCount = 0

  const own = async (key: string, first: number): Promise<number> => {
    const chain = await volume.table.chain(first, clusterCount)
    for (const cluster of chain) {
      if (owned[cluster] !== 0) note(`${JSON.stringify(key)} shares cluster ${cluster} with another file`)
      else ownedCount++
      owned[cluster] = 1
    }
    return chain.length
  }
  const guarded = async (key: string, body: () => Promise<void>): Promise<void> => {
    try {
      await body()
    } catch (error) {
      if (!(error instanceof KvError)) throw error
      note(`${JSON.stringify(key)}: ${messageOf(error)}`)
    }
  }
  const walk = async (cluster: number, key: string, depth: number): Promise<void> => {
    if (depth > MAX_DEPTH) {
      note(`${JSON.stringify(key)}: folders in folders without end`)
      return
    }
    const folder = await volume.folder(cluster)
    for (const entry of [...folder.entries]) {
      const below = joinKey(key, entry.name)
      await guarded(below, async () => {
        if (entry.isFolder) {
          await own(below, entry.cluster)
          await walk(entry.cluster, below, depth + 1)
          return
        }
        fileCount++
        valueBytes += entry.sizeBytes
        const count = entry.cluster === 0 ? 0 : await own(below, entry.cluster)
        if (count !== Math.ceil(entry.sizeBytes / clusterBytes)) {
          note(`${JSON.stringify(below)} has ${entry.sizeBytes} octets in ${count} clusters of ${clusterBytes}`)
        }
      })
    }
  }
  await guarded('', async () => {
    if (rootCluster !== 0) await own('', rootCluster)
    await walk(0, '', 0)
  })
  const usedCount = clusterCount - (await volume.table.countFree())
  const { freeCount } = volume.table
  if (freeCount >= 0 && freeCount !== clusterCount - usedCount) {
    note(`The volume counts ${freeCount} free clusters, there are ${clusterCount - usedCount}`)
  }
  return {
    problems,
    fileCount,
    valueBytes,
    lostBytes: (usedCount - ownedCount) * clusterBytes,
    usedBytes: usedCount * clusterBytes,
    capacityBytes: clusterCount * clusterBytes,
  }
}
