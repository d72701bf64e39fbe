/** NSD, as a peer of the DNS tests: one zone at one address. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Namespace } from './namespace.ts'
import { stop } from './processes.ts'

export interface NsdOptions {
  readonly address: string
  readonly port: number
  readonly origin: string
  /** The zone file; without it `request-xfr` should be among `lines`. */
  readonly zone?: string
  /** More of the configuration: of the whole, and of the zone. */
  readonly clauses?: string
  readonly lines?: readonly string[]
  readonly namespace?: Namespace
}

export class Nsd {
  private readonly process: ChildProcess
  private readonly folder: string

  constructor({ address, port, origin, zone, clauses = '', lines = [], namespace }: NsdOptions) {
    const folder = mkdtempSync(join(tmpdir(), 'mirage-nsd-'))
    this.folder = folder
    if (zone !== undefined) writeFileSync(join(folder, 'zone'), zone)
    const config = join(folder, 'nsd.conf')
    writeFileSync(
      config,
      `server:
  ip-address: ${address}
  port: ${port}
  username: ""
  chroot: ""
  zonesdir: "${folder}"
  database: ""
  pidfile: "${folder}/nsd.pid"
  xfrdfile: "${folder}/xfrd.state"
  zonelistfile: "${folder}/zone.list"
  xfrdir: "${folder}"
  rrl-ratelimit: 0
remote-control:
  control-enable: no
${clauses}
zone:
  name: "${origin}"
  zonefile: "zone"
${lines.map((line) => `  ${line}\n`).join('')}`,
    )
    execFileSync('nsd-checkconf', [config])
    const command = ['nsd', '-d', '-c', config]
    const options = { stdio: 'ignore' } as const
    const [file = '', ...args] = command
    this.process = namespace === undefined ? spawn(file, args, options) : namespace.start(command, options)
  }

  async stop(): Promise<void> {
    await stop(this.process)
    rmSync(this.folder, { recursive: true, force: true })
  }
}
