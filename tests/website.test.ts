/**
 * The website example on every target, fetched by curl and pinged by Linux: pages, headers and the 1 MiB file.
 */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { promisify } from 'node:util'
import { freePort } from './lib/free-port.ts'
import { build, copyExample, ROOT, Running } from './lib/mirage.ts'
import { NO_NAMESPACES } from './lib/namespace.ts'
import { exampleOnTap, OURS } from './lib/on-tap.ts'

const EXAMPLE = 'applications/static-website'
const SITE = join(ROOT, 'examples', EXAMPLE, 'site')
const FILES = readdirSync(SITE, { recursive: true, encoding: 'utf8' })
  .filter((file) => statSync(join(SITE, file)).isFile())
  .sort()
const READY = /listening|serving/i

/** Runs curl, where the website is reachable from, and gives what it printed: octets as latin-1 characters. */
type Curl = (...args: readonly string[]) => Promise<string>

const here: Curl = async (...args) =>
  (await promisify(execFile)('curl', [...args], { encoding: 'latin1', maxBuffer: 8 << 20 })).stdout

/** What every variant must do. */
function describeWebsite(curl: Curl, url: () => string): void {
  it('serves every file octet for octet, all over one connection', async () => {
    assert(FILES.length >= 5)
    const urls = FILES.flatMap((file) => [`${url()}/${file}`])
    const output = await curl('-sS', '--fail', ...urls)
    assert.equal(
      output.length,
      FILES.reduce((sum, file) => sum + statSync(join(SITE, file)).size, 0),
    )
    for (const file of FILES) {
      assert.equal(await curl('-sS', '--fail', `${url()}/${file}`), readFileSync(join(SITE, file), 'latin1'), file)
    }
    const connects = await curl(
      '-sS',
      '-o',
      '/dev/null',
      '-o',
      '/dev/null',
      '-w',
      '%{num_connects} ',
      `${url()}/`,
      `${url()}/`,
    )
    assert.equal(connects, '1 0 ')
  })

  it('answers HEAD with the headers of GET, and a matching ETag with 304', async () => {
    const head = await curl('-sS', '-I', `${url()}/index.html`)
    assert.match(head, /^HTTP\/1\.1 200 /)
    assert.match(head, new RegExp(`content-length: ${statSync(join(SITE, 'index.html')).size}\r`, 'i'))
    assert.match(head, /content-type: text\/html/i)
    const [, etag = ''] = /etag: (\S+)/i.exec(head) ?? []
    assert.match(etag, /^"[0-9a-f]+"$/)
    assert.match(await curl('-sS', '-i', '-H', `If-None-Match: ${etag}`, `${url()}/index.html`), /^HTTP\/1\.1 304 /)
  })

  it('gives files that the build has compressed to clients that take them', async () => {
    const file = `${url()}/numbers.txt`
    const plain = readFileSync(join(SITE, 'numbers.txt'), 'latin1')
    for (const coding of ['gzip', 'br']) {
      const args = ['-sS', '--compressed', '-H', `Accept-Encoding: ${coding}`, '-D', '-', '-w', '%{size_download}']
      const output = await curl(...args, file)
      assert.match(output, new RegExp(`content-encoding: ${coding}\\r`, 'i'))
      assert.match(output, /vary: accept-encoding\r/i)
      assert(output.includes(plain), coding)
      assert(Number(output.slice(output.lastIndexOf('\n'))) < plain.length / 2)
    }
    assert.doesNotMatch(await curl('-sS', '-I', file), /content-encoding/i)
  })

  it('answers 404 for what is not there, however it is spelled', async () => {
    for (const path of ['/absent', '/..%2f..%2fpackage.json', '/../package.json', '/%2e%2e/package.json']) {
      const status = await curl('-sS', '--path-as-is', '-o', '/dev/null', '-w', '%{http_code}', url() + path)
      assert.match(status, /^40[04]$/, path)
    }
  })
}

/** The website on a port of this machine; `runArguments` says how to run it there. */
function describeOnHost(name: string, target: string, runArguments: (port: number) => readonly string[]): void {
  describe(name, () => {
    const { folder, remove } = copyExample(EXAMPLE)
    let website: Running
    let port = 0
    before(async () => {
      port = await freePort()
      await build(folder, '-t', target)
      website = await Running.start(folder, runArguments(port), { ready: READY })
    })
    after(async () => {
      await website?.stop()
      remove()
    })
    describeWebsite(here, () => `http://127.0.0.1:${port}`)
  })
}

/** The website on a tap, with Linux's stack, curl and ping on the other end. */
function describeOnTap(name: string, ...buildArguments: readonly string[]): void {
  describe(name, { skip: NO_NAMESPACES }, () => {
    const site = exampleOnTap(EXAMPLE, { build: buildArguments, ready: READY })
    describeWebsite(
      (...args) => site.namespace.run('curl', ...args),
      () => `http://${OURS}`,
    )
    it('answers ping', async () => {
      assert.match(await site.namespace.run('ping', '-c', '3', '-i', '0.2', '-s', '1400', OURS), / 0% packet loss/)
    })
  })
}

describeOnHost('website on unix with host sockets', 'unix', (port) => ['--', `--port=${port}`])
describeOnHost('website on virtio in QEMU with 16 MiB, user network', 'virtio', (port) => [
  '--port',
  `${port}:80`,
  '--mem',
  '16',
])
describeOnTap('website on unix with our stack over a tap', '-t', 'unix', '--net', 'direct')
describeOnTap('website on virtio in QEMU, on a tap with Linux', '-t', 'virtio')

describe('website on unix with our stack over a stream socket', { skip: NO_NAMESPACES }, () => {
  const site = exampleOnTap(EXAMPLE, { build: ['-t', 'unix', '--net', 'direct'], ready: READY, isRelayed: true })
  describeWebsite(
    (...args) => site.namespace.run('curl', ...args),
    () => `http://${OURS}`,
  )
})
