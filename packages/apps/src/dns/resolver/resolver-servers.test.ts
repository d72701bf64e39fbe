/** Which servers a resolver asks, over which version of IP: a closed world on a switch, in mock time. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { parseIp, parseIpv6, port } from '@mirage-ts/core/addresses'
import { NO_LOG } from '@mirage-ts/core/log'
import { minutes, seconds } from '@mirage-ts/core/time'
import type { IpAddress, Ipv6Cidr } from '@mirage-ts/signatures/addresses'
import type { Stack } from '@mirage-ts/signatures/stack'
import type { Instant } from '@mirage-ts/signatures/time'
import { createDualTestStack } from '@mirage-ts/testing/dual-stack'
import { testMac } from '@mirage-ts/testing/link'
import { MockTime } from '@mirage-ts/testing/mock-time'
import { SeededRandom } from '@mirage-ts/testing/seeded-random'
import { VirtualSwitch } from '@mirage-ts/testing/virtual-switch'
import { coreOf, query, zoneOf } from '../testing/dns.ts'
import { exchangeMessage } from '../transport/exchange.ts'
import { formatRr } from '../wire/message.ts'
import { dnsName, nameKey, ROOT } from '../wire/name.ts'
import { RCODE, TYPE } from '../wire/types.ts'
import { rrsOf } from '../zone/zone.ts'
import { createForwarder } from './forwarder.ts'
import { createIterator } from './iterator.ts'
import type { Resolver } from './resolver.ts'
import { createResolverServer } from './resolver-server.ts'
import { ServerMemory } from './server-memory.ts'

const ip = (text: string): IpAddress => parseIp(text) as IpAddress
const SOA = '@ SOA ns root 1 1 1 1 30\n'

class World {
  readonly time = new MockTime()
  readonly random = new SeededRandom(7)
  /** How often each server was asked. */
  readonly asked = new Map<number, number>()
  private readonly lan = new VirtualSwitch(this.time)

  /** A station with `10.0.0.N` and `fd00::N`, in hexadecimal. */
  stack(n: number): Stack {
    const options = { seed: n, ipv6: `fd00::${n.toString(16)}/64` }
    return createDualTestStack(this.lan.port(testMac(n)), this.time, `10.0.0.${n}/24`, options)
  }

  /** A server of a zone at one of its addresses only. */
  async serve(n: number, origin: string, text: string, only: 'v4' | 'v6'): Promise<void> {
    const core = coreOf({ random: this.random, clock: this.time }, [await zoneOf(origin, text)])
    const socket = await this.stack(n).udp.bind(port(53), (payload, from, to) => {
      if ((typeof to === 'number') !== (only === 'v4')) return
      this.asked.set(n, (this.asked.get(n) ?? 0) + 1)
      const end = core.handle(payload, from, false)
      void socket.send(core.frame.u8.slice(0, end), from)
    })
  }

  async resolver(rootServers: readonly string[]): Promise<Resolver & { readonly stack: Stack }> {
    const { time, random } = this
    const stack = this.stack(100)
    // IPv6 addresses are usable when nobody has objected.
    await time.advance(seconds(3))
    const deps = { stack, time, clock: time, random, log: NO_LOG.logger('') }
    return Object.assign(createIterator(deps, { rootServers: rootServers.map(ip) }), { stack })
  }

  async ask(resolver: Resolver, name: string): Promise<string[]> {
    const { answers } = await this.time.until(resolver.resolve(dnsName(name), TYPE.A))
    return answers.flatMap(rrsOf).map(formatRr)
  }
}

