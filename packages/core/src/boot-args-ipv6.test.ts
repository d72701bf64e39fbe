import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ipv6Address, ipv6Cidr } from './boot-args-ipv6.ts'

test('boot arguments: IPv6 addresses (RFC 4291 §2.2)', () => {
  const cases: readonly (readonly [string, bigint])[] = [
    ['::', 0n],
    ['::1', 1n],
    ['2001:db8::1', 0x2001_0db8_0000_0000_0000_0000_0000_0001n],
    ['2001:DB8:0:0:8:800:200C:417A', 0x2001_0db8_0000_0000_0008_0800_200c_417an],
    ['ff01::', 0xff01_0000_0000_0000_0000_0000_0000_0000n],
    ['::ffff:129.144.52.38', 0xffff_8190_3426n],
    ['1:2:3:4:5:6:7::', 0x0001_0002_0003_0004_0005_0006_0007_0000n],
  ]
  for (const [text, value] of cases) assert.equal(ipv6Address.parse(text), value, text)
})

test('boot arguments: what is no IPv6 address', () => {
  const texts = [
    '',
    ':',
    ':::',
    '1',
    '1::2::3',
    '1:2:3:4:5:6:7:8:9',
    '1:2:3:4:5:6:7:8::',
    '12345::',
    'g::',
    '1:2:3:4:5:6:7',
  ]
  for (const text of [...texts, ':1::2', '1.2.3.4', '1.2.3.4::', '::1.2.3', '::1.2.3.256', '1:2:3:4:5:6:7:1.2.3.4']) {
    assert.equal(ipv6Address.parse(text), undefined, text)
  }
})

test('boot arguments: IPv6 address with its prefix length', () => {
  assert.deepEqual(ipv6Cidr.parse('fd00::2/64'), {
    address: 0xfd00_0000_0000_0000_0000_0000_0000_0002n,
    prefixBits: 64,
  })
  for (const text of ['fd00::2', 'fd00::2/129', 'fd00::2/', '/64']) assert.equal(ipv6Cidr.parse(text), undefined, text)
})
