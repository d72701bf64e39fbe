/** The website example over IPv6, on unix over a tap and booted in QEMU: Linux pings and fetches, radvd gives addresses. */
import assert from 'node:assert/strict'
import type { ChildProcess } from 'node:child_process'
import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { build, copyExample, Running } from './lib/mirage.ts'
import { Namespace, NO_NAMESPACES } from './lib/namespace.ts'

const RADVD = `interface tap0 {
  AdvSendAdvert on;
  MinRtrAdvInterval 3;
  MaxRtrAdvInterval 4;
  AdvDefaultPreference high;
  prefix 2001:db8:1::/64 { AdvOnLink on; AdvAutonomous on; };
  route 2001:db8:f::/48 { AdvRoutePreference low; };
  RDNSS 2001:db8:1::1 {};
};
`

const SECRET = '5f1d0c3b2a49588776655443322110ff'

for (const { target, versions, name, keys } of [
  {
    target: ['unix', '--net', 'direct'],
    versions: 'dual',
    name: 'unix with our stack over a tap, both versions',
    keys: [`--ipv6-secret=${SECRET}`, '--temporary-addresses'],
  },
  { target: ['virtio'], versions: 'v6', name: 'virtio in QEMU, IPv6 only', keys: [] },
]) {
  describe(`IPv6: ${name}`, { skip: NO_NAMESPACES }, () => {
    const { folder, remove } = copyExample('applications/static-website')
    const config = join(folder, 'radvd.conf')
    let namespace: Namespace
    let router: ChildProcess
    let website: Running
    before(async () => {
      namespace = new Namespace()
      // Linux would look for duplicates of its own address while we already ping.
      await namespace.run('sysctl', '-q', '-w', 'net.ipv6.conf.all.accept_dad=0', 'net.ipv6.conf.default.accept_dad=0')
      namespace.addTap('tap0', '10.0.0.1/24')
      for (const prefix of ['2001:db8::1/64', '2001:db8:1::1/64', '2001:db8:2::1/64']) {
        namespace.ip('-6', 'addr', 'add', prefix, 'dev', 'tap0', 'nodad')
      }
      await namespace.run('sysctl', '-q', '-w', 'net.ipv6.conf.all.forwarding=1')
      writeFileSync(config, RADVD)
      await build(folder, '-t', ...target, '--ip', versions)
      website = await Running.start(folder, ['--net', 'tap:tap0', '--', '--ipv6=2001:db8::2/64', ...keys], {
        ready: /listening|serving/i,
        namespace: namespace.name,
      })
      const pid = join(folder, 'radvd.pid')
      router = namespace.start(['radvd', '-n', '-C', config, '-p', pid, '-m', 'stderr'], {
        stdio: 'ignore',
      })
      await website.waitFor(/address 2001:db8::2\n/)
    })
    after(async () => {
      await website?.stop()
      router?.kill()
      namespace?.remove()
      rmSync(config, { force: true })
      remove()
    })

    it('is found by its neighbour, answers pings that come in pieces, serves', async () => {
      assert.match(
        await namespace.run('ping', '-6', '-c', '3', '-i', '0.2', '-s', '5000', '2001:db8::2'),
        / 0% packet loss/,
      )
      const answer = await namespace.run('curl', '-6', '-sS', '--fail', '-I', 'http://[2001:db8::2]/index.html')
      assert.match(answer, /^HTTP\/1\.1 200 /)
    })

    it('answers at its link-local address', async () => {
      const [, local = ''] = /address (fe80:\S+)/.exec(website.output) ?? []
      assert.match(await namespace.run('ping', '-6', '-c', '2', '-i', '0.2', `${local}%tap0`), / 0% packet loss/)
    })

    it('takes an address from radvd, and its way to other networks', async () => {
      await website.waitFor(/address 2001:db8:1:\S+/)
      const [, given = ''] = /address (2001:db8:1:\S+)/.exec(website.output) ?? []
      // From an address that is in none of our networks: the answer goes by way of the router.
      const curl = ['--interface', '2001:db8:2::1', '-6', '-sS', '--fail', '-I', `http://[${given}]/index.html`]
      assert.match(await namespace.run('curl', ...curl), /^HTTP\/1\.1 200 /)
    })

    it('has addresses of its MAC, or of a secret and temporary ones, as it was told (RFC 7217, RFC 8981)', async () => {
      const given = (): string[] => [...website.output.matchAll(/address (2001:db8:1:\S+)/g)].map(([, one = '']) => one)
      await website.waitFor(
        keys.length === 0 ? /address 2001:db8:1:\S+/ : /address 2001:db8:1:[\s\S]*address 2001:db8:1:\S+/,
      )
      assert.equal(given().length, keys.length === 0 ? 1 : 2)
      for (const one of given()) {
        assert.equal(one.includes('ff:fe'), keys.length === 0)
        assert.match(await namespace.run('ping', '-6', '-c', '1', one), / 0% packet loss/)
      }
    })

    it('speaks IPv4 or not, as it was configured', async () => {
      const curl = namespace.run(
        'curl',
        '-4',
        '-sS',
        '-m',
        '2',
        '-o',
        '/dev/null',
        '-w',
        '%{http_code}',
        'http://10.0.0.2/',
      )
      if (versions === 'dual') assert.equal(await curl, '200')
      else await assert.rejects(curl)
    })
  })
}
