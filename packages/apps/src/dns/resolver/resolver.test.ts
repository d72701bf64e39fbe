/** Resolvers in a closed world: servers of root, top level and below on a switch, in mock time. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { ipv4, ipv4ToString, parseIpv4, port } from '@mirage-ts/core/addresses'
import { NO_LOG } from '@mirage-ts/core/log'
import { seconds } from '@mirage-ts/core/time'
import type { Endpoint, Ipv4 } from '@mirage-ts/signatures/addresses'
import type { Stack } from '@mirage-ts/signatures/stack'
import { createTestStack } from '@mirage-ts/testing/direct-stack'
import { testMac } from '@mirage-ts/testing/link'
import { MockTime } from '@mirage-ts/testing/mock-time'
import { SeededRandom } from '@mirage-ts/testing/seeded-random'
import { VirtualSwitch } from '@mirage-ts/testing/virtual-switch'
import { coreOf, query, wire, zoneOf } from '../testing/dns.ts'
import { exchangeMessage } from '../transport/exchange.ts'
import { TcpService } from '../transport/tcp-service.ts'
import { FLAG, formatRr, parseMessage, type Rr } from '../wire/message.ts'
import { dnsName, type Name, nameKey, nameToString } from '../wire/name.ts'
import { parseType, RCODE, rcodeToString, TYPE, typeToString } from '../wire/types.ts'
import { rrsOf, type Zone } from '../zone/zone.ts'
import { mixedCase } from './ask.ts'
import { DnsCache, RANK } from './cache.ts'
import { createForwarder } from './forwarder.ts'
import { createIterator } from './iterator.ts'
import { ipv4AddressesOf, type Resolver } from './resolver.ts'
import { createResolverServer } from './resolver-server.ts'

const SOA = '@ SOA ns root 1 1 1 1 30\n'
const ROOT_ZONE = `$TTL 3600\n@ SOA a.root. x. 1 1 1 1 30\n@ NS a.root.\na.root. A 10.0.0.1\ntest. NS ns.test.\nns.test. A 10.0.0.2\nother. NS ns.other.\nns.other. A 10.0.0.4\n`
const TEST_ZONE = `$TTL 3600\n${SOA}@ NS ns\nns A 10.0.0.2\nexample NS ns.example\nns.example A 10.0.0.3\n`
const EXAMPLE_ZONE = `$TTL 100\n${SOA}@ NS ns\nns A 10.0.0.3\nwww A 192.0.2.1\nwww A 192.0.2.2\na.b.c.d A 192.0.2.5\nalias CNAME www\nout CNAME there.other.\nloop CNAME loop2\nloop2 CNAME loop\nbig TXT ${'"0123456789" '.repeat(200)}\n`
const OTHER_ZONE = `$TTL 60\n${SOA}@ NS ns\nns A 10.0.0.4\nthere A 192.0.2.99\n`

/** What a server is asked: `www.example.test. A`, in lower case. */
type Answerer = (payload: Uint8Array, from: Endpoint) => Uint8Array | undefined

class World {
  readonly time = new MockTime()
  readonly lan = new VirtualSwitch(this.time)
  readonly random = new SeededRandom(5)
  /** All questions, as `server's last octet: name type`. */
  readonly asked: string[] = []
  private count = 0

  stack(address: string): Stack {
    this.count++
    return createTestStack(this.lan.port(testMac(this.count)), this.time, `${address}/24`, { seed: this.count })
  }

  /** A server that answers as `answer` says; over UDP, and nothing else unless it is one of zones. */
  async server(address: string, answer: Answerer): Promise<Stack> {
    const stack = this.stack(address)
    const socket = await stack.udp.bind(port(53), (payload, from) => {
      const message = parseMessage(payload)
      const question = typeof message === 'string' ? undefined : message.questions[0]
      if (question !== undefined) {
        this.asked.push(
          `${address.split('.')[3]}: ${nameToString(nameKey(question.name))} ${typeToString(question.type)}`,
        )
      }
      const reply = answer(payload, from)
      if (reply !== undefined) void socket.send(reply, from)
    })
    return stack
  }

