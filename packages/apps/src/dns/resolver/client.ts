/** Names for an application: the resolvers that the network has told of, or those it was given, are asked for addresses. */
import { port, readIpv6 } from '@mirage-ts/core/addresses'
import { cancellable } from '@mirage-ts/core/cancel'
import { NetError } from '@mirage-ts/core/errors'
import type { IpAddress, Ipv4, Ipv6 } from '@mirage-ts/signatures/addresses'
import type { Cancellable } from '@mirage-ts/signatures/cancel'
import type { AddressResolver } from '@mirage-ts/signatures/resolver'
import type { MonotonicClock } from '@mirage-ts/signatures/time'
import { dnsName } from '../wire/name.ts'
import { RCODE, rcodeToString, TYPE } from '../wire/types.ts'
import type { AskDeps } from './ask.ts'
import { createForwarder } from './forwarder.ts'
import type { Resolver, ResolverOptions } from './resolver.ts'

const DNS_PORT = port(53)

export interface DnsClientOptions extends ResolverOptions {
  /** Whom to ask, in this order. Left out: those that the stack knows of when a question is asked. */
  readonly nameservers?: readonly IpAddress[] | undefined
}

/** Finds addresses, and with `resolve` any other records. */
export interface DnsClient extends AddressResolver, Resolver {}

/** Makes a client with a cache of its own; it does nothing until it is asked. */
export function createDnsClient(
  deps: AskDeps & { readonly clock: MonotonicClock },
  options: DnsClientOptions = {},
): DnsClient {
  const resolver = createForwarder(deps, {
    ...options,
    get servers() {
      const addresses = options.nameservers ?? deps.stack.nameservers ?? []
      return addresses.map((address) => ({ address, port: DNS_PORT }))
    },
  })
  return {
    resolve: (name, type) => resolver.resolve(name, type),
    ipv4: (name, options) => addresses(resolver, name, TYPE.A, options, (dv, off) => dv.getUint32(off) as Ipv4),
    ipv6: (name, options) => addresses(resolver, name, TYPE.AAAA, options, (dv, off): Ipv6 => readIpv6(dv, off)),
  }
}

async function addresses<A extends IpAddress>(
  resolver: Resolver,
  text: string,
  type: number,
  { signal }: Cancellable = {},
  read: (dv: DataView, off: number) => A,
): Promise<readonly A[]> {
  const name = dnsName(text)
  signal?.throwIfAborted()
  const { rcode, answers, failure } = await cancellable<Awaited<ReturnType<Resolver['resolve']>>>(
    signal,
    (resolve, reject) => void resolver.resolve(name, type).then(resolve, reject),
    // The question goes on: others may wait for its answer, and it will be in the cache.
    () => {},
  )
  if (rcode !== RCODE.NOERROR && rcode !== RCODE.NXDOMAIN) {
    throw new NetError('host-unreachable', `Cannot resolve ${text}: ${failure ?? rcodeToString(rcode)}`)
  }
  const set = answers.at(-1)
  if (set?.type !== type) return []
  return set.rdatas.map((rdata) => read(new DataView(rdata.buffer, rdata.byteOffset, rdata.byteLength), 0))
}
