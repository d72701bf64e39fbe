import { parseIpv4, port } from '@mirage-ts/core/addresses'
import { NO_LOG } from '@mirage-ts/core/log'
import type { Endpoint, IpAddress } from '@mirage-ts/signatures/addresses'
import type { Stack } from '@mirage-ts/signatures/stack'
import { createTestStack } from '@mirage-ts/testing/direct-stack'
import { testMac } from '@mirage-ts/testing/link'
import { MockTime } from '@mirage-ts/testing/mock-time'
import { SeededRandom } from '@mirage-ts/testing/seeded-random'
import { VirtualSwitch } from '@mirage-ts/testing/virtual-switch'
import { NOBODY, type ZonePolicy } from '../server/policy.ts'
import { createDnsServer, type DnsServer, type DnsView, type ServedZone } from '../server/server.ts'
import { exchangeMessage } from '../transport/exchange.ts'
import type { Rr } from '../wire/message.ts'
import { soaOf } from '../wire/rdata.ts'
import { type TsigKey, tsigKey } from '../wire/tsig.ts'
import { RCODE } from '../wire/types.ts'
import { EXAMPLE_KEY_NAME, query, WALL_CLOCK } from './dns.ts'

export const ZONE: string = `$TTL 60\n@ SOA ns root 1 20 10 100 300\n@ NS ns\nns A 192.0.2.1\nbig TXT ${'"0123456789" '.repeat(200)}`
export const PRIMARY: Endpoint = { address: parseIpv4('10.0.0.1') as IpAddress, port: port(53) }
export const SECONDARY: Endpoint = { address: parseIpv4('10.0.0.2') as IpAddress, port: port(53) }
export const KEY: TsigKey = tsigKey(EXAMPLE_KEY_NAME, 'hmac-sha256', new Uint8Array(32))
export const ANYBODY: ZonePolicy = {
  transferTo: { keys: [KEY.name], networks: [] },
  updateFrom: NOBODY,
  notifyFrom: { keys: [], networks: [{ address: parseIpv4('10.0.0.0') as never, prefixBits: 24 }] },
}

export class World {
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
