import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { ipv4, ipv4ToString } from '@mirage-ts/core/addresses'
import { fromHex, toHex } from '@mirage-ts/core/bytes'
import { after, NEVER, seconds } from '@mirage-ts/core/time'
import {
  ACK,
  DECLINE,
  DISCOVER,
  INFORM,
  NAK,
  OFFER,
  parseDhcp,
  RELEASE,
  REQUEST,
  readOptions,
} from '@mirage-ts/net/dhcp/wire'
import type { Ipv4 } from '@mirage-ts/signatures/addresses'
import type { Instant } from '@mirage-ts/signatures/time'
import { SeededRandom } from '@mirage-ts/testing/seeded-random'
import type { Dhcp4Subnet } from './config4.ts'
import { Dhcp4Core, type Dhcp4Destination, type Dhcp4Options } from './server4-core.ts'

const SERVER = ipv4(10, 0, 0, 1)
const SUBNET: Dhcp4Subnet = {
  network: { address: SERVER, prefixBits: 24 },
  ranges: [{ first: ipv4(10, 0, 0, 50), last: ipv4(10, 0, 0, 59) }],
  leaseSeconds: 3600,
  routers: [SERVER],
  nameservers: [SERVER],
  domain: 'lan',
  searchList: ['lan', 'example.org'],
}

interface Said {
  readonly type: number
  readonly yiaddr: string
  readonly to: Dhcp4Destination
  readonly options: ReadonlyMap<number, Uint8Array>
  readonly octets: Uint8Array
}

class Harness {
  now = 1_000_000 as Instant
  readonly said: Said[] = []
  readonly probes: string[] = []
  readonly changes: string[] = []
  readonly used = new Set<string>()
  readonly core: Dhcp4Core
  /** When false, checks wait for `probed` to be called by the test. */
  answersProbes = true

  constructor(options: Partial<Dhcp4Options> = {}) {
    this.core = new Dhcp4Core(
      { address: SERVER, subnets: [SUBNET], ...options },
      {
        send: (octets, to) => {
          const options = new Map<number, Uint8Array>()
          assert(readOptions(octets, 240, octets.length, options))
          const overload = options.get(52)?.[0] ?? 0
          if ((overload & 1) !== 0) assert(readOptions(octets, 108, 236, options))
          if ((overload & 2) !== 0) assert(readOptions(octets, 44, 108, options))
          const parsed = parseDhcp(octets)
          assert(typeof parsed === 'object', String(parsed))
          this.said.push({ type: parsed.type, yiaddr: ipv4ToString(parsed.yiaddr), to, options, octets })
        },
        probe: (address, isOnLink) => {
          this.probes.push(`${ipv4ToString(address)}${isOnLink ? '' : ' relayed'}`)
          if (this.answersProbes) this.core.probed(address, !this.used.has(ipv4ToString(address)), this.now)
        },
        changed: ({ address, state, hostname }) =>
          this.changes.push(`${ipv4ToString(address)} ${state}${hostname === undefined ? '' : ` ${hostname}`}`),
        nameFor: (label) => (label === 'taken' ? undefined : `${label}.lan`),
      },
      this.now,
    )
  }

  send(
    type: number,
    n: number,
    options = '',
    fields: { ciaddr?: Ipv4; giaddr?: Ipv4; flags?: number } = {},
  ): Said | undefined {
    const before = this.said.length
    this.core.input(message(type, n, options, fields), this.now)
    return this.said[before]
  }

  /** Gives client `n` a lease; returns the address. */
  bind(n: number, options = ''): string {
    const offer = this.send(DISCOVER, n, options)
    assert.equal(offer?.type, OFFER)
    const ack = this.send(REQUEST, n, `${requested(offer.yiaddr)} ${SELECT} ${options}`)
    assert.equal(ack?.type, ACK)
    return ack.yiaddr
  }

  pass(lenSeconds: number): void {
    this.now = after(this.now, seconds(lenSeconds))
    this.core.poll(this.now)
  }
}

/** Server identifier: ours. */
const SELECT = '36040a000001'

