/** What every `Network` must do, as tests. Call `runNetworkConformance(test, ...)` from the test file of an implementation. */
import { toHex } from '@mirage-ts/core/bytes'
import { CHECKSUM_AS_IS, CHECKSUM_PARTIAL } from '@mirage-ts/core/offload'
import type { Frame } from '@mirage-ts/signatures/bytes'
import type { Network } from '@mirage-ts/signatures/network'
import * as assert from '../assert.ts'
import type { RegisterTest } from './suite.ts'

const HEADER_LEN = 14

/** A network and what is on its other side. */
export interface NetworkUnderTest {
  readonly network: Network
  /** Frames that have left since the last call, in order, as they are on the wire. */
  sent(): readonly Uint8Array[]
  /** Lets a frame arrive. */
  deliver(bytes: Uint8Array): void
  /** Resolves when everything on its way has arrived or left. */
  settle(): Promise<void>
  end?(): Promise<void> | void
}

/** Registers the tests; `make` is called once for each. */
export function runNetworkConformance(
  register: RegisterTest,
  name: string,
  make: () => Promise<NetworkUnderTest> | NetworkUnderTest,
): void {
  const test = (title: string, run: (one: NetworkUnderTest) => Promise<void>): void =>
    void register(`${name}: ${title}`, async () => {
      const one = await make()
      try {
        await run(one)
      } finally {
        one.network.close()
        await one.end?.()
      }
    })

  test('lends buffers with room for the longest frame, and sends what is in them, in order', async (one) => {
    const { network } = one
    const lens = [14, 60, HEADER_LEN + network.mtuBytes]
    for (const [i, lenBytes] of lens.entries()) {
      const frame = lend(network)
      assert.ok(frame.u8.length >= network.headroomBytes + HEADER_LEN + network.mtuBytes)
      send(network, frame, frameOf(network, i, lenBytes))
    }
    await one.settle()
    assert.deepEqual(
      one.sent().map(hex),
      lens.map((lenBytes, i) => hex(frameOf(network, i, lenBytes))),
    )
    assert.equal(network.stats.txFrames, 3)
    assert.equal(
      network.stats.txBytes,
      lens.reduce((sum, lenBytes) => sum + lenBytes),
    )
    assert.equal(network.stats.txDropped, 0)
  })

  test('lends again and again what comes back, sent or not', async (one) => {
    const { network } = one
    for (let round = 0; round < 50; round++) {
      for (let i = 0; i < 40; i++) {
        const frame = lend(network)
        if (i % 2 === 0) network.free(frame)
        else send(network, frame, frameOf(network, i, 60))
      }
      await one.settle()
      assert.equal(one.sent().length, 20)
    }
  })

  test('drops and counts a frame that is too long', async (one) => {
    const { network } = one
    const frame = lend(network)
    const off = network.headroomBytes
    const { txDropped } = network.stats
    network.send(frame, off, off + HEADER_LEN + network.mtuBytes + 1)
    await one.settle()
    assert.deepEqual(one.sent(), [])
    assert.equal(network.stats.txDropped, txDropped + 1)
  })

  test('hands frames that arrive to the last handler, with nothing left to do', async (one) => {
    const { network } = one
    const received: string[] = []
    network.listen(() => received.push('the first handler was replaced'))
    network.listen((frame, off, end) => {
      assert.deepEqual([frame.checksumState, frame.segmentBytes], [CHECKSUM_AS_IS, 0])
      received.push(toHex(frame.u8, off, end))
    })
    const frames = [14, 60, HEADER_LEN + network.mtuBytes].map((lenBytes, i) => frameOf(network, i, lenBytes))
    for (const frame of frames) one.deliver(frame)
    await one.settle()
    assert.deepEqual(received, frames.map(hex))
    assert.equal(network.stats.rxFrames, 3)
    assert.equal(
      network.stats.rxBytes,
      frames.reduce((sum, frame) => sum + frame.length, 0),
    )
  })

  test('the handler may send', async (one) => {
    const { network } = one
    network.listen((frame, off, end) => {
      const answer = network.alloc()
      if (answer !== undefined) send(network, answer, frame.u8.slice(off, end))
    })
    one.deliver(frameOf(network, 1, 100))
    await one.settle()
    assert.deepEqual(one.sent().map(hex), [hex(frameOf(network, 1, 100))])
  })

  test('counts frames that nobody listens to', async (one) => {
    one.deliver(frameOf(one.network, 1, 100))
    await one.settle()
    assert.equal(one.network.stats.rxDropped, 1)
  })

  test('after close nothing leaves; closing twice is harmless', async (one) => {
    const { network } = one
    const frame = lend(network)
    network.close()
    network.close()
    const { txDropped } = network.stats
    send(network, frame, frameOf(network, 1, 60))
    await one.settle()
    assert.deepEqual(one.sent(), [])
    assert.equal(network.stats.txDropped, txDropped + 1)
  })

  test('lends large buffers when it cuts frames, and only then', async (one) => {
    const { network } = one
    const { tcp4Bytes, tcp6Bytes, checksum } = network.offload
    const frame = network.allocLarge()
    const largest = Math.max(tcp4Bytes, tcp6Bytes)
    assert.equal(frame !== undefined, largest > 0)
    if (frame === undefined) return
    assert.ok(checksum, 'who cuts segments must write their checksums')
    assert.ok(frame.u8.length >= network.headroomBytes + HEADER_LEN + largest)
    network.free(frame)
  })

  test('lends a buffer with none of its fields set, whatever it was used for', async (one) => {
    const { network } = one
    for (const lendOne of [() => network.alloc(), () => network.allocLarge()]) {
      for (let i = 0; i < 4; i++) {
        const frame = lendOne()
        if (frame === undefined) continue
        assert.deepEqual([frame.checksumState, frame.segmentBytes], [CHECKSUM_AS_IS, 0])
        frame.checksumState = CHECKSUM_PARTIAL
        frame.segmentBytes = 1000
        network.free(frame)
      }
    }
  })
}

function lend(network: Network): Frame {
  const frame = network.alloc()
  if (frame === undefined) throw new Error('There is no transmit buffer')
  // What a device lends is dirty.
  frame.u8.fill(0xa5)
  return frame
}

/** An Ethernet frame to `network` that tells its number. */
function frameOf(network: Network, number: number, lenBytes: number): Uint8Array {
  const octets = new Uint8Array(lenBytes).fill(0x40 + number)
  const dv = new DataView(octets.buffer)
  dv.setUint16(0, Math.floor(network.mac / 2 ** 32))
  dv.setUint32(2, network.mac % 2 ** 32)
  octets.set([2, 0, 0, 0, 0, 0x99], 6)
  dv.setUint16(12, 0x88b5) // for experiments (IEEE 802)
  return octets
}

function send(network: Network, frame: Frame, bytes: Uint8Array): void {
  frame.u8.set(bytes, network.headroomBytes)
  network.send(frame, network.headroomBytes, network.headroomBytes + bytes.length)
}

function hex(bytes: Uint8Array): string {
  return toHex(bytes)
}
