/** Signatures, updates, NOTIFY and transfers: what only some askers may have. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Ipv4, Ipv4Cidr } from '@mirage-ts/signatures/addresses'
import { MockTime } from '@mirage-ts/testing/mock-time'
import { SeededRandom } from '@mirage-ts/testing/seeded-random'
import { CLIENT, coreOf, EXAMPLE_KEY_NAME, exchange, lines, query, WALL_SECONDS, wire, zoneOf } from '../testing/dns.ts'
import { formatRr, type Message, type MessageParts, parseMessage, type Rr } from '../wire/message.ts'
import { dnsName, type NameKey } from '../wire/name.ts'
import { soaOf } from '../wire/rdata.ts'
import { parseRdata } from '../wire/rdata-text.ts'
import { isEqualConstantTime, isTsigFailure, signMessage, TsigStream, tsigKey, verifyTsig } from '../wire/tsig.ts'
import { CLASS, OPCODE, parseType, RCODE, TYPE } from '../wire/types.ts'
import { WireWriter } from '../wire/wire.ts'
import { rrsOf, type Zone } from '../zone/zone.ts'
import { ZoneEdit } from '../zone/zone-edit.ts'
import type { ServerCore } from './server-core.ts'
import { TransferIn, TransferOut, wholeZone } from './transfer.ts'

const KEY = tsigKey(
  EXAMPLE_KEY_NAME,
  'hmac-sha256',
  Uint8Array.from({ length: 32 }, (_, i) => i),
)
const KEYS = new Map([[KEY.name, KEY]])
const LAN: Ipv4Cidr = { address: CLIENT.address as Ipv4, prefixBits: 24 }
const ZONE =
  '$TTL 60\n@ SOA ns root 1 7200 900 1209600 300\n@ NS ns\nns A 192.0.2.1\nwww A 192.0.2.2\nwww A 192.0.2.3\nalias CNAME www\n'

function setUp(zone: Zone, options: Parameters<typeof coreOf>[2] = {}): ServerCore {
  return coreOf({ random: new SeededRandom(1), clock: new MockTime() }, [zone], {
    keys: [KEY],
    policy: {
      transferTo: { keys: [KEY.name], networks: [LAN] },
      updateFrom: { keys: [KEY.name], networks: [] },
      notifyFrom: { keys: [], networks: [LAN] },
    },
    ...options,
  })
}

function signed(octets: Uint8Array, seconds = WALL_SECONDS): { readonly octets: Uint8Array; readonly mac: Uint8Array } {
  const u8 = new Uint8Array(65535)
  u8.set(octets)
  const { end, mac } = signMessage(u8, octets.length, KEY, seconds)
  return { octets: u8.slice(0, end), mac }
}

function rr(text: string, { rrClass = CLASS.IN as number, ttl = 60 } = {}): Rr {
  const [name = '', typeText = '', ...words] = text.split(' ')
  const type = parseType(typeText) as number
  const rdata =
    words.length === 0
      ? new Uint8Array(0)
      : parseRdata(
          type,
          words.map((word) => ({ text: word, isQuoted: false })),
          dnsName('.'),
        )
  if (typeof rdata === 'string') throw new Error(rdata)
  return { name: dnsName(name), type, class: rrClass, ttl, rdata }
}

describe('dns signatures (RFC 8945)', () => {
  it('a query that is signed gets an answer that is signed over both', async () => {
    const core = setUp(await zoneOf('example', ZONE))
    const { octets, mac } = signed(query('www.example A'))
    const length = core.handle(octets, CLIENT, false)
    const reply = core.frame.u8.slice(0, length)
    const message = parseMessage(reply) as Message
    assert.equal(message.answers.length, 2)
    assert(!isTsigFailure(verifyTsig(reply, message, KEYS, WALL_SECONDS, mac)))
    assert(isTsigFailure(verifyTsig(reply, message, KEYS, WALL_SECONDS)))
  })

  it('every octet of a signed message counts', () => {
    const { octets } = signed(query('www.example A'))
    for (let i = 0; i < octets.length; i++) {
      const changed = octets.slice()
      changed[i] = (changed[i] as number) ^ 1
      const message = parseMessage(changed)
      // The ID of the message is not signed: the original one is, in the TSIG record.
      if (typeof message === 'string' || message.tsig === undefined || i < 2) continue
      assert(isTsigFailure(verifyTsig(changed, message, KEYS, WALL_SECONDS)), `octet ${i}`)
    }
  })

  it('errors: key, signature and time, the last one signed and with our clock (§5.2)', async () => {
    const core = setUp(await zoneOf('example', ZONE))
    const error = (octets: Uint8Array) => {
      const reply = exchange(core, octets) as Message
      assert.equal(reply.rcode, RCODE.NOTAUTH)
      assert.equal(reply.answers.length, 0)
      const rdata = reply.tsig?.rr.rdata as Uint8Array
      const dv = new DataView(rdata.buffer, rdata.byteOffset)
      const macLen = dv.getUint16(13 + 8)
      return { code: dv.getUint16(13 + 8 + 2 + macLen + 2), macLen, otherLen: dv.getUint16(13 + 8 + 2 + macLen + 4) }
    }
    const { octets } = signed(query('www.example A'))
    const wrong = octets.slice()
    wrong[wrong.length - 10] = (wrong[wrong.length - 10] as number) ^ 1
    assert.deepEqual(error(wrong), { code: RCODE.BADSIG, macLen: 0, otherLen: 0 })
    assert.deepEqual(error(signed(query('www.example A'), WALL_SECONDS - 301).octets), {
      code: RCODE.BADTIME,
      macLen: 32,
      otherLen: 6,
    })
    const other = coreOf({ random: new SeededRandom(1), clock: new MockTime() }, [])
    assert.equal(exchange(other, octets)?.rcode, RCODE.NOTAUTH)
    assert.equal(core.counters['bad-tsig'], 2)
  })

  it('MACs are compared in constant time: all octets are looked at, wherever the first difference is', () => {
    const reads: number[] = []
    const watched = new Proxy(new Uint8Array(32), {
      get(target, key) {
        if (typeof key === 'string' && /^\d+$/.test(key)) reads.push(Number(key))
        return Reflect.get(target, key, target)
      },
    })
    const other = new Uint8Array(32)
    other[0] = 1
    assert(!isEqualConstantTime(watched, other))
    assert.equal(reads.length, 32)
    assert(isEqualConstantTime(new Uint8Array(32), new Uint8Array(32)))
    assert(!isEqualConstantTime(new Uint8Array(32), new Uint8Array(31)))
    assert(!isEqualConstantTime(new Uint8Array(0), new Uint8Array(1)))
  })

  it('a transfer of many messages: each is checked with the one before, some may be unsigned, not the last (§5.3.1)', async () => {
    const core = setUp(await zoneOf('example', `${ZONE}$GENERATE 0-3000 h$ A 10.0.0.1\n`))
    const { octets, mac } = signed(query('example AXFR'))
    const messages = transferMessages(core, octets)
    assert(messages.length > 2)
    const check = (list: readonly Uint8Array[]) => {
      const stream = new TsigStream(KEY, mac)
      for (const u8 of list) {
        const reason = stream.next(u8, parseMessage(u8) as Message, WALL_SECONDS)
        if (reason !== undefined) return reason
      }
      return stream.isComplete
    }
    assert.equal(check(messages), true)
    assert.equal(check([...messages].reverse()), 'bad-sig')
    assert.equal(check(messages.slice(1)), 'bad-sig')
    const plain = query('example AXFR', { flags: 0x8400 })
    assert.equal(check([messages[0] as Uint8Array, plain]), false)
    assert.equal(check([plain]), 'bad-sig')
  })
})

function transferMessages(core: ServerCore, octets: Uint8Array): Uint8Array[] {
  const length = core.handle(octets, CLIENT, true)
  const messages = [core.frame.u8.slice(0, length)]
  const transfer = core.takeTransfer()
  for (let next = transfer?.next(); next !== undefined; next = transfer?.next()) messages.push(next.slice())
  return messages
}

function update(parts: Partial<MessageParts>): Uint8Array {
  const questions = [{ name: dnsName('example'), type: TYPE.SOA, class: 1 }]
  return signed(wire({ id: 1, opcode: OPCODE.UPDATE, questions, ...parts })).octets
}

describe('dns updates (RFC 2136)', () => {
  it('adds, removes, replaces; the serial goes up and the asker of old answers gets new ones', async () => {
    const changed: NameKey[] = []
    const zone = await zoneOf('example', ZONE)
    const core = setUp(zone, { onChange: (origin) => changed.push(origin) })
    assert.equal(exchange(core, query('www.example A'))?.answers.length, 2)
    const octets = update({
      authorities: [
        rr('www.example A 192.0.2.2', { rrClass: CLASS.NONE, ttl: 0 }),
        rr('new.example TXT hello'),
        rr('alias.example ANY', { rrClass: CLASS.ANY, ttl: 0 }),
      ],
    })
    assert.equal(exchange(core, octets)?.rcode, RCODE.NOERROR)
    assert.deepEqual(lines(exchange(core, query('www.example A'))), ['NOERROR aa', 'an www.example. 60 IN A 192.0.2.3'])
    assert.equal(exchange(core, query('new.example TXT'))?.answers.length, 1)
    assert.equal(exchange(core, query('alias.example A'))?.rcode, RCODE.NXDOMAIN)
    assert.equal(zone.soa.serial, 2)
    assert.deepEqual(changed, [zone.origin])
    assert.deepEqual(zone.journal[0]?.removed.map(formatRr), [
      'www.example. 60 IN A 192.0.2.2',
      'alias.example. 60 IN CNAME www.example.',
    ])
    // What changes nothing leaves the serial alone (§3.6).
    assert.equal(exchange(core, update({ authorities: [rr('new.example TXT hello')] }))?.rcode, RCODE.NOERROR)
    assert.equal(zone.soa.serial, 2)
  })

  const none = (text: string) => rr(text, { rrClass: CLASS.NONE, ttl: 0 })
  const any = (text: string) => rr(text, { rrClass: CLASS.ANY, ttl: 0 })
  for (const [what, prerequisite, rcode] of [
    ['name in use, and it is', any('www.example ANY'), 'NOERROR'],
    ['name in use, and it is not', any('no.example ANY'), 'NXDOMAIN'],
    ['name not in use, and it is', none('www.example ANY'), 'YXDOMAIN'],
    ['set there, and it is', any('www.example A'), 'NOERROR'],
    ['set there, and it is not', any('www.example MX'), 'NXRRSET'],
    ['set not there, and it is', none('www.example A'), 'YXRRSET'],
    ['set exactly so, and it has more', rr('www.example A 192.0.2.2', { ttl: 0 }), 'NXRRSET'],
    ['set exactly so, and it is', rr('ns.example A 192.0.2.1', { ttl: 0 }), 'NOERROR'],
    ['with a TTL', rr('ns.example A 192.0.2.1', { ttl: 1 }), 'FORMERR'],
    ['outside of the zone', any('www.other ANY'), 'NOTZONE'],
    ['of a class that means nothing', rr('ns.example A 192.0.2.1', { ttl: 0, rrClass: CLASS.CH }), 'FORMERR'],
  ] as const) {
    it(`prerequisite (§2.4): ${what}: ${rcode}`, async () => {
      const zone = await zoneOf('example', ZONE)
      const reply = exchange(
        setUp(zone),
        update({ answers: [prerequisite], authorities: [rr('added.example A 192.0.2.9')] }),
      )
      assert.equal(reply?.rcode, RCODE[rcode])
      assert.equal(zone.soa.serial, rcode === 'NOERROR' ? 2 : 1)
    })
  }

  it('changes all or nothing: one record that cannot be, and none is (§3.4.1)', async () => {
    const zone = await zoneOf('example', ZONE)
    const core = setUp(zone)
    for (const [bad, rcode] of [
      [rr('x.other A 192.0.2.1'), RCODE.NOTZONE],
      [{ ...rr('x.example A 192.0.2.1'), type: TYPE.ANY }, RCODE.FORMERR],
      [{ ...any('x.example A'), ttl: 5 }, RCODE.FORMERR],
      [{ ...rr('x.example A 192.0.2.1'), class: CLASS.CH }, RCODE.FORMERR],
    ] as const) {
      assert.equal(exchange(core, update({ authorities: [rr('y.example A 192.0.2.1'), bad] }))?.rcode, rcode)
    }
    assert.equal(zone.soa.serial, 1)
    assert.equal(exchange(core, query('y.example A'))?.rcode, RCODE.NXDOMAIN)
  })

  it('a zone never loses its SOA record and its last server (§3.4.2.3, §3.4.2.4)', async () => {
    const zone = await zoneOf('example', ZONE)
    const core = setUp(zone)
    exchange(
      core,
      update({
        authorities: [any('example ANY'), any('example NS'), any('example SOA'), none('example NS ns.example.')],
      }),
    )
    assert.equal(zone.apex.set(TYPE.NS)?.rdatas.length, 1)
    assert.equal(zone.soa.serial, 1)
  })

  it('an alias and other data do not come together (§3.4.2.2)', async () => {
    const zone = await zoneOf('example', ZONE)
    const core = setUp(zone)
    exchange(core, update({ authorities: [rr('www.example CNAME ns.example.'), rr('alias.example A 192.0.2.7')] }))
    assert.equal(zone.soa.serial, 1)
    exchange(core, update({ authorities: [rr('alias.example CNAME ns.example.')] }))
    assert.equal(exchange(core, query('alias.example A'))?.answers.length, 2)
  })

  it('is refused without the key, whatever the address', async () => {
    const zone = await zoneOf('example', ZONE)
    const core = setUp(zone)
    const questions = [{ name: dnsName('example'), type: TYPE.SOA, class: 1 }]
    const plain = wire({ id: 1, opcode: OPCODE.UPDATE, questions, authorities: [rr('y.example A 192.0.2.1')] })
    assert.equal(exchange(core, plain)?.rcode, RCODE.REFUSED)
    assert.equal(zone.soa.serial, 1)
    const elsewhere = signed(
      wire({ id: 1, opcode: OPCODE.UPDATE, questions: [{ name: dnsName('other'), type: TYPE.SOA, class: 1 }] }),
    )
    assert.equal(exchange(core, elsewhere.octets)?.rcode, RCODE.NOTAUTH)
  })
})

describe('dns NOTIFY (RFC 1996)', () => {
  it('is heard from those we have the zone from, refused from others', async () => {
    const heard: NameKey[] = []
    const core = setUp(await zoneOf('example', ZONE), { onNotify: (origin) => heard.push(origin) })
    const octets = query('example SOA', { opcode: OPCODE.NOTIFY })
    assert.deepEqual(lines(exchange(core, octets)), ['NOERROR aa'])
    const stranger = { ...CLIENT, address: 0x08080808 as Ipv4 }
    assert.deepEqual(lines(exchange(core, octets, { from: stranger })), ['REFUSED'])
    assert.deepEqual(lines(exchange(core, query('other SOA', { opcode: OPCODE.NOTIFY }))), ['NOTAUTH'])
    assert.equal(heard.length, 1)
  })
})

/** Takes messages into what results. */
function receive(messages: readonly Uint8Array[], zone?: Zone): Zone | string {
  const transfer = new TransferIn(4711, dnsName('example'), zone)
  let state: string = 'more'
  for (const u8 of messages) state = transfer.take(parseMessage(u8) as Message)
  return state === 'done' ? transfer.finish() : state
}

