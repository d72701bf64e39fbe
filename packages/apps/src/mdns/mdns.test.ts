/** Hosts that speak multicast DNS on a switch, in mock time, and one that says what a test wants. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { ipToString, parseIp, port } from '@mirage-ts/core/addresses'
import { NO_LOG } from '@mirage-ts/core/log'
import { textToOctets } from '@mirage-ts/core/octets'
import { ms } from '@mirage-ts/core/time'
import type { Endpoint, IpAddress } from '@mirage-ts/signatures/addresses'
import type { UdpSocket } from '@mirage-ts/signatures/udp'
import { createTestStack, type TestStack } from '@mirage-ts/testing/direct-stack'
import { testMac } from '@mirage-ts/testing/link'
import { MockTime } from '@mirage-ts/testing/mock-time'
import { SeededRandom } from '@mirage-ts/testing/seeded-random'
import { VirtualSwitch } from '@mirage-ts/testing/virtual-switch'
import { FLAG, formatRr, type Message, type MessageParts, parseMessage, type Rr } from '../dns/wire/message.ts'
import { dnsName, nameKey, nameToString } from '../dns/wire/name.ts'
import { nameIn } from '../dns/wire/rdata.ts'
import { CLASS, TYPE, typeToString } from '../dns/wire/types.ts'
import { createMdns, type Mdns } from './mdns.ts'
import { MDNS_GROUP_4, MDNS_PORT, packet, TOP_BIT } from './records.ts'

const ip = (text: string): IpAddress => parseIp(text) as IpAddress
const GROUP: Endpoint = { address: MDNS_GROUP_4, port: MDNS_PORT }

class Link {
  readonly time = new MockTime()
  readonly lan = new VirtualSwitch(this.time)

  async host(n: number, hostname: string): Promise<Mdns> {
    const stack = this.stack(n)
    const deps = {
      ip: stack.ipv4,
      udp: stack.udp,
      clock: this.time,
      time: this.time,
      random: new SeededRandom(n),
      log: NO_LOG,
    }
    return await this.time.until(createMdns(deps, { hostname, addresses: [ip(`10.0.0.${n}`)] }))
  }

  stack(n: number): TestStack {
    return createTestStack(this.lan.port(testMac(n)), this.time, `10.0.0.${n}/24`, { seed: n })
  }

  async pass(lenSeconds: number): Promise<void> {
    for (let i = 0; i < 20 * lenSeconds; i++) await this.time.advance(ms(50))
  }
}

/** Hears everything, and says what it is told to. */
class Peer {
  readonly heard: { readonly message: Message; readonly at: number }[] = []
  private readonly socket: UdpSocket

  private constructor(socket: UdpSocket) {
    this.socket = socket
  }

  static async on(link: Link, n = 9, fromPort: number = MDNS_PORT): Promise<Peer> {
    const stack = link.stack(n)
    stack.ipv4.join(MDNS_GROUP_4)
    const socket = await stack.udp.bind(port(fromPort), (payload) => {
      const message = parseMessage(payload)
      assert(typeof message === 'object', String(message))
      peer.heard.push({ message, at: link.time.now() })
    })
    const peer = new Peer(socket)
    return peer
  }

  say(parts: Omit<MessageParts, 'id'> & { readonly id?: number }): void {
    void this.socket.send(packet(parts), GROUP)
  }

  ask(name: string, type: number, answers: readonly Rr[] = [], qclass: number = CLASS.IN): void {
    this.say({ questions: [{ name: dnsName(name), type, class: qclass }], answers })
  }

