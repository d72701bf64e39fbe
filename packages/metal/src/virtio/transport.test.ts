/** What every driver does before its device is live, and when it gives it up. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { SimulatedMemory } from './simulated-device.ts'
import { SimulatedNetDevice } from './simulated-net.ts'
import { negotiate, readWhole, STATUS_FAILED, startDevice, unusable } from './transport.ts'

const EVENT_IDX = 1 << 29
const STATUS_LIVE = 15

function device(change: (device: SimulatedNetDevice) => void = () => {}): SimulatedNetDevice {
  const made = new SimulatedNetDevice(new SimulatedMemory(), 8)
  change(made)
  return made
}

describe('virtio transport', () => {
  it('takes of the features offered those that are wanted, and says step by step how far it is (§3.1.1)', () => {
    const made = device()
    const steps: number[] = []
    const setStatus = made.setStatus.bind(made)
    made.setStatus = (status) => {
      steps.push(status)
      setStatus(status)
    }
    assert.equal(negotiate(made, EVENT_IDX | 3), EVENT_IDX)
    startDevice(made)
    assert.deepEqual(steps, [0, 1, 3, 11, STATUS_LIVE])
    assert.deepEqual(made.driverFeatures, [EVENT_IDX, 1])
  })

  it('accepts that the device is behind an IOMMU or real hardware, and nothing else of the second word (§6.1)', () => {
    const made = device((one) => {
      one.features[1] = -1
    })
    negotiate(made, EVENT_IDX)
    assert.equal(made.driverFeatures[1], 0b10011)
  })

  it('waits until the device is reset, and gives up one that never is (§2.4.2, §4.1.4.3.2)', () => {
    const slow = device((one) => {
      one.resetLooks = 50
    })
    negotiate(slow, EVENT_IDX)
    const never = device()
    never.setStatus = () => {}
    never.status = () => 1
    assert.throws(() => negotiate(never, EVENT_IDX), /Cannot use virtio device at simulated: it does not reset/)
  })

  it('tells a device that is given up so, and clears no other bit (§2.1.1, §2.2.1)', () => {
    const legacy = device((one) => {
      one.features[1] = 0
    })
    assert.throws(() => negotiate(legacy, EVENT_IDX), /legacy/)
    assert.equal(legacy.status(), STATUS_FAILED | 3)
    const refusing = device((one) => {
      one.refusesFeatures = true
    })
    assert.throws(() => negotiate(refusing, EVENT_IDX), /refuses features 0x20000000/)
    assert.equal(refusing.status(), STATUS_FAILED | 3)
    const live = device()
    negotiate(live, EVENT_IDX)
    startDevice(live)
    assert.match(unusable(live, 'test', 'why').message, /^Cannot use test device at simulated: why$/)
    assert.equal(live.status(), STATUS_FAILED | STATUS_LIVE)
  })

  it('reads a configuration again that changed meanwhile, and gives up one that always does (§2.5.1)', () => {
    const changing = device((one) => {
      one.configChanges = 20
    })
    let reads = 0
    const read = () => {
      reads++
      return [0, 1, 2, 3, 4, 5].map((off) => changing.readConfig8(off))
    }
    assert.deepEqual(readWhole(changing, read), [2, 0, 0, 0, 0, 2])
    assert.equal(reads, 5)
    changing.configChanges = Number.POSITIVE_INFINITY
    assert.throws(() => readWhole(changing, read), /its configuration changes each time it is read/)
  })
})
