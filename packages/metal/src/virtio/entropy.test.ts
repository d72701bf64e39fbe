import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { VirtioEntropy } from './entropy.ts'
import { SimulatedMemory } from './simulated-device.ts'
import { SimulatedNetDevice } from './simulated-net.ts'

/** What the device does each time the driver looks at the clock. */
type Behaviour = (device: SimulatedNetDevice) => void

/** A device whose octets count up, so that one given twice or left out shows. */
function setUp(behaviour: Behaviour) {
  const memory = new SimulatedMemory()
  const device = new SimulatedNetDevice(memory, 8)
  let nowUs = 0
  const clock = () => {
    behaviour(device)
    nowUs += 10
    return nowUs
  }
  return { device, entropy: new VirtioEntropy(device, memory, clock), now: () => nowUs }
}

function counting(lens: readonly number[]): Behaviour {
  let count = 0
  let turn = 0
  return (device) => {
    const given = device.queues[0]?.take()
    if (given === undefined) return
    const lenBytes = lens[turn++ % lens.length] as number
    for (let i = 0; i < lenBytes; i++) given.view.setUint8(i, count++ & 255)
    device.queues[0]?.giveBack(given.id, lenBytes)
  }
}

describe('virtio entropy', () => {
  it('hands out every octet that the device gives, in order, however they are cut', () => {
    const lens = fc.array(fc.integer({ min: 1, max: 256 }), { minLength: 1, maxLength: 5 })
    const asked = fc.array(fc.nat(600), { maxLength: 8 })
    fc.assert(
      fc.property(lens, asked, (given, wanted) => {
        const { entropy } = setUp(counting(given))
        let count = 0
        for (const lenBytes of wanted) {
          const octets = new Uint8Array(lenBytes + 2)
          entropy.fill(octets, 1, lenBytes + 1)
          assert.deepEqual([octets[0], octets[lenBytes + 1]], [0, 0])
          for (let i = 1; i <= lenBytes; i++) assert.equal(octets[i], count++ & 255)
        }
      }),
    )
  })

  it('notifies the device, and asks for no interrupt', () => {
    const count = counting([256])
    const { device, entropy } = setUp((which) => {
      which.queues[0]?.setAvailableEvent(which.queues[0].used)
      count(which)
    })
    entropy.fill(new Uint8Array(300), 0, 300)
    assert.deepEqual(device.notified, [0, 0])
    assert.equal(device.queues[0]?.wantsInterrupt(0), false)
  })

  it('gives up on a device that gives nothing for a second, and takes what comes later', () => {
    let isAwake = false
    const count = counting([256])
    const { device, entropy } = setUp((which) => (isAwake ? count(which) : undefined))
    const octets = new Uint8Array(4)
    assert.throws(() => entropy.fill(octets, 0, 4), /device at simulated gave none for a second/)
    assert.throws(() => entropy.fill(octets, 0, 4), /gave none/)
    isAwake = true
    entropy.fill(octets, 0, 4)
    assert.deepEqual([...octets], [0, 1, 2, 3])
    assert.equal(device.notified.length, 1)
  })

  it('ends, whatever a hostile device writes, and gives nothing that it did not', () => {
    const step = fc.oneof(
      fc.record({ what: fc.constant('used' as const), id: fc.oneof(fc.nat(3), fc.nat()), len: fc.nat(0xffffffff) }),
      fc.record({ what: fc.constant('advance' as const), id: fc.nat(0xffff), len: fc.constant(0) }),
      fc.record({ what: fc.constant('nothing' as const), id: fc.constant(0), len: fc.constant(0) }),
    )
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
        let at = 0
        const { entropy, now } = setUp((device) => {
          const { what, id, len } = steps[at++] ?? { what: 'nothing', id: 0, len: 0 }
          if (what === 'used') device.queues[0]?.giveBack(id, len)
          else if (what === 'advance') device.queues[0]?.advance(id)
        })
        const octets = new Uint8Array(2000)
        try {
          entropy.fill(octets, 0, octets.length)
        } catch (error) {
          assert.match(String(error), /gave none for a second/)
        }
        // A refill for each step at most, a second for each of them.
        assert.ok(now() <= (steps.length + 1) * 1_000_100)
      }),
      { numRuns: 40 },
    )
  })
})
