/** WebSockets that compress (permessage-deflate), ours and those of the npm package ws, each as the client of the other. */
import assert from 'node:assert/strict'
import { createRequire } from 'node:module'
import { describe, it } from 'node:test'
import { createHttpClient } from '@mirage-ts/apps/http/client'
import { createHttpServer } from '@mirage-ts/apps/http/server'
import { connectWebSocket, webSocketResponse } from '@mirage-ts/apps/http/websocket'
import { createDeflate } from '@mirage-ts/apps/http/websocket-deflate'
import { port } from '@mirage-ts/core/addresses'
import { NO_LOG } from '@mirage-ts/core/log'
import { createMonotonicClock, createWallClock } from '@mirage-ts/node/clock'
import { createHostStack } from '@mirage-ts/node/host-stack'
import { createRandom } from '@mirage-ts/node/random'
import { createTime } from '@mirage-ts/node/time'

/** What we use of ws, which brings no types. */
interface Peer {
  readonly extensions: string
  send(data: string | Uint8Array): void
  close(): void
  on(event: 'message', listener: (data: Buffer, isBinary: boolean) => void): void
  on(event: 'open' | 'close', listener: () => void): void
}
interface PeerServer {
  on(event: 'connection', listener: (peer: Peer) => void): void
  on(event: 'listening', listener: () => void): void
  address(): { readonly port: number }
  close(): void
}
const ws = createRequire(import.meta.url)('ws') as {
  readonly WebSocket: new (url: string, options?: object) => Peer
  readonly WebSocketServer: new (options: object) => PeerServer
}

const deps = {
  stack: createHostStack(),
  time: createTime(),
  clock: createMonotonicClock(),
  wallClock: createWallClock(),
  log: NO_LOG,
}
const compression = createDeflate()
const MESSAGES = ['short', 'again and again '.repeat(1000), '\u00e4\u{1f600}'.repeat(10_000), '']

describe('permessage-deflate with ws', () => {
  it('our server: the client of ws agrees, and gets back what it says', async () => {
    const server = await createHttpServer(deps, { port: port(0) }, async (request) =>
      webSocketResponse(
        deps,
        request,
        async (socket) => {
          for (let one = await socket.receive(); one !== undefined; one = await socket.receive()) await socket.send(one)
        },
        { compression },
      ),
    )
    try {
      for (const isCompressed of [true, false]) {
        const client = new ws.WebSocket(`ws://127.0.0.1:${server.port}/`, { perMessageDeflate: isCompressed })
        await new Promise<void>((resolve) => client.on('open', resolve))
        assert.equal(client.extensions, isCompressed ? 'permessage-deflate' : '')
        const heard: string[] = []
        const done = new Promise<void>((resolve) =>
          client.on('message', (data) => {
            heard.push(data.toString())
            if (heard.length === MESSAGES.length) resolve()
          }),
        )
        for (const message of MESSAGES) client.send(message)
        await done
        assert.deepEqual(heard, MESSAGES)
        const closed = new Promise<void>((resolve) => client.on('close', resolve))
        client.close()
        await closed
      }
    } finally {
      await server.close()
    }
  })

  it('our client: the server of ws agrees, and gets back what it says', async () => {
    const server = new ws.WebSocketServer({ host: '127.0.0.1', port: 0, perMessageDeflate: { threshold: 0 } })
    await new Promise<void>((resolve) => server.on('listening', resolve))
    const agreed: string[] = []
    server.on('connection', (peer) => {
      agreed.push(peer.extensions)
      peer.on('message', (data, isBinary) => peer.send(isBinary ? data : data.toString()))
    })
    try {
      const client = createHttpClient(deps)
      const random = createRandom()
      const target = { authority: `127.0.0.1:${server.address().port}`, target: '/' }
      const socket = await connectWebSocket({ ...deps, client, random }, target, { compression })
      for (const message of MESSAGES) {
        await socket.send(message)
        assert.equal(await socket.receive(), message)
      }
      const octets = new Uint8Array(300_000).map((_, i) => i >> 8)
      await socket.send(octets)
      assert.deepEqual(await socket.receive(), octets)
      assert.deepEqual(agreed, ['permessage-deflate'])
      socket.close()
      assert.equal(await socket.receive(), undefined)
      assert.equal(socket.closing?.code, 1000)
    } finally {
      server.close()
    }
  })
})
