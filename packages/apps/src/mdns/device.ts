/** Multicast DNS as a device: a machine that is known by a name of its own on the link. */
import { parseIpv4, parseIpv6 } from '@mirage-ts/core/addresses'
import type { IpAddress } from '@mirage-ts/signatures/addresses'
import type { Stack } from '@mirage-ts/signatures/stack'
import { createMdns, type Mdns, type MdnsDeps } from './mdns.ts'

const GROUPS = {
  v4: [parseIpv4('224.0.0.251') as IpAddress],
  v6: [parseIpv6('ff02::fb') as IpAddress],
}

export interface MdnsArgs {
  /** The versions of IP that `ip` speaks. */
  readonly versions: 'v4' | 'v6' | 'dual'
  readonly hostname: string
}

/** Resolves when `hostname.local` has been announced, at the addresses that the stack has by then. */
export function createMdnsDevice(
  { stack, ...deps }: Omit<MdnsDeps, 'udp'> & { readonly stack: Stack },
  { versions, hostname }: MdnsArgs,
): Promise<Mdns> {
  const groups = versions === 'dual' ? [...GROUPS.v4, ...GROUPS.v6] : GROUPS[versions]
  const addresses = groups.flatMap((group) => deps.ip.datagramSource(group) ?? [])
  return createMdns({ ...deps, udp: stack.udp }, { versions, hostname, addresses })
}
