/** The DNS server example on every target, asked by dig, kdig and nsupdate, with NSD as a secondary of it. */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { promisify } from 'node:util'
import { freePort } from './lib/free-port.ts'
import { build, copyExample, Running } from './lib/mirage.ts'
import { NO_NAMESPACES } from './lib/namespace.ts'
import { Nsd } from './lib/nsd.ts'
import { exampleOnTap, OURS } from './lib/on-tap.ts'

const EXAMPLE = 'applications/dns-server'
const READY = /listening on port/i
const SECRET = 'bm90IGEgc2VjcmV0OiB0aGlzIGlzIGFuIGV4YW1wbGU='
const KEY = `hmac-sha256:transfer.example.com:${SECRET}`
/** Records of the example: counted in its files, and those that $GENERATE makes. */
const RECORD_COUNT = 224

/** Runs a program where the server is reachable from, and gives what it printed. */
type Run = (file: string, ...args: readonly string[]) => Promise<string>

const here: Run = async (file, ...args) => (await promisify(execFile)(file, [...args], { maxBuffer: 8 << 20 })).stdout

/** What every variant must do; `server` is where it listens. */
function describeServer(run: Run, server: () => { readonly address: string; readonly port: number }): void {
  const dig = (...args: readonly string[]) =>
    run('dig', `@${server().address}`, '-p', String(server().port), '+tries=2', '+time=5', ...args)
  const kdig = (...args: readonly string[]) =>
    run('kdig', `@${server().address}`, '-p', String(server().port), '+retry=1', '+timeout=5', ...args)

  it('dig: data, aliases, wildcards, DNAME, unknown types, delegations', async () => {
    assert.equal(await dig('+short', 'www.example.com', 'AAAA'), 'web.example.com.\n2001:db8::80\n')
    assert.equal(await dig('+short', 'any.thing.wild.example.com', 'TXT'), '"any name below wild.example.com"\n')
    assert.equal(await dig('+short', 'x.old.example.com'), 'new.example.com.\nx.new.example.com.\n192.0.2.33\n')
    assert.equal(await dig('+short', 'future.example.com', 'TYPE65280'), '\\# 4 0A000001\n')
    assert.equal(await dig('+short', 'printer.office.example.com'), '192.0.2.101\n')
    const referral = await dig('host.sub.example.com')
    assert.match(referral, /flags: qr rd; QUERY: 1, ANSWER: 0, AUTHORITY: 1, ADDITIONAL: 2/)
    assert.match(referral, /ns\.sub\.example\.com\.\s+3600\s+IN\s+A\s+192\.0\.2\.54/)
  })

  it('dig: no such name, no such type, not our zone; cookies that dig finds good', async () => {
    assert.match(await dig('nope.example.com'), /status: NXDOMAIN[\s\S]*AUTHORITY: 1[\s\S]*SOA\s+ns1\.example\.com\./)
    assert.match(await dig('web.example.com', 'MX'), /status: NOERROR[\s\S]*ANSWER: 0, AUTHORITY: 1/)
    assert.match(await dig('example.org'), /status: REFUSED/)
    assert.match(await dig('web.example.com'), /COOKIE: [0-9a-f]{48} \(good\)/)
    assert.match(await dig('+bufsize=512', '+edns=1', '+noednsneg', 'web.example.com'), /status: BADVERS/)
  })

  it('kdig: over TCP, many questions on one connection, records with parameters', async () => {
    const output = await kdig(
      '+tcp',
      '+keepopen',
      'example.com',
      'HTTPS',
      'web.example.com',
      'A',
      'cert.example.com',
      'TLSA',
    )
    assert.match(output, /HTTPS\s+1 \. alpn=h2,h3 ipv4hint=192\.0\.2\.80/)
    assert.match(output, /web\.example\.com\.\s+3600\s+IN\s+A\s+192\.0\.2\.80/)
    assert.match(output, /TLSA\s+3 1 1 D2ABDE/i)
  })

  it('dig: transfers with the key, whole', async () => {
    const output = await dig('-y', KEY, '+onesoa', 'example.com', 'AXFR')
    assert.equal(output.match(/^[^;\s]\S*\s+\d+\s+IN\s/gm)?.length, RECORD_COUNT)
    assert.match(output, /TSIG\s+hmac-sha256\./)
    assert.doesNotMatch(output, /Couldn't verify signature|tsig verify failure/i)
    const wrong = await dig('-y', `hmac-sha256:transfer.example.com:AAAA`, 'example.com', 'AXFR').catch(String)
    assert.match(wrong, /Transfer failed|verify signature|BADSIG/i)
  })

  it('nsupdate: adds and removes with the key; IXFR shows what changed', async () => {
    const { address, port } = server()
    const folder = mkdtempSync(join(tmpdir(), 'mirage-dns-'))
    const script = join(folder, 'update')
    const commands = (key: string) =>
      `server ${address} ${port}\nzone example.com\n${key}update add new.example.com 60 A 192.0.2.200\nupdate delete mail.example.com A\nsend\n`
    writeFileSync(script, commands(`key hmac-sha256:transfer.example.com ${SECRET}\n`))
    await run('nsupdate', script)
    assert.equal(await dig('+short', 'new.example.com'), '192.0.2.200\n')
    assert.equal(await dig('+short', 'mail.example.com'), '')
    const changes = await dig('-y', KEY, 'example.com', 'IXFR=2026112101')
    assert.equal(changes.match(/IN\s+SOA/g)?.length, 4)
    assert.match(changes, /new\.example\.com\.\s+60\s+IN\s+A\s+192\.0\.2\.200/)
    writeFileSync(script, commands(''))
    assert.match(await run('nsupdate', script).catch(String), /REFUSED/)
    rmSync(folder, { recursive: true })
  })
}

describe('dns-server on unix with the sockets of the host', () => {
  const { folder, remove } = copyExample(EXAMPLE)
  let server: Running
  let port = 0
  before(async () => {
    port = await freePort()
    await build(folder, '-t', 'unix')
    server = await Running.start(folder, ['--', `--port=${port}`], { ready: READY })
  })
  after(async () => {
    await server?.stop()
    remove()
  })
  describeServer(here, () => ({ address: '127.0.0.1', port }))

  it('NSD takes the zone from it and serves the same', async () => {
    const nsdPort = await freePort()
    const nsd = new Nsd({
      address: '127.0.0.1',
      port: nsdPort,
      origin: 'example.com',
      clauses: `key:\n  name: "transfer.example.com"\n  algorithm: hmac-sha256\n  secret: "${SECRET}"\n`,
      lines: [`request-xfr: AXFR 127.0.0.1@${port} transfer.example.com`, 'provide-xfr: 127.0.0.1 NOKEY'],
    })
    try {
      const ask = (at: number) =>
        here('dig', '@127.0.0.1', '-p', String(at), '+onesoa', '+nocookie', 'example.com', 'AXFR')
      const records = (output: string) =>
        output
          .match(/^[^;\s]\S*\s+\d+\s+IN\s.*$/gm)
          ?.map((line) => line.replaceAll(/\s+/g, ' '))
          .sort()
      assert.deepEqual(records(await untilServing(() => ask(nsdPort))), records(await ask(port)))
    } finally {
      await nsd.stop()
    }
  })
})

for (const [target, what, options, how] of [
  ['virtio', 'virtio in QEMU with 24 MiB', ['--mem', '24'], []],
  ['spt', 'spt', [], []],
  ['spt', 'spt, compiled to machine code', [], ['--native']],
] as const) {
  describe(`dns-server on ${what}, on a tap with Linux`, { skip: NO_NAMESPACES }, () => {
    const server = exampleOnTap(EXAMPLE, { build: ['-t', target, ...how], run: options, ready: READY })
    describeServer(
      (...args) => server.namespace.run(...args),
      () => ({ address: OURS, port: 53 }),
    )
  })
}

/** Tries until a whole zone comes. */
async function untilServing(ask: () => Promise<string>): Promise<string> {
  const end = Date.now() + 60_000
  for (;;) {
    const output = await ask().catch(String)
    if (/IN\s+SOA/.test(output) || Date.now() > end) return output
    await new Promise((resolve) => setTimeout(resolve, 200))
  }
}
