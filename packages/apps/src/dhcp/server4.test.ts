import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { ipv4, ipv4ToString } from '@mirage-ts/core/addresses'
import { NO_LOG } from '@mirage-ts/core/log'
import { seconds } from '@mirage-ts/core/time'
import { createDhcp } from '@mirage-ts/net/dhcp/client'
import { createEthernet } from '@mirage-ts/net/ethernet'
import { createArp } from '@mirage-ts/net/ipv4/arp'
import { createIcmp } from '@mirage-ts/net/ipv4/icmp'
import { createIpv4 } from '@mirage-ts/net/ipv4/ipv4'
import { createUdp } from '@mirage-ts/net/udp'
import type { Dhcp } from '@mirage-ts/signatures/dhcp'
import type { KvRw } from '@mirage-ts/signatures/kv'
import type { WallInstant } from '@mirage-ts/signatures/time'
import { createMemoryKv } from '@mirage-ts/storage/memory-kv'
import { createTestStack } from '@mirage-ts/testing/direct-stack'
import { testMac } from '@mirage-ts/testing/link'
import { MockTime } from '@mirage-ts/testing/mock-time'
import { SeededRandom } from '@mirage-ts/testing/seeded-random'
import { VirtualSwitch } from '@mirage-ts/testing/virtual-switch'
import { resolve } from '../dns/server/resolve.ts'
import { dnsName } from '../dns/wire/name.ts'
import { RCODE, TYPE } from '../dns/wire/types.ts'
import { HostNames } from './host-names.ts'
import { createDhcp4Server, type Dhcp4Server } from './server4.ts'

const SERVER = ipv4(10, 0, 0, 1)
const NETWORK = { address: SERVER, prefixBits: 24 }

class Lan {
  readonly time = new MockTime()
  readonly lan = new VirtualSwitch(this.time)
  readonly stack = createTestStack(this.lan.port(testMac(1)), this.time, '10.0.0.1/24')
  names = new HostNames({ domain: 'lan', networks: [NETWORK] })
  private seed = 100

  server(leases?: KvRw): Promise<Dhcp4Server> {
    const { ethernet, arp, udp } = this.stack
    const wallClock = { now: () => (1_700_000_000e6 + this.time.now()) as WallInstant }
    return createDhcp4Server(
      { ethernet, arp, udp, clock: this.time, wallClock, time: this.time, log: NO_LOG, names: this.names, leases },
      {
        address: SERVER,
        subnets: [
          {
            network: NETWORK,
            ranges: [{ first: ipv4(10, 0, 0, 50), last: ipv4(10, 0, 0, 59) }],
            leaseSeconds: 600,
            routers: [SERVER],
            domain: 'lan',
          },
        ],
      },
    )
  }

  client(n: number, hostname: string): Promise<Dhcp> {
    const { time } = this
    const random = new SeededRandom(this.seed++)
    const ethernet = createEthernet({ network: this.lan.port(testMac(n)) })
    const arp = createArp({ ethernet, clock: time, time })
    const ipv4 = createIpv4({ ethernet, arp, random, clock: time, time })
    const udp = createUdp({ ip: ipv4, icmp: createIcmp({ ipv4, clock: time }), random })
    return createDhcp({ ethernet, arp, ipv4, udp, clock: time, time, random, log: NO_LOG }, { hostname })
  }

  async pass(lenSeconds: number): Promise<void> {
    for (let i = 0; i < 10 * lenSeconds; i++) await this.time.advance(seconds(0.1))
  }

  addressOf(name: string): string[] {
    const { answers } = resolve(this.names.zones, dnsName(name), TYPE.A)
    return answers.flatMap(({ rdatas }) => rdatas.map((rdata) => [...rdata].join('.')))
  }
}

