/** The web's `WebSocket`, for clients and for servers (HTML, WebSockets Standard), over connections of ours. */
/// <reference lib="webworker" />
import type { HttpClient } from '@mirage-ts/apps/http/client'
import {
  connectWebSocket,
  type WebSocketConnection,
  type WebSocketDeps,
  type WebSocketOptions,
  webSocketResponse,
} from '@mirage-ts/apps/http/websocket'
import type { Random } from '@mirage-ts/signatures/random'
import { Blob } from './blob.ts'
import { DOMException } from './dom-exception.ts'
import { octetsOf } from './encoding.ts'
import { CloseEvent, Event, EventTarget, MessageEvent } from './events.ts'
import { noteUpgrade } from './upgrade.ts'
import { URL } from './url.ts'

export type WebSocketData = string | ArrayBuffer | ArrayBufferView | Blob

/** Octets that may wait to be sent; whoever goes on sending loses the connection. */
const MAX_BUFFERED_BYTES = 4 * 1024 * 1024

export class WebSocket extends EventTarget {
  static readonly CONNECTING = 0
  static readonly OPEN = 1
  static readonly CLOSING = 2
  static readonly CLOSED = 3
  readonly CONNECTING = 0
  readonly OPEN = 1
  readonly CLOSING = 2
  readonly CLOSED = 3
  readonly url: string
  readonly extensions = ''
  protocol = ''
  readyState: 0 | 1 | 2 | 3 = 0
  bufferedAmount = 0
  binaryType: 'arraybuffer' | 'blob' = 'blob'
  onopen: ((event: Event) => void) | null = null
  onmessage: ((event: MessageEvent) => void) | null = null
  onerror: ((event: Event) => void) | null = null
  onclose: ((event: CloseEvent) => void) | null = null
  private connection: WebSocketConnection | undefined
  /** Messages are sent in the order they were given. */
  private sending: Promise<void> = Promise.resolve()

  constructor(url: string) {
    super()
    this.url = url
  }

  send(data: WebSocketData): void {
    if (this.readyState === 0) throw new DOMException('Cannot send: the WebSocket is not open yet', 'InvalidStateError')
    const { connection } = this
    if (this.readyState !== 1 || connection === undefined) return
    const message = typeof data === 'string' ? data : data instanceof Blob ? data : octetsOf(data).slice()
    const lenBytes = message instanceof Blob ? message.size : message.length
    this.bufferedAmount += lenBytes
    if (this.bufferedAmount > MAX_BUFFERED_BYTES) {
      connection.abort()
      return
    }
    this.sending = this.sending.then(async () => {
      await connection.send(message instanceof Blob ? await message.bytes() : message)
      this.bufferedAmount -= lenBytes
    })
    // That the connection is lost is told where it is read.
    this.sending.catch(() => {})
  }

  close(code?: number, reason = ''): void {
    if (code !== undefined && code !== 1000 && !(code >= 3000 && code <= 4999)) {
      throw new DOMException(`Cannot close: expected code 1000 or 3000 to 4999, got ${code}`, 'InvalidAccessError')
    }
    if (this.readyState >= 2) return
    this.readyState = 2
    void this.sending.then(
      () => this.connection?.close(code, reason),
      () => this.connection?.abort(),
    )
  }

  get [Symbol.toStringTag](): string {
    return 'WebSocket'
  }

  /** Lives on `connection` to its end. */
  async run(connection: WebSocketConnection): Promise<void> {
    this.connection = connection
    this.protocol = connection.protocol
    if (this.readyState === 2) connection.close()
    else {
      this.readyState = 1
      this.dispatchEvent(new Event('open'))
    }
    for (let data = await connection.receive(); data !== undefined; data = await connection.receive()) {
      this.dispatchEvent(new MessageEvent('message', { data: this.dataOf(data) }))
    }
    const { code, reason } = connection.closing ?? { code: 1006, reason: '' }
    this.end(code, reason)
  }

  /** The connection is over, or there never was one. */
  end(code: number, reason: string): void {
    this.readyState = 3
    if (code === 1006) this.dispatchEvent(new Event('error'))
    this.dispatchEvent(new CloseEvent('close', { code, reason, wasClean: code !== 1006 }))
  }

  private dataOf(data: string | Uint8Array): unknown {
    if (typeof data === 'string') return data
    return this.binaryType === 'blob' ? new Blob([data]) : (data.slice().buffer as ArrayBuffer)
  }
}

/** A request that became a WebSocket. */
export interface UpgradedWebSocket {
  /** Opens when the handler has returned. */
  readonly socket: InstanceType<typeof globalThis.WebSocket>
  /** To be returned by the handler; `serve` sends 101 in its place. */
  readonly response: Response
}

/**
 * Makes a WebSocket of a request that `serve` gave, as Deno's function of this name does. A request that is no handshake is
 * answered as RFC 6455 says, and its socket closes at once.
 */
export function upgradeWebSocket(
  deps: WebSocketDeps,
  request: Request,
  options: WebSocketOptions & { readonly protocols?: readonly string[] } = {},
): UpgradedWebSocket {
  const socket = new WebSocket(request.url.replace(/^http/, 'ws'))
  noteUpgrade(request, (received) => {
    const response = webSocketResponse(deps, received, (connection) => socket.run(connection), options)
    if (response.status !== 101) socket.end(1006, '')
    return response
  })
  // A Response cannot have status 101.
  return { socket: socket as unknown as UpgradedWebSocket['socket'], response: new Response(null) }
}

/** Makes the class `WebSocket` of a client that uses `client`. */
export function createWebSocketClass(
  deps: WebSocketDeps & { readonly client: HttpClient; readonly random: Random },
): new (
  url: string | URL,
  protocols?: string | readonly string[],
) => WebSocket {
  return class extends WebSocket {
    constructor(url: string | URL, protocols: string | readonly string[] = []) {
      const { href, protocol, host, pathname, search, hash } = new URL(String(url).replace(/^http/i, 'ws'))
      if (!/^wss?:$/.test(protocol) || hash !== '') {
        throw new DOMException(`Cannot open a WebSocket: ${href} is no address of one`, 'SyntaxError')
      }
      super(href)
      const target = { authority: host, target: pathname + search, isSecure: protocol === 'wss:' }
      const wanted = typeof protocols === 'string' ? [protocols] : protocols
      void connectWebSocket(deps, target, { protocols: wanted })
        .then((connection) => this.run(connection))
        .catch(() => this.end(1006, ''))
    }
  }
}
