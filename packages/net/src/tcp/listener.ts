/** A port in LISTEN (RFC 9293 §3.3.2): no connection is ever in that state. */
import type { Port } from '@mirage-ts/signatures/addresses'
import type { Connection } from './connection.ts'

export class Listener {
  readonly port: Port
  /** Bound of halfOpenCount. */
  readonly backlogCount: number
  /** Takes a connection that is now established; must give it a user. */
  readonly accept: (connection: Connection) => void
  /** Connections of this listener in SYN-RECEIVED. */
  halfOpenCount = 0

  constructor(port: Port, backlogCount: number, accept: (connection: Connection) => void) {
    this.port = port
    this.backlogCount = backlogCount
    this.accept = accept
  }
}
