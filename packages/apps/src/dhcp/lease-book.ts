/** What both DHCP servers do with leases beside lending: they are written down, and the hosts' names entered in DNS. */
import type { IpAddress } from '@mirage-ts/signatures/addresses'
import type { KvRw } from '@mirage-ts/signatures/kv'
import type { Log, Logger } from '@mirage-ts/signatures/log'
import type { Instant, MonotonicClock, Time, WallClock } from '@mirage-ts/signatures/time'
import type { HostNames } from './host-names.ts'
import { LeaseStore } from './lease-store.ts'
import type { Lease, LeaseClient } from './lease-table.ts'

/** What a server of either version needs for its leases. */
export interface LeaseDeps {
  readonly clock: MonotonicClock
  readonly wallClock: WallClock
  readonly time: Time
  readonly log: Log
  /** Where the names of hosts go. Default: nowhere. */
  readonly names?: HostNames | undefined
  /** Where leases are written down. Default: nowhere; a restart forgets them. */
  readonly leases?: KvRw | undefined
}

/** Takes a lease from before a restart. */
type Restore<A extends IpAddress> = (
  client: LeaseClient,
  address: A,
  until: Instant,
  hostname: string | undefined,
) => void

export class LeaseBook<A extends IpAddress> {
  private readonly names: HostNames | undefined
  private readonly store: LeaseStore | undefined

  /** Leases lie below `folder` of the store. */
  constructor({ leases: kv, clock, wallClock, names }: LeaseDeps, folder: string, log: Logger) {
    this.names = names
    this.store = kv === undefined ? undefined : new LeaseStore({ kv, clock, wallClock, log }, folder)
  }

  /** Hands out the leases that are written down; `isOurs` tells addresses of the server's version. Rejects when they cannot be read. */
  async load(isOurs: (address: IpAddress) => address is A, restore: Restore<A>): Promise<void> {
    for (const { client, address, until, hostname } of (await this.store?.load()) ?? []) {
      if (!isOurs(address)) continue
      restore(client, address, until, hostname)
      if (hostname !== undefined) this.names?.set(hostname, client, address)
    }
  }

  /** The full name that a client may have; see {@link HostNames.nameFor}. */
  nameFor(label: string, client: LeaseClient): string | undefined {
    return this.names?.nameFor(label, client)
  }

  changed(lease: Lease<A>): void {
    const { hostname, client, mac, address, state } = lease
    this.store?.put(lease)
    if (hostname === undefined) return
    if (state === 'bound') this.names?.set(hostname, { id: client, mac }, address)
    else this.names?.remove(hostname, address)
  }

  /** True when leases are written down at all: then a client is told when {@link settled} says so. */
  get isKept(): boolean {
    return this.store !== undefined
  }

  /** Resolves when everything is written down; false when that failed. */
  async settled(): Promise<boolean> {
    return (await this.store?.settled()) ?? true
  }
}
