/**
 * The transports of the host: its own TCP and UDP behind the same signatures as ours.
 *
 * Not yet here: IPv6.
 */

import { createSocket, type RemoteInfo, type Socket as UdpHandle } from 'node:dgram'
import { getServers } from 'node:dns'
import { connect, createServer, type Socket } from 'node:net'
import { endpointToString, IPV4_ANY, ipToString, isIpv4, parseIpv4, port } from '@mirage-ts/core/addresses'
import { cancellable } from '@mirage-ts/core/cancel'
import { NetError } from '@mirage-ts/core/errors'
import type { Endpoint, Ipv4, Port } from '@mirage-ts/signatures/addresses'
import type { TcpFlow } from '@mirage-ts/signatures/flow'
import type { Stack } from '@mirage-ts/signatures/stack'
import type { Tcp, TcpConnectOptions, TcpListener, TcpListenOptions } from '@mirage-ts/signatures/tcp'
import type { DatagramHandler, Udp, UdpBindOptions, UdpSocket } from '@mirage-ts/signatures/udp'
import { hostFlow } from './host-flow.ts'
import { socketError } from './socket-error.ts'

const DEFAULT_BACKLOG_COUNT = 128

export interface HostStackOptions {
  /** Where to listen; default all addresses of the host. */
  readonly address?: Ipv4
}

export function createHostStack(
  _deps: Record<never, never> = {},
  { address = IPV4_ANY }: HostStackOptions = {},
): Stack {
  return {
    tcp: new HostTcp(address),
    udp: new HostUdp(address),
    addresses: address === IPV4_ANY ? [] : [address],
    get nameservers() {
      // Those of IPv6 cannot be asked over these transports.
      return getServers()
        .map(parseIpv4)
        .filter((server) => server !== undefined)
    },
  }
}

class HostTcp implements Tcp {
  readonly #address: Ipv4

  constructor(address: Ipv4) {
    this.#address = address
  }

  listen(
    wanted: Port,
    onFlow: (flow: TcpFlow) => void,
    { backlogCount = DEFAULT_BACKLOG_COUNT }: TcpListenOptions = {},
  ): Promise<TcpListener> {
    return new Promise((resolve, reject) => {
      const server = createServer({ allowHalfOpen: true }, (socket) => {
        const remote = endpointOf(socket.remoteAddress, socket.remotePort)
        // A peer that reset the connection before we saw it leaves no address behind.
        if (remote === undefined) return void socket.destroy()
        onFlow(hostFlow(socket, localEndpoint(socket), remote, endpointToString(remote)))
      })
      // Stays attached: a connection that cannot be accepted later on (no descriptor left) is lost, the listener lives.
      server.on('error', (error) => reject(socketError(`Cannot listen on TCP port ${wanted}`, error)))
      server.listen({ port: wanted, host: ipToString(this.#address), backlog: backlogCount, exclusive: true }, () => {
        const bound = server.address()
        const listenPort = bound !== null && typeof bound === 'object' ? port(bound.port) : wanted
        resolve({ port: listenPort, close: () => void server.close() })
      })
    })
  }

  connect(remote: Endpoint, { signal, local }: TcpConnectOptions = {}): Promise<TcpFlow> {
    const name = endpointToString(remote)
    if (!isIpv4(remote.address)) {
      return Promise.reject(new NetError('no-route', `Cannot connect to ${name}: IPv6 is not supported yet`))
    }
    if (local !== undefined && !isIpv4(local)) {
      return Promise.reject(
        new NetError('no-route', `Cannot connect to ${name} from ${ipToString(local)}: other family`),
      )
    }
    const from = local === undefined ? {} : { localAddress: ipToString(local) }
    let socket: Socket | undefined
    return cancellable<TcpFlow>(
      signal,
      (resolve, reject) => {
        const opening = connect({ host: ipToString(remote.address), port: remote.port, allowHalfOpen: true, ...from })
        socket = opening
        opening.on('error', (error: NodeJS.ErrnoException) => {
          // The address is not the operating system's; without one of ours it would mean that all ports are in use.
          const isForeign = local !== undefined && error.code === 'EADDRNOTAVAIL'
          const why = isForeign
            ? `Cannot connect to ${name}: ${ipToString(local)} is not ours`
            : `Cannot connect to ${name}`
          reject(isForeign ? new NetError('no-route', why, { cause: error }) : socketError(why, error))
        })
        opening.once('connect', () => resolve(hostFlow(opening, localEndpoint(opening), remote, name)))
      },
      () => socket?.destroy(),
    )
  }
}

class HostUdp implements Udp {
  readonly #address: Ipv4

  constructor(address: Ipv4) {
    this.#address = address
  }

  bind(wanted: Port, handler: DatagramHandler, { hopLimit }: UdpBindOptions = {}): Promise<UdpSocket> {
    return new Promise((resolve, reject) => {
      // Addresses are numbers already: Node's look-up would take a turn of the loop for each datagram.
      const handle = createSocket({ type: 'udp4', lookup: (address, _options, found) => found(null, address, 4) })
      handle.once('error', (error) => {
        reject(socketError(`Cannot bind UDP port ${wanted}`, error))
        handle.close()
      })
      handle.on('message', (message: Uint8Array, info: RemoteInfo) => {
        const from = endpointOf(info.address, info.port)
        if (from === undefined) return
        // Node does not say to which of our addresses a datagram came.
        handler(new Uint8Array(message.buffer, message.byteOffset, message.length), from, this.#address)
      })
      handle.bind({ port: wanted, address: ipToString(this.#address), exclusive: true }, () => {
        handle.removeAllListeners('error')
        // What goes wrong with one datagram (an ICMP error, say) is no failure of the socket.
        handle.on('error', () => {})
        if (hopLimit !== undefined) {
          handle.setTTL(hopLimit)
          handle.setMulticastTTL(hopLimit)
        }
        resolve(new HostUdpSocket(handle))
      })
    })
  }
}

class HostUdpSocket implements UdpSocket {
  readonly port: Port
  readonly #handle: UdpHandle
  #isClosed = false

  constructor(handle: UdpHandle) {
    this.port = port(handle.address().port)
    this.#handle = handle
  }

  send(payload: Uint8Array, to: Endpoint): Promise<void> {
    if (this.#isClosed) {
      return Promise.reject(new NetError('closed', `Cannot send to ${endpointToString(to)}: the port was closed`))
    }
    if (!isIpv4(to.address)) {
      const name = endpointToString(to)
      return Promise.reject(new NetError('no-route', `Cannot send to ${name}: IPv6 is not supported yet`))
    }
    return new Promise((resolve, reject) => {
      // Node may read the octets on a later turn; ours are the caller's again when this call returns.
      this.#handle.send(payload.slice(), to.port, ipToString(to.address), (error) => {
        if (error === null) resolve()
        else reject(socketError(`Cannot send to ${endpointToString(to)}`, error))
      })
    })
  }

  trySend(payload: Uint8Array, to: Endpoint): void {
    if (this.#isClosed || !isIpv4(to.address)) return
    this.#handle.send(payload.slice(), to.port, ipToString(to.address))
  }

  close(): void {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#handle.close()
  }
}

function localEndpoint(socket: Socket): Endpoint {
  return endpointOf(socket.localAddress, socket.localPort) ?? { address: IPV4_ANY, port: port(0) }
}

function endpointOf(address: string | undefined, portNumber: number | undefined): Endpoint | undefined {
  const parsed = address === undefined ? undefined : parseIpv4(address)
  return parsed === undefined || portNumber === undefined ? undefined : { address: parsed, port: port(portNumber) }
}
