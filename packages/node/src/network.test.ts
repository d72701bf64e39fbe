import assert from 'node:assert/strict'
import { once } from 'node:events'
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer, type Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { macToString } from '@mirage-ts/core/addresses'
import { createFrame, frameOf } from '@mirage-ts/core/bytes'
import { createLog } from '@mirage-ts/core/log'
import { CHECKSUM_PARTIAL } from '@mirage-ts/core/offload'
import type { Mac } from '@mirage-ts/signatures/addresses'
import type { Log } from '@mirage-ts/signatures/log'
import type { Network } from '@mirage-ts/signatures/network'
import { runNetworkConformance } from '@mirage-ts/testing/conformance/network-suite'
import { createWallClock } from './clock.ts'
import { FrameSplitter } from './frame-splitter.ts'
import { createNetwork } from './network.ts'
import { createRandom } from './random.ts'

const random = createRandom()

/** A frame's worth of octets that tell its number and its length. */
function frameNumber(number: number, lenBytes = 60): Uint8Array {
  const octets = new Uint8Array(lenBytes).fill(number & 255)
  new DataView(octets.buffer).setUint32(0, number)
  return octets
}

function prefixed(frame: Uint8Array): Uint8Array {
  const octets = new Uint8Array(4 + frame.length)
  new DataView(octets.buffer).setUint32(0, frame.length)
  octets.set(frame, 4)
  return octets
}

function sendCopy(network: Network, octets: Uint8Array): void {
  const frame = network.alloc()
  if (frame === undefined) return
  frame.u8.set(octets, network.headroomBytes)
  network.send(frame, network.headroomBytes, network.headroomBytes + octets.length)
}

/** A network connected to a peer that speaks raw octets. */
async function connected(t: TestContext, log?: Log): Promise<{ network: Network; peer: Socket; server: Server }> {
  const folder = await mkdtemp(join(tmpdir(), 'mirage-test-'))
  const path = join(folder, 'socket')
  const server = createServer()
  server.listen(path)
  await once(server, 'listening')
  const accepted = once(server, 'connection')
  const network = await createNetwork(log === undefined ? { random } : { random, log }, {
    attachment: `stream:${path}`,
  })
  const [peer] = (await accepted) as [Socket]
  t.after(async () => {
    network.close()
    peer.destroy()
    server.close()
    await rm(folder, { recursive: true })
  })
  return { network, peer, server }
}

function keepingLog(): { readonly log: Log; readonly lines: string[] } {
  const lines: string[] = []
  const console = { write: (text: string) => void lines.push(text) }
  return { log: createLog({ console, clock: createWallClock() }), lines }
}

test('network: frames sent in one turn arrive in order, each behind its length', async (t) => {
  const { network, peer } = await connected(t)
  const sent = [frameNumber(1), frameNumber(2, 1514), frameNumber(3, 14)]
  for (const frame of sent) sendCopy(network, frame)
  const [chunk] = (await once(peer, 'data')) as [Uint8Array]
  assert.deepEqual(new Uint8Array(chunk), new Uint8Array(Buffer.concat(sent.map(prefixed))))
  assert.deepEqual([network.stats.txFrames, network.stats.txBytes], [3, 60 + 1514 + 14])
})

test('network: receives frames, counts and drops those too long or too short', async (t) => {
  const { network, peer } = await connected(t)
  const received: Uint8Array[] = []
  const done = new Promise<void>((resolve) => {
    network.listen((frame, off, end) => {
      received.push(frame.u8.slice(off, end))
      if (received.length === 2) resolve()
    })
  })
  peer.write(
    Buffer.concat([frameNumber(1), frameNumber(2, 1515), frameNumber(3, 13), frameNumber(4, 1514)].map(prefixed)),
  )
  await done
  assert.deepEqual(received, [frameNumber(1), frameNumber(4, 1514)])
  assert.deepEqual([network.stats.rxFrames, network.stats.rxBytes, network.stats.rxDropped], [2, 1574, 2])
})

