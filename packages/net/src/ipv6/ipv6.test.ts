import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { ipToString, port } from '@mirage-ts/core/addresses'
import { createFrame, frameOf, fromHex, toHex } from '@mirage-ts/core/bytes'
import { ms, seconds } from '@mirage-ts/core/time'
import type { IpAddress, Ipv6 } from '@mirage-ts/signatures/addresses'
import type { Flow } from '@mirage-ts/signatures/flow'
import { runStackConformance } from '@mirage-ts/testing/conformance/stack-suite'
import { createDualTestStack } from '@mirage-ts/testing/dual-stack'
import { readAll } from '@mirage-ts/testing/flow-tools'
import { address, datagram, hex, icmp, icmpOf, OUR_LOCAL, PEER, packet, setUp, US } from '@mirage-ts/testing/ipv6-peer'
import { createLink, testMac } from '@mirage-ts/testing/link'
import { MockTime } from '@mirage-ts/testing/mock-time'
import { SeededRandom } from '@mirage-ts/testing/seeded-random'
import { VirtualSwitch } from '@mirage-ts/testing/virtual-switch'
import { emitFragment, emitIpv6, Ipv6Header, parseIpv6, walkIpv6 } from '../wire/ipv6.ts'

describe('ipv6 wire', () => {
  const bytes = fromHex(`60012345 000d 11 40 ${hex(PEER)} ${hex(US)} aab10fa0000d0000 68656c6c6f`)

  it('reads and writes a header', () => {
    const header = new Ipv6Header()
    assert.equal(parseIpv6(frameOf(bytes), 0, bytes.length, header), undefined)
    assert.deepEqual(
      [header.trafficClass, header.nextHeader, header.hopLimit, header.src, header.dst, header.packetEnd],
      [0, 17, 64, PEER, US, 53],
    )
    const dirty = createFrame(40)
    dirty.u8.fill(0xff)
    emitIpv6(dirty, 0, 13, 17, 64, PEER, US, 0xb8)
    assert.equal(toHex(dirty.u8), `6b800000000d1140${hex(PEER)}${hex(US)}`)
  })

  it('refuses every truncation and other versions', () => {
    for (let end = 0; end < bytes.length; end++) {
      const expected = end < 40 ? 'truncated' : 'bad-length'
      assert.equal(parseIpv6(frameOf(bytes), 0, end, new Ipv6Header()), expected)
    }
    const other = bytes.slice()
    other[0] = 0x45
    assert.equal(parseIpv6(frameOf(other), 0, other.length, new Ipv6Header()), 'bad-version')
  })

  it('follows extension headers, and says what is wrong with them (RFC 8200 §4)', () => {
    const walk = (next: number, payload: string) => {
      const frame = packet(fromHex(payload), { next })
      const header = new Ipv6Header()
      assert.equal(parseIpv6(frameOf(frame), 14, frame.length, header), undefined)
      const reason = walkIpv6(frameOf(frame), 14, header)
      return reason ?? `${header.protocol} at ${header.payloadOff - 54}`
    }
    assert.equal(walk(17, ''), '17 at 0')
    assert.equal(walk(0, '1100 010400000000'), '17 at 8') // PadN
    assert.equal(walk(0, '1100 000000000000'), '17 at 8') // Pad1
    assert.equal(walk(0, '3c00 050200000100 1100 010400000000'), '17 at 16')
    assert.equal(walk(43, '1100 0400 00000000'), '17 at 8') // no segments left
    assert.equal(walk(43, '1100 0401 00000000'), 'problem-unicast')
    assert.equal(walk(44, '1100 0000 00000001'), '44 at 0')
    assert.equal(walk(59, ''), 'no-next-header')
    assert.equal(walk(60, '0000 010400000000 1100 010400000000'), 'problem-unicast') // hop-by-hop not first
    assert.equal(walk(60, '1100 1e0400000000'), '17 at 8') // unknown, skip
    assert.equal(walk(60, '1100 5e0400000000'), 'discard-option')
    assert.equal(walk(60, '1100 9e0400000000'), 'problem')
    assert.equal(walk(60, '1100 de0400000000'), 'problem-unicast')
    assert.equal(walk(60, '1100 1e0500000000'), 'bad-extension') // option over the end
    assert.equal(walk(60, '1101 010400000000'), 'bad-extension') // header over the end
    assert.equal(walk(60, `${'3c00 010400000000'.repeat(9)}`), 'bad-extension') // too many
    const whole = fromHex('3c00 050200000100 1100 010400000000 0000')
    for (let end = 0; end < 16; end++) assert.equal(walk(0, toHex(whole, 0, end)), 'bad-extension')
  })
})

