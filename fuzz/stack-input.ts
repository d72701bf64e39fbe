/**
 * Sends random frames into the whole stack until the time is up: `npm run fuzz -- --seconds 60 --seed 1`.
 * Prints the seed of each batch; a batch that fails is reproduced by its seed alone.
 */
import { parseArgs } from 'node:util'
import { port } from '@mirage-ts/core/addresses'
import { ms, seconds } from '@mirage-ts/core/time'
import type { TcpFlow } from '@mirage-ts/signatures/flow'
import { createDualTestStack } from '@mirage-ts/testing/dual-stack'
import { FrameFuzzer } from '@mirage-ts/testing/frame-fuzzer'
import { createLink } from '@mirage-ts/testing/link'

const FRAMES_PER_BATCH = 20_000

const { values } = parseArgs({
  options: { seconds: { type: 'string', default: '60' }, seed: { type: 'string', default: '1' } },
})
const end = Date.now() + Number(values.seconds) * 1000

for (let seed = Number(values.seed); Date.now() < end; seed++) {
  await runBatch(seed)
  console.log(`seed ${seed}: ${FRAMES_PER_BATCH} frames, heap ${Math.round(process.memoryUsage().heapUsed / 1e6)} MB`)
}

async function runBatch(seed: number): Promise<void> {
  const { time, network, peer } = createLink()
  const stack = createDualTestStack(network, time, '10.0.0.2/24', { seed, ipv6: '2001:db8::2/64' })
  await time.advance(seconds(2))
  const accepted: TcpFlow[] = []
  await stack.tcp.listen(port(80), (flow) => {
    accepted.push(flow)
    void flow.read().then(
      () => flow.close(),
      () => flow.abort(),
    )
  })
  const fuzzer = new FrameFuzzer(seed)
  for (let i = 0; i < FRAMES_PER_BATCH; i++) {
    peer.send(fuzzer.next())
    if (i % 50 === 0) await time.advance(ms(20))
    for (const frame of peer.take()) fuzzer.hear(frame)
  }
  await time.advance(ms(20))
  for (const flow of accepted) flow.abort()
  await time.advance(seconds(3600))
  if (stack.tcp.connectionCount !== 0)
    throw new Error(`seed ${seed}: ${stack.tcp.connectionCount} connections left over`)
}
