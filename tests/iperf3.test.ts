/**
 * The example iperf3 and Debian's iperf3, each as the server and as the client, each sending and receiving: as a process with our
 * own stack and as a sealed one, over a tap, and as an image in QEMU. No test asserts how fast it is.
 */
import assert from 'node:assert/strict'
import { type ChildProcess, execFile } from 'node:child_process'
import { once } from 'node:events'
import { after, before, describe, it } from 'node:test'
import { promisify } from 'node:util'
import { freePort } from './lib/free-port.ts'
import { build, copyExample, Running } from './lib/mirage.ts'
import { Namespace, NO_NAMESPACES } from './lib/namespace.ts'

const run = promisify(execFile)
const BYTES = 4 << 20
const LINUX = '10.0.0.1'
const OURS = '10.0.0.2'

const GREEDY = `exec 3<>/dev/tcp/$0/5201
printf %037d 0 >&3
head -c 1 <&3 | od -An -tx1 | tr -d ' '
iperf3 -c $0 --json -n 1M
printf '\\377\\377\\377\\377' >&3
cat <&3 || true`

interface Report {
  readonly end: {
    readonly sum_sent: { readonly bytes: number }
    readonly sum_received: { readonly bytes: number }
    readonly streams: readonly unknown[]
  }
}

function checkReport(text: string, { streamCount = 1, isReverse = false } = {}): void {
  const { sum_sent: sent, sum_received: received, streams } = (JSON.parse(text) as Report).end
  assert.equal(streams.length, streamCount)
  assert(received.bytes >= (isReverse ? BYTES : 1) && sent.bytes >= received.bytes, text)
  // What Linux has sent when it says that it is done arrives in time to be counted.
  if (!isReverse) assert(received.bytes === sent.bytes && sent.bytes >= BYTES, text)
}

for (const [name, ...targetArgs] of [
  ['unix with our stack', '-t', 'unix', '--net', 'direct'],
  ['spt', '-t', 'spt'],
] as const) {
  describe(`iperf3 on ${name}, on a tap with Linux`, { skip: NO_NAMESPACES }, () => {
    const { folder, remove } = copyExample('applications/iperf3')
    let namespace: Namespace
    let linuxServer: ChildProcess | undefined
    const device = ['--net', 'tap:tap0', '--', `--ipv4=${OURS}/24`]
    const start = (ready: RegExp, ...args: readonly string[]) =>
      Running.start(folder, [...device, ...args], { ready, namespace: namespace.name })

    before(async () => {
      namespace = new Namespace()
      namespace.addTap('tap0', `${LINUX}/24`)
      await build(folder, ...targetArgs)
    })
    after(async () => {
      linuxServer?.kill()
      namespace?.remove()
      remove()
    })

    it('serves', async () => {
      const server = await start(/Listening/)
      const iperf3 = (...args: readonly string[]) =>
        namespace.run('timeout', '30', 'iperf3', '-c', OURS, '--json', '-n', String(BYTES), ...args)
      try {
        checkReport(await iperf3())
        checkReport(await iperf3('-P', '4'), { streamCount: 4 })
        checkReport(await iperf3('-R'), { isReverse: true })
        checkReport(await iperf3('-R', '-P', '3'), { isReverse: true, streamCount: 3 })
        for (const unknown of ['-u', '--bidir']) assert.match(await iperf3(unknown), /not implemented/)
        // One that says its cookie and is asked for parameters has the server for itself, until it says that they are too long.
        const busy = await namespace.run('timeout', '30', 'bash', '-c', GREEDY, OURS)
        assert.match(busy, /^09\n[\s\S]*the server is busy/)
        await server.waitFor(/Cannot read JSON of 4294967295 octets: the limit is 8192/)
        checkReport(await iperf3())
        assert.match(server.output, new RegExp(`Received ${BYTES} octets in`))
      } finally {
        await server.stop()
      }
    })

    it('measures', async () => {
      linuxServer = namespace.start(['iperf3', '-s', '--forceflush'], {
        stdio: ['ignore', 'pipe', 'inherit'],
      })
      await once(linuxServer.stdout as NodeJS.ReadableStream, 'data')
      for (const args of [[], ['--reverse'], ['--parallel=3']]) {
        const client = await start(/Received \d+ octets/, `--client=${LINUX}`, `--bytes=${BYTES}`, ...args)
        await client.stop()
        const [, sent, received] = (/Sent (\d+) [\s\S]*Received (\d+) /.exec(client.output) ?? []).map(Number)
        assert(Number(sent) >= Number(received) && Number(received) > 0, client.output)
        assert(Number(args[0] === '--reverse' ? received : sent) >= BYTES, client.output)
      }
    })
  })
}

describe('iperf3 on virtio in QEMU', () => {
  const { folder, remove } = copyExample('applications/iperf3')
  after(remove)

  it('serves', async () => {
    const port = String(await freePort())
    await build(folder, '-t', 'virtio')
    const server = await Running.start(folder, ['--port', `${port}:5201`], { ready: /Listening/ })
    try {
      const client = ['30', 'iperf3', '-c', '127.0.0.1', '-p', port, '--json', '-n', String(BYTES)]
      checkReport((await run('timeout', client)).stdout)
      checkReport((await run('timeout', [...client, '-R'])).stdout, { isReverse: true })
    } finally {
      await server.stop()
    }
  })
})
