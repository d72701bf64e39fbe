/**
 * Leases written down, so that they outlive the server: one value for each, `dhcp4/10.0.0.50`. Times are civil ones there. What is
 * there but cannot be read is left alone and costs a line in the log.
 */
import { ipToString, macToString, parseIp, parseMac } from '@mirage-ts/core/addresses'
import { messageOf } from '@mirage-ts/core/errors'
import { NEVER } from '@mirage-ts/core/time'
import { utf8Decode, utf8Encode } from '@mirage-ts/core/utf8'
import type { IpAddress } from '@mirage-ts/signatures/addresses'
import type { KvRw } from '@mirage-ts/signatures/kv'
import type { Logger } from '@mirage-ts/signatures/log'
import type { Instant, MonotonicClock, WallClock } from '@mirage-ts/signatures/time'
import type { Lease, LeaseClient } from './lease-table.ts'

export interface LeaseStoreDeps {
  readonly kv: KvRw
  readonly clock: MonotonicClock
  readonly wallClock: WallClock
  readonly log: Logger
}

/** A lease as it was written down. */
export interface StoredLease {
  readonly client: LeaseClient
  readonly address: IpAddress
  readonly until: Instant
  readonly hostname: string | undefined
}

export class LeaseStore {
  private readonly deps: LeaseStoreDeps
  private readonly folder: string
  /** What is to be written by address: the text, or nothing when the lease is over. */
  private waiting = new Map<string, string | undefined>()
  /** Resolves when what waited at its start is durable; false when that failed. */
  private writing: Promise<boolean> | undefined = undefined
  private next: Promise<boolean> | undefined = undefined

  /** `folder` is a key of the store; everything below it is ours. */
  constructor(deps: LeaseStoreDeps, folder: string) {
    this.deps = deps
    this.folder = folder
  }

  /** The leases that have not ended meanwhile. Rejects with the `KvError` of a store that cannot be read. */
  async load(): Promise<StoredLease[]> {
    const { kv, log } = this.deps
    if ((await kv.exists(this.folder)) !== 'dictionary') return []
    const leases: StoredLease[] = []
    for (const { name } of await kv.list(this.folder)) {
      const key = `${this.folder}/${name}`
      const lease = this.parse(name, utf8Decode(await kv.get(key)))
      if (lease === undefined) log.warn(() => `${key} is no lease: ignored`)
      else if (lease.until > this.deps.clock.now()) leases.push(lease)
      else await kv.remove(key)
    }
    return leases
  }

  /** Has the lease written down as it is now, or removed when it is over. */
  put(lease: Lease<IpAddress>): void {
    const { clock, wallClock } = this.deps
    const { client, mac, hostname } = lease
    // Never, as JSON has no infinity.
    const until = lease.until === NEVER ? null : wallClock.now() + (lease.until - clock.now())
    const text = JSON.stringify({
      client,
      mac: mac === undefined ? undefined : macToString(mac),
      hostname,
      untilUs: until,
    })
    // FAT, and folders of some hosts, have no colons in names.
    const name = ipToString(lease.address).replaceAll(':', '-')
    this.waiting.set(name, lease.state === 'bound' ? text : undefined)
    void this.settled()
  }

  /** Resolves to true when everything put until now is durable, to false when it could not be made so. */
  settled(): Promise<boolean> {
    if (this.next !== undefined) return this.next
    if (this.waiting.size === 0) return this.writing ?? Promise.resolve(true)
    // One write takes all that came while the one before was under way.
    this.next = (this.writing ?? Promise.resolve(true)).then(() => {
      this.writing = this.next
      this.next = undefined
      return this.write()
    })
    return this.next
  }

  private async write(): Promise<boolean> {
    const { kv, log } = this.deps
    const { waiting } = this
    this.waiting = new Map()
    try {
      for (const [name, text] of waiting) {
        const key = `${this.folder}/${name}`
        // JSON has no lone surrogates, all that UTF-8 cannot say.
        if (text !== undefined) await kv.set(key, utf8Encode(text) as Uint8Array)
        else if ((await kv.exists(key)) !== undefined) await kv.remove(key)
      }
      await kv.flush()
      return true
    } catch (error) {
      log.error(() => `Cannot write leases down: ${messageOf(error)}`)
      return false
    }
  }

  private parse(name: string, text: string | undefined): StoredLease | undefined {
    const address = parseIp(name.replaceAll('-', ':'))
    let json: unknown
    try {
      json = JSON.parse(text ?? '')
    } catch {
      // Not ours, or damaged: the caller tells.
      return undefined
    }
    if (address === undefined || typeof json !== 'object' || json === null) return undefined
    const { client, mac, hostname, untilUs } = json as Record<string, unknown>
    const isRight =
      typeof client === 'string' &&
      (mac === undefined || typeof mac === 'string') &&
      (hostname === undefined || typeof hostname === 'string') &&
      (untilUs === null || typeof untilUs === 'number')
    if (!isRight) return undefined
    const { clock, wallClock } = this.deps
    const until = untilUs === null ? NEVER : ((clock.now() + (untilUs - wallClock.now())) as Instant)
    return { client: { id: client, mac: mac === undefined ? undefined : parseMac(mac) }, address, until, hostname }
  }
}
