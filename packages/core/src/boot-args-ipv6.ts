/** IPv6 types of boot arguments (RFC 4291 §2.2), in a file of their own: an image without IPv6 does not carry them. */
import type { IpAddress, Ipv6, Ipv6Cidr } from '@mirage-ts/signatures/addresses'
import { parseIp, parseIpv6, parseIpv6Cidr } from './addresses.ts'
import type { ArgType } from './boot-args.ts'

/** An IPv6 address. */
export const ipv6Address: ArgType<Ipv6> = { wanted: 'an IPv6 address like fd00::2', meta: 'IP', parse: parseIpv6 }

/** An IPv6 address with the length of its network's prefix. */
export const ipv6Cidr: ArgType<Ipv6Cidr> = {
  wanted: 'an IPv6 address with its prefix length like fd00::2/64',
  meta: 'IP/BITS',
  parse: parseIpv6Cidr,
}

/** An address of either version. */
export const ipAddress: ArgType<IpAddress> = {
  wanted: 'an address like 10.0.0.1 or fd00::1',
  meta: 'IP',
  parse: parseIp,
}
