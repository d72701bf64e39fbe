/** The website example asks dnsmasq for its address, on unix over a tap and booted in QEMU; Linux then pings and fetches. */
import assert from 'node:assert/strict'
import type { ChildProcess } from 'node:child_process'
import { after, before, describe, it } from 'node:test'
import { build, copyExample, Running } from './lib/mirage.ts'
import { Namespace, NO_NAMESPACES } from './lib/namespace.ts'

for (const { target, name } of [
  { target: ['unix', '--net', 'direct'], name: 'unix with our stack over a tap' },
  { target: ['virtio'], name: 'virtio in QEMU' },
]) {
  describe(`DHCP from dnsmasq: ${name}`, { skip: NO_NAMESPACES }, () => {
    const { folder, remove } = copyExample('applications/static-website')
    let namespace: Namespace
    let server: ChildProcess
    let website: Running
    const said: string[] = []
    before(async () => {
      namespace = new Namespace()
      namespace.addTap('tap0', '10.0.0.1/24')
      const options = [
        '--no-daemon',
        '--conf-file=/dev/null',
        '--user=root',
        '--port=0',
        '--interface=tap0',
        '--bind-interfaces',
        '--dhcp-authoritative',
        '--no-ping',
        '--leasefile-ro',
        '--log-dhcp',
        '--dhcp-range=10.0.0.50,10.0.0.60,255.255.255.0,2m',
        '--dhcp-option=option:router,10.0.0.1',
        '--dhcp-option=option:dns-server,10.0.0.1',
        '--domain=example.org',
      ]
      server = namespace.start(['dnsmasq', ...options], {
        stdio: ['ignore', 'pipe', 'pipe'],
      })
      for (const stream of [server.stdout, server.stderr])
        stream?.on('data', (chunk: Buffer) => said.push(chunk.toString()))
      await build(folder, '-t', ...target, '--dhcp')
      website = await Running.start(folder, ['--net', 'tap:tap0', '--', '--hostname=web'], {
        ready: /listening|serving/i,
        namespace: namespace.name,
      })
    })
    after(async () => {
      await website?.stop()
      server?.kill()
      namespace?.remove()
      remove()
    })

    it('takes the address it is offered, with its router, and says its name', () => {
      const [, address = ''] =
        /address (10\.0\.0\.\d+)\/24, router 10\.0\.0\.1, from 10\.0\.0\.1/.exec(website.output) ?? []
      assert.match(said.join(''), new RegExp(`DHCPACK\\(tap0\\) ${address.replaceAll('.', '\\.')} \\S+ web`))
    })

    it('serves there, and answers pings that come in pieces', async () => {
      const [, address = ''] = /address (10\.0\.0\.\d+)/.exec(website.output) ?? []
      assert.match(
        await namespace.run('curl', '-sS', '--fail', '-I', `http://${address}/index.html`),
        /^HTTP\/1\.1 200 /,
      )
      assert.match(await namespace.run('ping', '-c', '3', '-i', '0.2', '-s', '5000', address), / 0% packet loss/)
    })
  })
}
