import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { ipv6ToString, parseIpv6 } from '@mirage-ts/core/addresses'
import { fromHex, toHex } from '@mirage-ts/core/bytes'
import type { Ipv6, Mac } from '@mirage-ts/signatures/addresses'
import { SeededRandom } from '@mirage-ts/testing/seeded-random'
import {
  ADVERTISE,
  DHCP6_INFINITY,
  type Dhcp6Message,
  duidOfMac,
  FQDN_SERVER_UPDATES,
  RELAY_FORWARD,
  REPLY,
  SOLICIT,
  STATUS,
} from './codec.ts'
import { domainProblem } from './domain.ts'
import { parseDhcp6, parseDhcp6Relay } from './reader.ts'
import { emitDhcp6, emitDhcp6Relay } from './writer.ts'

const ip = (text: string): Ipv6 => parseIpv6(text) as Ipv6
const CLIENT = duidOfMac(0x020000000001 as Mac)
const SERVER = duidOfMac(0x020000000002 as Mac)

/** A solicit message as ISC's dhclient -6 lays it out: client, option request, elapsed time, IA_NA. */
const DHCLIENT = `01 2a3b4c 0001000e 000100012f0a1b2c 020000000001 00060006 0017 0018 0027 00080002 0000
  0003000c 00000001 00000e10 00001518`

/** Everything that has a field. */
const FULL: Dhcp6Message = {
  type: REPLY,
  xid: 0xabcdef,
  clientId: CLIENT,
  serverId: SERVER,
  isRapidCommit: true,
  elapsed: 70,
  preference: 255,
  status: { code: STATUS.NO_ADDRS_AVAIL, message: 'none left' },
  associations: [
    {
      iaid: 0xfffffff0,
      t1Seconds: 1800,
      t2Seconds: 2880,
      addresses: [
        { address: ip('2001:db8::5'), preferredSeconds: 3600, validSeconds: DHCP6_INFINITY, status: undefined },
        { address: ip('2001:db8::6'), preferredSeconds: 0, validSeconds: 0, status: { code: 3, message: '' } },
      ],
      status: { code: 0, message: 'ok' },
    },
    { iaid: 2, t1Seconds: 0, t2Seconds: 0, addresses: [], status: undefined },
  ],
  prefixAssociations: [
    {
      iaid: 3,
      t1Seconds: 1,
      t2Seconds: 2,
      prefixes: [
        {
          prefix: { address: ip('2001:db8:100::'), prefixBits: 56 },
          preferredSeconds: 5,
          validSeconds: 6,
          status: { code: 1, message: 'x' },
        },
      ],
      status: undefined,
    },
  ],
  requested: [23, 24, 0x1234],
  reconfigure: 5,
  isReconfigureAccepted: true,
  dnsServers: [ip('2001:db8::53'), ip('fe80::1')],
  searchList: ['lan', 'corp.example.com'],
  sntpServers: [ip('2001:db8::7b')],
  ntpServers: [ip('2001:db8::7b'), ip('ff05::101'), 'time.example.com'],
  refreshSeconds: 86_400,
  fqdn: { flags: FQDN_SERVER_UPDATES, name: 'host.example.com' },
  solMaxRtSeconds: 3600,
  infMaxRtSeconds: 7200,
  others: [
    { code: 59, data: fromHex('68690a') },
    { code: 0xffff, data: new Uint8Array(0) },
  ],
}

