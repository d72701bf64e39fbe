/** Our HTTP client with nginx as the server: framing of every kind, ranges, conditions, connections that end. */
import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { gunzipSync } from 'node:zlib'
import { collect, latin1Body } from '@mirage-ts/apps/http/body'
import { createHttpClient, type HttpClient, type HttpClientRequest } from '@mirage-ts/apps/http/client'
import { createMonotonicClock } from '@mirage-ts/node/clock'
import { createHostStack } from '@mirage-ts/node/host-stack'
import { createTime } from '@mirage-ts/node/time'

const LARGE = Buffer.from(Array.from({ length: 300_000 }, (_, i) => (i * 7 + (i >> 8)) & 255))
const TEXT = 'a line of text that gzip makes shorter\n'.repeat(2000)

describe('HTTP client with nginx', () => {
  const folder = mkdtempSync(join(tmpdir(), 'mirage-nginx-'))
  const socket = 20_000 + (process.pid % 20_000)
  let nginx: ChildProcess
  let client: HttpClient

  const request = (target: string, options: Partial<HttpClientRequest> = {}) =>
    client.request({ authority: `127.0.0.1:${socket}`, method: 'GET', target, fields: [], ...options })

  before(async () => {
    mkdirSync(join(folder, 'site'))
    writeFileSync(join(folder, 'site/large'), LARGE)
    writeFileSync(join(folder, 'site/text.txt'), TEXT)
    writeFileSync(
      join(folder, 'nginx.conf'),
      `daemon off; master_process off; worker_processes 1; pid ${folder}/pid; error_log ${folder}/error;
events {}
http {
  access_log off; gzip on; gzip_types text/plain; gzip_min_length 100; types { text/plain txt; }
  client_body_temp_path ${folder}/body; proxy_temp_path ${folder}/proxy; fastcgi_temp_path ${folder}/fcgi;
  uwsgi_temp_path ${folder}/uwsgi; scgi_temp_path ${folder}/scgi;
  server {
    listen 127.0.0.1:${socket}; root ${folder}/site; client_max_body_size 10k; keepalive_requests 5;
    location /none { return 204; }
    location /moved { return 301 /large; }
    location /echo { return 200 "$request_method $content_length $http_x_a"; }
    location /gone { return 444; }
  }
}
`,
    )
    // The program's own log before it has read its configuration.
    nginx = spawn('nginx', ['-p', folder, '-e', join(folder, 'error'), '-c', join(folder, 'nginx.conf')], {
      stdio: ['ignore', 'ignore', 'inherit'],
    })
    for (;;) {
      const probe = connect(socket, '127.0.0.1')
      const isThere = await once(probe, 'connect').then(
        () => true,
        () => false,
      )
      probe.destroy()
      if (isThere) break
      assert.equal(nginx.exitCode, null, 'nginx has ended')
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
    client = createHttpClient({ stack: createHostStack(), time: createTime(), clock: createMonotonicClock() })
  })
  after(async () => {
    client?.close()
    nginx.kill()
    await once(nginx, 'close')
    rmSync(folder, { recursive: true, force: true })
  })

  it('a file with its length, its head alone, parts of it, and nothing when it has not changed', async () => {
    const whole = await request('/large')
    assert.equal(whole.status, 200)
    const octets = await collect(whole.body)
    const digest = (u8: Uint8Array) => createHash('sha256').update(u8).digest('hex')
    assert.equal(digest(octets), digest(LARGE))
    const head = await request('/large', { method: 'HEAD' })
    assert.equal(head.fields.get('content-length'), String(LARGE.length))
    assert.equal((await collect(head.body)).length, 0)
    const part = await request('/large', { fields: [['Range', 'bytes=1000-1999']] })
    assert.equal(part.status, 206)
    assert.deepEqual(Buffer.from(await collect(part.body)), LARGE.subarray(1000, 2000))
    const tag = whole.fields.get('etag') ?? ''
    const unchanged = await request('/large', { fields: [['If-None-Match', tag]] })
    assert.equal(unchanged.status, 304)
    assert.equal((await collect(unchanged.body)).length, 0)
  })

  it('chunked content, as nginx sends what it compresses', async () => {
    const response = await request('/text.txt', { fields: [['Accept-Encoding', 'gzip']] })
    assert.deepEqual(response.fields.tokens('transfer-encoding'), ['chunked'])
    assert.equal(gunzipSync(await collect(response.body)).toString(), TEXT)
  })

  it('answers without content, and many over connections that nginx closes after five', async () => {
    for (let i = 0; i < 25; i++) {
      const target = ['/none', '/moved', '/text.txt', '/not-there'][i % 4] as string
      const response = await request(target)
      assert.equal(response.status, [204, 301, 200, 404][i % 4])
      const { length } = await collect(response.body)
      if (target === '/text.txt') assert.equal(length, TEXT.length)
    }
    const many = Array.from({ length: 40 }, async () => (await collect((await request('/large')).body)).length)
    assert.deepEqual(new Set(await Promise.all(many)), new Set([LARGE.length]))
  })

  it('sends content, and hears a refusal before it has sent all of it', async () => {
    const body = latin1Body('x'.repeat(5000))
    const echoed = await request('/echo', { method: 'POST', body, fields: [['X-A', 'b']] })
    assert.equal(Buffer.from(await collect(echoed.body)).toString(), 'POST 5000 b')
    const refused = await request('/echo', { method: 'POST', body: latin1Body('x'.repeat(2_000_000)) })
    assert.equal(refused.status, 413)
    refused.body.cancel(undefined)
  })

  it('a server that says nothing and closes is an error', async () => {
    await assert.rejects(request('/gone'), { name: 'NetError' })
    assert.equal((await request('/none')).status, 204)
  })
})
