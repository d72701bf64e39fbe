import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Ipv6, Mac } from '@mirage-ts/signatures/addresses'
import {
  endpointToString,
  interfaceIdOf,
  ipv4,
  ipv6CidrToString,
  ipv6InCidr,
  ipv6MulticastMac,
  ipv6SolicitedNode,
  ipv6ToString,
  isInNetwork,
  isIpv6LinkLocal,
  isIpv6Multicast,
  macToString,
  parseIp,
  parseIpv6,
  parseIpv6Cidr,
  parseMac,
  port,
  readIpv6,
  writeIpv6,
} from './addresses.ts'

const groupCount = (text: string): number => text.split(':').filter((group) => group !== '').length

const address = (text: string): Ipv6 => {
  const parsed = parseIpv6(text)
  assert(parsed !== undefined, text)
  return parsed
}

describe('ipv6 text', () => {
  it('prints as RFC 5952 says', () => {
    for (const [text, printed] of [
      ['2001:0db8:0000:0000:0001:0000:0000:0001', '2001:db8::1:0:0:1'], // §4.2.3: the first of two equal runs
      ['2001:db8:0:1:1:1:1:1', '2001:db8:0:1:1:1:1:1'], // §4.2.2: one group is no run
      ['2001:0:0:1:0:0:0:1', '2001:0:0:1::1'], // §4.2.3: the longest
      ['2001:DB8::ABCD', '2001:db8::abcd'], // §4.3
      ['::', '::'],
      ['0:0:0:0:0:0:0:1', '::1'],
      ['1::', '1::'],
      ['1:0:0:0:0:0:0:0', '1::'],
      ['::1:2:3:4:5:6:7', '0:1:2:3:4:5:6:7'],
      ['fe80:0:0:0:0:0:0:0', 'fe80::'],
      ['::ffff:192.0.2.1', '::ffff:192.0.2.1'], // §5
      ['::ffff:c000:201', '::ffff:192.0.2.1'],
      ['64:ff9b::192.0.2.33', '64:ff9b::c000:221'],
      ['ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255', 'ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff'],
    ] as const) {
      assert.equal(ipv6ToString(address(text)), printed, text)
    }
  })

  it('refuses what RFC 4291 §2.2 does not allow', () => {
    for (const text of [
      '',
      ':',
      ':::',
      '1',
      '1:2:3:4:5:6:7',
      '1:2:3:4:5:6:7:8:9',
      '1:2:3:4:5:6:7:8::',
      '::1:2:3:4:5:6:7:8',
      '1::2::3',
      ':1:2:3:4:5:6:7:8',
      '1:2:3:4:5:6:7:',
      ':1::2',
      '1::2:',
      '12345::',
      'g::',
      '1:2:3:4:5:6:7:1.2.3.4',
      '1.2.3.4::',
      '::1.2.3.4:5',
      '::1.2.3',
      '::1.2.3.256',
      '::01.2.3.4',
      'fe80::1%eth0',
      '[::1]',
      ' ::1',
      '::1/64',
      '-1::',
    ]) {
      assert.equal(parseIpv6(text), undefined, JSON.stringify(text))
    }
  })

  it('reads back what it prints: every pattern of zero groups, and every way to write it', () => {
    for (let pattern = 0; pattern < 256; pattern++) {
      const groups = Array.from({ length: 8 }, (_, i) => ((pattern >> i) & 1) * (0xa0 + i))
      const value = groups.reduce((sum, group) => (sum << 16n) | BigInt(group), 0n) as Ipv6
      const printed = ipv6ToString(value)
      assert.equal(parseIpv6(printed), value, printed)
      assert.equal(parseIpv6(printed.toUpperCase()), value)
      assert.equal(parseIpv6(groups.map((group) => group.toString(16).padStart(4, '0')).join(':')), value)
      // Every run of zeros may be the one that is left out, and ours leaves out as many groups as any.
      for (let start = 0; start < 8; start++) {
        for (let end = start + 1; end <= 8 && groups[end - 1] === 0; end++) {
          const hex = (part: readonly number[]): string => part.map((group) => group.toString(16)).join(':')
          const text = `${hex(groups.slice(0, start))}::${hex(groups.slice(end))}`
          assert.equal(parseIpv6(text), value, text)
          if (value >> 32n !== 0xffffn && end - start > 1) assert(groupCount(printed) <= groupCount(text), printed)
        }
      }
    }
  })

  it('reads networks, endpoints and either family', () => {
    assert.equal(ipv6CidrToString(parseIpv6Cidr('2001:db8::2/64') ?? assert.fail()), '2001:db8::2/64')
    for (const text of ['::1', '::1/129', '::1/', '/64', '::1/-1', '::1/64/64'])
      assert.equal(parseIpv6Cidr(text), undefined)
    assert.equal(parseIp('10.0.0.1'), ipv4(10, 0, 0, 1))
    assert.equal(parseIp('::1'), 1n)
    assert.equal(parseIp('::1::'), undefined)
    assert.equal(endpointToString({ address: address('2001:db8::1'), port: port(80) }), '[2001:db8::1]:80')
    assert.equal(endpointToString({ address: ipv4(10, 0, 0, 1), port: port(80) }), '10.0.0.1:80')
  })
})

