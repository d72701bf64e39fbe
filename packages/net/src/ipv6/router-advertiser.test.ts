import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { IPV6_ALL_NODES, ipToString, parseIpv6, parseIpv6Cidr } from '@mirage-ts/core/addresses'
import { createFrame, toHex } from '@mirage-ts/core/bytes'
import { NO_LOG } from '@mirage-ts/core/log'
import { ms, seconds } from '@mirage-ts/core/time'
import type { Ipv6, Ipv6Cidr, Mac } from '@mirage-ts/signatures/addresses'
import type { Duration, Instant } from '@mirage-ts/signatures/time'
import { testMac } from '@mirage-ts/testing/link'
import { MockTime } from '@mirage-ts/testing/mock-time'
import { SeededRandom } from '@mirage-ts/testing/seeded-random'
import { VirtualSwitch } from '@mirage-ts/testing/virtual-switch'
import { createEthernet } from '../ethernet.ts'
import { ObservedNetwork } from '../tools/observed.ts'
import { emitIcmpv6, parseNdOptions } from '../wire/icmpv6.ts'
import { fillRouterAdvert, type RouterAdvert, routerAdvertLen, routerAdvertRest } from '../wire/router-advert.ts'
import type { CountedIpv6 } from './contract.ts'
import { createIpv6 } from './ipv6.ts'
import {
  AdvertTimer,
  createRouterAdvertiser,
  type RouterAdvertiser,
  type RouterAdvertiserOptions,
} from './router-advertiser.ts'

const ip = (text: string): Ipv6 => parseIpv6(text) as Ipv6
const PREFIX = parseIpv6Cidr('2001:db8::1/64') as Ipv6Cidr

const ADVERT: RouterAdvert = {
  hopLimit: 64,
  isManaged: true,
  hasOther: true,
  routerSeconds: 1800,
  preference: -1,
  mtuBytes: 1400,
  prefixes: [
    {
      prefix: ip('2001:db8::'),
      prefixBits: 64,
      isOnLink: true,
      isAutonomous: false,
      validSeconds: 7200,
      preferredSeconds: 3600,
    },
  ],
  nameservers: [ip('2001:db8::53')],
  searchList: ['lan'],
  dnsSeconds: 1800,
}

class Link {
  readonly time = new MockTime()
  private readonly lan = new VirtualSwitch(this.time)

  /** Flags of the neighbour advertisements that were sent. */
  readonly advertFlags: number[] = []

  station(n: number, cidr?: Ipv6Cidr): { ipv6: CountedIpv6; ethernet: ReturnType<typeof createEthernet> } {
    const network = new ObservedNetwork(this.lan.port(testMac(n)), (direction, { dv }, off) => {
      if (direction === 'out' && dv.getUint8(off + 54) === 136) this.advertFlags.push(dv.getUint8(off + 58) & 0xc0)
    })
    const ethernet = createEthernet({ network })
    const deps = { ethernet, clock: this.time, time: this.time, random: new SeededRandom(n), log: NO_LOG }
    return { ethernet, ipv6: createIpv6(deps, { cidr }) }
  }

  advertiser(options: Partial<RouterAdvertiserOptions> = {}): { ipv6: CountedIpv6; advertiser: RouterAdvertiser } {
    const { ethernet, ipv6 } = this.station(1, PREFIX)
    const deps = { ethernet, ipv6, clock: this.time, time: this.time, random: new SeededRandom(9) }
    return { ipv6, advertiser: createRouterAdvertiser(deps, { prefixes: [{ prefix: PREFIX }], ...options }) }
  }

  async pass(duration: Duration): Promise<void> {
    for (let left = duration as number; left > 0; left -= 100_000) await this.time.advance(ms(100))
  }
}

