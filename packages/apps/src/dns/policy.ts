/** Who may do what with a zone. */
import type { Ipv4Cidr, Ipv6Cidr } from '@mirage-ts/signatures/addresses'
import type { NameKey } from './name.ts'

/** Who may do something: whoever signs with one of the keys, or whose address is in one of the networks. */
export interface Access {
  readonly keys: readonly NameKey[]
  readonly networks: readonly (Ipv4Cidr | Ipv6Cidr)[]
}

export const NOBODY: Access = { keys: [], networks: [] }

/** What a server does with a zone. */
export interface ZonePolicy {
  readonly transferTo: Access
  readonly updateFrom: Access
  /** From whom a NOTIFY counts: the servers that we have the zone from. */
  readonly notifyFrom: Access
}
