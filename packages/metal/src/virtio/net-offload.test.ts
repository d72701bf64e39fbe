/** Offload of the virtio network interface: what is agreed on, what is written, and what a device may say. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { fromHex, toHex } from '@mirage-ts/core/bytes'
import { CHECKSUM_AS_IS, CHECKSUM_PARTIAL, CHECKSUM_VERIFIED } from '@mirage-ts/core/offload'
import type { Frame } from '@mirage-ts/signatures/bytes'
import { SeededRandom } from '@mirage-ts/testing/seeded-random'
import { createVirtioNetwork } from './net.ts'
import { SimulatedMemory } from './simulated-device.ts'
import { SimulatedNetDevice } from './simulated-net.ts'

const RECEIVE = 0
const TRANSMIT = 1
const BASE = (1 << 29) | (1 << 5)
const CSUM = 1
const GUEST_CSUM = 2
const GUEST_TSO4 = 1 << 7
const GUEST_TSO6 = 1 << 8
const HOST_TSO4 = 1 << 11
const HOST_TSO6 = 1 << 12
const MRG_RXBUF = 1 << 15
const ALL = CSUM | GUEST_CSUM | GUEST_TSO4 | GUEST_TSO6 | HOST_TSO4 | HOST_TSO6 | MRG_RXBUF

const PARTIAL = '01 00 0000 0000 2200 1000'
const TSO4 = '01 01 4200 a805 2200 1000'

interface Received {
  readonly lenBytes: number
  readonly head: string
  readonly state: number
  readonly from: number
  readonly segmentBytes: number
}

function setUp(features = ALL, queueSize = 64) {
  const memory = new SimulatedMemory()
  const device = new SimulatedNetDevice(memory, queueSize)
  device.features = [BASE | features, 1]
  const network = createVirtioNetwork(device, memory)
  const received: Received[] = []
  network.listen((frame, off, end) => {
    const { checksumState: state, checksumFrom, segmentBytes } = frame
    received.push({
      lenBytes: end - off,
      head: toHex(frame.u8, off, off + 2),
      state,
      from: checksumFrom - off,
      segmentBytes,
    })
  })
  /** Writes header and `lenBytes` of frame into as many buffers as they take, of which the header claims `count`. */
  const deliver = (header: string, lenBytes: number, count?: number): void => {
    const octets = new Uint8Array(12 + lenBytes).fill(0x50, 12)
    octets.set(fromHex(header))
    const queue = device.queues[RECEIVE]
    assert(queue !== undefined)
    const parts: { id: number; lenBytes: number }[] = []
    let first: DataView | undefined
    for (let off = 0; off < octets.length || parts.length === 0; ) {
      const buffer = queue.take()
      assert(buffer !== undefined, 'a receive buffer')
      first ??= buffer.view
      const part = octets.subarray(off, off + buffer.view.byteLength)
      new Uint8Array(buffer.view.buffer, buffer.view.byteOffset).set(part)
      parts.push({ id: buffer.id, lenBytes: part.length })
      off += part.length
    }
    first?.setUint16(10, count ?? parts.length, true)
    for (const part of parts) queue.giveBack(part.id, part.lenBytes)
  }
  const large = (): Frame => {
    const frame = network.allocLarge()
    assert(frame !== undefined)
    frame.u8.fill(0x45)
    frame.u8[12 + 34 + 12] = 0x80 // data offset: 32 octets
    frame.checksumState = CHECKSUM_PARTIAL
    frame.checksumFrom = 12 + 34
    frame.checksumAt = 12 + 50
    frame.segmentBytes = 1448
    return frame
  }
  return { memory, device, network, received, deliver, large }
}

