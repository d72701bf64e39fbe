import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Label } from './label.ts'
import { createOutput } from './output.ts'
import { attach, parseForward, type RunOptions, requireBlock, requireNetwork } from './run-options.ts'
import { guestStatus, qemuArguments } from './run-virtio.ts'

const LABEL: Label = {
  name: 'website',
  target: 'virtio',
  configured: {},
  boot: ['ipv4', 'ipv4-gateway', 'name'].map((name) => ({ name, type: 'text', doc: '' })),
  attachments: [{ type: 'network', name: 'service' }],
  engine: '',
  builtWith: {},
  inputs: {},
  bom: {
    bomFormat: 'CycloneDX',
    specVersion: '1.6',
    version: 1,
    metadata: { component: { type: 'application', 'bom-ref': '', name: 'website', version: '0' } },
    components: [],
  },
}
const TWO: Label = {
  ...LABEL,
  attachments: [
    { type: 'network', name: 'service' },
    { type: 'block', name: 'data' },
    { type: 'network', name: 'management' },
    { type: 'block', name: 'files', isReadOnly: true },
  ],
}

const OPTIONS: RunOptions = {
  artefact: '/app/dist/website.virtio',
  label: LABEL,
  boot: [],
  attached: attach(LABEL, [], []),
  forwards: [],
  memMib: 32,
  isKvm: false,
  output: createOutput({ out: () => {}, error: () => {} }, { isQuiet: true, isVerbose: false }),
}

function optionOf(args: readonly string[], name: string): string | undefined {
  return args[args.indexOf(name) + 1]
}

test('run virtio: user networking brings its addresses, unless given', () => {
  const args = qemuArguments({
    ...OPTIONS,
    forwards: [{ network: 0, protocol: 'tcp', hostPort: 8080, guestPort: 80 }],
  })
  assert.equal(optionOf(args, '-append'), '--ipv4=10.0.2.15/24 --ipv4-gateway=10.0.2.2')
  assert.equal(optionOf(args, '-netdev'), 'user,id=n0,hostfwd=tcp:127.0.0.1:8080-:80')
  const given = qemuArguments({ ...OPTIONS, boot: ['--ipv4', '10.0.2.9/24', '--name=a b'] })
  assert.equal(optionOf(given, '-append'), '--ipv4 10.0.2.9/24 "--name=a b" --ipv4-gateway=10.0.2.2')
})

test('run virtio: a tap or a stream socket instead of user networking', () => {
  const tap = qemuArguments({ ...OPTIONS, attached: attach(LABEL, ['tap:tap0'], []) })
  assert.equal(optionOf(tap, '-netdev'), 'tap,id=n0,ifname=tap0,script=no,downscript=no')
  assert.equal(optionOf(tap, '-append'), '')
  const plain = qemuArguments({ ...OPTIONS, attached: attach(LABEL, ['plain-tap:tap0'], []) })
  assert.equal(optionOf(plain, '-netdev'), 'tap,id=n0,ifname=tap0,script=no,downscript=no,vnet_hdr=off')
  const stream = qemuArguments({ ...OPTIONS, attached: attach(LABEL, ['service=stream:/tmp/a,b'], []) })
  assert.equal(optionOf(stream, '-netdev'), 'stream,id=n0,server=off,addr.type=unix,addr.path=/tmp/a,,b')
  assert.throws(() => qemuArguments({ ...OPTIONS, attached: attach(LABEL, ['tap0'], []) }), {
    message: /expected tap:NAME or stream:PATH/,
  })
})

test('run virtio: several networks and disks are attached in the order of the label, by their names', () => {
  const attached = attach(TWO, ['management=tap:tap1'], ['data=/tmp/disk.img', 'files=/tmp/a,b'])
  assert.deepEqual(
    attached.map(({ to }) => to),
    [undefined, '/tmp/disk.img', 'tap:tap1', '/tmp/a,b'],
  )
  const forwards = [parseForward('8080:80', ['service', 'management'])]
  const args = qemuArguments({ ...OPTIONS, label: TWO, attached, forwards })
  const from = args.indexOf('-netdev')
  assert.deepEqual(args.slice(from), [
    ...['-netdev', 'user,id=n0,hostfwd=tcp:127.0.0.1:8080-:80', '-device', 'virtio-net-device,netdev=n0'],
    ...['-netdev', 'tap,id=n1,ifname=tap1,script=no,downscript=no', '-device', 'virtio-net-device,netdev=n1'],
    ...['-drive', 'if=none,id=b0,format=raw,file=/tmp/disk.img', '-device', 'virtio-blk-device,drive=b0'],
    ...['-drive', 'if=none,id=b1,format=raw,readonly=on,file=/tmp/a,,b', '-device', 'virtio-blk-device,drive=b1'],
  ])
  assert.throws(() => attach(TWO, ['outside=tap:tap1'], []), {
    message: 'website has no network called outside; it has service, management',
  })
  assert.throws(() => attach(LABEL, [], ['disk.img']), {
    message: 'website has no block device to attach to disk.img',
  })
})

test('run: what the label asks for and is not there is named', () => {
  assert.throws(() => requireNetwork(LABEL, 'service', 'tap:no-such-tap'), {
    message: /^website needs network 'service', and there is no interface no-such-tap /,
  })
  assert.throws(() => requireNetwork(LABEL, 'service', 'stream:/nowhere'), {
    message: /^website needs network 'service', and nothing listens on \/nowhere: give --net service=/,
  })
  assert.throws(() => requireBlock(TWO, 'data', undefined), {
    message: "website needs block device 'data', and none is attached: give --block data=FILE",
  })
})

test('run virtio: no network device, no network', () => {
  const label = { ...LABEL, attachments: [] }
  assert.equal(qemuArguments({ ...OPTIONS, label, attached: [] }).includes('-netdev'), false)
})

test('run virtio: an image that was configured for it gets virtio’s console beside the serial port', () => {
  const label = { ...LABEL, attachments: [], configured: { console: 'virtio' } }
  const args = qemuArguments({ ...OPTIONS, label, attached: [] })
  assert.deepEqual([optionOf(args, '-chardev'), optionOf(args, '-serial')], ['stdio,id=c0,mux=on', 'chardev:c0'])
  assert.ok(args.includes('virtio-serial-device') && args.includes('virtconsole,chardev=c0'))
  const onPci = qemuArguments({ ...OPTIONS, label, attached: [], machine: 'q35' })
  assert.ok(onPci.includes('virtio-serial-pci'))
  assert.equal(optionOf(qemuArguments(OPTIONS), '-serial'), 'stdio')
})

test('run virtio: forwarded ports', () => {
  assert.deepEqual(parseForward('8080:80'), { network: 0, protocol: 'tcp', hostPort: 8080, guestPort: 80 })
  assert.deepEqual(parseForward('b=0:53/udp', ['a', 'b']), {
    network: 1,
    protocol: 'udp',
    hostPort: 0,
    guestPort: 53,
  })
  for (const text of ['80', '1:0', '70000:80', 'a:b', '1:2/sctp']) assert.throws(() => parseForward(text), text)
})

test('run virtio: the status of the guest from that of QEMU', () => {
  assert.equal(guestStatus(1), 0)
  assert.equal(guestStatus(3), 1)
  assert.equal(guestStatus((64 << 1) | 1), 64)
  assert.equal(guestStatus(0), undefined)
})
