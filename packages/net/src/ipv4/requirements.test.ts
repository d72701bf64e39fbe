/** What RFC 1122 asks of IPv4, ICMP and UDP one by one and the files of the layers are not about. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { ipv4, parseIpv4Cidr, port } from '@mirage-ts/core/addresses'
import { createFrame, frameOf, fromHex, toHex } from '@mirage-ts/core/bytes'
import { checksum } from '@mirage-ts/core/checksum'
import { ms, seconds } from '@mirage-ts/core/time'
import { createTestStack } from '@mirage-ts/testing/direct-stack'
import { createLink } from '@mirage-ts/testing/link'
import { SeededRandom } from '@mirage-ts/testing/seeded-random'
import { createEthernet } from '../ethernet.ts'
import { emitIpv4, Ipv4Header, parseIpv4 } from '../wire/ipv4.ts'
import { emitUdp } from '../wire/udp.ts'
import { createArp } from './arp.ts'
import { createIpv4 } from './ipv4.ts'

const US = ipv4(10, 0, 0, 2)
const ROUTER = ipv4(10, 0, 0, 1)
const BETTER = ipv4(10, 0, 0, 3)
const FAR = ipv4(198, 51, 100, 7)

const arpReply = (last: number): string =>
  `020000000002 0200000000${last}0 0806 0001 0800 06 04 0002 0200000000${last}0 0a00000${last} 020000000002 0a000002`

/** A stack with a router at 10.0.0.1 whose station is 02:00:00:00:00:10; another is at 10.0.0.3. */
async function setUp() {
  const link = createLink()
  const stack = createTestStack(link.network, link.time, '10.0.0.2/24', { gateway: '10.0.0.1' })
  await link.time.advance(seconds(5))
  link.peer.take()
  const heard = async (): Promise<readonly Uint8Array[]> => {
    await link.time.advance(ms(1))
    return link.peer.take()
  }
  const send = async (
    payload: Uint8Array,
    protocol: number,
    src = ROUTER,
    ttl = 64,
  ): Promise<readonly Uint8Array[]> => {
    const frame = createFrame(34 + payload.length)
    frame.u8.set(fromHex('020000000002 020000000010 0800'))
    frame.u8.set(payload, 34)
    emitIpv4(frame, 14, 20 + payload.length, 7, 0, ttl, protocol, src, US, 0)
    link.peer.send(frame.u8)
    return heard()
  }
  /** Answers those who ask for the router's, and if told to for the other's, address. */
  const answer = async (...lasts: number[]): Promise<void> => {
    for (const last of lasts) link.peer.send(fromHex(arpReply(last)))
    await heard()
  }
  return { ...link, stack, heard, send, answer }
}

function icmp(type: number, code: number, rest: number, body: Uint8Array = new Uint8Array(0)): Uint8Array {
  const frame = createFrame(8 + body.length)
  frame.u8.set(body, 8)
  frame.dv.setUint8(0, type)
  frame.dv.setUint8(1, code)
  frame.dv.setUint32(4, rest)
  frame.dv.setUint16(2, ~checksum(frame.u8, 0, frame.u8.length, 0) & 0xffff)
  return frame.u8
}

function headerOf(frame: Uint8Array): Ipv4Header {
  const header = new Ipv4Header()
  assert.equal(parseIpv4(frameOf(frame.slice()), 14, frame.length, header), undefined)
  return header
}

