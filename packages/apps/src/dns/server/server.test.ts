/** The server, its clients and its secondary over two stacks of ours on a switch, in mock time. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { endpointToString, parseIpv4, port } from '@mirage-ts/core/addresses'
import { KvError } from '@mirage-ts/core/errors'
import { NO_LOG } from '@mirage-ts/core/log'
import { textToOctets } from '@mirage-ts/core/octets'
import { minutes, ms, seconds } from '@mirage-ts/core/time'
import type { Endpoint, IpAddress } from '@mirage-ts/signatures/addresses'
import type { KvRo } from '@mirage-ts/signatures/kv'
import type { Stack } from '@mirage-ts/signatures/stack'
import type { Instant } from '@mirage-ts/signatures/time'
import { createTestStack } from '@mirage-ts/testing/direct-stack'
import { testMac } from '@mirage-ts/testing/link'
import { MockTime } from '@mirage-ts/testing/mock-time'
import { SeededRandom } from '@mirage-ts/testing/seeded-random'
import { VirtualSwitch } from '@mirage-ts/testing/virtual-switch'
import { createZoneKey } from '@mirage-ts/testing/zone-key'
import { HostNames } from '../../dhcp/host-names.ts'
import { createZoneSigner, type ZoneSignerOptions } from '../dnssec/zone-signer.ts'
import { EXAMPLE_KEY_NAME, query, WALL_CLOCK, wire, zoneOf } from '../testing/dns.ts'
import { exchangeMessage } from '../transport/exchange.ts'
import { framed, MessageReader } from '../transport/framing.ts'
import { parseMessage, type Rr } from '../wire/message.ts'
import { dnsName, nameKey } from '../wire/name.ts'
import { soaOf } from '../wire/rdata.ts'
import { tsigKey } from '../wire/tsig.ts'
import { CLASS, RCODE, TYPE } from '../wire/types.ts'
import type { Zone } from '../zone/zone.ts'
import { NOBODY, type ZonePolicy } from './policy.ts'
import { RefreshTimer } from './secondary.ts'
import { createDnsServer, type DnsServer, type DnsView, type ServedZone } from './server.ts'
import { loadDnsConfig } from './server-config.ts'

const ZONE = `$TTL 60\n@ SOA ns root 1 20 10 100 300\n@ NS ns\nns A 192.0.2.1\nbig TXT ${'"0123456789" '.repeat(200)}`
const PRIMARY: Endpoint = { address: parseIpv4('10.0.0.1') as IpAddress, port: port(53) }
const SECONDARY: Endpoint = { address: parseIpv4('10.0.0.2') as IpAddress, port: port(53) }
const KEY = tsigKey(EXAMPLE_KEY_NAME, 'hmac-sha256', new Uint8Array(32))
const ANYBODY: ZonePolicy = {
  transferTo: { keys: [KEY.name], networks: [] },
  updateFrom: NOBODY,
  notifyFrom: { keys: [], networks: [{ address: parseIpv4('10.0.0.0') as never, prefixBits: 24 }] },
}

class World {
  readonly time = new MockTime()
  readonly lan = new VirtualSwitch(this.time)
  readonly random = new SeededRandom(1)
  private count = 0

  stack(address: string): Stack {
    this.count++
    return createTestStack(this.lan.port(testMac(this.count)), this.time, `${address}/24`, { seed: this.count })
  }

  serve(
    stack: Stack,
    zones: readonly ServedZone[],
    connectionCount = 64,
    views: readonly DnsView[] = [],
  ): Promise<DnsServer> {
    const deps = { stack, time: this.time, clock: this.time, wallClock: WALL_CLOCK, random: this.random, log: NO_LOG }
    return createDnsServer(deps, { port: port(53), zones, views, keys: [KEY], connectionCount, ratePerSecond: 0 })
  }

  /** Asks from `stack`; the answers, or why there are none. */
  async ask(stack: Stack, server: Endpoint, text: string, isTcpOnly = false): Promise<readonly Rr[] | string> {
    const asking = exchangeMessage({ stack, time: this.time }, server, query(text), { isTcpOnly }).then(
      ({ message }) => (message.rcode === RCODE.NOERROR ? message.answers : `RCODE ${message.rcode}`),
      (error: Error & { code?: string }) => error.code ?? error.message,
    )
    return await this.time.until(asking)
  }

  async serial(stack: Stack, server: Endpoint): Promise<number | string> {
    const answers = await this.ask(stack, server, 'example SOA')
    return typeof answers === 'string' ? answers : soaOf((answers[0] as Rr).rdata).serial
  }
}

