/** The stack of ours that an application gets: transports over our own network layer. */
import type { Dhcp, Dhcp6 } from '@mirage-ts/signatures/dhcp'
import type { Icmp } from '@mirage-ts/signatures/icmp'
import type { HostIp } from '@mirage-ts/signatures/ip'
import type { Stack } from '@mirage-ts/signatures/stack'
import type { Tcp } from '@mirage-ts/signatures/tcp'
import type { Udp } from '@mirage-ts/signatures/udp'

export interface DirectStackDeps {
  readonly ip: HostIp
  /** Asked for so that a stack without one, deaf to errors and pings, cannot be built. */
  readonly icmp: Icmp
  readonly udp: Udp
  readonly tcp: Tcp
  /** Asked for so that nobody gets the stack before it has an address. */
  readonly dhcp?: Dhcp
  /** What it is told of resolvers, the stack tells those who ask. */
  readonly dhcp6?: Dhcp6
}

/** Puts the layers together. */
export function createDirectStack({ ip, udp, tcp, dhcp, dhcp6 }: DirectStackDeps): Stack {
  return {
    tcp,
    udp,
    get addresses() {
      return ip.addresses
    },
    get nameservers() {
      const leased = [...(dhcp?.lease?.nameservers ?? []), ...(dhcp6?.config?.nameservers ?? [])]
      return [...leased, ...(ip.nameservers ?? [])]
    },
  }
}
