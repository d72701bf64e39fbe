/** The website example on q35: virtio over PCI with interrupts by message. */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { promisify } from 'node:util'
import { freePort } from './lib/free-port.ts'
import { build, copyExample, ROOT, Running } from './lib/mirage.ts'

const EXAMPLE = 'applications/static-website'
const SITE = join(ROOT, 'examples', EXAMPLE, 'site')

describe('website on virtio over PCI, in QEMU’s q35', () => {
  const { folder, remove } = copyExample(EXAMPLE)
  let port = 0
  let website: Running
  before(async () => {
    port = await freePort()
    await build(folder, '-t', 'virtio')
    website = await Running.start(folder, ['--machine', 'q35', '--port', `${port}:80`], { ready: /listening|serving/i })
  })
  after(async () => {
    await website?.stop()
    remove()
  })

  it('serves the large file octet for octet, three times at once', async () => {
    const numbers = readFileSync(join(SITE, 'numbers.txt'), 'latin1')
    const url = `http://127.0.0.1:${port}/numbers.txt`
    for (const text of await Promise.all([curl(url), curl(url), curl(url)])) assert.equal(text, numbers)
  })

  it('serves a hundred requests over one connection', async () => {
    const connects = await curl(
      ...['-w', '%{num_connects}', '-o', '/dev/null'],
      `http://127.0.0.1:${port}/index.html?[1-100]`,
    )
    assert.equal(connects, `1${'0'.repeat(99)}`)
  })
})

/** Octets as latin-1 characters. */
async function curl(...args: readonly string[]): Promise<string> {
  const options = { encoding: 'latin1', maxBuffer: 8 << 20 } as const
  return (await promisify(execFile)('curl', ['-sS', '--fail', '--max-time', '60', ...args], options)).stdout
}
