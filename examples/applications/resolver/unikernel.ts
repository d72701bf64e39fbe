/** Resolves names for a network: by asking other resolvers, or from the root on. */
import type { AskDeps } from '@mirage-ts/apps/dns/resolver/ask'
import { createForwarder } from '@mirage-ts/apps/dns/resolver/forwarder'
import { createIterator } from '@mirage-ts/apps/dns/resolver/iterator'
import { createResolverServer } from '@mirage-ts/apps/dns/resolver/resolver-server'
import { ROOT_SERVERS } from '@mirage-ts/apps/dns/resolver/root-servers'
import { port as portOf } from '@mirage-ts/core/addresses'
import type { IpAddress, Ipv4Cidr, Port } from '@mirage-ts/signatures/addresses'
import type { Log } from '@mirage-ts/signatures/log'
import type { MonotonicClock } from '@mirage-ts/signatures/time'

export interface ResolverArgs {
  readonly port: Port
  readonly networks: readonly Ipv4Cidr[]
  readonly forwardTo?: readonly IpAddress[] | undefined
  readonly rootServers?: readonly IpAddress[] | undefined
  readonly cacheCount: number
}

export async function start(
  deps: AskDeps & { clock: MonotonicClock; log: Log },
  { port, networks, forwardTo = [], rootServers = ROOT_SERVERS, cacheCount }: ResolverArgs,
): Promise<void> {
  const servers = forwardTo.map((address) => ({ address, port: portOf(53) }))
  const resolver =
    servers.length > 0
      ? createForwarder(deps, { servers, cacheCount })
      : createIterator({ ...deps, log: deps.log.logger('resolver') }, { rootServers, cacheCount })
  const server = await createResolverServer({ ...deps, resolver }, { port, networks })
  await server.closed
}
