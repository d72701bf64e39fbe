/** A whole stack of ours with both versions of IP on one network, every layer at hand for a test to look into. */
import { parseIpv4Cidr, parseIpv6, parseIpv6Cidr } from '@mirage-ts/core/addresses'
import { NO_LOG } from '@mirage-ts/core/log'
import { createEthernet } from '@mirage-ts/net/ethernet'
import { createDualIcmp, createDualIp } from '@mirage-ts/net/ip/dual-ip'
import { createArp } from '@mirage-ts/net/ipv4/arp'
import { createIcmp } from '@mirage-ts/net/ipv4/icmp'
import { createIpv4 } from '@mirage-ts/net/ipv4/ipv4'
import type { CountedIpv6 } from '@mirage-ts/net/ipv6/contract'
import { type CountedIcmpv6, createIcmpv6 } from '@mirage-ts/net/ipv6/icmpv6'
import { createIpv6 } from '@mirage-ts/net/ipv6/ipv6'
import { createDirectStack } from '@mirage-ts/net/stack'
import { createTcp } from '@mirage-ts/net/tcp/tcp'
import { createUdp } from '@mirage-ts/net/udp'
import type { Network } from '@mirage-ts/signatures/network'
import type { MonotonicClock, Time } from '@mirage-ts/signatures/time'
import type { TestStack } from './direct-stack.ts'
import { SeededRandom } from './seeded-random.ts'

export interface DualTestStack extends TestStack {
  readonly ipv6: CountedIpv6
  readonly icmpv6: CountedIcmpv6
}

export interface DualTestStackOptions {
  readonly seed?: number
  /** Like `2001:db8::2/64`; without one there is the link-local address, and what routers give. */
  readonly ipv6?: string
  readonly ipv6Gateway?: string
  readonly interfaceSecret?: string
  readonly temporaryAddresses?: boolean
}

/** Builds the stack; `cidr` is like `10.0.0.2/24`. */
export function createDualTestStack(
  network: Network,
  time: Time & MonotonicClock,
  cidr: string,
  options: DualTestStackOptions = {},
): DualTestStack {
  const random = new SeededRandom(options.seed ?? 1)
  const clock = time
  const ethernet = createEthernet({ network })
  const arp = createArp({ ethernet, clock, time })
  const ipv4 = createIpv4({ ethernet, arp, random, clock, time }, { cidr: parseIpv4Cidr(cidr) })
  const ipv6 = createIpv6(
    { ethernet, clock, time, random, log: NO_LOG },
    {
      cidr: options.ipv6 === undefined ? undefined : parseIpv6Cidr(options.ipv6),
      gateway: options.ipv6Gateway === undefined ? undefined : parseIpv6(options.ipv6Gateway),
      interfaceSecret: options.interfaceSecret,
      temporaryAddresses: options.temporaryAddresses ?? false,
    },
  )
  const icmp = createIcmp({ ipv4, clock })
  const icmpv6 = createIcmpv6({ ipv6, clock })
  const ip = createDualIp({ ipv4, ipv6 })
  const udp = createUdp({ ip, icmp: createDualIcmp({ icmp, icmpv6 }), random })
  const tcp = createTcp({ ip, clock, time, random, log: NO_LOG })
  const stack = createDirectStack({ ip, icmp, udp, tcp })
  return Object.assign(stack, { ethernet, arp, ipv4, ipv6, icmp, icmpv6, udp, tcp })
}
