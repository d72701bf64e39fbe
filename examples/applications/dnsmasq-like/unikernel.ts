/** Looks after a small network: lends addresses, announces prefixes, and knows the hosts by name. */
import { type LanDeps, type LanHost, type LanMode6, serveLan } from '@mirage-ts/apps/dhcp/lan'
import { isIpv6LinkLocal, parseIpv4, parseMac } from '@mirage-ts/core/addresses'
import type { Ipv4, Ipv4Cidr, Ipv6Cidr } from '@mirage-ts/signatures/addresses'
import type { Ipv4Host } from '@mirage-ts/signatures/ip'

export interface LanArgs {
  readonly network: Ipv4Cidr
  readonly first: Ipv4
  readonly last: Ipv4
  readonly router?: Ipv4 | undefined
  readonly mode6: LanMode6
  readonly domain: string
  readonly hostname: string
  readonly hosts?: readonly string[] | undefined
  readonly leaseSeconds: number
  readonly forwardTo?: readonly Ipv4[] | undefined
}

export async function start(
  { ipv4, ...deps }: LanDeps & { readonly ipv4: Ipv4Host },
  { hosts = [], forwardTo = [], ...args }: LanArgs,
): Promise<void> {
  // The address is ours to give: nobody lends us one.
  ipv4.configure({ cidr: args.network, gateway: args.router })
  const own = deps.ipv6.ownAddresses.find(({ address }) => !isIpv6LinkLocal(address))
  const network6: Ipv6Cidr | undefined = own && { address: own.address, prefixBits: 64 }
  const lan = await serveLan(deps, { ...args, network6, forwardTo, hosts: hosts.map(parseHost) })
  await lan.closed
}

function parseHost(text: string): LanHost {
  const [mac, address, hostname] = text.split('=')
  const host = { mac: parseMac(mac ?? ''), address: parseIpv4(address ?? ''), hostname: hostname ?? '' }
  if (host.mac === undefined || host.address === undefined || text.split('=').length !== 3) {
    throw new RangeError(`Cannot use the host ${JSON.stringify(text)}: expected MAC=ADDRESS=NAME`)
  }
  return { mac: host.mac, address: host.address, hostname: host.hostname }
}
