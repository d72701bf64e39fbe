import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { ipv4, parseIpv6 } from '@mirage-ts/core/addresses'
import type { Ipv6, Mac } from '@mirage-ts/signatures/addresses'
import { resolve } from '../dns/server/resolve.ts'
import { dnsName, type NameKey } from '../dns/wire/name.ts'
import { TYPE } from '../dns/wire/types.ts'
import { HostNames, hostLabel, reverseOf } from './host-names.ts'

const V4 = { address: ipv4(10, 1, 16, 1), prefixBits: 20 }
const V6 = { address: parseIpv6('2001:db8:0:5::1') as Ipv6, prefixBits: 64 }
const host6 = parseIpv6('2001:db8:0:5::77') as Ipv6
const client = (n: number): { id: string; mac: Mac } => ({ id: `id${n}`, mac: n as Mac })

function count(names: HostNames, name: string, type: number): number {
  return resolve(names.zones, dnsName(name), type).answers.flatMap(({ rdatas }) => rdatas).length
}

describe('names of hosts with leases', () => {
  it('keeps both families of one station under one name', () => {
    const changed: NameKey[] = []
    const names = new HostNames({
      domain: 'home.example',
      networks: [V4, V6],
      onChange: (origin) => changed.push(origin),
    })
    assert.deepEqual([...names.zones.keys()].length, 3)
    names.set('pc', client(1), ipv4(10, 1, 20, 5))
    names.set('pc', { id: 'duid', mac: 1 as Mac }, host6)
    assert.equal(count(names, 'pc.home.example', TYPE.A), 1)
    assert.equal(count(names, 'pc.home.example', TYPE.AAAA), 1)
    assert.equal(count(names, `${reverseOf(host6, 128)}`, TYPE.PTR), 1)
    assert.equal(count(names, '5.20.1.10.in-addr.arpa', TYPE.PTR), 1)
    assert.equal(changed.length, 4)
    // Said again, nothing changes: no new serial, nobody told.
    names.set('pc', client(1), ipv4(10, 1, 20, 5))
    assert.equal(changed.length, 4)
    names.remove('pc', ipv4(10, 1, 20, 5))
    assert.equal(count(names, 'pc.home.example', TYPE.A), 0)
    assert.equal(count(names, 'pc.home.example', TYPE.AAAA), 1)
  })

  it('lets nobody take the name of another, nor one of the configuration', () => {
    const server = { hostname: 'router', addresses: [ipv4(10, 1, 16, 1)] }
    const names = new HostNames({ domain: 'lan', networks: [V4], server })
    assert.equal(names.nameFor('pc', client(1)), 'pc.lan')
    names.set('pc', client(1), ipv4(10, 1, 20, 5))
    assert.equal(names.nameFor('pc', client(2)), undefined)
    names.set('pc', client(2), ipv4(10, 1, 20, 6))
    assert.equal(count(names, 'pc.lan', TYPE.A), 1)
    assert.equal(names.nameFor('router', client(2)), undefined)
    names.remove('router', ipv4(10, 1, 16, 1))
    assert.equal(count(names, 'router.lan', TYPE.A), 1)
    names.remove('pc', ipv4(10, 1, 20, 5))
    assert.equal(names.nameFor('pc', client(2)), 'pc.lan')
  })

  it('forgets the name that a host had before', () => {
    const names = new HostNames({ domain: 'lan', networks: [V4] })
    names.set('old', client(1), ipv4(10, 1, 20, 5))
    names.set('new', client(1), ipv4(10, 1, 20, 5))
    assert.equal(count(names, 'old.lan', TYPE.A), 0)
    assert.equal(count(names, 'new.lan', TYPE.A), 1)
    assert.equal(count(names, '5.20.1.10.in-addr.arpa', TYPE.PTR), 1)
  })

  it('takes names that can be those of hosts only', () => {
    assert.equal(hostLabel('My-PC.example.org'), 'my-pc')
    for (const bad of ['', '.', '-x', 'a_b', 'a b', '../x', 'ü', 'x'.repeat(64), '*'])
      assert.equal(hostLabel(bad), undefined, bad)
    assert.throws(
      () => new HostNames({ domain: 'lan', networks: [], server: { hostname: 'a.b', addresses: [] } }),
      /one label/,
    )
  })

  it('leads back from networks whose prefix ends within a label', () => {
    assert.equal(reverseOf(ipv4(10, 1, 16, 0), 20), '1.10.in-addr.arpa')
    assert.equal(
      reverseOf(V6.address, 62),
      '0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa'.replace('0.0.0.0.0.0', '0.0.0.0.0.0.0'),
    )
  })
})
