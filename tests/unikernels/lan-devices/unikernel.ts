/** Serves a link by devices of the vocabulary alone. */
import type { Dhcp4Server } from '@mirage-ts/apps/dhcp/server4'
import type { Mdns } from '@mirage-ts/apps/mdns/mdns'
import { port } from '@mirage-ts/core/addresses'
import type { RouterAdvertiser } from '@mirage-ts/net/ipv6/router-advertiser'
import type { Log } from '@mirage-ts/signatures/log'

export interface Devices {
  readonly dhcp: Dhcp4Server
  readonly advertiser: RouterAdvertiser
  readonly mdns: Mdns
  readonly log: Log
}

export async function start({ dhcp, advertiser, mdns, log }: Devices): Promise<void> {
  await mdns.publish({ instance: 'Gateway', type: '_http._tcp', port: port(80) })
  log.logger('gateway').info(() => `${mdns.host} has ${dhcp.leases.length} leases, ${advertiser.counters.sent} sent`)
  await new Promise<never>(() => {})
}
