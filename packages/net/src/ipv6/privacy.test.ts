/** Addresses that say nothing: stable opaque identifiers (RFC 7217) and temporary ones (RFC 8981). */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { ipv4, ipv6ToString, isIpv6LinkLocal, port } from '@mirage-ts/core/addresses'
import { toHex } from '@mirage-ts/core/bytes'
import { seconds } from '@mirage-ts/core/time'
import type { Ipv6 } from '@mirage-ts/signatures/addresses'
import { createDualTestStack, type DualTestStackOptions } from '@mirage-ts/testing/dual-stack'
import { address, datagram, hex, icmp, PEER, packet } from '@mirage-ts/testing/ipv6-peer'
import { createLink, testMac } from '@mirage-ts/testing/link'
import { SeededRandom } from '@mirage-ts/testing/seeded-random'
import { InterfaceIds, interfaceSecret, randomInterfaceId } from './interface-ids.ts'

const SECRET = '000102030405060708090a0b0c0d0e0f'
const PREFIX = address('2001:db8:1::')
const FAR = address('2001:4860::1')
const ALL_NODES = address('ff02::1')
const DAY = 86_400

/** A router's word that addresses of PREFIX live so many seconds, 32 bits. */
function advert(valid: number, preferred: number): Uint8Array {
  const lifetimes = [valid, preferred].map((count) => count.toString(16).padStart(8, '0')).join(' ')
  const body = `40 00 ffff 00000000 00000000 0101020000000001 030440c0 ${lifetimes} 00000000 ${hex(PREFIX)}`
  const message = icmp(134, 0, body, PEER, ALL_NODES)
  return packet(message, { dst: ALL_NODES, next: 58, hopLimit: 255, mac: '333300000001' })
}

/** A stack that has just started, and what it asks about when it looks for duplicates. */
function setUp(options: DualTestStackOptions) {
  const link = createLink()
  const stack = createDualTestStack(link.network, link.time, '10.0.0.2/24', options)
  const probed = (): Ipv6[] =>
    link.peer
      .take()
      .filter(
        (frame) => frame[12] === 0x86 && frame[54] === 135 && frame.subarray(22, 38).every((octet) => octet === 0),
      )
      .map((frame) => new DataView(frame.buffer, frame.byteOffset))
      .map((dv) => ((dv.getBigUint64(62) << 64n) | dv.getBigUint64(70)) as Ipv6)
  /** Says of each of `taken` that it is somebody else's. */
  const take = (taken: readonly Ipv6[]): void => {
    for (const one of taken) {
      const message = icmp(136, 0, `20000000 ${hex(one)} 0201020000000001`, PEER, ALL_NODES)
      link.peer.send(packet(message, { dst: ALL_NODES, next: 58, hopLimit: 255, mac: '333300000001' }))
    }
  }
  const far = (): readonly Ipv6[] =>
    stack.ipv6.ownAddresses.map((one) => one.address).filter((one) => !isIpv6LinkLocal(one))
  const temporary = () => stack.ipv6.ownAddresses.filter(({ kind }) => kind === 'temporary')
  const start = async (count = 2): Promise<void> => link.time.advance(seconds(count))
  return { ...link, stack, probed, take, far, temporary, start }
}

