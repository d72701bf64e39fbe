/** The client of an application: addresses by name, from a server on a switch, in mock time. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ipv4, ipv4ToString, port } from '@mirage-ts/core/addresses'
import type { Ipv4 } from '@mirage-ts/signatures/addresses'
import {
  type ResolverWorld,
  runAddressResolverConformance,
} from '@mirage-ts/testing/conformance/address-resolver-suite'
import { createTestStack } from '@mirage-ts/testing/direct-stack'
import { testMac } from '@mirage-ts/testing/link'
import { MockTime } from '@mirage-ts/testing/mock-time'
import { SeededRandom } from '@mirage-ts/testing/seeded-random'
import { VirtualSwitch } from '@mirage-ts/testing/virtual-switch'
import { coreOf, zoneOf } from '../testing/dns.ts'
import { parseMessage } from '../wire/message.ts'
import { dnsName, nameToString } from '../wire/name.ts'
import { TYPE } from '../wire/types.ts'
import { createDnsClient } from './client.ts'

const ZONE = `$TTL 60
@ SOA ns root 1 1 1 1 30
@ NS ns
ns A 10.0.0.1
both A 192.0.2.1
both A 192.0.2.2
both AAAA 2001:db8::1
six AAAA 2001:db8::6
alias CNAME both
`

class World {
  readonly time = new MockTime()
  readonly lan = new VirtualSwitch(this.time)
  private count = 0

  stack(address: Ipv4) {
    this.count++
    const cidr = `${ipv4ToString(address)}/24`
    return createTestStack(this.lan.port(testMac(this.count)), this.time, cidr, { seed: this.count })
  }

  /** A server of `test` that says nothing about names below `silent.test`. */
  async server(address: Ipv4): Promise<void> {
    const core = coreOf({ random: new SeededRandom(1), clock: this.time }, [await zoneOf('test', ZONE)])
    const socket = await this.stack(address).udp.bind(port(53), (payload, from) => {
      const message = parseMessage(payload)
      const name = typeof message === 'string' ? undefined : message.questions[0]?.name
      if (name === undefined || nameToString(name).toLowerCase().endsWith('silent.test.')) return
      const end = core.handle(payload, from, false)
      void socket.send(core.frame.u8.slice(0, end), from)
    })
  }

  client(nameservers?: readonly Ipv4[], told?: readonly Ipv4[]) {
    const { time } = this
    const stack = { ...this.stack(ipv4(10, 0, 0, 9)), nameservers: told ?? [] }
    const deps = { stack, time, clock: time, random: new SeededRandom(2) }
    return createDnsClient(deps, { nameservers })
  }
}

const SERVER = ipv4(10, 0, 0, 1)

runAddressResolverConformance('dns client', async (): Promise<ResolverWorld> => {
  const world = new World()
  await world.server(SERVER)
  return { resolver: world.client([SERVER]), until: (promise) => world.time.until(promise) }
})

test('dns client: asks whom the network tells of, at the time of the question, unless it was given others', async () => {
  const world = new World()
  await world.server(SERVER)
  const told: Ipv4[] = []
  const client = world.client(undefined, told)
  await assert.rejects(world.time.until(client.ipv4('both.test')), {
    message: 'Cannot resolve both.test: there are no servers to ask',
  })
  told.push(SERVER)
  assert.equal((await world.time.until(client.ipv4('both.test'))).length, 2)
  const { answers } = await world.time.until(client.resolve(dnsName('test'), TYPE.NS))
  assert.equal(answers[0]?.rdatas.length, 1)
  await assert.rejects(world.time.until(world.client([ipv4(10, 0, 0, 77)], [SERVER]).ipv4('both.test')), {
    code: 'host-unreachable',
  })
})