  async zones(address: string, ...zones: readonly Zone[]): Promise<void> {
    const core = coreOf({ random: this.random, clock: this.time }, zones)
    const stack = await this.server(address, (payload, from) => {
      const end = core.handle(payload, from, false)
      return end === 0 ? undefined : core.frame.u8.slice(0, end)
    })
    const tcp = new TcpService({ time: this.time, log: NO_LOG.logger('') }, 8, async (octets, flow) => {
      const end = core.handle(octets, flow.remote, true)
      return [core.frame.u8.slice(0, end)]
    })
    await tcp.listen(stack, port(53))
  }

  /** The root, `test`, `example.test` and `other`. */
  async everything(): Promise<void> {
    await this.zones('10.0.0.1', await zoneOf('.', ROOT_ZONE))
    await this.zones('10.0.0.2', await zoneOf('test', TEST_ZONE))
    await this.zones('10.0.0.3', await zoneOf('example.test', EXAMPLE_ZONE))
    await this.zones('10.0.0.4', await zoneOf('other', OTHER_ZONE))
  }

  iterator(options = {}): Resolver {
    const deps = {
      stack: this.stack('10.0.0.100'),
      time: this.time,
      clock: this.time,
      random: this.random,
      log: NO_LOG.logger(''),
    }
    return createIterator(deps, { rootServers: [ipv4(10, 0, 0, 1)], ...options })
  }

  /** The answer as lines: the code, then the records. */
  async ask(resolver: Resolver, text: string): Promise<string[]> {
    const [name = '', type = ''] = text.split(' ')
    const answer = await this.time.until(resolver.resolve(dnsName(name), parseType(type) as number))
    return [rcodeToString(answer.rcode), ...answer.answers.flatMap(rrsOf).map(formatRr)]
  }
}

async function everything(options = {}): Promise<{ world: World; resolver: Resolver }> {
  const world = new World()
  await world.everything()
  return { world, resolver: world.iterator(options) }
}

const WWW = ['www.example.test. 100 IN A 192.0.2.1', 'www.example.test. 100 IN A 192.0.2.2']