describe('ipv6 stable opaque identifiers (RFC 7217)', () => {
  it('depend on the prefix, the interface, the secret and the collisions, and on nothing else (§5)', () => {
    const secret = interfaceSecret(SECRET, new SeededRandom(1))
    const ids = new InterfaceIds(testMac(2), secret)
    const all = [
      ids.of(PREFIX, 0),
      ids.of(PREFIX, 1),
      ids.of(address('fe80::'), 0),
      new InterfaceIds(testMac(3), secret).of(PREFIX, 0),
      new InterfaceIds(testMac(2), interfaceSecret('f'.repeat(32), new SeededRandom(1))).of(PREFIX, 0),
      new InterfaceIds(testMac(2), interfaceSecret('random', new SeededRandom(1))).of(PREFIX, 0),
      new InterfaceIds(testMac(2), interfaceSecret('random', new SeededRandom(2))).of(PREFIX, 0),
    ]
    assert.equal(new Set(all).size, all.length)
    assert.equal(
      new InterfaceIds(testMac(2), interfaceSecret(SECRET, new SeededRandom(9))).of(address('2001:db8:1::77'), 0),
      all[0],
    )
    for (const id of all) assert.ok(id > 0n && id < 1n << 64n)
  })

  it('a secret is 32 hexadecimal digits, or random', () => {
    for (const text of ['', '00', 'g'.repeat(32), `${SECRET}0`, 'Random']) {
      assert.throws(() => interfaceSecret(text, new SeededRandom(1)), /Cannot use ".*" as IPv6 secret: expected 32 hex/)
    }
  })

  it('random identifiers use all 64 bits (RFC 8981 §3.3)', () => {
    const random = new SeededRandom(4)
    let [ones, zeros] = [0n, 0n]
    for (let i = 0; i < 200; i++) {
      const id = randomInterfaceId(random)
      ones |= id
      zeros |= ~id & 0xffffffffffffffffn
    }
    assert.deepEqual([ones, zeros], [0xffffffffffffffffn, 0xffffffffffffffffn])
  })

  it('are in the address of the link and of each prefix, the same after a reboot', async () => {
    const [first, second] = [setUp({ interfaceSecret: SECRET }), setUp({ interfaceSecret: SECRET, seed: 5 })]
    for (const one of [first, second]) {
      one.peer.send(advert(3600, 3600))
      await one.start()
      assert.equal(one.stack.ipv6.addresses.length, 2)
      // Nothing of the MAC 02:00:00:00:00:02 is in them.
      for (const own of one.stack.ipv6.addresses) assert.doesNotMatch(ipv6ToString(own as Ipv6), /ff:fe00/)
    }
    assert.deepEqual(first.stack.ipv6.addresses, second.stack.ipv6.addresses)
  })

  it('another is tried a second after a collision, three times (§6)', async () => {
    const { stack, probed, take, start, time } = setUp({ interfaceSecret: SECRET })
    const tried: Ipv6[] = []
    for (let i = 0; i < 4; i++) {
      await time.advance(seconds(0.5))
      const asked = probed()
      assert.equal(asked.length, 1, `attempt ${i}`)
      tried.push(...asked)
      take(asked)
      await time.advance(seconds(0.4))
      assert.deepEqual(probed(), [], 'not at once')
      await time.advance(seconds(0.6))
    }
    await start(5)
    assert.deepEqual(probed(), [])
    assert.equal(new Set(tried).size, 4)
    assert.deepEqual(stack.ipv6.addresses, [])
    assert.deepEqual(
      stack.ipv6.ownAddresses.map(({ state }) => state),
      ['duplicate'],
    )
  })

  it('without a secret a duplicate is the end, as the MAC is all there is (RFC 4862 §5.4.5)', async () => {
    const { stack, probed, take, start } = setUp({})
    await start(0.5)
    take(probed())
    await start(5)
    assert.deepEqual(probed(), [])
    assert.deepEqual(stack.ipv6.addresses, [])
  })
})

