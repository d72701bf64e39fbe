/**
 * Sends changed messages into the DHCP servers of both versions and into multicast DNS, until the time is up:
 * `node --import tsx fuzz/lan.ts --seconds 60 --seed 1`. A batch that fails is reproduced by its seed alone.
 *
 * What must hold: nothing throws, every answer can be read by a client, and what is remembered stays within its bounds.
 */
import assert from 'node:assert/strict'
import { parseArgs } from 'node:util'
import { Dhcp4Core } from '@mirage-ts/apps/dhcp/server4-core'
import { Dhcp6Core } from '@mirage-ts/apps/dhcp/server6-core'
import { parseMessage } from '@mirage-ts/apps/dns/wire/message'
import { dnsName } from '@mirage-ts/apps/dns/wire/name'
import { TYPE } from '@mirage-ts/apps/dns/wire/types'
import { Querier } from '@mirage-ts/apps/mdns/querier'
import { addressRecords, hostName, MDNS_PORT, packet, serviceRecords, serviceType } from '@mirage-ts/apps/mdns/records'
import { Responder } from '@mirage-ts/apps/mdns/responder'
import { ipv4, parseIpv6 } from '@mirage-ts/core/addresses'
import { fromHex } from '@mirage-ts/core/bytes'
import { after, ms, seconds } from '@mirage-ts/core/time'
import { emitDhcp, parseDhcp } from '@mirage-ts/net/dhcp/wire'
import { DHCP6_RELAYS_AND_SERVERS, duidOfMac, RELAY_FORWARD } from '@mirage-ts/net/dhcp6/codec'
import { parseDhcp6, parseDhcp6Relay } from '@mirage-ts/net/dhcp6/reader'
import { emitDhcp6, emitDhcp6Relay } from '@mirage-ts/net/dhcp6/writer'
import type { Ipv4, Ipv6, Mac, Port } from '@mirage-ts/signatures/addresses'
import type { Instant } from '@mirage-ts/signatures/time'
import { SeededRandom } from '@mirage-ts/testing/seeded-random'

const MESSAGES_PER_BATCH = 20_000
const MAC = 0x020000000001 as Mac
const SERVER = ipv4(10, 0, 0, 1)
const PEER = parseIpv6('fe80::2') as Ipv6
const NETWORK6 = parseIpv6('2001:db8::') as Ipv6

const { values } = parseArgs({
  options: { seconds: { type: 'string', default: '60' }, seed: { type: 'string', default: '1' } },
})
const end = Date.now() + Number(values.seconds) * 1000

for (let seed = Number(values.seed); Date.now() < end; seed++) {
  const counts = [runDhcp4, runDhcp6, runMdns].map((run) => run(new SeededRandom(seed)))
  console.log(`seed ${seed}: ${MESSAGES_PER_BATCH} messages each; answers ${counts.join(', ')}`)
}

function mutate(seeds: readonly Uint8Array[], random: SeededRandom): Uint8Array {
  const seed = seeds[random.u32() % seeds.length] as Uint8Array
  const octets = seed.slice(0, random.chance(0.1) ? random.u32() % seed.length : undefined)
  for (let flips = random.u32() % 6; flips > 0 && octets.length > 0; flips--)
    octets[random.u32() % octets.length] = random.u32()
  return octets
}

function runDhcp4(random: SeededRandom): number {
  let now = 1e6 as Instant
  let count = 0
  const range = { first: ipv4(10, 0, 0, 50), last: ipv4(10, 0, 0, 69) }
  const core: Dhcp4Core = new Dhcp4Core(
    {
      address: SERVER,
      isAuthoritative: true,
      ratePerSecond: 1e9,
      subnets: [
        { network: { address: SERVER, prefixBits: 24 }, ranges: [range], domain: 'lan', nameservers: [SERVER] },
      ],
    },
    {
      send: (answer) => {
        count++
        assert.equal(typeof parseDhcp(answer), 'object')
      },
      probe: (address) => core.probed(address, random.chance(0.8), now),
      changed: () => {},
      nameFor: (label) => `${label}.lan`,
    },
    now,
  )
  const seeds = [1, 3, 4, 7, 8].map((type) => {
    const fields = { type, xid: 7, mac: MAC, secs: 0, hostname: type === 1 ? 'me.lan' : 'me' }
    return emitDhcp({
      ...fields,
      ciaddr: 0 as Ipv4,
      requested: ipv4(10, 0, 0, 50),
      server: type === 1 ? undefined : SERVER,
    })
  })
  for (let i = 0; i < MESSAGES_PER_BATCH; i++) {
    const octets = mutate(seeds, random)
    // Many clients.
    if (octets.length > 33 && random.chance(0.5)) octets[33] = random.u32()
    core.input(octets, now)
    if (random.chance(0.02)) now = after(now, seconds(random.u32() % 100_000))
    assert([...core.leases()].length <= 20)
  }
  return count
}