describe('dns server over a stack', () => {
  it('answers over UDP, and over TCP what UDP cuts short', async () => {
    const world = new World()
    const client = world.stack('10.0.0.9')
    const zone = await zoneOf('example', ZONE)
    await world.serve(world.stack('10.0.0.1'), [{ origin: zone.origin, zone, policy: ANYBODY }])
    assert.equal((await world.ask(client, PRIMARY, 'ns.example A')).length, 1)
    assert.equal((await world.ask(client, PRIMARY, 'big.example TXT')).length, 1)
    assert.equal(await world.ask(client, PRIMARY, 'no.example TXT'), 'RCODE 3')
  })

  it('questions on one connection are answered in order, also octet by octet (RFC 7766 §6.2.1)', async () => {
    const world = new World()
    const client = world.stack('10.0.0.9')
    const zone = await zoneOf('example', ZONE)
    await world.serve(world.stack('10.0.0.1'), [{ origin: zone.origin, zone, policy: ANYBODY }])
    const flow = await world.time.until(client.tcp.connect(PRIMARY))
    for (const text of ['ns.example A', 'big.example TXT', 'ns.example AAAA']) {
      const octets = framed(query(text))
      for (let i = 0; i < octets.length; i++) await world.time.until(flow.write(octets.subarray(i, i + 1)))
    }
    const reader = new MessageReader(flow)
    const counts: number[] = []
    for (let i = 0; i < 3; i++) {
      const message = parseMessage((await world.time.until(reader.next())) as Uint8Array)
      counts.push(typeof message === 'string' ? -1 : message.answers.length)
    }
    assert.deepEqual(counts, [1, 1, 0])
  })

  it('a zone that the program itself changes is answered from at once, and a secondary has it', async () => {
    const world = new World()
    const [primary, other] = [world.stack('10.0.0.1'), world.stack('10.0.0.2')]
    let server: DnsServer | undefined
    const names = new HostNames({ domain: 'example', networks: [], onChange: (origin) => server?.zoneChanged(origin) })
    const origin = nameKey(dnsName('example'))
    const zone = names.zones.get(origin)
    server = await world.serve(primary, [{ origin, zone, notify: [SECONDARY], policy: ANYBODY }])
    await world.serve(other, [{ origin, primaries: [PRIMARY], primaryKey: KEY, policy: ANYBODY }])
    await world.time.advance(seconds(5))
    assert.equal(await world.ask(other, PRIMARY, 'pc.example A'), 'RCODE 3')
    names.set('pc', { id: 'pc', mac: undefined }, parseIpv4('10.0.0.7') as IpAddress)
    assert.equal((await world.ask(other, PRIMARY, 'pc.example A')).length, 1)
    await world.time.advance(seconds(5))
    assert.equal((await world.ask(primary, SECONDARY, 'pc.example A')).length, 1)
  })

  it('connections that say nothing are closed, those over the limit are reset, and the server can be closed', async () => {
    const world = new World()
    const client = world.stack('10.0.0.9')
    const zone = await zoneOf('example', ZONE)
    const server = await world.serve(world.stack('10.0.0.1'), [{ origin: zone.origin, zone, policy: ANYBODY }], 1)
    const idle = await world.time.until(client.tcp.connect(PRIMARY))
    assert.equal(await world.ask(client, PRIMARY, 'ns.example A', true), 'connection-reset')
    const start = world.time.now()
    assert.equal(await world.time.until(idle.read()), undefined)
    assert(world.time.now() - start >= seconds(9))
    await world.time.until(idle.close())
    await world.time.advance(seconds(200))
    assert.equal((await world.ask(client, PRIMARY, 'ns.example A', true)).length, 1)
    await world.time.until(server.close())
    await server.closed
    assert.equal(await world.ask(client, PRIMARY, 'ns.example A', true), 'connection-refused')
  })

  it('answers that do not belong to the question do not count; after many of them the question goes over TCP', async () => {
    const world = new World()
    const client = world.stack('10.0.0.9')
    const liar = world.stack('10.0.0.1')
    const zone = await zoneOf('example', ZONE)
    let forged = 0
    const socket = await liar.udp.bind(port(53), (payload, from) => {
      for (let i = 0; i < 40; i++) {
        const answer = payload.slice()
        answer[0] = (answer[0] as number) ^ (1 + i)
        answer[2] = 0x84
        forged++
        void socket.send(answer, from)
      }
    })
    assert.equal(await world.ask(client, PRIMARY, 'ns.example A'), 'connection-refused')
    assert.equal(forged, 40)
    socket.close()
    await world.serve(liar, [{ origin: zone.origin, zone, policy: ANYBODY }])
    assert.equal((await world.ask(client, PRIMARY, 'ns.example A')).length, 1)
  })
})

