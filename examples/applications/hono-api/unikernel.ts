/** Serves a Hono application. Whose TCP/IP carries it, and whose `Request` it sees, is for config.ts to say. */
import '@mirage-ts/web/globals'
import type { HttpServerDeps } from '@mirage-ts/apps/http/server'
import type { Port } from '@mirage-ts/signatures/addresses'
import type { Random } from '@mirage-ts/signatures/random'
import { installDeviceGlobals } from '@mirage-ts/web/device-globals'
import { serve } from '@mirage-ts/web/serve'
import { upgradeWebSocket } from '@mirage-ts/web/websocket'
import { createApi } from './api.ts'

export async function start(deps: HttpServerDeps & { random: Random }, { port }: { port: Port }): Promise<void> {
  installDeviceGlobals(deps)
  const api = createApi((request) => upgradeWebSocket(deps, request))
  const server = await serve(deps, { port }, (request) => api.fetch(request))
  await server.closed
}
