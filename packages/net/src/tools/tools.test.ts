import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { parseIpv4, port } from '@mirage-ts/core/addresses'
import { frameOf, fromHex, toHex } from '@mirage-ts/core/bytes'
import { createLog } from '@mirage-ts/core/log'
import { ms } from '@mirage-ts/core/time'
import type { IpAddress } from '@mirage-ts/signatures/addresses'
import type { Network } from '@mirage-ts/signatures/network'
import type { WallInstant } from '@mirage-ts/signatures/time'
import { runCaptureConformance } from '@mirage-ts/testing/conformance/capture-suite'
import { createTestStack } from '@mirage-ts/testing/direct-stack'
import { FrameFuzzer } from '@mirage-ts/testing/frame-fuzzer'
import { createLink, testMac } from '@mirage-ts/testing/link'
import { MockTime } from '@mirage-ts/testing/mock-time'
import { SeededRandom } from '@mirage-ts/testing/seeded-random'
import { VirtualSwitch } from '@mirage-ts/testing/virtual-switch'
import { createFaultyNetwork, type Faults } from './faults.ts'
import { countersOf, metricsText } from './metrics.ts'
import { createCaptureRing, createPcap } from './pcap.ts'
import { createTracer, describeFrame } from './tracer.ts'

function send(network: Network, bytes: Uint8Array): void {
  const frame = network.alloc()
  assert(frame !== undefined)
  frame.u8.set(bytes, network.headroomBytes)
  network.send(frame, network.headroomBytes, network.headroomBytes + bytes.length)
}

const FRAME = fromHex('020000000001 020000000002 0800 616263')

runCaptureConformance('capture ring', (use) => use(createCaptureRing()))

describe('pcap', () => {
  it('writes a file with the frames of both directions', async () => {
    const { network, peer, time } = createLink()
    const capture = createCaptureRing()
    const clock = { now: () => Number(time.now()) as WallInstant }
    const captured = createPcap({ network, clock, capture })
    captured.listen(() => {})
    send(captured, FRAME)
    peer.send(fromHex('020000000002 020000000001 0800 64'))
    await time.advance(ms(1))
    const text = toHex(capture.file())
    assert.match(text, /^a1b2c3d400020004.{16}0004000000000001/)
    assert.equal(
      text.slice(48),
      `000000010000000000000011000000 11${toHex(FRAME)}00000001000000000000000f0000000f0200000000020200000000010800 64`.replaceAll(
        ' ',
        '',
      ),
    )
  })

  it('remembers the last frames only, in bounded memory', async () => {
    const capture = createCaptureRing({}, { maxBytes: 100 })
    const { network } = createLink()
    const captured = createPcap({ network, clock: { now: () => 0 as WallInstant }, capture })
    for (let i = 0; i < 50; i++) send(captured, Uint8Array.of(...FRAME, i))
    const file = capture.file()
    assert.equal(file.length, 24 + 2 * (16 + 18))
    assert.equal(file.at(-1), 49)
  })
})

describe('tracer', () => {
  const describeHex = (hex: string): string => {
    const bytes = fromHex(hex)
    return describeFrame(frameOf(bytes), 0, bytes.length)
  }
  const TO_US = '020000000002 020000000001'
  const STATIONS = '02:00:00:00:00:01 > 02:00:00:00:00:02'

  it('says what a frame is', () => {
    for (const [hex, text] of [
      ['0806 0001 0800 06 04 0001 020000000001 0a000001 000000000000 0a000002', 'arp who has 10.0.0.2 tell 10.0.0.1'],
      ['0806 0001 0800 06 04 0002 020000000001 0a000001 020000000002 0a000002', 'arp 10.0.0.1 is at 02:00:00:00:00:01'],
      [
        '0800 45000021 102f 4000 4011 169b 0a000001 0a000002 aab1 0fa0 000d edad 68656c6c6f',
        '10.0.0.1:43697 > 10.0.0.2:4000 udp len 5',
      ],
      [
        '0800 45000028 0001 4000 4006 26cd 0a000001 0a000002 aab1 0050 00000002 00000001 5010 faf0 0000 0000',
        '10.0.0.1:43697 > 10.0.0.2:80 tcp A seq 2 ack 1 win 64240 len 0',
      ],
      [
        '86dd 60000000 000b 3a 40 fe8000000000000000000000ff000001 20010db8000000000000000000000002 8000 0000 00010002 616263',
        'fe80::ff00:1 > 2001:db8::2 icmpv6 128/0 len 11',
      ],
      ['8100 6007 88cc 0102', 'vlan 7 type 0x88cc len 2'],
      ['8100 60', 'type 0x8100 len 1'],
      ['88cc 0102', 'type 0x88cc len 2'],
      ['0800 4500', 'ipv4 truncated'],
    ] as const) {
      assert.equal(describeHex(`${TO_US} ${hex}`), `${STATIONS} ${text}`)
    }
    assert.equal(describeHex('0102'), 'truncated, 2 octets')
  })

  it('finds words for anything', () => {
    const fuzzer = new FrameFuzzer(5)
    for (let i = 0; i < 20_000; i++) {
      const bytes = fuzzer.next()
      assert.match(describeFrame(frameOf(bytes), 0, bytes.length), /^[\x20-\x7e]+$/)
    }
  })

  it('writes to its log source at level debug', () => {
    const { network } = createLink()
    const lines: string[] = []
    const console = { write: (text: string) => void lines.push(text) }
    const log = createLog({ console, clock: { now: () => 0 as WallInstant } }, { levels: 'trace:debug' })
    send(createTracer({ network, log }), FRAME)
    assert.match(lines.join(''), /\[trace\] out 02:00:00:00:00:02 > 02:00:00:00:00:01 ipv4 truncated\n/)
  })
})

