import assert from 'node:assert/strict'
import { describe, it, test } from 'node:test'
import { frameOf, fromHex, toHex } from '@mirage-ts/core/bytes'
import { NO_LOG } from '@mirage-ts/core/log'
import type { Mac } from '@mirage-ts/signatures/addresses'
import type { Frame } from '@mirage-ts/signatures/bytes'
import { runNetworkConformance } from '@mirage-ts/testing/conformance/network-suite'
import { createHostNetwork, type FrameDevice } from './net.ts'

/** A host that takes as many frames as it has room for. */
class SimulatedHost implements FrameDevice {
  readonly headroomBytes = 4
  readonly arrived: Uint8Array[] = []
  readonly sent: string[] = []
  room = Number.POSITIVE_INFINITY
  isGone = false

  receive(bytes: Uint8Array, lens: Uint32Array): number {
    if (this.isGone) return -1
    const part = bytes.length / lens.length
    const frames = this.arrived.splice(0, lens.length)
    for (const [i, frame] of frames.entries()) {
      bytes.set(frame.subarray(0, part), i * part)
      lens[i] = Math.min(frame.length, part)
    }
    return frames.length
  }

  send(bytes: Uint8Array, spans: Uint32Array, count: number): number {
    if (this.isGone) return -1
    const taken = Math.min(count, this.room)
    for (let i = 0; i < taken; i++) {
      const off = spans[2 * i] ?? 0
      const end = spans[2 * i + 1] ?? 0
      bytes.fill(0xff, off - this.headroomBytes, off)
      this.sent.push(toHex(bytes, off, end))
    }
    return taken
  }
}

function setUp() {
  const host = new SimulatedHost()
  const network = createHostNetwork({ device: host, log: NO_LOG.logger('test') }, { mac: 2 as Mac, name: 'test' })
  const received: string[] = []
  network.listen((frame, off, end) => received.push(toHex(frame.u8, off, end)))
  const lend = (octet: number): Frame => {
    const frame = network.alloc()
    assert(frame !== undefined)
    frame.u8.fill(octet)
    return frame
  }
  return { host, network, received, lend }
}

const hexOf = (octet: number, lenBytes = 14): string => octet.toString(16).padStart(2, '0').repeat(lenBytes)

describe('network of a host descriptor', () => {
  it('hands up every frame of a batch in order, and asks for another round when the batch was full', () => {
    const { host, network, received } = setUp()
    for (let i = 0; i < 100; i++) host.arrived.push(new Uint8Array(14).fill(i))
    assert.equal(network.poll(), true)
    assert.equal(network.poll(), false)
    assert.deepEqual(
      received,
      Array.from({ length: 100 }, (_, i) => hexOf(i)),
    )
    assert.equal(network.stats.rxFrames, 100)
  })

  it('drops frames that are too short or too long', () => {
    const { host, network, received } = setUp()
    for (const lenBytes of [0, 13, 14, 1514, 1515, 9000]) host.arrived.push(new Uint8Array(lenBytes))
    network.poll()
    assert.deepEqual(
      received.map((hex) => hex.length / 2),
      [14, 1514],
    )
    assert.equal(network.stats.rxDropped, 4)
  })

  it('sends what was queued in one call, keeps what the host had no room for, in order', () => {
    const { host, network, lend } = setUp()
    host.room = 3
    for (let i = 0; i < 8; i++) network.send(lend(i), 4, 18)
    assert.deepEqual(host.sent, [])
    network.flush()
    assert.equal(host.sent.length, 3)
    network.send(lend(8), 4, 18)
    for (let i = 0; i < 3; i++) network.flush()
    assert.deepEqual(
      host.sent,
      Array.from({ length: 9 }, (_, i) => hexOf(i)),
    )
  })

  it('lends no more buffers than it has, and gets them back when the host has room again', () => {
    const { host, network } = setUp()
    host.room = 0
    let count = 0
    for (let frame = network.alloc(); frame !== undefined; frame = network.alloc()) {
      network.send(frame, 4, 18)
      count++
    }
    assert.equal(count, 256)
    host.room = 10
    assert.notEqual(network.alloc(), undefined)
    assert.equal(host.sent.length, 10)
  })

  it('refuses a frame that is not its own or was given back before', () => {
    const { network, lend } = setUp()
    const frame = lend(1)
    network.free(frame)
    assert.throws(() => network.send(frame, 4, 18), TypeError)
    assert.throws(() => network.free(frameOf(frame.u8)), TypeError)
  })

  it('drops what is too long, leaves no room for the host, or comes after close', () => {
    const { host, network, lend } = setUp()
    network.send(lend(1), 4, 4 + 1515)
    network.send(lend(2), 3, 18)
    const frame = lend(3)
    network.close()
    network.send(frame, 4, 18)
    assert.equal(network.stats.txDropped, 3)
    assert.deepEqual(host.sent, [])
    assert.equal(network.alloc(), undefined)
  })

  it('is closed when the host has gone', () => {
    const { host, network, lend } = setUp()
    const frame = lend(1)
    host.isGone = true
    assert.equal(network.poll(), false)
    network.send(frame, 4, 18)
    network.flush()
    assert.equal(network.alloc(), undefined)
    assert.equal(network.stats.txDropped, 1)
  })
})

runNetworkConformance(test, 'host descriptor', () => {
  const { host, network } = setUp()
  network.listen(undefined as never)
  return {
    network,
    sent: () => host.sent.splice(0).map((hex) => fromHex(hex)),
    deliver: (bytes) => void host.arrived.push(bytes),
    async settle() {
      network.poll()
      network.flush()
    },
  }
})
