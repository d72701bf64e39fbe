/** A resolver that hands questions on to others that resolve: what applications and small networks need. */
import { endpointToString } from '@mirage-ts/core/addresses'
import { messageOf } from '@mirage-ts/core/errors'
import { ms } from '@mirage-ts/core/time'
import type { Endpoint } from '@mirage-ts/signatures/addresses'
import type { MonotonicClock } from '@mirage-ts/signatures/time'
import { type Name, nameKey, ROOT } from '../wire/name.ts'
import { type AskDeps, askServer, readAnswer } from './ask.ts'
import { RANK } from './cache.ts'
import { CachingResolver, makeCache, type Resolver, type ResolverOptions, type Step } from './resolver.ts'

export interface ForwarderOptions extends ResolverOptions {
  /** Asked in this order, twice over. */
  readonly servers: readonly Endpoint[]
}

const TIMEOUT = ms(1500)

/** Makes a resolver; it does nothing until it is asked. */
export function createForwarder(
  deps: AskDeps & { readonly clock: MonotonicClock },
  options: ForwarderOptions,
): Resolver {
  const cache = makeCache(deps.clock, options)
  /** Where to begin: the server that answered last. */
  let preferred = 0

  async function ask(name: Name, type: number): Promise<Step> {
    const { servers } = options
    const key = nameKey(name)
    let reason = 'there are no servers to ask'
    for (let i = 0; i < 2 * servers.length; i++) {
      const at = (preferred + i) % servers.length
      const server = servers[at] as Endpoint
      try {
        const isTcpOnly = i >= servers.length
        const message = await askServer(deps, server, name, type, {
          timeout: TIMEOUT,
          isRecursionDesired: true,
          isTcpOnly,
        })
        const reading = readAnswer(message, name, type, ROOT)
        if (reading.tag === 'useless' || reading.tag === 'referral') {
          reason = `${endpointToString(server)}: ${reading.tag === 'useless' ? reading.reason : 'it does not resolve'}`
          continue
        }
        preferred = at
        if (reading.tag === 'data' || reading.tag === 'alias') cache.putSet(key, reading.set, RANK.ANSWER)
        else if (reading.soa !== undefined)
          cache.putNone(key, reading.tag === 'no-name' ? undefined : type, reading.soa)
        return reading
      } catch (error) {
        reason = `${endpointToString(server)}: ${messageOf(error)}`
      }
    }
    return { tag: 'failed', reason }
  }

  return new CachingResolver(cache, ask, options)
}
