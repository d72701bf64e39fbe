import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { ipv4, port } from '@mirage-ts/core/addresses'
import { createFrame, fromHex, toHex } from '@mirage-ts/core/bytes'
import { NO_LOG } from '@mirage-ts/core/log'
import { ms, seconds } from '@mirage-ts/core/time'
import type { Ipv4 } from '@mirage-ts/signatures/addresses'
import { createTestStack } from '@mirage-ts/testing/direct-stack'
import { createLink } from '@mirage-ts/testing/link'
import { SeededRandom } from '@mirage-ts/testing/seeded-random'
import { emitIpv4 } from '../wire/ipv4.ts'
import { emitUdp } from '../wire/udp.ts'
import { createDhcp } from './client.ts'
import { OURS, reply, SERVER } from './testing/reply.ts'
import { ACK, DECLINE, OFFER, RELEASE } from './wire.ts'

describe('dhcp client', () => {
  /** A stack without an address and a server that is a script. */
  async function setUp() {
    const { time, network, peer } = createLink()
    const stack = createTestStack(network, time, '10.0.0.2/24')
    stack.ipv4.configure(undefined)
    await time.advance(ms(1))
    const deps = { ...stack, clock: time, time, random: new SeededRandom(2), log: NO_LOG }
    const client = createDhcp(deps, { hostname: 'me' })
    /** The client's messages among what was heard. */
    const heard = () => peer.take().filter((frame) => frame[12] === 8 && frame[13] === 0 && frame[23] === 17)
    const say = (type: number, xid: number, dst: Ipv4, dstMac: string): void => {
      const message = reply(type, xid)
      const frame = createFrame(42 + message.length)
      frame.u8.set(fromHex(`${dstMac} 020000000001 0800`))
      frame.u8.set(message, 42)
      emitUdp(frame, 34, frame.u8.length, SERVER, dst, port(67), port(68), false)
      emitIpv4(frame, 14, frame.u8.length - 14, 1, 0, 64, 17, SERVER, dst, 0)
      peer.send(frame.u8)
    }
    const broadcast = (type: number, xid: number) => say(type, xid, ipv4(255, 255, 255, 255), 'ffffffffffff')
    return { time, stack, client, peer, heard, say, broadcast }
  }
  const xidOf = (frame: Uint8Array | undefined): number => new DataView((frame as Uint8Array).buffer).getUint32(46)

  it('gives the stack its address, renews it by unicast without announcing it again, releases it', async () => {
    const { time, stack, client, peer, heard, say, broadcast } = await setUp()
    await time.advance(ms(1))
    const xid = xidOf(heard()[0])
    broadcast(OFFER, xid)
    await time.advance(ms(1))
    assert.equal(heard().length, 1)
    broadcast(ACK, xid)
    const dhcp = await time.until(client)
    await time.advance(ms(1))
    assert.deepEqual(stack.addresses, [OURS])
    assert.equal(stack.ipv4.source(ipv4(192, 0, 2, 1)), OURS)
    assert.deepEqual(dhcp.lease?.nameservers, [SERVER])
    // Three probes before, an announcement after.
    const arps = peer.take().filter((frame) => frame[13] === 6)
    assert.deepEqual(
      arps.map((frame) => toHex(frame, 28, 32)),
      ['00000000', '00000000', '00000000', '0a000032'],
    )
    // The server answers ARP when the client turns to it.
    await time.advance(seconds(1801))
    peer.send(
      fromHex('020000000002 020000000001 0806 0001 0800 06 04 0002 020000000001 0a000001 020000000002 0a000032'),
    )
    await time.advance(ms(1))
    const [renewal] = heard()
    assert.equal(toHex(renewal as Uint8Array, 30, 34), '0a000001')
    peer.take()
    say(ACK, xidOf(renewal), OURS, '020000000002')
    await time.advance(ms(1))
    assert.equal(dhcp.state, 'bound')
    assert.equal(dhcp.counters.renewals, 1)
    assert.deepEqual(peer.take(), [])
    const released = dhcp.release()
    await time.advance(ms(1))
    await released
    assert.deepEqual(stack.addresses, [])
    assert.equal(heard()[0]?.[42 + 242], RELEASE)
    await time.advance(seconds(100))
    assert.equal(time.pendingCount, 0)
  })

  it('declines when a station answers for the address', async () => {
    const { time, stack, peer, heard, broadcast } = await setUp()
    await time.advance(ms(1))
    const xid = xidOf(heard()[0])
    broadcast(OFFER, xid)
    await time.advance(ms(1))
    heard()
    broadcast(ACK, xid)
    await time.advance(ms(50))
    peer.send(
      fromHex('020000000002 020000000001 0806 0001 0800 06 04 0002 020000000007 0a000032 020000000002 00000000'),
    )
    await time.advance(ms(1))
    assert.equal(heard()[0]?.[42 + 242], DECLINE)
    assert.deepEqual(stack.addresses, [])
  })

  it('refuses a hostname that is none', async () => {
    const { stack, time } = await setUp()
    const deps = { ...stack, clock: time, time, random: new SeededRandom(2), log: NO_LOG }
    await assert.rejects(createDhcp(deps, { hostname: 'a b' }), /Cannot ask for the hostname "a b": expected letters/)
  })
})
