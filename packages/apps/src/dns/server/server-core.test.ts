import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { fromHex, toHex } from '@mirage-ts/core/bytes'
import { seconds } from '@mirage-ts/core/time'
import type { Ipv4, Port } from '@mirage-ts/signatures/addresses'
import { MockTime } from '@mirage-ts/testing/mock-time'
import { SeededRandom } from '@mirage-ts/testing/seeded-random'
import { CLIENT, coreOf, exchange, lines, query, WALL_SECONDS, wire, zoneOf } from '../testing/dns.ts'
import { FLAG, HEADER_LEN, type Message, parseMessage } from '../wire/message.ts'
import { dnsName } from '../wire/name.ts'
import { OPCODE, OPTION, RCODE, TYPE } from '../wire/types.ts'
import { Cookies } from './cookies.ts'

const ZONE = `
$TTL 3600
@ SOA ns1 root 7 7200 900 1209600 300
  NS ns1
  NS ns2.example.net.
  MX 10 mail
ns1 A 192.0.2.1
    AAAA 2001:db8::1
mail A 192.0.2.25
www CNAME web
web A 192.0.2.80
    A 192.0.2.81
    TXT "hello"
deep.empty A 192.0.2.9
out CNAME www.example.org.
dangling CNAME nowhere
loop1 CNAME loop2
loop2 CNAME loop1
_sip._udp SRV 0 0 5060 mail
old DNAME new
x.new A 192.0.2.33
*.wild A 192.0.2.99
*.wild MX 5 mail
there.wild TXT "there"
*.alias CNAME web
sub NS ns.sub
sub NS ns1
sub DS 1 13 2 ${'00'.repeat(32)}
ns.sub A 192.0.2.53
host.sub A 192.0.2.54
big TXT ${'"0123456789012345678901234567890123456789" '.repeat(40)}
`
const CHILD = '$TTL 60\n@ SOA ns root 1 2 3 4 5\n@ NS ns\nns A 192.0.2.77\nback CNAME web.example.com.\n'

const time = new MockTime()
const zone = await zoneOf('example.com', ZONE)
const child = await zoneOf('child.example.com', CHILD)
const core = coreOf({ random: new SeededRandom(1), clock: time }, [zone, child])

function ask(text: string, options: { readonly isTcp?: boolean } = {}): string[] {
  return lines(exchange(core, query(text), options))
}

const SOA = 'ns example.com. 300 IN SOA ns1.example.com. root.example.com. 7 7200 900 1209600 300'
const WEB = ['an web.example.com. 3600 IN A 192.0.2.80', 'an web.example.com. 3600 IN A 192.0.2.81']