/** A primary that can be changed, and a secondary of it. */
async function pair(world: World, { key = KEY as typeof KEY | undefined } = {}) {
  const client = world.stack('10.0.0.9')
  const zone = await zoneOf('example', ZONE)
  const primaryStack = world.stack('10.0.0.1')
  const policy = {
    ...ANYBODY,
    updateFrom: { keys: [], networks: [{ address: parseIpv4('10.0.0.9') as never, prefixBits: 32 }] },
  }
  const primary = await world.serve(primaryStack, [{ origin: zone.origin, zone, policy, notify: [SECONDARY] }])
  const secondary = await world.serve(world.stack('10.0.0.2'), [
    { origin: zone.origin, primaries: [PRIMARY], primaryKey: key, policy: ANYBODY },
  ])
  return { client, zone, primary, primaryStack, secondary }
}

async function update(world: World, client: Stack, name: string): Promise<void> {
  const questions = [{ name: dnsName('example'), type: TYPE.SOA, class: CLASS.IN }]
  const rr = { name: dnsName(name), type: TYPE.A, class: CLASS.IN, ttl: 60, rdata: Uint8Array.of(10, 0, 0, 1) }
  const octets = query('example SOA', { opcode: 5, questions, authorities: [rr] })
  await world.time.until(exchangeMessage({ stack: client, time: world.time }, PRIMARY, octets))
}

describe('dns secondary', () => {
  it('has the zone by a signed transfer, and a change within moments: NOTIFY, then IXFR', async () => {
    const world = new World()
    const { client, primary } = await pair(world)
    assert.equal(await world.serial(client, SECONDARY), 'RCODE 2')
    await world.time.advance(seconds(8))
    assert.equal(await world.serial(client, SECONDARY), 1)
    await update(world, client, 'new.example')
    await world.time.advance(seconds(6))
    assert.equal(await world.serial(client, SECONDARY), 2)
    assert.equal((await world.ask(client, SECONDARY, 'new.example A')).length, 1)
    assert.equal(primary.counters.transfers, 2)
  })

  it('notices a change without NOTIFY after the refresh time', async () => {
    const world = new World()
    const { client, zone } = await pair(world)
    await world.time.advance(seconds(5))
    zone.putSet({ ...zone.soaSet, rdatas: [soaAs(zone, 7)] })
    await world.time.advance(seconds(25))
    assert.equal(await world.serial(client, SECONDARY), 7)
  })

  it('gives the zone up when no server has it for the expire time, and has it again when one does', async () => {
    const world = new World()
    const { client, zone, primary, primaryStack } = await pair(world)
    await world.time.advance(seconds(5))
    assert.equal(await world.serial(client, SECONDARY), 1)
    await world.time.until(primary.close())
    await world.time.advance(seconds(60))
    assert.equal(await world.serial(client, SECONDARY), 1)
    await world.time.advance(seconds(60))
    assert.equal(await world.serial(client, SECONDARY), 'RCODE 2')
    await world.serve(primaryStack, [{ origin: zone.origin, zone, policy: ANYBODY }])
    await world.time.advance(minutes(11))
    assert.equal(await world.serial(client, SECONDARY), 1)
  })

  it('a transfer without the signature it wants is not used', async () => {
    const world = new World()
    const wrong = tsigKey(EXAMPLE_KEY_NAME, 'hmac-sha256', Uint8Array.of(1, 2, 3))
    const { client } = await pair(world, { key: wrong })
    await world.time.advance(seconds(60))
    assert.equal(await world.serial(client, SECONDARY), 'RCODE 2')
  })

  it('SYN-flooding secondary (ocaml-dns #347): a flood of NOTIFY and a silent primary make few connections', async () => {
    const world = new World()
    const client = world.stack('10.0.0.9')
    let synCount = 0
    const silent = world.stack('10.0.0.1')
    await silent.tcp.listen(port(53), () => synCount++)
    const origin = nameKey(dnsName('example'))
    await world.serve(world.stack('10.0.0.2'), [{ origin, primaries: [PRIMARY], policy: ANYBODY }])
    const notify = query('example SOA', { opcode: 4 })
    const socket = await client.udp.bind(port(0), () => {})
    for (let i = 0; i < 600; i++) {
      await socket.send(notify, SECONDARY)
      await world.time.advance(ms(100))
    }
    assert(synCount >= 1 && synCount <= 3, `${synCount} connections in a minute`)
  })
})

