/** Counters: how a layer says what it did and what it dropped, without a word on the packet path. */
import type { NetworkStats } from '@mirage-ts/signatures/network'

/** A fixed set of named counters, all starting at 0. */
export type Counters<Name extends string> = Record<Name, number>

/** Makes the counters; the object's shape is final. */
export function createCounters<const Name extends string>(names: readonly Name[]): Counters<Name> {
  return Object.fromEntries(names.map((name) => [name, 0])) as Counters<Name>
}

/** What every network counts, from 0: for the network itself to count up. */
export function createNetworkStats(): Counters<keyof NetworkStats> {
  return { rxFrames: 0, rxBytes: 0, rxDropped: 0, txFrames: 0, txBytes: 0, txDropped: 0 }
}
