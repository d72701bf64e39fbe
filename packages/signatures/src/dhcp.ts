import type { Ipv4, Ipv4Cidr, Ipv6 } from './addresses.ts'
import type { Duration } from './time.ts'

/** What a DHCP server has lent and said (RFC 2131, RFC 2132). */
export interface DhcpLease {
  readonly cidr: Ipv4Cidr
  readonly gateway: Ipv4 | undefined
  /** Further routes (RFC 3442). */
  readonly routes: readonly { readonly network: Ipv4Cidr; readonly gateway: Ipv4 }[]
  /** Who lent it. */
  readonly server: Ipv4
  /** Resolvers, best first. */
  readonly nameservers: readonly Ipv4[]
  readonly domain: string | undefined
  readonly ntpServers: readonly Ipv4[]
  /** The name the server gave us. */
  readonly hostname: string | undefined
  /** How long it lasts without renewal; `undefined` for ever. */
  readonly duration: Duration | undefined
}

/** The client that keeps a lease. It renews it by itself, and starts over when it is lost. */
export interface Dhcp {
  /** `undefined` while we have none. */
  readonly lease: DhcpLease | undefined
  /** Calls `listener` with every new, renewed or lost lease from now on. */
  listen(listener: (lease: DhcpLease | undefined) => void): void
  /** Gives the lease back and stops. Idempotent. */
  release(): Promise<void>
}

/** What a DHCPv6 server has said beside addresses (RFC 3646, RFC 5908). */
export interface Dhcp6Config {
  /** Resolvers, best first. */
  readonly nameservers: readonly Ipv6[]
  /** Domains to complete names with, in order, without a final dot. */
  readonly searchList: readonly string[]
  /** Addresses, groups among them, or names. */
  readonly ntpServers: readonly (Ipv6 | string)[]
}

/** The client that asks DHCPv6 servers when routers say so; the addresses it is lent are the network layer's. */
export interface Dhcp6 {
  /** `undefined` as long as no server has answered. */
  readonly config: Dhcp6Config | undefined
  /** Calls `listener` with every answer from now on. */
  listen(listener: (config: Dhcp6Config) => void): void
  /** Gives back what is lent and stops; resolves when the server has heard, or cannot be reached. Idempotent. */
  release(): Promise<void>
}
