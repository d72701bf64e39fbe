import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { fromHex, toHex } from '@mirage-ts/core/bytes'
import { textToOctets } from '@mirage-ts/core/octets'
import { SeededRandom } from '@mirage-ts/testing/seeded-random'
import fc from 'fast-check'
import { FLAG, formatRr, type Message, parseMessage, type Rr, writeMessage } from './message.ts'
import { compareNames, dnsName, isWithin, type Name, nameKey, nameToString, parseName } from './name.ts'
import { isRdataWellFormed, rdataKey, soaOf, soaRdata } from './rdata.ts'
import { formatRdata, parseRdata, parseTtl } from './rdata-text.ts'
import { ipv6Text, parseIpv6 } from './text.ts'
import { parseType, RCODE, TYPE, typeToString } from './types.ts'
import { WireReader, WireWriter } from './wire.ts'

const ORIGIN = dnsName('example.com')

function parsed(u8: Uint8Array): Message {
  const message = parseMessage(u8)
  assert(typeof message === 'object', String(message))
  return message
}

describe('dns names', () => {
  const names: readonly (readonly [string, string])[] = [
    ['.', '00'],
    ['example.com.', '07 6578616d706c65 03 636f6d 00'],
    [String.raw`a\.b.c\032d.`, '03 612e62 03 632064 00'],
    [String.raw`\000\255.`, '02 00ff 00'],
  ]
  for (const [text, wire] of names) {
    it(`${text} goes to octets and back`, () => {
      const name = dnsName(text)
      assert.equal(toHex(textToOctets(name)), wire.replaceAll(' ', ''))
      assert.equal(nameToString(name), text)
    })
  }

  it('refuses what is no name, with the reason', () => {
    assert.equal(parseName('a..b'), 'empty-label')
    assert.equal(parseName(''), 'empty-label')
    assert.equal(parseName(`${'a'.repeat(64)}.`), 'label-too-long')
    assert.equal(parseName(`${'a'.repeat(49)}.`.repeat(6)), 'name-too-long')
    assert.equal(parseName('a\\25'), 'bad-escape')
    assert.equal(parseName('a\\256'), 'bad-escape')
    assert.equal(parseName('a\\'), 'bad-escape')
    assert.equal(parseName('é→'), 'not-an-octet')
  })

  it('of 255 octets is a name, of 256 is none', () => {
    const labels = `${'a'.repeat(62)}.`.repeat(3)
    assert.equal(dnsName(`${labels}${'b'.repeat(64 - 2 + 1)}.`).length, 3 * 63 + 64 + 1)
    assert.equal(parseName(`${labels}${'b'.repeat(63)}.c.`), 'name-too-long')
  })

  it('relative names continue with the origin', () => {
    assert.equal(parseName('www', ORIGIN), dnsName('www.example.com'))
    assert.equal(parseName('www.', ORIGIN), dnsName('www'))
  })

  it('is within another only at a label, whatever the case (RFC 4343)', () => {
    const key = (text: string) => nameKey(dnsName(text))
    assert(isWithin(key('WWW.Example.COM'), key('example.com')))
    assert(isWithin(key('example.com'), key('example.com')))
    assert(!isWithin(key('badexample.com'), key('example.com')))
    // The octets of the ancestor occur at the end, but inside of a label.
    assert(!isWithin(nameKey(dnsName(String.raw`x\007example.com`)), key('example.com')))
    assert.equal(key('É'.normalize('NFC')), dnsName('É'))
  })

  it('sorts as RFC 4034 §6.1 shows', () => {
    const sorted = ['example', 'a.example', 'yljkjljk.a.example', 'Z.a.example', 'zABC.a.EXAMPLE', 'z.example']
      .concat([String.raw`\001.z.example`, '*.z.example', String.raw`\200.z.example`])
      .map((text) => nameKey(dnsName(text)))
    assert.deepEqual([...sorted].reverse().sort(compareNames), sorted)
  })
})