describe('dns iterator', () => {
  it('begins at the root and tells each server no more of the name than it needs (RFC 9156)', async () => {
    const { world, resolver } = await everything()
    assert.deepEqual(await world.ask(resolver, 'www.example.test A'), ['NOERROR', ...WWW])
    assert.deepEqual(world.asked, ['1: test. A', '2: example.test. A', '3: www.example.test. A'])
    assert.deepEqual(await world.ask(resolver, 'a.b.c.d.example.test A'), [
      'NOERROR',
      'a.b.c.d.example.test. 100 IN A 192.0.2.5',
    ])
    assert.deepEqual(world.asked.slice(3), [
      '3: d.example.test. A',
      '3: c.d.example.test. A',
      '3: b.c.d.example.test. A',
      '3: a.b.c.d.example.test. A',
    ])
  })

  it('remembers answers until they expire, with the time that is left', async () => {
    const { world, resolver } = await everything()
    await world.ask(resolver, 'www.example.test A')
    await world.time.advance(seconds(40))
    assert.match((await world.ask(resolver, 'www.example.test A'))[1] as string, / 60 IN A /)
    assert.equal(world.asked.length, 3)
    await world.time.advance(seconds(61))
    assert.match((await world.ask(resolver, 'www.example.test A'))[1] as string, / 100 IN A /)
    assert.equal(world.asked.length, 4)
  })

  it('asks again before what is popular expires', async () => {
    const { world, resolver } = await everything()
    await world.ask(resolver, 'www.example.test A')
    await world.time.advance(seconds(95))
    assert.match((await world.ask(resolver, 'www.example.test A'))[1] as string, / 5 IN A /)
    await world.time.advance(seconds(1))
    assert.match((await world.ask(resolver, 'www.example.test A'))[1] as string, / (99|100) IN A /)
  })

  it('remembers that there is nothing (RFC 2308), and that nothing is below it (RFC 8020)', async () => {
    const { world, resolver } = await everything()
    assert.deepEqual(await world.ask(resolver, 'none.example.test A'), ['NXDOMAIN'])
    assert.deepEqual(await world.ask(resolver, 'www.example.test MX'), ['NOERROR'])
    const count = world.asked.length
    assert.deepEqual(await world.ask(resolver, 'none.example.test MX'), ['NXDOMAIN'])
    assert.deepEqual(await world.ask(resolver, 'a.b.none.example.test A'), ['NXDOMAIN'])
    assert.deepEqual(await world.ask(resolver, 'www.example.test MX'), ['NOERROR'])
    assert.equal(world.asked.length, count)
    await world.time.advance(seconds(31))
    await world.ask(resolver, 'none.example.test A')
    assert.equal(world.asked.length, count + 1)
  })

  it('follows aliases, into other zones too; circles of them fail', async () => {
    const { world, resolver } = await everything()
    assert.deepEqual(await world.ask(resolver, 'alias.example.test A'), [
      'NOERROR',
      'alias.example.test. 100 IN CNAME www.example.test.',
      ...WWW,
    ])
    assert.deepEqual(await world.ask(resolver, 'out.example.test A'), [
      'NOERROR',
      'out.example.test. 100 IN CNAME there.other.',
      'there.other. 60 IN A 192.0.2.99',
    ])
    assert.deepEqual(await world.ask(resolver, 'loop.example.test A'), ['SERVFAIL'])
  })

  it('goes over TCP for what UDP cuts short', async () => {
    const { world, resolver } = await everything()
    assert.equal((await world.ask(resolver, 'big.example.test TXT')).length, 2)
  })

  it('asks once for what many want at a time', async () => {
    const { world, resolver } = await everything()
    const many = Array.from({ length: 50 }, () => resolver.resolve(dnsName('www.example.test'), TYPE.A))
    const answers = await world.time.until(Promise.all(many))
    assert(answers.every((answer) => answer.answers.length === 1))
    assert.equal(world.asked.length, 3)
  })

  it('more questions at a time than it may have fail at once', async () => {
    const { world, resolver } = await everything({ pendingCount: 2 })
    const many = Array.from({ length: 10 }, (_, i) => resolver.resolve(dnsName(`x${i}.example.test`), TYPE.A))
    const answers = await world.time.until(Promise.all(many))
    assert.equal(answers.filter((answer) => answer.rcode === RCODE.SERVFAIL).length, 8)
  })

  it('names that no server is asked for (RFC 6761)', async () => {
    const { world, resolver } = await everything()
    assert.deepEqual(await world.ask(resolver, 'x.localhost A'), ['NOERROR', 'x.localhost. 86400 IN A 127.0.0.1'])
    assert.deepEqual(await world.ask(resolver, 'x.invalid A'), ['NXDOMAIN'])
    assert.equal(world.asked.length, 0)
    assert.deepEqual(await world.time.until(ipv4AddressesOf(resolver, dnsName('there.other'))), [
      parseIpv4('192.0.2.99'),
    ])
    assert.deepEqual(await world.time.until(ipv4AddressesOf(resolver, dnsName('none.other'))), [])
  })

  it('mixes the case of letters and uses another port and ID each time (RFC 5452)', async () => {
    const world = new World()
    const seen: { readonly name: string; readonly id: number; readonly port: number }[] = []
    await world.server('10.0.0.1', (payload, from) => {
      const message = parseMessage(payload)
      assert(typeof message === 'object')
      seen.push({ name: message.questions[0]?.name ?? '', id: message.id, port: from.port })
      return wire({ id: message.id, flags: FLAG.RESPONSE | FLAG.AUTHORITATIVE, questions: message.questions })
    })
    const resolver = world.iterator()
    for (let i = 0; i < 20; i++) await world.ask(resolver, 'abcdefghijklmnopqrstuvwxyz A')
    for (const field of ['name', 'id', 'port'] as const) {
      assert(new Set(seen.map((one) => one[field])).size >= 19, field)
    }
    assert.equal(mixedCase(dnsName('\\195\\137'), new SeededRandom(1)), dnsName('\\195\\137'))
  })

  it('servers that fail, are lame or do not answer are passed over', async () => {
    const world = new World()
    const ns = (n: number) => `test. NS ns${n}.test.\nns${n}.test. A 10.0.0.${10 + n}\n`
    await world.zones(
      '10.0.0.1',
      await zoneOf('.', `$TTL 60\n@ SOA a. b. 1 1 1 1 1\n@ NS a.\na. A 10.0.0.1\n${ns(1)}${ns(2)}${ns(3)}${ns(4)}`),
    )
    await world.server('10.0.0.11', () => undefined)
    await world.server('10.0.0.12', (payload) => {
      const id = new DataView(payload.buffer, payload.byteOffset).getUint16(0)
      return wire({ id, flags: FLAG.RESPONSE, rcode: RCODE.SERVFAIL })
    })
    // Lame: knows nothing and does not say so.
    await world.server('10.0.0.13', (payload) => {
      const copy = payload.slice()
      copy[2] = 0x80
      return copy
    })
    await world.zones('10.0.0.14', await zoneOf('test', `$TTL 60\n${SOA}@ NS ns4\nns4 A 10.0.0.14\nwww A 192.0.2.7\n`))
    assert.deepEqual(await world.ask(world.iterator(), 'www.test A'), ['NOERROR', 'www.test. 60 IN A 192.0.2.7'])
  })
})

