import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { ipv6ToString, parseIpv6 } from '@mirage-ts/core/addresses'
import type { Ipv6 } from '@mirage-ts/signatures/addresses'
import { chooseSource, commonPrefixBits, policyOf, scopeOf } from './source-address.ts'

const address = (text: string): Ipv6 => parseIpv6(text) ?? assert.fail(text)

describe('ipv6 source address (RFC 6724)', () => {
  /** A candidate in brackets is deprecated, one with a star temporary. */
  const choose = (dst: string, ...candidates: string[]): string | undefined => {
    const chosen = chooseSource(
      candidates.map((text) => ({
        address: address(text.replace(/[()*]/g, '')),
        isDeprecated: text.startsWith('('),
        isTemporary: text.endsWith('*'),
      })),
      address(dst),
    )
    return chosen === undefined ? undefined : ipv6ToString(chosen)
  }

  it('follows the rules of §5 in their order, whatever order the candidates have', () => {
    for (const [dst, best, other] of [
      ['2001:db8::1', '2001:db8::1', '2001:db8::2'], // rule 1
      ['2001:db8:1::1', '2001:db8:3::1', 'fe80::1'], // rule 2, §10.1
      ['ff05::1', '2001:db8:3::1', 'fe80::1'], // rule 2
      ['fe80::1', 'fe80::2', '2001:db8:1::1'], // rule 2
      ['2001:db8:1::1', '2001:db8:3::1', '(2001:db8:1::2)'], // rule 3 before rule 8
      ['fe80::1', '(fe80::2)', '2001:db8:1::1'], // rule 2 before rule 3
      ['2002:c633:6401::1', '2002:c633:6401:1::2', '2001:db8:1::2'], // rule 6, §10.1
      ['fc00::1', 'fd00::2', '2001:db8::2'], // rule 6
      ['2001:db8:1::1', '2001:db8:3::2*', '2001:db8:1::2'], // rule 7 before rule 8
      ['fc00::1', 'fd00::2', '2001:db8::2*'], // rule 6 before rule 7
      ['2001:db8:1::1', '2001:db8:1::2', '2001:db8:3::2'], // rule 8, §10.1
    ] as const) {
      const expected = ipv6ToString(address(best.replace(/[()*]/g, '')))
      assert.equal(choose(dst, best, other), expected, dst)
      assert.equal(choose(dst, other, best), expected, dst)
    }
    assert.equal(choose('2001:db8::1'), undefined)
  })

  it('knows scopes, policies and common prefixes', () => {
    assert.deepEqual(
      ['ff02::1', 'ff0e::1', 'fe80::1', '::1', 'fec0::1', '2001:db8::1', 'fd00::1'].map((text) =>
        scopeOf(address(text)),
      ),
      [2, 14, 2, 2, 5, 14, 14],
    )
    assert.deepEqual(
      ['::1', '::ffff:10.0.0.1', '2001::1', '2002::1', 'fd00::1', '2001:db8::1'].map(
        (text) => policyOf(address(text)).label,
      ),
      [0, 4, 5, 2, 13, 1],
    )
    assert.equal(commonPrefixBits(address('2001:db8::'), address('2001:db8::1')), 64)
    assert.equal(commonPrefixBits(address('2001:db8::'), address('2001:db9::')), 31)
    assert.equal(commonPrefixBits(address('::'), address('8000::')), 0)
  })
})