describe('router advertisements', () => {
  it('have the octets of RFC 4861 §4.2 and RFC 8106 §5', () => {
    const frame = createFrame(routerAdvertLen(ADVERT))
    frame.u8.fill(0xaa)
    fillRouterAdvert(frame, 0, ADVERT, 0x020000000001 as Mac)
    emitIcmpv6(frame, 0, frame.u8.length, 134, 0, routerAdvertRest(ADVERT), ip('fe80::1'), IPV6_ALL_NODES)
    const fields = '40d80708 00000000 00000000 0101020000000001 0501000000000578'
    const prefix = `03044080 00001c20 00000e10 00000000 20010db8${'00'.repeat(12)}`
    const dns = `19030000 00000708 20010db8${'00'.repeat(11)}53 1f020000 00000708 036c616e00 000000`
    assert.equal(toHex(frame.u8, 4), `${fields}${prefix}${dns}`.replaceAll(' ', ''))
    const options = parseNdOptions(frame, 16, frame.u8.length)
    assert.deepEqual(options?.prefixes, ADVERT.prefixes)
    assert.deepEqual(options?.nameservers, ADVERT.nameservers)
  })

  it('come three times at first, then at least every ten minutes (RFC 4861 §6.2.4)', () => {
    const timer = new AdvertTimer(new SeededRandom(1), seconds(600), 0 as Instant)
    const gaps: number[] = []
    for (let i = 0; i < 50; i++) {
      const at = timer.nextDeadline()
      assert.equal(timer.poll((at - 1) as Instant), false)
      assert.equal(timer.poll(at), true)
      gaps.push(timer.nextDeadline() - at)
    }
    assert.deepEqual(gaps.slice(0, 3), [16e6, 16e6, 16e6])
    assert(gaps.slice(3).every((gap) => gap >= 198e6 && gap <= 600e6))
    assert(new Set(gaps).size > 20)
  })

  it('answer those who ask within half a second, but not twice within three (RFC 4861 §6.2.6)', () => {
    const timer = new AdvertTimer(new SeededRandom(1), seconds(600), 0 as Instant)
    timer.poll(0 as Instant)
    timer.solicited(1e6 as Instant)
    assert.equal(timer.nextDeadline(), 3e6)
    timer.poll(3e6 as Instant)
    timer.solicited(9e6 as Instant)
    assert(timer.nextDeadline() >= 9e6 && timer.nextDeadline() <= 9.5e6)
  })

  it('give a host its address, resolvers and flags, and no router when there is none', async () => {
    const link = new Link()
    link.advertiser({ nameservers: [ip('2001:db8::1')], hasOther: true })
    const host = link.station(2)
    await link.pass(seconds(6))
    assert(host.ipv6.addresses.map(ipToString).includes('2001:db8::ff:fe00:2'))
    assert.deepEqual(host.ipv6.advertised.nameservers, [ip('2001:db8::1')])
    assert.equal(host.ipv6.advertised.hasOther, true)
    assert.equal(host.ipv6.advertised.isManaged, false)
    assert.equal(host.ipv6.source(ip('2001:db8:ffff::1')), undefined)
  })

  it('make a router of us when they say so, until it is over (RFC 4861 §6.2.5)', async () => {
    const link = new Link()
    const { advertiser } = link.advertiser({ routerSeconds: 1800 })
    const host = link.station(2)
    await link.pass(seconds(6))
    assert(advertiser.counters.solicited > 0)
    assert.notEqual(host.ipv6.source(ip('2001:db8:ffff::1')), undefined)
    const { sent } = advertiser.counters
    advertiser.close()
    advertiser.close()
    await link.pass(seconds(30))
    assert.equal(advertiser.counters.sent, sent + 1)
    assert.equal(host.ipv6.source(ip('2001:db8:ffff::1')), undefined)
  })

  it('go with the R flag of neighbour advertisements, or hosts would forget their router (RFC 4861 §4.4, §7.2.5)', async () => {
    for (const [routerSeconds, flags] of [
      [0, 0],
      [1800, 0x80],
    ] as const) {
      const link = new Link()
      link.advertiser({ routerSeconds })
      await link.pass(seconds(3))
      // It wants the advertiser's address, and is told that somebody has it.
      link.station(3, PREFIX)
      await link.pass(seconds(3))
      assert.deepEqual(link.advertFlags, [flags])
    }
  })

  it('are refused when they make no sense', () => {
    const bad =
      (options: Partial<RouterAdvertiserOptions>): (() => unknown) =>
      () =>
        new Link().advertiser(options)
    assert.throws(bad({ maxIntervalSeconds: 3 }), /an interval of 3 seconds: expected 4 to 1800/)
    assert.throws(bad({ routerSeconds: 100 }), /expected 0, or 600 to 9000/)
    assert.throws(bad({ prefixes: [{ prefix: parseIpv6Cidr('2001:db8::/56') as Ipv6Cidr }] }), /expected 64/)
    assert.throws(bad({ mtuBytes: 1000 }), /at least 1280/)
    assert.throws(bad({ searchList: ['a b'] }), /is no domain/)
  })
})
