/** Measures TCP with the peers everybody has: serves iperf3's clients, or is one of them. */
import { NetError } from '@mirage-ts/core/errors'
import type { IpAddress, Port } from '@mirage-ts/signatures/addresses'
import type { Random } from '@mirage-ts/signatures/random'
import type { Duration } from '@mirage-ts/signatures/time'
import { measure } from './client.ts'
import { MAX_STREAMS } from './protocol.ts'
import { type Iperf3Deps, reportLine, serveIperf3 } from './server.ts'

export interface Iperf3Options {
  readonly client: IpAddress | undefined
  readonly port: Port
  readonly time: Duration
  readonly bytes: number
  readonly parallel: number
  readonly reverse: boolean
}

export async function start(deps: Iperf3Deps & { readonly random: Random }, options: Iperf3Options): Promise<void> {
  const { client, port, time, bytes, parallel, reverse } = options
  const log = deps.log.logger('iperf3')
  if (client === undefined) {
    await serveIperf3(deps, port)
    log.info(`Listening on TCP port ${port}`)
    return new Promise(() => {})
  }
  if (parallel < 1 || parallel > MAX_STREAMS) {
    throw new NetError('protocol', `Cannot use --parallel=${parallel}: expected 1 to ${MAX_STREAMS}`)
  }
  const server = { address: client, port }
  const measured = await measure(deps, server, { duration: time, bytes, streamCount: parallel, isReverse: reverse })
  log.info(reportLine('Sent', measured.sentBytes, measured.tookSeconds))
  log.info(reportLine('Received', measured.receivedBytes, measured.tookSeconds))
}
