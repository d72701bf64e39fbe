import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { ipv4, ipv4ToString, port } from '@mirage-ts/core/addresses'
import { createFrame, frameOf, fromHex, toHex } from '@mirage-ts/core/bytes'
import { NO_LOG } from '@mirage-ts/core/log'
import { ms, seconds } from '@mirage-ts/core/time'
import type { Ipv4 } from '@mirage-ts/signatures/addresses'
import type { DhcpLease } from '@mirage-ts/signatures/dhcp'
import type { Instant } from '@mirage-ts/signatures/time'
import { createTestStack } from '@mirage-ts/testing/direct-stack'
import { createLink, testMac } from '@mirage-ts/testing/link'
import { SeededRandom } from '@mirage-ts/testing/seeded-random'
import { emitIpv4 } from '../wire/ipv4.ts'
import { emitUdp } from '../wire/udp.ts'
import { createDhcp } from './client.ts'
import { DhcpMachine } from './machine.ts'
import { ACK, DECLINE, DISCOVER, emitDhcp, hostnameProblem, NAK, OFFER, parseDhcp, RELEASE, REQUEST } from './wire.ts'

const MAC = testMac(2)
const SERVER = ipv4(10, 0, 0, 1)
const OURS = ipv4(10, 0, 0, 50)

/** Mask, router, resolver, lease of an hour, server. */
const OPTIONS = '0104ffffff00 03040a000001 06040a000001 330400000e10 36040a000001 0f076578616d706c65'

/** A server's message. */
function reply(type: number, xid: number, options = OPTIONS, yiaddr: Ipv4 = OURS): Uint8Array {
  const u8 = new Uint8Array(240 + fromHex(options).length + 4)
  const dv = new DataView(u8.buffer)
  u8.set(fromHex('02010600'))
  dv.setUint32(4, xid)
  dv.setUint32(16, yiaddr)
  u8.set(fromHex('020000000002'), 28)
  dv.setUint32(236, 0x63825363)
  u8.set(Uint8Array.of(53, 1, type, ...fromHex(options), 255), 240)
  return u8
}

const optionsOf = (message: Uint8Array): Map<number, string> => {
  const options = new Map<number, string>()
  for (let off = 240; message[off] !== 255; off += 2 + (message[off + 1] as number)) {
    options.set(message[off] as number, toHex(message, off + 2, off + 2 + (message[off + 1] as number)))
  }
  return options
}

