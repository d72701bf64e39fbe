import type { Ipv4, Ipv6 } from './addresses.ts'
import type { Cancellable } from './cancel.ts'

/**
 * Finds the addresses of names.
 *
 * Both methods give the addresses of one family, best first; none when the name does not exist or has none of that family. They
 * reject with `NetError` code `host-unreachable` when nobody could say, with a `TypeError` when `name` is no domain name,
 * and with the signal's reason when cancelled.
 */
export interface AddressResolver {
  ipv4(name: string, options?: Cancellable): Promise<readonly Ipv4[]>
  ipv6(name: string, options?: Cancellable): Promise<readonly Ipv6[]>
}