describe('ipv6 temporary addresses (RFC 8981)', () => {
  it('there are none unless asked for (§3.4)', async () => {
    const { peer, start, far } = setUp({})
    peer.send(advert(7 * DAY, DAY))
    await start()
    assert.equal(far().length, 1)
  })

  it('conversations begin from one, and the stable address stays (§3.1, RFC 6724 rule 7)', async () => {
    const { peer, start, far, stack, temporary } = setUp({ temporaryAddresses: true })
    peer.send(advert(7 * DAY, 7 * DAY))
    await start()
    const [stable, other] = far()
    assert.equal(far().length, 2)
    assert.equal(ipv6ToString(stable as Ipv6), '2001:db8:1::ff:fe00:2')
    assert.equal(stack.ipv6.source(FAR), other)
    assert.equal(temporary()[0]?.address, other)
    assert.equal((other as Ipv6) >> 64n, PREFIX >> 64n)
    // What is said to the link's own address stays on the link.
    assert.ok(isIpv6LinkLocal(stack.ipv6.source(PEER) as Ipv6))
  })

  it('answers are from the address that was asked (RFC 1122 §4.1.3.5, RFC 6724 §5)', async () => {
    const { peer, start, far, stack, time } = setUp({ temporaryAddresses: true, ipv6: '2001:db8:1::2/64' })
    peer.send(advert(7 * DAY, 7 * DAY))
    await start()
    const socket = await stack.udp.bind(port(4000), (payload, from, to) => socket.trySend(payload, from, to))
    assert.equal(far().length, 3)
    peer.take()
    const asker = address('2001:db8:1::77')
    for (const asked of far()) {
      peer.send(packet(datagram(new Uint8Array(3), asker, asked), { src: asker, dst: asked }))
      const solicit = icmp(135, 0, `00000000 ${hex(asked)} 0101020000000001`, asker, asked)
      peer.send(packet(solicit, { src: asker, dst: asked, next: 58, hopLimit: 255 }))
      await time.advance(seconds(0.1))
      const answer = peer.take().find((frame) => frame[20] === 17) ?? assert.fail('no answer')
      assert.equal(toHex(answer, 22, 38), hex(asked))
    }
    // Whoever asks a group, or nobody of ours, is answered from the address that fits.
    const fits = stack.ipv6.datagramSource(asker) as Ipv6
    for (const local of [address('ff02::1'), FAR, ipv4(10, 0, 0, 2)]) {
      await socket.send(new Uint8Array(3), { address: asker, port: port(5000) }, local)
      await time.advance(seconds(0.1))
      const sent = peer.take().find((frame) => frame[20] === 17) ?? assert.fail('nothing sent')
      assert.equal(toHex(sent, 22, 38), hex(fits))
    }
  })

  it('another takes over before the day is over, the old one ends after two (§3.4, §3.5)', async () => {
    const { peer, start, temporary, stack, time } = setUp({ temporaryAddresses: true })
    const hourly = async (hours: number): Promise<void> => {
      for (let i = 0; i < hours; i++) {
        peer.send(advert(7 * DAY, 7 * DAY))
        await time.advance(seconds(3600))
        const usable = temporary().filter((one) => !one.isDeprecated && one.state === 'usable')
        assert.ok(usable.length > 0, `hour ${i}: one that may be used`)
        assert.ok(
          usable.some(({ address: own }) => own === stack.ipv6.source(FAR)),
          `hour ${i}: and it is`,
        )
      }
    }
    peer.send(advert(7 * DAY, 7 * DAY))
    await start()
    const first = temporary()[0]?.address
    await hourly(13)
    assert.equal(stack.ipv6.source(FAR), first, 'at least 0.6 of a day')
    await hourly(12)
    assert.notEqual(stack.ipv6.source(FAR), first)
    assert.ok(stack.ipv6.addresses.includes(first as Ipv6), 'conversations of the old one go on')
    await hourly(24)
    assert.ok(!stack.ipv6.addresses.includes(first as Ipv6))
    assert.ok(temporary().length <= 4)
  })

  it('none lives longer than its prefix, or begins when that is about to end (§3.4)', async () => {
    const { peer, start, temporary, far, time } = setUp({ temporaryAddresses: true })
    peer.send(advert(7 * DAY, 5))
    await start()
    assert.deepEqual(temporary(), [])
    peer.send(advert(7 * DAY, 600))
    await start()
    assert.equal(temporary().length, 1)
    // RFC 4862 §5.5.3 (e): two hours are left to the prefix, and so to it.
    peer.send(advert(10, 10))
    await time.advance(seconds(60))
    assert.equal(temporary().length, 1)
    await time.advance(seconds(7200))
    assert.deepEqual(far(), [])
  })

  it('a router that lets them live for seconds does not fill our memory', async () => {
    const { peer, temporary, time } = setUp({ temporaryAddresses: true })
    for (let i = 0; i < 100; i++) {
      peer.send(advert(7 * DAY, 7))
      await time.advance(seconds(3))
    }
    assert.ok(temporary().length > 1 && temporary().length <= 16, `${temporary().length}`)
  })

  it('a duplicate is replaced at once; after three in a row there are no more (§3.4 (7))', async () => {
    const { peer, probed, take, temporary, time, stack } = setUp({ temporaryAddresses: true })
    await time.advance(seconds(2))
    probed()
    peer.send(advert(7 * DAY, 7 * DAY))
    await time.advance(seconds(0.1))
    const stable = address('2001:db8:1::ff:fe00:2')
    let count = 0
    for (;;) {
      const asked = probed().filter((one) => one !== stable)
      if (asked.length === 0) break
      assert.equal(asked.length, 1)
      count++
      take(asked)
      await time.advance(seconds(0.1))
    }
    assert.equal(count, 4)
    peer.send(advert(7 * DAY, 7 * DAY))
    await time.advance(seconds(10))
    assert.deepEqual(temporary(), [])
    assert.equal(stack.ipv6.source(FAR), stable)
  })
})
