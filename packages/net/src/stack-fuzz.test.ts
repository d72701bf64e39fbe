import assert from 'node:assert/strict'
import { it } from 'node:test'
import { port } from '@mirage-ts/core/addresses'
import { ms, seconds } from '@mirage-ts/core/time'
import type { TcpFlow } from '@mirage-ts/signatures/flow'
import { createDualTestStack } from '@mirage-ts/testing/dual-stack'
import { FrameFuzzer } from '@mirage-ts/testing/frame-fuzzer'
import { createLink } from '@mirage-ts/testing/link'

const FRAMES = 20_000

it(`stack: ${FRAMES} hostile frames cause no throw and leave nothing behind`, async () => {
  const { time, network, peer } = createLink()
  const stack = createDualTestStack(network, time, '10.0.0.2/24', { ipv6: '2001:db8::2/64', temporaryAddresses: true })
  await time.advance(seconds(2))
  peer.take()
  await stack.udp.bind(port(4000), () => {})
  const accepted: TcpFlow[] = []
  await stack.tcp.listen(port(80), (flow) => {
    accepted.push(flow)
    // A server that echoes and gives up at the first failure, as any would.
    void (async () => {
      for (let chunk = await flow.read(); chunk !== undefined; chunk = await flow.read()) await flow.write(chunk)
      await flow.close()
    })().catch(() => flow.abort())
  })
  const fuzzer = new FrameFuzzer(1)
  for (let i = 0; i < FRAMES; i++) {
    peer.send(fuzzer.next())
    if (i % 50 === 0) await time.advance(ms(20))
    for (const frame of peer.take()) fuzzer.hear(frame)
  }
  assert(network.stats.rxFrames > FRAMES * 0.9)
  assert(
    accepted.length > 30,
    `only ${accepted.length} connections were established: the frames do not reach far enough`,
  )
  assert(stack.arp.entryCount <= 1024)
  assert(stack.ipv4.counters.reassembled > 10, `only ${stack.ipv4.counters.reassembled} datagrams were put together`)
  const { counters, discoveryCounters } = stack.ipv6
  assert(counters.reassembled > 5, `only ${counters.reassembled} datagrams of IPv6 were put together`)
  assert(discoveryCounters.routerAdverts > 50, `only ${discoveryCounters.routerAdverts} routers were heard`)
  assert(stack.icmpv6.counters.echoReplies > 50, `only ${stack.icmpv6.counters.echoReplies} pings were answered`)
  assert(stack.ipv4.reassemblyCount <= 64 && stack.ipv6.reassemblyCount <= 64)
  assert(stack.ipv6.neighbourCount <= 1024 && stack.ipv6.ownAddresses.length <= 18 + 16)
  // A connection whose peer fell silent lives until its owner ends it; half-open and closing ones, and neighbours
  // nobody talks to, end by themselves.
  await time.advance(ms(20))
  for (const flow of accepted) flow.abort()
  await time.advance(seconds(3 * 3600))
  assert.equal(stack.arp.entryCount, 0)
  assert.equal(stack.tcp.connectionCount, 0)
  assert.equal(stack.ipv4.reassemblyCount + stack.ipv6.reassemblyCount + stack.ipv6.neighbourCount, 0)
  // What a router has said may last for years: one alarm of IPv6.
  assert(time.pendingCount <= 1)
})
