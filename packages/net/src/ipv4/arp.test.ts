import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { ipv4 } from '@mirage-ts/core/addresses'
import { createFrame, frameOf, fromHex, toHex } from '@mirage-ts/core/bytes'
import { ms, seconds } from '@mirage-ts/core/time'
import type { Ipv4 } from '@mirage-ts/signatures/addresses'
import { createLink } from '@mirage-ts/testing/link'
import { createEthernet } from '../ethernet.ts'
import { ARP_LEN, ArpPacket, emitArp, parseArp } from '../wire/arp.ts'
import { ETHERTYPE_IPV4 } from '../wire/ethernet.ts'
import { type ArpOptions, createArp } from './arp.ts'

const OURS = ipv4(10, 0, 0, 2)
const PEER = ipv4(10, 0, 0, 1)

// Captured between two Linux stations on a veth pair.
const LINUX_REQUEST = 'ffffffffffff 020000000001 0806 0001 0800 06 04 0001 020000000001 0a000001 000000000000 0a000002'
const LINUX_REPLY = '020000000001 020000000002 0806 0001 0800 06 04 0002 020000000002 0a000002 020000000001 0a000001'

function reply(senderIp: string, senderMac = '020000000001'): Uint8Array {
  return fromHex(`020000000002 020000000001 0806 0001 0800 06 04 0002 ${senderMac} ${senderIp} 020000000002 0a000002`)
}

async function setUp(options: ArpOptions = {}) {
  const link = createLink()
  const ethernet = createEthernet({ network: link.network })
  const arp = createArp({ ethernet, clock: link.time, time: link.time }, options)
  arp.add(OURS)
  // Both announcements.
  await link.time.advance(seconds(3))
  link.peer.take()
  const send = (to: Ipv4, payload: string): void => {
    const frame = ethernet.alloc()
    assert(frame !== undefined)
    const off = ethernet.headroomBytes
    frame.u8.set(fromHex(payload), off)
    arp.send(frame, off, off + payload.length / 2, ETHERTYPE_IPV4, to)
  }
  const heard = async (): Promise<string[]> => {
    await link.time.advance(ms(1))
    return link.peer.take().map((bytes) => toHex(bytes))
  }
  return { ...link, arp, send, heard }
}

describe('arp wire', () => {
  it('reads and writes the packets Linux sends', () => {
    for (const captured of [LINUX_REQUEST, LINUX_REPLY]) {
      const bytes = fromHex(captured).subarray(14)
      const packet = new ArpPacket()
      assert.equal(parseArp(frameOf(bytes), 0, bytes.length, packet), undefined)
      const frame = createFrame(ARP_LEN)
      frame.u8.fill(0xff)
      emitArp(frame, 0, packet)
      assert.equal(toHex(frame.u8), toHex(bytes))
    }
  })

  it('calls every shorter packet truncated', () => {
    const bytes = fromHex(LINUX_REQUEST).subarray(14)
    for (let end = 0; end < ARP_LEN; end++) {
      assert.equal(parseArp(frameOf(bytes), 0, end, new ArpPacket()), 'truncated')
    }
  })

  it('refuses other hardware, protocols, address lengths and operations as unsupported', () => {
    for (const at of [0, 2, 4, 5, 6]) {
      const bytes = fromHex(LINUX_REQUEST).subarray(14)
      bytes[at] = 9
      assert.equal(parseArp(frameOf(bytes), 0, bytes.length, new ArpPacket()), 'unsupported', `octet ${at}`)
    }
  })

  it('refuses a sender that is no single station', () => {
    for (const mac of ['ffffffffffff', '01005e000001', '000000000000']) {
      const bytes = reply('0a000001', mac).subarray(14)
      assert.equal(parseArp(frameOf(bytes), 0, bytes.length, new ArpPacket()), 'bad-sender', mac)
    }
  })
})

