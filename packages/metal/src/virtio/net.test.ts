import assert from 'node:assert/strict'
import { describe, it, test } from 'node:test'
import { frameOf, toHex } from '@mirage-ts/core/bytes'
import type { Frame } from '@mirage-ts/signatures/bytes'
import { runNetworkConformance } from '@mirage-ts/testing/conformance/network-suite'
import { createVirtioNetwork } from './net.ts'
import { SimulatedMemory } from './simulated-device.ts'
import { SimulatedNetDevice } from './simulated-net.ts'

const RECEIVE = 0
const TRANSMIT = 1

function setUp(queueSize = 4) {
  const memory = new SimulatedMemory()
  const device = new SimulatedNetDevice(memory, queueSize)
  const network = createVirtioNetwork(device, memory)
  const received: string[] = []
  network.listen((frame, off, end) => received.push(toHex(frame.u8, off, end)))
  const deliver = (frameLen: number, claimedLen = 12 + frameLen): void => {
    const buffer = device.queues[RECEIVE]?.take()
    assert(buffer !== undefined)
    for (let i = 0; i < frameLen; i++) buffer.view.setUint8(12 + i, i & 255)
    device.queues[RECEIVE]?.giveBack(buffer.id, claimedLen)
    device.interrupt = true
  }
  const lend = (): Frame => {
    const frame = network.alloc()
    assert(frame !== undefined)
    return frame
  }
  return { memory, device, network, received, deliver, lend }
}

describe('virtio network', () => {
  it('reads its address, offers every receive buffer and tells the device', () => {
    const { device, network } = setUp()
    assert.equal(network.mac, 0x020000000002)
    assert.deepEqual(device.notified, [RECEIVE])
    for (let i = 0; i < 4; i++) assert.equal(device.queues[RECEIVE]?.take()?.isWritable, true)
  })

  it('hands frames up in place, acknowledges, and gives the buffers back', () => {
    const { device, network, received, deliver } = setUp()
    for (let i = 0; i < 10; i++) {
      deliver(14)
      assert.equal(network.poll(), false)
      assert.equal(device.interrupt, false)
    }
    assert.deepEqual(received, new Array(10).fill('000102030405060708090a0b0c0d'))
    assert.equal(network.stats.rxFrames, 10)
  })

  it('drops buffers that are too short for a frame or claim too much', () => {
    const { network, received, deliver } = setUp()
    deliver(13)
    deliver(0, 3)
    deliver(14, 0xffffffff)
    network.poll()
    assert.deepEqual(received, [])
    assert.equal(network.stats.rxDropped, 3)
    assert.equal(network.counters.shortFrame, 2)
  })

  it('sends a frame behind an all-zero header, whatever the buffer held (MSA01: stale octets)', () => {
    const { device, network, lend } = setUp()
    const frame = lend()
    frame.u8.fill(0xee)
    network.send(frame, 20, 20 + 60)
    network.flush()
    const sent = device.queues[TRANSMIT]?.take()
    assert.equal(sent?.isWritable, false)
    assert.equal(sent?.view.byteLength, 72)
    assert.equal(sent?.view.getUint32(0), 0)
    assert.equal(sent?.view.getUint32(8), 0)
    assert.equal(sent?.view.getUint32(12), 0xeeeeeeee)
    assert.deepEqual(device.notified, [RECEIVE, TRANSMIT])
  })

  it('lends no more buffers than it has, and gets them back from the device', () => {
    const { device, network, lend } = setUp()
    for (let i = 0; i < 4; i++) network.send(lend(), 12, 72)
    assert.equal(network.alloc(), undefined)
    const first = device.queues[TRANSMIT]?.take()
    device.queues[TRANSMIT]?.giveBack(first?.id ?? 0, 0)
    network.free(lend())
    lend()
    assert.equal(network.alloc(), undefined)
  })

  it('refuses a frame that is not its own or was given back before', () => {
    const { network, lend } = setUp()
    const frame = lend()
    network.free(frame)
    assert.throws(() => network.send(frame, 12, 72), TypeError)
    assert.throws(() => network.free(frameOf(frame.u8)), TypeError)
  })

  it('drops frames that are too long or leave no room for the header, and after close', () => {
    const { device, network, lend } = setUp()
    network.send(lend(), 12, 12 + 1515)
    network.send(lend(), 11, 72)
    const frame = lend()
    network.close()
    network.send(frame, 12, 72)
    assert.equal(network.stats.txDropped, 3)
    assert.equal(device.queues[TRANSMIT]?.take(), undefined)
    assert.equal(network.alloc(), undefined)
  })

  it('takes an MTU that its buffers have room for, and of another says nothing (§5.1.4.2)', () => {
    for (const [mtuBytes, isTaken] of [
      [1400, true],
      [68, true],
      [9000, false],
      [67, false],
    ] as const) {
      const memory = new SimulatedMemory()
      const device = new SimulatedNetDevice(memory, 4)
      device.features[0] |= 1 << 3
      device.mtuBytes = mtuBytes
      assert.equal(createVirtioNetwork(device, memory).mtuBytes, isTaken ? mtuBytes : 1500)
      assert.equal(((device.driverFeatures[0] ?? 0) & (1 << 3)) !== 0, isTaken)
    }
  })

  it('closes a device that says it needs a reset, and says so once (§2.1.1)', () => {
    const memory = new SimulatedMemory()
    const device = new SimulatedNetDevice(memory, 4)
    let count = 0
    const network = createVirtioNetwork(device, memory, { onBroken: () => count++ })
    assert.equal(network.poll(), false)
    device.needsReset = true
    for (let i = 0; i < 3; i++) assert.equal(network.poll(), false)
    assert.deepEqual([count, network.counters.broken, device.status()], [1, 1, 0])
    assert.equal(network.alloc(), undefined)
  })

  it('says what is wrong with a device it cannot drive', () => {
    const open = (change: (device: SimulatedNetDevice) => void, size = 4) => {
      const memory = new SimulatedMemory()
      const device = new SimulatedNetDevice(memory, size)
      change(device)
      return () => createVirtioNetwork(device, memory)
    }
    assert.throws(
      open((device) => {
        device.features[1] = 0
      }),
      /legacy/,
    )
    assert.throws(
      open((device) => {
        device.features[0] = 0
      }),
      /no MAC address/,
    )
    assert.throws(
      open((device) => {
        device.refusesFeatures = true
      }),
      /refuses features 0x20000020/,
    )
    assert.throws(
      open(() => {}, 0),
      /no queue 0/,
    )
  })
})

