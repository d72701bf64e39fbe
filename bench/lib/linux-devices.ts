/** A Linux machine with a network interface and a disk of virtio, on the PC that QEMU emulates: the peer of our drivers. */
import { execFileSync } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { LOAD_MODULES, makeLinuxMachine } from '../../tests/lib/debian-linux.ts'
import { ROOT } from '../../tests/lib/mirage.ts'

const INIT = `${LOAD_MODULES}
/bin/busybox ip link set lo up
/bin/busybox ip addr add 10.0.0.2/24 dev eth0
/bin/busybox ip link set eth0 up
[ -e /dev/vda ] && /bin/linux-devices blocks $(/bin/busybox sed -n 's/.*seconds=\\([0-9]*\\).*/\\1/p' /proc/cmdline)
[ -e /dev/vda ] || /bin/linux-devices echo
/bin/busybox poweroff -f
`

/** QEMU's words for the machine, without those for its devices. It needs none but what it is given. */
export function linuxDevicesMachine(seconds: number): readonly string[] {
  const program = join(ROOT, 'dist/linux-devices/linux-devices')
  mkdirSync(join(ROOT, 'dist/linux-devices'), { recursive: true })
  execFileSync('gcc', ['-O2', '-static', '-o', program, join(ROOT, 'bench/peers/linux-devices.c')])
  const { kernel, initrd } = makeLinuxMachine('linux-devices', {
    flavour: 'cloud-amd64',
    modules: ['virtio_pci', 'virtio_net', 'virtio_blk'],
    init: INIT,
    addFiles: (root) => execFileSync('cp', [program, join(root, 'bin/linux-devices')]),
  })
  return ['-kernel', kernel, '-initrd', initrd, '-append', `console=ttyS0 quiet seconds=${seconds}`, '-m', '256']
}
