/**
 * The dnsmasq-like example looks after a network of namespaces: dhclient and udhcpc get addresses of both versions of
 * IP, find each other by name, and ask it for names of a zone that NSD serves in another namespace.
 */
import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { build, copyExample, ROOT, Running } from './lib/mirage.ts'
import { Namespace, NO_NAMESPACES } from './lib/namespace.ts'
import { Nsd } from './lib/nsd.ts'

const SCRIPT = join(ROOT, 'tests/lib/lan-client.sh')
const ZONE = `$TTL 300\n@ SOA ns root 1 3600 600 86400 60\n@ NS ns\nns A 10.0.0.9\nwww A 192.0.2.1\n`

/** A network: a bridge in a namespace of its own, with a tap for the unikernel. */
class Lan {
  readonly hub = new Namespace()
  private readonly hosts: Namespace[] = []

  constructor() {
    const { hub } = this
    hub.ip('link', 'add', 'br0', 'type', 'bridge')
    hub.ip('tuntap', 'add', 'dev', 'tap0', 'mode', 'tap')
    for (const device of ['br0', 'tap0']) hub.ip('link', 'set', device, 'up')
    hub.ip('link', 'set', 'tap0', 'master', 'br0')
  }

  /** A host with an interface `eth0` and no address. */
  addHost(mac: string): Namespace {
    const host = new Namespace()
    const end = `port${this.hosts.length}`
    this.hosts.push(host)
    this.hub.ip('link', 'add', end, 'type', 'veth', 'peer', 'name', 'eth0', 'address', mac, 'netns', host.name)
    this.hub.ip('link', 'set', end, 'master', 'br0')
    this.hub.ip('link', 'set', end, 'up')
    host.ip('link', 'set', 'eth0', 'up')
    return host
  }

  remove(): void {
    for (const host of this.hosts) host.remove()
    this.hub.remove()
  }
}

