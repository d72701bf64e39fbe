import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { ipv4, parseIpv4Cidr } from '@mirage-ts/core/addresses'
import { createFrame, frameOf, fromHex, toHex } from '@mirage-ts/core/bytes'
import { checksum } from '@mirage-ts/core/checksum'
import { ms } from '@mirage-ts/core/time'
import type { Ipv4Cidr } from '@mirage-ts/signatures/addresses'
import { createLink } from '@mirage-ts/testing/link'
import { SeededRandom } from '@mirage-ts/testing/seeded-random'
import { createEthernet } from '../ethernet.ts'
import { createUdp } from '../udp.ts'
import { DONT_FRAGMENT, emitIpv4, Ipv4Header, PROTOCOL_UDP, parseIpv4 } from '../wire/ipv4.ts'
import { createArp } from './arp.ts'
import { createIcmp } from './icmp.ts'
import { createIpv4 } from './ipv4.ts'

// Captured between two Linux stations on a veth pair: ping -s 24, and a datagram to a port nobody listens on.
const HEADERS = '020000000002 020000000001 0800'
const ECHO_REQUEST =
  '45000034 7742 4000 4001 af84 0a000001 0a000002 0800b4bd200e0001dcda006b00000000ef9c0a0000000000101112131415 1617'
const ECHO_REPLY_BODY = '0000bcbd200e0001dcda006b00000000ef9c0a00000000001011121314151617'
const DATAGRAM = '45000021 102f 4000 4011 169b 0a000001 0a000002 aab1 0fa0 000d edad 68656c6c6f'

async function setUp(cidr = '10.0.0.2/24') {
  const link = createLink()
  const ethernet = createEthernet({ network: link.network })
  const arp = createArp({ ethernet, clock: link.time, time: link.time })
  const random = new SeededRandom(7)
  const ip = createIpv4(
    { ethernet, arp, random, clock: link.time, time: link.time },
    { cidr: parseIpv4Cidr(cidr) as Ipv4Cidr, gateway: ipv4(10, 0, 0, 1) },
  )
  const icmp = createIcmp({ ipv4: ip, clock: link.time })
  const udp = createUdp({ ip, icmp, random })
  link.peer.send(
    fromHex('ffffffffffff 020000000001 0806 0001 0800 06 04 0001 020000000001 0a000001 000000000000 0a000002'),
  )
  await link.time.advance(ms(1))
  link.peer.take()
  const packets = async (): Promise<string[]> => {
    await link.time.advance(ms(1))
    return link.peer.take().map((bytes) => toHex(bytes, 14))
  }
  const send = (packet: string | Uint8Array): void => {
    link.peer.send(fromHex(HEADERS + (typeof packet === 'string' ? packet : toHex(packet))))
  }
  return { ...link, ethernet, arp, ip, icmp, udp, send, packets }
}

/** The packet with octet `at` changed and the header checksum made right again. */
function changed(packet: string, at: number, value: number): Uint8Array {
  const bytes = fromHex(packet)
  bytes[at] = value
  const dv = new DataView(bytes.buffer)
  dv.setUint16(10, 0)
  dv.setUint16(10, ~checksum(bytes, 0, 20, 0) & 0xffff)
  return bytes
}

