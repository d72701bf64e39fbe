import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import {
  type ArgType,
  bool,
  byteSize,
  duration,
  helpText,
  int,
  ipv4Address,
  ipv4Cidr,
  listOf,
  logLevels,
  macAddress,
  oneOf,
  parseArgs,
  port,
  quoteWord,
  splitCommandLine,
  splitQuery,
  string,
} from './boot-args.ts'

const KEYS = {
  port: { type: port, default: '80', doc: 'TCP port' },
  ipv4: { type: ipv4Cidr, default: '10.0.0.2/24', doc: 'address', section: 'NETWORK' },
  'ipv4-gateway': { type: ipv4Address, doc: 'router', section: 'NETWORK' },
  greeting: { type: string, default: 'hello', doc: 'what to say', short: 'g' },
  loud: { type: bool, default: 'false', doc: 'say it loudly', short: 'l' },
  names: { type: listOf(string), doc: 'whom to greet' },
} as const

function argsOf(...words: string[]) {
  const parsed = parseArgs(KEYS, words)
  assert.equal(parsed.tag, 'args', JSON.stringify(parsed))
  if (parsed.tag !== 'args') throw new Error('unreachable')
  return parsed
}

function errorOf(...words: string[]): string {
  const parsed = parseArgs(KEYS, words)
  assert.equal(parsed.tag, 'error')
  return parsed.tag === 'error' ? parsed.message : ''
}

const TYPES: readonly [string, ArgType<unknown>, [string, unknown][], string[]][] = [
  [
    'string',
    string,
    [
      ['', ''],
      ['a b', 'a b'],
    ],
    [],
  ],
  [
    'int',
    int,
    [
      ['0', 0],
      ['-12', -12],
      ['0x1f', 31],
    ],
    ['', '1.5', '1e3', '0x', 'one', '99999999999999999999'],
  ],
  [
    'bool',
    bool,
    [
      ['true', true],
      ['false', false],
    ],
    ['', 'yes', 'TRUE'],
  ],
  ['oneOf', oneOf('host', 'direct'), [['host', 'host']], ['', 'hos', 'host,direct']],
  [
    'listOf',
    listOf(port),
    [
      ['', []],
      ['1,2', [1, 2]],
    ],
    ['1,', '1,x'],
  ],
  ['ipv4Address', ipv4Address, [['10.0.0.1', 0x0a000001]], ['10.0.0', '10.0.0.256', '10.0.0.1/24', '']],
  ['ipv4Cidr', ipv4Cidr, [['10.0.0.2/24', { address: 0x0a000002, prefixBits: 24 }]], ['10.0.0.2', '10.0.0.2/33']],
  ['macAddress', macAddress, [['02:00:00:00:00:01', 0x020000000001]], ['02:00:00:00:00', '02:00:00:00:00:0g']],
  [
    'port',
    port,
    [
      ['0', 0],
      ['65535', 65535],
    ],
    ['65536', '-1', '', '80x'],
  ],
  [
    'duration',
    duration,
    [
      ['500ms', 500_000],
      ['1.5s', 1_500_000],
      ['2h', 7_200_000_000],
    ],
    ['5', '5 s', '-1s', '0.1us'],
  ],
  [
    'byteSize',
    byteSize,
    [
      ['4096', 4096],
      ['64KiB', 65536],
      ['1.5MB', 1_500_000],
    ],
    ['', '64kib', '-1', '0.5'],
  ],
  [
    'logLevels',
    logLevels,
    [
      ['*:info,tcp:debug', '*:info,tcp:debug'],
      ['debug', 'debug'],
    ],
    ['*:loud', 'tcp:'],
  ],
]

for (const [name, type, good, bad] of TYPES) {
  test(`boot args: ${name} reads what it should and refuses the rest`, () => {
    for (const [text, value] of good) assert.deepEqual(type.parse(text), value, text)
    for (const text of bad) assert.equal(type.parse(text), undefined, text)
  })
}

test('boot args: options as --name=value, --name value, alone, and short', () => {
  const { args } = argsOf('--port=8080', '--greeting', 'good morning', '-l')
  assert.equal(args.port, 8080)
  assert.equal(args.greeting, 'good morning')
  assert.equal(args.loud, true)
  assert.equal(argsOf('-g=hi', '--loud=false').args.greeting, 'hi')
})