describe('ipv6 addresses', () => {
  it('knows kinds, groups and identifiers', () => {
    assert.equal(isIpv6LinkLocal(address('fe80::1')) && isIpv6LinkLocal(address('febf::1')), true)
    assert.equal(isIpv6LinkLocal(address('fec0::1')), false)
    assert.equal(isIpv6Multicast(address('ff02::1')), true)
    assert.equal(ipv6ToString(ipv6SolicitedNode(address('2001:db8::1:800:200e:8c6c'))), 'ff02::1:ff0e:8c6c')
    assert.equal(macToString(ipv6MulticastMac(address('ff02::1:ff0e:8c6c'))), '33:33:ff:0e:8c:6c')
    // RFC 4291 appendix A: 34-56-78-9A-BC-DE.
    assert.equal(interfaceIdOf(parseMac('34:56:78:9a:bc:de') as Mac), 0x365678fffe9abcden)
    const cidr = parseIpv6Cidr('2001:db8:0:1::1/64') ?? assert.fail()
    assert.equal(ipv6InCidr(address('2001:db8:0:1:ffff::'), cidr), true)
    assert.equal(ipv6InCidr(address('2001:db8:0:2::1'), cidr), false)
    assert.equal(ipv6InCidr(address('::1'), { address: address('ff::'), prefixBits: 0 }), true)
  })

  it('lies in networks of its own family only', () => {
    const v6 = parseIpv6Cidr('2001:db8::/32') ?? assert.fail()
    const v4 = { address: ipv4(10, 0, 0, 0), prefixBits: 8 }
    assert.equal(isInNetwork(address('2001:db8::1'), v6), true)
    assert.equal(isInNetwork(address('2001:db9::1'), v6), false)
    assert.equal(isInNetwork(ipv4(10, 1, 2, 3), v4), true)
    assert.equal(isInNetwork(ipv4(11, 1, 2, 3), v4), false)
    assert.equal(isInNetwork(ipv4(0, 0, 0, 1), { ...v6, prefixBits: 0 }), false)
    assert.equal(isInNetwork(address('::1'), { ...v4, prefixBits: 0 }), false)
  })

  it('reads and writes octets', () => {
    const dv = new DataView(new ArrayBuffer(20))
    const value = address('123:4567:89ab:cdef:fedc:ba98:7654:3210')
    writeIpv6(dv, 3, value)
    assert.equal(readIpv6(dv, 3), value)
    assert.equal(dv.getUint8(3), 1)
    assert.equal(dv.getUint8(18), 0x10)
  })
})
