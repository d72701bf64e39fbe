import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Ipv4, Ipv4Cidr, Mac } from '@mirage-ts/signatures/addresses'
import fc from 'fast-check'
import {
  ipv4,
  ipv4BroadcastOf,
  ipv4CidrToString,
  ipv4InCidr,
  ipv4Mask,
  ipv4ToString,
  isIpv4Multicast,
  isMacGroup,
  macToString,
  parseIpv4,
  parseIpv4Cidr,
  parseMac,
  port,
  readMac,
  writeMac,
} from './addresses.ts'

const cidr = (text: string): Ipv4Cidr => parseIpv4Cidr(text) as Ipv4Cidr

describe('addresses', () => {
  it('ipv4: text and number agree, both ways', () => {
    fc.assert(
      fc.property(fc.nat(0xffffffff), (address) => {
        assert.equal(parseIpv4(ipv4ToString(address as Ipv4)), address)
      }),
    )
    assert.equal(ipv4(192, 168, 1, 2), parseIpv4('192.168.1.2'))
  })

  it('ipv4: refuses text that is not four plain decimal octets', () => {
    for (const text of [
      '',
      '1.2.3',
      '1.2.3.4.5',
      '256.1.1.1',
      '01.2.3.4',
      '1.2.3.4 ',
      '1.2.3.-4',
      '0x1.2.3.4',
      '1.2.3.4444',
    ]) {
      assert.equal(parseIpv4(text), undefined, text)
    }
  })

  it('cidr: reads, prints, and refuses a prefix over 32 bits', () => {
    assert.equal(ipv4CidrToString(cidr('10.1.2.3/8')), '10.1.2.3/8')
    for (const text of ['10.0.0.1', '10.0.0.1/33', '10.0.0.1/', '10.0.0/8', '10.0.0.1/8x']) {
      assert.equal(parseIpv4Cidr(text), undefined, text)
    }
  })

  it('cidr: membership is that of the masked addresses, for every prefix', () => {
    fc.assert(
      fc.property(fc.nat(0xffffffff), fc.nat(0xffffffff), fc.nat(32), (a, b, prefixBits) => {
        const mask = ipv4Mask(prefixBits)
        const expected = (a & mask) >>> 0 === (b & mask) >>> 0
        assert.equal(ipv4InCidr(a as Ipv4, { address: b as Ipv4, prefixBits }), expected)
      }),
    )
    assert.equal(ipv4Mask(0), 0)
    assert.equal(ipv4ToString(ipv4Mask(20)), '255.255.240.0')
  })

  it('cidr: a network has a broadcast address unless it is a /31 or /32 (RFC 3021)', () => {
    assert.equal(ipv4ToString(ipv4BroadcastOf(cidr('10.0.5.1/22')) as Ipv4), '10.0.7.255')
    assert.equal(ipv4BroadcastOf(cidr('10.0.0.0/31')), undefined)
    assert.equal(ipv4BroadcastOf(cidr('10.0.0.0/32')), undefined)
  })

  it('ipv4: multicast is 224.0.0.0/4', () => {
    const isMulticast = (text: string) => isIpv4Multicast(parseIpv4(text) as Ipv4)
    assert.deepEqual(['223.255.255.255', '224.0.0.0', '239.255.255.255', '240.0.0.0'].map(isMulticast), [
      false,
      true,
      true,
      false,
    ])
  })

  it('mac: text, number and octets agree', () => {
    fc.assert(
      fc.property(fc.nat(0xffffff), fc.nat(0xffffff), (high, low) => {
        const mac = (high * 0x1000000 + low) as Mac
        assert.equal(parseMac(macToString(mac)), mac)
        const dv = new DataView(new ArrayBuffer(8))
        writeMac(dv, 1, mac)
        assert.equal(readMac(dv, 1), mac)
        assert.equal(isMacGroup(mac), (dv.getUint8(1) & 1) === 1)
      }),
    )
    for (const text of ['', '02:00:00:00:00', '02:00:00:00:00:0g', '020000000001', '02:00:00:00:00:01:02']) {
      assert.equal(parseMac(text), undefined, text)
    }
  })

  it('port: takes 0 to 65535 and says so', () => {
    assert.equal(port(65535), 65535)
    for (const bad of [-1, 65536, 1.5, Number.NaN]) {
      assert.throws(() => port(bad), { name: 'RangeError', message: `Cannot use ${bad} as a port: expected 0..65535` })
    }
  })
})
