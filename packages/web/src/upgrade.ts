/** Requests that become something else than an answer: noted here by who accepts them, and looked up by `serve`. */
import type { HttpRequest } from '@mirage-ts/apps/http/connection'
import type { HttpResponse } from '@mirage-ts/apps/http/response'

/** Makes the response with status 101 to a request. */
export type Upgrade = (request: HttpRequest) => HttpResponse

const upgrades = new WeakMap<object, Upgrade>()

/** Notes that `request` is to be upgraded when its handler has returned, whatever response it gives. */
export function noteUpgrade(request: object, upgrade: Upgrade): void {
  upgrades.set(request, upgrade)
}

/** The response that upgrades `request`, if that was noted. */
export function takeUpgrade(request: object, received: HttpRequest): HttpResponse | undefined {
  const upgrade = upgrades.get(request)
  upgrades.delete(request)
  return upgrade?.(received)
}