function runDhcp6(random: SeededRandom): number {
  let now = 1e6 as Instant
  let count = 0
  const range = { first: (NETWORK6 | 0x1000n) as Ipv6, last: (NETWORK6 | 0x100fn) as Ipv6 }
  const core = new Dhcp6Core(
    {
      duid: duidOfMac(SERVER as number as Mac),
      ratePerSecond: 1e9,
      links: [{ network: { address: NETWORK6, prefixBits: 64 }, range, dnsServers: [NETWORK6], searchList: ['lan'] }],
    },
    { changed: () => {}, nameFor: (label) => `${label}.lan` },
    now,
  )
  const addresses = [{ address: range.first, preferredSeconds: 1, validSeconds: 2 }]
  const associations = [{ iaid: 1, t1Seconds: 0, t2Seconds: 0, addresses }]
  const common = { xid: 9, clientId: duidOfMac(MAC), associations, fqdn: { flags: 1, name: 'me' }, requested: [23, 24] }
  const serverId = duidOfMac(SERVER as number as Mac)
  const seeds = [1, 3, 4, 5, 6, 8, 9].map((type) =>
    emitDhcp6({ type, ...common, serverId: [3, 5, 8, 9].includes(type) ? serverId : undefined }),
  )
  seeds.push(emitDhcp6({ type: 11, xid: 9, requested: [23] }))
  for (const message of [...seeds]) {
    seeds.push(emitDhcp6Relay({ type: RELAY_FORWARD, hops: 0, link: NETWORK6, peer: PEER, message }))
  }
  for (let i = 0; i < MESSAGES_PER_BATCH; i++) {
    const answer = core.input(mutate(seeds, random), PEER, DHCP6_RELAYS_AND_SERVERS, now)
    if (answer !== undefined) {
      count++
      assert(typeof parseDhcp6(answer) === 'object' || typeof parseDhcp6Relay(answer) === 'object')
    }
    if (random.chance(0.02)) now = after(now, seconds(random.u32() % 100_000))
    assert([...core.leases()].length <= 16)
  }
  return count
}

function runMdns(random: SeededRandom): number {
  let now = 1e6 as Instant
  let count = 0
  const check = (octets: Uint8Array): void => {
    count++
    assert.equal(typeof parseMessage(octets), 'object')
  }
  const responder = new Responder(random, { send: check })
  const querier = new Querier(random, check)
  const host = (attempt: number) => hostName(attempt === 1 ? 'host' : `host-${attempt}`)
  const service = { instance: 'Site', type: '_http._tcp', port: 80 as Port, txt: { a: 'b' } }
  responder.publish({ make: (attempt) => addressRecords(host(attempt), [SERVER]) }, now)
  responder.publish({ make: () => serviceRecords(service, host(1)) }, now)
  querier.ask(serviceType('_http._tcp'), TYPE.PTR, () => {}, now)
  const records = [...addressRecords(host(1), [SERVER, NETWORK6]), ...serviceRecords(service, host(1))].map(
    ({ rr }) => rr,
  )
  const questions = [TYPE.A, TYPE.PTR, TYPE.ANY].map((type) => ({ name: dnsName('_http._tcp.local'), type, class: 1 }))
  const seeds = [
    packet({ flags: 0x8400, answers: records }),
    packet({ questions, answers: records.slice(2) }),
    packet({ questions: [{ name: host(1), type: TYPE.ANY, class: 0x8001 }], authorities: records }),
    fromHex('000000000001000000000000085f7365727669636573075f646e732d7364045f756470056c6f63616c00000c0001'),
  ]
  for (let i = 0; i < MESSAGES_PER_BATCH; i++) {
    const message = parseMessage(mutate(seeds, random))
    const from = { address: random.u32() as Ipv4, port: random.chance(0.8) ? MDNS_PORT : (4000 as Port) }
    if (typeof message === 'object') {
      responder.input(message, from, now)
      querier.input(message, now)
    }
    now = after(now, ms(random.u32() % 200))
    responder.poll(now)
    querier.poll(now)
  }
  return count
}
