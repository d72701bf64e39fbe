/**
 * What every resolver does: answers from the cache, follows aliases, asks once for what many want, and asks again for
 * what is popular before it expires. How a question that the cache cannot answer is asked is left to an {@link Asker}:
 * `forwarder.ts` hands it on, `iterator.ts` begins at the root.
 */
import type { Ipv4 } from '@mirage-ts/signatures/addresses'
import type { MonotonicClock } from '@mirage-ts/signatures/time'
import { dnsName, isWithin, type Name, type NameKey, nameKey } from '../wire/name.ts'
import { nameIn } from '../wire/rdata.ts'
import { RCODE, TYPE } from '../wire/types.ts'
import type { RrSet } from '../zone/zone.ts'
import { DnsCache } from './cache.ts'

/** The answer to a question. */
export interface ResolverAnswer {
  readonly rcode: number
  /** Aliases first, in the order followed, then what was asked for. */
  readonly answers: readonly RrSet[]
  /** When there is nothing: the SOA record that says for how long. */
  readonly soa: RrSet | undefined
  /** Why it failed, in words (RFC 8914). */
  readonly failure?: string | undefined
}

/** Answers questions. */
export interface Resolver {
  /** Never rejects: what cannot be resolved is an answer with `SERVFAIL`. */
  resolve(name: Name, type: number): Promise<ResolverAnswer>
}

/** One step: what servers say about one name, aliases not followed. It has been put into the cache, if it may be. */
export type Step =
  | { readonly tag: 'data' | 'alias'; readonly set: RrSet }
  | { readonly tag: 'no-data' | 'no-name'; readonly soa: RrSet | undefined }
  | { readonly tag: 'failed'; readonly reason: string }

/** Asks servers. Never rejects. */
export type Asker = (name: Name, type: number) => Promise<Step>

export interface ResolverOptions {
  /** Entries of the cache. Default 10,000. */
  readonly cacheCount?: number
  /** Questions asked at a time; more fail. Default 512. */
  readonly pendingCount?: number
}

const DEFAULT_CACHE_COUNT = 10_000
const DEFAULT_PENDING_COUNT = 512
/** Aliases followed for one question. */
const MAX_ALIAS_COUNT = 12

export function makeCache(clock: MonotonicClock, options: ResolverOptions): DnsCache {
  return new DnsCache(clock, options.cacheCount ?? DEFAULT_CACHE_COUNT)
}

export class CachingResolver implements Resolver {
  readonly cache: DnsCache
  private readonly ask: Asker
  private readonly pending = new Map<string, Promise<Step>>()
  private readonly maxPendingCount: number

  constructor(cache: DnsCache, ask: Asker, options: ResolverOptions) {
    this.cache = cache
    this.ask = ask
    this.maxPendingCount = options.pendingCount ?? DEFAULT_PENDING_COUNT
  }

  async resolve(name: Name, type: number): Promise<ResolverAnswer> {
    const answers: RrSet[] = []
    const local = localAnswer(nameKey(name), name, type)
    if (local !== undefined) return local
    let current = name
    for (let count = 0; count <= MAX_ALIAS_COUNT; count++) {
      const step = this.remembered(current, type) ?? (await this.askOnce(current, type))
      switch (step.tag) {
        case 'data':
          answers.push({ ...step.set, name: current })
          return { rcode: RCODE.NOERROR, answers, soa: undefined }
        case 'alias':
          answers.push({ ...step.set, name: current })
          current = nameIn(TYPE.CNAME, step.set.rdatas[0] as Uint8Array)
          break
        case 'no-data':
          return { rcode: RCODE.NOERROR, answers, soa: step.soa }
        case 'no-name':
          return { rcode: RCODE.NXDOMAIN, answers, soa: step.soa }
        case 'failed':
          return { rcode: RCODE.SERVFAIL, answers: [], soa: undefined, failure: step.reason }
      }
    }
    return { rcode: RCODE.SERVFAIL, answers: [], soa: undefined, failure: 'too many aliases' }
  }

  private remembered(name: Name, type: number): Step | undefined {
    const key = nameKey(name)
    const known = this.cache.get(key, type)
    if (known?.tag === 'data') {
      // Asked for while little of its time is left: others will ask too.
      if (known.isAgeing) void this.askOnce(name, type)
      return { tag: 'data', set: known.set }
    }
    const alias = type === TYPE.CNAME ? undefined : this.cache.get(key, TYPE.CNAME)
    if (alias?.tag === 'data') return { tag: 'alias', set: alias.set }
    return known
  }

  /** Asks, or waits for the answer that somebody else asked for. */
  private askOnce(name: Name, type: number): Promise<Step> {
    const id = `${type} ${nameKey(name)}`
    const asked = this.pending.get(id)
    if (asked !== undefined) return asked
    if (this.pending.size >= this.maxPendingCount)
      return Promise.resolve({ tag: 'failed', reason: 'too many questions' })
    const asking = this.ask(name, type).then((step) => {
      this.pending.delete(id)
      return step
    })
    this.pending.set(id, asking)
    return asking
  }
}

const LOCALHOST = nameKey(dnsName('localhost'))
const INVALID = nameKey(dnsName('invalid'))

/** Names that no server is asked for (RFC 6761 §6.3, §6.4). */
function localAnswer(key: NameKey, name: Name, type: number): ResolverAnswer | undefined {
  if (isWithin(key, INVALID)) return { rcode: RCODE.NXDOMAIN, answers: [], soa: undefined }
  if (!isWithin(key, LOCALHOST)) return undefined
  const rdata =
    type === TYPE.A
      ? Uint8Array.of(127, 0, 0, 1)
      : type === TYPE.AAAA
        ? Uint8Array.from({ length: 16 }, (_, i) => (i === 15 ? 1 : 0))
        : undefined
  const answers = rdata === undefined ? [] : [{ name, type, ttl: 86_400, rdatas: [rdata] }]
  return { rcode: RCODE.NOERROR, answers, soa: undefined }
}

/** The IPv4 addresses of a host: for applications. Empty when there are none. */
export async function ipv4AddressesOf(resolver: Resolver, name: Name): Promise<readonly Ipv4[]> {
  const { answers } = await resolver.resolve(name, TYPE.A)
  const set = answers.at(-1)
  if (set?.type !== TYPE.A) return []
  return set.rdatas.map((rdata) => new DataView(rdata.buffer, rdata.byteOffset).getUint32(0) as Ipv4)
}
