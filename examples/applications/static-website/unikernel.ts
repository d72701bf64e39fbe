/** Serves a folder over HTTP. Where the files lie, and whose TCP/IP carries them, is for config.ts to say. */
import type { HttpServerDeps } from '@mirage-ts/apps/http/server'
import { serveStatic } from '@mirage-ts/apps/http/static-site'
import type { Port } from '@mirage-ts/signatures/addresses'
import type { KvRo } from '@mirage-ts/signatures/kv'

export async function start(deps: HttpServerDeps & { site: KvRo }, { port }: { port: Port }): Promise<void> {
  const server = await serveStatic(deps, { port, isPrecompressed: true })
  await server.closed
}
