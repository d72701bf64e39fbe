/** Target spt: hello as a sealed process, and the website example on a tap with Linux and behind a stream socket. */
import assert from 'node:assert/strict'
import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { after, before, describe, it } from 'node:test'
import { promisify } from 'node:util'
import { findToolchain } from '@mirage-ts/cli/toolchain'
import { build, copyExample, mirage, ROOT, Running } from './lib/mirage.ts'
import { Namespace, NO_NAMESPACES } from './lib/namespace.ts'

const EXAMPLE = 'applications/static-website'
const SITE = join(ROOT, 'examples', EXAMPLE, 'site')
const FILES = readdirSync(SITE, { recursive: true, encoding: 'utf8' }).filter((file) =>
  statSync(join(SITE, file)).isFile(),
)
const READY = /listening|serving/i
const ADDRESS = ['--ipv4=10.0.0.2/24']

describe('hello on spt', () => {
  const { folder, remove } = copyExample('tutorial/hello')
  before(() => build(folder, '-t', 'spt'))
  after(remove)

  it('runs by itself, sealed: its filter of system calls is on', async () => {
    const hello = spawn(join(folder, 'dist/hello.spt'), [], { stdio: ['ignore', 'pipe', 'inherit'] })
    await once(hello.stdout, 'data')
    const status = readFileSync(`/proc/${hello.pid}/status`, 'utf8')
    hello.kill()
    await once(hello, 'close')
    assert.match(status, /^NoNewPrivs:\t1$/m)
    assert.match(status, /^Seccomp:\t2$/m)
  })

  it('reads its arguments, and ends with their status', async () => {
    const help = await mirage(folder, 'run', '--', '--help')
    assert.equal(help.status, 63, help.stderr)
    assert.match(help.stdout, /^Boot arguments of hello\n/)
    const unknown = await promisify(execFile)(join(folder, 'dist/hello.spt'), ['--lgos=x']).catch((error) => error)
    assert.equal(unknown.code, 64)
    assert.match(unknown.stdout, /did you mean --logs/)
  })
})

/** Runs curl in the namespace and gives what it printed: octets as latin-1 characters. */
function describeWebsite(curl: (...args: readonly string[]) => Promise<string>): void {
  it('serves every file octet for octet, over one connection', async () => {
    for (const file of FILES) {
      assert.equal(
        await curl('-sS', '--fail', `http://10.0.0.2/${file}`),
        readFileSync(join(SITE, file), 'latin1'),
        file,
      )
    }
    const connects = await curl('-sS', '-w', '%{num_connects}', '-o', '/dev/null', 'http://10.0.0.2/index.html?[1-200]')
    assert.equal(connects, `1${'0'.repeat(199)}`)
  })

  it('serves twenty clients at once', async () => {
    const numbers = readFileSync(join(SITE, 'numbers.txt'), 'latin1')
    const texts = await Promise.all(
      Array.from({ length: 20 }, () => curl('-sS', '--fail', 'http://10.0.0.2/numbers.txt')),
    )
    assert.ok(texts.every((text) => text === numbers))
  })
}

describe('website on spt, on a tap with Linux', { skip: NO_NAMESPACES }, () => {
  const { folder, remove } = copyExample(EXAMPLE)
  let namespace: Namespace
  let website: Running
  before(async () => {
    namespace = new Namespace()
    namespace.addTap('tap0', '10.0.0.1/24')
    await build(folder, '-t', 'spt')
    const args = ['--net', 'tap:tap0', '--', ...ADDRESS]
    website = await Running.start(folder, args, { ready: READY, namespace: namespace.name })
  })
  after(async () => {
    await website?.stop()
    namespace?.remove()
    remove()
  })
  describeWebsite((...args) => namespace.run('curl', ...args))

  it('answers ping', async () => {
    const output = await namespace.run('ping', '-c', '20', '-i', '0.02', '-s', '1400', '10.0.0.2')
    assert.match(output, / 0% packet loss/)
  })
})

describe('website on spt, behind a stream socket', { skip: NO_NAMESPACES }, () => {
  const { folder, remove } = copyExample(EXAMPLE)
  const socket = join(folder, 'ethernet.sock')
  let namespace: Namespace
  let relay: ChildProcess
  let website: Running
  before(async () => {
    namespace = new Namespace()
    namespace.addTap('tap0', '10.0.0.1/24')
    await build(folder, '-t', 'spt')
    const { toolchain } = await findToolchain()
    relay = spawn('ip', ['netns', 'exec', namespace.name, toolchain.tap, 'tap0', socket], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    await once(relay.stdout as Readable, 'data')
    website = await Running.start(folder, ['--net', `stream:${socket}`, '--', ...ADDRESS], { ready: READY })
  })
  after(async () => {
    await website?.stop()
    relay?.kill()
    namespace?.remove()
    remove()
  })
  describeWebsite((...args) => namespace.run('curl', ...args))

  it('says so when the other end goes away', async () => {
    relay.kill()
    await website.waitFor(/network 0 is down/)
  })
})
