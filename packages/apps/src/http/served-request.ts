/** A request as the server hands it to its handler. */
import { CancelController } from '@mirage-ts/core/cancel'
import type { Endpoint } from '@mirage-ts/signatures/addresses'
import type { CancelSignal } from '@mirage-ts/signatures/cancel'
import type { TcpFlow } from '@mirage-ts/signatures/flow'
import type { Body } from './body.ts'
import type { HttpRequest } from './connection.ts'
import type { Fields } from './fields.ts'
import type { Framing } from './framing.ts'
import type { RequestHead } from './request.ts'

/** Most handlers never ask for the signal or the client: these are made when they do. */
export class ServedRequest implements HttpRequest {
  readonly method: string
  readonly target: string
  readonly path: string
  readonly query: string
  readonly authority: string
  readonly minor: 0 | 1
  readonly fields: Fields
  readonly framing: Framing
  readonly isPersistent: boolean
  readonly content: Body
  isLost = false
  private readonly flow: TcpFlow
  private reason: unknown = undefined
  private controller: CancelController | undefined = undefined

  constructor(head: RequestHead, content: Body, flow: TcpFlow) {
    this.method = head.method
    this.target = head.target
    this.path = head.path
    this.query = head.query
    this.authority = head.authority
    this.minor = head.minor
    this.fields = head.fields
    this.framing = head.framing
    this.isPersistent = head.isPersistent
    this.content = content
    this.flow = flow
  }

  get remote(): Endpoint {
    return this.flow.remote
  }

  get signal(): CancelSignal {
    if (this.controller === undefined) {
      this.controller = new CancelController()
      if (this.isLost) this.controller.cancel(this.reason)
    }
    return this.controller.signal
  }

  /** The client has gone away. */
  lose(reason: unknown): void {
    if (this.isLost) return
    this.isLost = true
    this.reason = reason
    this.controller?.cancel(reason)
  }
}