test('network: a peer that does not read costs a bounded buffer, then frames are dropped, then all goes on', async (t) => {
  const { network, peer } = await connected(t)
  peer.pause()
  const frame = frameNumber(1, 1514)
  const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))
  for (let i = 0; network.alloc() !== undefined; i++) {
    assert.ok(i < 10_000, 'the buffer has a bound')
    sendCopy(network, frame)
    if (i % 10 === 0) await turn()
  }
  const sentBefore = network.stats.txFrames
  const scratch = createFrame(1514)
  network.send(scratch, 0, 1514)
  assert.equal(network.stats.txDropped, 1)
  let receivedBytes = 0
  peer.on('data', (chunk) => {
    receivedBytes += chunk.length
  })
  peer.resume()
  while (receivedBytes < sentBefore * 1518) await turn()
  assert.notEqual(network.alloc(), undefined)
})

test('network: a peer that speaks something else is hung up on, and the log says why', async (t) => {
  const { log, lines } = keepingLog()
  const { peer } = await connected(t, log)
  peer.resume()
  peer.write('GET / HTTP/1.1\r\n')
  await once(peer, 'close')
  assert.match(lines.join(''), /stream:.* is down: the peer does not speak length-prefixed Ethernet/)
})

test('network: when the peer closes, the log says so and frames are dropped', async (t) => {
  const { log, lines } = keepingLog()
  const { network, peer } = await connected(t, log)
  peer.end()
  peer.resume()
  while (network.alloc() !== undefined) await new Promise((resolve) => setImmediate(resolve))
  assert.match(lines.join(''), /is down: the peer closed the connection/)
  network.send(createFrame(60), 0, 60)
  assert.equal(network.stats.txDropped, 1)
})

test('network: frames sent before close still leave; closing twice is harmless', async (t) => {
  const { network, peer } = await connected(t)
  sendCopy(network, frameNumber(9))
  network.close()
  network.close()
  let receivedBytes = 0
  for await (const chunk of peer) receivedBytes += (chunk as Uint8Array).length
  assert.equal(receivedBytes, 64)
})

test('network: the MAC is local and unicast, or the one asked for', async (t) => {
  const { network, server } = await connected(t)
  assert.match(macToString(network.mac), /^.[26ae]:/)
  const attachment = `stream:${server.address()}`
  const second = await createNetwork({ random }, { attachment, mac: 0x020000000001 as Mac })
  assert.equal(macToString(second.mac), '02:00:00:00:00:01')
  second.close()
})

test('network: an attachment that is malformed or absent is refused with its name', async () => {
  await assert.rejects(
    createNetwork({ random }, { attachment: 'eth0' }),
    /Cannot open network "eth0": expected stream:/,
  )
  await assert.rejects(createNetwork({ random }, { attachment: 'stream:/nonexistent/socket' }), {
    message: /Cannot open network stream:\/nonexistent\/socket: .*ENOENT/,
  })
})

/** Runs `body` with a relay program made of `script`, whose argument 2 is the socket's path. */
async function withRelay(script: string | undefined, body: () => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'mirage-test-'))
  const program = join(folder, 'relay')
  if (script !== undefined) {
    await writeFile(program, `#!/usr/bin/env node\n${script}`)
    await chmod(program, 0o755)
  }
  process.env['MIRAGE_TAP'] = program
  try {
    await body()
  } finally {
    delete process.env['MIRAGE_TAP']
    await rm(folder, { recursive: true })
  }
}

/** A relay that echoes; it says `ready offload` when asked for that and `can`. */
function echoRelay(can: boolean): string {
  return `
    const server = require('node:net').createServer((socket) => socket.pipe(socket).on('close', () => server.close()))
    const isOffload = ${can} && process.argv[2] === '--offload'
    server.listen(process.argv.at(-1), () => console.log(isOffload ? 'ready offload' : 'ready'))`
}