describe('dns server: what it answers', () => {
  const cases: readonly (readonly [string, string, readonly string[]])[] = [
    ['data', 'web.example.com A', ['NOERROR aa', ...WEB]],
    [
      'a name that has other types: no data, with the SOA record (RFC 2308 §2.2)',
      'web.example.com AAAA',
      ['NOERROR aa', SOA],
    ],
    ['a name that is not there (RFC 2308 §2.1)', 'nope.example.com A', ['NXDOMAIN aa', SOA]],
    ['a name below one that is there', 'a.b.web.example.com A', ['NXDOMAIN aa', SOA]],
    ['an empty non-terminal is there (RFC 8020)', 'empty.example.com A', ['NOERROR aa', SOA]],
    [
      'the apex',
      'example.com NS',
      [
        'NOERROR aa',
        'an example.com. 3600 IN NS ns1.example.com.',
        'an example.com. 3600 IN NS ns2.example.net.',
        'ar ns1.example.com. 3600 IN A 192.0.2.1',
        'ar ns1.example.com. 3600 IN AAAA 2001:db8::1',
      ],
    ],
    [
      'MX with the address of the host',
      'example.com MX',
      ['NOERROR aa', 'an example.com. 3600 IN MX 10 mail.example.com.', 'ar mail.example.com. 3600 IN A 192.0.2.25'],
    ],
    [
      'SRV with the address of the host (RFC 2782)',
      '_sip._udp.example.com SRV',
      [
        'NOERROR aa',
        'an _sip._udp.example.com. 3600 IN SRV 0 0 5060 mail.example.com.',
        'ar mail.example.com. 3600 IN A 192.0.2.25',
      ],
    ],
    [
      'an alias and what it leads to',
      'www.example.com A',
      ['NOERROR aa', 'an www.example.com. 3600 IN CNAME web.example.com.', ...WEB],
    ],
    ['an alias itself', 'www.example.com CNAME', ['NOERROR aa', 'an www.example.com. 3600 IN CNAME web.example.com.']],
    [
      'an alias out of our zones',
      'out.example.com A',
      ['NOERROR aa', 'an out.example.com. 3600 IN CNAME www.example.org.'],
    ],
    [
      'an alias to nothing: the code is that of the end (RFC 6604 §3)',
      'dangling.example.com A',
      ['NXDOMAIN aa', 'an dangling.example.com. 3600 IN CNAME nowhere.example.com.', SOA],
    ],
    [
      'an alias into another zone of ours',
      'back.child.example.com A',
      ['NOERROR aa', 'an back.child.example.com. 60 IN CNAME web.example.com.', ...WEB],
    ],
    [
      'DNAME, with the CNAME record that follows from it (RFC 6672 §3.1)',
      'x.old.example.com A',
      [
        'NOERROR aa',
        'an old.example.com. 3600 IN DNAME new.example.com.',
        'an x.old.example.com. 3600 IN CNAME x.new.example.com.',
        'an x.new.example.com. 3600 IN A 192.0.2.33',
      ],
    ],
    [
      'the alias that a DNAME makes, when that is what is asked for',
      'y.old.example.com CNAME',
      [
        'NOERROR aa',
        'an old.example.com. 3600 IN DNAME new.example.com.',
        'an y.old.example.com. 3600 IN CNAME y.new.example.com.',
      ],
    ],
    ['the owner of a DNAME is not redirected (RFC 6672 §2.3)', 'old.example.com A', ['NOERROR aa', SOA]],
    [
      'a wildcard takes the name asked for (RFC 4592 §2.2.1)',
      'a.wild.example.com A',
      ['NOERROR aa', 'an a.wild.example.com. 3600 IN A 192.0.2.99'],
    ],
    [
      'a wildcard matches any number of labels',
      'a.b.wild.example.com A',
      ['NOERROR aa', 'an a.b.wild.example.com. 3600 IN A 192.0.2.99'],
    ],
    ['a wildcard without the type: no data', 'a.wild.example.com TXT', ['NOERROR aa', SOA]],
    ['a name that is there hides the wildcard', 'there.wild.example.com A', ['NOERROR aa', SOA]],
    [
      'a name below one that is there finds no wildcard (RFC 4592 §2.2.1)',
      'x.there.wild.example.com A',
      ['NXDOMAIN aa', SOA],
    ],
    [
      'the wildcard by its own name',
      '*.wild.example.com A',
      ['NOERROR aa', 'an *.wild.example.com. 3600 IN A 192.0.2.99'],
    ],
    [
      'a wildcard that is an alias',
      'any.alias.example.com A',
      ['NOERROR aa', 'an any.alias.example.com. 3600 IN CNAME web.example.com.', ...WEB],
    ],
    [
      'a delegation: no authority, with glue (RFC 9471)',
      'a.host.sub.example.com A',
      [
        'NOERROR',
        'ns sub.example.com. 3600 IN NS ns.sub.example.com.',
        'ns sub.example.com. 3600 IN NS ns1.example.com.',
        'ar ns.sub.example.com. 3600 IN A 192.0.2.53',
        'ar ns1.example.com. 3600 IN A 192.0.2.1',
        'ar ns1.example.com. 3600 IN AAAA 2001:db8::1',
      ],
    ],
    [
      'DS of a delegation is ours (RFC 4035 §3.1.4.1)',
      'sub.example.com DS',
      ['NOERROR aa', `an sub.example.com. 3600 IN DS 1 13 2 ${'00'.repeat(32)}`],
    ],
    ['DS of a zone whose parent is ours too: the parent answers', 'child.example.com DS', ['NXDOMAIN aa', SOA]],
    [
      'the nearest zone answers',
      'ns.child.example.com A',
      ['NOERROR aa', 'an ns.child.example.com. 60 IN A 192.0.2.77'],
    ],
    ['a name in none of our zones', 'example.org A', ['REFUSED']],
    ['the root', '. NS', ['REFUSED']],
  ]
  for (const [what, question, expected] of cases) {
    it(`${what}: ${question}`, () => {
      assert.deepEqual(ask(question), expected)
      // Once more, in case the answer was kept; and as a signed or odd query gets it, by the other way through the core.
      assert.deepEqual(ask(question), expected)
      const viaMessages = exchange(core, query(question, { additionals: [zoneRecord()] }))
      assert.deepEqual(lines(viaMessages), expected)
    })
  }

  it('a zone that is not loaded: SERVFAIL', () => {
    const empty = coreOf({ random: new SeededRandom(1), clock: time }, [])
    empty.setZone(zone.origin, undefined)
    assert.deepEqual(lines(exchange(empty, query('www.example.com A'))), ['SERVFAIL'])
  })

  it('ANY is answered with one set (RFC 8482 §4.1)', () => {
    assert.deepEqual(ask('web.example.com ANY'), ['NOERROR aa', ...WEB])
  })

  it('aliases in a circle come to an end', () => {
    const answer = ask('loop1.example.com A')
    assert.equal(answer[0], 'NOERROR aa')
    assert(answer.length <= 18)
  })

  it('repeats the question octet by octet, whatever its case (0x20), also from what is kept ready', () => {
    for (const name of ['wEB.eXAMPLE.cOM', 'WEB.example.com', 'web.example.com']) {
      const octets = query(`${name} A`)
      const length = core.handle(octets, CLIENT, false)
      assert.equal(toHex(core.frame.u8, 12, octets.length), toHex(octets, 12))
      const message = parseMessage(core.frame.u8.slice(0, length)) as Message
      assert.equal(message.answers.length, 2)
      // The owner of the answer is a pointer to the question.
      assert.equal(message.answers[0]?.name, dnsName(name))
    }
  })

  it('keeps apart what differs in an octet that letters of other case differ in too', async () => {
    const odd = await zoneOf(
      'x',
      '$TTL 1\n@ SOA a b 1 1 1 1 1\n@ NS a\n\\@b A 192.0.2.1\n`b A 192.0.2.2\n[ A 192.0.2.3\n{ A 192.0.2.4\n',
    )
    const one = coreOf({ random: new SeededRandom(1), clock: time }, [odd])
    for (const [name, last] of [
      ['\\@b', 1],
      ['`b', 2],
      ['[', 3],
      ['{', 4],
      ['\\@b', 1],
      ['`b', 2],
      ['[', 3],
      ['{', 4],
    ]) {
      const reply = exchange(one, query(`${name}.x A`))
      assert.equal(reply?.answers[0]?.rdata[3], last, String(name))
    }
    assert.deepEqual([one.counters.direct, one.counters.ready], [4, 4])
  })
})

