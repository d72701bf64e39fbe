import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  bool,
  bootKey,
  configureFlag,
  configureKey,
  type Device,
  device,
  int,
  main,
  match,
  type Node,
  port,
  register,
  when,
} from './config.ts'
import { defaultLog, defaultTime, directStack, genericStack, network } from './devices.ts'
import { plan } from './graph.ts'

const console = device('./c.ts', 'createConsole', { makes: 'console' })
const clock = device('./w.ts', 'createClock', { makes: 'wall-clock' })
const log = device('./l.ts', 'createLog', { takes: { console: 'console', clock: 'wall-clock' }, makes: 'log' })
const start = main('./unikernel.ts', 'start', { takes: { a: 'log', b: 'log' } })
const none = new Map<string, string>()

function ids(job: Device<'job'>, words: Readonly<Record<string, string>> = {}): string[] {
  return plan(register('test', [job]), new Map(Object.entries(words))).devices.map((device) => device.id)
}

test('graph: a constant used twice is one device, an expression written twice is two', () => {
  const shared = console()
  const both = start({ a: log({ console: shared, clock: clock() }), b: log({ console: shared, clock: clock() }) })
  assert.deepEqual(ids(both), ['console_1', 'wallClock_2', 'log_3', 'wallClock_4', 'log_5'])
})

test('graph: a job registered twice is one job', () => {
  const job = main('./unikernel.ts', 'start')()
  assert.equal(plan(register('test', [job, job]), none).jobs.length, 1)
})

test('graph: standard devices are shared by everything that uses them', () => {
  const job = main('./u.ts', 'start', { takes: { stack: 'stack', time: 'time', log: 'log' } })
  const made = ids(job({ stack: genericStack(), time: defaultTime, log: defaultLog }), { net: 'direct' })
  for (const kind of ['console', 'clock', 'time', 'random', 'log', 'network', 'ethernet', 'arp', 'ipv4']) {
    assert.equal(made.filter((id) => id.startsWith(`${kind}_`)).length, 1, kind)
  }
})

test('graph: a device has the line that made it, a standard device the line of its user', () => {
  const here = new Error().stack?.split('\n')[1]?.match(/:(\d+):\d+\)?$/)?.[1]
  const job = main('./u.ts', 'start', { takes: { time: 'time' } })({ time: defaultTime })
  const planned = plan(register('test', [job]), none)
  const line = Number(here) + 1
  assert.equal(planned.jobs[0]?.place?.line, line)
  assert.equal(planned.devices[0]?.place?.line, line)
  assert.match(planned.devices[0]?.place?.file ?? '', /^\/.*graph\.test\.ts$/)
})

const color = configureKey('color', { words: ['red', 'green', 'blue'], default: 'red', doc: 'a color' })

test('graph: a choice follows what is given, then what is remembered where it is possible, then the default', () => {
  const pick = match(color, { red: console(), green: console() })
  const job = main('./u.ts', 'start', { takes: { console: 'console' } })({ console: pick })
  const chosen = (given: Record<string, string>, remembered: Record<string, string>) =>
    plan(register('test', [job]), new Map(Object.entries(given)), new Map(Object.entries(remembered)))
      .choices.filter(({ key }) => key === color)
      .map(({ word, isGiven }) => `${word} ${isGiven}`)
  assert.deepEqual(chosen({}, {}), ['red false'])
  assert.deepEqual(chosen({ color: 'green' }, { color: 'red' }), ['green true'])
  assert.deepEqual(chosen({}, { color: 'green' }), ['green true'])
  assert.deepEqual(chosen({}, { color: 'blue' }), ['red false'])
})

test('graph: an impossible word is refused with the possible ones', () => {
  const job = main('./u.ts', 'start', { takes: { stack: 'stack' } })({ stack: genericStack() })
  assert.throws(() => ids(job, { target: 'virtio', net: 'host' }), {
    message: 'Cannot choose --net host with target virtio: expected direct',
  })
  assert.throws(() => ids(job, { target: 'virtoi' }), {
    message: 'Cannot choose --target virtoi: did you mean virtio?',
  })
  assert.throws(() => ids(job, { net: 'hots' }), {
    message: 'Cannot choose --net hots with target unix: did you mean host?',
  })
})

