/**
 * What every `Stack` must do, as tests: its TCP and UDP between two hosts. Call `runStackConformance` from the test file
 * of an implementation.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ipv4, port } from '@mirage-ts/core/addresses'
import { CancelController } from '@mirage-ts/core/cancel'
import { ms } from '@mirage-ts/core/time'
import type { Endpoint, IpAddress } from '@mirage-ts/signatures/addresses'
import type { TcpFlow } from '@mirage-ts/signatures/flow'
import type { Stack } from '@mirage-ts/signatures/stack'
import type { TcpListener } from '@mirage-ts/signatures/tcp'
import type { Time } from '@mirage-ts/signatures/time'
import type { UdpSocket } from '@mirage-ts/signatures/udp'
import { echo, readAll, readAtLeast } from '../flow-tools.ts'
import { type FlowOptions, type FlowPair, hasCode, runFlowConformance } from './flow-suite.ts'

/** Two stacks that reach each other; they may be one and the same. */
export interface StackPair {
  readonly server: Stack
  readonly client: Stack
  /** The server's address as the client reaches it. */
  readonly serverAddress: IpAddress
  /** The time that the stacks live in. */
  readonly time: Time
  /** Waits for a test's body; where time is mocked, moves it until the body has ended. */
  run<T>(body: Promise<T>): Promise<T>
  /** Tears the world down. */
  close(): void | Promise<void>
}

const ANY_PORT = port(0)

/** Registers the tests, those of the flows too; `makePair` is called once for each. */
export function runStackConformance(name: string, makePair: () => Promise<StackPair>, flows: FlowOptions = {}): void {
  const stackTest = (title: string, body: (pair: StackPair) => Promise<void>): void =>
    void test(`${name}: ${title}`, async () => {
      const pair = await makePair()
      try {
        await pair.run(body(pair))
      } finally {
        await pair.close()
      }
    })

  const makeFlows = async (): Promise<FlowPair> => {
    const pair = await makePair()
    const { client, server, listener } = await pair.run(connected(pair))
    const close = async (): Promise<void> => {
      for (const flow of [client, server]) flow.abort()
      listener.close()
      await pair.close()
    }
    return { a: client, b: server, time: pair.time, run: pair.run, close }
  }
  runFlowConformance(`${name} flow`, makeFlows, flows)

  stackTest('both ends of a connection agree on who they are', async (pair) => {
    const { client, server, listener } = await connected(pair)
    assert.deepEqual(client.remote, { address: pair.serverAddress, port: listener.port })
    assert.deepEqual(server.local, client.remote)
    assert.deepEqual(server.remote, client.local)
    await Promise.all([client.close(), server.close()])
    listener.close()
  })

  stackTest('twenty connections at once do not mix', async (pair) => {
    const served: Promise<void>[] = []
    const listener = await pair.server.tcp.listen(ANY_PORT, (flow) => served.push(echo(flow)))
    const talk = async (number: number): Promise<void> => {
      const flow = await pair.client.tcp.connect({ address: pair.serverAddress, port: listener.port })
      const sent = new Uint8Array(5000).fill(number)
      await flow.write(sent)
      flow.shutdownWrite()
      assert.deepEqual(await readAll(flow), sent)
      await flow.close()
    }
    await Promise.all(Array.from({ length: 20 }, (_, number) => talk(number)))
    await Promise.all(served)
    listener.close()
  })

  stackTest(
    'connects from the address it is told to, and from none that is not ours (RFC 9293 §3.9.1.1, MUST-43)',
    async (pair) => {
      const { client, server, listener } = await connected(pair)
      const { address: local } = client.local
      const again = await pair.client.tcp.connect(client.remote, { local })
      assert.equal(again.local.address, local)
      await assert.rejects(pair.client.tcp.connect(client.remote, { local: ipv4(192, 0, 2, 77) }), hasCode('no-route'))
      for (const flow of [client, server, again]) flow.abort()
      listener.close()
    },
  )

  stackTest('connecting to a port nobody listens on is refused', async (pair) => {
    const remote = await freeEndpoint(pair)
    await assert.rejects(pair.client.tcp.connect(remote), hasCode('connection-refused'))
  })

  stackTest('a port listened on is in use until its listener closes', async ({ server }) => {
    const first = await server.tcp.listen(ANY_PORT, (flow) => flow.abort())
    await assert.rejects(
      server.tcp.listen(first.port, (flow) => flow.abort()),
      hasCode('address-in-use'),
    )
    first.close()
    first.close()
    const second = await server.tcp.listen(first.port, (flow) => flow.abort())
    assert.equal(second.port, first.port)
    second.close()
  })

  stackTest('a closed listener accepts nobody, its flows live on', async (pair) => {
    const { client, server, listener } = await connected(pair)
    listener.close()
    await assert.rejects(pair.client.tcp.connect(client.remote), hasCode('connection-refused'))
    await client.write(Uint8Array.of(1, 2, 3))
    assert.deepEqual(await readAtLeast(server, 3), Uint8Array.of(1, 2, 3))
    await Promise.all([client.close(), server.close()])
  })

  stackTest('connecting with a cancelled signal, or cancelled on the way, rejects with the reason', async (pair) => {
    const listener = await pair.server.tcp.listen(ANY_PORT, (flow) => flow.abort())
    const remote = { address: pair.serverAddress, port: listener.port }
    const cancelling = new CancelController()
    const reason = new Error('enough')
    const connecting = pair.client.tcp.connect(remote, { signal: cancelling.signal })
    cancelling.cancel(reason)
    await assert.rejects(connecting, (error) => error === reason)
    await assert.rejects(pair.client.tcp.connect(remote, { signal: cancelling.signal }), (error) => error === reason)
    listener.close()
  })

  stackTest('udp: datagrams keep their bounds, and the answer finds its way back', async (pair) => {
    const server = await bindEcho(pair.server)
    const { socket, received } = await bindCollecting(pair.client)
    const to = { address: pair.serverAddress, port: server.port }
    const payloads = [Uint8Array.of(1), new Uint8Array(1400).fill(2), new Uint8Array(0)]
    for (const [i, payload] of payloads.entries()) {
      await socket.send(payload, to)
      await until(pair.time, () => received.length > i)
    }
    assert.deepEqual(
      received.map(({ payload }) => payload),
      payloads,
    )
    for (const { from } of received) assert.deepEqual(from, to)
    server.close()
    socket.close()
  })

  stackTest('udp: the payload is the caller’s again when send returns', async (pair) => {
    const { socket: server, received } = await bindCollecting(pair.server)
    const client = await pair.client.udp.bind(ANY_PORT, () => {})
    const payload = Uint8Array.of(1, 2, 3)
    const sending = client.send(payload, { address: pair.serverAddress, port: server.port })
    payload.fill(9)
    await sending
    await until(pair.time, () => received.length > 0)
    assert.deepEqual(received[0]?.payload, Uint8Array.of(1, 2, 3))
    server.close()
    client.close()
  })

  stackTest('udp: a bound port is in use until it is closed', async ({ server }) => {
    const first = await server.udp.bind(ANY_PORT, () => {})
    await assert.rejects(
      server.udp.bind(first.port, () => {}),
      hasCode('address-in-use'),
    )
    first.close()
    first.close()
    const second = await server.udp.bind(first.port, () => {})
    assert.equal(second.port, first.port)
    second.close()
  })

  stackTest('udp: a datagram longer than any is refused, one that nobody wants is not', async (pair) => {
    const socket = await pair.client.udp.bind(ANY_PORT, () => {})
    const to = { address: pair.serverAddress, port: port(9) }
    await assert.rejects(socket.send(new Uint8Array(70_000), to), hasCode('message-too-long'))
    await socket.send(Uint8Array.of(1), to)
    await pair.time.sleep(ms(10))
    await socket.send(Uint8Array.of(2), to)
    socket.trySend(new Uint8Array(70_000), to)
    socket.trySend(Uint8Array.of(3), to)
    socket.close()
  })
}