  /** What was heard since the last call: `Q name type`, `A record`, with `!` for a record that is all there is. */
  take(): string[] {
    const lines = this.heard
      .splice(0)
      .flatMap(({ message }) => [
        ...message.questions.map(({ name, type }) => `Q ${nameToString(name)} ${typeToString(type)}`),
        ...message.answers.map((rr) => `A${(rr.class & TOP_BIT) === 0 ? '' : '!'} ${textOf(rr)}`),
        ...message.authorities.map((rr) => `P ${textOf(rr)}`),
        ...message.additionals.map((rr) => `+${(rr.class & TOP_BIT) === 0 ? '' : '!'} ${textOf(rr)}`),
      ])
    return lines
  }
}

const textOf = (rr: Rr): string => formatRr({ ...rr, class: rr.class & ~TOP_BIT })

const a = (name: string, address: string, ttl = 120): Rr => ({
  name: dnsName(name),
  type: TYPE.A,
  class: CLASS.IN | TOP_BIT,
  ttl,
  rdata: Uint8Array.from(address.split('.').map(Number)),
})
const ptr = (name: string, target: string, ttl = 4500): Rr => ({
  name: dnsName(name),
  type: TYPE.PTR,
  class: CLASS.IN,
  ttl,
  rdata: textToOctets(dnsName(target)),
})
const answer = (...answers: readonly Rr[]): Omit<MessageParts, 'id'> => ({
  flags: FLAG.RESPONSE | FLAG.AUTHORITATIVE,
  answers,
})

