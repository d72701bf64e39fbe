/** Target spt: hello as a sealed process, and the website example on a tap with Linux and behind a stream socket. */
import assert from 'node:assert/strict'
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { promisify } from 'node:util'
import { build, copyExample, mirage, ROOT } from './lib/mirage.ts'
import { NO_NAMESPACES } from './lib/namespace.ts'
import { exampleOnTap, OURS } from './lib/on-tap.ts'

const EXAMPLE = 'applications/static-website'
const SITE = join(ROOT, 'examples', EXAMPLE, 'site')
const FILES = readdirSync(SITE, { recursive: true, encoding: 'utf8' }).filter((file) =>
  statSync(join(SITE, file)).isFile(),
)
const READY = /listening|serving/i

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
  const site = exampleOnTap(EXAMPLE, { build: ['-t', 'spt'], ready: READY })
  describeWebsite((...args) => site.namespace.run('curl', ...args))

  it('answers ping', async () => {
    const output = await site.namespace.run('ping', '-c', '20', '-i', '0.02', '-s', '1400', OURS)
    assert.match(output, / 0% packet loss/)
  })
})

describe('website on spt, behind a stream socket', { skip: NO_NAMESPACES }, () => {
  const site = exampleOnTap(EXAMPLE, { build: ['-t', 'spt'], ready: READY, isRelayed: true })
  describeWebsite((...args) => site.namespace.run('curl', ...args))

  it('says so when the other end goes away', async () => {
    site.cut()
    await site.unikernel.waitFor(/network 0 is down/)
  })
})
