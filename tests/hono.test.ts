/**
 * The example hono-api, an application of Hono from npm, as a process of Node.js, as a sealed native one and as an image in
 * QEMU: asked by curl, and by a WebSocket client that is not ours.
 */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { promisify } from 'node:util'
import { freePort } from './lib/free-port.ts'
import { build, copyExample, ROOT, Running } from './lib/mirage.ts'
import { NO_NAMESPACES } from './lib/namespace.ts'
import { exampleOnTap, OURS } from './lib/on-tap.ts'

const EXAMPLE = 'applications/hono-api'
const READY = /listening/i

/** Runs a program where the API can be reached from. */
type Run = (file: string, args: readonly string[]) => Promise<string>

const here: Run = async (file, args) =>
  (await promisify(execFile)(file, [...args], { encoding: 'latin1', maxBuffer: 8 << 20 })).stdout

function describeApi(url: () => string, run: Run = here): void {
  const curl = (...args: readonly string[]) => run('curl', ['-sS', ...args])

  it('keeps notes: JSON in and out, parameters, statuses', async () => {
    assert.equal(await curl(`${url()}/notes`), '[]')
    const made = await curl('-i', '-H', 'Content-Type: application/json', '-d', '{"text":"grüße"}', `${url()}/notes`)
    assert.match(made, /^HTTP\/1\.1 201 Created\r\n/)
    assert.match(made, /\r\nlocation: \/notes\/1\r\n/i)
    assert.match(made, /\r\ncontent-type: application\/json/i)
    assert.deepEqual(JSON.parse(Buffer.from(await curl(`${url()}/notes/1`), 'latin1').toString()), {
      id: 1,
      text: 'grüße',
    })
    assert.match(await curl('-i', '-X', 'DELETE', `${url()}/notes/1`), /^HTTP\/1\.1 204 No Content\r\n/)
    assert.match(await curl('-i', `${url()}/notes/1`), /^HTTP\/1\.1 404 Not Found\r\n/)
    assert.match(await curl('-i', '-d', 'no json', `${url()}/notes`), /^HTTP\/1\.1 400 .*Expected {"text"/s)
    assert.match(await curl('-I', `${url()}/notes`), /^HTTP\/1\.1 200 OK\r\n/)
  })

  it('streams a response as it is made', async () => {
    const lines = Array.from({ length: 300 }, (_, i) => `${i + 1}\n`).join('')
    assert.equal(await curl(`${url()}/count/300`), lines)
    const slow = await curl('-i', '-N', `${url()}/count/3?ms=20`)
    assert.match(slow, /\r\ntransfer-encoding: chunked\r\n.*1\n2\n3\n$/is)
  })

  it('gives back what it is sent as it comes, chunked and of a length, after 100 (Continue)', async () => {
    const contents = join(ROOT, 'package-lock.json')
    const expected = (await here('sha256sum', [contents])).slice(0, 64)
    for (const args of [[], ['-H', 'Transfer-Encoding: chunked'], ['-H', 'Expect: 100-continue']]) {
      const output = await run('bash', [
        '-c',
        'file=$0; url=$1; shift; curl -sS --data-binary @"$file" "$@" "$url/mirror" | sha256sum',
        contents,
        url(),
        ...args,
      ])
      assert.equal(output.slice(0, 64), expected, args.join())
    }
  })

  it('reads forms, in both encodings', async () => {
    const expected = { a: '1 + 1', b: 'ä&=' }
    const encoded = await curl('--data-urlencode', 'a=1 + 1', '--data-urlencode', 'b=ä&=', `${url()}/form`)
    assert.deepEqual(JSON.parse(Buffer.from(encoded, 'latin1').toString()), expected)
    const multipart = await curl('-F', 'a=1 + 1', '-F', 'b=ä&=', `${url()}/form`)
    assert.deepEqual(JSON.parse(Buffer.from(multipart, 'latin1').toString()), expected)
  })

  it('echoes over a WebSocket', async () => {
    const client = join(ROOT, 'tests/hono-websocket-client.mjs')
    const target = `${url().replace('http', 'ws')}/echo`
    const output = await run(process.execPath, ['--experimental-websocket', client, target, 'hello', 'ä€😀'])
    assert.equal(Buffer.from(output, 'latin1').toString(), 'hello\nä€😀\n70000 octets of 7\nclosed 4000\n')
    assert.match(await curl('-i', `${url()}/echo`), /^HTTP\/1\.1 426 /)
  })
}

describe('hono-api on unix with host sockets', () => {
  const { folder, remove } = copyExample(EXAMPLE)
  let api: Running
  let port = 0
  before(async () => {
    port = await freePort()
    await build(folder, '-t', 'unix')
    api = await Running.start(folder, ['--', `--port=${port}`], { ready: READY })
  })
  after(async () => {
    await api?.stop()
    remove()
  })
  describeApi(() => `http://127.0.0.1:${port}`)
})

describe('hono-api on spt, on a tap with Linux', { skip: NO_NAMESPACES }, () => {
  const api = exampleOnTap(EXAMPLE, { build: ['-t', 'spt'], ready: READY })
  describeApi(
    () => `http://${OURS}`,
    (file, args) => api.namespace.run(file, ...args),
  )
})

describe('hono-api on virtio in QEMU with 24 MiB', () => {
  const { folder, remove } = copyExample(EXAMPLE)
  let api: Running
  let port = 0
  before(async () => {
    port = await freePort()
    await build(folder, '-t', 'virtio')
    api = await Running.start(folder, ['--port', `${port}:80`, '--mem', '24'], { ready: READY })
  })
  after(async () => {
    await api?.stop()
    remove()
  })
  describeApi(() => `http://127.0.0.1:${port}`)
})
