import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { formatRr } from '../wire/message.ts'
import { dnsName } from '../wire/name.ts'
import { parseZoneFile, ZoneFileError } from './zone-file.ts'

async function lines(text: string, files: Readonly<Record<string, string>> = {}): Promise<string[]> {
  const rrs = await parseZoneFile(text, {
    file: 'example.zone',
    origin: dnsName('example.com'),
    include: async (file) => files[file],
  })
  return rrs.map(formatRr)
}

describe('zone files (RFC 1035 §5)', () => {
  it('reads owners, times and classes given, left out and inherited', async () => {
    assert.deepEqual(
      await lines(`
$TTL 1h
@ IN SOA ns root ( 1 ; serial
      1d 2h 1w ; in parentheses
      5m )
  NS ns
ns 60 IN A 192.0.2.1
   IN 30 A 192.0.2.2
www.example.net. CNAME @
$ORIGIN sub
a TXT "x ; y" z\\;
`),
      [
        'example.com. 3600 IN SOA ns.example.com. root.example.com. 1 86400 7200 604800 300',
        'example.com. 3600 IN NS ns.example.com.',
        'ns.example.com. 60 IN A 192.0.2.1',
        'ns.example.com. 30 IN A 192.0.2.2',
        'www.example.net. 3600 IN CNAME example.com.',
        'a.sub.example.com. 3600 IN TXT "x ; y" "z;"',
      ],
    )
  })

  it('without $TTL takes the time of the record before, at first the minimum of the SOA', async () => {
    assert.deepEqual(await lines('@ SOA a b 1 2 3 4 77\n@ NS a\na 5 A 192.0.2.1\na AAAA ::1\n'), [
      'example.com. 77 IN SOA a.example.com. b.example.com. 1 2 3 4 77',
      'example.com. 77 IN NS a.example.com.',
      'a.example.com. 5 IN A 192.0.2.1',
      'a.example.com. 5 IN AAAA ::1',
    ])
  })

  it('a name that is also a type or a time is a name at the start of a line', async () => {
    assert.deepEqual(await lines('$TTL 1\nA A 192.0.2.1\n10 A 192.0.2.2\n'), [
      'A.example.com. 1 IN A 192.0.2.1',
      '10.example.com. 1 IN A 192.0.2.2',
    ])
  })

  it('takes CR LF, tabs, a last line without an end, unknown types (RFC 3597)', async () => {
    assert.deepEqual(await lines('$TTL 1\r\na\tTYPE999\t\\# 1 ff\r\nb CLASS1 A \\# 4 01020304'), [
      'a.example.com. 1 IN TYPE999 \\# 1 ff',
      'b.example.com. 1 IN A 1.2.3.4',
    ])
  })

  it('$INCLUDE has its own origin, and leaves that of the file around it alone', async () => {
    assert.deepEqual(
      await lines('$TTL 1\n$INCLUDE sub.zone sub\n$INCLUDE sub.zone\nz A 192.0.2.9\n', {
        'sub.zone': 'x A 192.0.2.1\n$ORIGIN deep\ny A 192.0.2.2\n',
      }),
      [
        'x.sub.example.com. 1 IN A 192.0.2.1',
        'y.deep.sub.example.com. 1 IN A 192.0.2.2',
        'x.example.com. 1 IN A 192.0.2.1',
        'y.deep.example.com. 1 IN A 192.0.2.2',
        'z.example.com. 1 IN A 192.0.2.9',
      ],
    )
  })

  it('$GENERATE counts, with offsets, widths and bases', async () => {
    assert.deepEqual(
      await lines(
        '$TTL 1\n$GENERATE 1-5/2 host-$<0,3> A 192.0.2.$\n$GENERATE 10-10 $<5,2,x>.$$ PTR $<-1>.x.\n'
          .replaceAll('<', '{')
          .replaceAll('>', '}'),
      ),
      [
        'host-001.example.com. 1 IN A 192.0.2.1',
        'host-003.example.com. 1 IN A 192.0.2.3',
        'host-005.example.com. 1 IN A 192.0.2.5',
        '0f.\\$.example.com. 1 IN PTR 9.x.',
      ],
    )
  })

  for (const [what, text, message] of [
    ['no type', '$TTL 1\n\na 300\n', /^example\.zone:3: expected \[TTL\] \[CLASS\] TYPE DATA$/],
    ['a wrong type', '$TTL 1\na AAAAA ::1\n', /^example\.zone:2: expected a type that a zone can hold, got "AAAAA"$/],
    ['a type only questions have', '$TTL 1\na AXFR ::1\n', /^example\.zone:2: expected a type that a zone can hold/],
    [
      'a wrong address',
      '$TTL 1\n@ A 192.0.2\n',
      /^example\.zone:2: A of example\.com\.: expected an IPv4 address, got 192\.0\.2$/,
    ],
    ['data after the end', '$TTL 1\n@ A 192.0.2.1 x\n', /^example\.zone:2: .*expected the end of the record, got x$/],
    ['an open parenthesis', '$TTL 1\n@ SOA ( a\nb\n', /^example\.zone:2: expected a \) for this \($/],
    ['a closed one too many', '$TTL 1\n@ A 1.2.3.4 )\n', /^example\.zone:2: expected a \( before this \)$/],
    ['a string without end', '$TTL 1\n@ TXT "a\n', /^example\.zone:2: expected a " at the end of this string$/],
    [
      'a backslash at the end of a line',
      '$TTL 1\n@ TXT a\\\n',
      /^example\.zone:2: expected a character after this \\$/,
    ],
    ['no owner', '$TTL 1\n  A 192.0.2.1\n', /^example\.zone:2: expected a name at the start of the line/],
    ['no time', '@ A 192.0.2.1\n', /^example\.zone:1: expected a time to live/],
    ['a bad name', '$TTL 1\na..b A 192.0.2.1\n', /^example\.zone:2: "a\.\.b" is not a domain name: empty-label$/],
    [
      'a directive not known',
      '$FOO x\n',
      /^example\.zone:1: expected \$ORIGIN, \$TTL, \$INCLUDE or \$GENERATE, got \$FOO$/,
    ],
    ['a file not there', '$INCLUDE nowhere\n', /^example\.zone:1: cannot include "nowhere": not found$/],
    [
      'two classes',
      '$TTL 1\n@ IN A 192.0.2.1\n@ CH A 192.0.2.1\n',
      /^example\.zone:3: expected the class of the records before$/,
    ],
    [
      'too many generated',
      '$TTL 1\n$GENERATE 0-99999999 a$ A 192.0.2.1\n',
      /^example\.zone:2: expected at most 65536 records$/,
    ],
    [
      'a range that ends before it begins',
      '$GENERATE 5-1 a$ A 192.0.2.1\n',
      /^example\.zone:1: expected \$GENERATE START-STOP/,
    ],
  ] as const) {
    it(`${what}: the error names the file and the line`, async () => {
      await assert.rejects(lines(text), (error) => {
        assert(error instanceof ZoneFileError)
        assert.match(error.message, message)
        return true
      })
    })
  }

  it('an error in an included file names that file; files that include each other come to an end', async () => {
    await assert.rejects(lines('$TTL 1\n$INCLUDE b\n', { b: '\n@ A x\n' }), /^ZoneFileError: b:2: /)
    await assert.rejects(
      lines('$INCLUDE b\n', { b: '$INCLUDE b\n' }),
      /b:1: expected at most 10 files inside each other/,
    )
  })
})
