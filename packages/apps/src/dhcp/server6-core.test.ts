import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { ipv6ToString, parseIpv6 } from '@mirage-ts/core/addresses'
import { after, seconds } from '@mirage-ts/core/time'
import {
  ADVERTISE,
  CONFIRM,
  DECLINE,
  DHCP6_RELAYS_AND_SERVERS,
  type Dhcp6Message,
  duidOfMac,
  INFORMATION_REQUEST,
  REBIND,
  RELAY_FORWARD,
  RELAY_REPLY,
  RELEASE,
  RENEW,
  REPLY,
  REQUEST,
  SOLICIT,
  STATUS,
} from '@mirage-ts/net/dhcp6/codec'
import { parseDhcp6, parseDhcp6Relay } from '@mirage-ts/net/dhcp6/reader'
import { emitDhcp6, emitDhcp6Relay } from '@mirage-ts/net/dhcp6/writer'
import type { Ipv6, Mac } from '@mirage-ts/signatures/addresses'
import type { Instant } from '@mirage-ts/signatures/time'
import { SeededRandom } from '@mirage-ts/testing/seeded-random'
import type { Dhcp6Link } from './config6.ts'
import { Dhcp6Core, type Dhcp6ServerOptions } from './server6-core.ts'

const ip = (text: string): Ipv6 => parseIpv6(text) as Ipv6
const SERVER = duidOfMac(0x020000000001 as Mac)
const PEER = ip('fe80::2')
const LINK: Dhcp6Link = {
  network: { address: ip('2001:db8::'), prefixBits: 64 },
  range: { first: ip('2001:db8::100'), last: ip('2001:db8::103') },
  preferredSeconds: 1000,
  validSeconds: 2000,
  dnsServers: [ip('2001:db8::1')],
  searchList: ['lan'],
  ntpServers: [ip('2001:db8::1')],
}
const FAR: Dhcp6Link = {
  network: { address: ip('2001:db8:7::'), prefixBits: 64 },
  range: { first: ip('2001:db8:7::1'), last: ip('2001:db8:7::ffff:ffff:ffff') },
}

class Harness {
  now = 1_000_000 as Instant
  readonly core: Dhcp6Core
  readonly changes: string[] = []

  constructor(options: Partial<Dhcp6ServerOptions> = {}) {
    this.core = new Dhcp6Core(
      { duid: SERVER, links: [LINK, FAR], ...options },
      {
        changed: ({ address, state, hostname }) => {
          this.changes.push([ipv6ToString(address), state, hostname].filter((part) => part !== undefined).join(' '))
        },
        nameFor: (label) => (label === 'taken' ? undefined : `${label}.lan`),
      },
      this.now,
    )
  }

  send(type: number, n: number, fields: Partial<Dhcp6Message> = {}): Dhcp6Message | undefined {
    const octets = emitDhcp6({ type, xid: n, clientId: duidOfMac(n as Mac), ...fields })
    const answer = this.core.input(octets, PEER, DHCP6_RELAYS_AND_SERVERS, this.now)
    if (answer === undefined) return undefined
    const message = parseDhcp6(answer)
    assert(typeof message === 'object', String(message))
    assert.equal(message.xid, n)
    return message
  }

  bind(n: number, fields: Partial<Dhcp6Message> = {}): string {
    assert.equal(this.send(SOLICIT, n, { ...ask(), ...fields })?.type, ADVERTISE)
    return addressIn(this.send(REQUEST, n, { serverId: SERVER, ...ask(), ...fields }))
  }

  pass(lenSeconds: number): void {
    this.now = after(this.now, seconds(lenSeconds))
    this.core.poll(this.now)
  }
}

/** An association, with addresses or without. */
function ask(...addresses: string[]): Pick<Dhcp6Message, 'associations'> {
  return {
    associations: [
      {
        iaid: 1,
        t1Seconds: 0,
        t2Seconds: 0,
        addresses: addresses.map((address) => ({ address: ip(address), preferredSeconds: 0, validSeconds: 0 })),
      },
    ],
  }
}

function addressIn(message: Dhcp6Message | undefined): string {
  const address = message?.associations?.[0]?.addresses[0]?.address
  return address === undefined ? 'none' : ipv6ToString(address)
}

function statusIn(message: Dhcp6Message | undefined): number | undefined {
  return message?.associations?.[0]?.status?.code
}

