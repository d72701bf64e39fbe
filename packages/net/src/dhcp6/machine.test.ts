/** The DHCPv6 client by script: what it sends, when, and what it makes of answers (RFC 8415 §15, §18.2). */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { ipv6ToString, parseIpv6 } from '@mirage-ts/core/addresses'
import { after, NEVER, seconds } from '@mirage-ts/core/time'
import type { Ipv6, Mac } from '@mirage-ts/signatures/addresses'
import type { Dhcp6Config } from '@mirage-ts/signatures/dhcp'
import type { Instant } from '@mirage-ts/signatures/time'
import { SeededRandom } from '@mirage-ts/testing/seeded-random'
import {
  ADVERTISE,
  DECLINE,
  DHCP6_INFINITY,
  type Dhcp6Address,
  type Dhcp6Message,
  INFORMATION_REQUEST,
  REBIND,
  RECONFIGURE,
  RELEASE,
  RENEW,
  REPLY,
  REQUEST,
  SOLICIT,
  STATUS,
} from './codec.ts'
import { Dhcp6Machine, type Dhcp6State } from './machine.ts'
import { parseDhcp6 } from './reader.ts'
import { emitDhcp6 } from './writer.ts'

const MAC = 0x020000000007 as Mac
const SERVER = Uint8Array.of(0, 3, 0, 1, 2, 0, 0, 0, 0, 1)
const OTHER_SERVER = Uint8Array.of(0, 3, 0, 1, 2, 0, 0, 0, 0, 2)
const at = (text: string): Ipv6 => parseIpv6(text) as Ipv6
const A = at('2001:db8::a')
const B = at('2001:db8::b')

class Script {
  now = 1_000_000 as Instant
  readonly machine: Dhcp6Machine
  readonly sent: Dhcp6Message[] = []
  readonly lent = new Map<string, readonly [preferredSeconds: number, validSeconds: number]>()
  config: Dhcp6Config | undefined

  constructor(seed = 1, hostname?: string) {
    const seconds = (until: Instant): number => (until === NEVER ? DHCP6_INFINITY : (until - this.now) / 1e6)
    this.machine = new Dhcp6Machine(
      new SeededRandom(seed),
      { mac: MAC, hostname },
      {
        send: (message) => {
          const parsed = parseDhcp6(message)
          assert(typeof parsed !== 'string', String(parsed))
          this.sent.push(parsed)
        },
        lend: (address, preferred, valid) => this.lent.set(ipv6ToString(address), [seconds(preferred), seconds(valid)]),
        withdraw: (address) => assert.ok(this.lent.delete(ipv6ToString(address))),
        configured: (config) => {
          this.config = config
        },
        trace: (text) => void text(),
      },
    )
  }

  advance(by: number): this {
    const end = after(this.now, seconds(by))
    while (this.machine.nextDeadline() <= end) {
      this.now = Math.max(this.now, this.machine.nextDeadline()) as Instant
      this.machine.poll(this.now)
    }
    this.now = end
    return this
  }

  want(wish: 'addresses' | 'information' | 'nothing'): this {
    this.machine.want(wish, this.now)
    return this
  }

  /** The next message from us, which is of this type. */
  expect(type: number): Dhcp6Message {
    const message = this.sent.shift()
    assert.equal(message?.type, type)
    return message as Dhcp6Message
  }

  expectNothing(why?: string): this {
    assert.equal(this.sent.length, 0, why)
    return this
  }

  expectState(state: Dhcp6State): this {
    assert.equal(this.machine.state, state)
    return this
  }

  answer(to: Dhcp6Message, type: number, more: Partial<Dhcp6Message> = {}): this {
    const { xid, clientId } = to
    this.machine.input(emitDhcp6({ type, xid, clientId, serverId: SERVER, ...more }), this.now)
    return this
  }

  lend(addresses: readonly Dhcp6Address[], t1Seconds = 0, t2Seconds = 0): Partial<Dhcp6Message> {
    return { associations: [{ iaid: MAC >>> 0, t1Seconds, t2Seconds, addresses }] }
  }