function records(zone: Zone): string[] {
  return [...zone.allSets()].flatMap(rrsOf).map(formatRr).sort()
}

describe('dns transfers', () => {
  it('AXFR (RFC 5936): the whole zone, in as many messages as it takes', async () => {
    const zone = await zoneOf('example', `${ZONE}$GENERATE 0-3000 h$ A 10.0.0.1\n`)
    const messages = transferMessages(setUp(zone), query('example AXFR'))
    assert(messages.length > 2)
    const copy = receive(messages)
    assert(typeof copy === 'object', String(copy))
    assert.deepEqual(records(copy), records(zone))
  })

  it('the zone may change while it is sent: what is sent is what it was', async () => {
    const zone = await zoneOf('example', `${ZONE}$GENERATE 0-3000 h$ A 10.0.0.1\n`)
    const before = records(zone)
    const core = setUp(zone)
    const length = core.handle(query('example AXFR'), CLIENT, true)
    const messages = [core.frame.u8.slice(0, length)]
    const transfer = core.takeTransfer()
    exchange(
      core,
      update({ authorities: [rr('h3000.example ANY', { rrClass: CLASS.ANY, ttl: 0 }), rr('new.example A 10.0.0.2')] }),
    )
    for (let next = transfer?.next(); next !== undefined; next = transfer?.next()) messages.push(next.slice())
    assert.deepEqual(records(receive(messages) as Zone), before)
  })

  it('is for those who may: REFUSED for others; over UDP FORMERR; for zones not ours NOTAUTH', async () => {
    const core = setUp(await zoneOf('example', ZONE))
    const stranger = { ...CLIENT, address: 0x08080808 as Ipv4 }
    assert.deepEqual(lines(exchange(core, query('example AXFR'), { isTcp: true, from: stranger })), ['REFUSED'])
    assert.deepEqual(lines(exchange(core, query('example AXFR'))), ['FORMERR'])
    assert.deepEqual(lines(exchange(core, query('www.example AXFR'), { isTcp: true })), ['NOTAUTH'])
    assert.equal(core.takeTransfer(), undefined)
  })

  function soaWith(serial: number): Rr {
    return rr(`example SOA ns.example. root.example. ${serial} 7200 900 1209600 300`)
  }

  it('IXFR (RFC 1995): the changes since, step by step; applied they give the same zone', async () => {
    const zone = await zoneOf('example', ZONE)
    const copy = await zoneOf('example', ZONE)
    const core = setUp(zone)
    exchange(
      core,
      update({
        authorities: [rr('a.example A 10.0.0.1'), rr('www.example A 192.0.2.2', { rrClass: CLASS.NONE, ttl: 0 })],
      }),
    )
    exchange(
      core,
      update({ authorities: [rr('a.example ANY', { rrClass: CLASS.ANY, ttl: 0 }), rr('b.example MX 5 a.example.')] }),
    )
    const messages = transferMessages(core, query('example IXFR', { authorities: [soaWith(1)] }))
    assert.equal(messages.length, 1)
    const shown = lines(parseMessage(messages[0] as Uint8Array) as Message).slice(1)
    assert.deepEqual(
      shown.map((line) =>
        line.replace(/^an (\S+) 60 IN (\S+) ?(.*)$/, '$1 $2 $3').replace(/ns\.\S* root\.\S* (\d).*/, '$1'),
      ),
      [
        'example. SOA 3',
        'example. SOA 1',
        'www.example. A 192.0.2.2',
        'example. SOA 2',
        'a.example. A 10.0.0.1',
        'example. SOA 2',
        'a.example. A 10.0.0.1',
        'example. SOA 3',
        'b.example. MX 5 a.example.',
        'example. SOA 3',
      ],
    )
    assert.equal(receive(messages, copy), copy)
    assert.deepEqual(records(copy), records(zone))
    // And the copy can itself serve what changed.
    assert.equal(copy.journal.length, 2)
  })

  it('IXFR from the newest serial: the SOA record alone; from one long gone: the whole zone; over UDP: the SOA record', async () => {
    const zone = await zoneOf('example', ZONE)
    const core = setUp(zone)
    exchange(core, update({ authorities: [rr('a.example A 10.0.0.1')] }))
    const same = transferMessages(core, query('example IXFR', { authorities: [soaWith(2)] }))
    assert.equal((parseMessage(same[0] as Uint8Array) as Message).answers.length, 1)
    assert.equal(receive(same, zone), zone)
    const old = transferMessages(core, query('example IXFR', { authorities: [soaWith(4294967000)] }))
    const fresh = receive(old, await zoneOf('example', ZONE.replace(' 1 7200', ' 4294967000 7200')))
    assert.deepEqual(records(fresh as Zone), records(zone))
    assert.equal(exchange(core, query('example IXFR', { authorities: [soaWith(1)] }))?.answers.length, 1)
    assert.equal(exchange(core, query('example IXFR'), { isTcp: true })?.rcode, RCODE.FORMERR)
    // A SOA record without data, which a class other than IN allows, must not be read.
    const empty = { ...soaWith(1), class: CLASS.ANY, rdata: new Uint8Array(0) }
    const asked = query('example IXFR', { authorities: [empty] })
    assert.equal(exchange(core, asked, { isTcp: true })?.rcode, RCODE.FORMERR)
  })

  it('the journal is bounded: what is too old is sent as a whole', async () => {
    const zone = await zoneOf('example', ZONE)
    for (let i = 0; i < 6000; i++) {
      const edit = new ZoneEdit(zone)
      edit.add(rr(`n${i}.example A 10.0.0.1`))
      edit.commit()
    }
    assert.equal(zone.journal.length, Math.floor(10_000 / 3))
    assert.equal(zone.soa.serial, 6001)
  })

  for (const [what, answers, reason] of [
    ['no SOA record first', ['example NS ns.example.'], 'bad-order'],
    ['nothing', [], 'refused'],
    ['a record of another zone', ['SOA', 'www.other A 10.0.0.1'], 'outside'],
    ['octets after the end', ['SOA', 'example NS ns.example.', 'SOA', 'example NS ns.example.'], 'bad-order'],
    ['no servers', ['SOA', 'www.example A 10.0.0.1', 'SOA'], 'bad-zone'],
    ['no end', ['SOA', 'example NS ns.example.'], 'more'],
  ] as const) {
    it(`a transfer with ${what} is not used: ${reason}`, () => {
      const rrs = answers.map((text) => (text === 'SOA' ? soaWith(5) : rr(text)))
      assert.equal(receive([wire({ id: 4711, flags: 0x8400, answers: rrs })]), reason)
    })
  }

  it('a transfer with a SOA record without data, or with a type that no zone can hold, is not used', () => {
    const empty = { ...soaWith(5), class: CLASS.ANY, rdata: new Uint8Array(0) }
    assert.equal(receive([wire({ id: 4711, flags: 0x8400, answers: [empty] })]), 'bad-zone')
    const meta = { ...rr('x.example TXT a'), type: TYPE.ANY }
    assert.equal(receive([wire({ id: 4711, flags: 0x8400, answers: [soaWith(5), meta] })]), 'bad-zone')
  })

  it('changes to another serial than ours, or that break off, change nothing', async () => {
    const zone = await zoneOf('example', ZONE)
    const before = records(zone)
    const answers = [soaWith(9), soaWith(7), soaWith(9), rr('x.example A 10.0.0.1'), soaWith(9)]
    assert.equal(receive([wire({ id: 4711, flags: 0x8400, answers })], zone), 'unknown-serial')
    const gap = [soaWith(9), soaWith(1), soaWith(2), soaWith(3), soaWith(9), soaWith(9)]
    assert.equal(receive([wire({ id: 4711, flags: 0x8400, answers: gap })], zone), 'unknown-serial')
    assert.deepEqual(records(zone), before)
  })

  it('a record too long to share a message gets its own', async () => {
    const text = `"${'x'.repeat(250)}" `.repeat(80)
    const zone = await zoneOf('example', `${ZONE}long TXT ${text}\nlonger TXT ${text.repeat(2)}\n`)
    const out = new TransferOut(4711, { name: dnsName('example'), type: TYPE.AXFR, class: 1 }, wholeZone(zone))
    const writer = new WireWriter(65535)
    const messages: Uint8Array[] = []
    for (let end = out.next(writer); end > 0; end = out.next(writer)) messages.push(writer.u8.slice(0, end))
    assert.deepEqual(records(receive(messages) as Zone), records(zone))
  })
})

