/** Zones and their configuration as a store has them. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { endpointToString, parseIpv4 } from '@mirage-ts/core/addresses'
import { KvError } from '@mirage-ts/core/errors'
import { textToOctets } from '@mirage-ts/core/octets'
import type { KvRo } from '@mirage-ts/signatures/kv'
import type { Stack } from '@mirage-ts/signatures/stack'
import { SeededRandom } from '@mirage-ts/testing/seeded-random'
import { PRIMARY, World, ZONE } from '../testing/world.ts'
import { dnsName } from '../wire/name.ts'
import { loadDnsConfig } from './server-config.ts'

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
