/** The virtio network interface against a device that does whatever it likes with its rings. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { CHECKSUM_PARTIAL } from '@mirage-ts/core/offload'
import type { Frame } from '@mirage-ts/signatures/bytes'
import fc from 'fast-check'
import { createVirtioNetwork } from './net.ts'
import { SimulatedMemory } from './simulated-device.ts'
import { SimulatedNetDevice } from './simulated-net.ts'

const RECEIVE = 0
const TRANSMIT = 1
const QUEUE_SIZE = 16
const EVENT_IDX = 1 << 29
const MAC = 1 << 5
const OFFLOADS = 0x9983

const number16 = fc.nat(0xffff)
const step = fc.oneof(
  // A buffer comes back with a header of the device's choice, more or fewer octets than it holds, and perhaps another id.
  fc.record({
    what: fc.constant('receive' as const),
    header: fc.uint8Array({ minLength: 10, maxLength: 10 }),
    bufferCount: fc.oneof(fc.constant(1), fc.nat(20), number16),
    len: fc.oneof(fc.nat(5000), fc.nat()),
    id: fc.option(fc.oneof(fc.nat(QUEUE_SIZE), fc.nat()), { freq: 3 }),
  }),
  fc.record({ what: fc.constant('sent' as const), id: fc.option(fc.oneof(fc.nat(QUEUE_SIZE), fc.nat()), { freq: 3 }) }),
  fc.record({ what: fc.constant('advance' as const), queue: fc.constantFrom(RECEIVE, TRANSMIT), by: number16 }),
  fc.record({ what: fc.constant('event' as const), queue: fc.constantFrom(RECEIVE, TRANSMIT), at: number16 }),
  fc.record({ what: fc.constantFrom('lend' as const, 'large' as const, 'free' as const, 'poll' as const) }),
  fc.record({ what: fc.constant('send' as const), len: fc.nat(70_000), segmentBytes: fc.constantFrom(0, 1448) }),
)

describe('virtio network with a device that misbehaves', () => {
  it('hands up and lends only memory of its own, a buffer to one at a time, and every call ends', () => {
    const property = fc.property(
      fc.array(step, { maxLength: 80 }),
      fc.constantFrom(0, EVENT_IDX),
      fc.constantFrom(0, OFFLOADS),
      (steps, eventIdx, offloads) => {
        const memory = new SimulatedMemory()
        const device = new SimulatedNetDevice(memory, QUEUE_SIZE)
        device.features = [MAC | eventIdx | offloads, 1]
        const network = createVirtioNetwork(device, memory)
        network.listen((frame, off, end) => {
          assert.ok(off >= 12 && end - off >= 14 && end <= frame.u8.length)
          assert.ok(frame.segmentBytes > 0 || end - off <= 14 + network.mtuBytes)
          if (frame.checksumState !== CHECKSUM_PARTIAL) return
          assert.ok(frame.checksumFrom >= off + 14 && frame.checksumAt + 2 <= end)
        })
        const lent = new Set<Frame>()
        const lend = (frame: Frame | undefined): void => {
          if (frame === undefined) return
          assert.ok(!lent.has(frame), 'a buffer was lent twice')
          lent.add(frame)
        }
        const takeOne = (): Frame | undefined => {
          const [frame] = lent
          if (frame !== undefined) lent.delete(frame)
          return frame
        }
        for (const one of steps) {
          if (one.what === 'receive') {
            const buffer = device.queues[RECEIVE]?.take()
            if (buffer === undefined) continue
            for (const [i, octet] of one.header.entries()) buffer.view.setUint8(i, octet)
            buffer.view.setUint16(10, one.bufferCount, true)
            device.queues[RECEIVE]?.giveBack(one.id ?? buffer.id, one.len)
          } else if (one.what === 'sent') {
            const buffer = device.queues[TRANSMIT]?.take()
            // What the device reads lies within what it was offered, whatever it did before: `take` looks.
            if (buffer !== undefined) device.queues[TRANSMIT]?.giveBack(one.id ?? buffer.id, 0)
          } else if (one.what === 'advance') device.queues[one.queue]?.advance(one.by)
          else if (one.what === 'event') device.queues[one.queue]?.setAvailableEvent(one.at)
          else if (one.what === 'lend') lend(network.alloc())
          else if (one.what === 'large') lend(network.allocLarge())
          else if (one.what === 'free') {
            const frame = takeOne()
            if (frame !== undefined) network.free(frame)
          } else if (one.what === 'send') {
            const frame = takeOne()
            if (frame === undefined) continue
            frame.segmentBytes = one.segmentBytes
            network.send(frame, 12, 12 + one.len)
          } else {
            network.poll()
            network.flush()
          }
        }
        const { rxFrames, rxBytes, rxDropped } = network.stats
        assert.ok(rxBytes >= 14 * rxFrames && rxDropped >= network.counters.badOffload + network.counters.badMerge)
      },
    )
    fc.assert(property, { numRuns: 1000 })
  })
})
