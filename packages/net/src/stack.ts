/** The stack of ours that an application gets: transports over our own network layer. */
import type { Icmp } from '@mirage-ts/signatures/icmp'
import type { Ip } from '@mirage-ts/signatures/ip'
import type { Stack } from '@mirage-ts/signatures/stack'
import type { Tcp } from '@mirage-ts/signatures/tcp'
import type { Udp } from '@mirage-ts/signatures/udp'

/** Puts the layers together. `icmp` is asked for so that a stack without one, deaf to errors and pings, cannot be built. */
export function createDirectStack({ ip, udp, tcp }: { ip: Ip; icmp: Icmp; udp: Udp; tcp: Tcp }): Stack {
  return {
    tcp,
    udp,
    get addresses() {
      return ip.addresses
    },
  }
}