describe('ipv4 wire', () => {
  it('reads the fields of a packet Linux sent', () => {
    const bytes = fromHex(DATAGRAM)
    const header = new Ipv4Header()
    assert.equal(parseIpv4(frameOf(bytes), 0, bytes.length, header), undefined)
    assert.deepEqual(
      { ...header },
      {
        headerLen: 20,
        totalLen: 33,
        trafficClass: 0,
        id: 0x102f,
        fragment: DONT_FRAGMENT,
        ttl: 64,
        protocol: PROTOCOL_UDP,
        src: ipv4(10, 0, 0, 1),
        dst: ipv4(10, 0, 0, 2),
      },
    )
  })

  it('writes every octet of the header into a dirty buffer', () => {
    const frame = createFrame(33)
    frame.u8.fill(0xff)
    emitIpv4(frame, 0, 33, 0x102f, DONT_FRAGMENT, 64, PROTOCOL_UDP, ipv4(10, 0, 0, 1), ipv4(10, 0, 0, 2), 0)
    assert.equal(toHex(frame.u8, 0, 20), toHex(fromHex(DATAGRAM), 0, 20))
  })

  it('refuses every truncation', () => {
    const bytes = fromHex(DATAGRAM)
    for (let end = 0; end < bytes.length; end++) {
      const expected = end < 20 ? 'truncated' : 'bad-total-length'
      assert.equal(parseIpv4(frameOf(bytes), 0, end, new Ipv4Header()), expected, `${end} octets`)
    }
  })

  it('names what is wrong with a header', () => {
    const parse = (bytes: Uint8Array) => parseIpv4(frameOf(bytes), 0, bytes.length, new Ipv4Header())
    assert.equal(parse(changed(DATAGRAM, 0, 0x65)), 'bad-version')
    assert.equal(parse(changed(DATAGRAM, 0, 0x44)), 'bad-header-length')
    assert.equal(parse(changed(DATAGRAM, 0, 0x4f)), 'bad-header-length')
    assert.equal(parse(changed(DATAGRAM, 3, 19)), 'bad-total-length')
    const bad = fromHex(DATAGRAM)
    bad[8] = 63
    assert.equal(parse(bad), 'bad-checksum')
  })
})

describe('ipv4', () => {
  it('drops packets for others, from impossible sources and of unknown protocols, and counts why', async () => {
    const { send, packets, ip } = await setUp()
    send(changed(DATAGRAM, 19, 3)) // 10.0.0.3
    send(changed(DATAGRAM, 12, 127)) // from loopback
    send(changed(DATAGRAM, 12, 224)) // from a group
    send(changed(DATAGRAM, 15, 255)) // from the broadcast address
    send(changed(DATAGRAM, 15, 2)) // from ourselves
    assert.deepEqual(await packets(), [])
    send(changed(DATAGRAM, 9, 200)) // protocol
    // RFC 1122 §3.2.2.1: protocol unreachable.
    assert.match((await packets())[0]?.slice(40) ?? '', /^0302/)
    const { notForUs, badSource, unknownProtocol } = ip.counters
    assert.deepEqual({ notForUs, badSource, unknownProtocol }, { notForUs: 1, badSource: 4, unknownProtocol: 1 })
  })

  it('skips options and trailing padding of the link', async () => {
    const { send, packets, udp } = await setUp()
    const got: string[] = []
    await udp.bind(4000 as never, (payload) => got.push(toHex(payload)))
    const bytes = fromHex(
      `46000025 102f 4000 4011 1597 0a000001 0a000002 01010101 aab1 0fa0 000d edad 68656c6c6f 0000000000`,
    )
    const dv = new DataView(bytes.buffer)
    dv.setUint16(10, 0)
    dv.setUint16(10, ~checksum(bytes, 0, 24, 0) & 0xffff)
    send(bytes)
    await packets()
    assert.deepEqual(got, ['68656c6c6f'])
  })

  it('refuses a gateway outside of its network', async () => {
    await assert.rejects(setUp('192.168.1.2/24'), /Cannot use gateway 10\.0\.0\.1: it is outside of our own network/)
  })
})

