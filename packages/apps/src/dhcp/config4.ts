/** What a DHCP server lends to the hosts of a subnet, and the options that go with it (RFC 2132). */
import { ipv4BroadcastOf, ipv4CidrToString, ipv4InCidr, ipv4Mask, ipv4ToString } from '@mirage-ts/core/addresses'
import {
  type DhcpOption,
  type DhcpQuery,
  OPTION_SEARCH_LIST,
  searchListOption,
  textOption,
  wordsOption,
} from '@mirage-ts/net/dhcp/server-wire'
import {
  hostnameProblem,
  OPTION_DOMAIN,
  OPTION_LEASE_TIME,
  OPTION_MASK,
  OPTION_NAMESERVERS,
  OPTION_NTP,
  OPTION_ROUTER,
  OPTION_ROUTES,
  OPTION_SERVER,
  OPTION_T1,
  OPTION_T2,
} from '@mirage-ts/net/dhcp/wire'
import { domainProblem } from '@mirage-ts/net/dhcp6/domain'
import type { Ipv4, Ipv4Cidr, Mac } from '@mirage-ts/signatures/addresses'
import type { AddressRange } from './lease-table.ts'

/** Addresses from `first` to `last`, both included. */
export interface Ipv4Range {
  readonly first: Ipv4
  readonly last: Ipv4
}

/** A host that always gets the same address, known by its MAC or its client identifier. */
export interface Dhcp4Host {
  readonly mac?: Mac | undefined
  /** Octets of the client identifier, its type included. */
  readonly clientId?: Uint8Array | undefined
  readonly address: Ipv4
  /** The name that it goes by, whatever it says itself. */
  readonly hostname?: string | undefined
}

export interface Dhcp4Subnet {
  readonly network: Ipv4Cidr
  /** Addresses to lend. Those of static hosts, of the network itself and our own are left out by themselves. */
  readonly ranges: readonly Ipv4Range[]
  readonly excluded?: readonly Ipv4Range[]
  readonly hosts?: readonly Dhcp4Host[]
  /** What a client gets that asks for no time. Default 12 hours. */
  readonly leaseSeconds?: number
  /** What a client gets at most. Default: `leaseSeconds`. */
  readonly maxLeaseSeconds?: number
  readonly routers?: readonly Ipv4[]
  readonly nameservers?: readonly Ipv4[]
  readonly ntpServers?: readonly Ipv4[]
  readonly domain?: string | undefined
  readonly searchList?: readonly string[]
  readonly routes?: readonly { readonly network: Ipv4Cidr; readonly gateway: Ipv4 }[]
  /** Where clients that boot from the network go on. */
  readonly next?: Ipv4
  /** Further options, in place of ours of that code; sent to whoever asks for them. */
  readonly options?: readonly DhcpOption[]
  /** Options for clients whose vendor class begins so, sent without being asked for (RFC 2132 §8.4). */
  readonly vendorOptions?: readonly { readonly vendorClass: string; readonly options: readonly DhcpOption[] }[]
}

const DEFAULT_LEASE_SECONDS = 12 * 3600
const LEAST_LEASE_SECONDS = 60
const MAX_POOL_COUNT = 65_536

/** The time a client gets that asks for `askedSeconds`. */
export function leaseSecondsFor(subnet: Dhcp4Subnet, askedSeconds: number | undefined): number {
  const given = subnet.leaseSeconds ?? DEFAULT_LEASE_SECONDS
  const most = subnet.maxLeaseSeconds ?? given
  return Math.max(LEAST_LEASE_SECONDS, Math.min(most, askedSeconds ?? given))
}

/** The addresses of a subnet that may be lent; `own` is ours. */
export function poolOf(subnet: Dhcp4Subnet, own: Ipv4): AddressRange<Ipv4> {
  const { network, ranges } = subnet
  const starts: number[] = []
  let count = 0
  for (const { first, last } of ranges) {
    starts.push(count)
    count += last - first + 1
  }
  const broadcast = ipv4BroadcastOf(network)
  const first = (network.address & ipv4Mask(network.prefixBits)) >>> 0
  const held = new Set<Ipv4>((subnet.hosts ?? []).map(({ address }) => address))
  if (broadcast !== undefined) held.add(broadcast).add(first as Ipv4)
  held.add(own)
  const isIn = (address: Ipv4, list: readonly Ipv4Range[]): boolean =>
    list.some((range) => address >= range.first && address <= range.last)
  return {
    count,
    at: (index) => {
      let i = starts.length - 1
      while (i > 0 && (starts[i] as number) > index) i--
      return ((ranges[i] as Ipv4Range).first + index - (starts[i] as number)) as Ipv4
    },
    has: (address) => isIn(address, ranges) && !held.has(address) && !isIn(address, subnet.excluded ?? []),
  }
}

