/** Our multicast DNS and Avahi's on the two ends of a tap. */
import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { createMdns, type Mdns } from '@mirage-ts/apps/mdns/mdns'
import { ipToString, ipv4, port } from '@mirage-ts/core/addresses'
import { NO_LOG } from '@mirage-ts/core/log'
import { createMonotonicClock } from '@mirage-ts/node/clock'
import { createRandom } from '@mirage-ts/node/random'
import { createTime } from '@mirage-ts/node/time'
import { LINUX, LinuxLink, OURS } from './lib/linux-tcp.ts'
import { NO_NAMESPACES } from './lib/namespace.ts'

/** Programs in the namespace, which speak to each other over a bus of their own. */
class Avahi {
  private readonly folder: string = mkdtempSync(join(tmpdir(), 'mirage-avahi-'))
  private readonly namespace: string
  private readonly running: ChildProcess[] = []

  constructor(namespace: string) {
    this.namespace = namespace
  }

  async start(): Promise<void> {
    const bus = join(this.folder, 'bus')
    writeFileSync(
      `${bus}.conf`,
      `<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig><type>system</type><listen>unix:path=${bus}</listen><auth>EXTERNAL</auth>
<policy context="default"><allow send_destination="*" eavesdrop="true"/><allow eavesdrop="true"/><allow own="*"/></policy></busconfig>`,
    )
    writeFileSync(
      join(this.folder, 'avahi.conf'),
      '[server]\nhost-name=linux\nuse-ipv4=yes\nuse-ipv6=no\nallow-interfaces=tap0\ncheck-response-ttl=yes\n[publish]\npublish-workstation=no\n',
    )
    this.spawn('dbus-daemon', `--config-file=${bus}.conf`, '--nofork', '--nopidfile')
    while (!existsSync(bus)) await new Promise((resolve) => setTimeout(resolve, 20))
    const daemon = ['-f', join(this.folder, 'avahi.conf'), '--no-drop-root', '--no-chroot', '--no-rlimits']
    const avahi = this.spawn('avahi-daemon', ...daemon)
    let said = ''
    for await (const chunk of avahi.stderr ?? []) {
      said += String(chunk)
      if (said.includes('Server startup complete')) break
    }
    assert.match(said, /Server startup complete/)
  }

  spawn(file: string, ...args: readonly string[]): ChildProcess {
    const env = { ...process.env, DBUS_SYSTEM_BUS_ADDRESS: `unix:path=${join(this.folder, 'bus')}` }
    const words = ['netns', 'exec', this.namespace, file, ...args]
    const child = spawn('ip', words, { env, stdio: ['ignore', 'pipe', 'pipe'] })
    this.running.push(child)
    return child
  }

  /** Runs a program to its end; what it printed. */
  async run(file: string, ...args: readonly string[]): Promise<string> {
    const child = this.spawn(file, ...args)
    let said = ''
    for (const stream of [child.stdout, child.stderr]) stream?.on('data', (chunk: Buffer) => (said += chunk.toString()))
    await once(child, 'close')
    return said
  }

  async stop(): Promise<void> {
    for (const child of this.running.reverse()) {
      if (child.exitCode !== null || child.signalCode !== null) continue
      child.kill()
      await once(child, 'close')
    }
    rmSync(this.folder, { recursive: true, force: true })
  }
}

describe('multicast DNS with Avahi', { skip: NO_NAMESPACES }, () => {
  let link: LinuxLink
  let avahi: Avahi
  let mdns: Mdns

  const start = (hostname: string): Promise<Mdns> => {
    const { ipv4: ip, udp } = link.stack
    const deps = { ip, udp, clock: createMonotonicClock(), time: createTime(), random: createRandom(), log: NO_LOG }
    return createMdns(deps, { hostname, addresses: [ipv4(10, 77, 0, 2)] })
  }

  before(async () => {
    link = await LinuxLink.open({ hasLine: false })
    avahi = new Avahi(link.namespaceName)
    await avahi.start()
    // Avahi's host has this name: we take another.
    mdns = await start('linux')
  })
  after(async () => {
    mdns?.close()
    await avahi?.stop()
    link?.close()
  })

  it('we take another name than that of Avahi, and each finds the other', async () => {
    assert.equal(mdns.host, 'linux-2.local')
    assert.equal((await mdns.addresses('linux.local')).map(ipToString)[0], LINUX)
    assert.match(
      await avahi.run('avahi-resolve', '-4', '-n', 'linux-2.local'),
      new RegExp(`linux-2\\.local\\s+${OURS}`),
    )
  })

  it('Avahi finds a service of ours, with its port and text, and not after its goodbye', async () => {
    const txt = { path: '/index.html' }
    const service = await mdns.publish({ instance: 'Our site', type: '_http._tcp', port: port(8080), txt })
    const found = await avahi.run('avahi-browse', '-ktrp', '_http._tcp')
    assert.match(
      found,
      /^=;tap0;IPv4;Our\\032site;_http\._tcp;local;linux-2\.local;10\.77\.0\.2;8080;"path=\/index\.html"$/m,
    )
    assert.match(await avahi.run('avahi-browse', '-katp'), /^\+;tap0;IPv4;Our\\032site;_http\._tcp;local$/m)
    service.withdraw()
    // Avahi keeps it for the second that RFC 6762 §10.1 asks for.
    await new Promise((resolve) => setTimeout(resolve, 1500))
    assert.doesNotMatch(await avahi.run('avahi-browse', '-ktp', '_http._tcp'), /Our/)
  })

  it('we find a service of Avahi, also one whose name ours would have been', async () => {
    const seen: string[] = []
    const stop = mdns.browse('_ipp._tcp', (change, instance) => seen.push(`${change} ${instance}`))
    const publisher = avahi.spawn('avahi-publish', '-s', 'Drucker für alle', '_ipp._tcp', '631', 'a=1', 'b')
    const until = async (count: number): Promise<void> => {
      for (let i = 0; i < 300 && seen.length < count; i++) await new Promise((resolve) => setTimeout(resolve, 20))
    }
    await until(1)
    const found = await mdns.find('Drucker für alle', '_ipp._tcp')
    assert.deepEqual([found.host, found.port, { ...found.txt }], ['linux.local', 631, { a: '1', b: '' }])
    assert.equal(found.addresses.map(ipToString)[0], LINUX)
    const ours = await mdns.publish({ instance: 'Drucker für alle', type: '_ipp._tcp', port: port(632) })
    assert.equal(ours.instance, 'Drucker für alle (2)')
    ours.withdraw()
    publisher.kill()
    await until(2)
    assert.deepEqual(seen, ['added Drucker für alle', 'removed Drucker für alle'])
    stop()
  })
})