function soaAs(zone: Zone, serial: number): Uint8Array {
  const rdata = (zone.soaSet.rdatas[0] as Uint8Array).slice()
  new DataView(rdata.buffer).setUint32(rdata.length - 20, serial)
  return rdata
}

describe('dns refresh timer (RFC 1034 §4.3.5)', () => {
  const at = (s: number) => (s * 1e6) as Instant
  const soa = { ...soaOf(textToOctets(`\0\0${'\0'.repeat(20)}`)), refresh: 100, retry: 30, expire: 1000 }

  it('never has two attempts at a time, nor two without a pause, whoever asks for one', () => {
    const timer = new RefreshTimer(at(0))
    assert.equal(timer.poll(at(0)), 'attempt')
    for (let i = 0; i < 100; i++) timer.notified(at(0))
    assert.equal(timer.poll(at(0)), 'wait')
    timer.succeeded(at(1), soa)
    assert.equal(timer.poll(at(1)), 'wait')
    assert.equal(timer.nextDeadline(), at(6))
    assert.equal(timer.poll(at(6)), 'attempt')
    timer.succeeded(at(7), soa)
    assert.equal(timer.nextDeadline(), at(107))
    timer.notified(at(50))
    assert.equal(timer.poll(at(50)), 'attempt')
  })

  it('tries again after the retry time, more and more rarely when it has no zone yet', () => {
    const timer = new RefreshTimer(at(0))
    let now = 0
    const pauses: number[] = []
    for (let i = 0; i < 9; i++) {
      assert.equal(timer.poll(at(now)), 'attempt')
      timer.failed(at(now), undefined)
      pauses.push(timer.nextDeadline() / 1e6 - now)
      now = timer.nextDeadline() / 1e6
    }
    assert.deepEqual(pauses, [5, 10, 20, 40, 80, 160, 320, 600, 600])
    timer.poll(at(now))
    timer.failed(at(now), soa)
    assert.equal(timer.nextDeadline(), at(now + 30))
  })

  it('a SOA record of zeros does not make it busy', () => {
    const timer = new RefreshTimer(at(0))
    timer.poll(at(0))
    timer.succeeded(at(0), { ...soa, refresh: 0, retry: 0, expire: 0 })
    assert.equal(timer.poll(at(0)), 'expire')
    assert.equal(timer.poll(at(0)), 'wait')
    assert.equal(timer.nextDeadline(), at(5))
  })
})

function storeOf(files: Readonly<Record<string, string>>): KvRo {
  const get = async (key: string): Promise<Uint8Array> => {
    const text = files[key]
    if (text === undefined) throw new KvError('not-found', `Cannot read ${key}: not-found`)
    return textToOctets(text)
  }
  return {
    get,
    exists: async (key) => (key in files ? 'value' : undefined),
    list: async () => Object.keys(files).map((name) => ({ name, kind: 'value' as const })),
    getPartial: get,
    sizeBytes: async (key) => (await get(key)).length,
    digest: async () => '',
    lastModified: async () => undefined,
  }
}