describe('dhcp6 server', () => {
  it('advertises, then lends (RFC 8415 §18.3.1, §18.3.2)', () => {
    const harness = new Harness({ preference: 7 })
    const advertised = harness.send(SOLICIT, 1, { ...ask(), requested: [23, 24] })
    assert.equal(advertised?.type, ADVERTISE)
    assert.equal(advertised.preference, 7)
    assert.deepEqual(advertised.serverId, SERVER)
    assert.deepEqual(advertised.clientId, duidOfMac(1 as Mac))
    assert.deepEqual(advertised.dnsServers, [ip('2001:db8::1')])
    assert.deepEqual(advertised.searchList, ['lan'])
    assert.equal(advertised.ntpServers, undefined)
    assert.deepEqual(harness.changes, [])
    const reply = harness.send(REQUEST, 1, { serverId: SERVER, ...ask(addressIn(advertised)) })
    assert.equal(reply?.type, REPLY)
    assert.equal(addressIn(reply), addressIn(advertised))
    const [association] = reply.associations ?? []
    assert.deepEqual([association?.t1Seconds, association?.t2Seconds], [500, 800])
    assert.deepEqual(association?.addresses[0]?.validSeconds, 2000)
    assert.deepEqual(harness.changes, [`${addressIn(reply)} bound`])
  })

  it('lends at once to those who ask for it, if it may (RFC 8415 §18.3.1)', () => {
    const rapid = { ...ask(), isRapidCommit: true }
    const reply = new Harness().send(SOLICIT, 1, rapid)
    assert.equal(reply?.type, REPLY)
    assert.equal(reply.isRapidCommit, true)
    assert.equal(new Harness({ isRapidCommit: false }).send(SOLICIT, 1, rapid)?.type, ADVERTISE)
  })

  it('gives the same client the same address, and says when there is none left', () => {
    const harness = new Harness()
    const lent = [1, 2, 3, 4].map((n) => harness.bind(n))
    assert.equal(new Set(lent).size, 4)
    assert.equal(harness.bind(2), lent[1])
    const refused = harness.send(SOLICIT, 5, ask())
    assert.equal(statusIn(refused), STATUS.NO_ADDRS_AVAIL)
    assert.deepEqual(refused?.associations?.[0]?.addresses, [])
    harness.pass(2001)
    assert.equal(harness.changes.filter((change) => change.endsWith('ended')).length, 4)
    assert.equal(harness.bind(5), lent[0])
  })

  it('renews and rebinds what it knows, and ends what is of another link (RFC 8415 §18.3.4, §18.3.5)', () => {
    const harness = new Harness()
    const address = harness.bind(1)
    harness.pass(1900)
    assert.equal(addressIn(harness.send(RENEW, 1, { serverId: SERVER, ...ask(address) })), address)
    harness.pass(1900)
    assert.equal(addressIn(harness.send(REBIND, 1, ask(address))), address)
    const both = harness.send(RENEW, 1, { serverId: SERVER, ...ask(address, '2001:db8:9::5') })
    assert.deepEqual(
      both?.associations?.[0]?.addresses.map((one) => one.validSeconds),
      [2000, 0],
    )
    assert.equal(statusIn(harness.send(RENEW, 2, { serverId: SERVER, ...ask('2001:db8::100') })), STATUS.NO_BINDING)
    const moved = harness.send(REBIND, 2, ask('2001:db8:9::5'))
    assert.equal(moved?.associations?.[0]?.addresses[0]?.validSeconds, 0)
    // Perhaps another server's.
    assert.equal(harness.send(REBIND, 2, ask('2001:db8::100')), undefined)
  })

  it('confirms addresses of the link (RFC 8415 §18.3.3)', () => {
    const harness = new Harness()
    assert.equal(harness.send(CONFIRM, 1, ask('2001:db8::9'))?.status?.code, STATUS.SUCCESS)
    assert.equal(harness.send(CONFIRM, 1, ask('2001:db8::9', '2001:db8:1::9'))?.status?.code, STATUS.NOT_ON_LINK)
    assert.equal(harness.send(CONFIRM, 1, ask()), undefined)
    assert.equal(statusIn(harness.send(REQUEST, 1, { serverId: SERVER, ...ask('2001:db8:1::9') })), STATUS.NOT_ON_LINK)
  })

  it('takes leases back, and keeps declined addresses away (RFC 8415 §18.3.7, §18.3.8)', () => {
    const harness = new Harness()
    const address = harness.bind(1)
    assert.equal(harness.send(RELEASE, 1, { serverId: SERVER, ...ask(address) })?.status?.code, STATUS.SUCCESS)
    assert.equal(harness.changes.at(-1), `${address} ended`)
    assert.equal(statusIn(harness.send(RELEASE, 1, { serverId: SERVER, ...ask(address) })), STATUS.NO_BINDING)
    assert.equal(harness.bind(1), address)
    assert.equal(harness.send(DECLINE, 1, { serverId: SERVER, ...ask(address) })?.status?.code, STATUS.SUCCESS)
    assert.notEqual(harness.bind(1), address)
    // Nobody gives up what is not theirs.
    harness.send(RELEASE, 2, { serverId: SERVER, ...ask(harness.bind(1)) })
    assert.match(harness.changes.at(-1) ?? '', /bound$/)
  })

  it('tells hosts that make up their own addresses what else there is (RFC 8415 §18.3.6)', () => {
    const harness = new Harness()
    const reply = harness.send(INFORMATION_REQUEST, 1, { clientId: undefined, requested: [23, 24, 32, 56] })
    assert.deepEqual(reply?.dnsServers, [ip('2001:db8::1')])
    assert.deepEqual(reply?.ntpServers, [ip('2001:db8::1')])
    assert.equal(reply?.refreshSeconds, 1000)
    assert.equal(reply?.clientId, undefined)
    assert.equal(harness.send(INFORMATION_REQUEST, 1, ask()), undefined)
    const stateless = new Harness({ links: [{ ...LINK, range: undefined }] })
    assert.equal(statusIn(stateless.send(SOLICIT, 1, ask())), STATUS.NO_ADDRS_AVAIL)
  })

  it('drops what RFC 8415 §16 says is to be dropped', () => {
    const harness = new Harness()
    const other = duidOfMac(9 as Mac)
    for (const type of [SOLICIT, CONFIRM, REBIND]) {
      assert.equal(harness.send(type, 1, { serverId: SERVER, ...ask('2001:db8::100') }), undefined)
      assert.equal(harness.send(type, 1, { clientId: undefined, ...ask('2001:db8::100') }), undefined)
    }
    for (const type of [REQUEST, RENEW, RELEASE, DECLINE]) {
      assert.equal(harness.send(type, 1, ask('2001:db8::100')), undefined)
      assert.equal(harness.send(type, 1, { serverId: other, ...ask('2001:db8::100') }), undefined)
    }
    for (const type of [ADVERTISE, REPLY, 10]) assert.equal(harness.send(type, 1, ask()), undefined)
    const solicit = emitDhcp6({ type: SOLICIT, xid: 1, clientId: duidOfMac(1 as Mac), ...ask() })
    assert.equal(harness.core.input(solicit, PEER, ip('2001:db8::1'), harness.now), undefined)
    assert.equal(harness.core.counters.notForUs, 5)
  })

  it('has static hosts by identifier, and by the MAC in it or in the address asked from', () => {
    const hosts = [
      { duid: duidOfMac(7 as Mac), address: ip('2001:db8::7'), hostname: 'printer' },
      { mac: 8 as Mac, address: ip('2001:db8::8') },
      { mac: 0x020000000002 as Mac, address: ip('2001:db8::102') },
    ]
    const harness = new Harness({ links: [{ ...LINK, hosts }] })
    assert.equal(harness.bind(7, { fqdn: { flags: 0, name: 'other' } }), '2001:db8::7')
    assert.equal(harness.changes.at(-1), '2001:db8::7 bound printer')
    assert.equal(harness.bind(8), '2001:db8::8')
    const solicit = emitDhcp6({ type: SOLICIT, xid: 1, clientId: Uint8Array.of(0, 4, 1, 2, 3), ...ask() })
    const answer = harness.core.input(solicit, ip('fe80::ff:fe00:2'), DHCP6_RELAYS_AND_SERVERS, harness.now)
    assert.equal(addressIn(parseDhcp6(answer ?? new Uint8Array()) as Dhcp6Message), '2001:db8::102')
    // Nobody else gets these.
    assert.equal(new Set([1, 2, 3].map((n) => harness.bind(n))).has('2001:db8::102'), false)
  })

  it('answers names (RFC 4704 §6)', () => {
    const harness = new Harness()
    harness.bind(1, { fqdn: { flags: 1, name: 'me.example.org' } })
    assert.match(harness.changes.at(-1) ?? '', / bound me$/)
    assert.deepEqual(harness.send(SOLICIT, 1, { ...ask(), fqdn: { flags: 0, name: 'me' } })?.fqdn, {
      flags: 3,
      name: 'me.lan',
    })
    assert.deepEqual(harness.send(SOLICIT, 1, { ...ask(), fqdn: { flags: 4, name: 'me' } })?.fqdn, {
      flags: 4,
      name: 'me',
    })
    assert.equal(harness.send(SOLICIT, 1, { ...ask(), fqdn: { flags: 1, name: 'taken' } })?.fqdn, undefined)
  })

  it('says that it has no prefixes', () => {
    const prefixAssociations = [{ iaid: 5, t1Seconds: 0, t2Seconds: 0, prefixes: [] }]
    const answer = new Harness().send(SOLICIT, 1, { ...ask(), prefixAssociations })
    assert.equal(answer?.prefixAssociations?.[0]?.status?.code, STATUS.NO_PREFIX_AVAIL)
    assert.notEqual(addressIn(answer), 'none')
  })

  it('serves links behind relay agents, several deep (RFC 8415 §19.3)', () => {
    const harness = new Harness()
    const solicit = emitDhcp6({ type: SOLICIT, xid: 1, clientId: duidOfMac(1 as Mac), ...ask() })
    const near = { type: RELAY_FORWARD, hops: 0, link: ip('2001:db8:7::1'), peer: PEER, interfaceId: Uint8Array.of(5) }
    const inner = emitDhcp6Relay({ ...near, message: solicit })
    const outer = { type: RELAY_FORWARD, hops: 1, link: ip('::'), peer: ip('2001:db8:7::1'), message: inner }
    const answer = harness.core.input(emitDhcp6Relay(outer), ip('2001:db8::9'), ip('2001:db8::1'), harness.now)
    const first = parseDhcp6Relay(answer ?? new Uint8Array())
    assert(typeof first === 'object', String(first))
    assert.deepEqual([first.type, first.hops, first.peer, first.interfaceId], [RELAY_REPLY, 1, outer.peer, undefined])
    const second = parseDhcp6Relay(first.message)
    assert(typeof second === 'object', String(second))
    assert.deepEqual([second.peer, second.interfaceId], [PEER, Uint8Array.of(5)])
    const message = parseDhcp6(second.message)
    assert(typeof message === 'object', String(message))
    assert.match(addressIn(message), /^2001:db8:7::/)
    // A relay agent of a link that we don't serve, and one in a circle.
    const stray = emitDhcp6Relay({ ...near, link: ip('2001:db8:8::1'), message: solicit })
    assert.equal(harness.core.input(stray, PEER, ip('2001:db8::1'), harness.now), undefined)
    assert.equal(harness.core.counters.wrongLink, 1)
    let deep = solicit
    for (let hops = 0; hops < 9; hops++) deep = emitDhcp6Relay({ ...near, hops, message: deep })
    assert.equal(harness.core.input(deep, PEER, ip('2001:db8::1'), harness.now), undefined)
  })

  it('answers so many a second and no more', () => {
    const harness = new Harness({ ratePerSecond: 2 })
    const answers = Array.from({ length: 10 }, () => harness.send(INFORMATION_REQUEST, 1))
    assert.equal(answers.filter((answer) => answer !== undefined).length, 4)
  })

  it('says what is wrong with a link', () => {
    const bad =
      (link: Partial<Dhcp6Link>): (() => unknown) =>
      () =>
        new Harness({ links: [{ ...LINK, ...link }] })
    assert.throws(bad({ range: { first: ip('2001:db8::5'), last: ip('2001:db8::4') } }), /ends before it begins/)
    assert.throws(bad({ range: { first: ip('::5'), last: ip('::6') } }), /is not within 2001:db8::\/64/)
    assert.throws(bad({ hosts: [{ address: ip('::5') }] }), /the host with ::5 is not within/)
  })

  it('takes any octets', () => {
    const harness = new Harness({ ratePerSecond: 1e9 })
    const random = new SeededRandom(8415)
    const solicit = {
      clientId: duidOfMac(1 as Mac),
      ...ask('2001:db8::100'),
      fqdn: { flags: 1, name: 'me' },
      requested: [23],
    }
    const seeds = [
      emitDhcp6({ type: SOLICIT, xid: 1, isRapidCommit: true, ...solicit }),
      emitDhcp6({ type: RENEW, xid: 1, serverId: SERVER, ...solicit }),
      emitDhcp6({ type: DECLINE, xid: 1, serverId: SERVER, ...solicit }),
    ]
    const link = ip('2001:db8:7::1')
    for (const message of [...seeds]) {
      seeds.push(emitDhcp6Relay({ type: RELAY_FORWARD, hops: 0, link, peer: PEER, message }))
    }
    let answerCount = 0
    for (let i = 0; i < 10_000; i++) {
      const seed = seeds[i % seeds.length] as Uint8Array
      const octets = seed.slice(0, random.chance(0.1) ? random.u32() % seed.length : undefined)
      for (let flips = random.u32() % 4; flips > 0; flips--) octets[random.u32() % octets.length] = random.u32()
      if (harness.core.input(octets, PEER, DHCP6_RELAYS_AND_SERVERS, harness.now) !== undefined) answerCount++
      if (random.chance(0.01)) harness.pass(random.u32() % 4000)
    }
    assert(answerCount > 3000, `${answerCount} answers`)
  })
})