describe('dhcp6 codec', () => {
  it('reads what a client says (RFC 8415 §8)', () => {
    const message = parseDhcp6(fromHex(DHCLIENT))
    assert(typeof message === 'object')
    assert.deepEqual(message, {
      type: SOLICIT,
      xid: 0x2a3b4c,
      clientId: fromHex('000100012f0a1b2c020000000001'),
      requested: [23, 24, 39],
      elapsed: 0,
      associations: [{ iaid: 1, t1Seconds: 3600, t2Seconds: 5400, addresses: [], status: undefined }],
    })
  })

  it('writes the octets of RFC 8415 §21', () => {
    const small = emitDhcp6({
      type: ADVERTISE,
      xid: 1,
      clientId: CLIENT,
      associations: [{ iaid: 1, t1Seconds: 2, t2Seconds: 3, addresses: [address('::5')] }],
      searchList: ['a.b'],
      fqdn: { flags: 1, name: 'me' },
    })
    const identity = `0003 0028 00000001 00000002 00000003 0005 0018 ${'00'.repeat(15)}05 00000004 00000005`
    const expected = `02000001 0001000a 00030001020000000001 ${identity} 0018 0005 0161016200 0027 0004 01026d65`
    assert.equal(toHex(small), toHex(fromHex(expected)))
  })

  it('reads what it wrote', () => {
    const octets = emitDhcp6(FULL)
    assert.deepEqual(parseDhcp6(octets), FULL)
    // The octets need not begin where their buffer does.
    const shifted = new Uint8Array(octets.length + 3)
    shifted.set(octets, 3)
    assert.deepEqual(parseDhcp6(shifted.subarray(3)), FULL)
  })

  it('refuses every truncation, or reads what came before it', () => {
    const whole = emitDhcp6(FULL)
    let wholeOptions = 0
    for (let end = 0; end < whole.length; end++) {
      const got = parseDhcp6(whole.subarray(0, end))
      if (typeof got === 'object') wholeOptions++
      else assert.equal(got, 'truncated', `cut at ${end}`)
    }
    // Between two options nothing can tell that more was to come: there are 24 at the outer level.
    assert.equal(wholeOptions, 24)
  })

  it('names what is wrong', () => {
    const bad = (hex: string): unknown => parseDhcp6(fromHex(`01000001${hex}`))
    assert.equal(parseDhcp6(fromHex('0c000001')), 'bad-type')
    assert.equal(parseDhcp6(fromHex('00000001')), 'bad-type')
    for (const [what, hex] of Object.entries({
      'client identifier of 2 octets': '000100020003',
      'client identifier of 131 octets': `00010083${'00'.repeat(131)}`,
      'IA_NA of 11 octets': `0003000b${'00'.repeat(11)}`,
      'address of 23 octets': `00030027${'00'.repeat(12)}00050017${'00'.repeat(23)}`,
      'IA_PD of 11 octets': `0019000b${'00'.repeat(11)}`,
      'prefix of 129 bits': `00190029${'00'.repeat(12)}001a0019${'00'.repeat(8)}81${'00'.repeat(16)}`,
      'option request of odd length': '0006000117',
      'preference of 2 octets': '000700020000',
      'elapsed time of 1 octet': '0008000100',
      'status of 1 octet': '000d000100',
      'rapid commit with data': '000e000100',
      'resolvers of 15 octets': `0017000f${'00'.repeat(15)}`,
      'search list that runs over its end': '00180003056162',
      'search list without the final zero': '00180003026162',
      'label of 64 octets': `00180042 40${'61'.repeat(64)}00`,
      'name option without flags': '00270000',
      'two names': '00270006 00 0161000162',
      'refresh time of 3 octets': '00200003000000',
      'time server of 4 octets': '003800080001000400000000',
    })) {
      assert.equal(bad(hex), 'bad-option', what)
    }
    assert.equal(bad('00080004'), 'truncated')
    assert.equal(bad('0e10 0000'.repeat(257)), 'too-many-options')
    assert.equal(typeof bad('0e10 0000'.repeat(256)), 'object')
  })

  it('takes the first of an option that comes twice (RFC 8415 §21.1)', () => {
    const message = parseDhcp6(fromHex('01000001 00080002 0001 00080002 0002'))
    assert(typeof message === 'object')
    assert.equal(message.elapsed, 1)
  })

  it('leaves out names that are not plain and text that is not printable', () => {
    const message = parseDhcp6(fromHex('01000001 0018000a 036120620003676f7400 000d0005 0001 1b5b4d'))
    assert(typeof message === 'object')
    assert.deepEqual(message.searchList, ['got'])
    assert.equal(message.status?.message, '?[M')
    assert.equal(domainProblem('fine.example'), undefined)
    assert.match(domainProblem('a..b') ?? '', /letters, digits and hyphens/)
  })

  it('reads and writes what relay agents say, one inside of the other (RFC 8415 §9)', () => {
    const inner = emitDhcp6Relay({
      type: RELAY_FORWARD,
      hops: 0,
      link: ip('2001:db8:1::1'),
      peer: ip('fe80::5'),
      interfaceId: fromHex('65746831'),
      message: fromHex(DHCLIENT),
    })
    const outer = parseDhcp6Relay(
      emitDhcp6Relay({ type: RELAY_FORWARD, hops: 1, link: ip('::'), peer: ip('2001:db8::9'), message: inner }),
    )
    assert(typeof outer === 'object')
    assert.equal(ipv6ToString(outer.peer), '2001:db8::9')
    assert.equal(outer.interfaceId, undefined)
    const first = parseDhcp6Relay(outer.message)
    assert(typeof first === 'object')
    assert.equal(toHex(first.interfaceId ?? new Uint8Array()), '65746831')
    assert.equal(ipv6ToString(first.link), '2001:db8:1::1')
    assert.equal(typeof parseDhcp6(first.message), 'object')
    assert.equal(parseDhcp6Relay(fromHex(`0c00${'00'.repeat(32)}`)), 'no-message')
    assert.equal(parseDhcp6Relay(fromHex(`0c00${'00'.repeat(31)}`)), 'truncated')
    assert.equal(parseDhcp6Relay(fromHex(`0100${'00'.repeat(32)}`)), 'bad-type')
  })

  it('takes any octets, and what is a message is the same when written and read again', () => {
    const random = new SeededRandom(8415)
    const seeds = [emitDhcp6(FULL), fromHex(DHCLIENT)]
    let wellFormedCount = 0
    for (let i = 0; i < 20_000; i++) {
      const octets = (seeds[i % 2] as Uint8Array).slice(0, random.chance(0.2) ? random.u32() % 200 : undefined)
      for (let flips = random.u32() % 4; flips > 0; flips--) octets[random.u32() % octets.length] = random.u32()
      parseDhcp6Relay(octets)
      const message = parseDhcp6(octets)
      if (typeof message !== 'object') continue
      wellFormedCount++
      assert.deepEqual(parseDhcp6(emitDhcp6(message)), message, toHex(octets))
    }
    assert(wellFormedCount > 5000, `${wellFormedCount} well-formed messages`)
  })
})

function address(text: string): { address: Ipv6; preferredSeconds: number; validSeconds: number } {
  return { address: ip(text), preferredSeconds: 4, validSeconds: 5 }
}