function zoneRecord() {
  return { name: dnsName('x'), type: TYPE.A, class: 1, ttl: 0, rdata: Uint8Array.of(1, 2, 3, 4) }
}

describe('dns server: EDNS, truncation, cookies', () => {
  const edns = { udpBytes: 4096, version: 0, isDnssecOk: true, options: [] }

  it('answers OPT with OPT, and DO with DO (RFC 6891 §6.1.1, RFC 3225 §3)', () => {
    const reply = exchange(core, query('web.example.com A', { edns }))
    assert.deepEqual(reply?.edns, { udpBytes: 1232, version: 0, isDnssecOk: true, options: [] })
    assert.equal(exchange(core, query('web.example.com A'))?.edns, undefined)
  })

  it('a version above 0 gets BADVERS (RFC 6891 §6.1.3)', () => {
    const reply = exchange(core, query('web.example.com A', { edns: { ...edns, version: 1 } }))
    assert.equal(reply?.rcode, RCODE.BADVERS)
    assert.equal(reply?.edns?.version, 0)
    assert.equal(reply?.answers.length, 0)
  })

  it('what is longer than 512 octets, or than the asker takes, or than 1232, gets TC; over TCP it comes whole', () => {
    assert.deepEqual(ask('big.example.com TXT'), ['NOERROR aa tc'])
    assert.deepEqual(lines(exchange(core, query('big.example.com TXT', { edns }))), ['NOERROR aa tc'])
    assert.equal(exchange(core, query('big.example.com TXT'), { isTcp: true })?.answers.length, 1)
  })

  it('additional records are left out without a sign, glue is not', async () => {
    const hosts = Array.from(
      { length: 12 },
      (_, i) => `@ MX ${i} host${i}\nhost${i} AAAA ::${i}\nsub NS ns${i}.sub\nns${i}.sub AAAA ::${i}\n`,
    )
    const wide = await zoneOf('w', `$TTL 1\n@ SOA a b 1 1 1 1 1\n@ NS a\n${hosts.join('')}`)
    const one = coreOf({ random: new SeededRandom(1), clock: time }, [wide])
    for (let i = 0; i < 2; i++) {
      const mx = exchange(one, query('w MX'))
      assert.deepEqual(
        [mx?.flags, mx?.answers.length, mx?.additionals.length],
        [FLAG.RESPONSE | FLAG.AUTHORITATIVE, 12, 0],
      )
    }
    assert.equal(exchange(one, query('w MX', { edns }))?.additionals.length, 12)
    assert.deepEqual(lines(exchange(one, query('sub.w A'))), ['NOERROR tc'])
    assert.equal(exchange(one, query('sub.w A', { edns }))?.additionals.length, 12)
  })

  // RFC 9018 appendix A.1.
  const SECRET = fromHex('e5e973e5a6b2a43f48e7dc849e37bfcf')
  const COOKIE = fromHex('2464c4abcf10c957 010000005cf79f11 1f8130c3eee29480')
  const ADDRESS = 0xc6336464 as Ipv4
  const MADE = 0x5cf79f11

  it('makes the cookie that RFC 9018 appendix A.1 shows, and knows it again for an hour, for that address only', () => {
    const cookies = new Cookies(SECRET)
    const made = new Uint8Array(24)
    cookies.write(COOKIE, 0, made, 0, ADDRESS, MADE)
    assert.equal(toHex(made), toHex(COOKIE))
    assert(cookies.isRight(COOKIE, 0, 24, ADDRESS, MADE + 3600))
    assert(!cookies.isRight(COOKIE, 0, 24, ADDRESS, MADE + 3601))
    assert(!cookies.isRight(COOKIE, 0, 24, ADDRESS, MADE - 301))
    assert(!cookies.isRight(COOKIE, 0, 24, 0xc6336465 as Ipv4, MADE))
    for (let i = 0; i < 24; i++) {
      const changed = COOKIE.slice()
      changed[i] = (changed[i] as number) ^ 1
      assert(!cookies.isRight(changed, 0, 24, ADDRESS, MADE), `octet ${i}`)
    }
  })

  it('gives a cookie to whoever has one, and refuses lengths that no cookie has (RFC 7873 §5.2.2)', () => {
    const withCookie = (data: Uint8Array) =>
      query('web.example.com A', { edns: { ...edns, options: [{ code: OPTION.COOKIE, data }] } })
    const reply = exchange(core, withCookie(fromHex('0102030405060708')))
    const cookie = reply?.edns?.options[0]?.data as Uint8Array
    assert.equal(cookie.length, 24)
    assert.equal(toHex(cookie).slice(0, 24), '010203040506070801000000')
    assert.equal(new DataView(cookie.buffer, cookie.byteOffset).getUint32(12), WALL_SECONDS)
    for (const len of [0, 1, 7, 9, 15, 41]) {
      const malformed = exchange(core, withCookie(new Uint8Array(len)))
      assert.equal(malformed?.rcode, RCODE.FORMERR, `${len} octets`)
    }
  })
})

