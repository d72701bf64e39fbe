/** What the RFCs of IPv6 ask for one by one and ipv6.test.ts is not about. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { port } from '@mirage-ts/core/addresses'
import { createFrame, fromHex, toHex } from '@mirage-ts/core/bytes'
import { ms, seconds } from '@mirage-ts/core/time'
import type { Ipv6 } from '@mirage-ts/signatures/addresses'
import { address, datagram, hex, icmp, PEER, packet, setUp, US } from '@mirage-ts/testing/ipv6-peer'
import { emitFragment } from '../wire/ipv6.ts'

const ALL_NODES = address('ff02::1')
const FAR = address('2001:4860::1')

/** Type, code and pointer of the parameter problems among frames. */
const problemsOf = (frames: readonly Uint8Array[]): string[] =>
  frames
    .filter((frame) => frame[20] === 58 && frame[54] === 4)
    .map((frame) => `${frame[54]}/${frame[55]} at ${Number.parseInt(toHex(frame, 58, 62), 16)}`)

function piece(next: number, off: number, len: number, hasMore = true): Uint8Array {
  const frame = createFrame(8 + len)
  emitFragment(frame, 0, next, off, hasMore, 7)
  return packet(frame.u8, { next: 44 })
}

function routerAdvert(lifetime: string): Uint8Array {
  const message = icmp(134, 0, `4000 ${lifetime} 00000000 00000000 0101020000000001`, PEER, ALL_NODES)
  return packet(message, { dst: ALL_NODES, next: 58, hopLimit: 255, mac: '333300000001' })
}

/** An advertisement of the peer itself, with the flags R, S, O given. */
function neighbourAdvert(flags: string): Uint8Array {
  const message = icmp(136, 0, `${flags}000000 ${hex(PEER)} 0201020000000001`, PEER, ALL_NODES)
  return packet(message, { dst: ALL_NODES, next: 58, hopLimit: 255, mac: '333300000001' })
}

/** Sends datagrams to a far address and says where each went: the MAC, or nothing. */
async function sender({ stack, heard }: Awaited<ReturnType<typeof setUp>>) {
  const errors: string[] = []
  const socket = await stack.udp.bind(port(0), () => {}, { onError: (error) => errors.push(error) })
  const hop = async (): Promise<string> => {
    await heard()
    socket.trySend(Uint8Array.of(1), { address: FAR, port: port(9) })
    const sent = (await heard()).find((frame) => frame[20] === 17)
    return sent === undefined ? '' : toHex(sent, 0, 6)
  }
  return { hop, errors }
}

