/** Zones that dnssec-signzone has signed, served by us: delv, which believes nobody, validates every kind of answer. */
import assert from 'node:assert/strict'
import { execFile, execFileSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { promisify } from 'node:util'
import { dnsName, nameKey } from '@mirage-ts/apps/dns/name'
import { NOBODY } from '@mirage-ts/apps/dns/policy'
import { createDnsServer, type DnsServer } from '@mirage-ts/apps/dns/server'
import { loadZone } from '@mirage-ts/apps/dns/server-config'
import { port } from '@mirage-ts/core/addresses'
import { NO_LOG } from '@mirage-ts/core/log'
import { createMonotonicClock, createWallClock } from '@mirage-ts/node/clock'
import { createHostStack } from '@mirage-ts/node/host-stack'
import { createDirectoryKv } from '@mirage-ts/node/kv-directory'
import { createRandom } from '@mirage-ts/node/random'
import { createTime } from '@mirage-ts/node/time'

const ZONE = `$TTL 300
@ SOA ns root 1 3600 600 86400 60
@ NS ns
ns A 192.0.2.53
www A 192.0.2.1
www AAAA 2001:db8::1
alias CNAME www
*.wild TXT "any"
there.wild TXT "this one"
a.b.c A 192.0.2.2
old DNAME new
x.new A 192.0.2.3
sub NS ns.sub
ns.sub A 192.0.2.54
safe NS ns.safe
ns.safe A 192.0.2.55
safe DS 12345 13 2 0123456789012345678901234567890123456789012345678901234567890123
`

describe('signed zones, validated by delv', () => {
  for (const { what, algorithm, options } of [
    { what: 'NSEC, ECDSA P-256', algorithm: 'ECDSAP256SHA256', options: [] },
    { what: 'NSEC3, Ed25519', algorithm: 'ED25519', options: ['-3', '-'] },
    {
      what: 'NSEC3 with salt, iterations and opt-out',
      algorithm: 'ECDSAP256SHA256',
      options: ['-3', 'abcd', '-H', '5', '-A'],
    },
  ]) {
    describe(what, () => {
      const folder = mkdtempSync(join(tmpdir(), 'mirage-dnssec-'))
      let server: DnsServer

      before(async () => {
        const run = (file: string, ...args: readonly string[]) =>
          execFileSync(file, args, { cwd: folder, encoding: 'latin1', stdio: ['ignore', 'pipe', 'pipe'] })
        writeFileSync(join(folder, 'zone'), ZONE)
        run('dnssec-keygen', '-q', '-a', algorithm, '-f', 'KSK', 'example.test')
        run('dnssec-keygen', '-q', '-a', algorithm, 'example.test')
        run('dnssec-signzone', '-S', '-z', ...options, '-o', 'example.test', '-f', 'signed', 'zone')
        const keyFile = readdirSync(folder).find(
          (name) => name.endsWith('.key') && / 257 /.test(readFileSync(join(folder, name), 'latin1')),
        )
        const [, key = ''] = / 257 3 (\d+ .*)/.exec(readFileSync(join(folder, keyFile ?? ''), 'latin1')) ?? []
        const [number, ...digits] = key.split(' ')
        writeFileSync(
          join(folder, 'anchors'),
          `trust-anchors { example.test. static-key 257 3 ${number} "${digits.join('')}"; };\n`,
        )
        const origin = nameKey(dnsName('example.test'))
        const zone = await loadZone(await createDirectoryKv({}, { folder }), origin, 'signed')
        const policy = { transferTo: NOBODY, updateFrom: NOBODY, notifyFrom: NOBODY }
        const deps = { clock: createMonotonicClock(), wallClock: createWallClock(), random: createRandom() }
        server = await createDnsServer(
          { ...deps, stack: createHostStack(), time: createTime(), log: NO_LOG },
          { port: port(0), zones: [{ origin, zone, policy }] },
        )
      })
      after(async () => {
        await server?.close()
        rmSync(folder, { recursive: true, force: true })
      })

      const delv = async (name: string, type = 'A'): Promise<string> => {
        const words = ['@127.0.0.1', '-p', String(server.port), '-a', join(folder, 'anchors'), '+root=example.test']
        const { stdout, stderr } = await promisify(execFile)('delv', [...words, `${name}example.test`, type])
        return stdout + stderr
      }

      it('data, aliases, DNAME, what wildcards make', async () => {
        assert.match(
          await delv('www.'),
          /^; fully validated\nwww\.example\.test\.\s+300\s+IN\s+A\s+192\.0\.2\.1\n.*RRSIG/m,
        )
        assert.match(await delv('', 'DNSKEY'), /^; fully validated/m)
        assert.match(await delv('alias.'), /^; fully validated[\s\S]*CNAME[\s\S]*192\.0\.2\.1/m)
        assert.match(await delv('x.old.'), /^; fully validated[\s\S]*DNAME[\s\S]*192\.0\.2\.3/m)
        // RFC 5155 §9.2: where spans opt out the name could be an unsigned delegation; the answer is right, and not secure.
        const verdict = options.includes('-A') ? 'unsigned answer' : 'fully validated'
        const made = new RegExp(`^; ${verdict}\nno\\.such\\.wild\\.example\\.test\\..*"any"`, 'm')
        assert.match(await delv('no.such.wild.', 'TXT'), made)
        assert.match(await delv('safe.', 'DS'), /^; fully validated[\s\S]*DS\s+12345/m)
      })

      it('that there is nothing: no name, no type, empty names, wildcards without the type', async () => {
        const nothing = /^; negative response, fully validated/m
        assert.match(await delv('none.'), nothing)
        assert.match(await delv('none.b.c.'), nothing)
        assert.match(await delv('zzz.'), nothing)
        assert.match(await delv('a.a.a.a.'), nothing)
        assert.match(await delv('www.', 'MX'), nothing)
        assert.match(await delv('', 'MX'), nothing)
        assert.match(await delv('b.c.'), nothing)
        assert.match(await delv('x.wild.', 'MX'), nothing)
        assert.match(await delv('there.wild.', 'MX'), nothing)
      })

      it('that a delegation is not signed', async () => {
        // Where spans opt out, nothing is said about a delegation in them: that it may be unsigned is all that is proved.
        const unsigned = options.includes('-A')
          ? /negative response, (fully validated|unsigned answer)/
          : /negative response, fully validated/
        assert.match(await delv('sub.', 'DS'), unsigned)
      })

      it('nothing of it for those who do not ask', async () => {
        const words = ['@127.0.0.1', '-p', String(server.port), '+norec', 'none.example.test']
        const { stdout } = await promisify(execFile)('dig', words)
        assert.match(stdout, /AUTHORITY: 1,/)
        assert.doesNotMatch(stdout, /RRSIG|NSEC/)
      })
    })
  }
})
