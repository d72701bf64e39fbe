/** IPv4 beyond one host on one link: fragments, path MTU, groups, broadcasts, several interfaces, forwarding. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { IPV4_ANY, IPV4_BROADCAST, ipv4, parseIpv4, parseIpv4Cidr, port } from '@mirage-ts/core/addresses'
import { createFrame, frameOf, fromHex, toHex } from '@mirage-ts/core/bytes'
import { ms, seconds } from '@mirage-ts/core/time'
import type { Ipv4, Ipv4Cidr } from '@mirage-ts/signatures/addresses'
import { createTestStack } from '@mirage-ts/testing/direct-stack'
import { createLink, testMac } from '@mirage-ts/testing/link'
import { MockTime } from '@mirage-ts/testing/mock-time'
import { RawPeer } from '@mirage-ts/testing/raw-peer'
import { SeededRandom } from '@mirage-ts/testing/seeded-random'
import { VirtualSwitch } from '@mirage-ts/testing/virtual-switch'
import { createEthernet } from '../ethernet.ts'
import { emitIcmp } from '../wire/icmp.ts'
import { DONT_FRAGMENT, emitIpv4, Ipv4Header, MORE_FRAGMENTS, parseIpv4 as parsePacket } from '../wire/ipv4.ts'
import { emitUdp } from '../wire/udp.ts'
import { createArp } from './arp.ts'
import type { CountedIp } from './contract.ts'
import { createIcmp } from './icmp.ts'
import { createIpv4 } from './ipv4.ts'
import { RouteTable } from './routes.ts'

const US = '10.0.0.2'
const PEER = ipv4(10, 0, 0, 1)
const address = (text: string): Ipv4 => parseIpv4(text) as Ipv4
const cidr = (text: string): Ipv4Cidr => parseIpv4Cidr(text) as Ipv4Cidr

/** A packet from the peer, behind its Ethernet header. */
function packet(
  payload: Uint8Array,
  fields: {
    src?: string
    dst?: string
    protocol?: number
    id?: number
    fragment?: number
    ttl?: number
    dstMac?: string
  } = {},
): Uint8Array {
  const { src = '10.0.0.1', dst = US, protocol = 17, id = 7, fragment = 0, ttl = 64 } = fields
  const frame = createFrame(34 + payload.length)
  frame.u8.set(fromHex(`${fields.dstMac ?? '020000000002'} 020000000001 0800`))
  frame.u8.set(payload, 34)
  emitIpv4(frame, 14, 20 + payload.length, id, fragment, ttl, protocol, address(src), address(dst), 0)
  return frame.u8
}

function datagram(data: Uint8Array, src = '10.0.0.1', dst = US, dstPort = 4000): Uint8Array {
  const frame = createFrame(8 + data.length)
  frame.u8.set(data, 8)
  emitUdp(frame, 0, frame.u8.length, address(src), address(dst), port(5000), port(dstPort), false)
  return frame.u8
}

function headerOf(frame: Uint8Array): Ipv4Header {
  const header = new Ipv4Header()
  assert.equal(parsePacket(frameOf(frame.slice()), 14, frame.length, header), undefined)
  return header
}

async function setUp() {
  const link = createLink()
  const stack = createTestStack(link.network, link.time, `${US}/24`, { gateway: '10.0.0.1' })
  link.peer.send(
    fromHex('ffffffffffff 020000000001 0806 0001 0800 06 04 0001 020000000001 0a000001 000000000000 0a000002'),
  )
  await link.time.advance(ms(1))
  link.peer.take()
  const got: Uint8Array[] = []
  const socket = await stack.udp.bind(port(4000), (payload) => got.push(payload))
  const heard = async () => {
    await link.time.advance(ms(1))
    return link.peer.take()
  }
  return { ...link, stack, got, socket, heard }
}

