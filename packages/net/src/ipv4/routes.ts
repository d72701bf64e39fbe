/** The routing table of IPv4: the longest prefix that fits wins (RFC 1122 §3.3.1, RFC 1812 §5.2.4.3). */
import { ipv4Mask } from '@mirage-ts/core/addresses'
import type { Ipv4, Ipv4Cidr } from '@mirage-ts/signatures/addresses'

/** Where packets for one network go: `Link` is what the owner of the table calls an interface. */
export interface Route<Link> {
  readonly network: Ipv4Cidr
  /** Of the network, as signed words: what `&` gives. */
  readonly mask: number
  readonly masked: number
  readonly link: Link
  /** Who takes them on; nobody when the network is on the link itself. */
  readonly gateway: Ipv4 | undefined
}

/** Destinations for which a router has named a better first hop (RFC 1122 §3.3.1.2); of more the oldest goes. */
const MAX_REDIRECTS = 16

/** A handful of routes searched in order: a table of thousands would want a trie. */
export class RouteTable<Link> {
  /** Longest prefix first; among equal ones, the one added first. */
  private routes: readonly Route<Link>[] = []
  /** Those of them that are for one destination because a router said so, oldest first. */
  private redirects: readonly Route<Link>[] = []

  /** Adds a route behind those with the same prefix length. */
  add(network: Ipv4Cidr, link: Link, gateway: Ipv4 | undefined): Route<Link> {
    const address = ((network.address & ipv4Mask(network.prefixBits)) >>> 0) as Ipv4
    const mask = ipv4Mask(network.prefixBits) | 0
    const route = { network: { address, prefixBits: network.prefixBits }, mask, masked: address | 0, link, gateway }
    this.routes = [...this.routes, route].sort((a, b) => b.network.prefixBits - a.network.prefixBits)
    return route
  }

  /** Packets to `dst` go by way of `gateway` from now on, until {@link endRedirects}. */
  redirect(dst: Ipv4, link: Link, gateway: Ipv4): void {
    const same = this.redirects.find((route) => route.network.address === dst)
    const leaving = same ?? (this.redirects.length < MAX_REDIRECTS ? undefined : this.redirects[0])
    if (leaving !== undefined) this.remove((route) => route === leaving)
    this.redirects = [...this.redirects, this.add({ address: dst, prefixBits: 32 }, link, gateway)]
  }

  /** What was redirected to `gateway`, which is gone, goes the old way again. True when something was. */
  endRedirects(gateway: Ipv4): boolean {
    const leaving = this.redirects.filter((route) => route.gateway === gateway)
    this.remove((route) => leaving.includes(route))
    return leaving.length > 0
  }

  /** Removes all routes over `link`. */
  removeLink(link: Link): void {
    this.remove((route) => route.link === link)
  }

  private remove(isLeaving: (route: Route<Link>) => boolean): void {
    this.routes = this.routes.filter((route) => !isLeaving(route))
    this.redirects = this.redirects.filter((route) => !isLeaving(route))
  }

  find(dst: Ipv4): Route<Link> | undefined {
    const { routes } = this
    for (let i = 0; i < routes.length; i++) {
      const route = routes[i] as Route<Link>
      if ((dst & route.mask) === route.masked) return route
    }
    return undefined
  }
}
