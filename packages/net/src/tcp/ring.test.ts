import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { RingMemory } from './memory.ts'
import { powerOfTwoFrom, Ring } from './ring.ts'

const MAX = 16384

type Step =
  | { readonly tag: 'append' | 'consume'; readonly count: number }
  | { readonly tag: 'beyond'; readonly gap: number; readonly count: number }

const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ tag: fc.constantFrom('append' as const, 'consume' as const), count: fc.integer({ min: 0, max: 6000 }) }),
  fc.record({
    tag: fc.constant('beyond' as const),
    gap: fc.integer({ min: 0, max: 5000 }),
    count: fc.integer({ min: 0, max: 3000 }),
  }),
)

test('ring: holds what an array would, through growth and wrap, also beyond the octets held', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const ring = new Ring(new RingMemory(1 << 20), MAX)
      let model: number[] = []
      /** Octets written beyond the end, by offset from the start. */
      let waiting = new Map<number, number>()
      let next = 0
      for (const one of steps) {
        if (one.tag === 'consume') {
          const count = Math.min(one.count, model.length)
          ring.consume(count)
          model = model.slice(count)
          waiting = new Map([...waiting].map(([at, octet]) => [at - count, octet]))
          continue
        }
        const offset = model.length + (one.tag === 'beyond' ? one.gap : 0)
        const count = Math.min(one.count, MAX - offset)
        if (count <= 0) continue
        const octets = Uint8Array.from({ length: count }, () => next++ & 255)
        assert.ok(ring.reserve(offset + count))
        ring.write(offset, octets, 0, count)
        if (one.tag === 'append') {
          ring.extend(count)
          for (const [i, octet] of octets.entries()) {
            model.push(octet)
            waiting.delete(offset + i)
          }
        } else {
          for (const [i, octet] of octets.entries()) waiting.set(offset + i, octet)
        }
        // What waits right behind is now held: as when a gap is filled.
        for (let octet = waiting.get(model.length); octet !== undefined; octet = waiting.get(model.length)) {
          waiting.delete(model.length)
          model.push(octet)
          ring.extend(1)
        }
      }
      assert.equal(ring.lenBytes, model.length)
      assert.equal(ring.freeBytes, MAX - model.length)
      assert.ok(ring.capacityBytes <= MAX)
      const out = new Uint8Array(model.length + 2)
      ring.copyTo(0, model.length, out, 1)
      assert.deepEqual(out, Uint8Array.from([0, ...model, 0]))
    }),
    { numRuns: 100 },
  )
})

test('ring: allocates nothing until used, and gives everything back', () => {
  const ring = new Ring(new RingMemory(1 << 20), MAX)
  assert.equal(ring.capacityBytes, 0)
  ring.consume(0)
  ring.write(0, new Uint8Array(0), 0, 0)
  assert.equal(ring.capacityBytes, 0)
  assert.ok(ring.reserve(5000))
  ring.write(0, new Uint8Array(5000), 0, 5000)
  assert.equal(ring.capacityBytes, 8192)
  ring.release()
  assert.equal(ring.capacityBytes, 0)
})

test('powerOfTwoFrom: rounds up', () => {
  for (const [value, expected] of [
    [1, 1],
    [2, 2],
    [3, 4],
    [4096, 4096],
    [4097, 8192],
    [2 ** 30, 2 ** 30],
  ] as const) {
    assert.equal(powerOfTwoFrom(value), expected)
  }
})

test('ring: hands over what it holds without a copy, and begins anew', () => {
  const memory = new RingMemory(1 << 20)
  const ring = new Ring(memory, 65536)
  const text = Uint8Array.from({ length: 5000 }, (_, i) => i)
  assert.ok(ring.reserve(5000))
  ring.write(0, text, 0, 5000)
  ring.extend(5000)
  ring.consume(10)
  const chunk = ring.handOver()
  assert.deepEqual(chunk, text.subarray(10))
  assert.deepEqual([ring.lenBytes, ring.capacityBytes, memory.usedBytes, memory.spareBytes], [0, 0, 0, 0])
  assert.ok(ring.reserve(5000))
  ring.write(0, new Uint8Array(5000), 0, 5000)
  assert.deepEqual(chunk, text.subarray(10), 'a chunk kept stays as it is')
})

test('ring: copies rather than give away much for little, or what is in two pieces', () => {
  const ring = new Ring(new RingMemory(1 << 20), 65536)
  ring.reserve(8192)
  ring.extend(1000)
  assert.equal(ring.handOver(), undefined, '1,000 octets of 8,192')
  ring.extend(7192)
  ring.consume(100)
  ring.extend(100)
  assert.equal(ring.handOver(), undefined, 'the last 100 are at the front')
})

test('ring: a chunk given back serves again, once; a strange one or an old one does not', () => {
  const memory = new RingMemory(1 << 20)
  const take = (): Uint8Array => {
    const ring = new Ring(memory, 65536)
    ring.reserve(8192)
    ring.extend(8192)
    return ring.handOver() as Uint8Array
  }
  const chunk = take()
  memory.recycle(new Uint8Array(8192))
  memory.recycle(chunk.subarray(1))
  assert.equal(memory.spareBytes, 0)
  memory.recycle(chunk)
  memory.recycle(chunk)
  assert.equal(memory.spareBytes, 8192)
  assert.equal(take().buffer, chunk.buffer)
  const old = take()
  for (let i = 0; i < 8; i++) take()
  memory.recycle(old)
  assert.equal(memory.spareBytes, 0)
})
