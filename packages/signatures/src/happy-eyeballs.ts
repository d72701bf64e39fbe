import type { IpAddress, Port } from './addresses.ts'
import type { Cancellable } from './cancel.ts'
import type { TcpFlow } from './flow.ts'

/** Connects to whoever has a name, or several addresses, by the quickest way (RFC 8305). */
export interface HappyEyeballs {
  /**
   * Connects to a name, to an address as text, or to the best of several addresses. Rejects with the failure of the last attempt,
   * whose `cause` lists them all, or with `NetError` code `host-unreachable` when there is no address.
   */
  connect(host: string | readonly IpAddress[], port: Port, options?: Cancellable): Promise<TcpFlow>
}
