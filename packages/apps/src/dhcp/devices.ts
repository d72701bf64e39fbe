/** What serves a local network, as devices: made of what keys say. `@mirage-ts/config/devices` has the words for them. */
import { isIpv6LinkLocal, parseIpv4, parseMac } from '@mirage-ts/core/addresses'
import {
  createRouterAdvertiser,
  type RouterAdvertiser,
  type RouterAdvertiserDeps,
} from '@mirage-ts/net/ipv6/router-advertiser'
import type { Ipv4, Ipv4Cidr, Ipv6, Ipv6Cidr } from '@mirage-ts/signatures/addresses'
import type { Ipv4Host } from '@mirage-ts/signatures/ip'
import type { Stack } from '@mirage-ts/signatures/stack'
import { type Lan, type LanDeps, type LanHost, type LanMode6, serveLan } from './lan.ts'
import { createDhcp4Server, type Dhcp4Deps, type Dhcp4Server } from './server4.ts'

/** What keys say of addresses to lend. */
export interface LendingArgs {
  /** Our address, and the length of the network's prefix. */
  readonly network: Ipv4Cidr
  readonly first: Ipv4
  readonly last: Ipv4
  readonly router?: Ipv4 | undefined
  /** `MAC=ADDRESS=NAME` each. */
  readonly hosts?: readonly string[] | undefined
  readonly leaseSeconds: number
}

export interface LanArgs extends LendingArgs {
  readonly mode6: LanMode6
  readonly domain: string
  readonly hostname: string
  readonly forwardTo?: readonly Ipv4[] | undefined
}

/** Serves a whole local network; `ipv4` gets its address here. Rejects with a `RangeError` for what makes no sense. */
export function createLan(
  { ipv4, ...deps }: LanDeps & { readonly ipv4: Ipv4Host },
  { hosts = [], forwardTo = [], ...args }: LanArgs,
): Promise<Lan> {
  // The address is ours to give: nobody lends us one.
  ipv4.configure({ cidr: args.network, gateway: args.router })
  const own = deps.ipv6.ownAddresses.find(({ address }) => !isIpv6LinkLocal(address))
  const network6: Ipv6Cidr | undefined = own && { address: own.address, prefixBits: 64 }
  return serveLan(deps, { ...args, network6, forwardTo, hosts: hosts.map(parseHost) })
}

export interface DhcpServerArgs extends LendingArgs {
  readonly nameservers?: readonly Ipv4[] | undefined
  readonly domain?: string | undefined
}

/** Lends IPv4 addresses. Rejects with a `RangeError` for what makes no sense. */
export function createDhcpServer(
  { stack, ...deps }: Omit<Dhcp4Deps, 'udp'> & { readonly stack: Stack },
  { network, first, last, router, hosts = [], leaseSeconds, nameservers = [], domain }: DhcpServerArgs,
): Promise<Dhcp4Server> {
  const subnet = {
    network,
    ranges: [{ first, last }],
    hosts: hosts.map(parseHost),
    leaseSeconds,
    routers: router === undefined ? [] : [router],
    nameservers,
    ...(domain === undefined ? {} : { domain, searchList: [domain] }),
  }
  const options = { address: network.address, isAuthoritative: true, subnets: [subnet] }
  return createDhcp4Server({ ...deps, udp: stack.udp }, options)
}

export interface AdvertiserArgs {
  readonly prefixes: readonly Ipv6Cidr[]
  readonly nameservers?: readonly Ipv6[] | undefined
  /** For how long hosts send packets to everywhere else to us; 0 when we are no router. */
  readonly routerSeconds: number
}

/** Tells hosts of prefixes to make addresses of, and of a router. Throws a `RangeError` for what makes no sense. */
export function createAdvertiser(
  deps: RouterAdvertiserDeps,
  { prefixes, nameservers = [], routerSeconds }: AdvertiserArgs,
): RouterAdvertiser {
  return createRouterAdvertiser(deps, {
    prefixes: prefixes.map((prefix) => ({ prefix, isAutonomous: true })),
    nameservers,
    routerSeconds,
  })
}

function parseHost(text: string): LanHost {
  const [mac, address, hostname] = text.split('=')
  const host = { mac: parseMac(mac ?? ''), address: parseIpv4(address ?? ''), hostname: hostname ?? '' }
  if (host.mac === undefined || host.address === undefined || text.split('=').length !== 3) {
    throw new RangeError(`Cannot use the host ${JSON.stringify(text)}: expected MAC=ADDRESS=NAME`)
  }
  return { mac: host.mac, address: host.address, hostname: host.hostname }
}