describe('ipv4 fragments', () => {
  it('delivers a datagram that came in pieces, out of order (tcpip #237: none was)', async () => {
    const { peer, got, heard, stack } = await setUp()
    const data = new SeededRandom(1).bytes(3000)
    const whole = datagram(data)
    peer.send(packet(whole.subarray(1480, 2960), { fragment: MORE_FRAGMENTS | (1480 / 8) }))
    peer.send(packet(whole.subarray(2960), { fragment: 2960 / 8 }))
    peer.send(packet(whole.subarray(0, 1480), { fragment: MORE_FRAGMENTS }))
    await heard()
    assert.deepEqual(got, [data])
    assert.equal(stack.ipv4.counters.reassembled, 1)
  })

  it('refuses overlapping pieces and counts them (RFC 1858, RFC 3128)', async () => {
    const { peer, got, heard, stack } = await setUp()
    const whole = datagram(new Uint8Array(32))
    peer.send(packet(whole.subarray(0, 16), { fragment: MORE_FRAGMENTS }))
    peer.send(packet(whole.subarray(8, 40), { fragment: 1 }))
    await heard()
    assert.deepEqual(got, [])
    assert.equal(stack.ipv4.counters.overlap, 1)
  })

  it('tells the sender when the rest does not come in time, if the first piece did (RFC 1122 §3.3.2)', async () => {
    const { peer, time, stack } = await setUp()
    const whole = datagram(new Uint8Array(3000))
    peer.send(packet(whole.subarray(0, 1480), { fragment: MORE_FRAGMENTS, id: 1 }))
    peer.send(packet(whole.subarray(1480, 2960), { fragment: MORE_FRAGMENTS | 185, id: 2 }))
    await time.advance(seconds(31))
    const errors = peer.take().filter((frame) => frame[23] === 1)
    assert.equal(errors.length, 1)
    assert.equal(toHex(errors[0] as Uint8Array, 34, 36), '0b01')
    assert.equal(stack.ipv4.counters.reassemblyTimeout, 2)
    assert.equal(stack.ipv4.reassemblyCount, 0)
  })

  it('sends what is longer than the link takes in pieces that another stack puts together', async () => {
    const time = new MockTime()
    const lan = new VirtualSwitch(time)
    const a = createTestStack(lan.port(testMac(1)), time, '10.0.0.1/24')
    const b = createTestStack(lan.port(testMac(2)), time, '10.0.0.2/24')
    const got: Uint8Array[] = []
    await b.udp.bind(port(9), (payload) => got.push(payload))
    const socket = await a.udp.bind(port(0), () => {})
    for (const len of [1472, 1473, 2952, 2953, 20_000, 65_507]) {
      const data = new SeededRandom(len).bytes(len)
      await socket.send(data, { address: address('10.0.0.2'), port: port(9) })
      await time.advance(ms(10))
      assert.deepEqual(got.pop(), data, `${len} octets`)
    }
    assert(a.ipv4.counters.fragmentsSent > 60)
  })

  it('answers a ping of several pieces in pieces', async () => {
    const { peer, heard } = await setUp()
    const request = createFrame(4000)
    request.u8.set(new SeededRandom(3).bytes(3992), 8)
    emitIcmp(request, 0, 4000, 8, 0, 0x12340001)
    for (let off = 0; off < 4000; off += 1480) {
      const end = Math.min(4000, off + 1480)
      const fragment = (end < 4000 ? MORE_FRAGMENTS : 0) | (off / 8)
      peer.send(packet(request.u8.subarray(off, end), { protocol: 1, fragment }))
    }
    const answer = await heard()
    assert.deepEqual(
      answer.map((frame) => [headerOf(frame).fragmentOffset, headerOf(frame).hasMoreFragments]),
      [
        [0, true],
        [1480, true],
        [2960, false],
      ],
    )
  })
})

describe('ipv4 path MTU', () => {
  it('learns it from an error about a packet of ours, sends in pieces, forgets after ten minutes (RFC 1191)', async () => {
    const { peer, heard, socket, stack, time } = await setUp()
    const far = address('192.0.2.1')
    const send = async () => {
      await socket.send(new Uint8Array(1400), { address: far, port: port(9) })
      return (await heard()).filter((frame) => frame[12] === 8 && frame[13] === 0)
    }
    const [whole] = await send()
    assert(headerOf(whole as Uint8Array).isDontFragment)
    const error = createFrame(8 + 28)
    error.u8.set((whole as Uint8Array).subarray(14, 42), 8)
    emitIcmp(error, 0, error.u8.length, 3, 4, 1000)
    peer.send(packet(error.u8, { protocol: 1 }))
    await heard()
    const pieces = await send()
    assert.equal(pieces.length, 2)
    assert.equal(headerOf(pieces[0] as Uint8Array).totalLen, 996)
    assert.equal(stack.ipv4.mtuBytes(far), 980)
    assert.equal(stack.ipv4.mtuBytes(PEER), 1480)
    await time.advance(seconds(601))
    assert.equal(stack.ipv4.mtuBytes(far), 1480)
  })

  it('does not believe in less than 552 octets, and guesses when the router is old', async () => {
    const { peer, heard, stack } = await setUp()
    const error = (mtuBytes: number, dst: string, totalLen: number): Uint8Array => {
      const quote = createFrame(36)
      emitIpv4(quote, 8, totalLen, 1, DONT_FRAGMENT, 64, 17, address(US), address(dst), 0)
      emitIcmp(quote, 0, 36, 3, 4, mtuBytes)
      return packet(quote.u8, { protocol: 1 })
    }
    peer.send(error(100, '192.0.2.1', 1500))
    peer.send(error(0, '192.0.2.2', 1500))
    await heard()
    assert.equal(stack.ipv4.mtuBytes(address('192.0.2.1')), 532)
    assert.equal(stack.ipv4.mtuBytes(address('192.0.2.2')), 1492 - 20)
  })
})

