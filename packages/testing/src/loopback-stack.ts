/** A stack that only reaches itself, in memory: what connects to a port is handed to whoever listens there. */
import { ipv4, port } from '@mirage-ts/core/addresses'
import { NetError } from '@mirage-ts/core/errors'
import type { TcpFlow } from '@mirage-ts/signatures/flow'
import type { Stack } from '@mirage-ts/signatures/stack'
import { createFlowPair, type FlowPairOptions } from './flow-pair.ts'

const FIRST_FREE_PORT = 49152

export interface LoopbackStack extends Stack {
  /** How the connections made from now on are cut into chunks. */
  flowOptions: FlowPairOptions
  /** Connections made so far. */
  connectCount: number
}

/** Makes one; it has no UDP. */
export function createLoopbackStack(): LoopbackStack {
  const listeners = new Map<number, (flow: TcpFlow) => void>()
  let freePort = FIRST_FREE_PORT
  const stack: LoopbackStack = {
    flowOptions: {},
    connectCount: 0,
    addresses: [ipv4(10, 0, 0, 2)],
    udp: { bind: () => Promise.reject(new TypeError('Cannot bind: a loopback stack has no UDP')) },
    tcp: {
      connect: async (remote) => {
        const accept = listeners.get(remote.port)
        if (accept === undefined)
          throw new NetError('connection-refused', `Cannot connect: nobody is at ${remote.port}`)
        stack.connectCount++
        const [client, server] = createFlowPair(stack.flowOptions)
        accept(server)
        return client
      },
      listen: async (wanted, onFlow) => {
        const own = wanted === 0 ? port(freePort++) : wanted
        if (listeners.has(own)) throw new NetError('address-in-use', `Cannot listen on port ${own}: it is taken`)
        listeners.set(own, onFlow)
        return { port: own, close: () => void listeners.delete(own) }
      },
    },
  }
  return stack
}
