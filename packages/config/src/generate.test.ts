import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { test } from 'node:test'
import {
  bool,
  bootKey,
  configureKey,
  device,
  duration,
  int,
  ipv6Cidr,
  listOf,
  main,
  oneOf,
  port,
  register,
  string,
} from './config.ts'
import { describe } from './describe.ts'
import { crunch, defaultLog, defaultTime, genericStack } from './devices.ts'
import { fromSubfolder, generateConstants, generateMain } from './generate.ts'
import { plan } from './graph.ts'
import { sketch, sketchToDot } from './sketch.ts'

const hello = register('hello', [
  main('./unikernel.ts', 'start', { takes: { time: 'time', log: 'log' } })({ time: defaultTime, log: defaultLog }),
])

const website = register('static-website', [
  main('./unikernel.ts', 'start', {
    takes: { stack: 'stack', site: 'kv-ro', log: 'log' },
    keys: { port: bootKey('port', { type: port, default: 80, doc: 'TCP port to serve on' }) },
  })({ stack: genericStack(), site: crunch('./site'), log: defaultLog }),
])

function generate(unikernel: typeof hello, words: Readonly<Record<string, string>>) {
  const planned = plan(unikernel, new Map(Object.entries(words)))
  const target = planned.choices.find(({ key }) => key.name === 'target')?.word ?? ''
  return generateMain(planned, {
    target,
    runModule: target === 'unix' ? '@mirage-ts/node/run' : '@mirage-ts/metal/run',
    configFile: 'config.ts',
    showPlace: () => 'config.ts:1',
  })
}

/** Compares with `goldens/name`; with UPDATE_GOLDENS in the environment writes it, to be read in review. */
function golden(name: string, text: string): void {
  const file = new URL(`./goldens/${name}`, import.meta.url)
  if (process.env['UPDATE_GOLDENS'] !== undefined) writeFileSync(file, text)
  assert.equal(text, readFileSync(file, 'utf8'))
}

const CASES = [
  ['hello', hello, { target: 'unix' }],
  ['hello', hello, { target: 'virtio' }],
  ['website', website, { target: 'unix', net: 'host' }],
  ['website', website, { target: 'unix', net: 'direct' }],
  ['website', website, { target: 'virtio' }],
] as const

for (const [name, unikernel, words] of CASES) {
  const full = [name, ...Object.values(words)].join('-')
  test(`generate: main.ts of ${full}`, () => golden(`${full}.main.txt`, generate(unikernel, words).text))
  test(`describe: ${full}`, () => {
    const planned = plan(unikernel, new Map(Object.entries(words)))
    golden(
      `${full}.describe.txt`,
      describe(planned, `dist/${planned.name}`, () => 'config.ts:1'),
    )
  })
}

const SKETCHES: readonly (readonly [string, Readonly<Record<string, string>>])[] = [
  ['undecided', {}],
  ['unix', { target: 'unix' }],
  ['virtio', { target: 'virtio' }],
]
for (const [name, words] of SKETCHES) {
  test(`sketch: choices that are open are nodes, those made are not: website, ${name}`, () => {
    const nodes = sketch(website, new Map(Object.entries(words)))
    golden(
      `website-${name}.dot.txt`,
      sketchToDot('static-website', nodes, () => 'config.ts:1'),
    )
    const choices = nodes.filter((node) => node.tag === 'choice').map((node) => node.title)
    const open = { undecided: ['-t', '--net'], unix: ['--net'], virtio: [] }[name] ?? []
    const perTarget = name === 'unix' ? [] : ['--console']
    assert.deepEqual([...new Set(choices)], [...open, '--ip', '--dhcp', ...perTarget])
  })
}

test('generate: every line of a device, its import included, is known to be about it', () => {
  const { text, lines } = generate(website, { target: 'virtio' })
  for (const [i, line] of text.split('\n').entries()) {
    const create = /create\w+/.exec(line)?.[0]
    if (create !== undefined) assert.equal(lines.get(i + 1)?.node.create, create)
  }
})

test('generate: two exports of one name are told apart, and odd names are quoted', () => {
  const a = device('./a.ts', 'run', { makes: 'console', options: { text: "it's", count: 2 } })()
  const b = device('./b.ts', 'run', { makes: 'console' })()
  const job = main('./u.ts', 'start', {
    takes: { a: 'console', 'b-c': 'console' },
    keys: {
      mode: bootKey('the-mode', { type: oneOf('port', "it's"), default: 'port', doc: 'mode' }),
      after: bootKey('after', { type: listOf(duration), default: '1s', doc: 'when' }),
      loud: bootKey('loud', { type: bool, doc: 'how' }),
      who: bootKey('who', { type: string, doc: 'whom' }),
    },
  })({ a, 'b-c': b })
  const { text } = generate(register('odd', [job]), {})
  golden('odd.main.txt', text)
})

test('generate: constants are declared with all their values, and taken from import.meta', () => {
  const job = main('./u.ts', 'start', {
    keys: {
      rounds: configureKey('rounds', { type: int, default: 4, doc: 'how often' }),
      prefix: configureKey('the-prefix', { type: ipv6Cidr, default: 'fd00::1/64', doc: 'where' }),
      color: configureKey('color', { words: ['red', 'green'], default: 'red', doc: 'which' }),
      later: bootKey('later', { type: ipv6Cidr, doc: 'at boot' }),
    },
  })()
  const unikernel = register('constants', [job])
  golden('constants.main.txt', generate(unikernel, { color: 'green' }).text)
  golden('constants.d.txt', generateConstants(plan(unikernel, new Map())))
})

test('generate: a relative module is relative to the generated folder', () => {
  assert.equal(fromSubfolder('./a.ts'), '../../a.ts')
  assert.equal(fromSubfolder('../a.ts'), '../../../a.ts')
  assert.equal(fromSubfolder('@mirage-ts/core/log'), '@mirage-ts/core/log')
})
