/** What an authoritative server is made of, may be told, and counts. */
import type { Counters } from '@mirage-ts/core/metrics'
import type { Endpoint } from '@mirage-ts/signatures/addresses'
import type { Random } from '@mirage-ts/signatures/random'
import type { MonotonicClock, WallClock } from '@mirage-ts/signatures/time'
import type { NameKey } from '../wire/name.ts'
import type { TsigKey } from '../wire/tsig.ts'

export interface ServerCoreDeps {
  readonly random: Random
  /** For the limit of answers. */
  readonly clock: MonotonicClock
  /** For signatures and cookies. */
  readonly wallClock: WallClock
}

export interface ServerCoreOptions {
  readonly keys?: readonly TsigKey[]
  /** Answers of one kind per second to one network, over UDP and without a cookie; 0 for no limit. Default 200. */
  readonly ratePerSecond?: number
  /** 16 octets that all servers of an anycast address share (RFC 9018 §3). Default: random. */
  readonly cookieSecret?: Uint8Array
  /** Octets that answers kept ready may take. Default 8 MiB; 0 keeps none. */
  readonly readyBytes?: number
  /** A zone has changed by an update: for NOTIFY, and to store it. */
  readonly onChange?: (origin: NameKey) => void
  /** A NOTIFY has come for a zone that we have from another server. */
  readonly onNotify?: (origin: NameKey, from: Endpoint) => void
}

export const SERVER_COUNTERS = [
  'queries',
  'direct',
  'ready',
  'truncated',
  'rateLimited',
  'rateSlipped',
  'refused',
  'updates',
  'notifies',
  'transfers',
  'too-short',
  'not-a-query',
  'malformed',
  'bad-tsig',
  'not-signed',
] as const

export type ServerCounters = Counters<(typeof SERVER_COUNTERS)[number]>
