import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { port } from '@mirage-ts/core/addresses'
import { ms, seconds } from '@mirage-ts/core/time'
import type { IpAddress } from '@mirage-ts/signatures/addresses'
import type { Flow } from '@mirage-ts/signatures/flow'
import { runStackConformance } from '@mirage-ts/testing/conformance/stack-suite'
import { createTestStack } from '@mirage-ts/testing/direct-stack'
import { readAll } from '@mirage-ts/testing/flow-tools'
import { testMac } from '@mirage-ts/testing/link'
import { MockTime } from '@mirage-ts/testing/mock-time'
import { PcapWriter } from '@mirage-ts/testing/pcap'
import { SeededRandom } from '@mirage-ts/testing/seeded-random'
import { type SwitchOptions, VirtualSwitch } from '@mirage-ts/testing/virtual-switch'

/** Two stacks of ours on one switch. */
function createLan(options: SwitchOptions = {}) {
  const time = new MockTime()
  const lan = new VirtualSwitch(time, options)
  const server = createTestStack(lan.port(testMac(1)), time, '10.0.0.1/24', { seed: 11 })
  const client = createTestStack(lan.port(testMac(2)), time, '10.0.0.2/24', { seed: 22 })
  return { time, lan, server, client, serverAddress: server.addresses[0] as IpAddress }
}

runStackConformance('direct stack on a virtual switch', async () => {
  const lan = createLan()
  return { ...lan, run: (body) => lan.time.until(body), close: () => {} }
})

const TRANSFER_LEN = 10 * 1024 * 1024

for (const impairments of [
  {},
  { delay: ms(20) },
  { loss: 0.01, delay: ms(1) },
  { loss: 0.05, delay: ms(1) },
  { duplicate: 0.02, reorder: 0.02, reorderDelay: ms(3), delay: ms(1) },
  { loss: 0.01, corrupt: 0.01, duplicate: 0.01, reorder: 0.01, reorderDelay: ms(5), delay: ms(2) },
]) {
  test(`stack: 10 MiB each way at once through ${JSON.stringify(impairments)}`, async () => {
    const pcap = new PcapWriter()
    const { time, client, server, serverAddress } = createLan({ seed: 5, impairments, pcap })
    try {
      const upload = new SeededRandom(1).bytes(TRANSFER_LEN)
      const download = new SeededRandom(2).bytes(TRANSFER_LEN)
      const served: Promise<Uint8Array>[] = []
      const listener = await server.tcp.listen(port(80), (flow) => void served.push(exchange(flow, download)))
      const flow = await time.until(client.tcp.connect({ address: serverAddress, port: port(80) }))
      const received = await time.until(exchange(flow, upload))
      assert.deepEqual(await time.until(served[0] as Promise<Uint8Array>), upload)
      assert.deepEqual(received, download)
      listener.close()
      // TIME-WAIT ends after 2 MSL; then nothing is left over, not even a timer.
      await time.advance(seconds(600))
      assert.equal(client.tcp.connectionCount + server.tcp.connectionCount, 0)
      assert.equal(time.pendingCount, 0)
    } catch (error) {
      const file = join(tmpdir(), `mirage-stack-${JSON.stringify(impairments).replaceAll(/\W+/g, '-')}.pcap`)
      writeFileSync(file, pcap.bytes())
      throw new Error(`See the capture in ${file}`, { cause: error })
    }
  })
}

test('stack: two runs with one seed put the same octets on the wire', async () => {
  const run = async (): Promise<Uint8Array> => {
    const pcap = new PcapWriter()
    const { time, client, server, serverAddress } = createLan({
      seed: 3,
      impairments: { loss: 0.05, delay: ms(1) },
      pcap,
    })
    await server.tcp.listen(port(80), (flow) => void exchange(flow, new Uint8Array(100_000).fill(7)))
    const flow = await time.until(client.tcp.connect({ address: serverAddress, port: port(80) }))
    await time.until(exchange(flow, new Uint8Array(50_000).fill(9)))
    return pcap.bytes()
  }
  assert.deepEqual(await run(), await run())
})

/** Sends everything and reads everything at once, then closes. */
async function exchange(flow: Flow, bytes: Uint8Array): Promise<Uint8Array> {
  const [received] = await Promise.all([readAll(flow), flow.write(bytes).then(() => flow.shutdownWrite())])
  await flow.close()
  return received
}
