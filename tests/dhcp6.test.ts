/** Our DHCPv6 client asks dnsmasq, which also advertises itself as the router: with addresses (M), and with information only (O). */
import assert from 'node:assert/strict'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { after, before, describe, it } from 'node:test'
import { ipv6InCidr, ipv6ToString, parseIpv6, parseIpv6Cidr } from '@mirage-ts/core/addresses'
import { NO_LOG } from '@mirage-ts/core/log'
import { type CountedDhcp6, createDhcp6 } from '@mirage-ts/net/dhcp6/client'
import { createRandom } from '@mirage-ts/node/random'
import type { Ipv6, Ipv6Cidr, Mac } from '@mirage-ts/signatures/addresses'
import type { Network } from '@mirage-ts/signatures/network'
import { createDualTestStack, type DualTestStack } from '@mirage-ts/testing/dual-stack'
import { build, copyExample, Running } from './lib/mirage.ts'
import { Namespace, NO_NAMESPACES } from './lib/namespace.ts'
import { createEndingTime, openTapIn } from './lib/tap.ts'

const MAC = 0x020000000042 as Mac
const SERVER = '2001:db8:6::1'
const POOL = parseIpv6Cidr('2001:db8:6::/112') as Ipv6Cidr

class Site {
  said = ''
  readonly stack: DualTestStack
  readonly client: CountedDhcp6
  private readonly network: Network
  private readonly namespace: Namespace
  private readonly server: ChildProcess
  private readonly time: ReturnType<typeof createEndingTime>

  private constructor(
    stack: DualTestStack,
    client: CountedDhcp6,
    network: Network,
    namespace: Namespace,
    server: ChildProcess,
    time: ReturnType<typeof createEndingTime>,
  ) {
    this.stack = stack
    this.client = client
    this.network = network
    this.namespace = namespace
    this.server = server
    this.time = time
  }

