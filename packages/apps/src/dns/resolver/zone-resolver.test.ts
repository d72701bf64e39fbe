import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { zoneOf } from '../testing/dns.ts'
import { dnsName, nameKey, nameToString } from '../wire/name.ts'
import { RCODE, TYPE } from '../wire/types.ts'
import type { Resolver } from './resolver.ts'
import { createZoneResolver } from './zone-resolver.ts'

describe('resolver with zones of its own', () => {
  it('answers for its zones and asks for everything else', async () => {
    const zone = await zoneOf(
      'lan',
      '$TTL 60\n@ SOA ns root 1 2 3 4 5\n@ NS ns\nns A 10.0.0.1\npc A 10.0.0.2\nweb CNAME pc\nout CNAME www.example.\n',
    )
    const asked: string[] = []
    const upstream: Resolver = {
      resolve: async (name, type) => {
        asked.push(nameToString(name))
        const set = { name, type, ttl: 1, rdatas: [Uint8Array.of(192, 0, 2, 1)] }
        return { rcode: RCODE.NOERROR, answers: [set], soa: undefined }
      },
    }
    const resolver = createZoneResolver(new Map([[nameKey(dnsName('lan')), zone]]), upstream)
    const ask = async (name: string): Promise<string> => {
      const { rcode, answers, soa } = await resolver.resolve(dnsName(name), TYPE.A)
      const last = answers.at(-1)?.rdatas[0]?.join('.') ?? '-'
      return `${rcode} ${answers.length} ${last}${soa === undefined ? '' : ' soa'}`
    }
    assert.equal(await ask('pc.lan'), '0 1 10.0.0.2')
    assert.equal(await ask('web.lan'), '0 2 10.0.0.2')
    assert.equal(await ask('none.lan'), '3 0 - soa')
    assert.deepEqual(asked, [])
    assert.equal(await ask('out.lan'), '0 2 192.0.2.1')
    assert.equal(await ask('www.test'), '0 1 192.0.2.1')
    assert.deepEqual(asked, ['www.example.', 'www.test.'])
  })
})
