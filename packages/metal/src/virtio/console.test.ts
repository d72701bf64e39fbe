import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { VirtioConsole } from './console.ts'
import { SimulatedMemory } from './simulated-device.ts'
import { SimulatedNetDevice } from './simulated-net.ts'

const F_EMERGENCY_WRITE = 1 << 2
const QUEUE_TRANSMIT = 1

/** What the device does when it is notified, and each time the driver looks at the clock. */
type Behaviour = (device: SimulatedNetDevice) => void

function setUp(behaviour: Behaviour, features = 1 << 29, queueSize = 8) {
  const memory = new SimulatedMemory()
  const device = new SimulatedNetDevice(memory, queueSize)
  device.features = [features, 1]
  let nowUs = 0
  const console = new VirtioConsole(device, memory, () => {
    behaviour(device)
    nowUs += 100
    return nowUs
  })
  return { device, console, now: () => nowUs }
}

/** Takes what was written, `most` buffers at a time, as octets. */
function taking(written: number[], most = Number.POSITIVE_INFINITY): Behaviour {
  return (device) => {
    for (let i = 0; i < most; i++) {
      const given = device.queues[QUEUE_TRANSMIT]?.take()
      if (given === undefined) return
      assert.equal(given.isWritable, false)
      for (let at = 0; at < given.view.byteLength; at++) written.push(given.view.getUint8(at))
      device.queues[QUEUE_TRANSMIT]?.giveBack(given.id, 0)
    }
  }
}

const utf8 = (text: string) => [...new TextEncoder().encode(text)]

describe('virtio console', () => {
  it('writes text as UTF-8, exactly and in order, however long and however slow the device is', () => {
    const texts = fc.array(fc.string({ unit: 'grapheme', maxLength: 3000 }), { maxLength: 6 })
    fc.assert(
      fc.property(texts, fc.integer({ min: 1, max: 5 }), fc.constantFrom(1, 3, 8, 64), (parts, most, queueSize) => {
        const written: number[] = []
        const { console } = setUp(taking(written, most), 1 << 29, queueSize)
        for (const part of parts) console.write(part)
        console.drain()
        assert.deepEqual(written, utf8(parts.join('')))
        assert.equal(console.lostLen, 0)
      }),
      { numRuns: 60 },
    )
  })

  it('writes U+FFFD for half of a surrogate pair', () => {
    const written: number[] = []
    const { console } = setUp(taking(written))
    console.write('a\ud800b')
    console.drain()
    assert.deepEqual(written, utf8('a\ufffdb'))
  })

  it('notifies once for a line, does not wait for it, and wants no interrupt', () => {
    const { device, console, now } = setUp(() => {})
    console.write('hello\n')
    assert.deepEqual([device.notified, now()], [[QUEUE_TRANSMIT], 0])
    assert.equal(device.queues[QUEUE_TRANSMIT]?.wantsInterrupt(0), false)
  })

  it('gives up a device that takes nothing after a second, and comes back to it', () => {
    let isAwake = false
    const written: number[] = []
    const take = taking(written)
    const { console, now } = setUp((device) => (isAwake ? take(device) : undefined))
    console.write('x'.repeat(8 * 512))
    assert.equal(now(), 0)
    console.write('lost')
    assert.ok(now() >= 1_000_000 && now() < 1_100_000)
    console.write('lost as well')
    assert.ok(now() < 1_100_000, 'waited again')
    assert.equal(console.lostLen, 16)
    isAwake = true
    console.drain()
    console.write('heard')
    console.drain()
    assert.deepEqual(written, utf8(`${'x'.repeat(8 * 512)}heard`))
  })

  it('tells a device that takes no buffers in an emergency, character by character (§5.3.5.1)', () => {
    const { device, console } = setUp(() => {}, F_EMERGENCY_WRITE)
    console.write('x'.repeat(8 * 512))
    console.write('é!')
    assert.deepEqual(
      device.configWrites,
      utf8('é!').map((octet) => [8, octet]),
    )
    assert.equal(console.lostLen, 0)
  })

  it('ends, whatever a hostile device writes', () => {
    const step = fc.oneof(
      fc.record({ what: fc.constant('used' as const), value: fc.oneof(fc.nat(9), fc.nat()) }),
      fc.record({ what: fc.constant('advance' as const), value: fc.nat(0xffff) }),
      fc.record({ what: fc.constant('take' as const), value: fc.constant(0) }),
    )
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        let at = 0
        const { console, now } = setUp((device) => {
          const { what, value } = steps[at++] ?? { what: 'take', value: 0 }
          const queue = device.queues[QUEUE_TRANSMIT]
          if (what === 'used') queue?.giveBack(value, value)
          else if (what === 'advance') queue?.advance(value)
          else queue?.take()
        })
        for (let i = 0; i < 20; i++) console.write('y'.repeat(2000))
        console.drain()
        // It waits anew only after a buffer came back, of which there are no more than steps.
        assert.ok(now() <= (steps.length + 8) * 1_100_000, `${now()}`)
      }),
      { numRuns: 50 },
    )
  })

  it('says what is wrong with a device it cannot drive', () => {
    assert.throws(() => setUp(() => {}, 0, 0), /Cannot use console device at simulated: it has no queue to write to/)
  })
})