/** Says what is wrong with a subnet, or nothing. */
export function subnetProblem(subnet: Dhcp4Subnet): string | undefined {
  const { network, ranges, hosts = [] } = subnet
  const name = ipv4CidrToString(network)
  let count = 0
  for (const { first, last } of ranges) {
    const text = `${ipv4ToString(first)}-${ipv4ToString(last)}`
    if (first > last) return `the range ${text} ends before it begins`
    if (!ipv4InCidr(first, network) || !ipv4InCidr(last, network)) return `the range ${text} is not within ${name}`
    count += last - first + 1
  }
  if (count > MAX_POOL_COUNT) return `${count} addresses to lend in ${name}: expected at most ${MAX_POOL_COUNT}`
  for (const { address, hostname, mac, clientId } of hosts) {
    const host = `the host with ${ipv4ToString(address)}`
    if (!ipv4InCidr(address, network)) return `${host} is not within ${name}`
    if (mac === undefined && clientId === undefined) return `${host} has neither a MAC nor a client identifier`
    const problem = hostname === undefined ? undefined : hostnameProblem(hostname)
    if (problem !== undefined) return `${host} cannot be called ${JSON.stringify(hostname)}: ${problem}`
  }
  for (const domain of [...(subnet.domain === undefined ? [] : [subnet.domain]), ...(subnet.searchList ?? [])]) {
    const problem = domainProblem(domain)
    if (problem !== undefined) return `${JSON.stringify(domain)} is no domain: ${problem}`
  }
  return undefined
}

/**
 * The options of an answer, the most important first (RFC 2131 table 3): what is asked for, and those that a client cannot do
 * without. `leaseSeconds` is left out of what INFORM asks for.
 */
export function optionsFor(
  subnet: Dhcp4Subnet,
  server: Ipv4,
  query: DhcpQuery,
  leaseSeconds: number | undefined,
): DhcpOption[] {
  const options: DhcpOption[] = [{ code: OPTION_SERVER, data: wordsOption([server]) }]
  if (leaseSeconds !== undefined) {
    options.push({ code: OPTION_LEASE_TIME, data: wordsOption([leaseSeconds]) })
    if (leaseSeconds < 0xffffffff) {
      options.push({ code: OPTION_T1, data: wordsOption([Math.floor(leaseSeconds / 2)]) })
      options.push({ code: OPTION_T2, data: wordsOption([Math.floor((leaseSeconds * 7) / 8)]) })
    }
  }
  options.push({ code: OPTION_MASK, data: wordsOption([ipv4Mask(subnet.network.prefixBits)]) })
  const there = offeredOptions(subnet)
  // A client that names no options gets all.
  const codes = query.parameters.length === 0 ? there.keys() : new Set(query.parameters)
  for (const code of codes) {
    const data = there.get(code)
    if (data !== undefined) options.push({ code, data })
  }
  const { vendorClass } = query
  for (const vendor of vendorClass === undefined ? [] : (subnet.vendorOptions ?? [])) {
    if (vendorClass?.startsWith(vendor.vendorClass)) options.push(...vendor.options)
  }
  return options
}

/** What there is for clients that ask. */
function offeredOptions(subnet: Dhcp4Subnet): Map<number, Uint8Array> {
  const { routers = [], nameservers = [], ntpServers = [], searchList = [], routes = [], domain } = subnet
  const there = new Map<number, Uint8Array>()
  if (routes.length > 0) there.set(OPTION_ROUTES, routesOption(routes))
  if (routers.length > 0) there.set(OPTION_ROUTER, wordsOption(routers))
  if (nameservers.length > 0) there.set(OPTION_NAMESERVERS, wordsOption(nameservers))
  if (domain !== undefined) there.set(OPTION_DOMAIN, textOption(domain))
  if (searchList.length > 0) there.set(OPTION_SEARCH_LIST, searchListOption(searchList))
  if (ntpServers.length > 0) there.set(OPTION_NTP, wordsOption(ntpServers))
  for (const { code, data } of subnet.options ?? []) there.set(code, data)
  return there
}

/** RFC 3442: prefix length, as many octets of the network as it covers, router. */
function routesOption(routes: NonNullable<Dhcp4Subnet['routes']>): Uint8Array {
  const octets = routes.flatMap(({ network: { address, prefixBits }, gateway }) => [
    prefixBits,
    ...wordsOption([address]).subarray(0, (prefixBits + 7) >> 3),
    ...wordsOption([gateway]),
  ])
  return Uint8Array.from(octets)
}