describe('dhcp wire', () => {
  it('reads what a server says', () => {
    const parsed = parseDhcp(reply(OFFER, 7, `${OPTIONS} 2a080a0000020a000003 3a0400000708 3b0400000c4e 0c026d65`))
    assert(typeof parsed === 'object')
    assert.deepEqual(
      { ...parsed, yiaddr: ipv4ToString(parsed.yiaddr) },
      {
        xid: 7,
        mac: MAC,
        type: OFFER,
        yiaddr: '10.0.0.50',
        server: SERVER,
        mask: 0xffffff00,
        routers: [SERVER],
        routes: [],
        nameservers: [SERVER],
        ntpServers: [ipv4(10, 0, 0, 2), ipv4(10, 0, 0, 3)],
        domain: 'example',
        hostname: 'me',
        message: undefined,
        leaseSeconds: 3600,
        t1Seconds: 1800,
        t2Seconds: 3150,
      },
    )
  })

  it('refuses every truncation and names what is wrong', () => {
    const whole = reply(ACK, 7)
    for (let end = 0; end < whole.length - 1; end++) {
      const got = parseDhcp(whole.subarray(0, end))
      if (end < 240) assert.equal(got, 'truncated')
      // Cut between two options, what came before stands.
      else assert(typeof got === 'object' || got === 'bad-option' || got === 'no-type', `${end}: ${got}`)
    }
    const changed = (at: number, value: number): Uint8Array => {
      const bytes = reply(ACK, 7)
      bytes[at] = value
      return bytes
    }
    assert.equal(parseDhcp(changed(0, 1)), 'not-a-reply')
    assert.equal(parseDhcp(changed(2, 7)), 'not-a-reply')
    assert.equal(parseDhcp(changed(236, 0)), 'bad-magic')
    assert.equal(parseDhcp(changed(241, 200)), 'bad-option')
    assert.equal(parseDhcp(changed(240, 99)), 'no-type')
  })

  it('puts long options together, follows overload, reads classless routes (RFC 3396, 2131 §4.1, 3442)', () => {
    const bytes = reply(ACK, 7, `340101 7905 18 c00002 0a 7903 000001 7905 00 0a000001`)
    bytes.set(fromHex('0f0461626364ff'), 108)
    const parsed = parseDhcp(bytes)
    assert(typeof parsed === 'object')
    assert.equal(parsed.domain, 'abcd')
    assert.deepEqual(
      parsed.routes.map(({ network, gateway }) => [ipv4ToString(network.address), network.prefixBits, gateway]),
      [
        ['192.0.2.0', 24, SERVER],
        ['0.0.0.0', 0, SERVER],
      ],
    )
    assert.equal(parseDhcp(reply(ACK, 7, '7902 21 00')), 'bad-option')
    assert.equal(parseDhcp(reply(ACK, 7, '7904 18 c00002')), 'bad-option')
  })

  it('says what RFC 2131 table 5 wants of each message', () => {
    const fields = { xid: 9, mac: MAC, secs: 3, ciaddr: 0 as Ipv4, requested: undefined, server: undefined }
    const discover = emitDhcp({ ...fields, type: DISCOVER, hostname: 'me' })
    assert.equal(discover.length, 300)
    assert.equal(toHex(discover, 0, 12), '010106000000000900038000')
    assert.equal(optionsOf(discover).get(61), '01020000000002')
    assert.equal(optionsOf(discover).get(12), '6d65')
    // RFC 4702 §3.1: a fully qualified name instead of a host's name, never both.
    const named = optionsOf(
      emitDhcp({ ...fields, type: REQUEST, requested: OURS, server: SERVER, hostname: 'me.example' }),
    )
    assert.equal(named.get(81), '050000026d65076578616d706c6500')
    assert.deepEqual([named.get(12), named.get(50), named.get(54)], [undefined, '0a000032', '0a000001'])
    const release = emitDhcp({ ...fields, type: RELEASE, ciaddr: OURS, server: SERVER, hostname: 'me' })
    assert.deepEqual([...optionsOf(release).keys()], [53, 61, 54])
    // With an address we can hear unicast: no broadcast flag.
    assert.equal(toHex(release, 10, 16), '00000a000032')
  })

  it('takes names that DNS takes', () => {
    for (const good of ['a', 'web-1', 'web.example.org', 'example.org.'])
      assert.equal(hostnameProblem(good), undefined, good)
    for (const bad of ['', '-a', 'a-', 'a b', 'a..b', 'ä', 'a'.repeat(64)])
      assert(hostnameProblem(bad) !== undefined, bad)
  })
})

/** The machine with what it does written down. */
function createMachine() {
  const sent: { type: number; xid: number; to: Ipv4 | undefined; options: Map<number, string>; ciaddr: number }[] = []
  const leases: (DhcpLease | undefined)[] = []
  const probed: Ipv4[] = []
  const machine = new DhcpMachine(
    new SeededRandom(1),
    { mac: MAC, hostname: undefined },
    {
      send: (message, to) => {
        const { dv } = frameOf(message)
        const options = optionsOf(message)
        sent.push({ type: message[242] as number, xid: dv.getUint32(4), to, options, ciaddr: dv.getUint32(12) })
      },
      probe: (address) => void probed.push(address),
      lease: (lease) => void leases.push(lease),
      trace: () => {},
    },
  )
  let now = 1_000_000 as Instant
  const m = {
    machine,
    sent,
    leases,
    probed,
    now: () => now,
    last: () => sent.at(-1) as (typeof sent)[number],
    hear: (type: number, options?: string) => machine.input(reply(type, m.last().xid, options), now),
    /** To the next deadline; returns how long that took in seconds. */
    wait: () => {
      const from = now
      now = machine.nextDeadline()
      machine.poll(now)
      return (now - from) / 1e6
    },
    bind: () => {
      machine.start(now)
      m.hear(OFFER)
      m.hear(ACK)
      machine.probed(true, now)
      assert.equal(machine.state, 'bound')
    },
  }
  return m
}

