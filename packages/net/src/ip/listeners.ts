/** Who listens to a network layer: transports by their protocol number, and ICMP; the same for either version of IP. */
import type { IpErrorHandler, IpHandler, IpProblemHandler } from '@mirage-ts/signatures/ip'

const PROTOCOL_COUNT = 256

/** A base class, not a part: what is delivered to is looked up for every packet. */
export abstract class IpListeners {
  /** By protocol number. */
  protected readonly handlers: (IpHandler | undefined)[] = new Array<undefined>(PROTOCOL_COUNT).fill(undefined)
  protected readonly errorHandlers: (IpErrorHandler | undefined)[] = new Array<undefined>(PROTOCOL_COUNT).fill(
    undefined,
  )
  protected problemHandler: IpProblemHandler | undefined = undefined

  listen(protocol: number, handler: IpHandler): void {
    this.handlers[protocol] = handler
  }

  listenErrors(protocol: number, handler: IpErrorHandler): void {
    this.errorHandlers[protocol] = handler
  }

  listenProblems(handler: IpProblemHandler): void {
    this.problemHandler = handler
  }
}