describe('dns iterator: hostile servers', () => {
  it('a server speaks for its own zone only: other names that it brings along are not believed', async () => {
    const world = new World()
    await world.everything()
    await world.server('10.0.0.66', (payload) => {
      const message = parseMessage(payload)
      assert(typeof message === 'object')
      const a = (name: string, text: string): Rr => ({
        name: dnsName(name),
        type: TYPE.A,
        class: 1,
        ttl: 1000,
        rdata: Uint8Array.from(text.split('.').map(Number)),
      })
      const ns: Rr = {
        name: dnsName('test'),
        type: TYPE.NS,
        class: 1,
        ttl: 1000,
        rdata: Uint8Array.of(2, 110, 115, 4, 101, 118, 105, 108, 0),
      }
      return wire({
        id: message.id,
        flags: FLAG.RESPONSE | FLAG.AUTHORITATIVE,
        questions: message.questions,
        answers: [
          { ...a('www.evil', '192.0.2.66'), name: message.questions[0]?.name as Name },
          a('www.example.test', '6.6.6.6'),
        ],
        authorities: [ns],
        additionals: [a('ns.test', '10.0.0.66'), a('www.example.test', '6.6.6.6')],
      })
    })
    await world.zones('10.0.0.5', await zoneOf('.', `${ROOT_ZONE}evil. NS ns.evil.\nns.evil. A 10.0.0.66\n`))
    const resolver = world.iterator({ rootServers: [ipv4(10, 0, 0, 5)] })
    assert.equal((await world.ask(resolver, 'www.evil A'))[1], 'www.evil. 1000 IN A 192.0.2.66')
    assert.deepEqual(await world.ask(resolver, 'www.example.test A'), ['NOERROR', ...WWW])
  })

  it("cyclic NS (ocaml-dns #368): servers of two zones that are in each other's zone come to an end", async () => {
    const world = new World()
    await world.zones(
      '10.0.0.1',
      await zoneOf(
        '.',
        '$TTL 60\n@ SOA a. b. 1 1 1 1 1\n@ NS a.\na. A 10.0.0.1\none. NS ns.two.\ntwo. NS ns.one.\nself. NS ns.self.\n',
      ),
    )
    const resolver = world.iterator()
    assert.deepEqual(await world.ask(resolver, 'www.one A'), ['SERVFAIL'])
    assert.deepEqual(await world.ask(resolver, 'www.self A'), ['SERVFAIL'])
    assert(world.asked.length < 20, `${world.asked.length} messages`)
  })

  it('a delegation to many servers without addresses (NXNSAttack) costs few messages', async () => {
    const world = new World()
    const many = Array.from({ length: 60 }, (_, i) => `victim. NS ns${i}.other.\n`).join('')
    await world.zones(
      '10.0.0.1',
      await zoneOf(
        '.',
        `$TTL 60\n@ SOA a. b. 1 1 1 1 1\n@ NS a.\na. A 10.0.0.1\n${many}other. NS ns.other.\nns.other. A 10.0.0.4\n`,
      ),
    )
    await world.zones('10.0.0.4', await zoneOf('other', OTHER_ZONE))
    assert.deepEqual(await world.ask(world.iterator(), 'www.victim A'), ['SERVFAIL'])
    assert(world.asked.length < 15, `${world.asked.length} messages`)
  })

  it('delegations without end are followed a bounded number of times', async () => {
    const world = new World()
    // Each server refers to a zone one label further down, served by names of a zone one further on, and so on.
    await world.server('10.0.0.1', (payload) => {
      const message = parseMessage(payload)
      assert(typeof message === 'object')
      const target = dnsName(`ns.x${world.asked.length}`)
      const rdata = Uint8Array.from([...target].map((char) => char.charCodeAt(0)))
      return wire({
        id: message.id,
        flags: FLAG.RESPONSE,
        questions: message.questions,
        authorities: [{ name: message.questions[0]?.name as Name, type: TYPE.NS, class: 1, ttl: 60, rdata }],
      })
    })
    assert.deepEqual(await world.ask(world.iterator(), 'www.deep A'), ['SERVFAIL'])
    assert(world.asked.length <= 60, `${world.asked.length} messages`)
  })

  it('nobody answers: SERVFAIL after some seconds, with the reason', async () => {
    const world = new World()
    const resolver = world.iterator()
    const answer = await world.time.until(resolver.resolve(dnsName('www.example.test'), TYPE.A))
    assert.equal(answer.rcode, RCODE.SERVFAIL)
    assert.match(answer.failure ?? '', /^10\.0\.0\.1:53: /)
    assert(world.time.now() < seconds(60))
  })
})