  /** Lent A for `validSeconds`, half of that preferred. */
  bound(validSeconds = 1000): this {
    const solicit = this.want('addresses').advance(1).expect(SOLICIT)
    this.answer(solicit, ADVERTISE, { ...this.lend([one(A, validSeconds)]), preference: 255 })
    this.answer(this.expect(REQUEST), REPLY, this.lend([one(A, validSeconds)]))
    return this.expectState('bound')
  }
}

function one(address: Ipv6, validSeconds: number, preferredSeconds = Math.floor(validSeconds / 2)): Dhcp6Address {
  return { address, preferredSeconds, validSeconds }
}

describe('dhcp6 machine', () => {
  it('does nothing before a router says that there is something to ask for', () => {
    const s = new Script().advance(100)
    s.expectNothing()
    s.want('nothing').advance(100)
    s.expectNothing()
    s.expectState('idle')
  })

  it('solicits, requests of who answers, and is lent an address', () => {
    const s = new Script(1, 'web')
    const solicit = s.want('addresses').advance(1).expect(SOLICIT)
    assert.equal(solicit.isRapidCommit, true)
    assert.deepEqual(solicit.clientId, Uint8Array.of(0, 3, 0, 1, 2, 0, 0, 0, 0, 7))
    assert.deepEqual(solicit.requested, [23, 24, 56, 82])
    assert.deepEqual(solicit.fqdn, { flags: 1, name: 'web' })
    assert.equal(solicit.elapsed, 0)
    s.answer(solicit, ADVERTISE, s.lend([one(A, 1000)]))
    s.expectNothing('others may answer too, until the first round is over (§18.2.1)')
    const request = s.advance(1.2).expect(REQUEST)
    assert.deepEqual(request.serverId, SERVER)
    assert.deepEqual(
      request.associations?.[0]?.addresses.map(({ address }) => address),
      [A],
    )
    s.answer(request, REPLY, { ...s.lend([one(A, 1000)]), dnsServers: [B], searchList: ['example.org'] })
    s.expectState('bound')
    assert.deepEqual(s.lent.get('2001:db8::a'), [500, 1000])
    assert.deepEqual(s.config, { nameservers: [B], searchList: ['example.org'], ntpServers: [] })
  })

  it('takes the server with the highest preference, one with 255 at once (§18.2.1)', () => {
    const s = new Script()
    const solicit = s.want('addresses').advance(1).expect(SOLICIT)
    s.answer(solicit, ADVERTISE, { ...s.lend([one(A, 1000)]), preference: 1 })
    s.answer(solicit, ADVERTISE, { ...s.lend([one(B, 1000)]), preference: 2, serverId: OTHER_SERVER })
    s.answer(solicit, ADVERTISE, s.lend([one(A, 1000)]))
    assert.deepEqual(s.advance(1.2).expect(REQUEST).serverId, OTHER_SERVER)

    const t = new Script()
    const first = t.want('addresses').advance(1).expect(SOLICIT)
    t.answer(first, ADVERTISE, { ...t.lend([one(A, 1000)]), preference: 255 }).expect(REQUEST)
  })

  it('after the first round takes the first that answers', () => {
    const s = new Script()
    s.want('addresses').advance(2.2).expect(SOLICIT)
    const second = s.expect(SOLICIT)
    assert.ok((second.elapsed ?? 0) >= 100, 'elapsed counts hundredths from the first')
    s.answer(second, ADVERTISE, s.lend([one(A, 1000)])).expect(REQUEST)
  })

  it('takes a lease at once from a server that commits rapidly, and only then (§18.2.10)', () => {
    const s = new Script()
    const solicit = s.want('addresses').advance(1).expect(SOLICIT)
    s.answer(solicit, REPLY, s.lend([one(A, 1000)])).expectState('soliciting')
    s.answer(solicit, REPLY, { ...s.lend([one(A, 1000)]), isRapidCommit: true }).expectState('bound')
    assert.equal(s.lent.size, 1)
  })

  it('repeats a Solicit for ever, ever less often, never more than an hour apart (§15)', () => {
    const s = new Script()
    s.want('addresses').advance(12 * 3600)
    assert.ok(s.sent.length >= 20 && s.sent.length <= 26, `${s.sent.length} messages in 12 hours`)
    assert.equal(new Set(s.sent.map(({ xid }) => xid)).size, 1)
  })

  it('heeds a server that wants it to ask still less often, within limits (RFC 7083)', () => {
    const count = (solMaxRtSeconds: number): number => {
      const s = new Script()
      const solicit = s.want('addresses').advance(1).expect(SOLICIT)
      const status = { code: STATUS.NO_ADDRS_AVAIL, message: 'none' }
      s.answer(solicit, ADVERTISE, { status, solMaxRtSeconds }).advance(24 * 3600)
      return s.sent.length
    }
    const usual = count(59)
    assert.ok(count(86_400) < usual)
    assert.ok(count(60) > 1000)
    assert.equal(count(86_401), usual)
  })

  it('begins anew when nobody answers ten Requests (REQ_MAX_RC)', () => {
    const s = new Script()
    const solicit = s.want('addresses').advance(1).expect(SOLICIT)
    s.answer(solicit, ADVERTISE, { ...s.lend([one(A, 1000)]), preference: 255 })
    s.advance(300)
    const requests = s.sent.filter(({ type }) => type === REQUEST)
    assert.equal(requests.length, 10)
    assert.ok(s.sent.some(({ type }) => type === SOLICIT))
  })

  it('renews at T1 with its server, rebinds at T2 with any, and starts over when the lease has ended', () => {
    const s = new Script().bound(1000)
    s.advance(249)
    s.expectNothing('half of the preferred lifetime of 500')
    const renew = s.advance(2).expect(RENEW)
    assert.deepEqual(renew.serverId, SERVER)
    assert.deepEqual(
      renew.associations?.[0]?.addresses.map(({ address }) => address),
      [A],
    )
    s.advance(130)
    while (s.sent[0]?.type === RENEW) s.sent.shift()
    s.advance(20)
    const rebind = s.expect(REBIND)
    assert.equal(rebind.serverId, undefined)
    s.expectState('rebinding')
    s.advance(590)
    assert.equal(s.lent.size, 1)
    s.sent.length = 0
    s.advance(10).expectState('soliciting')
    assert.equal(s.lent.size, 0)
    assert.equal(s.machine.counters.losses, 1)
  })

  it('is renewed: the lifetimes begin anew, a new address is taken, one with lifetime 0 ends', () => {
    const s = new Script().bound(1000)
    const renew = s.advance(250).expect(RENEW)
    s.answer(renew, REPLY, s.lend([one(A, 0), one(B, 2000)], 700, 900)).expectState('bound')
    assert.deepEqual([...s.lent], [['2001:db8::b', [1000, 2000]]])
    s.advance(699)
    s.expectNothing()
    s.advance(2).expect(RENEW)
    assert.equal(s.machine.counters.renewals, 1)
  })

  it('takes T1 and T2 as they are when the server says so, and lifetimes without end as that', () => {
    const s = new Script()
    const solicit = s.want('addresses').advance(1).expect(SOLICIT)
    const lease = s.lend([one(A, DHCP6_INFINITY, DHCP6_INFINITY)])
    s.answer(solicit, REPLY, { ...lease, isRapidCommit: true }).expectState('bound')
    assert.deepEqual(s.lent.get('2001:db8::a'), [DHCP6_INFINITY, DHCP6_INFINITY])
    assert.equal(s.machine.nextDeadline(), NEVER)
  })

  it('asks the server anew that has forgotten what it lent (NoBinding, §18.2.10.1)', () => {
    const s = new Script().bound(1000)
    const renew = s.advance(250).expect(RENEW)
    const status = { code: STATUS.NO_BINDING, message: '' }
    s.answer(renew, REPLY, { associations: [{ iaid: MAC >>> 0, t1Seconds: 0, t2Seconds: 0, addresses: [], status }] })
    const request = s.expect(REQUEST)
    s.answer(request, REPLY, s.lend([one(B, 1000)])).expectState('bound')
    assert.deepEqual([...s.lent.keys()].sort(), ['2001:db8::a', '2001:db8::b'])
  })

  it('tries again later when the server fails, elsewhere when it has no address', () => {
    const s = new Script()
    const solicit = s.want('addresses').advance(1).expect(SOLICIT)
    s.answer(solicit, ADVERTISE, { ...s.lend([one(A, 1000)]), preference: 255 })
    const request = s.expect(REQUEST)
    s.answer(request, REPLY, { status: { code: STATUS.UNSPEC_FAIL, message: '' } }).expectState('requesting')
    s.advance(1.2).expect(REQUEST)
    s.answer(request, REPLY, { status: { code: STATUS.NO_ADDRS_AVAIL, message: '' } }).expectState('soliciting')
    assert.equal(s.machine.counters.refusals, 2)
  })

  it('declines a duplicate and asks for another (§18.2.8)', () => {
    const s = new Script().bound()
    s.machine.duplicate(B, s.now)
    s.expectState('bound')
    s.machine.duplicate(A, s.now)
    assert.equal(s.lent.size, 0)
    const decline = s.expect(DECLINE)
    assert.deepEqual(decline.serverId, SERVER)
    assert.deepEqual(
      decline.associations?.[0]?.addresses.map(({ address }) => address),
      [A],
    )
    s.answer(decline, REPLY).expectState('soliciting')
    s.expect(SOLICIT)

    const t = new Script().bound()
    t.machine.duplicate(A, t.now)
    t.advance(60)
    assert.equal(t.sent.filter(({ type }) => type === DECLINE).length, 4, 'DEC_MAX_RC')
    t.expectState('soliciting')
  })

  it('gives back what it is lent, and stops (§18.2.7)', () => {
    const s = new Script().bound()
    s.machine.release(s.now)
    assert.equal(s.lent.size, 0, 'no longer in use before the first Release leaves')
    const release = s.expect(RELEASE)
    assert.deepEqual(
      release.associations?.[0]?.addresses.map(({ address }) => address),
      [A],
    )
    s.answer(release, REPLY, { status: { code: STATUS.NO_BINDING, message: '' } }).expectState('stopped')
    s.want('addresses').advance(1000)
    s.expectNothing()

    const t = new Script().bound()
    t.machine.release(t.now)
    t.advance(60).expectState('stopped')
    assert.equal(t.sent.filter(({ type }) => type === RELEASE).length, 4, 'REL_MAX_RC')

    const idle = new Script()
    idle.machine.release(idle.now)
    idle.expectState('stopped')
  })

  it('asks for information only, again when it is out of date (§18.2.6, §21.23)', () => {
    const s = new Script()
    const ask = s.want('information').advance(1).expect(INFORMATION_REQUEST)
    assert.equal(ask.associations, undefined)
    assert.deepEqual(ask.requested, [23, 24, 56, 82, 32, 83])
    s.answer(ask, REPLY, { dnsServers: [A], refreshSeconds: 10 }).expectState('informed')
    assert.deepEqual(s.config?.nameservers, [A])
    s.advance(599)
    s.expectNothing('IRT_MINIMUM is 600 s')
    const again = s.advance(2).expect(INFORMATION_REQUEST)
    s.answer(again, REPLY).advance(86_399)
    s.expectNothing('IRT_DEFAULT is a day')
    s.advance(2).expect(INFORMATION_REQUEST)
  })

  it('asks for addresses too when routers change their mind, and keeps them when they change it back', () => {
    const s = new Script()
    s.answer(s.want('information').advance(1).expect(INFORMATION_REQUEST), REPLY).expectState('informed')
    s.bound()
    s.want('information').want('nothing').advance(1).expectState('bound')
    assert.equal(s.lent.size, 1)
  })

  it('hears only answers to what it has asked, from who says who it is', () => {
    const s = new Script()
    const solicit = s.want('addresses').advance(1).expect(SOLICIT)
    const good = { ...s.lend([one(A, 1000)]), preference: 255 }
    s.answer({ ...solicit, xid: solicit.xid ^ 1 }, ADVERTISE, good)
    s.answer({ ...solicit, clientId: SERVER }, ADVERTISE, good)
    s.answer(solicit, ADVERTISE, { ...good, serverId: undefined })
    s.answer(solicit, RECONFIGURE, good)
    s.answer(solicit, ADVERTISE, {
      ...good,
      associations: [{ iaid: 5, t1Seconds: 0, t2Seconds: 0, addresses: [one(A, 9)] }],
    })
    s.machine.input(new Uint8Array(3), s.now)
    s.expectNothing()
    const { notForUs, incomplete, truncated, refusals } = s.machine.counters
    assert.deepEqual([notForUs, incomplete, truncated, refusals], [3, 1, 1, 1])
    s.expectState('soliciting')
  })

  it('takes no address that no host may have, with lifetimes upside down, or with T1 after T2', () => {
    for (const wrong of [
      [one(at('ff02::1'), 1000)],
      [one(at('::1'), 1000)],
      [one(at('fe80::1'), 1000)],
      [one(A, 1000, 1001)],
      [one(A, 0)],
    ]) {
      const s = new Script()
      const solicit = s.want('addresses').advance(1).expect(SOLICIT)
      s.answer(solicit, REPLY, { ...s.lend(wrong), isRapidCommit: true }).expectState('soliciting')
      assert.equal(s.lent.size, 0)
    }
    const s = new Script()
    const solicit = s.want('addresses').advance(1).expect(SOLICIT)
    s.answer(solicit, REPLY, { ...s.lend([one(A, 1000)], 900, 800), isRapidCommit: true }).expectState('soliciting')
  })

  it('random answers of random servers: nothing throws, nothing grows, time goes on', () => {
    const random = new SeededRandom(11)
    for (let round = 0; round < 60; round++) {
      const s = new Script(round)
      for (let step = 0; step < 60; step++) {
        s.want((['addresses', 'information', 'nothing'] as const)[random.below(3)] ?? 'nothing')
        s.advance(random.chance(0.7) ? random.below(3) : random.below(2000))
        const asked = s.sent.at(-1)
        if (asked === undefined) continue
        const seconds = (): number => (random.chance(0.1) ? DHCP6_INFINITY : random.below(3000))
        const addresses = Array.from({ length: random.below(12) }, () =>
          one((A + BigInt(random.below(9))) as Ipv6, seconds(), seconds()),
        )
        const octets = emitDhcp6({
          type: 1 + random.below(11),
          xid: asked.xid,
          clientId: asked.clientId,
          serverId: random.chance(0.9) ? SERVER : undefined,
          associations: [{ iaid: MAC >>> 0, t1Seconds: seconds(), t2Seconds: seconds(), addresses }],
          status: random.chance(0.2) ? { code: random.below(8), message: '' } : undefined,
          isRapidCommit: random.chance(0.5),
          preference: random.chance(0.3) ? 255 : undefined,
        })
        for (let flips = random.chance(0.3) ? 1 + random.below(4) : 0; flips > 0; flips--) {
          octets[random.below(octets.length)] = random.below(256)
        }
        s.machine.input(octets, s.now)
        if (random.chance(0.1)) s.machine.duplicate((A + BigInt(random.below(9))) as Ipv6, s.now)
        assert.ok(s.lent.size <= 4, `${s.lent.size} addresses`)
        assert.ok(s.sent.length < 1000, `${s.sent.length} messages since the last answer`)
        s.sent.splice(0, s.sent.length - 1)
      }
      s.machine.release(s.now)
      s.advance(100).expectState('stopped')
      assert.equal(s.lent.size, 0)
    }
  })
})