describe('ipv6', () => {
  it('takes its addresses after a second in which nobody objects (RFC 4862 §5.4)', async () => {
    const { stack, time, heard } = await setUp({ isQuick: true })
    const first = await heard()
    const probes = first.filter((frame) => frame[54] === 135)
    assert.deepEqual(
      probes.map((frame) => [toHex(frame, 22, 38), toHex(frame, 62, 78)]),
      [
        ['0'.repeat(32), hex(OUR_LOCAL)],
        ['0'.repeat(32), hex(US)],
      ],
    )
    assert.deepEqual(stack.ipv6.addresses, [])
    await time.advance(seconds(1))
    assert.deepEqual(stack.ipv6.addresses, [US, OUR_LOCAL])
    assert.deepEqual(stack.addresses.slice(1), [US, OUR_LOCAL])
  })

  it('does not take an address that somebody has or wants (RFC 4862 §5.4.3, §5.4.4)', async () => {
    for (const [message, src, dst] of [
      [icmp(136, 0, `20000000 ${hex(US)} 0201020000000001`, PEER, address('ff02::1')), PEER, address('ff02::1')],
      [
        icmp(135, 0, `00000000 ${hex(US)}`, address('::'), address('ff02::1:ff00:2')),
        address('::'),
        address('ff02::1:ff00:2'),
      ],
    ] as const) {
      const { stack, time, peer } = await setUp({ isQuick: true })
      await time.advance(ms(100))
      peer.send(packet(message, { src, dst, next: 58, hopLimit: 255, mac: '333300000001' }))
      await time.advance(seconds(3))
      assert.deepEqual(stack.ipv6.addresses, [OUR_LOCAL])
      assert.deepEqual(
        stack.ipv6.ownAddresses.map(({ state }) => state),
        ['usable', 'duplicate'],
      )
    }
  })

  it('answers solicitations and defends its addresses', async () => {
    const { send } = await setUp()
    const [answer] = await send(
      packet(icmp(135, 0, `00000000 ${hex(US)} 0101020000000001`), { next: 58, hopLimit: 255 }),
    )
    assert.equal(toHex(answer as Uint8Array, 0, 6), '020000000001')
    assert.equal(
      toHex(answer as Uint8Array, 54, 55) + toHex(answer as Uint8Array, 58),
      `8860000000${hex(US)}0201020000000002`,
    )
    const solicited = address('ff02::1:ff00:2')
    const probe = icmp(135, 0, `00000000 ${hex(US)}`, address('::'), solicited)
    const [defence] = await send(
      packet(probe, { src: address('::'), dst: solicited, next: 58, hopLimit: 255, mac: '3333ff000002' }),
    )
    assert.equal(toHex(defence as Uint8Array, 0, 6), '333300000001')
    assert.equal(toHex(defence as Uint8Array, 58, 62), '20000000')
  })

  it('ignores messages of neighbour discovery that a router could have passed on, or that break the rules (RFC 4861 §7.1)', async () => {
    const { send, stack } = await setUp()
    const message = icmp(135, 0, `00000000 ${hex(US)} 0101020000000001`)
    const counters = stack.ipv6.discoveryCounters
    const before = counters.invalid
    await send(packet(message, { next: 58, hopLimit: 254 }))
    await send(packet(icmp(135, 1, `00000000 ${hex(US)}`), { next: 58, hopLimit: 255 }))
    await send(packet(icmp(135, 0, '00000000 20010db8'), { next: 58, hopLimit: 255 }))
    await send(packet(icmp(135, 0, `00000000 ${hex(address('ff02::1'))}`), { next: 58, hopLimit: 255 }))
    await send(packet(icmp(136, 0, `40000000 ${hex(address('ff02::1'))}`), { next: 58, hopLimit: 255 }))
    await send(packet(icmp(134, 0, '40000708 00000000'), { next: 58, hopLimit: 255 }))
    await send(packet(icmp(137, 0, '00000000'), { next: 58, hopLimit: 255 }))
    assert.equal(counters.invalid - before, 7)
    await send(packet(icmp(135, 0, `00000000 ${hex(US)} 0100020000000001`), { next: 58, hopLimit: 255 }))
    await send(packet(icmp(135, 0, `00000000 ${hex(US)} 0102020000000001`), { next: 58, hopLimit: 255 }))
    assert.equal(counters['bad-option'], 2)
    await send(
      packet(icmp(136, 0, `60000000 ${hex(address('fe80::77'))} 0201020000000077`), { next: 58, hopLimit: 255 }),
    )
    assert.equal(counters.unsolicited, 1)
    const bad = message.slice()
    bad[3] = (bad[3] as number) ^ 1
    await send(packet(bad, { next: 58, hopLimit: 255 }))
    assert.equal(stack.ipv6.counters['bad-checksum'], 1)
  })

  it('answers pings, those in pieces too, and tells of closed ports and unknown protocols (RFC 4443)', async () => {
    const { send, time, peer, stack } = await setUp()
    assert.deepEqual(icmpOf(await send(packet(icmp(128, 0, '00010002 616263'), { next: 58 }))), ['129/0'])
    assert.deepEqual(icmpOf(await send(packet(datagram(new Uint8Array(5))))), ['1/4'])
    assert.deepEqual(icmpOf(await send(packet(new Uint8Array(8), { next: 200 }))), ['4/1'])
    assert.deepEqual(icmpOf(await send(packet(fromHex('1100 9e0400000000'), { next: 60 }))), ['4/2'])
    // Nothing about errors, nothing to groups.
    assert.deepEqual(await send(packet(icmp(1, 4, `00000000 ${'00'.repeat(48)}`), { next: 58 })), [])
    const group = address('ff02::1')
    assert.deepEqual(
      await send(packet(datagram(new Uint8Array(5), PEER, group), { dst: group, mac: '333300000001' })),
      [],
    )
    const ping = icmp(128, 0, `00010002 ${'61'.repeat(3000)}`)
    for (let off = 0; off < ping.length; off += 1200) {
      const end = Math.min(ping.length, off + 1200)
      const piece = createFrame(8 + end - off)
      piece.u8.set(ping.subarray(off, end), 8)
      emitFragment(piece, 0, 58, off, end < ping.length, 99)
      peer.send(packet(piece.u8, { next: 44 }))
    }
    await time.advance(ms(1))
    assert.equal(peer.take().filter((frame) => frame[20] === 44).length, 3)
    assert.equal(stack.ipv6.counters.reassembled, 1)
  })

  it('tells the sender when pieces do not come within a minute, and refuses overlaps (RFC 8200 §4.5, RFC 5722)', async () => {
    const { peer, time, stack } = await setUp()
    const piece = (id: number, off: number, len: number): Uint8Array => {
      const frame = createFrame(8 + len)
      emitFragment(frame, 0, 17, off, true, id)
      return packet(frame.u8, { next: 44 })
    }
    peer.send(piece(1, 0, 64))
    peer.send(piece(2, 64, 64))
    peer.send(piece(3, 0, 64))
    peer.send(piece(3, 32, 64))
    await time.advance(seconds(59))
    peer.take()
    await time.advance(seconds(3))
    assert.deepEqual(icmpOf(peer.take()), ['3/1'])
    assert.deepEqual([stack.ipv6.counters.overlap, stack.ipv6.counters.reassemblyTimeout], [1, 2])
    assert.equal(stack.ipv6.reassemblyCount, 0)
  })

  it('believes a router about prefixes, itself and the link (RFC 4861 §6.3.4, RFC 4862 §5.5)', async () => {
    const { peer, time, stack, heard } = await setUp()
    const far = address('2001:4860::1')
    assert.equal(stack.ipv6.source(far), undefined)
    const advert = (lifetime: string, valid: string) =>
      packet(
        icmp(
          134,
          0,
          `40 00 ${lifetime} 00000000 00000000 0101020000000001 0501000000000514 ` +
            `030440c0 ${valid} ${valid} 00000000 ${hex(address('2001:db8:1::'))} ` +
            `19030000 00000e10 ${hex(address('2001:db8:1::53'))} 18022008 00000e10 20010db900000000`,
          PEER,
          address('ff02::1'),
        ),
        { dst: address('ff02::1'), next: 58, hopLimit: 255, mac: '333300000001' },
      )
    peer.send(advert('0708', '00000e10'))
    await time.advance(seconds(2))
    const auto = address('2001:db8:1::ff:fe00:2')
    assert.deepEqual(stack.ipv6.addresses.map(ipToString), ['2001:db8::2', '2001:db8:1::ff:fe00:2', 'fe80::ff:fe00:2'])
    assert.deepEqual(stack.ipv6.advertised.nameservers, [address('2001:db8:1::53')])
    assert.equal(stack.ipv6.mtuBytes(far), 1300 - 40)
    // RFC 6724: the longest common prefix.
    assert.equal(stack.ipv6.source(address('2001:db8:1::77')), auto)
    assert.equal(stack.ipv6.source(address('2001:db8::77')), US)
    assert.equal(stack.ipv6.source(address('fe80::77')), OUR_LOCAL)
    // The router's MAC is known from its advertisement: a datagram goes out at once.
    await heard()
    const socket = await stack.udp.bind(port(0), () => {})
    await socket.send(Uint8Array.of(1), { address: far, port: port(9) })
    const [sent] = await heard()
    assert.equal(toHex(sent as Uint8Array, 0, 6), '020000000001')
    // RFC 4862 §5.5.3 (e): an address does not end because somebody says so.
    peer.send(advert('0708', '00000001'))
    await time.advance(seconds(5))
    assert(stack.ipv6.addresses.includes(auto))
    // A lifetime of zero is the end of a router, not of the address.
    peer.send(advert('0000', '00000e10'))
    await time.advance(seconds(1))
    assert.equal(stack.ipv6.source(far), undefined)
    await time.advance(seconds(7300))
    assert(!stack.ipv6.addresses.includes(auto))
  })

  it('asks for routers three times, then waits for their word (RFC 4861 §6.3.7)', async () => {
    const { time, peer } = await setUp({ isQuick: true })
    await time.advance(seconds(60))
    assert.equal(peer.take().filter((frame) => frame[20] === 58 && frame[54] === 133).length, 3)
  })

  it('asks a neighbour again when it has been silent, and gives it up (RFC 4861 §7.3.3)', async () => {
    const { stack, time, peer, heard } = await setUp()
    const socket = await stack.udp.bind(port(0), () => {})
    await socket.send(Uint8Array.of(1), { address: PEER, port: port(9) })
    assert.equal((await heard()).length, 1)
    // Stale when it was made by a solicitation: five seconds of hope, three questions, the end.
    await time.advance(seconds(5.5))
    const solicitations = () => peer.take().filter((frame) => frame[20] === 58 && frame[54] === 135)
    const [question] = solicitations()
    assert.equal(toHex(question as Uint8Array, 0, 6), '020000000001')
    await time.advance(seconds(5))
    assert.equal(solicitations().length, 2)
    assert.equal(stack.ipv6.neighbourCount, 0)
    // An answer makes it reachable.
    await socket.send(Uint8Array.of(1), { address: PEER, port: port(9) })
    await heard()
    peer.send(
      packet(icmp(136, 0, `60000000 ${hex(PEER)} 0201020000000001`, PEER, OUR_LOCAL), {
        dst: OUR_LOCAL,
        next: 58,
        hopLimit: 255,
      }),
    )
    assert.equal((await heard()).length, 1)
    await time.advance(seconds(10))
    assert.equal(solicitations().length, 0)
  })

  it('holds a bounded number of neighbours that strangers make (OSEC-2026-02)', async () => {
    const { peer, time, stack } = await setUp()
    for (let i = 0; i < 3000; i++) {
      const src = (address('fe80::1:0') + BigInt(i)) as Ipv6
      peer.send(packet(icmp(135, 0, `00000000 ${hex(US)} 0101020000000001`, src), { src, next: 58, hopLimit: 255 }))
    }
    await time.advance(ms(1))
    assert.equal(stack.ipv6.neighbourCount, 512)
  })

  it('learns the path MTU, not less than 1280, and sends in pieces (RFC 8201)', async () => {
    const { stack, send, time } = await setUp()
    const quote = (dst: Ipv6): string => `60000000 0010 11 40 ${hex(US)} ${hex(dst)} ${'00'.repeat(16)}`
    const far = address('2001:db8::99')
    await send(packet(icmp(2, 0, `000003e8 ${quote(far)}`), { next: 58 }))
    assert.equal(stack.ipv6.mtuBytes(far), 1460)
    await send(packet(icmp(2, 0, `00000514 ${quote(far)}`), { next: 58 }))
    assert.equal(stack.ipv6.mtuBytes(far), 1260)
    await send(packet(icmp(2, 0, `00000514 ${quote(far).replace(hex(US), hex(PEER))}`), { next: 58 }))
    assert.equal(stack.ipv6.counters.badQuote, 1)
    await time.advance(seconds(601))
    assert.equal(stack.ipv6.mtuBytes(far), 1460)
  })

  it('goes the better way that its router names, and nobody else’s (RFC 4861 §8.1)', async () => {
    const { peer, stack, heard, time } = await setUp()
    const [far, better, group] = [address('2001:4860::1'), address('fe80::77'), address('ff02::1')]
    const redirect = (src: Ipv6): Uint8Array => {
      const message = icmp(137, 0, `00000000 ${hex(better)} ${hex(far)} 0201020000000077`, src)
      return packet(message, { src, next: 58, hopLimit: 255 })
    }
    const advert = icmp(134, 0, '4000 0708 00000000 00000000 0101020000000001', PEER, group)
    peer.send(packet(advert, { dst: group, next: 58, hopLimit: 255, mac: '333300000001' }))
    peer.send(redirect(address('fe80::66')))
    await time.advance(ms(1))
    const socket = await stack.udp.bind(port(0), () => {})
    const nextHop = async (): Promise<string> => {
      await heard()
      await socket.send(Uint8Array.of(1), { address: far, port: port(9) })
      return toHex((await heard())[0] as Uint8Array, 0, 6)
    }
    assert.equal(await nextHop(), '020000000001')
    peer.send(redirect(PEER))
    assert.equal(await nextHop(), '020000000077')
    assert.equal(stack.ipv6.discoveryCounters.redirects, 1)
  })

  it('drops a datagram without a checksum (RFC 8200 §8.1)', async () => {
    const { send, stack } = await setUp()
    const without = datagram(new Uint8Array(4))
    without.fill(0, 6, 8)
    await send(packet(without))
    assert.equal(stack.udp.counters['bad-checksum'], 1)
  })

  it('reports its groups, answers queries, joins and leaves (RFC 3810)', async () => {
    const { stack, time, peer } = await setUp()
    const reports = async (wait: number) => {
      await time.advance(seconds(wait))
      return peer.take().filter((frame) => frame[20] === 0 && frame[62] === 143)
    }
    stack.ipv6.join(address('ff05::1234'))
    const joined = await reports(2)
    assert.equal(joined.length, 2)
    assert.equal(toHex(joined[0] as Uint8Array, 54, 62), '3a00050200000100')
    assert.equal(toHex(joined[0] as Uint8Array, 66), `0000000104000000${hex(address('ff05::1234'))}`)
    const query = icmp(130, 0, `03e80000 ${hex(address('::'))} 00000000`, PEER, address('ff02::1'))
    const alerted = new Uint8Array([...fromHex('3a00050200000100'), ...query])
    peer.send(packet(alerted, { dst: address('ff02::1'), next: 0, hopLimit: 1, mac: '333300000001' }))
    const [answer] = await reports(2)
    // Two groups in which we are asked for (our addresses end alike: one), and the one joined.
    assert.equal(toHex(answer as Uint8Array, 66, 70), '00000002')
    stack.ipv6.leave(address('ff05::1234'))
    assert.equal((await reports(2)).length, 2)
    assert.throws(() => stack.ipv6.join(US), /Cannot join 2001:db8::2: expected ff00::\/8/)
  })

  it('refuses a gateway that it could not reach', () => {
    const { network, time } = createLink()
    assert.throws(
      () => createDualTestStack(network, time, '10.0.0.2/24', { ipv6: '2001:db8::2/64', ipv6Gateway: '2001:db9::1' }),
      /Cannot use gateway 2001:db9::1: it is neither link-local nor in our own network/,
    )
  })
})