describe('icmp', () => {
  it('answers an echo request as Linux does', async () => {
    const { send, packets } = await setUp()
    send(ECHO_REQUEST)
    const [answer] = await packets()
    assert.equal(answer?.slice(40), ECHO_REPLY_BODY)
    assert.equal(answer?.slice(24, 40), '0a0000020a000001')
  })

  it('ignores an echo request to a broadcast address (RFC 1122 §3.2.2.6)', async () => {
    const { send, packets, icmp } = await setUp()
    send(changed(ECHO_REQUEST, 19, 255))
    assert.deepEqual(await packets(), [])
    assert.equal(icmp.counters.groupEcho, 1)
  })

  it('drops truncated messages and bad checksums', async () => {
    const { send, packets, icmp } = await setUp()
    send(changed(ECHO_REQUEST, 3, 27))
    const bad = fromHex(ECHO_REQUEST)
    bad[40] = 0xee
    send(bad)
    assert.deepEqual(await packets(), [])
    assert.deepEqual([icmp.counters.truncated, icmp.counters['bad-checksum']], [1, 1])
  })

  it('tells the sender of a datagram to a closed port, and quotes it (RFC 1122 §4.1.3.1)', async () => {
    const { send, packets } = await setUp()
    send(DATAGRAM)
    const [answer] = await packets()
    // Captured from Linux for the same datagram: type 3, code 3 and the quote.
    assert.match(answer?.slice(40) ?? '', /^0303....00000000/)
    assert.equal(answer?.slice(56), toHex(fromHex(DATAGRAM)))
  })

  it('limits the rate of errors', async () => {
    const { send, packets, icmp, time } = await setUp()
    for (let i = 0; i < 200; i++) send(DATAGRAM)
    assert.equal((await packets()).length, 50)
    assert.equal(icmp.counters.rateLimited, 150)
    await time.advance(ms(100))
    for (let i = 0; i < 200; i++) send(DATAGRAM)
    assert.equal((await packets()).length, 10)
  })

  it('hands errors to the protocol they are about, and drops quotes of packets we never sent', async () => {
    const { send, packets, ip } = await setUp()
    const told: string[] = []
    ip.listenErrors(PROTOCOL_UDP, (error, frame, off, end) => told.push(`${error} ${toHex(frame.u8, off, end)}`))
    const quote = (src: string) => `45000021 b5e8 4000 4011 70e1 ${src} 0a000001 aee9 0fa0 000d 1421`
    for (const src of ['0a000002', '0a000009']) {
      const message = fromHex(`0303 0000 00000000 ${quote(src)}`)
      new DataView(message.buffer).setUint16(2, ~checksum(message, 0, message.length, 0) & 0xffff)
      const header = createFrame(20)
      emitIpv4(header, 0, 20 + message.length, 1, 0, 64, 1, ipv4(10, 0, 0, 1), ipv4(10, 0, 0, 2), 0)
      send(toHex(header.u8) + toHex(message))
    }
    await packets()
    assert.deepEqual(told, ['port-unreachable aee90fa0000d1421'])
    assert.equal(ip.counters.badQuote, 1)
  })
})

describe('udp', () => {
  it('delivers a datagram Linux sent, and sends one with a right checksum', async () => {
    const { send, packets, udp } = await setUp()
    const got: unknown[] = []
    const socket = await udp.bind(4000 as never, (payload, from) => {
      got.push([toHex(payload), from])
    })
    send(DATAGRAM)
    await packets()
    assert.deepEqual(got, [['68656c6c6f', { address: ipv4(10, 0, 0, 1), port: 0xaab1 }]])
    await socket.send(fromHex('68656c6c6f'), { address: ipv4(10, 0, 0, 1), port: 0xaab1 as never })
    // Linux's datagram with the ports exchanged: the sum is the same.
    assert.equal((await packets())[0]?.slice(40), '0fa0aab1000dedad68656c6c6f')
  })

  it('drops bad lengths and checksums, accepts a datagram without one (RFC 768; tcpip verifies none)', async () => {
    const { send, packets, udp } = await setUp()
    let count = 0
    await udp.bind(4000 as never, () => count++)
    const datagram = (at: number, value: number) => {
      const bytes = fromHex(DATAGRAM)
      bytes[at] = value
      return bytes
    }
    send(datagram(25, 7)) // shorter than the header
    send(datagram(25, 14)) // longer than the packet
    send(datagram(27, 0xae))
    assert.equal(count, 0)
    const without = datagram(26, 0)
    without[27] = 0
    send(without)
    await packets()
    assert.equal(count, 1)
    assert.deepEqual([udp.counters['bad-length'], udp.counters['bad-checksum']], [2, 1])
  })

  it('refuses to send what has no route or does not fit, and to bind a port twice', async () => {
    const { udp } = await setUp()
    const socket = await udp.bind(0 as never, () => {})
    const to = (address: number) => ({ address: address as never, port: 9 as never })
    await assert.rejects(socket.send(new Uint8Array(65508), to(0x0a000001)), { code: 'message-too-long' })
    await assert.rejects(socket.send(new Uint8Array(1), to(0)), { code: 'no-route' })
    await assert.rejects(
      udp.bind(socket.port, () => {}),
      { code: 'address-in-use' },
    )
    socket.close()
    await udp.bind(socket.port, () => {})
  })
})
