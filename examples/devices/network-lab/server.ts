/** Serves a page and a zone, tells a group the time, and ends when somebody has read the page. */
import { createDnsServer, type DnsServerDeps } from '@mirage-ts/apps/dns/server/server'
import { loadDnsConfig } from '@mirage-ts/apps/dns/server/server-config'
import { latin1Body } from '@mirage-ts/apps/http/body'
import type { HttpService } from '@mirage-ts/apps/http/service'
import { ipv4, port } from '@mirage-ts/core/addresses'
import { seconds } from '@mirage-ts/core/time'
import type { KvRo } from '@mirage-ts/signatures/kv'

export async function serve(deps: DnsServerDeps & { http: HttpService; zones: KvRo }): Promise<void> {
  const { zones } = await loadDnsConfig(deps.zones, deps.random)
  const names = await createDnsServer(deps, { port: port(53), zones })
  let isRead: () => void = () => {}
  const read = new Promise<void>((done) => {
    isRead = done
  })
  const pages = await deps.http.serve(() => {
    isRead()
    return { status: 200, fields: [['Content-Type', 'text/plain']], body: latin1Body('hello from the other end\n') }
  })
  const socket = await deps.stack.udp.bind(port(0), () => {})
  let isOver = false
  const over = read
    .then(() => pages.shutdown())
    .then(() => names.close())
    .finally(() => {
      isOver = true
    })
  while (!isOver) {
    await socket.send(Uint8Array.of(1), { address: ipv4(239, 1, 2, 3), port: port(4000) })
    await Promise.race([over, deps.time.sleep(seconds(0.2))])
  }
  await over
}