describe('virtio network, offload', () => {
  it('agrees on what fits together, and offers what was agreed (§5.1.3.1)', () => {
    for (const [offered, taken, checksum, tcp4, tcp6] of [
      [ALL, ALL, true, 65535, 65535],
      [0, 0, false, 0, 0],
      [CSUM, CSUM, true, 0, 0],
      [GUEST_CSUM, GUEST_CSUM, false, 0, 0],
      [HOST_TSO4 | HOST_TSO6, 0, false, 0, 0],
      [CSUM | HOST_TSO4, CSUM | HOST_TSO4, true, 65535, 0],
      [CSUM | HOST_TSO6, CSUM | HOST_TSO6, true, 0, 65535],
      [GUEST_CSUM | GUEST_TSO4 | GUEST_TSO6, GUEST_CSUM, false, 0, 0],
      [GUEST_TSO4 | MRG_RXBUF, 0, false, 0, 0],
      [GUEST_CSUM | GUEST_TSO4 | MRG_RXBUF, GUEST_CSUM | GUEST_TSO4 | MRG_RXBUF, false, 0, 0],
      [MRG_RXBUF, 0, false, 0, 0],
    ] as const) {
      const { device, network } = setUp(offered)
      assert.equal(device.driverFeatures[0], BASE | taken, offered.toString(16))
      assert.deepEqual(network.offload, { checksum, tcp4Bytes: tcp4, tcp6Bytes: tcp6 })
      assert.equal(network.allocLarge() !== undefined, tcp4 + tcp6 > 0)
    }
  })

  it('takes nothing when told not to', () => {
    const memory = new SimulatedMemory()
    const device = new SimulatedNetDevice(memory, 16)
    device.features = [BASE | ALL, 1]
    const network = createVirtioNetwork(device, memory, { offload: false })
    assert.equal(device.driverFeatures[0], BASE)
    assert.equal(network.offload.checksum, false)
  })

  it('sends a large frame in one buffer, with what is left to do in front of it', () => {
    const { device, network, large } = setUp()
    network.send(large(), 12, 12 + 65_549)
    const sent = device.queues[TRANSMIT]?.take()
    assert.equal(sent?.view.byteLength, 12 + 65_549)
    const header = toHex(new Uint8Array(sent?.view.buffer ?? new ArrayBuffer(0), sent?.view.byteOffset, 12))
    assert.equal(header, '01014200a805220010000000')
    assert.equal(network.stats.txDropped, 0)
  })

  it('a buffer lent again has nothing left to do', () => {
    const { device, network, large } = setUp()
    network.free(large())
    const again = network.allocLarge()
    assert(again !== undefined)
    assert.deepEqual([again.checksumState, again.segmentBytes], [CHECKSUM_AS_IS, 0])
    network.send(again, 12, 12 + 100)
    assert.equal(device.queues[TRANSMIT]?.take()?.view.getUint32(0), 0)
  })

  it('drops a frame longer than any packet, and a long one that is not large', () => {
    const { device, network, large } = setUp()
    network.send(large(), 12, 12 + 14 + 65_536)
    const frame = large()
    frame.segmentBytes = 0
    network.send(frame, 12, 12 + 1515)
    assert.equal(network.stats.txDropped, 2)
    assert.equal(device.queues[TRANSMIT]?.take(), undefined)
  })

  it('lends some large buffers and gets them back; without memory for more it makes do', () => {
    const { memory, device, network, large } = setUp()
    for (let i = 0; i < 16; i++) network.send(large(), 12, 100)
    assert.equal(network.allocLarge(), undefined)
    const first = device.queues[TRANSMIT]?.take()
    device.queues[TRANSMIT]?.giveBack(first?.id ?? 0, 0)
    network.free(large())

    const small = setUp()
    small.memory.leftBytes = 2.5 * 65_600
    const lent = [small.network.allocLarge(), small.network.allocLarge(), small.network.allocLarge()]
    assert.equal(lent.filter((frame) => frame !== undefined).length, 2)
    small.memory.leftBytes = 1e9
    assert.equal(small.network.allocLarge(), undefined, 'it does not ask for ever')
    assert.ok(small.network.alloc() !== undefined)
    assert.ok(memory.leftBytes > 0)
  })

  it('hands up frames with what the device knows of their checksums', () => {
    const { network, received, deliver } = setUp()
    deliver(PARTIAL, 100)
    deliver('02 00 0000 0000 0000 0000', 100)
    deliver('00 00 0000 0000 0000 0000', 100)
    network.poll()
    assert.deepEqual(
      received.map(({ state }) => state),
      [CHECKSUM_PARTIAL, CHECKSUM_VERIFIED, CHECKSUM_AS_IS],
    )
    assert.equal(received[0]?.from, 34)
  })

  it('believes nothing of checksums that it did not agree to hear', () => {
    const { network, received, deliver } = setUp(0)
    deliver('02 00 0000 0000 0000 0000', 100)
    deliver(TSO4, 1400)
    network.poll()
    assert.deepEqual(
      received.map(({ state, segmentBytes }) => [state, segmentBytes]),
      [
        [CHECKSUM_AS_IS, 0],
        [CHECKSUM_AS_IS, 0],
      ],
    )
  })

  it('puts a large frame together from its buffers, also when they come one by one', () => {
    const { device, network, received, deliver } = setUp()
    for (let i = 0; i < 20; i++) {
      deliver(TSO4, 65_549)
      deliver(PARTIAL, 60)
      network.poll()
    }
    assert.equal(received.length, 40)
    assert.deepEqual(received[38], { lenBytes: 65_549, head: '5050', state: 2, from: 34, segmentBytes: 1448 })
    assert.deepEqual(received[39], { lenBytes: 60, head: '5050', state: 2, from: 34, segmentBytes: 0 })
    const queue = device.queues[RECEIVE]
    const two = [queue?.take(), queue?.take()]
    two[0]?.view.setUint16(10, 2, true)
    queue?.giveBack(two[0]?.id ?? 0, 4096)
    network.poll()
    assert.equal(received.length, 40)
    queue?.giveBack(two[1]?.id ?? 0, 100)
    network.poll()
    assert.equal(network.stats.rxDropped, 1, 'of what type it is the header did not say')
    deliver(PARTIAL, 60)
    network.poll()
    assert.equal(received.length, 41)
  })

  it('drops a frame of too many buffers, of none, or longer than any packet, and finds the next one', () => {
    const { network, received, deliver } = setUp()
    deliver(TSO4, 60, 0)
    deliver(TSO4, 60, 65)
    network.poll()
    assert.equal(network.counters.badMerge, 2)
    deliver(TSO4, 65_550)
    deliver(PARTIAL, 60)
    network.poll()
    assert.equal(network.counters.badMerge, 3)
    assert.equal(received.length, 1)
    assert.equal(network.stats.rxDropped, 3)
  })

  it('drops a frame whose header makes no sense, or that is long without being large', () => {
    const { network, received, deliver } = setUp()
    deliver('01 00 0000 0000 ffff ffff', 100)
    deliver('01 03 4200 a805 2200 1000', 100)
    network.poll()
    assert.equal(network.counters.badOffload, 2)
    deliver(PARTIAL, 1515)
    deliver(PARTIAL, 5)
    network.poll()
    assert.deepEqual(received, [])
    assert.equal(network.stats.rxDropped, 4)
  })

  it('random headers, counts and lengths: what is handed up is always within a frame', () => {
    const random = new SeededRandom(7)
    const { device, network } = setUp()
    let count = 0
    network.listen((frame, off, end) => {
      count++
      const { checksumState, checksumFrom, checksumAt, segmentBytes } = frame
      assert.ok(off === 12 && end <= frame.u8.length && end - off >= 14)
      assert.ok(segmentBytes > 0 || end - off <= 1514)
      if (checksumState === CHECKSUM_PARTIAL) assert.ok(checksumFrom >= off + 14 && checksumAt + 2 <= end)
    })
    const queue = device.queues[RECEIVE]
    for (let i = 0; i < 20_000; i++) {
      const buffer = queue?.take()
      assert(buffer !== undefined)
      for (let at = 0; at < 12; at++) buffer.view.setUint8(at, random.chance(0.7) ? 0 : random.below(256))
      buffer.view.setUint8(0, random.below(3))
      buffer.view.setUint16(6, random.chance(0.5) ? 34 : random.below(2000), true)
      buffer.view.setUint16(8, random.chance(0.5) ? 16 : random.below(40), true)
      buffer.view.setUint16(10, random.chance(0.9) ? 1 + random.below(3) : random.below(65536), true)
      if (random.chance(0.05)) queue?.giveBack(64 + random.below(1000), random.below(4200))
      queue?.giveBack(buffer.id, random.chance(0.5) ? random.below(200) : random.below(4200))
      if (random.chance(0.3)) network.poll()
    }
    assert.ok(count > 1000)
  })
})
