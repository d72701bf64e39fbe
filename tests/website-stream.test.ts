/**
 * The website example on unix with our own stack, without privilege: Ethernet over QEMU's `-netdev stream`, whose user
 * network carries curl's connections to it. QEMU is only the switch here; it runs no machine.
 */
import assert from 'node:assert/strict'
import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { promisify } from 'node:util'
import { freePort } from './lib/free-port.ts'
import { build, copyExample, ROOT, Running } from './lib/mirage.ts'

const EXAMPLE = 'applications/static-website'
const SITE = join(ROOT, 'examples', EXAMPLE, 'site')

describe('website on unix with our stack over a stream socket, behind QEMU’s user network', () => {
  const { folder, remove } = copyExample(EXAMPLE)
  const socketFolder = mkdtempSync(join(tmpdir(), 'mirage-test-'))
  const socketPath = join(socketFolder, 'socket')
  let port = 0
  let qemu: ChildProcess
  let website: Running

  before(async () => {
    port = await freePort()
    qemu = await startSwitch(socketPath, port)
    await build(folder, '-t', 'unix', '--net', 'direct')
    const address = ['--ipv4=10.0.2.15/24', '--ipv4-gateway=10.0.2.2']
    website = await Running.start(folder, ['--net', `stream:${socketPath}`, '--', ...address], { ready: /Listening/ })
  })

  after(async () => {
    await website?.stop()
    qemu?.kill()
    remove()
    rmSync(socketFolder, { recursive: true })
  })

  it('serves every file octet for octet', async () => {
    for (const file of readdirSync(SITE)) {
      assert.equal(await curl('--fail', `http://127.0.0.1:${port}/${file}`), readFileSync(join(SITE, file), 'latin1'))
    }
  })

  it('serves a hundred requests over one connection', async () => {
    const urls = `http://127.0.0.1:${port}/index.html?[1-100]`
    const connects = await curl('-w', '%{num_connects}', '-o', '/dev/null', urls)
    assert.equal(connects, `1${'0'.repeat(99)}`)
  })

  it('serves twenty clients at once', async () => {
    const numbers = readFileSync(join(SITE, 'numbers.txt'), 'latin1')
    const fetched = await Promise.all(
      Array.from({ length: 20 }, () => curl('--fail', `http://127.0.0.1:${port}/numbers.txt`)),
    )
    assert.ok(fetched.every((text) => text === numbers))
  })
})

/** Octets as latin-1 characters. */
async function curl(...args: readonly string[]): Promise<string> {
  const options = { encoding: 'latin1', maxBuffer: 8 << 20 } as const
  return (await promisify(execFile)('curl', ['-sS', '--max-time', '60', ...args], options)).stdout
}

/** QEMU as a switch between its user network, with `port` forwarded to 10.0.2.15:80, and the socket. */
async function startSwitch(socketPath: string, port: number): Promise<ChildProcess> {
  const words = ['-M', 'none', '-nodefaults', '-display', 'none', '-monitor', 'none', '-serial', 'none']
  words.push('-netdev', `user,id=user,hostfwd=tcp:127.0.0.1:${port}-10.0.2.15:80`)
  words.push('-netdev', `stream,id=stream,server=on,addr.type=unix,addr.path=${socketPath}`)
  for (const end of ['user', 'stream']) words.push('-netdev', `hubport,hubid=0,id=${end}-port,netdev=${end}`)
  const qemu = spawn('qemu-system-x86_64', words, { stdio: ['ignore', 'ignore', 'pipe'] })
  let complaint = ''
  qemu.stderr.on('data', (chunk: Buffer) => {
    complaint += chunk.toString()
  })
  await once(qemu, 'spawn')
  while (!existsSync(socketPath)) {
    assert.equal(qemu.exitCode, null, complaint)
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
  return qemu
}