describe('dns addresses', () => {
  it('IPv6 is printed as RFC 5952 §4 says', () => {
    for (const [text, canonical = text] of [
      ['2001:0db8:0:0:1:0:0:1', '2001:db8::1:0:0:1'],
      ['::'],
      ['::1'],
      ['2001:db8::'],
      ['2001:db8:0:1:1:1:1:1'],
      ['1:0:0:2:0:0:0:3', '1:0:0:2::3'],
      ['::ffff:192.0.2.1', '::ffff:c000:201'],
      ['10:0:0:0:0:0:0:1', '10::1'],
    ] as const) {
      const octets = parseIpv6(text)
      assert(octets !== undefined, text)
      assert.equal(ipv6Text(octets), canonical)
    }
    for (const bad of ['', ':', '1::2::3', '1:2:3:4:5:6:7', '1:2:3:4:5:6:7:8:9', '12345::', '::1.2.3', '::1.2.3.256']) {
      assert.equal(parseIpv6(bad), undefined, bad)
    }
  })
})

/** Type, text that we print, and the octets where a specification or another implementation gives them. */
const RDATA: readonly (readonly [string, string, string?])[] = [
  ['A', '192.0.2.1', 'c0000201'],
  ['NS', 'ns.example.com.'],
  ['CNAME', String.raw`a\.b.example.com.`],
  ['SOA', 'ns.example.com. root.example.com. 4294967295 1 2 3 4'],
  ['HINFO', '"PC" "Linux \\"x\\" \\\\ \\007"'],
  ['MINFO', 'a. b.'],
  ['MX', '10 mail.example.com.'],
  ['TXT', '"a b" "" "c;d"', '03612062 00 03633b64'],
  ['RP', 'a. b.'],
  ['AFSDB', '1 a.'],
  ['X25', '"311061700956"'],
  ['ISDN', '"150862028003217" "004"'],
  ['ISDN', '"150862028003217"'],
  ['RT', '10 relay.'],
  ['PX', '10 a. b.'],
  ['GPOS', '"-32.6882" "116.8652" "10.0"'],
  ['AAAA', '2001:db8::1', '20010db8000000000000000000000001'],
  // RFC 1876 §4 example, octets by dig.
  ['LOC', '42 21 54.000 N 71 6 18.000 W -24.00m 30.00m 10000.00m 10.00m', '0033 1613 89172dd0 70be15f0 00988d20'],
  ['SRV', '0 5 5060 sip.example.com.'],
  ['NAPTR', '100 10 "u" "E2U+sip" "!^.*$!sip:info@example.com!" .'],
  ['KX', '10 kx.'],
  ['CERT', '1 2 3 AQID'],
  ['DNAME', 'other.example.'],
  ['APL', '1:192.168.32.0/21 !1:192.168.38.0/28 2:2001:db8::/32', '00011503c0a820 00011c83c0a826 00022004 20010db8'],
  ['DS', '60485 5 1 2bb183af5f22588179a53b0a98631fad1a292118'],
  ['SSHFP', '2 1 123456789abcdef67890123456789abcdef67890'],
  ['RRSIG', 'A 5 3 86400 20030322173103 20030220173103 2642 example.com. oJB1W6WNGv+ldvQ3WDG0MQ=='],
  // RFC 4034 §4.3.
  [
    'NSEC',
    'host.example.com. A MX RRSIG NSEC TYPE1234',
    `04686f7374 076578616d706c65 03636f6d 00 0006400100000003 041b ${'00'.repeat(26)}20`,
  ],
  ['DNSKEY', '256 3 5 AQPSKmynfzW4kyBv015MUG2DeIQ3Cbl+BBZH4b/0PY1kxkmvHjcZ'],
  ['DHCID', 'AAIBY2/AuCccgoJbsaxcQc9TUapptP69lOjxfNuVAA2kjEA='],
  ['NSEC3', '1 1 12 aabbccdd 2t7b4g4vsa5smi47k61mv5bv1a22bojr MX DNSKEY NS SOA NSEC3PARAM RRSIG'],
  ['NSEC3PARAM', '1 0 12 -', '01 00 000c 00'],
  ['TLSA', '0 0 1 d2abde240d7cd3ee6b4b28c54df034b9'],
  ['SMIMEA', '3 1 1 d2abde240d7cd3ee6b4b28c54df034b9'],
  ['CDS', '0 0 0 00'],
  ['CDNSKEY', '0 3 0 AA=='],
  ['OPENPGPKEY', 'AQID'],
  ['CSYNC', '66 3 A NS AAAA'],
  [
    'ZONEMD',
    '2018031900 1 1 a3b69bad980a3504e1cffcb0fd6397f93848071c93151f552ae2f6b1711d4bd2d8b39808226d7b9db71e34b72077f8fe',
  ],
  ['NID', '10 0014:4fff:ff20:ee64', '000a 00144fffff20ee64'],
  ['L32', '10 10.1.2.0'],
  ['L64', '10 2001:0db8:1140:1000'],
  ['LP', '10 l64.example.com.'],
  ['EUI48', '00-00-5e-00-53-2a', '00005e00532a'],
  ['EUI64', '00-00-5e-ef-10-00-00-2a'],
  ['URI', '10 1 "ftp://ftp1.example.com/public"'],
  ['CAA', '0 issue "ca.example.net; account=230123"'],
  ['TYPE65280', String.raw`\# 4 0a000001`, '0a000001'],
  ['TYPE731', String.raw`\# 0`, ''],
  // RFC 9460 appendix D.
  ['HTTPS', '0 foo.example.com.', '0000 03666f6f 076578616d706c65 03636f6d 00'],
  ['SVCB', '1 .', '0001 00'],
  ['SVCB', '16 foo.example.com. port=53', '0010 03666f6f076578616d706c6503636f6d00 0003 0002 0035'],
  ['SVCB', '1 foo.example.com. key667=hello', '0001 03666f6f076578616d706c6503636f6d00 029b 0005 68656c6c6f'],
  [
    'SVCB',
    '1 foo.example.com. ipv6hint=2001:db8::1,2001:db8::53:1',
    '0001 03666f6f076578616d706c6503636f6d00 0006 0020 20010db8000000000000000000000001 20010db8000000000000000000530001',
  ],
  [
    'SVCB',
    '16 foo.example.org. mandatory=alpn,ipv4hint alpn=h2,h3-19 ipv4hint=192.0.2.1',
    '0010 03666f6f076578616d706c65036f726700 0000 0004 0001 0004 0001 0009 02683205 68332d3139 0004 0004 c0000201',
  ],
]

