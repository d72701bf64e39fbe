/** Multicast DNS as a device: a machine that is known by a name of its own on the link. */
import type { Stack } from '@mirage-ts/signatures/stack'
import { createMdns, type Mdns, type MdnsDeps } from './mdns.ts'
import { MDNS_GROUPS } from './records.ts'

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
  const addresses = MDNS_GROUPS[versions].flatMap((group) => deps.ip.datagramSource(group) ?? [])
  return createMdns({ ...deps, udp: stack.udp }, { versions, hostname, addresses })
}