describe('multicast DNS: publishing (RFC 6762)', () => {
  it('probes three times, then announces twice (§8)', async () => {
    const link = new Link()
    const peer = await Peer.on(link)
    const host = await link.host(1, 'alpha')
    assert.equal(host.host, 'alpha.local')
    await link.pass(3)
    const times = peer.heard.map(({ at }) => at)
    const probe = ['Q alpha.local. ANY', 'P alpha.local. 120 IN A 10.0.0.1']
    const announcement = 'A! alpha.local. 120 IN A 10.0.0.1'
    assert.deepEqual(peer.take(), [...probe, ...probe, ...probe, announcement, announcement])
    const gaps = times.slice(1).map((at, i) => at - (times[i] as number))
    assert.deepEqual(gaps, [250e3, 250e3, 250e3, 1e6])
  })

  it('answers: its own at once, one of many after a moment, with what comes next (§6, RFC 6763 §12)', async () => {
    const link = new Link()
    const peer = await Peer.on(link)
    const host = await link.host(1, 'alpha')
    await link.time.until(
      host.publish({ instance: 'My Site', type: '_http._tcp', port: port(80), txt: { path: '/x' } }),
    )
    await link.pass(5)
    peer.take()
    peer.ask('alpha.local', TYPE.A)
    await link.pass(0.05)
    assert.deepEqual(peer.take(), ['A! alpha.local. 120 IN A 10.0.0.1'])
    peer.ask('_http._tcp.local', TYPE.PTR)
    await link.time.advance(ms(15))
    assert.deepEqual(peer.take(), [])
    await link.pass(0.2)
    assert.deepEqual(peer.take(), [
      'A _http._tcp.local. 4500 IN PTR My\\032Site._http._tcp.local.',
      '+! My\\032Site._http._tcp.local. 120 IN SRV 0 0 80 alpha.local.',
      '+! My\\032Site._http._tcp.local. 4500 IN TXT "path=/x"',
      '+! alpha.local. 120 IN A 10.0.0.1',
    ])
    peer.ask('_services._dns-sd._udp.local', TYPE.PTR)
    await link.pass(0.2)
    assert.deepEqual(peer.take(), ['A _services._dns-sd._udp.local. 4500 IN PTR _http._tcp.local.'])
  })

  it('says that there is nothing else of its name (§6.1), and nothing about names of others', async () => {
    const link = new Link()
    const peer = await Peer.on(link)
    await link.host(1, 'alpha')
    await link.pass(3)
    peer.take()
    peer.ask('ALPHA.local', TYPE.AAAA)
    peer.ask('beta.local', TYPE.A)
    await link.pass(0.5)
    assert.deepEqual(peer.take(), ['A! alpha.local. 120 IN NSEC alpha.local. A'])
  })

  it('does not say what the asker knows, or said before that it would send more (§7.1, §7.2)', async () => {
    const link = new Link()
    const peer = await Peer.on(link)
    const host = await link.host(1, 'alpha')
    await link.time.until(host.publish({ instance: 'one', type: '_http._tcp', port: port(80) }))
    await link.pass(5)
    peer.take()
    const known = ptr('_http._tcp.local', 'one._http._tcp.local', 2300)
    peer.ask('_http._tcp.local', TYPE.PTR, [known])
    await link.pass(0.3)
    assert.deepEqual(peer.take(), [])
    // For less than half of its time.
    peer.ask('_http._tcp.local', TYPE.PTR, [{ ...known, ttl: 2200 }])
    await link.pass(0.3)
    assert.equal(peer.take().length, 4)
    await link.pass(2)
    const questions = [{ name: known.name, type: TYPE.PTR, class: CLASS.IN }]
    peer.say({ flags: FLAG.TRUNCATED, questions })
    await link.pass(0.2)
    peer.say({ answers: [known] })
    await link.pass(1)
    assert.deepEqual(peer.take(), [])
  })

  it('does not say what another has just said (§7.4), nor the same to all twice a second (§6)', async () => {
    const link = new Link()
    const peer = await Peer.on(link)
    const host = await link.host(1, 'alpha')
    await link.time.until(host.publish({ instance: 'one', type: '_http._tcp', port: port(80) }))
    await link.pass(5)
    peer.take()
    peer.ask('_http._tcp.local', TYPE.PTR)
    peer.say(answer(ptr('_http._tcp.local', 'one._http._tcp.local')))
    await link.pass(0.3)
    assert.deepEqual(peer.take(), [])
    for (let i = 0; i < 5; i++) {
      peer.ask('alpha.local', TYPE.A)
      await link.pass(0.1)
    }
    assert.deepEqual(peer.take(), ['A! alpha.local. 120 IN A 10.0.0.1'])
  })

  it('sends with a hop limit of 255, to the group and to one (§11)', async () => {
    const link = new Link()
    const limits: number[] = []
    link.lan.port(testMac(8)).listen(({ dv }, off) => {
      const isMdns = dv.getUint16(off + 12) === 0x0800 && dv.getUint8(off + 23) === 17
      if (isMdns) limits.push(dv.getUint8(off + 22))
    })
    await link.host(1, 'one')
    assert(limits.length > 2)
    assert.deepEqual([...new Set(limits)], [255])
  })

  it('answers one alone who wants it so, and one that is no peer in its own words (§5.4, §6.7)', async () => {
    const link = new Link()
    const peer = await Peer.on(link)
    const other = await Peer.on(link, 8, 4000)
    await link.host(1, 'alpha')
    await link.pass(3)
    peer.take()
    peer.ask('alpha.local', TYPE.A, [], CLASS.IN | TOP_BIT)
    await link.pass(0.2)
    assert.equal(peer.take().length, 1)
    other.say({ id: 77, questions: [{ name: dnsName('alpha.local'), type: TYPE.A, class: CLASS.IN }] })
    await link.pass(0.2)
    assert.equal(other.heard[0]?.message.id, 77)
    assert.deepEqual(other.take(), ['Q alpha.local. A', 'A alpha.local. 10 IN A 10.0.0.1'])
    // It has heard the question.
    assert.deepEqual(peer.take(), ['Q alpha.local. A'])
  })

  it('takes another name when one is taken, and services follow (§9)', async () => {
    const link = new Link()
    const first = await link.host(1, 'alpha')
    const one = await link.time.until(first.publish({ instance: 'Site', type: '_http._tcp', port: port(80) }))
    const second = await link.host(2, 'alpha')
    assert.equal(second.host, 'alpha-2.local')
    const two = await link.time.until(second.publish({ instance: 'Site', type: '_http._tcp', port: port(81) }))
    assert.deepEqual([one.instance, two.instance], ['Site', 'Site (2)'])
    const found = await link.time.until(first.find('Site (2)', '_http._tcp'))
    assert.deepEqual(
      { ...found, addresses: found.addresses.map(ipToString), txt: { ...found.txt } },
      { instance: 'Site (2)', host: 'alpha-2.local', port: 81, txt: {}, addresses: ['10.0.0.2'] },
    )
  })

  it('of two that begin together one gives way: the lesser records (§8.2)', async () => {
    const link = new Link()
    const starting = [1, 2].map(async (n) => {
      const stack = link.stack(n)
      const random = new SeededRandom(5)
      const deps = { ip: stack.ipv4, udp: stack.udp, clock: link.time, time: link.time, random, log: NO_LOG }
      return await createMdns(deps, { hostname: 'same', addresses: [ip(`10.0.0.${n}`)] })
    })
    const hosts = await link.time.until(Promise.all(starting))
    assert.deepEqual(
      hosts.map(({ host }) => host),
      ['same-2.local', 'same.local'],
    )
  })

  it('defends its name, and gives it up when it is another’s after all (§9)', async () => {
    const link = new Link()
    const peer = await Peer.on(link)
    const host = await link.host(1, 'alpha')
    await link.pass(3)
    peer.take()
    // One claim: it probes again, and nobody answers.
    peer.say(answer(a('alpha.local', '10.0.0.66')))
    await link.pass(3)
    assert.equal(host.host, 'alpha.local')
    peer.say(answer(a('alpha.local', '10.0.0.66')))
    await link.pass(0.3)
    peer.say(answer(a('alpha.local', '10.0.0.66')))
    await link.pass(3)
    assert.equal(host.host, 'alpha-2.local')
  })

  it('says that a record is still there when somebody says goodbye to it (§6.6), and goodbye itself (§10.1)', async () => {
    const link = new Link()
    const peer = await Peer.on(link)
    const host = await link.host(1, 'alpha')
    await link.pass(3)
    peer.take()
    peer.say(answer(a('alpha.local', '10.0.0.1', 0)))
    await link.pass(0.2)
    assert.deepEqual(peer.take(), ['A! alpha.local. 120 IN A 10.0.0.1'])
    host.close()
    host.close()
    await link.pass(0.2)
    assert.deepEqual(peer.take(), ['A! alpha.local. 0 IN A 10.0.0.1'])
    peer.ask('alpha.local', TYPE.A)
    await link.pass(0.5)
    assert.deepEqual(peer.take(), [])
  })

  it('refuses what is no name or service', async () => {
    const link = new Link()
    await assert.rejects(link.host(1, ''), /expected 1 to 63 octets/)
    const host = await link.host(2, 'beta')
    await assert.rejects(host.publish({ instance: 'x', type: 'http', port: port(1) }), /expected text like _http\._tcp/)
    await assert.rejects(host.publish({ instance: 'x'.repeat(64), type: '_a._tcp', port: port(1) }), /1 to 63 octets/)
    const txt = { k: 'v'.repeat(255) }
    await assert.rejects(host.publish({ instance: 'x', type: '_a._tcp', port: port(1), txt }), /at most 255 octets/)
  })
})

