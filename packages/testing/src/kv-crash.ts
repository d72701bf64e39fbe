/**
 * Cuts the power of a store at every write and flush of random work, with any subset of what was not flushed, opens what
 * is left and compares it with the model: what was flushed is there, and of what came after, whole changes in order or
 * nothing.
 */
import assert from 'node:assert/strict'
import type { KvChange, KvRw, KvTransactional } from '@mirage-ts/signatures/kv'
import { FaultyBlock } from './faulty-block.ts'
import { KvModel } from './kv-model.ts'
import { contentsOf, randomKey, randomStep, stepModel, stepStore } from './kv-random.ts'
import type { SeededRandom } from './seeded-random.ts'

export interface CrashOptions {
  readonly random: SeededRandom
  /** The formatted disk to begin with. */
  readonly image: Uint8Array
  /** What is in it: nothing, by default. */
  readonly contents?: ReadonlyMap<string, Uint8Array>
  readonly sectorBytes?: number
  /** Opens the store for work. */
  readonly open: (block: FaultyBlock) => Promise<KvRw | KvTransactional>
  /** Checks what a crash has left beyond its contents. */
  readonly check?: (block: FaultyBlock) => Promise<void>
  /** Times that the power is cut for good: the work goes on with what was left. */
  readonly lives: number
  /** Changes in each life. */
  readonly steps: number
  /** Crashed disks looked at for each write or flush. */
  readonly imagesPerCut: number
  readonly maxBytes: number
}

export interface CrashReport {
  /** Crashed disks opened and compared. */
  cuts: number
  writes: number
  noSpace: number
}

/** Runs the crashes; throws an `AssertionError` at the first store that is not what it must be. */
export async function runCrashes(options: CrashOptions): Promise<CrashReport> {
  const { random, sectorBytes = 512 } = options
  const report: CrashReport = { cuts: 0, writes: 0, noSpace: 0 }
  let image = options.image
  let model = new KvModel()
  for (const [key, value] of options.contents ?? []) model.set(key, value)
  for (let life = 0; life < options.lives; life++) {
    const block = FaultyBlock.of(image, sectorBytes)
    /** What a crash may leave: the state at the last flush and every one since. */
    let states = new Map([[printOf(model.values), model.clone()]])
    const images: Uint8Array[] = []
    const cut = (): void => {
      for (let i = 0; i < options.imagesPerCut; i++) {
        images.push(block.crashImage(i === 0 && random.chance(0.3) ? 'all' : random))
      }
    }
    block.beforeChange = cut
    const lookAtImages = async (label: string): Promise<void> => {
      for (const crashed of images.splice(0)) {
        const disk = FaultyBlock.of(crashed, sectorBytes)
        await options.check?.(disk)
        const print = printOf(await contentsOf(await options.open(disk)))
        assert.ok(states.has(print), `life ${life}, ${label}: a state that was never there\n${print}`)
        report.cuts++
      }
    }
    const kv = await options.open(block)
    const stop = random.below(options.steps) + 1
    for (let i = 0; i < stop; i++) {
      if (random.chance(0.15)) {
        await kv.flush()
        // Up to here, both what the flush made durable and what was durable before it are right.
        await lookAtImages(`flush before step ${i}`)
        states = new Map([[printOf(model.values), model.clone()]])
        continue
      }
      const before = model.clone()
      const transaction = 'commit' in kv && random.chance(0.2) ? randomTransaction(random, options.maxBytes) : undefined
      const step = transaction === undefined ? randomStep(random, options.maxBytes) : undefined
      let refusal = step === undefined ? undefined : stepModel(model, step)
      if (transaction !== undefined) {
        for (const change of transaction) refusal ??= changeModel(model, change)
        if (refusal !== undefined) model = before.clone()
      }
      states.set(printOf(model.values), model.clone())
      let got: string | undefined
      if (step !== undefined) got = await stepStore(kv, step)
      else {
        got = await (kv as KvTransactional).commit(transaction ?? []).then(
          () => undefined,
          (error: { code: string }) => error.code,
        )
      }
      if (got === 'no-space') {
        report.noSpace++
        model = before
      } else assert.equal(got, refusal, `life ${life}, step ${i}`)
      await lookAtImages(`step ${i}`)
    }
    report.writes += block.writeCount
    image = block.crashImage(random.chance(0.2) ? 'all' : random)
    const left = printOf(await contentsOf(await options.open(FaultyBlock.of(image, sectorBytes))))
    const state = states.get(left)
    assert.ok(state !== undefined, `life ${life}: a state that was never there`)
    model = state.clone()
  }
  return report
}

/** Text that is the same exactly for the same contents, but for collisions of a short hash. */
function printOf(contents: ReadonlyMap<string, Uint8Array>): string {
  return [...contents]
    .map(([key, value]) => `${key} ${value.length} ${hashOf(value)}`)
    .sort()
    .join('\n')
}

/** FNV-1a. */
function hashOf(octets: Uint8Array): number {
  let hash = 0x811c9dc5
  for (let i = 0; i < octets.length; i++) hash = Math.imul(hash ^ (octets[i] as number), 0x01000193)
  return hash >>> 0
}

function randomTransaction(random: SeededRandom, maxBytes: number): KvChange[] {
  return Array.from({ length: 1 + random.below(4) }, () => {
    const key = randomKey(random)
    if (random.chance(0.25)) return { tag: 'remove', key }
    return { tag: 'set', key, value: random.bytes(random.below(random.chance(0.3) ? maxBytes : 60)) }
  })
}

function changeModel(model: KvModel, change: KvChange): string | undefined {
  return change.tag === 'set' ? model.set(change.key, change.value) : model.remove(change.key)
}
