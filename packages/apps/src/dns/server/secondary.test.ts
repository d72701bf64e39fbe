/** A secondary and its primary over two stacks of ours on a switch, in mock time. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { parseIpv4, port } from '@mirage-ts/core/addresses'
import { textToOctets } from '@mirage-ts/core/octets'
import { minutes, ms, seconds } from '@mirage-ts/core/time'
import type { Stack } from '@mirage-ts/signatures/stack'
import type { Instant } from '@mirage-ts/signatures/time'
import { EXAMPLE_KEY_NAME, query, zoneOf } from '../testing/dns.ts'
import { ANYBODY, KEY, PRIMARY, SECONDARY, World, ZONE } from '../testing/world.ts'
import { exchangeMessage } from '../transport/exchange.ts'
import { dnsName, nameKey } from '../wire/name.ts'
import { soaOf } from '../wire/rdata.ts'
import { tsigKey } from '../wire/tsig.ts'
import { CLASS, TYPE } from '../wire/types.ts'
import type { Zone } from '../zone/zone.ts'
import { RefreshTimer } from './secondary.ts'

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
