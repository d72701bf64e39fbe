/** What a DHCPv6 server is told about its links, and what of it an answer says. */
import { ipv6CidrToString, ipv6InCidr, ipv6ToString } from '@mirage-ts/core/addresses'
import { type Dhcp6Message, type Dhcp6Options, INFORMATION_REQUEST, OPTION } from '@mirage-ts/net/dhcp6/codec'
import type { Ipv6, Ipv6Cidr, Mac } from '@mirage-ts/signatures/addresses'
import type { AddressRange } from './lease-table.ts'

const DEFAULT_PREFERRED_SECONDS = 12 * 3600

/** A host that always gets the same address, known by its identifier or its MAC. */
export interface Dhcp6Host {
  readonly duid?: Uint8Array | undefined
  /** Known from an identifier that holds it, or from the link-local address the client asks from. */
  readonly mac?: Mac | undefined
  readonly address: Ipv6
  readonly hostname?: string | undefined
}

/** A link and what its hosts get. */
export interface Dhcp6Link {
  /** The addresses of the link. */
  readonly network: Ipv6Cidr
  /** Addresses to lend; none when hosts make up their own (stateless service). */
  readonly range?: { readonly first: Ipv6; readonly last: Ipv6 } | undefined
  readonly hosts?: readonly Dhcp6Host[]
  /** Default 12 hours. */
  readonly preferredSeconds?: number
  /** Default: 1.5 times that. */
  readonly validSeconds?: number
  readonly dnsServers?: readonly Ipv6[]
  readonly searchList?: readonly string[]
  readonly ntpServers?: readonly Ipv6[]
}

/** How long a host may use its address, in seconds. */
export function lifetimesOf(config: Dhcp6Link): { readonly preferredSeconds: number; readonly validSeconds: number } {
  const preferredSeconds = config.preferredSeconds ?? DEFAULT_PREFERRED_SECONDS
  return { preferredSeconds, validSeconds: config.validSeconds ?? Math.floor(preferredSeconds * 1.5) }
}

/** What the client asked for, or what there is when it asked for nothing in particular. */
export function configOptions(config: Dhcp6Link, { requested, type }: Dhcp6Message): Dhcp6Options {
  const isWanted = (code: number): boolean => requested === undefined || requested.includes(code)
  const some = <T>(code: number, list: readonly T[] | undefined): readonly T[] | undefined =>
    list !== undefined && list.length > 0 && isWanted(code) ? list : undefined
  const isRefreshed = type === INFORMATION_REQUEST && requested?.includes(OPTION.REFRESH_TIME) === true
  return {
    dnsServers: some(OPTION.DNS_SERVERS, config.dnsServers),
    searchList: some(OPTION.SEARCH_LIST, config.searchList),
    ntpServers: some(OPTION.NTP_SERVER, config.ntpServers),
    refreshSeconds: isRefreshed ? lifetimesOf(config).preferredSeconds : undefined,
  }
}

/** The addresses to lend: those of the range that no host has for its own. */
export function rangeOf({ range, hosts = [] }: Dhcp6Link): AddressRange<Ipv6> {
  const { first, last } = range ?? { first: 1n as Ipv6, last: 0n as Ipv6 }
  const size = last - first + 1n
  const held = new Set(hosts.map(({ address }) => address))
  return {
    count: Number(size > 0xffffffffn ? 0xffffffffn : size),
    at: (index) => (first + BigInt(index)) as Ipv6,
    has: (address) => address >= first && address <= last && !held.has(address),
  }
}

/** What makes no sense in a link, if anything does. */
export function linkProblem({ network, range, hosts = [] }: Dhcp6Link): string | undefined {
  const name = ipv6CidrToString(network)
  if (range !== undefined) {
    const text = `${ipv6ToString(range.first)}-${ipv6ToString(range.last)}`
    if (range.first > range.last) return `the range ${text} ends before it begins`
    if (!ipv6InCidr(range.first, network) || !ipv6InCidr(range.last, network))
      return `the range ${text} is not within ${name}`
  }
  const stray = hosts.find(({ address }) => !ipv6InCidr(address, network))
  return stray === undefined ? undefined : `the host with ${ipv6ToString(stray.address)} is not within ${name}`
}
