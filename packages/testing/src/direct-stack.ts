/** A whole stack of ours on one network, wired as the tool wires it, with every layer at hand for a test to look into. */
import { parseIpv4, parseIpv4Cidr } from '@mirage-ts/core/addresses'
import { NO_LOG } from '@mirage-ts/core/log'
import { type CountedEthernet, createEthernet } from '@mirage-ts/net/ethernet'
import { type CountedArp, createArp } from '@mirage-ts/net/ipv4/arp'
import type { CountedIp } from '@mirage-ts/net/ipv4/contract'
import { type CountedIcmp, createIcmp } from '@mirage-ts/net/ipv4/icmp'
import { createIpv4 } from '@mirage-ts/net/ipv4/ipv4'
import { createDirectStack } from '@mirage-ts/net/stack'
import { createTcp } from '@mirage-ts/net/tcp/tcp'
import { type CountedUdp, createUdp } from '@mirage-ts/net/udp'
import type { Network } from '@mirage-ts/signatures/network'
import type { Stack } from '@mirage-ts/signatures/stack'
import type { MonotonicClock, Time } from '@mirage-ts/signatures/time'
import { SeededRandom } from './seeded-random.ts'

export interface TestStack extends Stack {
  readonly ethernet: CountedEthernet
  readonly arp: CountedArp
  readonly ipv4: CountedIp
  readonly icmp: CountedIcmp
  readonly udp: CountedUdp
  readonly tcp: ReturnType<typeof createTcp>
}

/** Builds the stack; `cidr` is like `10.0.0.2/24`. */
export function createTestStack(
  network: Network,
  time: Time & MonotonicClock,
  cidr: string,
  options: { readonly seed?: number; readonly gateway?: string } = {},
): TestStack {
  const random = new SeededRandom(options.seed ?? 1)
  const own = parseIpv4Cidr(cidr)
  if (own === undefined) throw new TypeError(`Cannot build a stack with address ${cidr}: expected 10.0.0.2/24`)
  const gateway = options.gateway === undefined ? undefined : parseIpv4(options.gateway)
  const ethernet = createEthernet({ network })
  const arp = createArp({ ethernet, clock: time, time })
  const ipv4 = createIpv4({ ethernet, arp, random, clock: time, time }, { cidr: own, gateway })
  const icmp = createIcmp({ ipv4, clock: time })
  const udp = createUdp({ ip: ipv4, icmp, random })
  const tcp = createTcp({ ip: ipv4, clock: time, time, random, log: NO_LOG })
  const stack = createDirectStack({ ip: ipv4, icmp, udp, tcp })
  return Object.assign(stack, { ethernet, arp, ipv4, icmp, udp, tcp })
}
