/** The stack of ours that an application gets: transports over our own network layer. */
import type { Dhcp } from '@mirage-ts/signatures/dhcp'
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
}

/** Puts the layers together. */
export function createDirectStack({ ip, udp, tcp, dhcp }: DirectStackDeps): Stack {
  return {
    tcp,
    udp,
    get addresses() {
      return ip.addresses
    },
    get nameservers() {
      return [...(dhcp?.lease?.nameservers ?? []), ...(ip.nameservers ?? [])]
    },
  }
}