describe('dns zones', () => {
  for (const [what, text, problem] of [
    ['no SOA record', '@ NS ns\n', /^there is no SOA record for example\.$/],
    ['no servers', '@ SOA ns root 1 1 1 1 1\n', /^there is no NS record for example\.$/],
    ['two SOA records', `${ZONE}@ SOA x y 1 1 1 1 1\n`, /^there is more than one SOA/],
    ['a SOA record below', `${ZONE}sub SOA x y 1 1 1 1 1\n`, /^sub\.example\. has a SOA record below/],
    ['an alias and other data', `${ZONE}alias A 192.0.2.1\n`, /^alias\.example\. has a CNAME record and A besides$/],
    ['two aliases', `${ZONE}alias CNAME ns\n`, /^alias\.example\. has more than one CNAME record$/],
    ['a name outside', `${ZONE}www.other. A 192.0.2.1\n`, /^www\.other\. is outside of the zone$/],
  ] as const) {
    it(`with ${what} are refused with a sentence`, async () => {
      await assert.rejects(zoneOf('example', `$TTL 1\n${text}`), { message: problem })
    })
  }

  it('names that nothing is left at or below go away', async () => {
    const zone = await zoneOf('example', ZONE)
    const count = zone.nameCount
    zone.add(rr('a.b.c.example A 10.0.0.1'))
    assert.equal(zone.nameCount, count + 3)
    zone.remove(rr('a.b.c.example A 10.0.0.1'))
    assert.equal(zone.nameCount, count)
  })

  it('serials go round (RFC 1982), and 0 is left out', async () => {
    const zone = await zoneOf('example', ZONE.replace(' 1 7200', ' 4294967295 7200'))
    const edit = new ZoneEdit(zone)
    edit.add(rr('x.example A 10.0.0.1'))
    edit.commit()
    assert.equal(soaOf(zone.soaSet.rdatas[0] as Uint8Array).serial, 1)
  })
})
