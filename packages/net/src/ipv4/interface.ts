/** One interface of the IPv4 layer. */
import { IPV4_ANY, IPV4_BROADCAST, ipv4BroadcastOf, isIpv4Multicast } from '@mirage-ts/core/addresses'
import type { Ipv4, Ipv4Cidr } from '@mirage-ts/signatures/addresses'
import type { Arp } from '@mirage-ts/signatures/arp'
import type { Ethernet } from '@mirage-ts/signatures/ethernet'

const UNCONFIGURED: Ipv4Cidr = { address: IPV4_ANY, prefixBits: 32 }

/** What an interface is made of. */
export interface Ipv4Link {
  readonly ethernet: Ethernet
  readonly arp: Arp
}

export class Ipv4Interface {
  readonly ethernet: Ethernet
  readonly arp: Arp
  /** 0.0.0.0/32 while it is not configured. */
  cidr: Ipv4Cidr = UNCONFIGURED
  broadcast: Ipv4 | undefined = undefined

  constructor({ ethernet, arp }: Ipv4Link) {
    this.ethernet = ethernet
    this.arp = arp
  }

  configure(cidr: Ipv4Cidr | undefined): void {
    this.cidr = cidr ?? UNCONFIGURED
    this.broadcast = cidr === undefined ? undefined : ipv4BroadcastOf(cidr)
  }

  /**
   * RFC 1122 §3.2.1.3: a host discards packets whose source is a broadcast, a group, "this host", loopback or one of its own
   * addresses.
   */
  isPossibleSource(src: Ipv4, dst: Ipv4, own: readonly unknown[]): boolean {
    // A host that starts has no address yet and asks everybody (RFC 2131); switches ask for groups without one (RFC 4541).
    if (src === IPV4_ANY) return dst === IPV4_BROADCAST || isIpv4Multicast(dst)
    return !(src >>> 24 === 127 || src >>> 28 >= 0xe || src === this.broadcast || own.includes(src))
  }
}