/** Connects the client to the server; both ends, and the listener, which is still open. */
async function connected(pair: StackPair): Promise<{ client: TcpFlow; server: TcpFlow; listener: TcpListener }> {
  let accept: (flow: TcpFlow) => void = () => {}
  const accepted = new Promise<TcpFlow>((resolve) => {
    accept = resolve
  })
  const listener = await pair.server.tcp.listen(ANY_PORT, (flow) => accept(flow))
  const client = await pair.client.tcp.connect({ address: pair.serverAddress, port: listener.port })
  return { client, server: await accepted, listener }
}

/** An endpoint of the server's where nobody listens. */
async function freeEndpoint({ server, serverAddress }: StackPair): Promise<Endpoint> {
  const listener = await server.tcp.listen(ANY_PORT, (flow) => flow.abort())
  listener.close()
  return { address: serverAddress, port: listener.port }
}

async function bindEcho(stack: Stack): Promise<UdpSocket> {
  const socket: UdpSocket = await stack.udp.bind(ANY_PORT, (payload, from, to) => {
    // The tests see a lost answer; there is nobody else to tell.
    socket.trySend(payload, from, to)
  })
  return socket
}

interface Datagram {
  readonly payload: Uint8Array
  readonly from: Endpoint
}

async function bindCollecting(stack: Stack): Promise<{ socket: UdpSocket; received: Datagram[] }> {
  const received: Datagram[] = []
  const socket = await stack.udp.bind(ANY_PORT, (payload, from) => received.push({ payload, from }))
  return { socket, received }
}

/** Waits until `isTrue`, for five seconds at most. */
async function until(time: Time, isTrue: () => boolean): Promise<void> {
  for (let i = 0; i < 1000 && !isTrue(); i++) await time.sleep(ms(5))
  assert.ok(isTrue(), 'not within five seconds')
}