describe('dhcp server over a network', () => {
  it('lends addresses to our client, whose name is in DNS, forward and back', async () => {
    const lan = new Lan()
    const server = await lan.server()
    const asking = lan.client(2, 'alpha')
    await lan.pass(3)
    const { lease } = await asking
    assert(lease !== undefined)
    const address = ipv4ToString(lease.cidr.address)
    assert.match(address, /^10\.0\.0\.5\d$/)
    assert.equal(lease.gateway, SERVER)
    assert.deepEqual(lan.addressOf('alpha.lan'), [address])
    const back = resolve(lan.names.zones, dnsName(`${address.split('.').reverse().join('.')}.in-addr.arpa`), TYPE.PTR)
    assert.equal(String.fromCharCode(...(back.answers[0]?.rdatas[0] ?? [])), '\x05alpha\x03lan\0')
    // Renewed at half of the time, by unicast.
    await lan.pass(400)
    assert.equal(server.counters.requests, 2)
    assert.equal(server.leases.length, 1)
    await (await asking).release()
    await lan.pass(1)
    assert.equal(server.leases.length, 0)
    assert.deepEqual(lan.addressOf('alpha.lan'), [])
    assert.equal(resolve(lan.names.zones, dnsName('alpha.lan'), TYPE.A).rcode, RCODE.NXDOMAIN)
    await server.close()
  })

  it('does not lend an address that a station has without asking', async () => {
    const lan = new Lan()
    const server = await lan.server()
    for (let n = 50; n < 59; n++) createTestStack(lan.lan.port(testMac(n)), lan.time, `10.0.0.${n}/24`)
    const asking = lan.client(2, 'alpha')
    await lan.pass(120)
    const { lease } = await asking
    assert.equal(ipv4ToString(lease?.cidr.address ?? SERVER), '10.0.0.59')
    assert(server.counters.inUse > 0)
  })

  it('knows its leases, and their names, after a restart', async () => {
    const lan = new Lan()
    const kv = createMemoryKv()
    const first = await lan.server(kv)
    const asking = lan.client(2, 'alpha')
    await lan.pass(3)
    const address = ipv4ToString((await asking).lease?.cidr.address ?? SERVER)
    assert.deepEqual(
      (await kv.list('dhcp4')).map(({ name }) => name),
      [address],
    )
    await first.close()
    lan.names = new HostNames({ domain: 'lan', networks: [NETWORK] })
    await kv.set('dhcp4/10.0.0.99', Uint8Array.of(0x7b))
    const second = await lan.server(kv)
    assert.deepEqual(
      second.leases.map(({ hostname }) => hostname),
      ['alpha'],
    )
    assert.deepEqual(lan.addressOf('alpha.lan'), [address])
    // The client renews with a server that would be silent if it did not know it.
    await lan.pass(400)
    assert.equal(second.counters.acks, 1)
    assert.equal(second.counters.silent, 0)
    // It is gone for good when it ends.
    await second.close()
    await lan.pass(700)
    lan.names = new HostNames({ domain: 'lan', networks: [NETWORK] })
    assert.equal((await lan.server(kv)).leases.length, 0)
    assert.equal(await kv.exists(`dhcp4/${address}`), undefined)
    // What it could not read it has left alone.
    assert.equal(await kv.exists('dhcp4/10.0.0.99'), 'value')
  })

  it('tells nobody of a lease that could not be written down', async () => {
    const lan = new Lan()
    const kv = createMemoryKv()
    let isBroken = true
    const server = await lan.server({
      ...bound(kv),
      flush: () => (isBroken ? Promise.reject(new Error('worn out')) : kv.flush()),
    })
    const asking = lan.client(2, 'alpha')
    await lan.pass(20)
    assert(server.counters.acks > 0)
    let isLent = false
    void asking.then(() => {
      isLent = true
    })
    await lan.pass(1)
    assert.equal(isLent, false)
    isBroken = false
    await lan.pass(120)
    assert.equal(isLent, true)
  })
})

/** The methods of a store, each for itself. */
function bound(kv: KvRw): KvRw {
  return {
    exists: (key) => kv.exists(key),
    get: (key) => kv.get(key),
    getPartial: (key, off, len) => kv.getPartial(key, off, len),
    list: (key) => kv.list(key),
    sizeBytes: (key) => kv.sizeBytes(key),
    digest: (key) => kv.digest(key),
    lastModified: (key) => kv.lastModified(key),
    set: (key, value) => kv.set(key, value),
    setPartial: (key, off, octets) => kv.setPartial(key, off, octets),
    remove: (key) => kv.remove(key),
    rename: (from, to) => kv.rename(from, to),
    flush: () => kv.flush(),
  }
}
