/** HTTP as a device: a server that knows all but what to answer. */
import type { Port } from '@mirage-ts/signatures/addresses'
import type { Handler, HttpRequest } from './connection.ts'
import { createHttpServer, type HttpServer, type HttpServerDeps, type HttpServerOptions } from './server.ts'

/** Serves HTTP on a port that has been chosen. */
export interface HttpService {
  /** Answers requests with `handler`; resolves once it listens. Options are as for `createHttpServer`. */
  serve(handler: Handler<HttpRequest>, options?: Omit<HttpServerOptions, 'port'>): Promise<HttpServer>
}

/** Makes the service; it listens when it is told what to serve. */
export function createHttpService(deps: HttpServerDeps, { port }: { readonly port: Port }): HttpService {
  return { serve: (handler, options) => createHttpServer(deps, { ...options, port }, handler) }
}
