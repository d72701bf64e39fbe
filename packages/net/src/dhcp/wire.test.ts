import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { ipv4, ipv4ToString } from '@mirage-ts/core/addresses'
import { fromHex, toHex } from '@mirage-ts/core/bytes'
import type { Ipv4 } from '@mirage-ts/signatures/addresses'
import { MAC, OPTIONS, OURS, optionsOf, reply, SERVER } from './testing/reply.ts'
import { ACK, DISCOVER, emitDhcp, hostnameProblem, OFFER, parseDhcp, RELEASE, REQUEST } from './wire.ts'

describe('dhcp wire', () => {
  it('reads what a server says', () => {
    const parsed = parseDhcp(reply(OFFER, 7, `${OPTIONS} 2a080a0000020a000003 3a0400000708 3b0400000c4e 0c026d65`))
    assert(typeof parsed === 'object')
    assert.deepEqual(
      { ...parsed, yiaddr: ipv4ToString(parsed.yiaddr) },
      {
        xid: 7,
        mac: MAC,
        type: OFFER,
        yiaddr: '10.0.0.50',
        server: SERVER,
        mask: 0xffffff00,
        routers: [SERVER],
        routes: [],
        nameservers: [SERVER],
        ntpServers: [ipv4(10, 0, 0, 2), ipv4(10, 0, 0, 3)],
        domain: 'example',
        hostname: 'me',
        message: undefined,
        leaseSeconds: 3600,
        t1Seconds: 1800,
        t2Seconds: 3150,
      },
    )
  })

  it('refuses every truncation and names what is wrong', () => {
    const whole = reply(ACK, 7)
    for (let end = 0; end < whole.length - 1; end++) {
      const got = parseDhcp(whole.subarray(0, end))
      if (end < 240) assert.equal(got, 'truncated')
      // Cut between two options, what came before stands.
      else assert(typeof got === 'object' || got === 'bad-option' || got === 'no-type', `${end}: ${got}`)
    }
    const changed = (at: number, value: number): Uint8Array => {
      const bytes = reply(ACK, 7)
      bytes[at] = value
      return bytes
    }
    assert.equal(parseDhcp(changed(0, 1)), 'not-a-reply')
    assert.equal(parseDhcp(changed(2, 7)), 'not-a-reply')
    assert.equal(parseDhcp(changed(236, 0)), 'bad-magic')
    assert.equal(parseDhcp(changed(241, 200)), 'bad-option')
    assert.equal(parseDhcp(changed(240, 99)), 'no-type')
  })

  it('puts long options together, follows overload, reads classless routes (RFC 3396, 2131 §4.1, 3442)', () => {
    const bytes = reply(ACK, 7, `340101 7905 18 c00002 0a 7903 000001 7905 00 0a000001`)
    bytes.set(fromHex('0f0461626364ff'), 108)
    const parsed = parseDhcp(bytes)
    assert(typeof parsed === 'object')
    assert.equal(parsed.domain, 'abcd')
    assert.deepEqual(
      parsed.routes.map(({ network, gateway }) => [ipv4ToString(network.address), network.prefixBits, gateway]),
      [
        ['192.0.2.0', 24, SERVER],
        ['0.0.0.0', 0, SERVER],
      ],
    )
    assert.equal(parseDhcp(reply(ACK, 7, '7902 21 00')), 'bad-option')
    assert.equal(parseDhcp(reply(ACK, 7, '7904 18 c00002')), 'bad-option')
  })

  it('says what RFC 2131 table 5 wants of each message', () => {
    const fields = { xid: 9, mac: MAC, secs: 3, ciaddr: 0 as Ipv4, requested: undefined, server: undefined }
    const discover = emitDhcp({ ...fields, type: DISCOVER, hostname: 'me' })
    assert.equal(discover.length, 300)
    assert.equal(toHex(discover, 0, 12), '010106000000000900038000')
    assert.equal(optionsOf(discover).get(61), '01020000000002')
    assert.equal(optionsOf(discover).get(12), '6d65')
    // RFC 4702 §3.1: a fully qualified name instead of a host's name, never both.
    const named = optionsOf(
      emitDhcp({ ...fields, type: REQUEST, requested: OURS, server: SERVER, hostname: 'me.example' }),
    )
    assert.equal(named.get(81), '050000026d65076578616d706c6500')
    assert.deepEqual([named.get(12), named.get(50), named.get(54)], [undefined, '0a000032', '0a000001'])
    const release = emitDhcp({ ...fields, type: RELEASE, ciaddr: OURS, server: SERVER, hostname: 'me' })
    assert.deepEqual([...optionsOf(release).keys()], [53, 61, 54])
    // With an address we can hear unicast: no broadcast flag.
    assert.equal(toHex(release, 10, 16), '00000a000032')
  })

  it('takes names that DNS takes', () => {
    for (const good of ['a', 'web-1', 'web.example.org', 'example.org.'])
      assert.equal(hostnameProblem(good), undefined, good)
    for (const bad of ['', '-a', 'a-', 'a b', 'a..b', 'ä', 'a'.repeat(64)])
      assert(hostnameProblem(bad) !== undefined, bad)
  })
})