describe('dns server: what it does not answer', () => {
  it('octets too short for a header, and answers: nothing', () => {
    for (let len = 0; len < HEADER_LEN; len++) assert.equal(core.handle(new Uint8Array(len), CLIENT, false), 0)
    assert.equal(exchange(core, query('web.example.com A', { flags: FLAG.RESPONSE })), undefined)
  })

  it('malformed messages: FORMERR with nothing but the header', () => {
    const octets = query('web.example.com A')
    for (let end = HEADER_LEN; end < octets.length; end++) {
      const reply = exchange(core, octets.slice(0, end))
      assert.deepEqual(lines(reply), ['FORMERR'], `${end} octets`)
      assert.equal(reply?.questions.length, 0)
    }
  })

  it('operation codes not known: NOTIMP; classes not served: REFUSED; no question or two: FORMERR', () => {
    assert.deepEqual(lines(exchange(core, query('web.example.com A', { opcode: OPCODE.STATUS }))), ['NOTIMP'])
    assert.deepEqual(lines(exchange(core, query('web.example.com A', { opcode: 15 }))), ['NOTIMP'])
    const question = { name: dnsName('web.example.com'), type: TYPE.A, class: 3 }
    assert.deepEqual(lines(exchange(core, wire({ id: 1, questions: [question] }))), ['REFUSED'])
    assert.deepEqual(lines(exchange(core, wire({ id: 1, questions: [question, question] }))), ['FORMERR'])
    assert.deepEqual(lines(exchange(core, wire({ id: 1 }))), ['FORMERR'])
  })

  it('random octets never throw, and every reply is a message', () => {
    const random = new SeededRandom(3)
    const seed = query('web.example.com A', { edns: { udpBytes: 4096, version: 0, isDnssecOk: false, options: [] } })
    for (let i = 0; i < 5000; i++) {
      const octets = random.chance(0.5) ? seed.slice() : random.bytes(random.below(80))
      for (let n = random.below(4); n > 0 && octets.length > 0; n--)
        octets[random.below(octets.length)] = random.u32() & 255
      exchange(core, octets, { isTcp: random.chance(0.5) })
    }
  })
})

