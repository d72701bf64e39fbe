import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { ChainQueue } from './chain-queue.ts'
import { DeviceQueue, SimulatedMemory } from './simulated-device.ts'
import { Virtqueue } from './virtqueue.ts'

const SIZE = 8
const SLOT_LEN = 64

function setUp(hasEventIdx = true) {
  const memory = new SimulatedMemory()
  const buffers = memory.alloc(SIZE * SLOT_LEN, 64)
  const queue = new Virtqueue(memory, SIZE, SLOT_LEN, 'device-writes', hasEventIdx)
  const device = new DeviceQueue(memory, SIZE, queue.addresses)
  const offer = (slot: number) => queue.offer(slot, buffers.address + slot * SLOT_LEN, SLOT_LEN)
  return { memory, queue, device, offer }
}

describe('virtqueue', () => {
  it('passes buffers both ways, far beyond the wrap of the 16-bit index', () => {
    const { queue, device, offer } = setUp()
    let slot = 0
    for (let i = 0; i < 70_000; i++) {
      offer(slot)
      const taken = device.take()
      assert(taken?.isWritable)
      device.giveBack(taken.id, i % SLOT_LEN)
      assert.equal(queue.takeUsed(), slot)
      assert.equal(queue.usedLen, i % SLOT_LEN)
      assert.equal(queue.takeUsed(), -1)
      slot = (slot + 3) % SIZE
    }
    assert.equal(queue.badUsedCount, 0)
  })

  it('notifies only when the device asked for it (EVENT_IDX, §2.7.10)', () => {
    const { queue, device, offer } = setUp()
    device.setAvailableEvent(1)
    offer(0)
    assert.equal(queue.needsNotification(), false)
    offer(1)
    assert.equal(queue.needsNotification(), true)
    assert.equal(queue.needsNotification(), false)
    offer(2)
    assert.equal(queue.needsNotification(), false)
  })

  it('asks for interrupts only while it wants them, and sees what came before it asked', () => {
    const { queue, device, offer } = setUp()
    offer(0)
    offer(1)
    const before = device.used
    device.giveBack(0, 1)
    assert.equal(device.wantsInterrupt(before), false)
    assert.equal(queue.wantInterrupt(), true)
    assert.equal(queue.takeUsed(), 0)
    assert.equal(queue.wantInterrupt(), false)
    const old = device.used
    device.giveBack(1, 1)
    assert.equal(device.wantsInterrupt(old), true)
  })

  it('a device that lies about ids, lengths and the index costs a counter (MSA00: one completion frees one slot)', () => {
    const { queue, device, offer } = setUp()
    for (let slot = 0; slot < 4; slot++) offer(slot)
    device.giveBack(2, 0xffffffff)
    assert.equal(queue.takeUsed(), 2)
    assert.equal(queue.usedLen, SLOT_LEN)
    device.giveBack(2, 1) // a second time
    device.giveBack(7, 1) // never offered
    device.giveBack(0xffff_0001, 1) // no such slot
    device.giveBack(1, 5)
    assert.equal(queue.takeUsed(), 1)
    assert.equal(queue.badUsedCount, 3)
    device.advance(SIZE + 1)
    assert.equal(queue.takeUsed(), -1)
    assert.equal(queue.badUsedCount, 4)
    assert.equal(queue.takeUsed(), -1)
  })

  it('a device that goes on giving while it is looked at keeps nobody looking', () => {
    const chains = (memory: SimulatedMemory, isIndirect: boolean) =>
      new ChainQueue(memory, SIZE, { bufferCount: 3, isIndirect, slotCount: SIZE, hasEventIdx: true })
    for (const make of [
      (memory: SimulatedMemory) => new Virtqueue(memory, SIZE, SLOT_LEN, 'device-writes', true),
      (memory: SimulatedMemory) => chains(memory, true),
      (memory: SimulatedMemory) => chains(memory, false),
    ]) {
      const memory = new SimulatedMemory()
      const queue = make(memory)
      const device = new DeviceQueue(memory, SIZE, queue.addresses)
      const ring = queue['used']
      let looks = 0
      // Each look at the used ring finds one more entry, of a buffer that nobody offered.
      Object.defineProperty(queue, 'used', {
        get: () => {
          assert(looks++ < 1000, 'still looking')
          device.giveBack(0, 0)
          return ring
        },
      })
      for (let i = 0; i < 10; i++) assert.equal(queue.takeUsed(), -1)
      assert(queue.badUsedCount > 0)
    }
  })

  it('whatever the device does: a slot comes back at most once per offer, and looking always ends', () => {
    const step = fc.oneof(
      fc.record({ what: fc.constant('offer' as const), slot: fc.nat(SIZE - 1) }),
      fc.record({ what: fc.constant('used' as const), id: fc.oneof(fc.nat(SIZE), fc.nat()), len: fc.nat() }),
      fc.record({ what: fc.constant('advance' as const), by: fc.nat(0xffff) }),
      fc.record({ what: fc.constant('take' as const) }),
    )
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), fc.boolean(), (steps, hasEventIdx) => {
        const { queue, device, offer } = setUp(hasEventIdx)
        const inFlight = new Set<number>()
        for (const one of steps) {
          if (one.what === 'offer') {
            if (!inFlight.has(one.slot)) offer(one.slot)
            inFlight.add(one.slot)
          } else if (one.what === 'used') device.giveBack(one.id, one.len)
          else if (one.what === 'advance') device.advance(one.by)
          else {
            for (let slot = queue.takeUsed(), looks = 0; slot >= 0; slot = queue.takeUsed()) {
              assert(inFlight.delete(slot), `slot ${slot} came back twice`)
              assert(queue.usedLen <= SLOT_LEN)
              assert(looks++ <= SIZE)
            }
          }
        }
      }),
    )
  })
})
