import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { ipToString, ipv6CidrToString } from '@mirage-ts/core/addresses'
import { frameOf, fromHex } from '@mirage-ts/core/bytes'
import type { Ipv6 } from '@mirage-ts/signatures/addresses'
import { checkIcmpv6, parseNdOptions } from './icmpv6.ts'

/** As radvd sends them: source MAC, MTU, prefix, resolver, routes of three lengths; each with where it ends. */
const OPTIONS: readonly string[] = [
  '0101020000000001',
  '0501000000000514',
  '030440c0 00000e10 00000708 00000000 20010db8000100000000000000000000',
  '19030000 00000e10 20010db8000100000000000000000053',
  '18010018 00000e10',
  '18022008 00000e10 20010db900000000',
  '18038000 00000e10 20010db9000000000000000000000001',
]

describe('icmpv6 wire', () => {
  const bytes = fromHex(OPTIONS.join(' '))
  const parse = (u8: Uint8Array) => parseNdOptions(frameOf(u8), 0, u8.length)

  it('reads the options of neighbour discovery', () => {
    const options = parse(bytes) ?? assert.fail()
    assert.deepEqual([options.sourceMac, options.targetMac, options.mtuBytes], [0x020000000001, 0, 1300])
    assert.deepEqual(options.nameservers.map(ipToString), ['2001:db8:1::53'])
    const [prefix] = options.prefixes
    assert.deepEqual(
      [prefix?.prefixBits, prefix?.isOnLink, prefix?.isAutonomous, prefix?.validSeconds, prefix?.preferredSeconds],
      [64, true, true, 3600, 1800],
    )
    assert.deepEqual(
      // A route with the reserved preference is none (RFC 4191 §2.3).
      options.routes.map((route) => [
        ipv6CidrToString({ address: route.prefix, prefixBits: route.prefixBits }),
        route.preference,
      ]),
      [
        ['::/0', -1],
        ['2001:db9::/32', 1],
        ['2001:db9::1/128', 0],
      ],
    )
    assert.equal(parse(fromHex('18022010 00000e10 20010db900000000'))?.routes.length, 0)
  })

  it('refuses every truncation but those between two options, and an option of no length (RFC 4861 §4.6)', () => {
    const ends = new Set<number>([0])
    let end = 0
    for (const option of OPTIONS) {
      end += fromHex(option).length
      ends.add(end)
    }
    for (let at = 0; at <= bytes.length; at++) {
      assert.equal(parse(bytes.subarray(0, at)) !== undefined, ends.has(at), `${at} octets`)
    }
    assert.equal(parse(fromHex('0100020000000001')), undefined)
  })

  it('believes a bounded number of options', () => {
    const many = parse(fromHex(`${OPTIONS[2]}${OPTIONS[3]}${OPTIONS[5]}`.repeat(20))) ?? assert.fail()
    assert.deepEqual([many.prefixes.length, many.nameservers.length, many.routes.length], [16, 16, 16])
  })

  it('refuses truncated messages and bad checksums', () => {
    const message = fromHex('8000 0000 00010002')
    for (let end = 0; end < 8; end++) {
      assert.equal(checkIcmpv6(frameOf(message), 0, end, 1n as Ipv6, 2n as Ipv6), 'truncated')
    }
    assert.equal(checkIcmpv6(frameOf(message), 0, 8, 1n as Ipv6, 2n as Ipv6), 'bad-checksum')
  })
})