describe('dns rdata', () => {
  for (const [typeText, text, hex] of RDATA) {
    it(`${typeText} ${text}`, () => {
      const type = parseType(typeText) as number
      assert.equal(typeToString(type), typeText)
      const rdata = parseRdata(type, words(text), ORIGIN)
      assert(rdata instanceof Uint8Array, String(rdata))
      if (hex !== undefined) assert.equal(toHex(rdata), hex.replaceAll(' ', ''))
      if (typeText === 'NSEC3') assert.match(formatRdata(type, rdata), /bojr NS SOA MX RRSIG DNSKEY NSEC3PARAM$/)
      else assert.equal(formatRdata(type, rdata), text)
      assert(isRdataWellFormed(type, rdata))
      // RFC 3597 §5: every type can be written as octets too.
      const unknown = `\\# ${rdata.length} ${toHex(rdata)}`
      assert.deepEqual(parseRdata(type, words(unknown), ORIGIN), rdata)
      // On the wire, twice, so that names are compressed.
      const rr: Rr = { name: ORIGIN, type, class: 1, ttl: 5, rdata }
      const writer = new WireWriter(65535)
      const length = writeMessage(writer, { id: 1, answers: [rr, { ...rr, ttl: 6 }] })
      const [first, second] = parsed(writer.u8.slice(0, length)).answers
      assert.deepEqual(first, rr)
      assert.deepEqual(second?.rdata, rdata)
    })
  }

  it('RFC 9460 appendix D: escapes in alpn, mandatory keys in any order', () => {
    const rdata = parseRdata(TYPE.SVCB, words(String.raw`16 foo.example.org. alpn="f\\\\oo\\,bar,h2"`), ORIGIN)
    assert(rdata instanceof Uint8Array)
    assert.equal(toHex(rdata).slice(-32), '0001000c08665c6f6f2c626172026832')
    assert.equal(formatRdata(TYPE.SVCB, rdata), String.raw`16 foo.example.org. alpn=f\\\\oo\\,bar,h2`)
  })

  for (const [type, text] of [
    ['A', '1.2.3'],
    ['A', '1.2.3.4 5'],
    ['AAAA', '1::2::3'],
    ['MX', '70000 a.'],
    ['MX', '10'],
    ['TXT', `"${'a'.repeat(256)}"`],
    ['NS', 'a..b'],
    ['SOA', 'a. b. 1 2 3 4'],
    ['DS', '1 2 3 abc'],
    ['CAA', '0 is-sue "x"'],
    ['SVCB', '1 . alpn=h2 alpn=h3'],
    ['SVCB', '1 . mandatory=alpn'],
    ['SVCB', '1 . mandatory=mandatory'],
    ['SVCB', '1 . no-default-alpn'],
    ['SVCB', '1 . ipv4hint=1.2.3'],
    ['LOC', '91 N 0 E 0m'],
    ['TYPE731', String.raw`\# 3 abcd`],
    ['A', String.raw`\# 3 abcdef`],
    ['TYPE731', 'abcd'],
  ] as const) {
    it(`refuses ${type} ${text.slice(0, 40)} with a sentence`, () => {
      const refused = parseRdata(parseType(type) as number, words(text), ORIGIN)
      assert.match(String(refused), /^expected /)
    })
  }

  it('times have units (RFC 2181 §8 bounds them)', () => {
    assert.equal(parseTtl('3600'), 3600)
    assert.equal(parseTtl('1W2d3h4M5s'), 788645)
    for (const bad of ['', '1x', '2147483648', '1h 2']) assert.equal(parseTtl(bad), undefined, bad)
  })

  it('SOA goes to its fields and back', () => {
    const rdata = parseRdata(TYPE.SOA, words('ns root 1 2 3 4 5'), ORIGIN) as Uint8Array
    assert.equal(soaOf(rdata).serial, 1)
    assert.deepEqual(soaRdata(soaOf(rdata)), rdata)
  })

  it('is the same data whatever the case of its names (RFC 2136 §1.1.1)', () => {
    const a = parseRdata(TYPE.MX, words('10 MAIL'), ORIGIN) as Uint8Array
    const b = parseRdata(TYPE.MX, words('10 mail'), ORIGIN) as Uint8Array
    assert.equal(rdataKey(TYPE.MX, a), rdataKey(TYPE.MX, b))
  })
})