describe('multicast DNS: asking (RFC 6762)', () => {
  it('finds services that come and go', async () => {
    const link = new Link()
    const [host, seeker] = [await link.host(1, 'alpha'), await link.host(2, 'beta')]
    const seen: string[] = []
    const stop = seeker.browse('_http._tcp', (change, instance) => seen.push(`${change} ${instance}`))
    const service = { instance: 'Größe', type: '_http._tcp', port: port(8080), txt: { a: '1', b: '' } }
    const published = await link.time.until(host.publish(service))
    await link.pass(1)
    assert.deepEqual(seen, ['added Größe'])
    const found = await link.time.until(seeker.find('Größe', '_http._tcp'))
    assert.deepEqual([found.host, found.port, { ...found.txt }], ['alpha.local', 8080, { a: '1', b: '' }])
    published.withdraw()
    published.withdraw()
    await link.pass(2)
    assert.deepEqual(seen, ['added Größe', 'removed Größe'])
    stop()
    await assert.rejects(link.time.until(seeker.find('none', '_http._tcp')), { code: 'timed-out' })
    const addresses = await link.time.until(seeker.addresses('alpha.local'))
    assert.deepEqual(addresses.map(ipToString), ['10.0.0.1'])
    assert.deepEqual(await link.time.until(seeker.addresses('nobody.local')), [])
  })

  it('asks at growing intervals, tells what it knows, and asks again before that ends (§5.2, §7.1)', async () => {
    const link = new Link()
    const host = await link.host(1, 'alpha')
    await link.pass(2)
    const peer = await Peer.on(link)
    host.browse('_x._tcp', () => {})
    await link.pass(20)
    const gaps = peer.heard.map(({ at }, i) => Math.round((at - (peer.heard[i - 1]?.at ?? at)) / 1e6))
    assert.deepEqual(gaps, [0, 1, 2, 4, 8])
    peer.take()
    peer.say(answer(ptr('_x._tcp.local', 'one._x._tcp.local', 100)))
    await link.pass(120)
    const lines = peer.take()
    assert(
      lines.some((line) => /^A _x\._tcp\.local\. \d+ IN PTR one\._x\._tcp\.local\.$/.test(line)),
      lines.join('\n'),
    )
    // At 80, 85, 90 and 95 of its 100 seconds, and by the intervals.
    assert(lines.filter((line) => line === 'Q _x._tcp.local. PTR').length >= 5)
  })

  it('replaces what is said to be all there is, after a second (§10.2), and forgets what ends', async () => {
    const link = new Link()
    const host = await link.host(1, 'alpha')
    const peer = await Peer.on(link)
    peer.say(answer(a('box.local', '10.0.0.7', 10)))
    await link.pass(0.1)
    const addresses = async (): Promise<string[]> =>
      (await link.time.until(host.addresses('box.local'))).map(ipToString)
    assert.deepEqual(await addresses(), ['10.0.0.7'])
    await link.pass(2)
    peer.say(answer(a('box.local', '10.0.0.8', 10)))
    await link.pass(1.2)
    assert.deepEqual(await addresses(), ['10.0.0.8'])
    await link.pass(10)
    assert.deepEqual(await addresses(), [])
  })

  it('takes any octets, and answers that do not come to the group from nobody (§11)', async () => {
    const link = new Link()
    const host = await link.host(1, 'alpha')
    const stack = link.stack(7)
    const socket = await stack.udp.bind(MDNS_PORT, () => {})
    await socket.send(packet(answer(a('box.local', '10.0.0.66'))), { address: ip('10.0.0.1'), port: MDNS_PORT })
    const random = new SeededRandom(6762)
    const seed = packet(answer(a('alpha.local', '10.0.0.1'), ptr('_http._tcp.local', 'x._http._tcp.local')))
    for (let i = 0; i < 2000; i++) {
      const octets = seed.slice(0, random.chance(0.1) ? random.u32() % seed.length : undefined)
      for (let flips = random.u32() % 4; flips > 0; flips--) octets[random.u32() % octets.length] = random.u32()
      await socket.send(octets, GROUP)
      await link.time.advance(ms(5))
    }
    assert.deepEqual(await link.time.until(host.addresses('box.local')), [])
    await link.pass(10)
    assert.match(host.host, /^alpha(-\d+)?\.local$/)
    assert.equal(nameKey(nameIn(TYPE.PTR, ptr('a', 'b').rdata)), '\x01b\0')
  })
})
