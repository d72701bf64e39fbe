/** What the clients of DHCP for both versions of IP have in common: their name, and the socket they talk through. */
import { messageOf } from '@mirage-ts/core/errors'
import type { Endpoint, Port } from '@mirage-ts/signatures/addresses'
import type { Logger } from '@mirage-ts/signatures/log'
import type { DatagramHandler, Udp, UdpSocket } from '@mirage-ts/signatures/udp'
import { hostnameProblem } from './wire.ts'

/** The name to ask for; throws a `RangeError` when no host can have it. */
export function checkedHostname(hostname: string | undefined): string | undefined {
  const problem = hostname === undefined ? undefined : hostnameProblem(hostname)
  if (problem === undefined) return hostname
  throw new RangeError(`Cannot ask for the hostname ${JSON.stringify(hostname)}: ${problem}`)
}

export class ClientSocket {
  private readonly udp: Udp
  private readonly log: Logger
  private socket: UdpSocket | undefined
  /** The message on its way. */
  private sending: Promise<void> = Promise.resolve()

  constructor(udp: Udp, log: Logger) {
    this.udp = udp
    this.log = log
  }

  async open(port: Port, handler: DatagramHandler): Promise<void> {
    this.socket = await this.udp.bind(port, handler)
  }

  /** Sends a message. One that cannot be sent is like one that was lost: the machine sends it again. */
  send(message: Uint8Array, to: Endpoint): void {
    const failed = (error: unknown): void => this.log.debug(() => `not sent: ${messageOf(error)}`)
    this.sending = (this.socket?.send(message, to) ?? Promise.resolve()).catch(failed)
  }

  /** Closes the socket behind the last message. */
  async close(): Promise<void> {
    const { socket } = this
    this.socket = undefined
    await this.sending
    socket?.close()
  }
}