describe('arp', () => {
  it('answers a request for our address as Linux does', async () => {
    const { peer, heard } = await setUp()
    peer.send(fromHex(LINUX_REQUEST))
    assert.deepEqual(await heard(), [toHex(fromHex(LINUX_REPLY))])
  })

  it('announces an address it is given (RFC 5227 §3)', async () => {
    const { arp, heard } = await setUp()
    arp.add(ipv4(10, 0, 0, 9))
    const [announcement] = await heard()
    assert.match(announcement ?? '', /^ffffffffffff020000000002080600010800060400010200000000020a000009.{12}0a000009$/)
  })

  it('does not answer for addresses of others', async () => {
    const { peer, heard } = await setUp()
    peer.send(fromHex(LINUX_REQUEST.replace(/02$/, '03')))
    assert.deepEqual(await heard(), [])
  })

  it('answers a probe and does not remember 0.0.0.0 (RFC 5227 §1.1)', async () => {
    const { peer, heard, arp } = await setUp()
    peer.send(fromHex(LINUX_REQUEST.replace('0a000001 0000', '00000000 0000')))
    assert.equal((await heard()).length, 1)
    assert.equal(arp.entryCount, 0)
  })

  it('holds frames until the neighbour answers, then sends them in order', async () => {
    const { peer, heard, send } = await setUp()
    send(PEER, 'aa')
    send(PEER, 'bb')
    const [request, ...others] = await heard()
    assert.match(request ?? '', /^ffffffffffff0200000000020806.{16}0200000000020a0000020{12}0a000001$/)
    assert.deepEqual(others, [])
    peer.send(reply('0a000001'))
    assert.deepEqual(await heard(), ['0200000000010200000000020800aa', '0200000000010200000000020800bb'])
  })

  it('asks three times, a second apart, and then gives the frames up (RFC 1122 §2.3.2.1)', async () => {
    const { peer, time, arp, send } = await setUp()
    send(PEER, 'aa')
    await time.advance(ms(2900))
    assert.equal(peer.take().length, 3)
    await time.advance(seconds(60))
    assert.equal(peer.take().length, 0)
    assert.equal(arp.counters.unresolved, 1)
    assert.equal(arp.entryCount, 0)
    assert.equal(time.pendingCount, 0)
  })

  it('bounds the frames that wait for one neighbour, and for all', async () => {
    const { arp, send } = await setUp({ maxQueued: 2, maxQueuedTotal: 3 })
    for (let i = 0; i < 3; i++) send(PEER, 'aa')
    assert.equal(arp.counters.queueFull, 1)
    send(ipv4(10, 0, 0, 7), 'aa')
    send(ipv4(10, 0, 0, 8), 'aa')
    assert.equal(arp.counters.queueFull, 2)
  })

  it('OSEC-2026-02: unasked-for replies make no entry', async () => {
    const { peer, arp, time } = await setUp()
    for (let i = 0; i < 3000; i++) peer.send(reply(`0a00${(0x1000 + i).toString(16)}`))
    await time.advance(ms(1))
    assert.equal(arp.entryCount, 0)
    assert.equal(arp.counters.unsolicited, 3000)
  })

  it('OSEC-2026-02: a flood of requests fills half of the table at most, and makes room for what we need', async () => {
    const { peer, arp, time, send, heard } = await setUp({ maxEntries: 64 })
    for (let i = 0; i < 1000; i++) {
      peer.send(fromHex(LINUX_REQUEST.replace('0a000001', `0a00${(0x1000 + i).toString(16)}`)))
    }
    await time.advance(ms(1))
    assert.equal(arp.entryCount, 32)
    peer.take()
    for (let i = 0; i < 64; i++) send(ipv4(10, 0, 1, i), 'aa')
    assert.equal(arp.entryCount, 64)
    send(PEER, 'aa')
    assert.equal(arp.counters.tableFull, 1)
    assert.equal((await heard()).length, 64)
  })

  it('asks a neighbour in use again, by unicast, before the entry ends; forgets one that is not', async () => {
    const { peer, time, arp, send, heard } = await setUp()
    send(PEER, 'aa')
    peer.send(reply('0a000001'))
    await heard()
    send(PEER, 'bb')
    peer.take()
    await time.advance(ms(55_500))
    const refresh = peer.take().filter((bytes) => toHex(bytes, 12, 14) === '0806')
    assert.equal(refresh.length, 1)
    assert.equal(toHex(refresh[0] as Uint8Array, 0, 6), '020000000001')
    peer.send(reply('0a000001'))
    await time.advance(seconds(120))
    assert.equal(arp.entryCount, 0)
  })

  it('counts another station that claims our address, and keeps it', async () => {
    const { peer, arp, heard } = await setUp()
    peer.send(reply('0a000002'))
    await heard()
    assert.equal(arp.counters.conflict, 1)
    assert.deepEqual(arp.addresses, [OURS])
  })
})

describe('arp conflicts (RFC 5227)', () => {
  it('announces twice, two seconds apart (§2.3)', async () => {
    const { arp, heard, time } = await setUp()
    arp.add(ipv4(10, 0, 0, 9))
    assert.equal((await heard()).length, 1)
    await time.advance(seconds(1.9))
    assert.equal((await heard()).length, 0)
    await time.advance(seconds(0.2))
    assert.equal((await heard()).length, 1)
    await time.advance(seconds(10))
    assert.equal((await heard()).length, 0)
  })

  it('finds out that an address is free, or that somebody has it or wants it too (§2.1.1)', async () => {
    const { arp, heard, time, peer } = await setUp()
    const address = ipv4(10, 0, 0, 9)
    assert.equal(await time.until(arp.probe(address)), true)
    assert.equal((await heard()).length, 3)
    for (const [operation, sender, target] of [
      ['0002', '0a000009', '00000000'],
      ['0001', '0a000009', '0a000001'],
      ['0001', '00000000', '0a000009'],
    ]) {
      const probing = arp.probe(address)
      peer.send(
        fromHex(
          `ffffffffffff 020000000001 0806 0001080006 04 ${operation} 020000000001 ${sender} 000000000000 ${target}`,
        ),
      )
      assert.equal(await time.until(probing), false)
    }
  })

  it('defends its address, once in ten seconds, and tells those who want to know (§2.4 (c))', async () => {
    const { arp, heard, time, peer } = await setUp()
    const told: number[] = []
    arp.listenConflicts((address) => told.push(address))
    await time.advance(seconds(5))
    await heard()
    const claim = async (): Promise<number> => {
      peer.send(
        fromHex('ffffffffffff 020000000001 0806 0001080006 04 0001 020000000001 0a000002 000000000000 0a000002'),
      )
      return (await heard()).length
    }
    assert.deepEqual([await claim(), await claim(), await claim()], [1, 0, 0])
    await time.advance(seconds(11))
    assert.equal(await claim(), 1)
    assert.deepEqual(told, [ipv4(10, 0, 0, 2), ipv4(10, 0, 0, 2)])
    assert.equal(arp.counters.conflict, 4)
  })
})
