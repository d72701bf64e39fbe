/**
 * The offloads of QEMU's virtio network, with and without each: Linux echoes a stream off a unikernel over a tap, checks every
 * octet, and tcpdump says which frames were large. Needs root and tcpdump.
 */
import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { setTimeout } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { longestFrames } from './lib/capture.ts'
import { build, copyExample } from './lib/mirage.ts'
import { Namespace, NO_NAMESPACES } from './lib/namespace.ts'
import { stop } from './lib/processes.ts'

const PEER = fileURLToPath(new URL('./tcp-linux-peer.mjs', import.meta.url))
const LEN_BYTES = 512 * 1024
const ORDINARY_LEN = 1514

interface Variant {
  readonly name: string
  readonly machine: 'q35' | 'microvm'
  /** Features turned off, as options of the device. */
  readonly off: string
  readonly isVnet?: boolean
  /** Large frames are expected to us, and from us. */
  readonly isLargeIn: boolean
  readonly isLargeOut: boolean
  readonly isIpv6?: boolean
}

const VARIANTS: readonly Variant[] = [
  { name: 'everything', machine: 'q35', off: '', isLargeIn: true, isLargeOut: true },
  { name: 'everything, over MMIO', machine: 'microvm', off: '', isLargeIn: true, isLargeOut: true },
  { name: 'everything, IPv6', machine: 'q35', off: '', isLargeIn: true, isLargeOut: true, isIpv6: true },
  { name: 'no checksums', machine: 'q35', off: 'csum=off', isLargeIn: true, isLargeOut: false },
  { name: 'no checksums to us', machine: 'q35', off: 'guest_csum=off', isLargeIn: false, isLargeOut: true },
  { name: 'no cutting', machine: 'q35', off: 'host_tso4=off,host_tso6=off', isLargeIn: true, isLargeOut: false },
  {
    name: 'nothing large to us',
    machine: 'q35',
    off: 'guest_tso4=off,guest_tso6=off',
    isLargeIn: false,
    isLargeOut: true,
  },
  { name: 'no merged buffers', machine: 'q35', off: 'mrg_rxbuf=off', isLargeIn: false, isLargeOut: true },
  { name: 'no vnet header', machine: 'q35', off: '', isVnet: false, isLargeIn: false, isLargeOut: false },
]

describe('virtio network in QEMU, offloads', { skip: NO_NAMESPACES }, () => {
  const scratch = mkdtempSync(join(tmpdir(), 'mirage-offload-'))
  const { folder, remove } = copyExample('../tests/unikernels/tcp-echo')
  let namespace: Namespace
  before(async () => {
    await build(folder, '-t', 'virtio', '--ip', 'dual')
    namespace = new Namespace()
    await namespace.run('sysctl', '-q', '-w', 'net.ipv6.conf.all.accept_dad=0', 'net.ipv6.conf.default.accept_dad=0')
    namespace.addTap('tap0', '10.0.0.1/24')
    namespace.ip('-6', 'addr', 'add', '2001:db8::1/64', 'dev', 'tap0', 'nodad')
  })
  after(() => {
    namespace?.remove()
    remove()
    rmSync(scratch, { recursive: true })
  })

  for (const [number, variant] of VARIANTS.entries()) {
    it(variant.name, { timeout: 120_000 }, async () => {
      const qemu = boot(namespace.name, join(folder, 'dist/tcp-echo.virtio'), variant)
      const capture = join(scratch, `${number}.pcap`)
      const tcpdump = inNamespace(
        'tcpdump',
        '-i',
        'tap0',
        '-U',
        '--immediate-mode',
        '-s',
        '120',
        '-Z',
        'root',
        '-w',
        capture,
        'tcp',
      )
      try {
        await once(tcpdump.stderr as NodeJS.ReadableStream, 'data') // "listening on"
        const host = variant.isIpv6 === true ? '2001:db8::2' : '10.0.0.2'
        const said = await untilAnswered(qemu, () =>
          namespace.run(process.execPath, PEER, 'client', host, '7', String(LEN_BYTES)),
        )
        const expected = await namespace.run(process.execPath, PEER, 'hash', '-', '0', String(LEN_BYTES))
        assert.deepEqual(JSON.parse(said), JSON.parse(expected))
      } finally {
        await stop(tcpdump)
        await stop(qemu)
      }
      const longest = longestFrames(readFileSync(capture), 7)
      assert.equal(longest.toPort > ORDINARY_LEN, variant.isLargeIn, `${longest.toPort} octets to us`)
      assert.equal(longest.fromPort > ORDINARY_LEN, variant.isLargeOut, `${longest.fromPort} octets from us`)
    })
  }

  function inNamespace(...command: string[]): ChildProcess {
    return namespace.start([...command], { stdio: ['ignore', 'pipe', 'pipe'] })
  }
})

function boot(namespace: string, image: string, { machine, off, isVnet = true }: Variant): ChildProcess {
  const microvm = ['-M', 'microvm,acpi=off,rtc=on,auto-kernel-cmdline=on', '-global', 'virtio-mmio.force-legacy=off']
  const device = machine === 'q35' ? 'virtio-net-pci' : 'virtio-net-device'
  return spawn(
    'ip',
    [
      ...['netns', 'exec', namespace, 'qemu-system-x86_64', '-accel', 'tcg', '-cpu', 'max', '-m', '64'],
      ...(machine === 'q35' ? ['-M', 'q35'] : microvm),
      ...['-nodefaults', '-no-user-config', '-display', 'none', '-serial', 'none', '-monitor', 'none'],
      ...['-kernel', image, '-append', '--ipv4=10.0.0.2/24 --ipv6=2001:db8::2/64'],
      ...['-netdev', `tap,id=n0,ifname=tap0,script=no,downscript=no,vnet_hdr=${isVnet ? 'on' : 'off'}`],
      ...['-device', `${device},netdev=n0${off === '' ? '' : `,${off}`}`],
    ],
    { stdio: ['ignore', 'ignore', 'inherit'] },
  )
}

/** Repeats an attempt to connect while the machine is starting. */
async function untilAnswered(qemu: ChildProcess, attempt: () => Promise<string>): Promise<string> {
  for (let left = 20; ; left--) {
    const said = await attempt()
    if (!said.includes('"error"')) return said
    assert.ok(left > 0 && qemu.exitCode === null, `QEMU ${qemu.exitCode ?? 'runs'}, and connecting to it says ${said}`)
    await setTimeout(100)
  }
}
