import assert from 'node:assert/strict'
import { describe, it, test } from 'node:test'
import { frameOf, fromHex, toHex } from '@mirage-ts/core/bytes'
import { NO_LOG } from '@mirage-ts/core/log'
import { CHECKSUM_PARTIAL } from '@mirage-ts/core/offload'
import type { Mac } from '@mirage-ts/signatures/addresses'
import type { Frame } from '@mirage-ts/signatures/bytes'
import { runNetworkConformance } from '@mirage-ts/testing/conformance/network-suite'
import { SeededRandom } from '@mirage-ts/testing/seeded-random'
import { createHostNetwork, type FrameDevice } from './net.ts'

/** A host that takes as many frames as it has room for. */
class SimulatedHost implements FrameDevice {
  readonly headroomBytes = 4
  readonly hasOffload: boolean
  readonly arrived: Uint8Array[] = []
  readonly sent: string[] = []
  room = Number.POSITIVE_INFINITY
  isGone = false

  constructor(hasOffload: boolean) {
    this.hasOffload = hasOffload
  }

  receive(bytes: Uint8Array, spans: Uint32Array, longest: number): number {
    if (this.isGone) return -1
    let at = 0
    let count = 0
    while (this.arrived.length > 0 && 2 * count < spans.length && bytes.length - at >= longest) {
      const frame = this.arrived.shift()?.subarray(0, longest) ?? new Uint8Array()
      bytes.set(frame, at)
      spans[2 * count] = at
      at += frame.length
      spans[2 * count++ + 1] = at
    }
    return count
  }

  send(bytes: Uint8Array, spans: Uint32Array, count: number): number {
    if (this.isGone) return -1
    const taken = Math.min(count, this.room)
    for (let i = 0; i < taken; i++) {
      const off = spans[2 * i] ?? 0
      const end = spans[2 * i + 1] ?? 0
      assert.ok(off >= this.headroomBytes && end <= bytes.length)
      bytes.fill(0xff, off - this.headroomBytes, off)
      this.sent.push(toHex(bytes, off, end))
    }
    return taken
  }
}

