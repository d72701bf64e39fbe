import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { endpointToString, parseIp, port } from '@mirage-ts/core/addresses'
import { createFrame } from '@mirage-ts/core/bytes'
import { CancelController } from '@mirage-ts/core/cancel'
import { CHECKSUM_PARTIAL, completeChecksum } from '@mirage-ts/core/offload'
import { ms, seconds } from '@mirage-ts/core/time'
import type { Endpoint, IpAddress } from '@mirage-ts/signatures/addresses'
import type { Frame } from '@mirage-ts/signatures/bytes'
import { createDualTestStack } from '@mirage-ts/testing/dual-stack'
import { testMac } from '@mirage-ts/testing/link'
import { MockTime } from '@mirage-ts/testing/mock-time'
import { VirtualSwitch } from '@mirage-ts/testing/virtual-switch'
import { DatagramQueue } from './datagram-queue.ts'
import { emitUdp, UDP_HEADER_LEN } from './wire/udp.ts'

const address = (text: string): IpAddress => parseIp(text) ?? assert.fail(text)

describe('udp errors', () => {
  it('tells the sender that nobody listens, over either version (RFC 1122 §4.1.3.3)', async () => {
    const time = new MockTime()
    const lan = new VirtualSwitch(time)
    createDualTestStack(lan.port(testMac(1)), time, '10.0.0.1/24', { ipv6: '2001:db8::1/64' })
    const client = createDualTestStack(lan.port(testMac(2)), time, '10.0.0.2/24', { seed: 2, ipv6: '2001:db8::2/64' })
    await time.advance(seconds(3))
    const told: string[] = []
    const onError = (error: string, to: Endpoint): void => void told.push(`${error} ${endpointToString(to)}`)
    const socket = await client.udp.bind(port(0), () => assert.fail(), { onError })
    for (const text of ['10.0.0.1', '2001:db8::1']) {
      await socket.send(Uint8Array.of(1), { address: address(text), port: port(9) })
      await time.advance(ms(10))
    }
    assert.deepEqual(told, ['port-unreachable 10.0.0.1:9', 'port-unreachable [2001:db8::1]:9'])
    assert.equal(client.udp.counters.errors, 2)
  })
})

describe('udp checksums', () => {
  it('are the same whether we add up the octets or the network does, zero as all ones', () => {
    const emit = (payload: readonly number[], src: IpAddress, dst: IpAddress, isLeft: boolean): Frame => {
      const off = 20
      const frame = createFrame(off + UDP_HEADER_LEN + payload.length)
      frame.u8.set(payload, off + UDP_HEADER_LEN)
      emitUdp(frame, off, frame.u8.length, src, dst, port(1000), port(2000), isLeft)
      return frame
    }
    for (const [src, dst] of [
      ['10.0.0.1', '10.0.0.2'],
      ['fd00::1', 'fd00::2'],
    ] as const) {
      const ends = [address(src), address(dst)] as const
      const sumOf = (payload: readonly number[]): number => emit(payload, ...ends, false).dv.getUint16(26)
      // What is missing to a sum of zero.
      const rest = sumOf([0, 0])
      for (const payload of [[], [1], [1, 2, 3, 4, 5], [rest >>> 8, rest & 255]]) {
        const left = emit(payload, ...ends, true)
        assert.equal(left.checksumState, CHECKSUM_PARTIAL)
        completeChecksum(left, left.u8.length)
        assert.deepEqual(left.u8, emit(payload, ...ends, false).u8)
      }
      assert.equal(sumOf([rest >>> 8, rest & 255]), 0xffff)
    }
  })
})

describe('datagram queue', () => {
  const from = { address: address('10.0.0.1'), port: port(9) }
  const put = (queue: DatagramQueue, payload: Uint8Array): void => queue.handler(payload, from, address('10.0.0.2'))

  it('gives datagrams in order to readers in order', async () => {
    const queue = new DatagramQueue()
    put(queue, Uint8Array.of(1))
    put(queue, Uint8Array.of(2))
    const got = [queue.receive(), queue.receive(), queue.receive()]
    put(queue, Uint8Array.of(3))
    assert.deepEqual(
      (await Promise.all(got)).map(({ payload }) => payload[0]),
      [1, 2, 3],
    )
  })

  it('holds a bounded number of them, and of octets', async () => {
    const byCount = new DatagramQueue({ maxCount: 3 })
    const byBytes = new DatagramQueue({ maxBytes: 1000 })
    for (let i = 0; i < 100; i++) {
      put(byCount, new Uint8Array(400))
      put(byBytes, new Uint8Array(400))
    }
    assert.deepEqual([byCount.droppedCount, byBytes.droppedCount], [97, 98])
    await byBytes.receive()
    put(byBytes, new Uint8Array(400))
    assert.equal(byBytes.droppedCount, 98)
  })

  it('loses nothing to a reader that was cancelled', async () => {
    const queue = new DatagramQueue()
    const controller = new CancelController()
    const cancelled = queue.receive({ signal: controller.signal })
    controller.cancel(new Error('enough'))
    await assert.rejects(cancelled, /enough/)
    put(queue, Uint8Array.of(7))
    assert.equal((await queue.receive()).payload[0], 7)
    await assert.rejects(queue.receive({ signal: controller.signal }), /enough/)
  })
})
