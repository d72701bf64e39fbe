import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { ipToString, parseIp } from '@mirage-ts/core/addresses'
import type { IpAddress } from '@mirage-ts/signatures/addresses'
import { orderDestinations } from './destination-order.ts'

const all = (text: string): IpAddress[] => text.split(' ').map((one) => parseIp(one) ?? assert.fail(one))

function order(addresses: string, own: string): string {
  return orderDestinations(all(addresses), own === '' ? [] : all(own))
    .map(ipToString)
    .join(' ')
}

describe('order of destinations (RFC 6724 §6)', () => {
  // The examples of §10.2, as far as they are about one interface, and the default policy.
  for (const [rule, own, addresses, expected] of [
    [
      'the scope of the source',
      '2001:db8:1::2 fe80::1 169.254.13.78',
      '2001:db8:1::1 198.51.100.121',
      '2001:db8:1::1 198.51.100.121',
    ],
    [
      'the scope of the source',
      'fe80::1 198.51.100.117',
      '2001:db8:1::1 198.51.100.121',
      '198.51.100.121 2001:db8:1::1',
    ],
    ['the higher precedence', '2001:db8:1::2 fe80::1 10.1.2.4', '10.1.2.3 2001:db8:1::1', '2001:db8:1::1 10.1.2.3'],
    ['the smaller scope', '2001:db8:1::2 fe80::2', '2001:db8:1::1 fe80::1', 'fe80::1 2001:db8:1::1'],
    [
      'the label of the source',
      '2002:c633:6401::2 fe80::2',
      '2001:db8:1::1 2002:c633:6401::1',
      '2002:c633:6401::1 2001:db8:1::1',
    ],
    [
      'the higher precedence',
      '2002:c633:6401::2 2001:db8:1::2 fe80::2',
      '2002:c633:6401::1 2001:db8:1::1',
      '2001:db8:1::1 2002:c633:6401::1',
    ],
    [
      'the longest prefix',
      '2001:db8:1::2 2001:db8:3f44::2 fe80::2',
      '2001:db8:3ffe::1 2001:db8:3f44::1',
      '2001:db8:3f44::1 2001:db8:3ffe::1',
    ],
    ['those that can be reached', '10.0.0.1', '2001:db8::1 10.0.0.2', '10.0.0.2 2001:db8::1'],
    ['those that can be reached', '2001:db8::2 fe80::1', '10.0.0.2 2001:db8::1', '2001:db8::1 10.0.0.2'],
    ['a site’s own addresses from a global one last', '2001:db8::2 10.0.0.1', 'fd00::1 10.0.0.2', '10.0.0.2 fd00::1'],
    ['the order given', '10.0.0.1', '10.9.0.9 10.0.0.2 10.3.0.3', '10.9.0.9 10.0.0.2 10.3.0.3'],
    ['the order given, without an address of our own', '', '10.9.0.9 2001:db8::1', '2001:db8::1 10.9.0.9'],
  ] as const) {
    it(`${rule}: ${addresses} from ${own || 'nothing'}`, () => assert.equal(order(addresses, own), expected))
  }

  it('orders any list the same way from any beginning', () => {
    const list = all('fe80::1 10.0.0.1 2001:db8::1 2002:1::1 fd00::1 169.254.1.1 127.0.0.1 ::1 2001::1 fec0::1')
    const own = all('2001:db8::2 fe80::2 10.0.0.9')
    const once = orderDestinations(list, own).map(ipToString)
    assert.deepEqual([...once].sort(), list.map(ipToString).sort())
    assert.deepEqual(orderDestinations(orderDestinations(list, own), own).map(ipToString), once)
  })
})