test('graph: only what is chosen is planned, keys included', () => {
  const job = main('./u.ts', 'start', { takes: { stack: 'stack' } })({ stack: genericStack() })
  const keys = (words: Record<string, string>) =>
    plan(register('test', [job]), new Map(Object.entries(words))).bootKeys.map((key) => key.name)
  assert.deepEqual(keys({}), [])
  assert.deepEqual(keys({ net: 'direct' }), ['logs', 'net:service', 'ipv4', 'ipv4-gateway'])
  assert.deepEqual(keys({ target: 'virtio' }), ['ipv4', 'ipv4-gateway', 'logs'])
})

test('graph: a stack has what was chosen of it and nothing else', () => {
  const job = main('./u.ts', 'start', { takes: { stack: 'stack' } })({ stack: genericStack() })
  const has = (words: Record<string, string>) => {
    const { devices, bootKeys } = plan(register('test', [job]), new Map(Object.entries({ target: 'virtio', ...words })))
    const kinds = new Set(devices.map(({ node }) => node.kind))
    const wanted = ['arp', 'ipv4', 'ipv6', 'ip', 'dhcp', 'dhcp6'] as const
    const keys = bootKeys.map(({ name }) => name).filter((name) => name !== 'logs')
    return [wanted.filter((kind) => kinds.has(kind)).join(' '), keys.sort().join(' ')]
  }
  const six = 'accept-router-advertisements'
  assert.deepEqual(has({}), ['arp ipv4', 'ipv4 ipv4-gateway'])
  assert.deepEqual(has({ ip: 'v6' }), ['ipv6', `${six} ipv6 ipv6-gateway ipv6-secret temporary-addresses`])
  assert.deepEqual(has({ ip: 'dual' }), [
    'arp ipv4 ipv6 ip',
    `${six} ipv4 ipv4-gateway ipv6 ipv6-gateway ipv6-secret temporary-addresses`,
  ])
  assert.deepEqual(has({ dhcp: 'true' }), ['arp ipv4 dhcp', 'hostname'])
  assert.deepEqual(has({ ip: 'dual', dhcp: 'true' }), [
    'arp ipv4 ipv6 ip dhcp dhcp6',
    `${six} hostname ipv6 ipv6-gateway ipv6-secret temporary-addresses`,
  ])
  assert.deepEqual(has({ ip: 'v6', dhcp: 'true' }), [
    'ipv6 dhcp6',
    `${six} hostname ipv6 ipv6-gateway ipv6-secret temporary-addresses`,
  ])
})

test('graph: two keys of one name are refused', () => {
  const key = () => bootKey('count', { type: int, default: 1, doc: 'how many' })
  const job = main('./u.ts', 'start', { keys: { a: key(), b: key() } })()
  assert.throws(() => ids(job), { name: 'ConfigError', message: /^Two keys are called 'count'/ })
})

test('graph: groups tell the keys of two stacks apart, and names their networks', () => {
  const job = main('./u.ts', 'start', { takes: { outside: 'stack', inside: 'stack' } })
  const planned = (group: string | undefined) => {
    const inside = directStack(network('management'), group === undefined ? {} : { group })
    return plan(register('test', [job({ outside: genericStack(), inside })]), new Map([['net', 'direct']]))
  }
  const { bootKeys, attachments } = planned('management')
  assert.deepEqual(bootKeys.map((key) => key.name).sort(), [
    'ipv4',
    'ipv4-gateway',
    'logs',
    'management-ipv4',
    'management-ipv4-gateway',
    'net:management',
    'net:service',
  ])
  assert.deepEqual(
    attachments.map(({ type, name }) => `${type} ${name}`),
    ['network service', 'network management'],
  )
  assert.throws(() => planned(undefined), { message: /^Two keys are called 'ipv4', .*: give one of them a group$/ })
})