function setUp(hasOffload = false) {
  const host = new SimulatedHost(hasOffload)
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

/** As the header of a frame says it: TCP over IPv4 in segments of 1448 octets, and an ordinary frame. */
const TSO4 = '01 01 4200 a805 2200 1000 0000'
const PLAIN = '00 00 0000 0000 0000 0000 0000'

function withHeader(header: string, lenBytes: number): Uint8Array {
  const octets = new Uint8Array(12 + lenBytes).fill(0x50)
  octets.set(fromHex(header))
  return octets
}

describe('network of a host descriptor with offload', () => {
  it('sends what is left to the host in front of a frame', () => {
    const { host, network, lend } = setUp(true)
    assert.deepEqual(network.offload, { checksum: true, tcp4Bytes: 65535, tcp6Bytes: 65535 })
    const frame = lend(0x45)
    frame.checksumState = CHECKSUM_PARTIAL
    frame.checksumFrom = 16 + 34
    frame.checksumAt = 16 + 40
    network.send(frame, 16, 16 + 60)
    network.send(lend(0xee), 16, 16 + 60)
    network.flush()
    assert.deepEqual(host.sent, [
      `010000000000220006000000${hexOf(0x45, 60)}`,
      `000000000000000000000000${hexOf(0xee, 60)}`,
    ])
  })

  it('two large buffers are enough: the host takes the frames that wait when a third is wanted, in order', () => {
    const { host, network, lend } = setUp(true)
    for (let i = 0; i < 20; i++) {
      network.send(lend(i), 16, 30)
      const frame = network.allocLarge()
      assert(frame !== undefined)
      frame.u8.fill(0x40 + i, 16)
      frame.checksumState = CHECKSUM_PARTIAL
      frame.checksumFrom = 50
      frame.checksumAt = 66
      frame.segmentBytes = 1448
      network.send(frame, 16, 16 + 14 + 65535)
    }
    network.flush()
    assert.deepEqual(
      host.sent.map((hex) => [hex.slice(24, 26), hex.length / 2]),
      Array.from({ length: 20 }, (_, i) => [
        [toHex(Uint8Array.of(i)), 26],
        [toHex(Uint8Array.of(0x40 + i)), 12 + 65549],
      ]).flat(),
    )
    assert.equal(network.stats.txDropped, 0)
  })

  it('lends no large buffer while the host takes none', () => {
    const { host, network } = setUp(true)
    host.room = 0
    for (let i = 0; i < 2; i++) {
      const frame = network.allocLarge()
      assert(frame !== undefined)
      frame.segmentBytes = 1448
      network.send(frame, 16, 2000)
    }
    assert.equal(network.allocLarge(), undefined)
    host.room = 1
    assert.notEqual(network.allocLarge(), undefined)
    assert.equal(network.allocLarge()?.segmentBytes, 0)
  })

  it('hands up large frames among small ones, as many at a time as there is room for, and looks again', () => {
    const { host, network } = setUp(true)
    const seen: number[] = []
    network.listen((frame, off, end) => {
      assert.equal(frame.u8[end - 1], 0x50)
      seen.push(frame.segmentBytes, end - off)
    })
    for (let i = 0; i < 5; i++) host.arrived.push(withHeader(PLAIN, 60), withHeader(TSO4, 65549))
    let rounds = 1
    while (network.poll()) rounds++
    assert.deepEqual(seen, new Array(5).fill([0, 60, 1448, 65549]).flat())
    assert.equal(rounds, 3)
  })

  it('drops a frame whose header makes no sense, one cut short, and one that is long without being large', () => {
    const { host, network, received } = setUp(true)
    host.arrived.push(withHeader('01 00 0000 0000 ffff ffff 0000', 100))
    host.arrived.push(new Uint8Array(5), withHeader(PLAIN, 13), withHeader(PLAIN, 1515))
    network.poll()
    assert.deepEqual(received, [])
    assert.equal(network.stats.rxDropped, 4)
  })

  it('random headers and lengths: what is handed up is always within its frame', () => {
    const random = new SeededRandom(3)
    const { host, network } = setUp(true)
    let count = 0
    let len = 0
    network.listen((frame, off, end) => {
      count++
      const { checksumState, checksumFrom, checksumAt, segmentBytes } = frame
      assert.ok(end <= frame.u8.length && end - off >= 14 && end - off === len - 12)
      assert.ok(segmentBytes > 0 || end - off <= 1514)
      if (checksumState === CHECKSUM_PARTIAL) assert.ok(checksumFrom >= off + 14 && checksumAt + 2 <= end)
    })
    for (let i = 0; i < 20_000; i++) {
      len = random.chance(0.5) ? random.below(200) : random.below(4200)
      const octets = new Uint8Array(len).fill(0x50)
      for (let at = 0; at < Math.min(10, len); at++) octets[at] = random.chance(0.7) ? 0 : random.below(256)
      if (random.chance(0.8) && len >= 12) octets.set([random.below(3), 0, 0, 0, 0, 0, 34, 0, random.below(40), 0])
      if (random.chance(0.3) && len >= 12) octets.set(fromHex(TSO4))
      host.arrived.push(octets)
      network.poll()
    }
    assert.ok(count > 1000)
  })
})

for (const hasOffload of [false, true])
  runNetworkConformance(test, `host descriptor ${hasOffload ? 'with' : 'without'} offload`, () => {
    const { host, network } = setUp(hasOffload)
    network.listen(undefined as never)
    const headerLen = hasOffload ? 12 : 0
    return {
      network,
      sent: () => host.sent.splice(0).map((hex) => fromHex(hex).subarray(headerLen)),
      deliver(bytes) {
        const octets = new Uint8Array(headerLen + bytes.length)
        octets.set(bytes, headerLen)
        host.arrived.push(octets)
      },
      async settle() {
        network.poll()
        network.flush()
      },
    }
  })
