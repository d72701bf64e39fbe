/** Events and their targets (DOM §2), without a tree: an event has one target, and no phases but its own. */

export interface EventInit {
  readonly bubbles?: boolean
  readonly cancelable?: boolean
  readonly composed?: boolean
}

export class Event {
  readonly type: string
  readonly bubbles: boolean
  readonly cancelable: boolean
  readonly composed: boolean
  readonly isTrusted: boolean = false
  readonly timeStamp: number = Date.now()
  target: EventTarget | null = null
  currentTarget: EventTarget | null = null
  defaultPrevented = false
  /** A listener asked that no other be called. */
  isStopped = false

  constructor(type: string, { bubbles = false, cancelable = false, composed = false }: EventInit = {}) {
    this.type = String(type)
    this.bubbles = bubbles
    this.cancelable = cancelable
    this.composed = composed
  }

  preventDefault(): void {
    if (this.cancelable) this.defaultPrevented = true
  }

  stopPropagation(): void {}

  stopImmediatePropagation(): void {
    this.isStopped = true
  }

  composedPath(): EventTarget[] {
    return this.currentTarget === null ? [] : [this.currentTarget]
  }
}

export class CustomEvent extends Event {
  readonly detail: unknown

  constructor(type: string, { detail = null, ...init }: EventInit & { readonly detail?: unknown } = {}) {
    super(type, init)
    this.detail = detail
  }
}

export class MessageEvent extends Event {
  readonly data: unknown
  readonly origin: string = ''

  constructor(type: string, { data = null, ...init }: EventInit & { readonly data?: unknown } = {}) {
    super(type, init)
    this.data = data
  }
}

export class ErrorEvent extends Event {
  readonly message: string
  readonly error: unknown

  constructor(
    type: string,
    { message = '', error, ...init }: EventInit & { readonly message?: string; readonly error?: unknown } = {},
  ) {
    super(type, init)
    this.message = message
    this.error = error
  }
}

export class CloseEvent extends Event {
  readonly code: number
  readonly reason: string
  readonly wasClean: boolean

  constructor(
    type: string,
    {
      code = 0,
      reason = '',
      wasClean = false,
      ...init
    }: EventInit & { readonly code?: number; readonly reason?: string; readonly wasClean?: boolean } = {},
  ) {
    super(type, init)
    this.code = code
    this.reason = reason
    this.wasClean = wasClean
  }
}

export type Listener = ((event: Event) => void) | { handleEvent(event: Event): void }

export interface ListenerOptions {
  readonly once?: boolean
  readonly signal?: { readonly aborted: boolean; addEventListener(type: 'abort', listener: () => void): void }
}

interface Registration {
  readonly type: string
  readonly listener: Listener
  readonly isOnce: boolean
}

/** Called with what a listener threw: it is nobody's to catch. */
let reportError = (error: unknown): void => {
  void Promise.reject(error)
}

/** Sets what is done with an error that a listener throws; by default it is an unhandled rejection. */
export function setErrorReport(report: (error: unknown) => void): void {
  reportError = report
}

export class EventTarget {
  private readonly registrations: Registration[] = []

  addEventListener(type: string, listener: Listener | null, options: ListenerOptions | boolean = {}): void {
    const { once = false, signal } = typeof options === 'boolean' ? {} : options
    if (listener === null || listener === undefined || signal?.aborted === true) return
    if (this.indexOf(type, listener) >= 0) return
    this.registrations.push({ type, listener, isOnce: once })
    signal?.addEventListener('abort', () => this.removeEventListener(type, listener))
  }

  removeEventListener(type: string, listener: Listener | null): void {
    const at = listener === null ? -1 : this.indexOf(type, listener)
    if (at >= 0) this.registrations.splice(at, 1)
  }

  dispatchEvent(event: Event): boolean {
    event.target = this
    event.currentTarget = this
    // The property `onX` is a listener as well: the first, since nobody can tell.
    const handler = (this as unknown as Record<string, unknown>)[`on${event.type}`]
    if (typeof handler === 'function') this.call(handler as (event: Event) => void, event)
    for (const { type, listener, isOnce } of [...this.registrations]) {
      if (event.isStopped) break
      if (type !== event.type || this.indexOf(type, listener) < 0) continue
      if (isOnce) this.removeEventListener(type, listener)
      this.call(listener, event)
    }
    event.currentTarget = null
    return !event.defaultPrevented
  }

  private call(listener: Listener, event: Event): void {
    try {
      if (typeof listener === 'function') listener.call(this, event)
      else listener.handleEvent(event)
    } catch (error) {
      reportError(error)
    }
  }

  private indexOf(type: string, listener: Listener): number {
    return this.registrations.findIndex((one) => one.type === type && one.listener === listener)
  }
}