for (const target of ['unix', 'spt', 'virtio']) {
  describe(`a network that the dnsmasq-like example on ${target} looks after`, { skip: NO_NAMESPACES }, () => {
    const { folder, remove } = copyExample('applications/dnsmasq-like')
    const scratch = mkdtempSync(join(tmpdir(), 'mirage-lan-'))
    const file = (name: string): string => join(scratch, name)
    let lan: Lan
    let alpha: Namespace
    let beta: Namespace
    let printer: Namespace
    let upstream: Namespace
    let nsd: Nsd
    let server: Running

    /** Asks the unikernel from `host`. */
    const dig = async (host: Namespace, ...args: readonly string[]): Promise<string> =>
      (await host.run('dig', '@10.0.0.1', '+short', '+tries=3', '+time=5', ...args)).trim()
    const dhclient = (host: Namespace, name: string, ...args: readonly string[]): Promise<string> => {
      const files = ['-lf', file(`${name}.leases`), '-pf', file(`${name}.pid`), '-cf', file(`${name}.conf`)]
      return host.run('dhclient', '-1', '-v', '-sf', SCRIPT, ...files, ...args, 'eth0')
    }

    before(async () => {
      lan = new Lan()
      alpha = lan.addHost('02:00:00:00:00:0a')
      beta = lan.addHost('02:00:00:00:00:0b')
      printer = lan.addHost('02:00:00:00:00:0c')
      upstream = lan.addHost('02:00:00:00:00:09')
      upstream.ip('addr', 'add', '10.0.0.9/24', 'dev', 'eth0')
      // In use without a lease: beta will ask for it.
      upstream.ip('addr', 'add', '10.0.0.50/24', 'dev', 'eth0')
      nsd = new Nsd({ namespace: upstream, address: '10.0.0.9', port: 53, origin: 'example.test', zone: ZONE })
      await build(folder, '-t', target, '--kv-rw', 'memory')
      const args = [
        '--ipv6=fd00::1/64',
        '--first=10.0.0.50',
        '--last=10.0.0.53',
        '--hosts=02:00:00:00:00:0c=10.0.0.7=printer',
        '--forward-to=10.0.0.9',
      ]
      const options = { ready: /serving DHCPv6/, namespace: lan.hub.name }
      server = await Running.start(folder, ['--net', 'tap:tap0', '--', ...args], options)
    })
    after(async () => {
      // Where a test failed, dhclient goes on in the background.
      for (const name of ['alpha.pid', 'alpha6.pid']) {
        if (existsSync(file(name))) process.kill(Number(readFileSync(file(name), 'utf8')))
      }
      await server?.stop()
      await nsd?.stop()
      lan?.remove()
      rmSync(scratch, { recursive: true, force: true })
      remove()
    })

    it('lends addresses to dhclient and udhcpc, and the one of its own to a printer', async () => {
      writeFileSync(
        file('alpha.conf'),
        'send host-name "alpha";\nrequest subnet-mask, domain-name, domain-name-servers;\n',
      )
      const said = await dhclient(alpha, 'alpha', '-4')
      assert.match(said, /said reason=BOUND address=10\.0\.0\.5[123] mask=255\.255\.255\.0 domain=lan dns=10\.0\.0\.1/)
      const udhcpc = ['-i', 'eth0', '-f', '-q', '-n', '-s', SCRIPT]
      const heard = await beta.run('udhcpc', ...udhcpc, '-F', 'beta', '-r', '10.0.0.50')
      assert.match(heard, /said reason=bound address=10\.0\.0\.5[123] mask=255\.255\.255\.0 domain=lan dns=10\.0\.0\.1/)
      assert.match(await printer.run('udhcpc', ...udhcpc), /said reason=bound address=10\.0\.0\.7 /)
      assert.doesNotMatch(said + heard, /10\.0\.0\.50/)
    })

    it('knows them by name, forward and back, and they reach each other', async () => {
      const address = await dig(beta, 'alpha.lan')
      assert.match(address, /^10\.0\.0\.5[123]$/)
      assert.equal(await dig(beta, '-x', address), 'alpha.lan.')
      assert.match(await beta.run('ping', '-c', '1', '-W', '5', address), / 0% packet loss/)
      assert.match(await dig(alpha, 'beta.lan'), /^10\.0\.0\.5[123]$/)
      assert.equal(await dig(alpha, 'printer.lan'), '10.0.0.7')
      assert.equal(await dig(alpha, 'gateway.lan'), '10.0.0.1')
      assert.equal(await dig(alpha, 'nobody.lan'), '')
    })

    it('lends IPv6 addresses to dhclient and announces the prefix', async () => {
      // dhclient waits for a link-local address by itself, but not for it to be usable.
      await alpha.run(
        'sh',
        '-c',
        'until ip -6 addr show dev eth0 scope link -tentative | grep -q fe80; do sleep 0.1; done',
      )
      writeFileSync(
        file('alpha6.conf'),
        'send fqdn.fqdn "alpha.";\nsend fqdn.server-update on;\nrequest dhcp6.name-servers, dhcp6.domain-search, dhcp6.fqdn;\n',
      )
      const said = await dhclient(alpha, 'alpha6', '-6')
      assert.match(said, /said reason=BOUND6 address=fd00::1[0-9a-f]{3} .*domain=lan\.? dns=fd00::1/)
      const address = await dig(alpha, 'AAAA', 'alpha.lan')
      assert.match(address, /^fd00::1[0-9a-f]{3}$/)
      assert.equal(await dig(beta, '-x', address), 'alpha.lan.')
      // The route to the prefix comes from an advertisement; without it the address would be alone.
      const routed = 'until ip -6 route show dev eth0 proto kernel | grep -q "^fd00::/64.*expires"; do sleep 0.1; done'
      await alpha.run('timeout', '40', 'sh', '-c', routed)
      assert.match(await alpha.run('ping', '-6', '-c', '1', '-W', '5', 'fd00::1'), / 0% packet loss/)
      const over6 = await alpha.run('dig', '@fd00::1', '+short', '+tries=3', '+time=5', 'printer.lan')
      assert.equal(over6.trim(), '10.0.0.7')
    })

    it('asks another resolver for everything else', async () => {
      assert.equal(await dig(beta, 'www.example.test'), '192.0.2.1')
    })

    it('forgets who gives its address back', async () => {
      await dhclient(alpha, 'alpha', '-4', '-r')
      assert.equal(await dig(beta, 'alpha.lan'), '')
      await dhclient(alpha, 'alpha6', '-6', '-r')
      assert.equal(await dig(beta, 'AAAA', 'alpha.lan'), '')
    })
  })
}