for (const [can, offload] of [
  [true, true],
  [true, false],
  [false, true],
] as const) {
  const name = `the relay ${can ? 'can' : 'cannot'} offload, and is ${offload ? '' : 'not '}asked to`
  test(`network: a tap is reached through the relay, which ends with the network; ${name}`, async () => {
    await withRelay(echoRelay(can), async () => {
      const network = await createNetwork({ random }, { attachment: 'tap:tap9', offload })
      assert.equal(network.offload.checksum, can && offload)
      const echoed = new Promise<Uint8Array>((resolve) => {
        network.listen((frame, off, end) => resolve(frame.u8.slice(off, end)))
      })
      sendCopy(network, frameNumber(5))
      assert.deepEqual(await echoed, frameNumber(5))
      network.close()
    })
  })
}

test('network: a plain tap is not asked for offload', async () => {
  await withRelay(echoRelay(true), async () => {
    const network = await createNetwork({ random }, { attachment: 'plain-tap:tap9' })
    assert.deepEqual([network.offload.checksum, network.allocLarge()], [false, undefined])
    network.close()
  })
})

test('network: a large frame and what is left to do to it pass the relay', async () => {
  await withRelay(echoRelay(true), async () => {
    const network = await createNetwork({ random }, { attachment: 'tap:tap9' })
    const echoed = new Promise<readonly number[]>((resolve) => {
      network.listen((frame, off, end) => {
        const { checksumState, checksumFrom, checksumAt, segmentBytes } = frame
        resolve([end - off, checksumState, checksumFrom - off, checksumAt - off, segmentBytes])
      })
    })
    const frame = network.allocLarge()
    assert(frame !== undefined)
    const off = network.headroomBytes
    frame.u8.fill(0x45)
    frame.u8[off + 34 + 12] = 0x50 // data offset: 20 octets
    frame.checksumState = CHECKSUM_PARTIAL
    frame.checksumFrom = off + 34
    frame.checksumAt = off + 50
    frame.segmentBytes = 1460
    network.send(frame, off, off + 60_000)
    assert.deepEqual(await echoed, [60_000, CHECKSUM_PARTIAL, 34, 50, 1460])
    assert.deepEqual([network.stats.txDropped, network.stats.rxDropped], [0, 0])
    network.close()
  })
})

test('network: a tap without its relay, or without permission, is refused with what to do', async () => {
  await withRelay(undefined, () =>
    assert.rejects(
      createNetwork({ random }, { attachment: 'tap:tap9' }),
      /Cannot open tap tap9: the relay .* MIRAGE_TAP/,
    ),
  )
  const refusing = `console.error('no permission to open tap tap9: run as root'); process.exit(1)`
  await withRelay(refusing, () =>
    assert.rejects(
      createNetwork({ random }, { attachment: 'tap:tap9' }),
      /Cannot open tap tap9: no permission to open tap tap9: run as root/,
    ),
  )
})

runNetworkConformance(test, 'stream socket', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'mirage-test-'))
  const path = join(folder, 'socket')
  const server = createServer()
  server.listen(path)
  await once(server, 'listening')
  const accepted = once(server, 'connection')
  const network = await createNetwork({ random }, { attachment: `stream:${path}` })
  const [peer] = (await accepted) as [Socket]
  const sent: Uint8Array[] = []
  const splitter = new FrameSplitter((frame, off, end) => sent.push(frame.u8.slice(off, end)))
  peer.on('data', (chunk: Buffer) => splitter.push(frameOf(new Uint8Array(chunk)), chunk.length))
  return {
    network,
    sent: () => sent.splice(0),
    deliver: (bytes) => void peer.write(prefixed(bytes)),
    // Both ends are in this process: a few turns of its loop carry everything.
    settle: async () => {
      for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve))
    },
    end: async () => {
      peer.destroy()
      server.close()
      await rm(folder, { recursive: true })
    },
  }
})

test('network: an MTU that no link has is refused', async () => {
  for (const mtuBytes of [575, 9001, 1500.5, Number.NaN]) {
    await assert.rejects(createNetwork({ random }, { attachment: 'stream:/nowhere', mtuBytes }), /expected 576\.\.9000/)
  }
})