function requested(address: string): string {
  return `3204${address
    .split('.')
    .map((octet) => Number(octet).toString(16).padStart(2, '0'))
    .join('')}`
}

function message(
  type: number,
  n: number,
  options: string,
  { ciaddr = 0, giaddr = 0, flags = 0 }: { ciaddr?: number; giaddr?: number; flags?: number } = {},
): Uint8Array {
  const tail = fromHex(`3501${type.toString(16).padStart(2, '0')} ${options} ff`)
  const u8 = new Uint8Array(240 + tail.length)
  const dv = new DataView(u8.buffer)
  dv.setUint32(0, 0x01010600)
  dv.setUint32(4, 0x1000 + n)
  dv.setUint16(10, flags)
  dv.setUint32(12, ciaddr)
  dv.setUint32(24, giaddr)
  u8.set(fromHex('02000000'), 28)
  dv.setUint16(32, n)
  dv.setUint32(236, 0x63825363)
  u8.set(tail, 240)
  return u8
}

describe('dhcp server', () => {
  it('offers a checked address and lends it (RFC 2131 §3.1)', () => {
    const harness = new Harness()
    const offer = harness.send(DISCOVER, 1, '3704 01 03 06 0f 0c02 6d65')
    assert.equal(offer?.type, OFFER)
    assert.deepEqual(harness.probes, [offer.yiaddr])
    assert.deepEqual(offer.to, { tag: 'station', address: parse(offer.yiaddr), mac: 0x020000000001 })
    assert.deepEqual(harness.changes, [])
    const ack = harness.send(REQUEST, 1, `${requested(offer.yiaddr)} ${SELECT} 3705 01 03 06 0f 77 0c02 6d65`)
    assert.equal(ack?.type, ACK)
    assert.equal(ack.yiaddr, offer.yiaddr)
    assert.deepEqual(harness.changes, [`${offer.yiaddr} bound me`])
    const hex = Object.fromEntries([...ack.options].map(([code, data]) => [code, toHex(data)]))
    assert.deepEqual(hex, {
      53: '05',
      54: '0a000001',
      51: '00000e10',
      58: '00000708',
      59: '00000c4e',
      1: 'ffffff00',
      3: '0a000001',
      6: '0a000001',
      15: toHex(Uint8Array.from('lan', (c) => c.charCodeAt(0))),
      119: '036c616e00076578616d706c65036f726700',
      12: '6d65',
    })
    // The same address again, without another check.
    assert.equal(harness.send(DISCOVER, 1)?.yiaddr, ack.yiaddr)
    assert.equal(harness.probes.length, 1)
  })

  it('answers where the client can hear it (RFC 2131 §4.1)', () => {
    const harness = new Harness()
    assert.equal(harness.send(DISCOVER, 1, '', { flags: 0x8000 })?.to.tag, 'broadcast')
    const address = harness.bind(1)
    const renewed = harness.send(REQUEST, 1, '', { ciaddr: parse(address) })
    assert.deepEqual(renewed?.to, { tag: 'client', address: parse(address) })
    const nak = harness.send(REQUEST, 1, `${requested('10.0.9.9')}`)
    assert.equal(nak?.type, NAK)
    assert.deepEqual(nak.to, { tag: 'broadcast' })
  })

  it('gives a wished-for address that is free, and another when it is not (RFC 2131 §4.3.1)', () => {
    const harness = new Harness()
    assert.equal(harness.send(DISCOVER, 1, requested('10.0.0.55'))?.yiaddr, '10.0.0.55')
    const other = harness.send(DISCOVER, 2, requested('10.0.0.55'))
    assert.notEqual(other?.yiaddr, '10.0.0.55')
    assert.match(harness.send(DISCOVER, 3, requested('10.0.0.200'))?.yiaddr ?? '', /^10\.0\.0\.5\d$/)
  })

  it('passes over an address that somebody uses, and lends it after the quarantine', () => {
    const harness = new Harness({ subnets: [{ ...SUBNET, ranges: [range(50, 51)] }] })
    harness.used.add('10.0.0.50')
    const offer = harness.send(DISCOVER, 1, requested('10.0.0.50'))
    assert.deepEqual(harness.probes, ['10.0.0.50', '10.0.0.51'])
    assert.equal(offer?.yiaddr, '10.0.0.51')
    assert.equal(harness.core.counters.inUse, 1)
    assert.equal(harness.send(DISCOVER, 2), undefined)
    harness.used.clear()
    harness.pass(601)
    assert.equal(harness.send(DISCOVER, 2, requested('10.0.0.50'))?.yiaddr, '10.0.0.50')
  })

  it('gives up after three addresses in use', () => {
    const harness = new Harness()
    for (let i = 50; i < 60; i++) harness.used.add(`10.0.0.${i}`)
    assert.equal(harness.send(DISCOVER, 1), undefined)
    assert.equal(harness.probes.length, 3)
  })

  it('answers the last of several questions when the check is done', () => {
    const harness = new Harness()
    harness.answersProbes = false
    harness.send(DISCOVER, 1)
    harness.send(DISCOVER, 1, '3701 03')
    assert.equal(harness.probes.length, 1)
    harness.core.probed(parse(harness.probes[0] as string), true, harness.now)
    assert.equal(harness.said.length, 1)
    assert(harness.said[0]?.options.has(3) === true && !harness.said[0].options.has(6))
    // An answer that comes twice, or to nobody, does nothing.
    harness.core.probed(parse(harness.probes[0] as string), true, harness.now)
    assert.equal(harness.said.length, 1)
  })

  it('lends the whole range and nothing beyond either end of it (charrua #154: the scan went past the top)', () => {
    const harness = new Harness()
    const lent = Array.from({ length: 10 }, (_, n) => harness.bind(n + 1))
    const whole = Array.from({ length: 10 }, (_, n) => `10.0.0.${50 + n}`)
    assert.deepEqual(lent.sort(), whole)
    assert.equal(harness.send(DISCOVER, 11), undefined)
    assert.equal(harness.send(DISCOVER, 11, requested('10.0.0.60')), undefined)
  })

  it('keeps quarantine to half of the pool, however often clients decline', () => {
    const harness = new Harness()
    for (let n = 1; n <= 9; n++) {
      const address = harness.bind(n)
      assert.equal(harness.send(DECLINE, n, `${requested(address)} ${SELECT}`), undefined)
    }
    assert.match(harness.bind(20), /^10\.0\.0\.5\d$/)
    assert.equal([...harness.core.leases()].filter(({ state }) => state === 'quarantined').length, 5)
    // Nobody declines what is not theirs.
    const address = harness.bind(21)
    harness.send(DECLINE, 22, `${requested(address)} ${SELECT}`)
    assert.equal(harness.send(REQUEST, 21, '', { ciaddr: parse(address) })?.type, ACK)
  })

  it('is silent about leases it does not know, unless it is the only server (RFC 2131 §4.3.2)', () => {
    const harness = new Harness()
    assert.equal(harness.send(REQUEST, 1, requested('10.0.0.50')), undefined)
    assert.equal(harness.send(REQUEST, 1, '', { ciaddr: ipv4(10, 0, 0, 50) }), undefined)
    assert.equal(harness.core.counters.silent, 2)
    const only = new Harness({ isAuthoritative: true })
    assert.equal(only.send(REQUEST, 1, requested('10.0.0.50'))?.type, ACK)
    assert.equal(only.send(REQUEST, 2, requested('10.0.0.50'))?.type, NAK)
    assert.equal(only.send(REQUEST, 2, requested('10.0.0.99'))?.type, NAK)
  })

  it('refuses an address that is not the one of the lease, and one of another network', () => {
    const harness = new Harness()
    const address = harness.bind(1)
    const wrong = address === '10.0.0.50' ? '10.0.0.51' : '10.0.0.50'
    assert.equal(harness.send(REQUEST, 1, requested(wrong))?.type, NAK)
    assert.equal(harness.send(REQUEST, 1, requested('192.168.1.4'))?.type, NAK)
    assert.equal(harness.send(REQUEST, 1, '', { ciaddr: parse(address) })?.type, ACK)
  })

  it('takes its offer back when the client takes another server', () => {
    const harness = new Harness({ subnets: [{ ...SUBNET, ranges: [range(50, 50)] }] })
    harness.send(DISCOVER, 1)
    assert.equal(harness.send(REQUEST, 1, `${requested('10.0.0.77')} 36040a000002`), undefined)
    assert.equal(harness.send(DISCOVER, 2)?.yiaddr, '10.0.0.50')
  })

  it('forgets an offer nobody took after a minute', () => {
    const harness = new Harness({ subnets: [{ ...SUBNET, ranges: [range(50, 50)] }] })
    harness.send(DISCOVER, 1)
    assert.equal(harness.send(DISCOVER, 2), undefined)
    assert(harness.core.nextDeadline() < NEVER)
    harness.pass(61)
    assert.equal(harness.send(DISCOVER, 2)?.yiaddr, '10.0.0.50')
  })

  it('renews, ends and remembers leases: the same client gets the same address, others the one free for longest', () => {
    const harness = new Harness({ subnets: [{ ...SUBNET, ranges: [range(50, 51)] }] })
    const first = harness.bind(1, '0c02 6d65')
    harness.pass(3000)
    assert.equal(harness.send(REQUEST, 1, '0c02 6d65', { ciaddr: parse(first) })?.type, ACK)
    harness.pass(3000)
    assert.equal(harness.changes.filter((change) => change.includes('ended')).length, 0)
    const second = harness.bind(2)
    harness.pass(700)
    assert.deepEqual(harness.changes.at(-1), `${first} ended me`)
    assert.equal(harness.bind(1), first)
    // Full; the second ends, and goes to who asks.
    assert.equal(harness.send(DISCOVER, 3), undefined)
    harness.send(RELEASE, 2, SELECT, { ciaddr: parse(second) })
    assert.equal(harness.bind(3), second)
  })

  it('lends for as long as asked within bounds', () => {
    const harness = new Harness({ subnets: [{ ...SUBNET, maxLeaseSeconds: 7200 }] })
    const secondsFor = (n: number, asked: string): number =>
      Number.parseInt(toHex(harness.send(DISCOVER, n, asked)?.options.get(51) ?? new Uint8Array()), 16)
    assert.equal(secondsFor(1, ''), 3600)
    assert.equal(secondsFor(2, '330400000708'), 1800)
    assert.equal(secondsFor(3, '3304ffffffff'), 7200)
    assert.equal(secondsFor(4, '330400000001'), 60)
  })

  it('has static hosts by MAC and by client identifier, outside of the pool too', () => {
    const hosts = [
      { mac: 0x020000000007 as never, address: ipv4(10, 0, 0, 7), hostname: 'printer' },
      { clientId: fromHex('ff010203'), address: ipv4(10, 0, 0, 52) },
    ]
    const harness = new Harness({ subnets: [{ ...SUBNET, hosts }] })
    assert.equal(harness.bind(7, '0c03 626164'), '10.0.0.7')
    assert.equal(harness.changes.at(-1), '10.0.0.7 bound printer')
    assert.equal(harness.bind(8, '3d04 ff010203'), '10.0.0.52')
    // Nobody else gets these.
    assert.notEqual(harness.send(DISCOVER, 9, requested('10.0.0.52'))?.yiaddr, '10.0.0.52')
    assert.equal(harness.send(REQUEST, 7, requested('10.0.0.51'))?.type, NAK)
  })

  it('knows clients by identifier rather than MAC (RFC 2131 §4.2)', () => {
    const harness = new Harness()
    assert.equal(harness.bind(1, '3d03 00aabb'), harness.bind(2, '3d03 00aabb'))
    assert.notEqual(harness.bind(1, '3d03 00aabb'), harness.bind(1, '3d03 00aabc'))
  })

  it('leaves out what is excluded, and its own, the network and the broadcast address', () => {
    const subnet = { ...SUBNET, ranges: [range(0, 3), range(254, 255)], excluded: [range(2, 2)] }
    const harness = new Harness({ subnets: [subnet] })
    assert.deepEqual([harness.bind(1), harness.bind(2)].sort(), ['10.0.0.254', '10.0.0.3'])
    assert.equal(harness.send(DISCOVER, 3), undefined)
    assert.equal(harness.core.counters.noAddress, 1)
  })

  it('serves links behind relay agents and gives their information back (RFC 3046, RFC 3527)', () => {
    const far: Dhcp4Subnet = {
      network: { address: ipv4(10, 7, 0, 0), prefixBits: 16 },
      ranges: [{ first: ipv4(10, 7, 1, 1), last: ipv4(10, 7, 1, 9) }],
    }
    const harness = new Harness({ subnets: [SUBNET, far] })
    const offer = harness.send(DISCOVER, 1, '5206 0104 65746830', { giaddr: ipv4(10, 7, 0, 1) })
    assert.match(offer?.yiaddr ?? '', /^10\.7\.1\.\d$/)
    assert.deepEqual(offer?.to, { tag: 'relay', address: ipv4(10, 7, 0, 1) })
    assert.match(harness.probes[0] as string, / relayed$/)
    assert.match(toHex(offer?.octets as Uint8Array), /5206010465746830ff0*$/)
    // A relay agent may name another link than that of its address.
    const named = harness.send(DISCOVER, 2, '5206 0504 0a000000', { giaddr: ipv4(10, 7, 0, 1) })
    assert.match(named?.yiaddr ?? '', /^10\.0\.0\.5\d$/)
    assert.equal(harness.send(DISCOVER, 3, '', { giaddr: ipv4(172, 16, 0, 1) }), undefined)
    assert.equal(harness.core.counters.wrongSubnet, 1)
    const nak = harness.send(REQUEST, 4, requested('10.0.0.50'), { giaddr: ipv4(10, 7, 0, 1) })
    assert.equal(nak?.type, NAK)
    assert.equal((nak.octets[10] as number) & 0x80, 0x80)
  })

  it('tells who has an address already what there is (INFORM, RFC 2131 §4.3.5)', () => {
    const harness = new Harness()
    const ack = harness.send(INFORM, 1, '3702 03 06', { ciaddr: ipv4(10, 0, 0, 9) })
    assert.equal(ack?.type, ACK)
    assert.equal(ack.yiaddr, '0.0.0.0')
    assert.deepEqual(
      [...ack.options.keys()].sort((a, b) => a - b),
      [1, 3, 6, 53, 54],
    )
    assert.equal(harness.send(INFORM, 1, '', { ciaddr: ipv4(10, 9, 0, 9) }), undefined)
  })

  it('answers names in the encoding they came in (RFC 4702)', () => {
    const harness = new Harness()
    // S and E, "host" without a domain.
    const encoded = harness.send(DISCOVER, 1, '5108 05 0000 04686f7374')
    assert.equal(toHex(encoded?.options.get(81) ?? new Uint8Array()), '05ffff04686f7374036c616e00')
    // The client would enter it itself: overridden.
    const text = harness.send(DISCOVER, 2, '5107 00 0000 686f7374')
    assert.equal(toHex(text?.options.get(81) ?? new Uint8Array()), '03ffff686f73742e6c616e')
    // Nobody is to enter it.
    const none = harness.send(DISCOVER, 3, '5107 08 0000 686f7374')
    assert.equal(toHex(none?.options.get(81) ?? new Uint8Array()), '08ffff686f7374')
    harness.bind(4, '0c05 74616b656e')
    assert.match(harness.changes.at(-1) ?? '', /bound$/)
    harness.bind(5, '0c08 2e2e2f65746321')
    assert.match(harness.changes.at(-1) ?? '', /bound$/)
  })

  it('has options of the user and of vendors', () => {
    const harness = new Harness({
      subnets: [
        {
          ...SUBNET,
          options: [{ code: 66, data: fromHex('626f6f74') }],
          vendorOptions: [{ vendorClass: 'PXE', options: [{ code: 43, data: fromHex('060108') }] }],
        },
      ],
    })
    const pxe = harness.send(DISCOVER, 1, '3c05 5058453a31 3702 42 01')
    assert.equal(toHex(pxe?.options.get(66) ?? new Uint8Array()), '626f6f74')
    assert.equal(toHex(pxe?.options.get(43) ?? new Uint8Array()), '060108')
    assert.equal(harness.send(DISCOVER, 2, '3701 01')?.options.has(43), false)
  })

  it('puts options that find no room into the fields for names (RFC 2131 §4.1)', () => {
    const options = [224, 225, 226].map((code) => ({ code, data: new Uint8Array(100).fill(code) }))
    options.push({ code: 227, data: new Uint8Array(300).fill(7) })
    const harness = new Harness({ subnets: [{ ...SUBNET, options }] })
    const small = harness.send(DISCOVER, 1)
    assert.equal(small?.options.get(52)?.[0], 1)
    assert((small?.octets.length ?? 0) <= 576 - 28)
    assert.equal(small?.options.get(226)?.length, 100)
    assert.equal(small?.options.has(227), false)
    const large = harness.send(DISCOVER, 2, '390205dc')
    assert.equal(large?.options.get(227)?.length, 300)
    assert.equal(large?.options.has(52), false)
  })

  it('answers so many a second and no more', () => {
    const harness = new Harness({ ratePerSecond: 2 })
    harness.bind(1)
    for (let i = 0; i < 10; i++) harness.send(INFORM, 1, '', { ciaddr: ipv4(10, 0, 0, 9) })
    assert.equal(harness.said.length, 4)
    assert.equal(harness.core.counters.rateLimited, 8)
    harness.pass(1)
    assert.equal(harness.bind(1).length > 0, true)
  })

  it('says what is wrong with a subnet', () => {
    const bad =
      (subnet: Partial<Dhcp4Subnet>): (() => unknown) =>
      () =>
        new Harness({ subnets: [{ ...SUBNET, ...subnet }] })
    assert.throws(bad({ ranges: [range(60, 50)] }), /the range 10\.0\.0\.60-10\.0\.0\.50 ends before it begins/)
    assert.throws(
      bad({ ranges: [{ first: ipv4(10, 0, 1, 1), last: ipv4(10, 0, 1, 2) }] }),
      /is not within 10\.0\.0\.1\/24/,
    )
    assert.throws(bad({ hosts: [{ address: ipv4(10, 0, 0, 9) }] }), /neither a MAC nor a client identifier/)
    assert.throws(bad({ domain: 'a b' }), /"a b" is no domain/)
  })

  it('takes any octets', () => {
    const harness = new Harness({ isAuthoritative: true, ratePerSecond: 1e9 })
    const random = new SeededRandom(2131)
    const seeds = [
      message(DISCOVER, 1, `${requested('10.0.0.50')} 0c02 6d65 5108 05 0000 04686f7374 5206 0104 65746830 3702 03 06`),
      message(REQUEST, 1, `${requested('10.0.0.51')} ${SELECT} 3d03 00aabb`),
      message(RELEASE, 1, SELECT, { ciaddr: ipv4(10, 0, 0, 50) }),
      message(DECLINE, 1, `${requested('10.0.0.51')} ${SELECT}`),
    ]
    for (let i = 0; i < 10_000; i++) {
      const octets = (seeds[i % seeds.length] as Uint8Array).slice(
        0,
        random.chance(0.1) ? random.u32() % 280 : undefined,
      )
      for (let flips = random.u32() % 4; flips > 0; flips--) octets[28 + (random.u32() % 240)] = random.u32()
      harness.core.input(octets, harness.now)
      if (random.chance(0.01)) harness.pass(random.u32() % 4000)
    }
    assert(harness.said.length > 3000, `${harness.said.length} answers`)
    assert([...harness.core.leases()].length <= 10)
  })
})

function range(first: number, last: number): { first: Ipv4; last: Ipv4 } {
  return { first: ipv4(10, 0, 0, first), last: ipv4(10, 0, 0, last) }
}

function parse(address: string): Ipv4 {
  const [a = 0, b = 0, c = 0, d = 0] = address.split('.').map(Number)
  return ipv4(a, b, c, d)
}
