/** A resolver that knows some zones by itself, those of a local network for instance, and asks another for everything else. */

import { resolve, type ZoneMap } from '../server/resolve.ts'
import type { Name } from '../wire/name.ts'
import { nameIn } from '../wire/rdata.ts'
import { RCODE, TYPE } from '../wire/types.ts'
import type { Resolver, ResolverAnswer } from './resolver.ts'

/** Aliases from our zones to names elsewhere are followed there. What `zones` holds may change at any time. */
export function createZoneResolver(zones: ZoneMap, upstream: Resolver): Resolver {
  return {
    resolve: async (name, type) => {
      const { rcode, answers, authorities } = resolve(zones, name, type)
      // No zone of ours has to do with it.
      if (rcode === RCODE.REFUSED) return await upstream.resolve(name, type)
      const last = answers.at(-1)
      const target =
        last?.type === TYPE.CNAME && type !== TYPE.CNAME ? nameIn(TYPE.CNAME, last.rdatas[0] as Uint8Array) : undefined
      if (target === undefined || !isElsewhere(zones, target)) {
        return { rcode, answers, soa: authorities.find((set) => set.type === TYPE.SOA) }
      }
      const rest: ResolverAnswer = await upstream.resolve(target, type)
      return { ...rest, answers: [...answers, ...rest.answers] }
    },
  }
}

function isElsewhere(zones: ZoneMap, name: Name): boolean {
  return resolve(zones, name, TYPE.SOA).rcode === RCODE.REFUSED
}