  /** dnsmasq on Linux's end of a tap, our stack and client on the other. */
  static async open(linuxAddresses: readonly string[], ...options: string[]): Promise<Site> {
    const namespace = new Namespace()
    await namespace.run('sysctl', '-q', '-w', 'net.ipv6.conf.all.accept_dad=0', 'net.ipv6.conf.default.accept_dad=0')
    const network = await openTapIn(namespace, 'tap0', { mac: MAC })
    namespace.ip('link', 'set', 'tap0', 'up')
    for (const address of linuxAddresses) namespace.ip('-6', 'addr', 'add', address, 'dev', 'tap0', 'nodad')
    const words = ['--no-daemon', '--conf-file=/dev/null', '--user=root', '--port=0', '--interface=tap0', '--log-dhcp']
    const common = [
      '--leasefile-ro',
      '--enable-ra',
      '--ra-param=tap0,4,1200',
      '--dhcp-authoritative',
      '--domain=example.org',
    ]
    const more = [`--dhcp-option=option6:dns-server,[${SERVER}]`, '--dhcp-option=option6:domain-search,example.org']
    const server = namespace.start(['dnsmasq', ...words, ...common, ...more, ...options], {
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    const time = createEndingTime()
    const stack = createDualTestStack(network, time, '10.0.0.2/24', { seed: createRandom().u32() })
    const { ethernet, ipv6, udp } = stack
    const deps = { ethernet, ipv6, udp, clock: time, time, random: createRandom(), log: NO_LOG }
    const client = await createDhcp6(deps, { hostname: 'web' })
    const site = new Site(stack, client, network, namespace, server, time)
    for (const stream of [server.stdout, server.stderr]) {
      stream?.on('data', (chunk: Buffer) => {
        site.said += chunk.toString()
      })
    }
    return site
  }

  /** Waits until `isSo`; in vain is an error with what dnsmasq said. */
  async until(isSo: () => boolean): Promise<void> {
    for (let left = 200; !isSo(); left--) {
      assert.ok(left > 0, `${this.client.state} ${JSON.stringify(this.client.counters)}; dnsmasq said:\n${this.said}`)
      await new Promise((resolve) => setTimeout(resolve, 100))
    }
  }

  /** Our addresses out of the pool. */
  lent(): readonly string[] {
    const { addresses } = this.stack.ipv6
    return addresses
      .filter((one) => typeof one === 'bigint' && ipv6InCidr(one as Ipv6, POOL))
      .map((one) => ipv6ToString(one as Ipv6))
  }

  ping(address: string): Promise<string> {
    return this.namespace.run('ping', '-6', '-c', '1', '-W', '5', address)
  }

  async close(): Promise<void> {
    this.time.end()
    this.network.close()
    if (this.server.exitCode === null) {
      this.server.kill()
      await once(this.server, 'close')
    }
    this.namespace.remove()
  }
}

describe('DHCPv6 from dnsmasq', { skip: NO_NAMESPACES }, () => {
  describe('with addresses', () => {
    let site: Site
    before(async () => {
      site = await Site.open([`${SERVER}/64`], '--dhcp-range=2001:db8:6::100,2001:db8:6::1ff,64,120')
    })
    after(() => site?.close())

    it('is lent an address, on which Linux reaches us, and told of resolver and domain', {
      timeout: 60_000,
    }, async () => {
      await site.until(() => site.lent().length > 0)
      const [address = ''] = site.lent()
      assert.match(site.said, new RegExp(`DHCPREPLY\\(tap0\\) ${address} 00:03:00:01:02:00:00:00:00:42`))
      assert.match(await site.ping(address), / 0% packet loss/)
      assert.deepEqual(site.client.config?.nameservers, [parseIpv6(SERVER)])
      assert.deepEqual(site.client.config?.searchList, ['example.org'])
      assert.match(site.said, /client provides name: web/)
    })

    it('gives it back', { timeout: 60_000 }, async () => {
      await site.client.release()
      assert.equal(site.client.state, 'stopped')
      assert.deepEqual(site.lent(), [])
      await site.until(() => /DHCPRELEASE\(tap0\)/.test(site.said))
    })
  })

  it('declines an address that Linux has, and is lent another', { timeout: 60_000 }, async (t) => {
    const range = '--dhcp-range=2001:db8:6::100,2001:db8:6::1ff,64,120'
    const site = await Site.open(
      [`${SERVER}/64`, '2001:db8:6::150/64'],
      range,
      '--dhcp-host=02:00:00:00:00:42,[2001:db8:6::150]',
    )
    t.after(() => site.close())
    await site.until(() => site.lent().length > 0)
    assert.equal(site.client.counters.duplicates, 1)
    assert.match(site.said, /DHCPDECLINE\(tap0\)/)
    assert.notEqual(site.lent()[0], '2001:db8:6::150')
  })

  it('asks for information only when the router says so', { timeout: 60_000 }, async (t) => {
    const site = await Site.open([`${SERVER}/64`], '--dhcp-range=2001:db8:6::,ra-stateless')
    t.after(() => site.close())
    await site.until(() => site.client.config !== undefined)
    assert.equal(site.client.state, 'informed')
    assert.deepEqual(site.client.config?.nameservers, [parseIpv6(SERVER)])
    assert.doesNotMatch(site.said, /DHCPSOLICIT/)
    await site.client.release()
  })

  for (const versions of ['dual', 'v6']) {
    it(`an application built with --dhcp --ip ${versions} is lent an address of IPv6, and says its name (RFC 4704)`, {
      timeout: 120_000,
    }, async (t) => {
      const namespace = new Namespace()
      const { folder, remove } = copyExample('applications/static-website')
      t.after(remove)
      namespace.addTap('tap0', '10.0.0.1/24')
      namespace.ip('-6', 'addr', 'add', `${SERVER}/64`, 'dev', 'tap0', 'nodad')
      const ranges = [
        '--dhcp-range=10.0.0.50,10.0.0.60,255.255.255.0,2m',
        '--dhcp-range=2001:db8:6::100,2001:db8:6::1ff,64,120',
      ]
      const words = ['--no-daemon', '--conf-file=/dev/null', '--user=root', '--port=0', '--interface=tap0', '--no-ping']
      const more = ['--leasefile-ro', '--enable-ra', '--ra-param=tap0,4,1200', '--dhcp-authoritative', ...ranges]
      words.push('--log-facility=-')
      const server = namespace.start(['dnsmasq', ...words, ...more], {
        stdio: ['ignore', 'ignore', 'pipe'],
      })
      let said = ''
      server.stderr?.on('data', (chunk: Buffer) => {
        said += chunk.toString()
      })
      t.after(async () => {
        server.kill()
        await once(server, 'close')
        namespace.remove()
      })
      await build(folder, '-t', 'unix', '--net', 'direct', '--dhcp', '--ip', versions)
      const website = await Running.start(folder, ['--net', 'tap:tap0', '--', '--hostname=web'], {
        ready: /listening|serving/i,
        namespace: namespace.name,
      })
      t.after(() => website.stop())
      await website.waitFor(/lent 2001:db8:6::1..\n/)
      assert.match(said, /DHCPREPLY\(tap0\) 2001:db8:6::1.. .* web\n/)
      const [, address = ''] = /lent (2001:db8:6::1..)\n/.exec(website.output) ?? []
      await website.waitFor(new RegExp(`address ${address}\n`))
      const answer = await namespace.run('curl', '-6', '-sS', '--fail', '-I', `http://[${address}]/index.html`)
      assert.match(answer, /^HTTP\/1\.1 200 /)
    })
  }
})
