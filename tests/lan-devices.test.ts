/** A unikernel made of the devices for local networks: Linux gets addresses of both versions of IP from it, and finds it by name. */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { build, copyExample, ROOT, Running } from './lib/mirage.ts'
import { Namespace, NO_NAMESPACES } from './lib/namespace.ts'

const ASK = join(ROOT, 'tests/lib/ask-multicast.mjs')
const SCRIPT = join(ROOT, 'tests/lib/lan-client.sh')

for (const target of ['unix', 'spt']) {
  describe(`devices for local networks on ${target}`, { skip: NO_NAMESPACES }, () => {
    const { folder, remove } = copyExample('../tests/unikernels/lan-devices')
    let host: Namespace
    let gateway: Running

    before(async () => {
      host = new Namespace()
      host.ip('tuntap', 'add', 'dev', 'tap0', 'mode', 'tap')
      await build(folder, '-t', target, '--kv-rw', 'memory')
      const args = [
        ...['--ipv4=10.0.0.1/24', '--ipv6=fd00::1/64', '--mdns-hostname=gate'],
        ...[
          '--lend-ipv4=10.0.0.1/24',
          '--lend-last=10.0.0.50',
          '--lend-router=10.0.0.1',
          '--lend-domain=lan',
          '--lend-nameservers=10.0.0.2',
        ],
        '--advertise-lifetime=600',
      ]
      host.ip('link', 'set', 'tap0', 'up')
      gateway = await Running.start(folder, ['--net', 'tap:tap0', '--', ...args], {
        ready: /gate\.local has 0 leases/,
        namespace: host.name,
      })
    })
    after(async () => {
      await gateway?.stop()
      host?.remove()
      remove()
    })

    it('lends udhcpc an address, with a router, a domain and a resolver', async () => {
      const said = await host.run('udhcpc', '-i', 'tap0', '-f', '-q', '-n', '-s', SCRIPT, '-F', 'linux')
      assert.match(said, /said reason=bound address=10\.0\.0\.50 mask=255\.255\.255\.0 domain=lan dns=10\.0\.0\.2/)
    })

    it('advertises a prefix, of which Linux makes an address, and itself as a router', async () => {
      let seen = ''
      for (let i = 0; i < 100 && !/default/.test(seen); i++) {
        await sleep(100)
        seen = (await host.run('ip', '-6', 'addr', 'show', 'dev', 'tap0')) + (await host.run('ip', '-6', 'route'))
      }
      assert.match(seen, /inet6 fd00::\S+\/64 scope global/)
      assert.match(seen, /default via fe80::/)
    })

    it('has a name on the link, which an ordinary resolver asks the group for', async () => {
      const said = await host.run(process.execPath, ASK, 'gate.local', '10.0.0.50')
      assert.match(said, /^10\.0\.0\.1:5353 id=1234 questions=1 ttl=10 10\.0\.0\.1$/m)
    })

    it('answers a peer alone who wants it so (RFC 6762 §5.4)', async () => {
      const said = await host.run(process.execPath, ASK, 'gate.local', '10.0.0.50', 'qu')
      assert.match(said, /^10\.0\.0\.1:5353 id=0 questions=0 ttl=120 10\.0\.0\.1$/m)
    })
  })
}