describe('dns server: rate limit', () => {
  function limited() {
    const clock = new MockTime()
    return { clock, one: coreOf({ random: new SeededRandom(1), clock }, [zone], { ratePerSecond: 5 }) }
  }

  it('over UDP the same answer to one network is given so often; then none or one with TC, in turn', async () => {
    const { clock, one } = limited()
    const replies = Array.from({ length: 9 }, () => lines(exchange(one, query('web.example.com A')))[0])
    assert.deepEqual(replies.slice(0, 5), new Array(5).fill('NOERROR aa'))
    assert.deepEqual(replies.slice(5), [undefined, 'NOERROR aa tc', undefined, 'NOERROR aa tc'])
    await clock.advance(seconds(1))
    assert.equal(lines(exchange(one, query('web.example.com A')))[0], 'NOERROR aa')
  })

  it('other networks, other answers, TCP and right cookies are not held up by it', () => {
    const { one } = limited()
    for (let i = 0; i < 20; i++) exchange(one, query('web.example.com A'))
    const other = { address: 0xc6336401 as Ipv4, port: 53 as Port }
    assert.equal(exchange(one, query('web.example.com A'), { from: other })?.answers.length, 2)
    assert.equal(exchange(one, query('mail.example.com A'))?.answers.length, 1)
    assert.equal(exchange(one, query('web.example.com A'), { isTcp: true })?.answers.length, 2)
    const edns = (data: Uint8Array) => ({
      udpBytes: 1232,
      version: 0,
      isDnssecOk: false,
      options: [{ code: OPTION.COOKIE, data }],
    })
    const first = exchange(one, query('ns1.example.com A', { edns: edns(new Uint8Array(8)) }))
    const cookie = first?.edns?.options[0]?.data as Uint8Array
    for (let i = 0; i < 20; i++) {
      assert.equal(exchange(one, query('web.example.com A', { edns: edns(cookie) }))?.answers.length, 2)
    }
  })

  it('names made up count together, however many they are (random subdomains)', () => {
    const { one } = limited()
    let count = 0
    for (let i = 0; i < 100; i++) if (exchange(one, query(`x${i}.example.com A`))?.rcode === RCODE.NXDOMAIN) count++
    assert(count <= 5 + 50, `${count} answers`)
    let wild = 0
    for (let i = 0; i < 100; i++) if (exchange(one, query(`x${i}.wild.example.com A`))?.answers.length === 1) wild++
    assert.equal(wild, 5)
  })
})