describe('ipv6 requirements', () => {
  it('points at the number nobody knows, behind extension headers too (RFC 8200 §4, RFC 4443 §3.4)', async () => {
    const { send } = await setUp()
    assert.deepEqual(problemsOf(await send(packet(new Uint8Array(8), { next: 200 }))), ['4/1 at 6'])
    const behind = fromHex('c800 010400000000 0000000000000000')
    assert.deepEqual(problemsOf(await send(packet(behind, { next: 60 }))), ['4/1 at 40'])
    const twice = fromHex('3c00 010400000000 c800 010400000000 0000')
    assert.deepEqual(problemsOf(await send(packet(twice, { next: 60 }))), ['4/1 at 48'])
  })

  it('tells of pieces whose length or place is impossible (RFC 8200 §4.5)', async () => {
    const { send, stack } = await setUp()
    assert.deepEqual(problemsOf(await send(piece(17, 0, 63))), ['4/0 at 4'])
    assert.deepEqual(problemsOf(await send(piece(17, 65528, 16))), ['4/0 at 42'])
    assert.equal(stack.ipv6.reassemblyCount, 0)
  })

  it('says nothing about a later piece that could be of an error (RFC 4443 §2.4 (e.1))', async () => {
    const { send } = await setUp()
    assert.deepEqual(problemsOf(await send(piece(58, 65528, 16))), [])
  })

  it('refuses a first piece without the header of the transport (RFC 8200 §4.5, RFC 7112 §5)', async () => {
    const { send, stack } = await setUp()
    assert.deepEqual(problemsOf(await send(piece(6, 0, 16))), ['4/3 at 0'])
    const options = piece(60, 0, 8)
    options.set(fromHex('0600 010400000000'), 62)
    assert.deepEqual(problemsOf(await send(options)), ['4/3 at 0'])
    assert.deepEqual(problemsOf(await send(piece(17, 0, 8))), [])
    assert.equal(stack.ipv6.reassemblyCount, 1)
  })

  it('tells its own transport that a neighbour does not answer (RFC 4861 §7.2.2)', async () => {
    const { stack, time } = await setUp()
    const errors: string[] = []
    const socket = await stack.udp.bind(port(0), () => {}, { onError: (error) => errors.push(error) })
    await socket.send(Uint8Array.of(1), { address: address('2001:db8::99'), port: port(9) })
    await time.advance(seconds(2))
    assert.deepEqual(errors, [])
    await time.advance(seconds(2))
    assert.deepEqual(errors, ['host-unreachable'])
  })

  it('sends no longer through a neighbour that says it is no router any more (RFC 4861 §7.2.5)', async () => {
    const world = await setUp()
    const { hop } = await sender(world)
    await world.send(routerAdvert('0708'))
    assert.equal(await hop(), '020000000001')
    await world.send(neighbourAdvert('a0'))
    assert.equal(await hop(), '020000000001')
    await world.send(neighbourAdvert('20'))
    assert.equal(await hop(), '')
    assert.equal(world.stack.ipv6.source(FAR), undefined)
  })

  it('goes the old way again when the better one that a redirect named is gone (RFC 4861 §7.3.3, §8.3)', async () => {
    const world = await setUp()
    const { hop, errors } = await sender(world)
    await world.send(routerAdvert('0708'))
    const better = address('fe80::77')
    const redirect = icmp(137, 0, `00000000 ${hex(better)} ${hex(FAR)} 0201020000000077`)
    await world.send(packet(redirect, { next: 58, hopLimit: 255 }))
    assert.equal(await hop(), '020000000077')
    await world.time.advance(seconds(20))
    assert.equal(await hop(), '')
    await world.time.advance(seconds(5))
    assert.deepEqual(errors, ['host-unreachable'])
    assert.equal(await hop(), '020000000001')
  })

  it('asks at once whether its neighbour is there when a transport doubts it (RFC 9293 §3.8.3, MUST-20)', async () => {
    const { stack, time, heard } = await setUp()
    const socket = await stack.udp.bind(port(0), () => {})
    await socket.send(Uint8Array.of(1), { address: PEER, port: port(9) })
    await heard()
    stack.ipv6.doubt?.(PEER)
    const [asked] = await heard()
    assert.deepEqual([asked?.[54], toHex(asked as Uint8Array, 0, 6)], [135, '020000000001'])
    await time.advance(seconds(4))
    await heard()
    await socket.send(Uint8Array.of(1), { address: PEER, port: port(9) })
    const [again] = await heard()
    assert.deepEqual([again?.[54], toHex(again as Uint8Array, 0, 2)], [135, '3333'])
  })

  it('takes headers in any order and number, and the options it does not know as their bits say (RFC 8200 §4.1, §4.2)', async () => {
    const { stack, send } = await setUp()
    const received: number[] = []
    await stack.udp.bind(port(4000), (payload) => received.push(payload.length))
    const udp = toHex(datagram(new Uint8Array(5)))
    for (const [next, headers] of [
      [60, '1100 010400000000'],
      [43, '3c00 000000000000 1100 1e0400000000'],
      [60, '3c00 010400000000 2b00 010400000000 1100 000000000000'],
    ] as const) {
      await send(packet(fromHex(headers + udp), { next }))
    }
    assert.deepEqual(received, [5, 5, 5])
  })

  it('takes a packet with routing segments left for a mistake (RFC 8200 §4.4, RFC 5095)', async () => {
    const { send } = await setUp()
    const routed = fromHex(`1102 0001 00000000 ${hex(US)}`)
    assert.deepEqual(problemsOf(await send(packet(routed, { next: 43 }))), ['4/0 at 42'])
  })

  it('its own address, a group or loopback is nobody’s source (RFC 4291 §2.5.3, §2.7)', async () => {
    const { send, stack } = await setUp()
    for (const src of [US, ALL_NODES, address('::1')] as Ipv6[])
      await send(packet(datagram(new Uint8Array(1), src), { src }))
    assert.equal(stack.ipv6.counters.badSource, 3)
  })

  it('hands errors that nobody knows to the transport, and drops other messages that nobody knows (RFC 4443 §2.4 (a), (b))', async () => {
    const { stack, send } = await setUp()
    const errors: string[] = []
    const socket = await stack.udp.bind(port(7), () => {}, { onError: (error) => errors.push(error) })
    const quoted = createFrame(56)
    quoted.u8.set(packet(datagram(new Uint8Array(8)), { src: US, dst: PEER }).subarray(14, 70))
    quoted.dv.setUint16(40, socket.port)
    assert.deepEqual(await send(packet(icmp(99, 0, `00000000 ${toHex(quoted.u8)}`), { next: 58 })), [])
    assert.deepEqual(errors, ['other'])
    assert.deepEqual(await send(packet(icmp(200, 0, '00000000'), { next: 58 })), [])
    assert.equal(stack.icmpv6.counters.unhandled, 1)
  })

  it('quotes as much of a packet as the least MTU holds, at a bounded rate (RFC 4443 §2.4 (c), (f))', async () => {
    const { stack, send, peer, heard } = await setUp()
    const [error] = await send(packet(datagram(new Uint8Array(1400))))
    assert.equal(error?.length, 14 + 1280)
    for (let i = 0; i < 200; i++) peer.send(packet(datagram(new Uint8Array(4))))
    assert.ok((await heard()).length < 60)
    assert.ok(stack.icmpv6.counters.rateLimited >= 140)
  })

  it('sends through a router that answers rather than one that may not, and the preferred of those (RFC 4861 §6.3.6, RFC 4191 §3.2)', async () => {
    const world = await setUp()
    const { hop } = await sender(world)
    const advertise = (last: string, flags: string, options: string): Promise<readonly Uint8Array[]> => {
      const src = address(`fe80::${last}`)
      const message = icmp(134, 0, `40${flags} 0708 00000000 00000000 ${options}`, src, ALL_NODES)
      return world.send(packet(message, { src, dst: ALL_NODES, next: 58, hopLimit: 255, mac: '333300000001' }))
    }
    await advertise('66', '00', '')
    await world.send(routerAdvert('0708'))
    assert.equal(await hop(), '020000000001')
    await advertise('77', '08', '0101020000000077')
    assert.equal(await hop(), '020000000077')
    // A route is nearer than a default, whatever the preferences.
    await advertise('55', '00', `0101020000000055 18022000 00000e10 ${hex(FAR).slice(0, 16)}`)
    assert.equal(await hop(), '020000000055')
  })

  it('another MAC counts at once with the override flag only (RFC 4861 §7.2.5)', async () => {
    const world = await setUp()
    const socket = await world.stack.udp.bind(port(0), () => {})
    const neighbour = address('2001:db8::50')
    const advertise = (flags: string, last: string): Promise<readonly Uint8Array[]> => {
      const message = icmp(136, 0, `${flags}000000 ${hex(neighbour)} 02010200000000${last}`, neighbour)
      return world.send(packet(message, { src: neighbour, next: 58, hopLimit: 255 }))
    }
    const mac = async (): Promise<string> => {
      await world.heard()
      socket.trySend(Uint8Array.of(1), { address: neighbour, port: port(9) })
      const sent = (await world.heard()).find((frame) => frame[20] === 17)
      return sent === undefined ? '' : toHex(sent, 0, 6)
    }
    await advertise('60', '50')
    assert.equal(world.stack.ipv6.discoveryCounters.unsolicited, 1)
    assert.equal(await mac(), '')
    await advertise('60', '50')
    assert.equal(await mac(), '020000000050')
    await advertise('40', '51')
    assert.equal(await mac(), '020000000050')
    await advertise('60', '51')
    assert.equal(await mac(), '020000000051')
  })

  it('TCP leaves room for the longer header, so that no segment is moved on its way out of a stack of both versions', async () => {
    const { stack, time } = await setUp()
    const { ipv6 } = stack
    const send = ipv6.send.bind(ipv6)
    const offs: number[] = []
    ipv6.send = (frame, off, end, protocol, src, dst, trafficClass) => {
      if (protocol === 6) offs.push(off)
      send(frame, off, end, protocol, src, dst, trafficClass)
    }
    const refused = assert.rejects(stack.tcp.connect({ address: PEER, port: port(80) }))
    await time.advance(seconds(200))
    await refused
    assert.ok(offs.length > 3 && offs.every((off) => off === ipv6.headroomBytes), offs.join(' '))
  })

  it('asks a neighbour three times, a second apart, and holds what waits in bounds (RFC 4861 §7.2.2, §10)', async () => {
    const { stack, time, heard } = await setUp()
    const socket = await stack.udp.bind(port(0), () => {})
    for (let i = 0; i < 20; i++) socket.trySend(Uint8Array.of(i), { address: address('2001:db8::98'), port: port(9) })
    let count = (await heard()).filter((frame) => frame[54] === 135).length
    for (let i = 0; i < 50; i++) {
      await time.advance(ms(100))
      count += (await heard()).filter((frame) => frame[54] === 135).length
    }
    assert.equal(count, 3)
    assert.equal(stack.ipv6.counters.queueFull, 4)
    assert.equal(stack.ipv6.counters.unreachable, 16)
  })
})
