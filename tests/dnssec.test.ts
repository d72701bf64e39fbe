/**
 * Zones that dnssec-signzone or we have signed, served by us: delv, which believes nobody, validates every kind of answer.
 * dnssec-verify looks at what we signed as a whole.
 */
import assert from 'node:assert/strict'
import { execFile, execFileSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { promisify } from 'node:util'
import { type DenialOptions, dnskeyRdata, signZone } from '@mirage-ts/apps/dns/dnssec/sign-zone'
import { createZoneSigner } from '@mirage-ts/apps/dns/dnssec/zone-signer'
import { NOBODY } from '@mirage-ts/apps/dns/server/policy'
import { createDnsServer, type DnsServer } from '@mirage-ts/apps/dns/server/server'
import { loadZone } from '@mirage-ts/apps/dns/server/server-config'
import { formatRr } from '@mirage-ts/apps/dns/wire/message'
import { dnsName, nameKey } from '@mirage-ts/apps/dns/wire/name'
import { formatRdata } from '@mirage-ts/apps/dns/wire/rdata-text'
import { TYPE } from '@mirage-ts/apps/dns/wire/types'
import { ipv4, port } from '@mirage-ts/core/addresses'
import { NO_LOG } from '@mirage-ts/core/log'
import { createMonotonicClock, createWallClock } from '@mirage-ts/node/clock'
import { createHostStack } from '@mirage-ts/node/host-stack'
import { createDirectoryKv } from '@mirage-ts/node/kv-directory'
import { createRandom } from '@mirage-ts/node/random'
import { createTime } from '@mirage-ts/node/time'
import type { WallInstant } from '@mirage-ts/signatures/time'
import type { ZoneKey } from '@mirage-ts/signatures/zone-key'
import { createZoneKey } from '@mirage-ts/testing/zone-key'

const ORIGIN = nameKey(dnsName('example.test'))

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
Mixed MX 10 Mail.NEW
mixed MX 9 x\\000y
mixed HTTPS 1 Svc.New alpn=h2
mixed CAA 0 issue "ca.test"
mixed TXT "b"
mixed TXT "aa"
mixed TXT ""
sub NS ns.sub
ns.sub A 192.0.2.54
safe NS ns.safe
ns.safe A 192.0.2.55
safe DS 12345 13 2 0123456789012345678901234567890123456789012345678901234567890123
`

/** Signs the file `zone` of `folder` into `signed`; returns the data of the DNSKEY record to trust. */
type Sign = (folder: string) => string | Promise<string>

function run(folder: string, file: string, ...args: readonly string[]): string {
  return execFileSync(file, args, { cwd: folder, encoding: 'latin1', stdio: ['ignore', 'pipe', 'pipe'] })
}

function signedByBind(algorithm: string, options: readonly string[]): Sign {
  return (folder) => {
    run(folder, 'dnssec-keygen', '-q', '-a', algorithm, '-f', 'KSK', 'example.test')
    run(folder, 'dnssec-keygen', '-q', '-a', algorithm, 'example.test')
    run(folder, 'dnssec-signzone', '-S', '-z', ...options, '-o', 'example.test', '-f', 'signed', 'zone')
    const files = readdirSync(folder).filter((name) => name.endsWith('.key'))
    const [, key = ''] =
      / DNSKEY (257 3 \d+ .*)/.exec(files.map((file) => readFileSync(join(folder, file))).join('')) ?? []
    return key
  }
}

function signedByUs(keys: readonly ZoneKey[], denial: DenialOptions = { kind: 'nsec' }): Sign {
  return async (folder) => {
    const zone = await loadZone(await createDirectoryKv({}, { folder }), createRandom(), ORIGIN, 'zone')
    const now = createWallClock().now()
    const hourMicros = 3600e6
    const inception = (now - hourMicros) as WallInstant
    const expiration = (now + 24 * hourMicros) as WallInstant
    const rrs = await signZone(zone, { keys, inception, expiration, denial })
    writeFileSync(join(folder, 'signed'), `${rrs.map(formatRr).join('\n')}\n`)
    run(folder, 'dnssec-verify', ...(keys.length === 1 ? ['-z'] : []), '-o', 'example.test', 'signed')
    return formatRdata(TYPE.DNSKEY, dnskeyRdata(keys[0] as ZoneKey))
  }
}

describe('signed zones, validated by delv', () => {
  for (const { what, sign, isOptOut = false } of [
    { what: 'NSEC, ECDSA P-256', sign: signedByBind('ECDSAP256SHA256', []) },
    { what: 'NSEC3, Ed25519', sign: signedByBind('ED25519', ['-3', '-']) },
    {
      what: 'NSEC3 with salt, iterations and opt-out',
      sign: signedByBind('ECDSAP256SHA256', ['-3', 'abcd', '-H', '5', '-A']),
      isOptOut: true,
    },
    {
      what: 'signed by us: NSEC, Ed25519, a key for the entry and one for the zone',
      sign: signedByUs([createZoneKey(15, 'secure-entry-point'), createZoneKey(15, 'zone')]),
    },
    { what: 'signed by us: NSEC, ECDSA P-256, one key', sign: signedByUs([createZoneKey(13, 'secure-entry-point')]) },
    {
      what: 'signed by us: NSEC3, Ed25519',
      sign: signedByUs([createZoneKey(15, 'secure-entry-point')], { kind: 'nsec3' }),
    },
    {
      what: 'signed by us: NSEC3 with salt, iterations and opt-out, ECDSA P-256',
      sign: signedByUs([createZoneKey(13, 'secure-entry-point')], {
        kind: 'nsec3',
        salt: Uint8Array.of(0xab, 0xcd),
        iterations: 5,
        isOptOut: true,
      }),
      isOptOut: true,
    },
  ]) {
    describe(what, () => {
      const folder = mkdtempSync(join(tmpdir(), 'mirage-dnssec-'))
      let server: DnsServer

      before(async () => {
        writeFileSync(join(folder, 'zone'), ZONE)
        const [flags, protocol, number, ...digits] = (await sign(folder)).split(' ')
        writeFileSync(
          join(folder, 'anchors'),
          `trust-anchors { example.test. static-key ${flags} ${protocol} ${number} "${digits.join('')}"; };\n`,
        )
        const zone = await loadZone(await createDirectoryKv({}, { folder }), createRandom(), ORIGIN, 'signed')
        const policy = { transferTo: NOBODY, updateFrom: NOBODY, notifyFrom: NOBODY }
        const deps = { clock: createMonotonicClock(), wallClock: createWallClock(), random: createRandom() }
        server = await createDnsServer(
          { ...deps, stack: createHostStack(), time: createTime(), log: NO_LOG },
          { port: port(0), zones: [{ origin: ORIGIN, zone, policy }] },
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
        const verdict = isOptOut ? 'unsigned answer' : 'fully validated'
        const made = new RegExp(`^; ${verdict}\nno\\.such\\.wild\\.example\\.test\\..*"any"`, 'm')
        assert.match(await delv('no.such.wild.', 'TXT'), made)
        for (const type of ['MX', 'HTTPS', 'CAA', 'TXT'])
          assert.match(await delv('MIXED.', type), /^; fully validated/m)
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
        const unsigned = isOptOut
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

for (const { what, denial } of [
  { what: 'NSEC', denial: { kind: 'nsec' } },
  { what: 'NSEC3', denial: { kind: 'nsec3' } },
  { what: 'NSEC3 with opt-out', denial: { kind: 'nsec3', isOptOut: true } },
] as const) {
  it(`a zone that nsupdate changes is signed as a whole: dnssec-verify, after each update (${what})`, async () => {
    const folder = mkdtempSync(join(tmpdir(), 'mirage-dnssec-'))
    writeFileSync(join(folder, 'zone'), ZONE)
    const zone = await loadZone(await createDirectoryKv({}, { folder }), createRandom(), ORIGIN, 'zone')
    const anybody = { keys: [], networks: [{ address: ipv4(127, 0, 0, 1), prefixBits: 32 }] }
    const policy = { transferTo: anybody, updateFrom: anybody, notifyFrom: NOBODY }
    const deps = { clock: createMonotonicClock(), wallClock: createWallClock(), random: createRandom() }
    const signer = createZoneSigner(deps, { keys: [createZoneKey(13, 'secure-entry-point')], denial })
    const server = await createDnsServer(
      { ...deps, stack: createHostStack(), time: createTime(), log: NO_LOG },
      { port: port(0), zones: [{ origin: ORIGIN, zone, policy, signer }] },
    )
    try {
      const at = ['-p', String(server.port), '@127.0.0.1']
      for (const update of [
        'add new.example.test 60 A 192.0.2.9\nadd deep.er.new.example.test 60 TXT "x"',
        'add cut.example.test 60 NS ns.cut.example.test\nadd ns.cut.example.test 60 A 192.0.2.10',
        'add b.c.example.test 60 NS ns.example.test',
        `delete a.b.c.example.test\ndelete cut.example.test NS\nadd sub.example.test 60 DS 1 13 2 ${'00112233'.repeat(8)}`,
        'delete deep.er.new.example.test\ndelete old.example.test DNAME\ndelete b.c.example.test',
      ]) {
        const script = `server 127.0.0.1 ${server.port}\nzone example.test\n${update}\nsend\n`
        writeFileSync(join(folder, 'update'), script)
        await promisify(execFile)('nsupdate', [join(folder, 'update')])
        const { stdout } = await promisify(execFile)('dig', [...at, '+onesoa', 'example.test', 'AXFR'])
        writeFileSync(join(folder, 'signed'), stdout)
        run(folder, 'dnssec-verify', '-z', '-o', 'example.test', 'signed')
      }
    } finally {
      await server.close()
      rmSync(folder, { recursive: true, force: true })
    }
  })
}
