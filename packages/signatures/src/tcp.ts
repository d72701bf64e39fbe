import type { Endpoint, IpAddress, Port } from './addresses.ts'
import type { Cancellable } from './cancel.ts'
import type { TcpFlow } from './flow.ts'

/** A port being listened on. */
export interface TcpListener {
  readonly port: Port
  /** Stops accepting; flows already accepted live on. Idempotent. */
  close(): void
}

export interface TcpListenOptions {
  /** Greatest number of connections that are not yet established; further SYNs are dropped. Default 128. */
  readonly backlogCount?: number
}

export interface TcpConnectOptions extends Cancellable {
  /** Which of our addresses to connect from (RFC 9293 §3.9.1.1, MUST-43); the one that fits best when left out. */
  readonly local?: IpAddress
}

/** TCP (RFC 9293). */
export interface Tcp {
  /**
   * Calls `onFlow` with each established connection to `port` (a free port when it is 0). The handler owns the flow and must
   * close or abort it. Rejects with `NetError` code `address-in-use` when the port is taken.
   */
  listen(port: Port, onFlow: (flow: TcpFlow) => void, options?: TcpListenOptions): Promise<TcpListener>
  /**
   * Opens a connection. Rejects with `NetError` code `connection-refused`, `timed-out`, `no-route` (also when `local` is not
   * ours or of the other family), `host-unreachable` or `no-ports`; with the signal's reason when cancelled, and then the
   * attempt is aborted.
   */
  connect(remote: Endpoint, options?: TcpConnectOptions): Promise<TcpFlow>
}
