/**
 * What a small network needs, in one: addresses by DHCP for both versions of IP, router advertisements, and DNS that knows the
 * hosts by name and asks other resolvers for everything else.
 */
import { port } from '@mirage-ts/core/addresses'
import { duidOfMac } from '@mirage-ts/net/dhcp6/codec'
import type { CountedIpv6 } from '@mirage-ts/net/ipv6/contract'
import { createRouterAdvertiser } from '@mirage-ts/net/ipv6/router-advertiser'
import type { Ipv4, Ipv4Cidr, Ipv6, Ipv6Cidr, Mac } from '@mirage-ts/signatures/addresses'
import type { Arp } from '@mirage-ts/signatures/arp'
import type { Ethernet } from '@mirage-ts/signatures/ethernet'
import type { KvRw } from '@mirage-ts/signatures/kv'
import type { Log } from '@mirage-ts/signatures/log'
import type { Random } from '@mirage-ts/signatures/random'
import type { Stack } from '@mirage-ts/signatures/stack'
import type { MonotonicClock, Time, WallClock } from '@mirage-ts/signatures/time'
import { createForwarder } from '../dns/resolver/forwarder.ts'
import { createResolverServer } from '../dns/resolver/resolver-server.ts'
import { createZoneResolver } from '../dns/resolver/zone-resolver.ts'
import { HostNames } from './host-names.ts'
import { createDhcp4Server } from './server4.ts'
import { createDhcp6Server } from './server6.ts'

export interface LanDeps {
  readonly ethernet: Ethernet
  readonly arp: Arp
  readonly ipv6: CountedIpv6
  /** Over IPv4 and IPv6 of that Ethernet. */
  readonly stack: Stack
  readonly leases?: KvRw | undefined
  readonly clock: MonotonicClock
  readonly wallClock: WallClock
  readonly time: Time
  readonly random: Random
  readonly log: Log
}

/** A host that always gets the same address and name. */
export interface LanHost {
  readonly mac: Mac
  readonly address: Ipv4
  readonly hostname: string
}

/**
 * How hosts get IPv6 addresses: `stateful` by DHCPv6, so that their names are in DNS; `stateless`: they make them up, and get the
 * rest by DHCPv6.
 */
export type LanMode6 = 'stateful' | 'stateless'

export interface LanOptions {
  /** Our address, and the length of the network's prefix. */
  readonly network: Ipv4Cidr
  /** Addresses to lend, both included. */
  readonly first: Ipv4
  readonly last: Ipv4
  /** Our address for IPv6; the prefix has 64 bits. Default: no IPv6. */
  readonly network6?: Ipv6Cidr | undefined
  /** Default `stateful`. */
  readonly mode6?: LanMode6
  /** The router to everywhere else; none by default. */
  readonly router?: Ipv4 | undefined
  /** The domain of the hosts. */
  readonly domain: string
  /** Our own name in it. */
  readonly hostname: string
  readonly hosts?: readonly LanHost[]
  readonly leaseSeconds?: number
  /** Resolvers for names that are not of this network; without them there are no others. */
  readonly forwardTo?: readonly Ipv4[]
}

/** A network that is served. */
export interface Lan {
  readonly names: HostNames
  /** Resolves when it is not served any more. */
  readonly closed: Promise<void>
  close(): Promise<void>
}

/** Addresses that are lent begin at this one of the prefix, and there are as many. */
const RANGE6_FIRST = 0x1000n
const DNS_PORT = port(53)

/** Begins to serve; resolves once everything listens. Rejects with a `RangeError` for options that make no sense. */
export async function serveLan(deps: LanDeps, options: LanOptions): Promise<Lan> {
  const { stack, time, log } = deps
  const { network, network6, domain, hostname, hosts = [] } = options
  const networks = network6 === undefined ? [network] : [network, network6]
  const names = new HostNames({
    seed: deps.random.u32(),
    domain,
    networks,
    server: { hostname, addresses: networks.map(({ address }) => address) },
    names: hosts.map((host) => ({ hostname: host.hostname, addresses: [host.address], mac: host.mac })),
  })
  const forwardTo = (options.forwardTo ?? []).map((address) => ({ address, port: DNS_PORT }))
  const resolver = createZoneResolver(names.zones, createForwarder(deps, { servers: forwardTo }))
  const dns = await createResolverServer({ stack, time, log, resolver }, { port: DNS_PORT, networks })
  const shared = { ...deps, udp: stack.udp, names }
  const dhcp4 = await createDhcp4Server(shared, {
    address: network.address,
    isAuthoritative: true,
    subnets: [
      {
        network,
        ranges: [{ first: options.first, last: options.last }],
        hosts,
        leaseSeconds: options.leaseSeconds ?? 3600,
        routers: options.router === undefined ? [] : [options.router],
        nameservers: [network.address],
        domain,
        searchList: [domain],
      },
    ],
  })
  const stop6 = network6 === undefined ? undefined : await serveIpv6(shared, network6, options)
  return {
    names,
    closed: dns.closed,
    close: async () => {
      await stop6?.()
      await dhcp4.close()
      await dns.close()
    },
  }
}

async function serveIpv6(
  deps: LanDeps & { readonly udp: Stack['udp']; readonly names: HostNames },
  network: Ipv6Cidr,
  { mode6 = 'stateful', domain, leaseSeconds = 3600 }: LanOptions,
): Promise<() => Promise<void>> {
  const isManaged = mode6 === 'stateful'
  const first = ((network.address >> 64n) << 64n) + RANGE6_FIRST
  const range = isManaged ? { first: first as Ipv6, last: (first + RANGE6_FIRST - 1n) as Ipv6 } : undefined
  const config = { network, dnsServers: [network.address], searchList: [domain] }
  const dhcp6 = await createDhcp6Server(deps, {
    duid: duidOfMac(deps.ethernet.mac),
    links: [{ ...config, range, preferredSeconds: leaseSeconds }],
  })
  const advertiser = createRouterAdvertiser(deps, {
    prefixes: [{ prefix: network, isAutonomous: !isManaged }],
    isManaged,
    hasOther: true,
    nameservers: [network.address],
    searchList: [domain],
  })
  return async () => {
    advertiser.close()
    await dhcp6.close()
  }
}
