/** DHCPv6 for machines that have nothing else: they are made to wait for an address. */
import { reachable } from '../ipv6/ready.ts'
import { type CountedDhcp6, createDhcp6, type Dhcp6Deps, type Dhcp6Options } from './client.ts'

/**
 * The client of `createDhcp6`, which resolves when IPv6 has an address that reaches beyond the link, lent or made of a router's
 * prefix, or after ten seconds. Nothing else may have waited for one: it is the client that asks for it.
 */
export async function createReadyDhcp6(deps: Dhcp6Deps, options: Dhcp6Options = {}): Promise<CountedDhcp6> {
  const client = await createDhcp6(deps, options)
  await reachable(deps.ipv6, deps)
  return client
}