test('boot args: what is not given is its default, or undefined without one', () => {
  const { args } = argsOf()
  assert.equal(args.port, 80)
  assert.deepEqual(args.ipv4, { address: 0x0a000002, prefixBits: 24 })
  assert.equal(args['ipv4-gateway'], undefined)
  assert.equal(args.names, undefined)
})

test('boot args: the last of two counts, and values of a list add up', () => {
  assert.equal(argsOf('--port=1', '--port=2').args.port, 2)
  assert.deepEqual(argsOf('--names=a,b', '--names', 'c').args.names, ['a', 'b', 'c'])
})

test('boot args: -- ends the options, other words are the rest', () => {
  assert.deepEqual(argsOf('a', '--port=1', '-', '--', '--port=2').rest, ['a', '-', '--port=2'])
})

test('boot args: an unknown option names the nearest', () => {
  assert.equal(errorOf('--prot=80'), 'Unknown option --prot; did you mean --port?')
  assert.equal(errorOf('--colour'), 'Unknown option --colour; --help lists them all')
  assert.equal(errorOf('--constructor'), 'Unknown option --constructor; --help lists them all')
  assert.equal(errorOf('-x'), 'Unknown option -x; --help lists them all')
})

test('boot args: a malformed or missing value says what is wanted', () => {
  assert.equal(errorOf('--port=http'), 'Cannot read --port=http: expected a port, 0 to 65535')
  assert.equal(
    errorOf('--ipv4', '1.2.3'),
    'Cannot read --ipv4 1.2.3: expected an IPv4 address with its prefix length like 10.0.0.2/24',
  )
  assert.equal(errorOf('--greeting'), 'Option --greeting needs a value: text')
})

test('boot args: help is asked for anywhere, and lists every key by section', () => {
  assert.equal(parseArgs(KEYS, ['--port=1', '--help', '--nonsense']).tag, 'help')
  assert.equal(
    helpText(KEYS),
    `NETWORK
  --ipv4=IP/BITS       address (default 10.0.0.2/24)
  --ipv4-gateway=IP    router

OPTIONS
  --port=PORT          TCP port (default 80)
  -g, --greeting=TEXT  what to say (default hello)
  -l, --loud           say it loudly
  --names=TEXT,...     whom to greet
  --help               print this text
`,
  )
})

test('query of an address: pairs are options, decoded as forms are', () => {
  assert.deepEqual(splitQuery('?port=8080&verbose&logs=*%3Ainfo,tcp:debug'), [
    '--port=8080',
    '--verbose',
    '--logs=*:info,tcp:debug',
  ])
  assert.deepEqual(splitQuery('greeting=good+day%21&a=b=c&&bad=%zz'), ['--greeting=good day!', '--a=b=c', '--bad=%zz'])
  assert.deepEqual([splitQuery(''), splitQuery('?')], [[], []])
})

test('command line: splits at white space, quotes and backslashes keep it', () => {
  assert.deepEqual(splitCommandLine(''), [])
  assert.deepEqual(splitCommandLine('  a  b\t c\n'), ['a', 'b', 'c'])
  assert.deepEqual(splitCommandLine(`--greeting="good morning" 'it''s' "" a\\ b`), [
    '--greeting=good morning',
    'its',
    '',
    'a b',
  ])
  assert.deepEqual(splitCommandLine(`"a\\"b" 'a\\b' "open end`), ['a"b', 'a\\b', 'open end'])
})

test('command line: any words survive quoting and splitting', () => {
  fc.assert(
    fc.property(fc.array(fc.string({ unit: 'grapheme' })), (words) => {
      assert.deepEqual(splitCommandLine(words.map(quoteWord).join(' ')), words)
    }),
  )
})

test('boot args: any words give args, help or an error, and never throw', () => {
  const word = fc.oneof(fc.string(), fc.constantFrom('--port', '--port=80', '--loud', '-g', '--', '--names=', '-'))
  fc.assert(
    fc.property(fc.array(word), (words) => {
      assert.ok(['args', 'help', 'error'].includes(parseArgs(KEYS, words).tag))
    }),
  )
})
