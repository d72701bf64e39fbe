/**
 * A small Linux machine as a peer of our images: Debian's cloud kernel, and an initial file system of busybox, nginx and NSD.
 * Nothing starts in it that these do not need. Made once, in `dist/linux-vm`.
 */
import { execFileSync } from 'node:child_process'
import { chmodSync, cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { ROOT } from '../../tests/lib/mirage.ts'

const FOLDER = join(ROOT, 'dist/linux-vm')

/** The kernel and its first file system, for QEMU's `-kernel` and `-initrd`. */
export interface LinuxVm {
  readonly kernel: string
  readonly initrd: string
}

/** In the order in which they must be loaded. */
const MODULES = [
  ...['virtio_ring', 'virtio', 'virtio_pci_modern_dev', 'virtio_pci_legacy_dev', 'virtio_pci'],
  ...['failover', 'net_failover', 'virtio_net'],
]

const INIT = `#!/bin/busybox sh
/bin/busybox mount -t proc proc /proc
/bin/busybox mount -t sysfs sys /sys
/bin/busybox mount -t devtmpfs dev /dev
for module in ${MODULES.join(' ')}; do /bin/busybox insmod /modules/$module.ko; done
/bin/busybox ip link set lo up
/bin/busybox ip addr add 10.0.2.15/24 dev eth0
/bin/busybox ip link set eth0 up
/bin/busybox ip route add default via 10.0.2.2
/usr/sbin/nsd -c /etc/nsd.conf &
/usr/sbin/nginx -c /etc/nginx.conf
echo ready
exec /bin/busybox sleep 100000
`

const NGINX = `worker_processes 1; pid /run/nginx.pid; error_log /dev/null;
events { worker_connections 512; }
http { access_log off; types { text/html html; text/css css; } sendfile on; tcp_nopush on; keepalive_requests 100000000;
  server { listen 80; root /site; } }
`

const NSD = `server:
  ip-address: 0.0.0.0
  server-count: 1
  username: ""
  zonesdir: "/zones"
  database: ""
  pidfile: "/run/nsd.pid"
  xfrdfile: "/run/xfrd.state"
  zonelistfile: "/run/zone.list"
  xfrdir: "/run"
  rrl-ratelimit: 0
remote-control:
  control-enable: no
zone:
  name: "example.com"
  zonefile: "example.com.zone"
`

/** Makes the machine, with the files of `site` and of `zones`, among them `example.com.zone`. Needs root, for Debian's packages, and those of nginx and NSD. */
export function makeLinuxVm(site: string, zones: string): LinuxVm {
  const { kernel, modules, busybox } = packages()
  const root = join(FOLDER, 'root')
  rmSync(root, { recursive: true, force: true })
  for (const folder of [
    'bin',
    'proc',
    'sys',
    'dev',
    'run',
    'etc',
    'tmp',
    'modules',
    'usr/sbin',
    'var/log/nginx',
    'zones',
  ]) {
    mkdirSync(join(root, folder), { recursive: true })
  }
  cpSync(busybox, join(root, 'bin/busybox'))
  for (const name of MODULES) cpSync(find(modules, `${name}.ko`), join(root, 'modules', `${name}.ko`))
  for (const program of ['/usr/sbin/nginx', '/usr/sbin/nsd']) copyProgram(program, root)
  writeFileSync(join(root, 'init'), INIT)
  chmodSync(join(root, 'init'), 0o755)
  writeFileSync(join(root, 'etc/nginx.conf'), NGINX)
  writeFileSync(join(root, 'etc/nsd.conf'), NSD)
  writeFileSync(join(root, 'etc/passwd'), 'root:x:0:0::/:/bin/sh\nnobody:x:65534:65534::/:/bin/sh\n')
  writeFileSync(join(root, 'etc/group'), 'root:x:0:\nnogroup:x:65534:\n')
  mkdirSync(join(root, 'var/lib/nginx'), { recursive: true })
  cpSync(site, join(root, 'site'), { recursive: true })
  cpSync(zones, join(root, 'zones'), { recursive: true })
  const initrd = join(FOLDER, 'initrd')
  execFileSync('sh', ['-c', `find . | ${busybox} cpio -o -H newc 2>/dev/null | gzip -1 > ${initrd}`], { cwd: root })
  return { kernel, initrd }
}

function packages(): { readonly kernel: string; readonly modules: string; readonly busybox: string } {
  const folder = join(FOLDER, 'packages')
  if (!existsSync(join(folder, 'boot'))) {
    mkdirSync(folder, { recursive: true })
    const depends = execFileSync('apt-cache', ['depends', 'linux-image-cloud-amd64'], { encoding: 'utf8' })
    const image = /Depends: (linux-image-\S+)/.exec(depends)?.[1]
    if (image === undefined) throw new Error('Cannot find the kernel of linux-image-cloud-amd64: run apt-get update')
    execFileSync('apt-get', ['download', image, 'busybox-static'], {
      cwd: folder,
      stdio: ['ignore', 'ignore', 'ignore'],
    })
    for (const file of readdirSync(folder).filter((name) => name.endsWith('.deb'))) {
      execFileSync('dpkg-deb', ['-x', file, '.'], { cwd: folder })
    }
  }
  const kernel = readdirSync(join(folder, 'boot')).find((name) => name.startsWith('vmlinuz')) ?? ''
  return {
    kernel: join(folder, 'boot', kernel),
    modules: join(folder, 'lib/modules'),
    busybox: join(folder, 'bin/busybox'),
  }
}

function find(folder: string, name: string): string {
  const path = readdirSync(folder, { recursive: true, encoding: 'utf8' }).find((file) => file.endsWith(`/${name}`))
  if (path === undefined) throw new Error(`Cannot find ${name} in ${folder}`)
  return join(folder, path)
}

/** Copies a program and the libraries that it is linked with. */
function copyProgram(program: string, root: string): void {
  if (!existsSync(program)) throw new Error(`Cannot find ${program}: apt-get install nginx-light nsd`)
  const libraries = execFileSync('ldd', [program], { encoding: 'utf8' }).matchAll(/(\/\S+) \(0x/g)
  for (const file of [program, ...[...libraries].map((match) => match[1] as string)]) {
    const target = join(root, file)
    if (existsSync(target)) continue
    mkdirSync(dirname(target), { recursive: true })
    writeFileSync(target, readFileSync(file))
    chmodSync(target, 0o755)
  }
}