describe('ipv4 requirements', () => {
  it('takes a packet whatever is left of its time to live (RFC 1122 §3.2.1.7)', async () => {
    const { stack, send } = await setUp()
    let count = 0
    await stack.udp.bind(port(4000), () => count++)
    const frame = createFrame(9)
    emitUdp(frame, 0, 9, ROUTER, US, port(5000), port(4000), false)
    for (const ttl of [0, 1, 2]) await send(frame.u8, 17, ROUTER, ttl)
    assert.equal(count, 3)
  })

  it('the time to live is a setting, and never 0 (RFC 1122 §3.2.1.7, RFC 9293 MUST-49)', async () => {
    const { network, time, peer } = createLink()
    const ethernet = createEthernet({ network })
    const arp = createArp({ ethernet, clock: time, time })
    const deps = { ethernet, arp, random: new SeededRandom(1), clock: time, time }
    const ip = createIpv4(deps, { cidr: parseIpv4Cidr('10.0.0.2/24'), timeToLive: 3 })
    assert.equal(ip.sendCopy(new Uint8Array(8), 0, 8, 17, US, ipv4(255, 255, 255, 255)), undefined)
    await time.advance(ms(1))
    assert.equal(headerOf(peer.take().find((frame) => frame[13] === 0) as Uint8Array).ttl, 3)
    for (const timeToLive of [0, 256, 1.5]) {
      assert.throws(() => createIpv4(deps, { timeToLive }), /Cannot use .* as timeToLive: expected 1\.\.255/)
    }
  })

  it('a UDP socket sends with the time to live that it was bound with (RFC 1122 §4.1.4)', async () => {
    const { stack, answer, heard } = await setUp()
    const socket = await stack.udp.bind(port(0), () => {}, { hopLimit: 7 })
    await socket.send(Uint8Array.of(1), { address: FAR, port: port(9) })
    await heard()
    await answer(1)
    await socket.send(Uint8Array.of(1), { address: FAR, port: port(9) })
    assert.equal(headerOf((await heard()).find((frame) => frame[13] === 0) as Uint8Array).ttl, 7)
    await assert.rejects(
      stack.udp.bind(port(0), () => {}, { hopLimit: 0 }),
      /expected 1\.\.255/,
    )
  })

  it('packets have identifications one after the other, the first of them random (RFC 1122 §3.2.1.5, RFC 6864 §4)', async () => {
    const { stack, answer, heard } = await setUp()
    const socket = await stack.udp.bind(port(0), () => {})
    for (let i = 0; i < 3; i++) await socket.send(Uint8Array.of(i), { address: FAR, port: port(9) })
    await heard()
    await answer(1)
    for (let i = 0; i < 3; i++) await socket.send(Uint8Array.of(i), { address: FAR, port: port(9) })
    const ids = (await heard()).map((frame) => headerOf(frame).id)
    assert.deepEqual([ids[1], ids[2]], [(ids[0] as number) + 1, (ids[0] as number) + 2])
    assert.notEqual(ids[0], 0)
  })

  it('says nothing to messages it does not know or should not heed (RFC 1122 §3.2.2, RFC 6633)', async () => {
    const { stack, send } = await setUp()
    // Source quench, router advertisement and solicitation, timestamp, information, address mask, unassigned.
    for (const type of [4, 9, 10, 13, 15, 17, 42, 255]) assert.deepEqual(await send(icmp(type, 0, 0), 1), [])
    assert.equal(stack.icmp.counters.unhandled, 8)
  })

  it('tells its own transport that a neighbour does not answer', async () => {
    const { stack, time } = await setUp()
    const errors: string[] = []
    const socket = await stack.udp.bind(port(0), () => {}, { onError: (error) => errors.push(error) })
    await socket.send(Uint8Array.of(1), { address: ipv4(10, 0, 0, 77), port: port(9) })
    await time.advance(seconds(4))
    assert.deepEqual(errors, ['host-unreachable'])
  })

  it('goes the better way that its router names, and nobody else’s, until that is gone (RFC 1122 §3.2.2.2, §3.3.1.2)', async () => {
    const { stack, heard, answer, send, time } = await setUp()
    const socket = await stack.udp.bind(port(0), () => {})
    const hop = async (): Promise<string> => {
      await heard()
      await socket.send(Uint8Array.of(1), { address: FAR, port: port(9) })
      const sent = (await heard()).find((frame) => frame[13] === 0)
      return sent === undefined ? '' : toHex(sent, 0, 6)
    }
    const quoted = createFrame(28)
    emitIpv4(quoted, 0, 28, 1, 0, 64, 17, US, FAR, 0)
    const redirect = (gateway: number, quote: Uint8Array = quoted.u8): Uint8Array => icmp(5, 1, gateway, quote)
    assert.equal(await hop(), '')
    await answer(1)
    assert.equal(await hop(), '020000000010')
    await send(redirect(BETTER), 1, ipv4(10, 0, 0, 9))
    await send(redirect(ipv4(192, 0, 2, 1)), 1)
    await send(redirect(US), 1)
    await send(redirect(BETTER, quoted.u8.subarray(0, 12)), 1)
    const foreign = createFrame(28)
    emitIpv4(foreign, 0, 28, 1, 0, 64, 17, BETTER, FAR, 0)
    await send(redirect(BETTER, foreign.u8), 1)
    assert.equal(await hop(), '020000000010')
    assert.deepEqual([stack.ipv4.counters.redirects, stack.ipv4.counters.badQuote], [0, 5])
    await send(redirect(BETTER), 1)
    assert.equal(stack.ipv4.counters.redirects, 1)
    assert.equal(await hop(), '')
    await answer(3)
    assert.equal(await hop(), '020000000030')
    // The better one falls silent: after a minute it is asked, and given up.
    for (let i = 0; i < 90; i++) {
      await hop()
      await time.advance(seconds(1))
      await answer(1)
    }
    assert.equal(await hop(), '020000000010')
  })

  it('remembers a bounded number of better ways', async () => {
    const { stack, send, answer, heard } = await setUp()
    const socket = await stack.udp.bind(port(0), () => {})
    socket.trySend(Uint8Array.of(1), { address: FAR, port: port(9) })
    await heard()
    await answer(1, 3)
    const hop = async (last: number): Promise<string> => {
      await heard()
      socket.trySend(Uint8Array.of(1), { address: ipv4(198, 51, 100, last), port: port(9) })
      await heard()
      await answer(3)
      socket.trySend(Uint8Array.of(1), { address: ipv4(198, 51, 100, last), port: port(9) })
      return toHex((await heard()).find((frame) => frame[13] === 0) as Uint8Array, 0, 6)
    }
    for (let last = 1; last <= 17; last++) {
      const quoted = createFrame(28)
      emitIpv4(quoted, 0, 28, 1, 0, 64, 17, US, ipv4(198, 51, 100, last), 0)
      await send(icmp(5, 1, BETTER, quoted.u8), 1)
    }
    assert.equal(stack.ipv4.counters.redirects, 17)
    assert.deepEqual([await hop(17), await hop(2), await hop(1)], ['020000000030', '020000000030', '020000000010'])
  })
})
