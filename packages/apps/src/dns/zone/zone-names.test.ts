import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { MockTime } from '@mirage-ts/testing/mock-time'
import { SeededRandom } from '@mirage-ts/testing/seeded-random'
import fc from 'fast-check'
import { resolve } from '../server/resolve.ts'
import { coreOf, exchange, lines, query, zoneOf } from '../testing/dns.ts'
import { formatRr, type Message, type Rr } from '../wire/message.ts'
import { dnsName, nameKey } from '../wire/name.ts'
import { TYPE } from '../wire/types.ts'
import { type RrSet, rrsOf, Zone } from './zone.ts'

describe('dns server: answers copied from the zone', () => {
  const TEXT = `$TTL 1
@ SOA a b 1 1 1 1 1
@ NS a
Www A 192.0.2.1
www A 192.0.2.2
cut NS a.cut
a.cut A 192.0.2.3
old DNAME new
x.old A 192.0.2.4
alias CNAME www
big TXT ${'"0123456789012345678901234567890123456789" '.repeat(20)}
*.wild A 192.0.2.5
a.b.c A 192.0.2.6
`
  it('are those that would be worked out, and only data that needs nothing besides', async () => {
    const one = coreOf({ random: new SeededRandom(1), clock: new MockTime() }, [await zoneOf('m', TEXT)])
    const zones = new Map([[nameKey(dnsName('m')), await zoneOf('m', TEXT)]])
    // The owner of an answer is a pointer to the question.
    const shown = (rr: Rr) => formatRr(rr).toLowerCase()
    const edns = { udpBytes: 1232, version: 0, isDnssecOk: false, options: [] }
    const direct = ['wWw.m A', 'a.b.c.m A', 'big.m TXT']
    const others = [
      'm SOA',
      'www.m MX',
      'cut.m A',
      'a.cut.m A',
      'x.old.m A',
      'alias.m A',
      'y.wild.m A',
      'c.m A',
      'no.m A',
    ]
    for (const words of [...direct, ...others]) {
      const before = one.counters.direct
      const octets = query(words, { edns })
      const message = exchange(one, octets)
      const question = (message as Message).questions[0] as Message['questions'][0]
      const expected = resolve(zones, question.name, question.type)
      assert.deepEqual(message?.answers.map(shown), expected.answers.flatMap(rrsOf).map(shown), words)
      assert.deepEqual(message?.authorities.map(shown), expected.authorities.flatMap(rrsOf).map(shown), words)
      assert.equal(one.counters.direct - before, direct.includes(words) ? 1 : 0, words)
    }
    assert.deepEqual(lines(exchange(one, query('big.m TXT'))), ['NOERROR aa tc'])
    assert.equal(exchange(one, query('big.m TXT'), { isTcp: true })?.answers.length, 1)
  })
})

describe('dns zones in memory', () => {
  it('hold what a map of sets holds, whatever is added and removed, and show a transfer what was', () => {
    const at = nameKey(dnsName('m'))
    const key = fc
      .array(fc.constantFrom('a', 'b', 'c', 'd'), { minLength: 1, maxLength: 3 })
      .map((labels) => dnsName([...labels, 'm'].join('.')))
    const step = fc.record({
      name: key,
      type: fc.constantFrom(TYPE.A, TYPE.TXT),
      octet: fc.nat(3),
      isGone: fc.boolean(),
    })
    const shown = (set: RrSet) => rrsOf(set).map(formatRr)
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), fc.nat(200), fc.integer(), (steps, pause, seed) => {
        const zone = new Zone(at, seed)
        zone.putSet({ name: at, type: TYPE.SOA, ttl: 1, rdatas: [new Uint8Array(22)] })
        const model = new Set<string>()
        const lines = () => [...zone.allSets()].flatMap(shown).slice(1).sort()
        let then: { readonly sets: Iterable<RrSet>; readonly lines: string[] } | undefined
        for (const [i, { name, type, octet, isGone }] of steps.entries()) {
          if (i === pause) then = { sets: zone.allSets(), lines: lines() }
          const rdata = type === TYPE.A ? Uint8Array.of(10, 0, 0, octet) : Uint8Array.of(1, 0x30 + octet)
          const rr = { name, type, class: 1, ttl: 60, rdata }
          assert.equal(isGone ? zone.remove(rr) : zone.add(rr), model.has(formatRr(rr)) === isGone)
          if (isGone) model.delete(formatRr(rr))
          else model.add(formatRr(rr))
        }
        assert.deepEqual(lines(), [...model].sort())
        if (then !== undefined) assert.deepEqual([...then.sets].flatMap(shown).slice(1).sort(), then.lines)
        const names = new Set(['m.'])
        for (const line of model) {
          const labels = (line.split(' ')[0] as string).split('.')
          for (let j = 0; j < labels.length - 2; j++) names.add(labels.slice(j).join('.'))
        }
        assert.equal(zone.nameCount, names.size)
      }),
    )
  })

  it('take little: a hundred octets for each name with an address, also after many changes', async () => {
    const many = await zoneOf('m', `$TTL 1\n@ SOA a b 1 1 1 1 1\n@ NS a\n$GENERATE 0-9999 h$ A 10.0.0.1\n`)
    const perName = () => many.names.sizeBytes / many.nameCount
    assert(perName() < 100, `${perName()} octets`)
    for (let i = 0; i < 100_000; i++) {
      const name = dnsName(`h${i % 10_000}.m`)
      many.putSet({ name, type: TYPE.A, ttl: 1, rdatas: [Uint8Array.of(10, 0, i >>> 8, i & 255)] })
    }
    assert.equal(many.find(nameKey(dnsName('h9999.m')))?.set(TYPE.A)?.rdatas[0]?.[3], 99_999 & 255)
    assert(perName() < 300, `${perName()} octets`)
  })
})
