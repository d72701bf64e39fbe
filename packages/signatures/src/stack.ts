import type { IpAddress } from './addresses.ts'
import type { Tcp } from './tcp.ts'
import type { Udp } from './udp.ts'

/** What an application asks for when it wants to talk: the transports over one set of addresses. */
export interface Stack {
  readonly tcp: Tcp
  readonly udp: Udp
  /** Our addresses, most preferred first; empty when the operating system keeps them to itself. */
  readonly addresses: readonly IpAddress[]
  /** Resolvers that the network has told of, best first; they may change. Left out where nobody tells. */
  readonly nameservers?: readonly IpAddress[]
}