/** The device of a test that takes what is sent and delivers what it is told. */
function conformanceSetUp(features: number) {
  const memory = new SimulatedMemory()
  const device = new SimulatedNetDevice(memory, 64)
  device.features = [(1 << 29) | (1 << 5) | features, 1]
  const network = createVirtioNetwork(device, memory)
  const sent: Uint8Array[] = []
  return {
    network,
    sent: () => sent.splice(0),
    deliver(bytes: Uint8Array): void {
      const buffer = device.queues[RECEIVE]?.take()
      assert(buffer !== undefined)
      const octets = new Uint8Array(buffer.view.buffer, buffer.view.byteOffset, buffer.view.byteLength)
      octets.fill(0, 0, 12)
      octets[10] = 1
      octets.set(bytes, 12)
      device.queues[RECEIVE]?.giveBack(buffer.id, 12 + bytes.length)
    },
    async settle(): Promise<void> {
      network.poll()
      network.flush()
      const queue = device.queues[TRANSMIT]
      for (let buffer = queue?.take(); buffer !== undefined; buffer = queue?.take()) {
        const { view } = buffer
        sent.push(new Uint8Array(view.buffer, view.byteOffset + 12, view.byteLength - 12).slice())
        queue?.giveBack(buffer.id, 0)
      }
    },
  }
}

runNetworkConformance(test, 'virtio without offload', () => conformanceSetUp(0))
runNetworkConformance(test, 'virtio with every offload', () => conformanceSetUp(0x9983))
