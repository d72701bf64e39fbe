/** Who may do what with a zone. */
import { isInNetwork } from '@mirage-ts/core/addresses'
import type { Endpoint, Ipv4Cidr, Ipv6Cidr } from '@mirage-ts/signatures/addresses'
import type { NameKey } from '../wire/name.ts'
import type { TsigContext } from '../wire/tsig.ts'

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

/** Whoever a message is from. */
export interface Asker {
  readonly from: Endpoint
  readonly isTcp: boolean
  /** Of the signature, when there was one. */
  readonly context: TsigContext | undefined
}

export function isAllowed(access: Access | undefined, { from, context }: Asker): boolean {
  if (access === undefined) return false
  if (context !== undefined && access.keys.includes(context.key.name)) return true
  const { address } = from
  return access.networks.some((network) => isInNetwork(address, network))
}