describe('dns resolver: servers', () => {
  it('are asked over IPv6 when that is what they have: by glue, and by looking their addresses up', async () => {
    const world = new World()
    const root = `$TTL 60\n${SOA}@ NS a.\na. AAAA fd00::1\ntest. NS ns.test.\nns.test. AAAA fd00::2\nfar. NS ns.test.\n`
    await world.serve(1, '.', root, 'v6')
    await world.serve(2, 'test', `$TTL 60\n${SOA}@ NS ns\nns AAAA fd00::2\nwww A 192.0.2.1\nout NS ns.far.\n`, 'v6')
    const resolver = await world.resolver(['198.51.100.1', 'fd00::1'])
    assert.deepEqual(await world.ask(resolver, 'www.test'), ['www.test. 60 IN A 192.0.2.1'])
    // A server without an address in the referral: its AAAA is looked for.
    await world.serve(3, 'far', `$TTL 60\n${SOA}@ NS ns.test.\nwww A 192.0.2.3\n`, 'v6')
    const other = new World()
    const hub = `$TTL 60\n${SOA}@ NS a.\na. A 10.0.0.1\nnames. NS ns.names.\nns.names. A 10.0.0.2\nfar. NS x.names.\n`
    await other.serve(1, '.', hub, 'v4')
    await other.serve(2, 'names', `$TTL 60\n${SOA}@ NS ns\nns A 10.0.0.2\nx AAAA fd00::3\n`, 'v4')
    await other.serve(3, 'far', `$TTL 60\n${SOA}@ NS x.names.\nwww A 192.0.2.3\n`, 'v6')
    assert.deepEqual(await other.ask(await other.resolver(['10.0.0.1']), 'www.far'), ['www.far. 60 IN A 192.0.2.3'])
  })

  it('serve and forward over IPv6, to their networks alone', async () => {
    const world = new World()
    await world.serve(1, '.', `$TTL 60\n${SOA}@ NS a.\na. A 10.0.0.1\nwww A 192.0.2.1\n`, 'v4')
    const { time, random } = world
    const resolver = await world.resolver(['10.0.0.1'])
    const networks = [{ address: parseIpv6('fd00::'), prefixBits: 64 } as Ipv6Cidr]
    const deps = { time, random, clock: time, log: NO_LOG }
    await createResolverServer({ ...deps, stack: resolver.stack, resolver }, { port: port(53), networks })
    const stack = world.stack(101)
    await time.advance(seconds(3))
    const servers = [{ address: ip('fd00::64'), port: port(53) }]
    const forwarder = createForwarder({ ...deps, stack }, { servers })
    assert.deepEqual(await world.ask(forwarder, 'www'), ['www. 60 IN A 192.0.2.1'])
    const over4 = exchangeMessage({ stack, time }, { address: ip('10.0.0.100'), port: port(53) }, query('www A'), {})
    assert.equal((await time.until(over4)).message.rcode, RCODE.REFUSED)
  })

  it('that did not answer are asked last from then on, and like others after a while', async () => {
    const world = new World()
    const dead = Array.from({ length: 3 }, (_, i) => `test. NS dead${i}.\ndead${i}. A 10.0.0.20${i}\n`).join('')
    await world.serve(
      1,
      '.',
      `$TTL 600\n${SOA}@ NS a.\na. A 10.0.0.1\n${dead}test. NS ns.test.\nns.test. A 10.0.0.2\n`,
      'v4',
    )
    await world.serve(2, 'test', `$TTL 1\n${SOA}@ NS ns\nns A 10.0.0.2\n* A 192.0.2.1\n`, 'v4')
    const resolver = await world.resolver(['10.0.0.1'])
    for (let i = 0; i < 12; i++) await world.ask(resolver, `x${i}.test`)
    // By now all of the dead have been met; what follows waits for none.
    const start = world.time.now()
    for (let i = 0; i < 5; i++) assert.equal((await world.ask(resolver, `y${i}.test`)).length, 1)
    assert(world.time.now() - start < seconds(0.5), `${world.time.now() - start} µs`)
  })

  it('memory: twice as long each time, forgotten at the first answer, bounded', () => {
    const memory = new ServerMemory()
    const [server, zone] = [ip('10.0.0.1'), nameKey(dnsName('test'))]
    const at = (lenSeconds: number): Instant => (lenSeconds * 1e6) as Instant
    memory.failed(server, ROOT, at(0))
    memory.failed(server, ROOT, at(1))
    assert.equal(memory.isAvoided(server, zone, at(14)), true)
    assert.equal(memory.isAvoided(server, zone, at(15)), false)
    memory.failed(server, ROOT, at(20))
    assert.equal(memory.isAvoided(server, zone, at(49)), true)
    memory.answered(server, zone)
    assert.equal(memory.isAvoided(server, zone, at(49)), false)
    // Lame for one zone, right for another.
    memory.failed(server, zone, at(50))
    assert.equal(memory.isAvoided(server, zone, at(51)), true)
    assert.equal(memory.isAvoided(server, nameKey(dnsName('other')), at(51)), false)
    for (let i = 0; i < 20; i++) memory.failed(server, zone, at(100 + 1000 * i))
    assert.equal(memory.isAvoided(server, zone, (at(19_100) + minutes(14)) as Instant), true)
    for (let i = 0; i < 2000; i++) memory.failed((0x0b000000 + i) as IpAddress, ROOT, at(20_000))
    assert.equal(memory.isAvoided(0x0b000000 as IpAddress, ROOT, at(20_001)), false)
    assert.equal(memory.isAvoided((0x0b000000 + 1999) as IpAddress, ROOT, at(20_001)), true)
  })
})