describe('dns forwarder', () => {
  it('hands questions on, remembers the answers, and passes over servers that do not answer', async () => {
    const world = new World()
    await world.everything()
    await createResolverServerOn(world, '10.0.0.50', world.iterator())
    const servers = ['10.0.0.49', '10.0.0.50'].map((text) => ({ address: parseIpv4(text) as Ipv4, port: port(53) }))
    const deps = { stack: world.stack('10.0.0.60'), time: world.time, clock: world.time, random: world.random }
    const resolver = createForwarder(deps, { servers })
    assert.deepEqual(await world.ask(resolver, 'alias.example.test A'), [
      'NOERROR',
      'alias.example.test. 100 IN CNAME www.example.test.',
      ...WWW,
    ])
    assert.deepEqual(await world.ask(resolver, 'none.example.test A'), ['NXDOMAIN'])
    const start = world.time.now()
    const count = world.asked.length
    await world.ask(resolver, 'none.example.test AAAA')
    await world.ask(resolver, 'www.example.test A')
    assert.equal(world.asked.length, count)
    assert.equal(world.time.now(), start)
  })

  it('without an answer: SERVFAIL', async () => {
    const world = new World()
    const deps = { stack: world.stack('10.0.0.60'), time: world.time, clock: world.time, random: world.random }
    const resolver = createForwarder(deps, { servers: [{ address: parseIpv4('10.0.0.49') as Ipv4, port: port(53) }] })
    assert.deepEqual(await world.ask(resolver, 'www.example.test A'), ['SERVFAIL'])
    assert.deepEqual(await world.ask(createForwarder(deps, { servers: [] }), 'www.example.test A'), ['SERVFAIL'])
  })
})

async function createResolverServerOn(world: World, address: string, resolver: Resolver) {
  const networks = [{ address: ipv4(10, 0, 0, 0), prefixBits: 24 }]
  return await createResolverServer(
    { stack: world.stack(address), time: world.time, log: NO_LOG, resolver },
    { port: port(53), networks },
  )
}

