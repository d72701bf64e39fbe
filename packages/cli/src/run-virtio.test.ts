import assert from 'node:assert/strict'
import { test } from 'node:test'
import { main, register } from '@mirage-ts/config'
import { genericStack } from '@mirage-ts/config/devices'
import { plan } from '@mirage-ts/config/graph'
import { createOutput } from './output.ts'
import type { RunOptions } from './run-options.ts'
import { guestStatus, parseForward, qemuArguments } from './run-virtio.ts'

const website = register('website', [main('./u.ts', 'start', { takes: { stack: 'stack' } })({ stack: genericStack() })])

const OPTIONS: RunOptions = {
  artefact: '/app/dist/website.virtio',
  plan: plan(website, new Map([['target', 'virtio']])),
  boot: [],
  net: undefined,
  ports: [],
  memMib: 32,
  isKvm: false,
  output: createOutput({ out: () => {}, error: () => {} }, { isQuiet: true, isVerbose: false }),
}

function optionOf(args: readonly string[], name: string): string | undefined {
  return args[args.indexOf(name) + 1]
}

test('run virtio: user networking brings its addresses, unless given', () => {
  const args = qemuArguments(OPTIONS, true, [{ protocol: 'tcp', hostPort: 8080, guestPort: 80 }])
  assert.equal(optionOf(args, '-append'), '--ipv4=10.0.2.15/24 --ipv4-gateway=10.0.2.2')
  assert.equal(optionOf(args, '-netdev'), 'user,id=n0,hostfwd=tcp:127.0.0.1:8080-:80')
  const given = qemuArguments({ ...OPTIONS, boot: ['--ipv4', '10.0.2.9/24', '--name=a b'] }, true, [])
  assert.equal(optionOf(given, '-append'), '--ipv4 10.0.2.9/24 "--name=a b" --ipv4-gateway=10.0.2.2')
})

test('run virtio: a tap or a stream socket instead of user networking', () => {
  const tap = qemuArguments({ ...OPTIONS, net: 'tap:tap0' }, true, [])
  assert.equal(optionOf(tap, '-netdev'), 'tap,id=n0,ifname=tap0,script=no,downscript=no')
  assert.equal(optionOf(tap, '-append'), '')
  const stream = qemuArguments({ ...OPTIONS, net: 'stream:/tmp/a,b' }, true, [])
  assert.equal(optionOf(stream, '-netdev'), 'stream,id=n0,server=off,addr.type=unix,addr.path=/tmp/a,,b')
  assert.throws(() => qemuArguments({ ...OPTIONS, net: 'tap0' }, true, []), {
    message: /expected tap:NAME or stream:PATH/,
  })
})

test('run virtio: no network device, no network', () => {
  assert.equal(qemuArguments(OPTIONS, false, []).includes('-netdev'), false)
})

test('run virtio: forwarded ports', () => {
  assert.deepEqual(parseForward('8080:80'), { protocol: 'tcp', hostPort: 8080, guestPort: 80 })
  assert.deepEqual(parseForward('0:53/udp'), { protocol: 'udp', hostPort: 0, guestPort: 53 })
  for (const text of ['80', '1:0', '70000:80', 'a:b', '1:2/sctp']) assert.throws(() => parseForward(text), text)
})

test('run virtio: the status of the guest from that of QEMU', () => {
  assert.equal(guestStatus(1), 0)
  assert.equal(guestStatus(3), 1)
  assert.equal(guestStatus((64 << 1) | 1), 64)
  assert.equal(guestStatus(0), undefined)
})
