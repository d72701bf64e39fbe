/**
 * The resolver example in a closed world: a namespace in which NSD serves the root, a top level and a zone, each at an
 * address of its own, and dig asks. Nothing leaves the namespace.
 */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { build, copyExample, Running } from './lib/mirage.ts'
import { Namespace, NO_NAMESPACES } from './lib/namespace.ts'
import { Nsd } from './lib/nsd.ts'

const EXAMPLE = 'applications/resolver'
const READY = /listening on port/i
const ROOT = '10.0.0.11'
const TOP = '10.0.0.12'
const LEAF = '10.0.0.13'

const SOA = (name: string) => `$TTL 300\n@ SOA ${name} root.${name} 1 3600 600 86400 60\n`
const ZONES: readonly (readonly [address: string, origin: string, text: string])[] = [
  [
    ROOT,
    '.',
    `${SOA('a.root.')}@ NS a.root.\na.root. A ${ROOT}\ntest. NS ns.test.\nns.test. A ${TOP}\none. NS ns.two.\ntwo. NS ns.one.\ndead. NS ns.dead.\nns.dead. A 10.0.0.99\n`,
  ],
  [TOP, 'test', `${SOA('ns')}@ NS ns\nns A ${TOP}\nexample NS ns.example\nns.example A ${LEAF}\n`],
  [
    LEAF,
    'example.test',
    `${SOA('ns')}@ NS ns\nns A ${LEAF}\nwww A 192.0.2.1\nwww AAAA 2001:db8::1\nalias CNAME www\n*.wild TXT "any"\nold DNAME new\nx.new A 192.0.2.3\nbig TXT ${'"0123456789012345678901234567890123456789" '.repeat(60)}\n`,
  ],
]

for (const [what, ...options] of [
  ['virtio in QEMU', '-t', 'virtio'],
  ['spt', '-t', 'spt'],
  ['unix with our stack', '-t', 'unix', '--net', 'direct'],
] as const) {
  describe(`resolver on ${what}, in a closed world with NSD`, { skip: NO_NAMESPACES }, () => {
    const { folder, remove } = copyExample(EXAMPLE)
    const servers: Nsd[] = []
    let namespace: Namespace
    let resolver: Running

    const dig = (...args: readonly string[]) =>
      namespace.run('dig', '@10.0.0.2', '+tries=2', '+time=15', '+nocookie', ...args)

    before(async () => {
      namespace = new Namespace()
      namespace.addTap('tap0', '10.0.0.1/24')
      for (const [address, origin, text] of ZONES) {
        namespace.ip('addr', 'add', `${address}/24`, 'dev', 'tap0')
        servers.push(new Nsd({ namespace, address, port: 53, origin, zone: text }))
      }
      await build(folder, ...options)
      const args = ['--net', 'tap:tap0', '--', '--ipv4=10.0.0.2/24', `--root-servers=${ROOT}`]
      resolver = await Running.start(folder, args, { ready: READY, namespace: namespace.name })
    })
    after(async () => {
      await resolver?.stop()
      for (const server of servers) await server.stop()
      namespace?.remove()
      remove()
    })

    it('finds names from the root on: data, aliases, wildcards, DNAME', async () => {
      assert.equal(await dig('+short', 'www.example.test'), '192.0.2.1\n')
      assert.equal(await dig('+short', 'alias.example.test', 'AAAA'), 'www.example.test.\n2001:db8::1\n')
      assert.equal(await dig('+short', 'a.b.wild.example.test', 'TXT'), '"any"\n')
      assert.equal(await dig('+short', 'x.old.example.test'), 'x.new.example.test.\n192.0.2.3\n')
      assert.match(await dig('www.example.test'), /flags: qr rd ra;/)
    })

    it('there is none: NXDOMAIN and no data, with the SOA record', async () => {
      assert.match(await dig('none.example.test'), /status: NXDOMAIN[\s\S]*SOA\s+ns\.example\.test\./)
      assert.match(await dig('none.none'), /status: NXDOMAIN/)
      assert.match(await dig('www.example.test', 'MX'), /status: NOERROR[\s\S]*ANSWER: 0, AUTHORITY: 1/)
    })

    it('long answers come over TCP on both sides', async () => {
      assert.match(await dig('big.example.test', 'TXT'), /Truncated, retrying in TCP mode[\s\S]*status: NOERROR/)
    })

    it("servers in each other's zone, and one that is dead: SERVFAIL with the reason", async () => {
      assert.match(await dig('www.one'), /status: SERVFAIL/)
      assert.match(await dig('www.dead'), /EDE: 22 \(No Reachable Authority\)[\s\S]*10\.0\.0\.99/)
      assert.equal(await dig('+short', 'www.example.test'), '192.0.2.1\n')
    })

    if (what === 'virtio in QEMU')
      it('another one on unix hands its questions on to it', async () => {
        const forwarder = copyExample(EXAMPLE)
        let running: Running | undefined
        try {
          await build(forwarder.folder, '-t', 'unix')
          const args = ['--', '--port=5301', '--forward-to=10.0.0.2']
          running = await Running.start(forwarder.folder, args, { ready: READY, namespace: namespace.name })
          const ask = (...words: readonly string[]) =>
            namespace.run('dig', '@127.0.0.1', '-p', '5301', '+tries=2', '+time=15', '+nocookie', ...words)
          assert.equal(await ask('+short', 'alias.example.test', 'AAAA'), 'www.example.test.\n2001:db8::1\n')
          assert.match(await ask('none.example.test'), /status: NXDOMAIN[\s\S]*SOA\s+ns\.example\.test\./)
          assert.match(await ask('big.example.test', 'TXT'), /Truncated, retrying in TCP mode[\s\S]*status: NOERROR/)
          assert.match(await ask('www.one'), /status: SERVFAIL/)
          assert.match(await ask('+norecurse', 'www.example.test'), /status: REFUSED/)
        } finally {
          await running?.stop()
          forwarder.remove()
        }
      })
  })
}