describe('dns zones that the server signs', () => {
  const SIGNED: ZonePolicy = { ...ANYBODY, updateFrom: ANYBODY.notifyFrom }

  async function signedWorld(options: Partial<ZoneSignerOptions> = {}) {
    const world = new World()
    const client = world.stack('10.0.0.9')
    const zone = await zoneOf('example', ZONE)
    const signer = createZoneSigner({ wallClock: WALL_CLOCK }, { keys: [createZoneKey(13, 'zone')], ...options })
    const policy = { ...SIGNED, transferTo: SIGNED.notifyFrom }
    const server = await world.serve(world.stack('10.0.0.1'), [{ origin: zone.origin, zone, policy, signer }])
    const change = (name: string, type: number = TYPE.A) => {
      const rr = { name: dnsName(name), type, class: CLASS.IN, ttl: 60, rdata: Uint8Array.of(192, 0, 2, 9) }
      const octets = wire({
        id: 1,
        opcode: 5,
        questions: [{ name: zone.origin, type: 6, class: 1 }],
        authorities: [rr],
      })
      const exchange = exchangeMessage({ stack: client, time: world.time }, PRIMARY, octets)
      return exchange.then(({ message }) => message.rcode)
    }
    return { world, client, server, change }
  }

  it('signs when it starts, and what updates change, one after the other, before it says so', async () => {
    const { world, client, change } = await signedWorld()
    assert.equal((await world.ask(client, PRIMARY, 'ns.example RRSIG')).length, 2)
    const names = Array.from({ length: 20 }, (_, i) => `n${i}.example`)
    const codes = await world.time.until(Promise.all(names.map((name) => change(name))))
    assert.deepEqual([...new Set(codes)], [RCODE.NOERROR])
    assert.equal(await world.serial(client, PRIMARY), 21)
    for (const name of names) assert.equal((await world.ask(client, PRIMARY, `${name} RRSIG`)).length, 2, name)
  })

  it('what signing makes cannot be changed by others; an update that cannot be signed changes nothing', async () => {
    let isBroken = false
    const key = createZoneKey(15, 'zone')
    const sign = (octets: Uint8Array) => (isBroken ? Promise.reject(new Error('no token')) : key.sign(octets))
    const { world, client, server, change } = await signedWorld({ keys: [{ ...key, sign }] })
    assert.equal(await world.time.until(change('x.example', TYPE.DNSKEY)), RCODE.REFUSED)
    isBroken = true
    assert.equal(await world.time.until(change('x.example')), RCODE.SERVFAIL)
    assert.equal(server.counters['not-signed'], 1)
    assert.equal(await world.ask(client, PRIMARY, 'x.example A'), 'RCODE 3')
    isBroken = false
    assert.equal(await world.time.until(change('x.example')), RCODE.NOERROR)
    assert.equal((await world.ask(client, PRIMARY, 'x.example A')).length, 1)
  })

  it('signs all again when half of the time has passed, with the next serial', async () => {
    const { world, client } = await signedWorld({ validity: minutes(10) })
    await world.time.advance(minutes(4))
    assert.equal(await world.serial(client, PRIMARY), 1)
    await world.time.advance(minutes(2))
    assert.equal(await world.serial(client, PRIMARY), 2)
    await world.time.advance(minutes(5))
    assert.equal(await world.serial(client, PRIMARY), 3)
  })
})