test('graph: two devices may not be attached under one name', () => {
  const job = main('./u.ts', 'start', { takes: { a: 'network', b: 'network' } })
  const two = register('test', [job({ a: network('lan'), b: network('lan') })])
  assert.throws(() => plan(two, new Map([['target', 'virtio']])), { message: /^Two network devices are called 'lan'/ })
})

test('graph: when() chooses by a flag', () => {
  const loud = configureFlag('loud', { doc: 'louder' })
  const pick = when(loud, device('./loud.ts', 'createLoud', { makes: 'console' })(), console())
  const job = main('./u.ts', 'start', { takes: { console: 'console' } })({ console: pick })
  const created = (words: Record<string, string>) =>
    plan(register('test', [job]), new Map(Object.entries(words))).devices[0]?.node.create
  assert.equal(created({}), 'createConsole')
  assert.equal(created({ loud: 'true' }), 'createLoud')
  assert.throws(() => created({ loud: 'maybe' }), {
    message: /^Cannot choose --loud maybe .*: expected true or false$/,
  })
})

test('graph: a configure-time key that chooses nothing is a constant, taken by a device or registered', () => {
  const rounds = configureKey('rounds', { type: int, default: 4, doc: 'how often' })
  const loud = configureKey('loud', { type: bool, default: false, doc: 'louder' })
  const job = main('./u.ts', 'start', { keys: { rounds } })()
  const planned = (words: Record<string, string>, remembered: Record<string, string> = {}) =>
    plan(register('test', [job], { keys: [loud] }), new Map(Object.entries(words)), new Map(Object.entries(remembered)))
      .constants.map(({ key, word }) => `${key.name}=${word}`)
      .sort()
  assert.deepEqual(planned({}), ['loud=false', 'rounds=4', 'target=unix'])
  assert.deepEqual(planned({ rounds: '7' }, { loud: 'true' }), ['loud=true', 'rounds=7', 'target=unix'])
  assert.throws(() => planned({ rounds: 'x' }), { message: 'Cannot use --rounds x: expected a whole number' })
})

test('graph: a key of each stage may not have one name', () => {
  const keys = {
    a: configureKey('port', { type: port, default: 80, doc: 'fixed' }),
    b: bootKey('port', { type: port, default: 80, doc: 'given' }),
  }
  assert.throws(() => ids(main('./u.ts', 'start', { keys })()), {
    message: /^Two keys are called 'port', the other one/,
  })
})

test('graph: a missing device, no job and a cycle are refused', () => {
  const incomplete = start as unknown as (given: { a: Device<'log'> }) => Device<'job'>
  const a = log({ console: console(), clock: clock() })
  assert.throws(() => ids(incomplete({ a })), { message: "start needs a device called 'b'" })
  assert.throws(() => plan(register('test', []), none), { message: "Unikernel 'test' has no job" })
  const cyclic = log({ console: console(), clock: clock() })
  const dependencies = (cyclic.node as { dependencies: Record<string, Node> }).dependencies
  dependencies['console'] = cyclic.node
  assert.throws(() => ids(start({ a: cyclic, b: cyclic })), { message: 'Device createLog depends on itself' })
})

test('config: a device of the wrong kind is refused even where nothing is type-checked', () => {
  const careless = start as unknown as (given: Readonly<Record<string, Device<'console'>>>) => Device<'job'>
  assert.throws(() => careless({ a: console(), b: console() }), { message: "start takes a log as 'a', not a console" })
})

test('config: bad names and defaults are refused where they are written', () => {
  assert.throws(() => register('a/b', []), { message: /^Cannot call a unikernel 'a\/b'/ })
  assert.throws(() => bootKey('Port', { type: int, doc: '' }), { message: /^Cannot call a key 'Port'/ })
  assert.throws(() => bootKey('count', { type: int, default: 1.5, doc: '' }), {
    message: "Cannot use '1.5' as the default of key 'count': expected a whole number",
  })
})