function words(text: string): { text: string; isQuoted: boolean }[] {
  return [...text.matchAll(/"((?:[^"\\]|\\.)*)"|((?:[^\s"\\]|\\.)+(?:"((?:[^"\\]|\\.)*)")?)/g)].map((match) => ({
    text: match[1] ?? (match[2] as string).replace(/"(.*)"$/, '$1'),
    isQuoted: match[1] !== undefined,
  }))
}

describe('dns messages', () => {
  // The answer of a name server to "www.example.com A", laid out by hand after RFC 1035 §4: two pointers.
  const ANSWER = fromHex(`
    1234 8580 0001 0002 0000 0001
    03 777777 07 6578616d706c65 03 636f6d 00 0001 0001
    c00c 0005 0001 00000e10 0006 03 667470 c010
    c02d 0001 0001 0000003c 0004 c0000201
    00 0029 04d0 0000 8000 000c 000a 0008 0102030405060708`)

  it('reads names through pointers, EDNS and its options', () => {
    const message = parsed(ANSWER)
    assert.equal(message.id, 0x1234)
    assert.equal(message.flags, FLAG.RESPONSE | FLAG.AUTHORITATIVE | FLAG.RECURSION_DESIRED | FLAG.RECURSION_AVAILABLE)
    assert.equal(message.rcode, RCODE.NOERROR)
    assert.deepEqual(message.answers.map(formatRr), [
      'www.example.com. 3600 IN CNAME ftp.example.com.',
      'ftp.example.com. 60 IN A 192.0.2.1',
    ])
    assert.deepEqual(message.edns, {
      udpBytes: 1232,
      version: 0,
      isDnssecOk: true,
      options: [{ code: 10, data: fromHex('0102030405060708') }],
    })
  })

  it('writes the very octets it read', () => {
    const writer = new WireWriter(512)
    const length = writeMessage(writer, parsed(ANSWER))
    assert.equal(toHex(writer.u8, 0, length), toHex(ANSWER))
  })

  it('every truncation of a message is refused, none throws', () => {
    for (let end = 0; end < ANSWER.length; end++) {
      assert.equal(typeof parseMessage(ANSWER, 0, end), 'string', `${end} octets`)
    }
  })

  it('every single-octet change of a message gives a message or a reason', () => {
    for (let i = 0; i < ANSWER.length; i++) {
      for (const octet of [0, 1, 0x3f, 0x40, 0xc0, 0xff]) {
        const changed = ANSWER.slice()
        changed[i] = octet
        parseMessage(changed)
      }
    }
  })

  for (const [what, hex, reason] of [
    ['octets after the last record', '0001 0000 0000 0000 0000 0000 00', 'trailing-octets'],
    ['a label of 64 octets', '0001 0000 0001 0000 0000 0000 40', 'bad-label'],
    [
      'two OPT records (RFC 6891 §6.1.1)',
      `0001 0000 0000 0000 0000 0002 ${'00 0029 0200 00000000 0000 '.repeat(2)}`,
      'second-opt',
    ],
    ['OPT in the answer', '0001 0000 0000 0001 0000 0000 00 0029 0200 00000000 0000', 'misplaced-opt'],
    ['OPT with a name', '0001 0000 0000 0000 0000 0001 016100 0029 0200 00000000 0000', 'bad-opt'],
    ['an option longer than OPT', '0001 0000 0000 0000 0000 0001 00 0029 0200 00000000 0004 000a0001', 'bad-opt'],
    ['A of three octets', '0001 0000 0000 0001 0000 0000 00 0001 0001 00000000 0003 010203', 'bad-rdata'],
    [
      'a pointer in RDATA where none may be (RFC 3597 §4)',
      '0001 0000 0000 0001 0000 0000 00 0041 0001 00000000 0004 0001 c00c',
      'compressed-rdata',
    ],
    [
      'TSIG that is not last (RFC 8945 §5.1)',
      `0001 0000 0000 0000 0000 0002 ${'00 00fa 00ff 00000000 0000 '.repeat(2)}`,
      'misplaced-tsig',
    ],
  ] as const) {
    it(`refuses ${what}`, () => assert.equal(parseMessage(fromHex(hex)), reason))
  }

  it('compression loops: pointers to themselves, forward, and in a circle are refused', () => {
    const header = '0001 0000 0001 0000 0000 0000'
    assert.equal(parseMessage(fromHex(`${header} c00c 0001 0001`)), 'bad-pointer')
    assert.equal(parseMessage(fromHex(`${header} c00e 0001 0001`)), 'bad-pointer')
    assert.equal(parseMessage(fromHex(`${header} 0161 c00c 0001 0001`)), 'bad-pointer')
    assert.equal(parseMessage(fromHex('0001 0000 0002 0000 0000 0000 c012 0001 0001 c00c 0001 0001')), 'bad-pointer')
  })

  it('compression depth: a chain of pointers longer than a name has labels is refused', () => {
    // Each question is a pointer to the one before it; the first one is the root.
    const questions = (count: number) => {
      const u8 = new Uint8Array(12 + 5 + 6 * count)
      const dv = new DataView(u8.buffer)
      dv.setUint16(4, count + 1)
      for (let i = 0; i < count; i++) dv.setUint16(17 + 6 * i, 0xc000 | (i === 0 ? 12 : 11 + 6 * i))
      return u8
    }
    assert.equal(parsed(questions(127)).questions.length, 128)
    assert.equal(parseMessage(questions(128)), 'pointer-too-deep')
  })

  it('a name that grows beyond 255 octets through pointers is refused', () => {
    const label = `3f${'61'.repeat(63)}`
    const hex = `0001 0000 0002 0000 0000 0000 ${label.repeat(3)} 00 0001 0001 ${label} c00c 0001 0001`
    assert.equal(parseMessage(fromHex(hex)), 'name-too-long')
  })

  it('what does not fit is left out by whole sets: with TC in the answer, without a sign in the additional section', () => {
    const a = (name: string, count: number): Rr[] =>
      Array.from({ length: count }, (_, i) => ({
        name: dnsName(name),
        type: TYPE.A,
        class: 1,
        ttl: 1,
        rdata: Uint8Array.of(10, 0, 0, i),
      }))
    const writer = new WireWriter(4096)
    const questions = [{ name: ORIGIN, type: TYPE.A, class: 1 }]
    const cut = writeMessage(writer, { id: 1, questions, answers: [...a('x', 2), ...a('example.com', 100)] }, 512)
    const truncated = parsed(writer.u8.slice(0, cut))
    assert.equal(truncated.flags, FLAG.TRUNCATED)
    assert.equal(truncated.answers.length, 2)
    const length = writeMessage(
      writer,
      { id: 1, questions, answers: a('x', 2), additionals: a('example.com', 100) },
      512,
    )
    const whole = parsed(writer.u8.slice(0, length))
    assert.equal(whole.flags, 0)
    assert.equal(whole.additionals.length, 0)
  })

  it('OPT always finds its place, with the upper bits of the response code', () => {
    const writer = new WireWriter(4096)
    const edns = { udpBytes: 1232, version: 0, isDnssecOk: false, options: [] }
    const answers = Array.from({ length: 99 }, (_, i) => ({
      name: ORIGIN,
      type: TYPE.TXT,
      class: 1,
      ttl: i,
      rdata: new Uint8Array(8),
    }))
    const length = writeMessage(writer, { id: 1, rcode: RCODE.BADVERS, answers, edns }, 512)
    const message = parsed(writer.u8.slice(0, length))
    assert.equal(message.rcode, RCODE.BADVERS)
    assert.equal(message.flags, FLAG.TRUNCATED)
  })

  it('a question that has no room is left out, and counted as such', () => {
    const writer = new WireWriter(512)
    const questions = [{ name: dnsName(`${'a'.repeat(60)}.`.repeat(4)), type: TYPE.A, class: 1 }]
    const message = parsed(writer.u8.slice(0, writeMessage(writer, { id: 1, questions }, 100)))
    assert.deepEqual([message.questions.length, message.flags], [0, FLAG.TRUNCATED])
  })

  it('property: any records survive the way to octets and back', () => {
    const label = fc.string({ unit: fc.constantFrom('a', 'B', '\0', '\xff', '.'), minLength: 1, maxLength: 63 })
    const name = fc.array(label, { maxLength: 3 }).map((labels) => {
      return `${labels.map((text) => String.fromCharCode(text.length) + text).join('')}\0` as Name
    })
    const rr = fc.oneof(
      fc.record({ name, type: fc.constant(TYPE.NS as number), rdata: name.map(textToOctets) }),
      fc.record({ name, type: fc.constant(65280), rdata: fc.uint8Array({ maxLength: 40 }) }),
    )
    fc.assert(
      fc.property(fc.array(rr, { maxLength: 20 }), (list) => {
        const answers = list.map((one) => ({ ...one, class: 1, ttl: 7 }))
        const writer = new WireWriter(65535)
        const length = writeMessage(writer, { id: 1, answers })
        const back = parsed(writer.u8.slice(0, length)).answers
        // Compression may change the case of a name to that of its first occurrence.
        const fold = (rrs: readonly Rr[]) =>
          rrs.map((one) => [nameKey(one.name), one.type, rdataKey(one.type, one.rdata)])
        assert.deepEqual(fold(back), fold(answers))
      }),
      { numRuns: 200 },
    )
  })

  it('random octets never throw', () => {
    const random = new SeededRandom(7)
    for (let i = 0; i < 3000; i++) {
      const u8 = random.bytes(12 + random.below(200))
      // Few records, so that the parser gets somewhere.
      for (let off = 4; off < 12; off += 2) u8.set([0, random.below(3)], off)
      parseMessage(u8)
    }
  })

  it('a reader stops at its end even inside of a larger buffer', () => {
    const reader = new WireReader(fromHex('ff 01 61 00 ff'), 1, 3)
    reader.getName()
    assert.equal(reader.reason, 'truncated')
  })
})