describe('dns configuration from a store', () => {
  it('without dns.json each NAME.zone is a zone', async () => {
    const { zones } = await loadDnsConfig(
      storeOf({ 'a.example.zone': ZONE, 'b.example.zone': ZONE, 'x.inc': '' }),
      new SeededRandom(1),
    )
    assert.deepEqual(
      zones.map((zone) => zone.origin),
      [dnsName('a.example'), dnsName('b.example')],
    )
  })

  it('dns.json gives keys, access, servers', async () => {
    const json = {
      keys: { 'k.example': { algorithm: 'hmac-sha512', secret: 'AQID' } },
      zones: {
        'a.example': {
          file: 'a.zone',
          transferTo: ['10.0.0.0/8', '192.0.2.1', '2001:db8::/32', 'fd00::1', 'key k.example'],
          notify: ['10.0.0.3:5353', '[fd00::3]:5353', 'fd00::4'],
        },
        'b.example': { primaries: ['10.0.0.4'], primaryKey: 'k.example' },
      },
    }
    const { zones, views, keys } = await loadDnsConfig(
      storeOf({ 'dns.json': JSON.stringify(json), 'a.zone': ZONE }),
      new SeededRandom(1),
    )
    assert.equal(keys[0]?.secret.length, 3)
    assert.equal(zones[0]?.policy.transferTo.networks.length, 4)
    assert.deepEqual(zones[0]?.notify?.map(endpointToString), ['10.0.0.3:5353', '[fd00::3]:5353', '[fd00::4]:53'])
    assert.equal(zones[1]?.zone, undefined)
    assert.deepEqual(views, [])
    assert.equal(zones[1]?.policy.notifyFrom.networks[0]?.address, parseIpv4('10.0.0.4'))
  })

  it('views: others are told of other zones, by the first view that they are in', async () => {
    const world = new World()
    const [inside, guest, outside] = [world.stack('10.0.0.9'), world.stack('10.0.0.8'), world.stack('10.0.0.7')]
    const json = {
      zones: { example: { file: 'public.zone' } },
      views: [
        { networks: ['10.0.0.9', '192.168.0.0/16'], zones: { example: { file: 'inside.zone' } } },
        { networks: ['10.0.0.8/31'], zones: { 'guest.example': { file: 'inside.zone' } } },
      ],
    }
    const store = storeOf({
      'dns.json': JSON.stringify(json),
      'public.zone': ZONE,
      'inside.zone': `${ZONE}\nprinter A 10.0.0.5\n`,
    })
    const { zones, views } = await loadDnsConfig(store, new SeededRandom(1))
    const server = await world.serve(world.stack('10.0.0.1'), zones, 64, views)
    for (const isTcpOnly of [false, true]) {
      const ask = (stack: Stack, text: string) => world.ask(stack, PRIMARY, text, isTcpOnly)
      assert.equal((await ask(inside, 'printer.example A')).length, 1)
      assert.equal(await ask(guest, 'printer.example A'), 'RCODE 5')
      assert.equal((await ask(guest, 'printer.guest.example A')).length, 1)
      assert.equal(await ask(outside, 'printer.example A'), 'RCODE 3')
      assert.equal((await ask(outside, 'ns.example A')).length, 1)
    }
    assert.equal(server.counters.queries, 10)
  })

  for (const [what, files, message] of [
    [
      'a view without networks',
      { 'dns.json': '{"zones":{},"views":[{"zones":{}}]}' },
      /views: 1: networks: expected networks like/,
    ],
    [
      'views that are no list',
      { 'dns.json': '{"zones":{},"views":{}}' },
      /^dns\.json: views: expected a list, got {}$/,
    ],
    ['no zones', {}, /^Cannot find a zone: expected files NAME\.zone, or dns\.json$/],
    ['an error in a zone', { 'a.zone': '@ FOO x\n' }, /^a\.zone:1: expected a type that a zone can hold, got "FOO"$/],
    ['a zone that is none', { 'a.zone': '$TTL 1\n@ A 192.0.2.1\n' }, /^a\.zone: there is no SOA record for a\.$/],
    ['text that is no JSON', { 'dns.json': '{' }, /^dns\.json: /],
    ['a field not known', { 'dns.json': '{"zonen":{}}' }, /^dns\.json: expected keys, zones, views, got "zonen"$/],
    ['no zones in it', { 'dns.json': '{}' }, /^dns\.json: zones: expected an object, got nothing$/],
    ['a file not there', { 'dns.json': '{"zones":{"a":{"file":"x"}}}' }, /^Cannot load zone a\.: there is no file x$/],
    [
      'neither file nor servers',
      { 'dns.json': '{"zones":{"a":{}}}' },
      /^dns\.json: zones: a: expected either file or primaries, got \[\]$/,
    ],
    [
      'a key not known',
      { 'dns.json': '{"zones":{"a":{"primaries":["10.0.0.1"],"transferTo":["key k"]}}}' },
      /expected one of the keys above, got "k"$/,
    ],
    [
      'an algorithm not known',
      { 'dns.json': '{"keys":{"k":{"algorithm":"md5","secret":"AQID"}},"zones":{}}' },
      /^dns\.json: keys: k: Cannot use TSIG algorithm md5/,
    ],
    [
      'a bad address',
      { 'dns.json': '{"zones":{"a":{"primaries":["10.0.0"]}}}' },
      /^dns\.json: zones: a: primaries: expected an address with or without a port, got "10\.0\.0"$/,
    ],
  ] as const) {
    it(`${what}: one sentence`, async () => {
      await assert.rejects(loadDnsConfig(storeOf(files), new SeededRandom(1)), { message })
    })
  }
})