describe('dns server: whole replies kept', () => {
  const fresh = (options = {}) => coreOf({ random: new SeededRandom(3), clock: new MockTime() }, [zone, child], options)
  /** The reply in octets, the query's identifier made `id`. */
  const reply = (one: ReturnType<typeof fresh>, octets: Uint8Array, id: number) => {
    new DataView(octets.buffer).setUint16(0, id)
    return toHex(one.frame.u8, 0, one.handle(octets, CLIENT, false))
  }

  it('are the same as those worked out, but for the identifier', () => {
    const one = fresh()
    const edns = { udpBytes: 1232, version: 0, isDnssecOk: false, options: [] }
    for (const words of ['web.example.com A', 'WEB.example.COM A', 'web.example.com TXT', 'example.com MX']) {
      for (const parts of [{}, { flags: 0x100 }, { edns }] as readonly object[]) {
        const octets = query(words, parts)
        const first = reply(one, octets, 1)
        assert.equal(reply(one, octets, 1), first)
        const hits = one.counters.ready
        assert.equal(reply(one, octets, 0xabcd), `abcd${first.slice(4)}`, words)
        assert.equal(one.counters.ready, hits + 1)
      }
    }
  })

  it('are forgotten when a zone changes', async () => {
    const one = fresh()
    for (let i = 0; i < 3; i++) assert.deepEqual(lines(exchange(one, query('web.example.com A'))).slice(1), WEB)
    const changed = await zoneOf('example.com', '@ 60 SOA ns root 8 2 3 4 5\n@ 60 NS ns\nweb 60 A 192.0.2.1\n')
    one.setZone(changed.origin, changed)
    assert.deepEqual(lines(exchange(one, query('web.example.com A'))), [
      'NOERROR aa',
      'an web.example.com. 60 IN A 192.0.2.1',
    ])
  })

  it('do not get around the rate limit', () => {
    const one = fresh({ ratePerSecond: 5 })
    const answers = Array.from({ length: 9 }, () => lines(exchange(one, query('web.example.com A')))[0])
    assert.deepEqual(answers, [
      ...new Array(5).fill('NOERROR aa'),
      undefined,
      'NOERROR aa tc',
      undefined,
      'NOERROR aa tc',
    ])
  })

  it('take bounded memory: queries beyond it push others out, and no reply is mixed up with another', () => {
    const [one, plain] = [fresh({ readyBytes: 4000 }), fresh({ readyBytes: 0 })]
    for (let i = 0; i < 4; i++) {
      for (let type = 1; type < 200; type++) {
        for (const flags of [0, 0x100]) {
          const octets = query(type % 3 === 0 ? 'web.example.com A' : `web.example.com TYPE${type}`, { flags })
          assert.equal(reply(one, octets, i), reply(plain, octets, i))
        }
      }
    }
    assert(one.counters.ready > 100 && plain.counters.ready === 0)
  })
})

describe('dns server: answers kept ready', () => {
  it('are bounded in octets, forgotten when a zone changes, and never for names made up', async () => {
    const many = await zoneOf('m', `$TTL 1\n@ SOA a b 1 1 1 1 1\n@ NS a\n$GENERATE 0-4999 h$ MX 1 h$\n*.w MX 1 h1\n`)
    const one = coreOf({ random: new SeededRandom(1), clock: time }, [many], { readyBytes: 100_000 })
    for (let round = 0; round < 2; round++) for (let i = 0; i < 5000; i++) exchange(one, query(`h${i}.m MX`))
    const hits = one.counters.ready
    assert(hits > 200 && hits < 2000, `${hits} of 5000 were kept`)
    for (let i = 0; i < 200; i++) exchange(one, query('a.w.m MX'))
    for (let i = 0; i < 200; i++) exchange(one, query('nothing.m MX'))
    assert.equal(one.counters.ready, hits)
    one.setZone(many.origin, await zoneOf('m', '$TTL 1\n@ SOA a b 2 1 1 1 1\n@ NS a\nh1 MX 9 a\n'))
    assert.equal(exchange(one, query('h1.m MX'))?.answers[0]?.rdata[1], 9)
    assert.equal(exchange(one, query('h2.m MX'))?.rcode, RCODE.NXDOMAIN)
  })

  it('every name of a zone of 10,000 is found there the second time', async () => {
    const many = await zoneOf('m', `$TTL 1\n@ SOA a b 1 1 1 1 1\n@ NS a\n$GENERATE 0-9999 h$ MX 1 a\n`)
    const one = coreOf({ random: new SeededRandom(1), clock: time }, [many])
    for (let round = 0; round < 2; round++) for (let i = 0; i < 10_000; i++) exchange(one, query(`h${i}.m MX`))
    assert(one.counters.ready > 9500, `${one.counters.ready} of 10000`)
  })
})
