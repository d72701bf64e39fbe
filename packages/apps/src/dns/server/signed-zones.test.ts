/** Zones that a server signs itself, over stacks of ours on a switch. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { minutes } from '@mirage-ts/core/time'
import { createZoneKey } from '@mirage-ts/testing/zone-key'
import { createZoneSigner, type ZoneSignerOptions } from '../dnssec/zone-signer.ts'
import { WALL_CLOCK, wire, zoneOf } from '../testing/dns.ts'
import { ANYBODY, PRIMARY, World, ZONE } from '../testing/world.ts'
import { exchangeMessage } from '../transport/exchange.ts'
import { dnsName } from '../wire/name.ts'
import { CLASS, RCODE, TYPE } from '../wire/types.ts'
import type { ZonePolicy } from './policy.ts'

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
