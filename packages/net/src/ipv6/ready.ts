/** IPv6 for machines that have nothing else: they are made to wait for an address. */
import { isIpv6LinkLocal } from '@mirage-ts/core/addresses'
import { after, seconds } from '@mirage-ts/core/time'
import type { CountedIpv6, Ipv6Deps, Ipv6Options } from './contract.ts'
import { createIpv6 } from './ipv6.ts'

/** As long as a host asks for routers (RFC 4861 §6.3.7). */
const LONGEST_WAIT = seconds(10)

/**
 * IPv6 that resolves when there is an address that reaches beyond the link, or the link's own when nobody has given one after
 * ten seconds: for machines without IPv4, which could do nothing before.
 */
export async function createReadyIpv6(deps: Ipv6Deps, options: Ipv6Options = {}): Promise<CountedIpv6> {
  const ip = createIpv6(deps, options)
  await reachable(ip, deps)
  return ip
}

/** Resolves when `ip` has an address that reaches beyond the link, at the latest in ten seconds. */
export function reachable(ip: CountedIpv6, { clock, time }: Pick<Ipv6Deps, 'clock' | 'time'>): Promise<void> {
  return new Promise((resolve) => {
    const alarm = time.alarm(resolve)
    alarm.set(after(clock.now(), LONGEST_WAIT))
    ip.listenAddresses((one) => {
      if (one.state !== 'usable' || isIpv6LinkLocal(one.address)) return
      alarm.clear()
      resolve()
    })
  })
}
