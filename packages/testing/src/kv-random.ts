/** Random work for stores, and the comparison of a store with the model. */
import { KvError } from '@mirage-ts/core/errors'
import type { KvRo, KvRw } from '@mirage-ts/signatures/kv'
import * as assert from './assert.ts'
import { KvModel } from './kv-model.ts'
import type { SeededRandom } from './seeded-random.ts'

/** One call that changes a store. */
export type KvStep =
  | { readonly tag: 'set'; readonly key: string; readonly value: Uint8Array }
  | { readonly tag: 'set-partial'; readonly key: string; readonly off: number; readonly octets: Uint8Array }
  | { readonly tag: 'remove'; readonly key: string }
  | { readonly tag: 'rename'; readonly key: string; readonly to: string }

const NAMES = ['a', 'b', 'c', 'data.bin', 'a longer name than eight and three', 'é']

export function randomKey(random: SeededRandom): string {
  const depth = 1 + random.below(3)
  return Array.from({ length: depth }, () => NAMES[random.below(NAMES.length)] as string).join('/')
}

/** A step among few keys, so that they meet; values are up to `maxBytes`, mostly short. */
export function randomStep(random: SeededRandom, maxBytes: number): KvStep {
  const key = randomKey(random)
  const len = random.below(random.chance(0.2) ? maxBytes : Math.min(maxBytes, 100))
  const octets = new Uint8Array(len).fill(random.below(256))
  if (len > 2) octets.set([random.below(256), random.below(256)], random.below(len - 2))
  const choice = random.below(10)
  if (choice < 5) return { tag: 'set', key, value: octets }
  if (choice < 7) return { tag: 'set-partial', key, off: random.below(maxBytes), octets }
  if (choice < 9) return { tag: 'remove', key }
  return { tag: 'rename', key, to: randomKey(random) }
}

/** Makes the change on the model and returns the code of its refusal. */
export function stepModel(model: KvModel, step: KvStep): string | undefined {
  switch (step.tag) {
    case 'set':
      return model.set(step.key, step.value)
    case 'set-partial':
      return model.setPartial(step.key, step.off, step.octets)
    case 'remove':
      return model.remove(step.key)
    case 'rename':
      return model.rename(step.key, step.to)
  }
}

/** Makes the change on a store and returns the code of its refusal. */
export async function stepStore(kv: KvRw, step: KvStep): Promise<string | undefined> {
  try {
    if (step.tag === 'set') await kv.set(step.key, step.value)
    else if (step.tag === 'set-partial') await kv.setPartial(step.key, step.off, step.octets)
    else if (step.tag === 'remove') await kv.remove(step.key)
    else await kv.rename(step.key, step.to)
    return undefined
  } catch (error) {
    if (error instanceof KvError) return error.code
    throw error
  }
}

/** Everything in a store, by key. */
export async function contentsOf(kv: KvRo, key = ''): Promise<Map<string, Uint8Array>> {
  const contents = new Map<string, Uint8Array>()
  for (const { name, kind } of await kv.list(key)) {
    const child = key === '' ? name : `${key}/${name}`
    if (kind === 'value') contents.set(child, await kv.get(child))
    else for (const [below, value] of await contentsOf(kv, child)) contents.set(below, value)
  }
  return contents
}

/** Asserts that the store holds exactly what the model does. */
export async function assertEqualsModel(kv: KvRo, model: KvModel, message: string): Promise<void> {
  const contents = await contentsOf(kv)
  assert.deepEqual([...contents.keys()].sort(), [...model.values.keys()].sort(), message)
  for (const [key, value] of contents) {
    assert.equalOctets(value, model.values.get(key) as Uint8Array, `${message}: value of ${key}`)
  }
}

/** Makes `stepCount` random changes on both and compares refusals, look-ups and now and then everything. */
export async function runRandomSteps(
  kv: KvRw,
  random: SeededRandom,
  stepCount: number,
  maxBytes: number,
): Promise<KvModel> {
  const model = new KvModel()
  for (let i = 0; i < stepCount; i++) {
    const step = randomStep(random, maxBytes)
    const label = `step ${i}: ${step.tag} ${step.key}${step.tag === 'rename' ? ` to ${step.to}` : ''}`
    assert.equal(await stepStore(kv, step), stepModel(model, step), label)
    const key = randomKey(random)
    assert.equal(await kv.exists(key), model.kind(key), `${label}, exists ${key}`)
    if (model.kind(key) === 'dictionary') assert.deepEqual(await kv.list(key), model.list(key), `${label}, list ${key}`)
    if (model.kind(step.key) === 'value') {
      const value = model.values.get(step.key) as Uint8Array
      const off = random.below(value.length + 2)
      const len = random.below(value.length + 2)
      const got = await kv.getPartial(step.key, off, len)
      assert.equalOctets(got, value.subarray(off, off + len), `${label}, ${len} octets at ${off}`)
    }
    if (random.chance(0.03)) await kv.flush()
    if (i % 100 === 99) await assertEqualsModel(kv, model, label)
  }
  await assertEqualsModel(kv, model, 'at the end')
  return model
}
