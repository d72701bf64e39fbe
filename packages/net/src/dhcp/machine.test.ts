import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { frameOf } from '@mirage-ts/core/bytes'
import { seconds } from '@mirage-ts/core/time'
import type { Ipv4 } from '@mirage-ts/signatures/addresses'
import type { DhcpLease } from '@mirage-ts/signatures/dhcp'
import type { Instant } from '@mirage-ts/signatures/time'
import { SeededRandom } from '@mirage-ts/testing/seeded-random'
import { DhcpMachine } from './machine.ts'
import { MAC, OPTIONS, OURS, optionsOf, reply, SERVER } from './testing/reply.ts'
import { ACK, DECLINE, DISCOVER, NAK, OFFER, RELEASE, REQUEST } from './wire.ts'

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