describe('faults', () => {
  /** What arrives of a thousand numbered frames. */
  async function carry(faults: Faults, seed = 1): Promise<string[]> {
    const { network, peer, time } = createLink()
    const faulty = createFaultyNetwork({ network, clock: time, time, random: new SeededRandom(seed) }, faults)
    for (let i = 0; i < 1000; i++) send(faulty, Uint8Array.of(...FRAME, i >> 8, i & 255))
    await time.advance(ms(100))
    return peer.take().map((frame) => toHex(frame, 14))
  }
  const numbers = (frames: readonly string[]): number[] => frames.map((frame) => Number.parseInt(frame.slice(6), 16))

  it('does nothing unless told to', async () => {
    assert.deepEqual(
      numbers(await carry({})),
      Array.from({ length: 1000 }, (_, i) => i),
    )
  })

  it('loses, duplicates, reorders and corrupts about as many as asked', async () => {
    const between = (value: number, low: number, high: number): void =>
      assert(value >= low && value <= high, `${value}`)
    between((await carry({ loss: 0.2 })).length, 740, 860)
    between((await carry({ duplicate: 0.2 })).length, 1140, 1260)
    const reordered = numbers(await carry({ reorder: 0.2, reorderDelay: ms(5), delay: ms(1) }))
    assert.deepEqual(
      [...reordered].sort((a, b) => a - b),
      Array.from({ length: 1000 }, (_, i) => i),
    )
    between(reordered.indexOf(999), 740, 999)
    // A flipped bit in the header sends a frame elsewhere.
    const all = await carry({ corrupt: 0.5 })
    between(all.filter((frame) => !frame.startsWith('616263')).length, 20, 300)
  })

  it('does the same with the same seed', async () => {
    const faults = { loss: 0.1, duplicate: 0.1, corrupt: 0.1, reorder: 0.1, reorderDelay: ms(3) }
    assert.deepEqual(await carry(faults, 7), await carry(faults, 7))
    assert.notDeepEqual(await carry(faults, 7), await carry(faults, 8))
  })

  it('leaves TCP its work: a transfer arrives', async () => {
    const time = new MockTime()
    const lan = new VirtualSwitch(time)
    const faults = { loss: 0.03, duplicate: 0.03, corrupt: 0.03, reorder: 0.03, reorderDelay: ms(3), delay: ms(1) }
    const random = new SeededRandom(9)
    const network = createFaultyNetwork({ network: lan.port(testMac(2)), clock: time, time, random }, faults)
    const server = createTestStack(lan.port(testMac(1)), time, '10.0.0.1/24')
    const client = createTestStack(network, time, '10.0.0.2/24', { seed: 2 })
    const sent = new SeededRandom(3).bytes(200_000)
    const got: Uint8Array[] = []
    await server.tcp.listen(port(80), (flow) => {
      void (async () => {
        for (let chunk = await flow.read(); chunk !== undefined; chunk = await flow.read()) got.push(chunk)
        await flow.close()
      })()
    })
    const address = parseIpv4('10.0.0.1') as IpAddress
    const flow = await time.until(client.tcp.connect({ address, port: port(80) }))
    await time.until(flow.write(sent))
    flow.shutdownWrite()
    await time.until(flow.read())
    assert.deepEqual(Uint8Array.from(got.flatMap((chunk) => [...chunk])), sent)
  })
})

describe('metrics', () => {
  it('lists every counter of every layer', async () => {
    const { network, time, peer } = createLink()
    const { ethernet, arp, ipv4, icmp, udp, tcp } = createTestStack(network, time, '10.0.0.2/24')
    peer.send(fromHex('020000000002 020000000001 0800 45'))
    await time.advance(ms(1))
    const layers = { ethernet, arp, ipv4, icmp, udp, tcp }
    assert.deepEqual(
      countersOf(layers).filter(([, , value]) => value > 0),
      [['ipv4', 'truncated', 1]],
    )
    assert.match(metricsText(layers), /^mirage_net_events_total\{layer="ipv4",event="truncated"\} 1$/m)
  })
})
