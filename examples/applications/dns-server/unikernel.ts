/** Serves the zones of a store with authority. Where they lie, and whose TCP/IP carries them, is for config.ts to say. */
import { createDnsServer, type DnsServerDeps } from '@mirage-ts/apps/dns/server/server'
import { loadDnsConfig } from '@mirage-ts/apps/dns/server/server-config'
import type { Port } from '@mirage-ts/signatures/addresses'
import type { KvRo } from '@mirage-ts/signatures/kv'

export async function start(
  { zones: store, ...deps }: DnsServerDeps & { zones: KvRo },
  { port, rate }: { port: Port; rate: number },
): Promise<void> {
  const { zones, views, keys } = await loadDnsConfig(store, deps.random)
  const server = await createDnsServer(deps, { port, zones, views, keys, ratePerSecond: rate })
  await server.closed
}
