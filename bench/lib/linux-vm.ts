/**
 * A small Linux machine as a peer of our images: Debian's cloud kernel, and an initial file system of busybox, nginx and NSD.
 * Nothing starts in it that these do not need. Made in `dist/linux-vm`.
 */
import { cpSync, existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type LinuxMachine, LOAD_MODULES, makeLinuxMachine } from '../../tests/lib/debian-linux.ts'

const PROGRAMS = ['/usr/sbin/nginx', '/usr/sbin/nsd']

const INIT = `${LOAD_MODULES}
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
export function makeLinuxVm(site: string, zones: string): LinuxMachine {
  for (const program of PROGRAMS) {
    if (!existsSync(program)) throw new Error(`Cannot find ${program}: apt-get install nginx-light nsd`)
  }
  return makeLinuxMachine('linux-vm', {
    flavour: 'cloud-amd64',
    modules: ['virtio_pci', 'virtio_net'],
    init: INIT,
    programs: PROGRAMS,
    addFiles(root) {
      writeFileSync(join(root, 'etc/nginx.conf'), NGINX)
      writeFileSync(join(root, 'etc/nsd.conf'), NSD)
      writeFileSync(join(root, 'etc/passwd'), 'root:x:0:0::/:/bin/sh\nnobody:x:65534:65534::/:/bin/sh\n')
      writeFileSync(join(root, 'etc/group'), 'root:x:0:\nnogroup:x:65534:\n')
      for (const folder of ['var/log/nginx', 'var/lib/nginx']) mkdirSync(join(root, folder), { recursive: true })
      cpSync(site, join(root, 'site'), { recursive: true })
      cpSync(zones, join(root, 'zones'), { recursive: true })
    },
  })
}