describe('ipv4 groups and broadcasts', () => {
  it('receives a group while it is joined, and sends to it with TTL 1', async () => {
    const { peer, got, heard, stack, socket } = await setUp()
    const group = '224.0.0.251'
    const send = async () => {
      peer.send(packet(datagram(Uint8Array.of(1), '10.0.0.1', group), { dst: group, dstMac: '01005e0000fb' }))
      await heard()
    }
    await send()
    stack.ipv4.join(address(group))
    stack.ipv4.join(address(group))
    await send()
    stack.ipv4.leave(address(group))
    await send()
    stack.ipv4.leave(address(group))
    await send()
    assert.equal(got.length, 2)
    await socket.send(Uint8Array.of(2), { address: address(group), port: port(5353) })
    const [sent] = await heard()
    assert.equal(toHex(sent as Uint8Array, 0, 6), '01005e0000fb')
    assert.equal(headerOf(sent as Uint8Array).ttl, 1)
    assert.throws(() => stack.ipv4.join(PEER), /Cannot join 10\.0\.0\.1: expected 224\.0\.0\.0\/4/)
  })

  it('sends and receives broadcasts without an address, as a host that starts must', async () => {
    const { peer, got, heard, stack, socket } = await setUp()
    stack.ipv4.configure(undefined)
    assert.deepEqual(stack.addresses, [])
    await socket.send(Uint8Array.of(1), { address: IPV4_BROADCAST, port: port(67) })
    const [sent] = await heard()
    assert.equal(toHex(sent as Uint8Array, 0, 6), 'ffffffffffff')
    assert.equal(headerOf(sent as Uint8Array).src, IPV4_ANY)
    peer.send(
      packet(datagram(Uint8Array.of(2), '10.0.0.1', '255.255.255.255'), {
        dst: '255.255.255.255',
        dstMac: 'ffffffffffff',
      }),
    )
    peer.send(packet(datagram(Uint8Array.of(3))))
    await heard()
    assert.deepEqual(got, [Uint8Array.of(2)])
    await assert.rejects(socket.send(Uint8Array.of(1), { address: PEER, port: port(9) }), { code: 'no-route' })
  })
})

describe('ipv4 routes', () => {
  it('takes the longest prefix that fits, against the simple model', () => {
    const random = new SeededRandom(4)
    for (let run = 0; run < 100; run++) {
      const table = new RouteTable<number>()
      const routes = Array.from({ length: 1 + random.below(30) }, (_, link) => {
        const prefixBits = random.below(33)
        return { network: { address: (random.u32() & 0xc0c0c0c0) >>> 0, prefixBits }, link }
      })
      for (const { network, link } of routes) table.add(network as Ipv4Cidr, link, undefined)
      for (let i = 0; i < 50; i++) {
        const dst = (random.u32() & 0xc0c0c0c0) >>> 0
        const fits = routes.filter(({ network: { address, prefixBits } }) => {
          const host = 2 ** (32 - prefixBits)
          return Math.floor(address / host) === Math.floor(dst / host)
        })
        const best = fits.sort((a, b) => b.network.prefixBits - a.network.prefixBits || a.link - b.link)[0]
        assert.equal(table.find(dst as Ipv4)?.link, best?.link)
      }
    }
  })
})