describe('dhcp machine', () => {
  it('discovers, requests, probes and is bound (RFC 2131 §3.1)', () => {
    const m = createMachine()
    m.machine.start(m.now())
    m.hear(OFFER)
    assert.deepEqual([m.last().type, m.last().to], [REQUEST, undefined])
    assert.deepEqual([m.last().options.get(50), m.last().options.get(54)], ['0a000032', '0a000001'])
    m.hear(ACK)
    assert.deepEqual(m.probed, [OURS])
    assert.deepEqual(m.leases, [])
    m.machine.probed(true, m.now())
    assert.deepEqual(m.leases[0], {
      cidr: { address: OURS, prefixBits: 24 },
      gateway: SERVER,
      routes: [],
      server: SERVER,
      nameservers: [SERVER],
      domain: 'example',
      ntpServers: [],
      hostname: undefined,
      duration: seconds(3600),
    })
  })

  it('asks again after 4, 8, 16, 32, 64, 64 s, each give or take one (RFC 2131 §4.1)', () => {
    const m = createMachine()
    m.machine.start(m.now())
    for (const expected of [4, 8, 16, 32, 64, 64, 64]) {
      const waited = m.wait()
      assert(Math.abs(waited - expected) <= 1, `${waited} s instead of ${expected}`)
    }
    assert(m.sent.every(({ type }) => type === DISCOVER))
  })

  it('starts over when a request is not answered', () => {
    const m = createMachine()
    m.machine.start(m.now())
    m.hear(OFFER)
    for (let i = 0; i < 4; i++) m.wait()
    assert.deepEqual(
      m.sent.map(({ type }) => type),
      [DISCOVER, REQUEST, REQUEST, REQUEST, REQUEST, DISCOVER],
    )
  })

  it('declines an address somebody has, and asks again after ten seconds (RFC 2131 §3.1 (5))', () => {
    const m = createMachine()
    m.machine.start(m.now())
    m.hear(OFFER)
    m.hear(ACK)
    m.machine.probed(false, m.now())
    assert.deepEqual(
      [m.last().type, m.last().options.get(50), m.last().options.get(54)],
      [DECLINE, '0a000032', '0a000001'],
    )
    assert.equal(m.wait(), 10)
    assert.equal(m.last().type, DISCOVER)
    assert.deepEqual(m.leases, [])
  })

  it('renews with the server at half time, with anybody at 7/8, and starts over at the end (RFC 2131 §4.4.5; charrua #158)', () => {
    const m = createMachine()
    m.bind()
    assert.equal(m.wait(), 1800)
    assert.deepEqual(
      [m.machine.state, m.last().type, m.last().to, m.last().ciaddr],
      ['renewing', REQUEST, SERVER, OURS],
    )
    assert.deepEqual([m.last().options.has(50), m.last().options.has(54)], [false, false])
    let elapsed = 1800
    while (m.machine.state === 'renewing') elapsed += m.wait()
    assert.deepEqual([m.machine.state, elapsed, m.last().to], ['rebinding', 3150, undefined])
    while (m.machine.state === 'rebinding') elapsed += m.wait()
    assert.deepEqual([m.machine.state, elapsed, m.last().type], ['selecting', 3600, DISCOVER])
    assert.deepEqual(m.leases.slice(1), [undefined])
    assert.equal(m.machine.counters.losses, 1)
  })

  it('goes on with the lease when the server agrees, from either state', () => {
    for (const waits of [1, 8]) {
      const m = createMachine()
      m.bind()
      for (let i = 0; i < waits; i++) m.wait()
      m.hear(ACK)
      assert.equal(m.machine.state, 'bound')
      assert.equal(m.wait(), 1800)
      assert.equal(m.machine.counters.renewals, 1)
    }
  })

  it('gives the address up at once when the server refuses to renew it', () => {
    const m = createMachine()
    m.bind()
    m.wait()
    m.hear(NAK)
    assert.deepEqual([m.machine.state, m.leases.at(-1)], ['waiting', undefined])
    m.wait()
    assert.equal(m.last().type, DISCOVER)
  })

  it('keeps a lease without end, obeys T1 and T2 that make sense, ignores others', () => {
    const endless = createMachine()
    endless.machine.start(endless.now())
    endless.hear(OFFER, OPTIONS.replace('00000e10', 'ffffffff'))
    endless.hear(ACK, OPTIONS.replace('00000e10', 'ffffffff'))
    endless.machine.probed(true, endless.now())
    assert.equal(endless.machine.nextDeadline(), Number.POSITIVE_INFINITY)
    for (const [times, expected] of [
      ['3a0400000064 3b04000000c8', 100],
      ['3a04000000c8 3b0400000064', 1800],
      ['3a0400000064 3b0400001c20', 1800],
    ] as const) {
      const m = createMachine()
      m.machine.start(m.now())
      m.hear(OFFER)
      m.hear(ACK, `${OPTIONS} ${times}`)
      m.machine.probed(true, m.now())
      assert.equal(m.wait(), expected)
    }
  })

  it('releases, and declines an address that somebody takes later', () => {
    const m = createMachine()
    m.bind()
    m.machine.conflict(m.now())
    assert.deepEqual([m.last().type, m.machine.state], [DECLINE, 'waiting'])
    const n = createMachine()
    n.bind()
    n.machine.release(n.now())
    assert.deepEqual([n.last().type, n.last().to, n.last().ciaddr], [RELEASE, SERVER, OURS])
    assert.deepEqual([n.machine.state, n.leases.at(-1)], ['stopped', undefined])
    n.hear(ACK)
    assert.equal(n.leases.at(-1), undefined)
  })

  it('ignores answers to others and offers that lack what a lease needs; counts them', () => {
    const m = createMachine()
    m.machine.start(m.now())
    m.machine.input(reply(OFFER, 12345), m.now())
    const other = reply(OFFER, m.last().xid)
    other[33] = 9
    m.machine.input(other, m.now())
    m.hear(OFFER, '36040a000001')
    m.hear(OFFER, '330400000e10')
    m.hear(ACK)
    assert.equal(m.machine.state, 'selecting')
    assert.deepEqual([m.machine.counters.notForUs, m.machine.counters.incomplete], [3, 2])
  })

  it('takes the mask of the class without a proper one, and no router outside of the network', () => {
    const lease = (options: string): DhcpLease | undefined => {
      const m = createMachine()
      m.machine.start(m.now())
      m.hear(OFFER, options)
      m.hear(ACK, options)
      m.machine.probed(true, m.now())
      return m.leases[0]
    }
    assert.equal(lease(OPTIONS.replace('ffffff00', 'ffffff01'))?.cidr.prefixBits, 8)
    assert.equal(lease(OPTIONS.replace('ffffff00', 'ffffffff'))?.cidr.prefixBits, 32)
    assert.equal(lease(OPTIONS.replace('03040a000001', '0304c0000201'))?.gateway, undefined)
  })

  it('survives random messages in every state', () => {
    const random = new SeededRandom(3)
    const m = createMachine()
    m.machine.start(m.now())
    for (let i = 0; i < 20_000; i++) {
      const message = reply(1 + random.below(8), m.last().xid)
      for (let changes = random.below(4); changes > 0; changes--)
        message[random.below(message.length)] = random.u32() & 255
      m.machine.input(random.chance(0.1) ? message.subarray(0, random.below(message.length)) : message, m.now())
      if (random.chance(0.1)) m.machine.probed(random.chance(0.5), m.now())
      if (random.chance(0.05) && m.machine.nextDeadline() !== Number.POSITIVE_INFINITY) m.wait()
      if (random.chance(0.01)) m.machine.start(m.now())
    }
    assert(m.leases.length > 10)
  })
})

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
