/**
 * Images under KVM, and behind the virtio of Linux's kernel, which is not QEMU's. `npm run test:kvm` runs the native layer's tests
 * and more suites there; these are the first, and what only a Linux around the machine can see.
 */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { KvmHost } from './kvm/host.ts'
import { build, copyExample } from './lib/mirage.ts'
import { EXIT_DEVICE, MICROVM } from './lib/qemu.ts'

const NO_DEBIAN =
  existsSync('/usr/bin/apt-get') && existsSync('/usr/bin/dpkg-deb') ? false : 'needs apt-get and dpkg-deb for a kernel'
const QEMU = [
  'qemu-system-x86_64 -accel kvm -cpu host -nodefaults -no-user-config -no-reboot -display none -monitor none',
]
const FILE = 'style.css'

/** Machines with a tap whose other end QEMU never sees: vhost takes the frames. */
const BEHIND_VHOST = {
  'microvm, registers in memory': [...MICROVM, '-device', 'virtio-net-device,netdev=n0'],
  'q35, interrupts by message': ['-M', 'q35', '-device', 'virtio-net-pci,netdev=n0,romfile='],
}

describe('under KVM', { skip: NO_DEBIAN }, () => {
  const website = copyExample('applications/static-website')
  const hello = copyExample('tutorial/hello')
  let host: KvmHost
  let output = ''

  before(async () => {
    await build(website.folder, '-t', 'virtio')
    await build(hello.folder, '-t', 'virtio')
    host = await KvmHost.start()
  })
  after(async () => {
    await host.stop()
    website.remove()
    hello.remove()
  })

  /** Runs commands, one after the other; resolves with what they said. */
  async function run(...commands: readonly string[]): Promise<string> {
    output = ''
    await host.run(commands.join('; '), (octets) => {
      output += octets.toString('latin1')
    })
    return output.replaceAll('\r', '')
  }

  /** Eight lines, a second between them by the machine's own clock. */
  async function saysHello(...more: readonly string[]): Promise<void> {
    const image = `-m 4 -serial stdio -kernel ${hello.folder}/dist/hello.virtio -append --logs=*:info`
    const said = await run([...QEMU, ...MICROVM, ...EXIT_DEVICE, image, ...more].join(' '))
    const lines = [...said.matchAll(/^(\S+Z) INFO {2}\[application\] (?:hello|world)$/gm)]
    const times = lines.map((line) => Date.parse(line[1] as string))
    assert.equal(times.length, 8, said)
    for (const [i, time] of times.entries()) assert.ok(i === 0 || time - (times[i - 1] as number) >= 1000, said)
  }

  it('tells the time by its clock', async () => {
    const events = '/dev/shm/tracing/events/kvm/kvm_msr/enable'
    await run('mkdir /dev/shm/tracing', '/dev/shm/busybox mount -t tracefs none /dev/shm/tracing', `echo 1 > ${events}`)
    await saysHello()
    const registers = await run('grep -o "msr_write [0-9a-f]* " /dev/shm/tracing/trace | sort -u', `echo 0 > ${events}`)
    assert.match(registers, /msr_write 4b564d01 /, 'MSR_KVM_SYSTEM_TIME_NEW was not written')
  })

  it('tells the time without that clock', () => saysHello('-cpu host,-kvmclock'))

  for (const [name, machine] of Object.entries(BEHIND_VHOST)) {
    it(`answers over vhost: ${name}`, async () => {
      const image = `-kernel ${website.folder}/dist/static-website.virtio -append "--ipv4=10.9.0.2/24"`
      const net = '-netdev tap,id=n0,ifname=web,script=no,downscript=no,vhost=on'
      const page = 'curl -s --max-time 5 http://10.9.0.2'
      const said = await run(
        `${[...QEMU, ...machine, '-m 32 -serial file:/dev/shm/console', net, image].join(' ')} & qemu=$!`,
        'for i in 1 2 3 4 5 6 7 8 9 10; do ip link set web up 2>/dev/null && break; sleep 1; done',
        'ip addr add 10.9.0.1/24 dev web',
        `for i in 1 2 3 4 5 6 7 8 9 10; do ${page}/ >/dev/null && break; sleep 1; done`,
        'cat /proc/*/task/*/comm | grep vhost',
        `${page}/${FILE} | sha256sum`,
        'kill $qemu; wait; cat /dev/shm/console',
      )
      assert.match(said, /^vhost-\d+$/m, said)
      const wanted = createHash('sha256')
        .update(readFileSync(join(website.folder, 'site', FILE)))
        .digest('hex')
      assert.ok(said.includes(wanted), said)
    })
  }
})