/** A router of ours between two networks, a station without stack on each. */
async function createRouter(forwarding = true, farMtu = 1500) {
  const time = new MockTime()
  const random = new SeededRandom(5)
  const [near, far] = [new VirtualSwitch(time), new VirtualSwitch(time, { mtuBytes: farMtu })]
  const link = (lan: VirtualSwitch) => {
    const ethernet = createEthernet({ network: lan.port(testMac(2)) })
    return { ethernet, arp: createArp({ ethernet, clock: time, time }) }
  }
  const ip: CountedIp = createIpv4(
    { ...link(near), random, clock: time, time },
    { cidr: cidr('10.0.0.2/24'), forwarding },
  )
  ip.addInterface(link(far), { cidr: cidr('10.0.1.2/24') })
  ip.addRoute(cidr('192.0.2.0/24'), address('10.0.1.1'))
  createIcmp({ ipv4: ip, clock: time })
  const [left, right] = [new RawPeer(near.port(testMac(1))), new RawPeer(far.port(testMac(1)))]
  left.send(fromHex('ffffffffffff 020000000001 0806 0001 0800 06 04 0001 020000000001 0a000001 000000000000 0a000002'))
  right.send(fromHex('ffffffffffff 020000000001 0806 0001 0800 06 04 0001 020000000001 0a000101 000000000000 0a000102'))
  await time.advance(ms(1))
  left.take()
  right.take()
  const settle = async () => {
    await time.advance(ms(1))
    return { left: left.take(), right: right.take() }
  }
  return { time, ip, left, right, settle }
}

describe('ipv4 forwarding', () => {
  it('passes packets on by the longest prefix, one less to live, checksum right (RFC 1812 §5.3.1)', async () => {
    const { left, settle, ip } = await createRouter()
    for (const dst of ['10.0.1.1', '192.0.2.9']) {
      left.send(packet(datagram(new Uint8Array(4), '10.0.0.1', dst), { dst }))
      const { right } = await settle()
      assert.equal(right.length, 1, dst)
      assert.equal(headerOf(right[0] as Uint8Array).ttl, 63)
      assert.equal(headerOf(right[0] as Uint8Array).dst, address(dst))
    }
    assert.equal(ip.counters.forwarded, 2)
  })

  it('does not unless told to, and then ignores addresses of other interfaces (RFC 1122 §3.3.4.2)', async () => {
    const { left, settle, ip } = await createRouter(false)
    for (const dst of ['10.0.1.1', '10.0.1.2']) left.send(packet(datagram(new Uint8Array(4), '10.0.0.1', dst), { dst }))
    assert.deepEqual(await settle(), { left: [], right: [] })
    assert.equal(ip.counters.notForUs, 2)
  })

  it('tells the sender of the end of the time to live, of no route, of a link too small (RFC 792, RFC 1191)', async () => {
    const { left, settle } = await createRouter(true, 1000)
    const errorFor = async (frame: Uint8Array) => {
      left.send(frame)
      const { left: back, right } = await settle()
      assert.deepEqual(right, [])
      assert.equal(headerOf(back[0] as Uint8Array).src, address('10.0.0.2'))
      return toHex(back[0] as Uint8Array, 34, 36) + toHex(back[0] as Uint8Array, 38, 42)
    }
    assert.equal(await errorFor(packet(datagram(new Uint8Array(4)), { dst: '10.0.1.1', ttl: 1 })), '0b0000000000')
    assert.equal(await errorFor(packet(datagram(new Uint8Array(4)), { dst: '203.0.113.1' })), '030000000000')
    const long = packet(datagram(new Uint8Array(1200)), { dst: '10.0.1.1', fragment: DONT_FRAGMENT })
    assert.equal(await errorFor(long), '0304000003e8')
  })

  it('cuts what is too long and may be cut', async () => {
    const { left, settle } = await createRouter(true, 1000)
    left.send(packet(new Uint8Array(1300), { dst: '10.0.1.1' }))
    const { right } = await settle()
    const headers = right.map(headerOf)
    assert.deepEqual(
      headers.map((one) => [one.fragmentOffset, one.totalLen, one.hasMoreFragments, one.ttl, one.id]),
      [
        [0, 996, true, 63, 7],
        [976, 344, false, 63, 7],
      ],
    )
  })

  it('says nothing about errors, broadcasts and pieces but the first, and passes no broadcast on (RFC 1122 §3.2.2, RFC 2644)', async () => {
    const { left, settle } = await createRouter()
    const error = createFrame(36)
    emitIpv4(error, 8, 28, 1, 0, 64, 17, address('203.0.113.1'), address('10.0.0.1'), 0)
    emitIcmp(error, 0, 36, 3, 1, 0)
    left.send(packet(error.u8, { protocol: 1, dst: '203.0.113.1' }))
    left.send(packet(new Uint8Array(16), { dst: '203.0.113.1', fragment: 9 }))
    left.send(packet(datagram(new Uint8Array(4)), { dst: '10.0.1.255' }))
    left.send(packet(datagram(new Uint8Array(4)), { dst: '255.255.255.255', dstMac: 'ffffffffffff' }))
    left.send(packet(datagram(new Uint8Array(4)), { dst: '169.254.1.1' }))
    assert.deepEqual(await settle(), { left: [], right: [] })
  })
})
