/** The server and its clients over two stacks of ours on a switch, in mock time. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { parseIpv4, port } from '@mirage-ts/core/addresses'
import { seconds } from '@mirage-ts/core/time'
import type { IpAddress } from '@mirage-ts/signatures/addresses'
import { HostNames } from '../../dhcp/host-names.ts'
import { query, zoneOf } from '../testing/dns.ts'
import { ANYBODY, KEY, PRIMARY, SECONDARY, World, ZONE } from '../testing/world.ts'
import { framed, MessageReader } from '../transport/framing.ts'
import { parseMessage } from '../wire/message.ts'
import { dnsName, nameKey } from '../wire/name.ts'
import type { DnsServer } from './server.ts'

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