/** Two stacks on one switch, addresses usable. */
async function createLan(loss = 0) {
  const time = new MockTime()
  const lan = new VirtualSwitch(time, { seed: 7 })
  const server = createDualTestStack(lan.port(testMac(1)), time, '10.0.0.1/24', { seed: 11, ipv6: '2001:db8::1/64' })
  const client = createDualTestStack(lan.port(testMac(2)), time, '10.0.0.2/24', { seed: 22, ipv6: '2001:db8::2/64' })
  await time.advance(seconds(20))
  lan.impairments = { loss, delay: ms(1) }
  return { time, server, client, serverAddress: address('2001:db8::1') as IpAddress }
}

runStackConformance('direct stack over IPv6', async () => {
  const lan = await createLan()
  return { ...lan, run: (body) => lan.time.until(body), close: () => {} }
})

describe('ipv6 transports', () => {
  it('carry 2 MiB over TCP each way with loss, and datagrams of any length', async () => {
    const { time, server, client, serverAddress } = await createLan(0.02)
    const bytes = new SeededRandom(1).bytes(2 << 20)
    const served: Promise<Uint8Array>[] = []
    const exchange = async (flow: Flow): Promise<Uint8Array> => {
      const [received] = await Promise.all([readAll(flow), flow.write(bytes).then(() => flow.shutdownWrite())])
      await flow.close()
      return received
    }
    await server.tcp.listen(port(80), (flow) => void served.push(exchange(flow)))
    const flow = await time.until(client.tcp.connect({ address: serverAddress, port: port(80) }))
    assert.deepEqual(await time.until(exchange(flow)), bytes)
    assert.deepEqual(await time.until(served[0] as Promise<Uint8Array>), bytes)
    const lossless = await createLan()
    const got: number[] = []
    await lossless.server.udp.bind(port(9), (payload) => got.push(payload.length))
    const socket = await lossless.client.udp.bind(port(0), () => {})
    for (const len of [0, 1452, 1453, 9000, 65_519]) {
      await socket.send(new Uint8Array(len), { address: serverAddress, port: port(9) })
      await lossless.time.advance(ms(20))
    }
    assert.deepEqual(got, [0, 1452, 1453, 9000, 65_519])
  })

  it('leave nothing behind', async () => {
    const { time, server, client, serverAddress } = await createLan()
    const listener = await server.tcp.listen(port(80), (flow) => void flow.close())
    const flow = await time.until(client.tcp.connect({ address: serverAddress, port: port(80) }))
    await time.until(flow.close())
    listener.close()
    await time.advance(seconds(3600))
    assert.equal(client.tcp.connectionCount + server.tcp.connectionCount, 0)
    assert.equal(client.ipv6.neighbourCount + server.ipv6.neighbourCount, 0)
    assert.equal(time.pendingCount, 0)
  })
})