describe('dns resolver as a server', () => {
  it('answers its networks, over UDP and TCP; refuses what is not a question to resolve', async () => {
    const world = new World()
    await world.everything()
    await createResolverServerOn(world, '10.0.0.50', world.iterator())
    const client = world.stack('10.0.0.70')
    const server = { address: ipv4(10, 0, 0, 50), port: port(53) }
    const ask = async (octets: Uint8Array, isTcpOnly = false) =>
      (
        await world.time.until(
          exchangeMessage({ stack: client, time: world.time }, server, octets, { timeout: seconds(30), isTcpOnly }),
        )
      ).message
    const desired = { flags: FLAG.RECURSION_DESIRED }
    const answer = await ask(query('www.example.test A', desired))
    assert.equal(answer.flags, FLAG.RESPONSE | FLAG.RECURSION_DESIRED | FLAG.RECURSION_AVAILABLE)
    assert.equal(answer.answers.length, 2)
    assert.equal((await ask(query('big.example.test TXT', desired))).answers.length, 1)
    assert.equal((await ask(query('none.example.test A', desired), true)).authorities.length, 1)
    assert.equal((await ask(query('www.example.test A'))).rcode, RCODE.REFUSED)
    assert.equal((await ask(query('www.example.test ANY', desired))).rcode, RCODE.NOTIMP)
    assert.equal((await ask(query('www.example.test A', { ...desired, opcode: 5 }))).rcode, RCODE.NOTIMP)
    const failed = await ask(
      query('loop.example.test A', {
        ...desired,
        edns: { udpBytes: 1232, version: 0, isDnssecOk: false, options: [] },
      }),
    )
    assert.equal(failed.rcode, RCODE.SERVFAIL)
    assert.equal(failed.edns?.options[0]?.code, 15)
  })

  it('refuses strangers: a resolver for everybody helps attackers', async () => {
    const world = new World()
    const stack = world.stack('10.0.0.50')
    const networks = [{ address: ipv4(192, 168, 0, 0), prefixBits: 16 }]
    await createResolverServer(
      { stack, time: world.time, log: NO_LOG, resolver: world.iterator() },
      { port: port(53), networks },
    )
    const server = { address: ipv4(10, 0, 0, 50), port: port(53) }
    const asking = exchangeMessage(
      { stack: world.stack('10.0.0.70'), time: world.time },
      server,
      query('a A', { flags: FLAG.RECURSION_DESIRED }),
    )
    assert.equal((await world.time.until(asking)).message.rcode, RCODE.REFUSED)
    assert.equal(ipv4ToString(server.address), '10.0.0.50')
  })
})

describe('dns cache', () => {
  it('is bounded: what was not used for the longest time goes first', () => {
    const cache = new DnsCache(new MockTime(), 100)
    const set = (i: number) => ({ name: dnsName(`n${i}`), type: TYPE.A, ttl: 60, rdatas: [Uint8Array.of(1, 2, 3, 4)] })
    for (let i = 0; i < 1000; i++) {
      cache.putSet(nameKey(dnsName(`n${i}`)), set(i), RANK.ANSWER)
      cache.get(nameKey(dnsName('n0')), TYPE.A)
    }
    assert.equal(cache.count, 100)
    assert.equal(cache.get(nameKey(dnsName('n0')), TYPE.A)?.tag, 'data')
    assert.equal(cache.get(nameKey(dnsName('n500')), TYPE.A), undefined)
  })

  it('keeps what is worth more (RFC 2181 §5.4.1), and gives nobody what came beside a referral', () => {
    const cache = new DnsCache(new MockTime(), 100)
    const key = nameKey(dnsName('n'))
    const set = (last: number) => ({ name: key, type: TYPE.A, ttl: 60, rdatas: [Uint8Array.of(0, 0, 0, last)] })
    cache.putSet(key, set(1), RANK.GLUE)
    assert.equal(cache.get(key, TYPE.A), undefined)
    assert.equal(cache.get(key, TYPE.A, RANK.GLUE)?.tag, 'data')
    cache.putSet(key, set(2), RANK.ANSWER)
    cache.putSet(key, set(3), RANK.GLUE)
    const known = cache.get(key, TYPE.A)
    assert(known?.tag === 'data')
    assert.equal(known.set.rdatas[0]?.[3], 2)
  })
})
